-- Rows of the feed that one transaction writes stand together in records of this table: each costs the database about the same,
-- however many rows are in it. What is there stays: a record of before is one row. Columns at the end are added at once.
SET @chaguan_change = IF(
    (SELECT COUNT(*) FROM information_schema.columns
      WHERE table_schema = DATABASE() AND table_name = 'feed' AND column_name = 'earlier') > 0,
    'DO 0',
    'ALTER TABLE feed
     ADD COLUMN count SMALLINT UNSIGNED NOT NULL DEFAULT 1 COMMENT ''rows: that of this position, and those right before it'',
     ADD COLUMN earlier VARCHAR(4000) CHARACTER SET ascii COLLATE ascii_bin NULL
         COMMENT ''those before it: JSON, of each [conversation,seq,kind] or [conversation,seq,kind,after_stream,after_pos]''');
PREPARE chaguan_change FROM @chaguan_change;
EXECUTE chaguan_change;
DEALLOCATE PREPARE chaguan_change;

-- Nothing looks for streams by their time, and every transaction changed this key.
SET @chaguan_change = IF(
    (SELECT COUNT(*) FROM information_schema.statistics
      WHERE table_schema = DATABASE() AND table_name = 'feed_stream' AND index_name = 'feed_stream_changed') = 0,
    'DO 0',
    'ALTER TABLE feed_stream DROP KEY feed_stream_changed');
PREPARE chaguan_change FROM @chaguan_change;
EXECUTE chaguan_change;
DEALLOCATE PREPARE chaguan_change;
