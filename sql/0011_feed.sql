-- The feed: what was stored, for those who tell of it, index it or push it (chaguan-worker). Every connection that stores
-- messages has a stream of its own, so positions within a stream are committed in order and without holes.

-- pos: of the last row. The transaction that stores messages locks this row and advances it.
CREATE TABLE IF NOT EXISTS feed_stream (
    id         INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    owner      BIGINT UNSIGNED NOT NULL COMMENT 'a random number of its writer: after the database was put back, an id may be given out again',
    pos        BIGINT UNSIGNED NOT NULL,
    changed_at DATETIME(3) NOT NULL COMMENT 'UTC',
    KEY feed_stream_changed (changed_at)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS feed (
    stream       INT UNSIGNED NOT NULL,
    pos          BIGINT UNSIGNED NOT NULL,
    conversation BIGINT UNSIGNED NOT NULL,
    seq          BIGINT UNSIGNED NOT NULL,
    kind         TINYINT UNSIGNED NOT NULL COMMENT 'as in message',
    after_stream INT UNSIGNED NULL COMMENT 'where the row before it of its conversation is; NULL: before it in this stream, or there was none',
    after_pos    BIGINT UNSIGNED NULL,
    PRIMARY KEY (stream, pos)
) ENGINE=InnoDB;

-- What workers have to do: a consumer of the feed, or another task. One worker at a time has each, until its lease ends.
CREATE TABLE IF NOT EXISTS worker_job (
    id         INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name       VARBINARY(64) NOT NULL,
    reads_feed TINYINT UNSIGNED NOT NULL COMMENT '1: rows of the feed are kept until it has passed them',
    holder     BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'a random number of the lease; 0: nobody',
    worker     VARBINARY(128) NOT NULL DEFAULT '' COMMENT 'who that is, for people',
    until      DATETIME(3) NOT NULL DEFAULT '1970-01-01 00:00:01' COMMENT 'UTC by the database''s clock',
    UNIQUE KEY worker_job_name (name)
) ENGINE=InnoDB;

-- How far each has passed a stream. No row: not at all.
CREATE TABLE IF NOT EXISTS feed_cursor (
    job    INT UNSIGNED NOT NULL,
    stream INT UNSIGNED NOT NULL,
    pos    BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (stream, job)
) ENGINE=InnoDB;

-- MySQL has no ADD COLUMN IF NOT EXISTS, so whether they are there is asked first.
SET @chaguan_change = IF(
    (SELECT COUNT(*) FROM information_schema.columns
      WHERE table_schema = DATABASE() AND table_name = 'conversation' AND column_name = 'feed_stream') > 0,
    'DO 0',
    'ALTER TABLE conversation
     ADD COLUMN feed_stream INT UNSIGNED NOT NULL DEFAULT 0 COMMENT ''where its last row of the feed is; 0: there is none'',
     ADD COLUMN feed_pos BIGINT UNSIGNED NOT NULL DEFAULT 0');
PREPARE chaguan_change FROM @chaguan_change;
EXECUTE chaguan_change;
DEALLOCATE PREPARE chaguan_change;
