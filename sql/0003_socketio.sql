-- Socket.IO: namespaces are conversations of a kind of their own, and what is emitted to one is a message of it, with
-- the rooms and sockets it is for beside it.

-- MySQL has no ADD COLUMN IF NOT EXISTS, so whether it is there is asked first. At the end of the row, the column is
-- added at once, however many messages there are.
SET @chaguan_change = IF(
    (SELECT COUNT(*) FROM information_schema.columns
      WHERE table_schema = DATABASE() AND table_name = 'message' AND column_name = 'audience') > 0,
    'DO 0',
    'ALTER TABLE message ADD COLUMN audience VARBINARY(4096) NULL
     COMMENT ''which rooms and sockets of a Socket.IO namespace it is for; NULL: everybody''');
PREPARE chaguan_change FROM @chaguan_change;
EXECUTE chaguan_change;
DEALLOCATE PREPARE chaguan_change;

ALTER TABLE user MODIFY realm TINYINT UNSIGNED NOT NULL
    COMMENT 'whose names: 1 chatroom, 2 friends, 3 customers, 4 spaces';
ALTER TABLE conversation MODIFY kind TINYINT UNSIGNED NOT NULL
    COMMENT '1 chatroom, 2 friendship, 3 customer session, 4 space, 5 Socket.IO namespace';

-- What all processes of this deployment share and nobody else knows: with it a relay signs the names of connections
-- for the other relays. 32 bytes.
INSERT IGNORE INTO meta (name, value) VALUES ('secret', LOWER(HEX(RANDOM_BYTES(32))));
