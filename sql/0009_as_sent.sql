-- What clients sent is kept as they sent it: the time of a chatroom's line in whatever form it has, and what a friend's
-- frame held beside its message.

-- MySQL has no ADD COLUMN IF NOT EXISTS, so whether they are there is asked first. New columns at the end of the row are
-- added at once, however many messages there are; a wider sent_at would write all of them anew. So that is kept for what
-- was stored before.
SET @chaguan_change = IF(
    (SELECT COUNT(*) FROM information_schema.columns
      WHERE table_schema = DATABASE() AND table_name = 'message' AND column_name = 'extra') > 0,
    'DO 0',
    'ALTER TABLE message
     ADD COLUMN sent_text VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL
         COMMENT ''as sent_at, in the form that its sender gave it; since 0009'',
     ADD COLUMN extra TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL
         COMMENT ''members of a JSON object that came beside it''');
PREPARE chaguan_change FROM @chaguan_change;
EXECUTE chaguan_change;
DEALLOCATE PREPARE chaguan_change;
