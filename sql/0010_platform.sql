-- Users of an application, who are named by its own ids; conversations that it makes for them; the keys by which its
-- backend calls.

ALTER TABLE user MODIFY realm TINYINT UNSIGNED NOT NULL
    COMMENT 'whose names: 1 chatroom, 2 friends, 3 customers, 4 spaces, 5 the application';
ALTER TABLE conversation MODIFY kind TINYINT UNSIGNED NOT NULL
    COMMENT '1 chatroom, 2 friendship, 3 customer session, 4 space, 5 Socket.IO namespace, 6 of the application';

-- A user of realm 5: user.name is the application's id of it.
CREATE TABLE IF NOT EXISTS app_user (
    user       BIGINT UNSIGNED NOT NULL PRIMARY KEY,
    name       VARBINARY(256) NOT NULL DEFAULT '' COMMENT 'UTF-8, as it is shown; empty: the id is',
    face       VARBINARY(2048) NOT NULL DEFAULT '' COMMENT 'a URL; empty: none',
    role       TINYINT UNSIGNED NOT NULL DEFAULT 0 COMMENT '0 user, 1 moderator, 2 administrator',
    meta       TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL COMMENT 'a JSON object of the application''s',
    changed_at DATETIME(3) NOT NULL COMMENT 'UTC',
    CONSTRAINT app_user_user FOREIGN KEY (user) REFERENCES user (id)
) ENGINE=InnoDB;

-- A conversation of kind 6: conversation.name is the application's id of it, or its public id.
CREATE TABLE IF NOT EXISTS app_conversation (
    conversation BIGINT UNSIGNED NOT NULL PRIMARY KEY,
    type         TINYINT UNSIGNED NOT NULL COMMENT '1 group, 2 direct (its users: pair), 3 public',
    title        VARBINARY(256) NOT NULL DEFAULT '' COMMENT 'UTF-8, as it is shown',
    meta         TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL COMMENT 'a JSON object of the application''s',
    created_by   BIGINT UNSIGNED NULL COMMENT 'NULL: the application',
    changed_at   DATETIME(3) NOT NULL COMMENT 'UTC',
    deleted_at   DATETIME(3) NULL COMMENT 'UTC; nobody gets in any more',
    CONSTRAINT app_conversation_conversation FOREIGN KEY (conversation) REFERENCES conversation (id),
    CONSTRAINT app_conversation_created_by FOREIGN KEY (created_by) REFERENCES user (id)
) ENGINE=InnoDB;

SET @chaguan_change = IF(
    (SELECT COUNT(*) FROM information_schema.columns
      WHERE table_schema = DATABASE() AND table_name = 'member' AND column_name = 'role') > 0,
    'DO 0',
    'ALTER TABLE member
     ADD COLUMN role TINYINT UNSIGNED NOT NULL DEFAULT 3 COMMENT ''1 owner, 2 moderator, 3 member, 4 reader''');
PREPARE chaguan_change FROM @chaguan_change;
EXECUTE chaguan_change;
DEALLOCATE PREPARE chaguan_change;

CREATE TABLE IF NOT EXISTS server_key (
    id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name         VARBINARY(64) NOT NULL COMMENT 'UTF-8, the operator''s',
    hash         CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'SHA-256 of the key, in hex',
    scopes       TINYINT UNSIGNED NOT NULL COMMENT 'a sum of 1 read, 2 write, 4 admin',
    created_at   DATETIME(3) NOT NULL COMMENT 'UTC',
    last_used_at DATETIME(3) NULL COMMENT 'UTC, to the minute',
    revoked_at   DATETIME(3) NULL COMMENT 'UTC',
    UNIQUE KEY server_key_hash (hash),
    KEY server_key_name (name)
) ENGINE=InnoDB;

-- What was answered to a call that may be repeated.
CREATE TABLE IF NOT EXISTS idempotency (
    caller     BIGINT UNSIGNED NOT NULL COMMENT 'server_key.id, or user.id',
    is_user    TINYINT UNSIGNED NOT NULL COMMENT '1: caller is a user',
    call_key   VARBINARY(255) NOT NULL COMMENT 'the header Idempotency-Key',
    request    CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'SHA-256 of method, path and body, in hex',
    status     SMALLINT UNSIGNED NULL COMMENT 'NULL: being carried out',
    answer     MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    created_at DATETIME(3) NOT NULL COMMENT 'UTC',
    PRIMARY KEY (is_user, caller, call_key),
    KEY idempotency_created (created_at)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS reaction (
    conversation BIGINT UNSIGNED NOT NULL,
    seq          BIGINT UNSIGNED NOT NULL COMMENT 'the message',
    user         BIGINT UNSIGNED NOT NULL,
    emoji        VARBINARY(64) NOT NULL COMMENT 'UTF-8',
    PRIMARY KEY (conversation, seq, emoji, user),
    KEY reaction_user (user),
    CONSTRAINT reaction_conversation FOREIGN KEY (conversation) REFERENCES conversation (id),
    CONSTRAINT reaction_user FOREIGN KEY (user) REFERENCES user (id)
) ENGINE=InnoDB;

-- What lets somebody make an account.
CREATE TABLE IF NOT EXISTS invite (
    hash       CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY COMMENT 'SHA-256 of the code, in hex',
    role       TINYINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'app_user.role of the account',
    uses_left  INT UNSIGNED NOT NULL DEFAULT 1,
    created_by BIGINT UNSIGNED NULL COMMENT 'NULL: an operator or the application',
    created_at DATETIME(3) NOT NULL COMMENT 'UTC',
    expires_at DATETIME(3) NOT NULL COMMENT 'UTC',
    KEY invite_expires (expires_at),
    CONSTRAINT invite_created_by FOREIGN KEY (created_by) REFERENCES user (id)
) ENGINE=InnoDB;
