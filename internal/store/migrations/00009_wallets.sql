-- +goose Up
-- The next address index of a key. It belongs to the key, not to a wallet: wallets
-- of several merchants may have one.
CREATE TABLE address_keys (
    fingerprint TEXT PRIMARY KEY,
    next_index  BIGINT NOT NULL
);
INSERT INTO address_keys (fingerprint, next_index) SELECT network || ':' || merchant_id, next_index FROM wallets;
DROP TABLE wallets;

CREATE TABLE wallets (
    id           TEXT PRIMARY KEY,
    merchant_id  TEXT NOT NULL REFERENCES merchants (id),
    network      TEXT NOT NULL,
    public_key   TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,
    policy       TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    removed_at   BIGINT NOT NULL
);
CREATE UNIQUE INDEX wallets_live ON wallets (merchant_id, network) WHERE removed_at = 0;
CREATE INDEX wallets_merchant ON wallets (merchant_id, created_at);
CREATE INDEX wallets_fingerprint ON wallets (fingerprint);

-- Payments of before are all of the sandbox; at which index is not known.
ALTER TABLE payments ADD COLUMN wallet_id TEXT NOT NULL DEFAULT '';
ALTER TABLE payments ADD COLUMN address_index BIGINT NOT NULL DEFAULT -1;
ALTER TABLE payments ADD COLUMN test BIGINT NOT NULL DEFAULT 1;
CREATE INDEX payments_wallet ON payments (wallet_id, address_index) WHERE wallet_id <> '';

-- Programs that had all permissions had one (bit 6: createWallet) that did nothing
-- until now: to say where the money goes. Merchants give it to whom they mean.
UPDATE clients SET permissions = permissions & ~32;

ALTER TABLE transfers ADD COLUMN height BIGINT NOT NULL DEFAULT 0;
ALTER TABLE transfers ADD COLUMN raw TEXT NOT NULL DEFAULT '';
CREATE INDEX transfers_height ON transfers (network, height) WHERE height > 0;
CREATE INDEX transfers_raw ON transfers (network, height) WHERE raw <> '';

ALTER TABLE cursors ADD COLUMN height BIGINT NOT NULL DEFAULT 0;
ALTER TABLE cursors ADD COLUMN trouble TEXT NOT NULL DEFAULT '';
ALTER TABLE cursors ADD COLUMN trouble_since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE cursors ADD COLUMN halted BIGINT NOT NULL DEFAULT 0;

-- Whether a merchant with a wallet of real coins also offers the test coin.
ALTER TABLE merchants ADD COLUMN test_coin BIGINT NOT NULL DEFAULT 0;
