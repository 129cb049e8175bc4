-- The native protocol: messages that their author changes or takes back afterwards. Both are events with numbers of their
-- own (kinds 10 and 11, content {"of":SEQ,"content":…} and {"of":SEQ}); the message they are about changes with them, so
-- that every history shows it as it is now. Of several changes only the last one keeps its text, and none once the message
-- is recalled: what was taken back stands nowhere any more.

-- MySQL has no ADD COLUMN IF NOT EXISTS, so whether they are there is asked first.
SET @chaguan_change = IF(
    (SELECT COUNT(*) FROM information_schema.columns
      WHERE table_schema = DATABASE() AND table_name = 'message' AND column_name = 'revised_by') > 0,
    'DO 0',
    'ALTER TABLE message
     ADD COLUMN revised_by BIGINT UNSIGNED NULL COMMENT ''the number of the event that changed it last'',
     ADD COLUMN recalled TINYINT UNSIGNED NOT NULL DEFAULT 0 COMMENT ''1: its author took it back''');
PREPARE chaguan_change FROM @chaguan_change;
EXECUTE chaguan_change;
DEALLOCATE PREPARE chaguan_change;

ALTER TABLE message MODIFY kind TINYINT UNSIGNED NOT NULL
    COMMENT '1 text, 2 join, 3 leave, 4 emoji, 5 file, 6 image, 7 video, 8 transfer, 9 Socket.IO event, 10 edit, 11 recall';
