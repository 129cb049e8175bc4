-- Friend chat, customer sessions, spaces: what they keep beside users, conversations and messages.

-- Passwords of users that have one: crypto_pwhash_str of libsodium (Argon2id with its parameters and salt).
CREATE TABLE IF NOT EXISTS credential (
    user       BIGINT UNSIGNED NOT NULL PRIMARY KEY,
    hash       VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    changed_at DATETIME(3) NOT NULL,
    CONSTRAINT credential_user FOREIGN KEY (user) REFERENCES user (id)
) ENGINE=InnoDB;

-- A conversation of two: a friendship or a customer session. Unordered, so stored with user1 < user2; the
-- unique key decides between two who make it at once, from either side.
CREATE TABLE IF NOT EXISTS pair (
    conversation BIGINT UNSIGNED NOT NULL PRIMARY KEY,
    user1        BIGINT UNSIGNED NOT NULL,
    user2        BIGINT UNSIGNED NOT NULL,
    UNIQUE KEY pair_users (user1, user2),
    KEY pair_user2 (user2),
    CONSTRAINT pair_order CHECK (user1 < user2),
    CONSTRAINT pair_conversation FOREIGN KEY (conversation) REFERENCES conversation (id),
    CONSTRAINT pair_user1 FOREIGN KEY (user1) REFERENCES user (id),
    CONSTRAINT pair_user2 FOREIGN KEY (user2) REFERENCES user (id)
) ENGINE=InnoDB;

-- A user of the customer sessions: an account within an application.
CREATE TABLE IF NOT EXISTS customer (
    user     BIGINT UNSIGNED NOT NULL PRIMARY KEY,
    app_sid  VARBINARY(64) NOT NULL,
    account  VARBINARY(64) NOT NULL,
    username VARBINARY(256) NOT NULL,
    avatar   VARBINARY(512) NOT NULL,
    UNIQUE KEY customer_account (app_sid, account),
    CONSTRAINT customer_user FOREIGN KEY (user) REFERENCES user (id)
) ENGINE=InnoDB;

-- The sum of a space's transfers per member; over a space they sum to zero.
CREATE TABLE IF NOT EXISTS standing (
    conversation BIGINT UNSIGNED NOT NULL,
    user         BIGINT UNSIGNED NOT NULL,
    score        BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (conversation, user),
    KEY standing_user (user),
    CONSTRAINT standing_conversation FOREIGN KEY (conversation) REFERENCES conversation (id),
    CONSTRAINT standing_user FOREIGN KEY (user) REFERENCES user (id)
) ENGINE=InnoDB;

-- Uploaded files. The name is random and the file's name on disk and in its URL.
CREATE TABLE IF NOT EXISTS media (
    name       VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    kind       VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'media type, told from its bytes',
    bytes      BIGINT UNSIGNED NOT NULL,
    created_at DATETIME(3) NOT NULL,
    KEY media_created (created_at)
) ENGINE=InnoDB;
