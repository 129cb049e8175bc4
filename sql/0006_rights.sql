-- Rights that are taken away: a password that is set, tokens that are void, a membership that ends. Each raises the
-- user's generation, and leaves a row for the relays beside the mutes and bans: whoever proved a right to be somewhere
-- under an earlier generation has to prove it again.

-- MySQL has no ADD COLUMN IF NOT EXISTS, so whether they are there is asked first.
SET @chaguan_change = IF(
    (SELECT COUNT(*) FROM information_schema.columns
      WHERE table_schema = DATABASE() AND table_name = 'user' AND column_name = 'rights') > 0,
    'DO 0',
    'ALTER TABLE user
     ADD COLUMN rights INT UNSIGNED NOT NULL DEFAULT 0
         COMMENT ''raised with whatever takes a right away from this user'',
     ADD COLUMN tokens_rights INT UNSIGNED NOT NULL DEFAULT 0
         COMMENT ''tokens of ours of an earlier generation are void'',
     ADD COLUMN tokens_at DATETIME(3) NULL
         COMMENT ''UTC; tokens of others that are no younger are void''');
PREPARE chaguan_change FROM @chaguan_change;
EXECUTE chaguan_change;
DEALLOCATE PREPARE chaguan_change;

-- A revocation (kind 4) without a user is on everybody who came with a token.
SET @chaguan_change = IF(
    (SELECT COUNT(*) FROM information_schema.columns
      WHERE table_schema = DATABASE() AND table_name = 'sanction' AND column_name = 'generation') > 0,
    'DO 0',
    'ALTER TABLE sanction
     ADD COLUMN generation INT UNSIGNED NULL COMMENT ''of a revocation: user.rights since it'',
     ADD KEY sanction_kind (kind, changed_at)');
PREPARE chaguan_change FROM @chaguan_change;
EXECUTE chaguan_change;
DEALLOCATE PREPARE chaguan_change;

ALTER TABLE sanction MODIFY kind TINYINT UNSIGNED NOT NULL COMMENT '1 mute, 2 ban, 4 revocation';
