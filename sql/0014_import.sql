-- What was imported (chaguan import): messages of a conversation whose numbers follow each other both where they come from
-- and here. So an import that was cut short goes on, and what answers or changes an imported message finds it.
CREATE TABLE IF NOT EXISTS import_run (
    conversation BIGINT UNSIGNED NOT NULL,
    from_seq     BIGINT UNSIGNED NOT NULL COMMENT 'the first one''s number where it comes from',
    seq          BIGINT UNSIGNED NOT NULL COMMENT 'and here',
    count        BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (conversation, from_seq),
    CONSTRAINT import_run_conversation FOREIGN KEY (conversation) REFERENCES conversation (id)
) ENGINE=InnoDB;
