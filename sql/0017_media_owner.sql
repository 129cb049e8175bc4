-- Whose an uploaded file is, where the user was known: what an erasure and an export go by. Files of nobody have no row.
CREATE TABLE IF NOT EXISTS media_owner (
    owner BIGINT UNSIGNED NOT NULL,
    name  VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (owner, name),
    KEY media_owner_name (name)
) ENGINE=InnoDB;

-- MySQL has no ADD COLUMN IF NOT EXISTS, so whether they are there is asked first.
SET @chaguan_change = IF(
    (SELECT COUNT(*) FROM information_schema.columns
      WHERE table_schema = DATABASE() AND table_name = 'media_doubt' AND column_name = 'gone') > 0,
    'DO 0',
    'ALTER TABLE media_doubt
     ADD COLUMN gone TINYINT UNSIGNED NOT NULL DEFAULT 0 COMMENT ''1: its owner was erased; it goes, whoever speaks of it''');
PREPARE chaguan_change FROM @chaguan_change;
EXECUTE chaguan_change;
DEALLOCATE PREPARE chaguan_change;

-- A writer that stores messages without rows says so in its stream for as long as it does. When it ends without having said
-- that this is over, whoever removes its stream does.
SET @chaguan_change = IF(
    (SELECT COUNT(*) FROM information_schema.columns
      WHERE table_schema = DATABASE() AND table_name = 'feed_stream' AND column_name = 'gap') > 0,
    'DO 0',
    'ALTER TABLE feed_stream
     ADD COLUMN gap TINYINT UNSIGNED NOT NULL DEFAULT 0 COMMENT ''1: its writer leaves messages out''');
PREPARE chaguan_change FROM @chaguan_change;
EXECUTE chaguan_change;
DEALLOCATE PREPARE chaguan_change;
