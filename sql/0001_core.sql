-- The core: users, conversations, who belongs to which, and every message of every door.
--
-- Names are VARBINARY: two names are the same if and only if their UTF-8 bytes are, with no case
-- folding, accent folding or padding, on MySQL and MariaDB alike. Public ids are credentials.

CREATE TABLE IF NOT EXISTS meta (
    name  VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    value VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL
) ENGINE=InnoDB;

-- The epoch of every sequence number: raised when the database is put back to an older state, so
-- that no client takes a number of the lost time for one of the new.
INSERT IGNORE INTO meta (name, value) VALUES ('epoch', '1');

CREATE TABLE IF NOT EXISTS user (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    public_id  VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    realm      TINYINT UNSIGNED NOT NULL COMMENT 'whose names: 1 chatroom',
    name       VARBINARY(256) NOT NULL COMMENT 'UTF-8',
    head_num   VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '0'
               COMMENT 'the head the client chose, as the JSON scalar it sent',
    created_at DATETIME(3) NOT NULL,
    UNIQUE KEY user_public (public_id),
    UNIQUE KEY user_name (realm, name)
) ENGINE=InnoDB;

-- seq is the number of the last message: the journal locks this row while it takes the next ones.
CREATE TABLE IF NOT EXISTS conversation (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    public_id  VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    kind       TINYINT UNSIGNED NOT NULL COMMENT '1 chatroom',
    name       VARBINARY(256) NOT NULL COMMENT 'UTF-8; unique among those of its kind',
    seq        BIGINT UNSIGNED NOT NULL DEFAULT 0,
    created_at DATETIME(3) NOT NULL,
    UNIQUE KEY conversation_public (public_id),
    UNIQUE KEY conversation_name (kind, name)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS member (
    conversation BIGINT UNSIGNED NOT NULL,
    user         BIGINT UNSIGNED NOT NULL,
    joined_at    DATETIME(3) NOT NULL,
    read_seq     BIGINT UNSIGNED NOT NULL DEFAULT 0,
    PRIMARY KEY (conversation, user),
    KEY member_user (user),
    CONSTRAINT member_conversation FOREIGN KEY (conversation) REFERENCES conversation (id),
    CONSTRAINT member_user FOREIGN KEY (user) REFERENCES user (id)
) ENGINE=InnoDB;

-- client_id makes a retry find the first attempt. batch_id names the transaction, so that after a
-- connection broke during COMMIT one look-up tells whether it had been carried out.
CREATE TABLE IF NOT EXISTS message (
    conversation BIGINT UNSIGNED NOT NULL,
    seq          BIGINT UNSIGNED NOT NULL,
    sender       BIGINT UNSIGNED NULL,
    client_id    VARBINARY(64) NULL,
    batch_id     BIGINT UNSIGNED NOT NULL,
    kind         TINYINT UNSIGNED NOT NULL COMMENT '1 text, 2 join, 3 leave',
    sender_name  VARBINARY(256) NOT NULL COMMENT 'as it was then',
    content      MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    sent_at      CHAR(19) CHARACTER SET ascii COLLATE ascii_bin NULL
                 COMMENT 'by the sender''s clock, YYYY-MM-DD HH:mm:ss, as the chatroom shows it',
    created_at   DATETIME(3) NOT NULL COMMENT 'UTC',
    PRIMARY KEY (conversation, seq),
    UNIQUE KEY message_client (conversation, sender, client_id),
    KEY message_sender (sender),
    CONSTRAINT message_conversation FOREIGN KEY (conversation) REFERENCES conversation (id),
    CONSTRAINT message_sender FOREIGN KEY (sender) REFERENCES user (id)
) ENGINE=InnoDB;
