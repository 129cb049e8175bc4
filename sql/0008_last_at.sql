-- The time of each conversation's last message, which the next one's is not below: relays' clocks differ.

-- MySQL has no ADD COLUMN IF NOT EXISTS, so whether it is there is asked first.
SET @chaguan_change = IF(
    (SELECT COUNT(*) FROM information_schema.columns
      WHERE table_schema = DATABASE() AND table_name = 'conversation' AND column_name = 'last_at') > 0,
    'DO 0',
    'ALTER TABLE conversation
     ADD COLUMN last_at BIGINT UNSIGNED NOT NULL DEFAULT 0
         COMMENT ''of the message seq, Unix time in ms; 0: not known, the next message says it''');
PREPARE chaguan_change FROM @chaguan_change;
EXECUTE chaguan_change;
DEALLOCATE PREPARE chaguan_change;
