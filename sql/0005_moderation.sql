-- Moderation: who may not post, or not be here, where and until when. A kick leaves no row.

-- changed_at is set with every change: by it a relay that was told nothing finds what is new. Of user, address and name
-- one is given; names are those of Socket.IO sockets, which have no user.
CREATE TABLE IF NOT EXISTS sanction (
    id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    kind         TINYINT UNSIGNED NOT NULL COMMENT '1 mute, 2 ban',
    user         BIGINT UNSIGNED NULL,
    address      VARCHAR(47) CHARACTER SET ascii COLLATE ascii_bin NULL
                 COMMENT 'IPv4, or the /64 of an IPv6 address',
    name         VARBINARY(256) NULL COMMENT 'of a Socket.IO socket; UTF-8',
    conversation BIGINT UNSIGNED NULL COMMENT 'NULL: everywhere',
    until        DATETIME(3) NULL COMMENT 'UTC; NULL: for good',
    reason       VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
    created_at   DATETIME(3) NOT NULL COMMENT 'UTC',
    lifted_at    DATETIME(3) NULL COMMENT 'UTC',
    changed_at   DATETIME(3) NOT NULL COMMENT 'UTC',
    KEY sanction_user (user),
    KEY sanction_address (address),
    KEY sanction_name (name),
    KEY sanction_changed (changed_at),
    CONSTRAINT sanction_user FOREIGN KEY (user) REFERENCES user (id),
    CONSTRAINT sanction_conversation FOREIGN KEY (conversation) REFERENCES conversation (id)
) ENGINE=InnoDB;
