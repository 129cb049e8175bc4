-- Runs of comings and goings: consecutive numbers of a conversation that are nothing else. By them whoever shows a history
-- finds what was said before a crowd came, without looking at the crowd. What was stored before this table is in no run:
-- it is looked over row by row, a bounded way.
CREATE TABLE IF NOT EXISTS passing_run (
    conversation BIGINT UNSIGNED NOT NULL,
    first        BIGINT UNSIGNED NOT NULL COMMENT 'number of its first line',
    last         BIGINT UNSIGNED NOT NULL COMMENT 'and of its last one so far',
    PRIMARY KEY (conversation, first),
    KEY passing_run_last (conversation, last),
    CONSTRAINT passing_run_conversation FOREIGN KEY (conversation) REFERENCES conversation (id)
) ENGINE=InnoDB;
