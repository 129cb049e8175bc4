-- Who carries a repeatable call out, since when, and what makes carrying it out twice the same as once: the names of what it
-- makes are worked out from the seed.
SET @chaguan_change = IF(
    (SELECT COUNT(*) FROM information_schema.columns
      WHERE table_schema = DATABASE() AND table_name = 'idempotency' AND column_name = 'seed') > 0,
    'DO 0',
    'ALTER TABLE idempotency
     ADD COLUMN seed CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '''' COMMENT ''random'',
     ADD COLUMN holder BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT ''a random number of who carries it out; 0: nobody'',
     ADD COLUMN held_at DATETIME(3) NOT NULL DEFAULT ''1970-01-01 00:00:01'' COMMENT ''UTC by the database''''s clock''');
PREPARE chaguan_change FROM @chaguan_change;
EXECUTE chaguan_change;
DEALLOCATE PREPARE chaguan_change;
