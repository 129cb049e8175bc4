-- How long things are kept. What is too old is removed by chaguan-worker, the oldest first: of a conversation everything up
-- to the number `trimmed`, and of its comings and goings (passing_run) those up to `passing_gone`.

-- MySQL has no ADD COLUMN IF NOT EXISTS, so whether they are there is asked first. At the end of the row they are added at
-- once, however many conversations there are.
SET @chaguan_change = IF(
    (SELECT COUNT(*) FROM information_schema.columns
      WHERE table_schema = DATABASE() AND table_name = 'conversation' AND column_name = 'trimmed') > 0,
    'DO 0',
    'ALTER TABLE conversation
     ADD COLUMN keep_days INT UNSIGNED NULL COMMENT ''0: for ever; NULL: as the setting has it'',
     ADD COLUMN keep_presence_lines_days INT UNSIGNED NULL COMMENT ''likewise, of comings and goings'',
     ADD COLUMN trimmed BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT ''all messages up to this number are gone'',
     ADD COLUMN passing_gone BIGINT UNSIGNED NOT NULL DEFAULT 0
         COMMENT ''all lines of passing_run up to this number are gone'',
     ADD COLUMN forgets BIGINT UNSIGNED NOT NULL DEFAULT 0
         COMMENT ''raised when something is gone that is not below trimmed: what was read before is void''');
PREPARE chaguan_change FROM @chaguan_change;
EXECUTE chaguan_change;
DEALLOCATE PREPARE chaguan_change;

-- Users that were erased: what they had under way may have been stored afterwards, and is looked for once more.
CREATE TABLE IF NOT EXISTS erased_user (
    user      BIGINT UNSIGNED NOT NULL PRIMARY KEY,
    erased_at DATETIME(3) NOT NULL COMMENT 'UTC',
    KEY erased_user_at (erased_at)
) ENGINE=InnoDB;

-- Files that a message named which is gone: they go, too, if nothing else speaks of them.
CREATE TABLE IF NOT EXISTS media_doubt (
    name  VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    since DATETIME(3) NOT NULL COMMENT 'UTC'
) ENGINE=InnoDB;
