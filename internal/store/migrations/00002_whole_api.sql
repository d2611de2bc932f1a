-- +goose Up
ALTER TABLE clients ADD COLUMN integration TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN state TEXT NOT NULL DEFAULT 'active';
ALTER TABLE clients ADD COLUMN allowed_ips TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN event_names BIGINT NOT NULL DEFAULT 0;
UPDATE clients SET state = 'disabled' WHERE disabled <> 0;
ALTER TABLE clients DROP COLUMN disabled;
-- Who had every permission goes on having every permission (bits 0 to 20, now to
-- 23), and who could cancel could accept.
UPDATE clients SET permissions = permissions | 14680064 WHERE permissions = 2097151;
UPDATE clients SET permissions = permissions | 2097152 WHERE permissions & 524288 <> 0;

-- 0: it does not end. While a rotation lasts, the old secret has an end.
ALTER TABLE secrets ADD COLUMN expires_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX secrets_expiring ON secrets (expires_at) WHERE expires_at > 0;

-- What people sign with. Of the token's text only a hash is kept.
CREATE TABLE account_tokens (
    id          TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL REFERENCES merchants (id),
    name        TEXT NOT NULL,
    hash        TEXT NOT NULL UNIQUE,
    created_at  BIGINT NOT NULL
);
CREATE INDEX account_tokens_merchant ON account_tokens (merchant_id, created_at);

-- Answers to requests that carried an Idempotency-Key, written in the
-- transaction of what they tell.
CREATE TABLE answers (
    client_id       TEXT NOT NULL,
    route           TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    digest          TEXT NOT NULL,
    body            TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (client_id, route, idempotency_key)
);
CREATE INDEX answers_age ON answers (created_at);

-- What lists of invoices are filtered by. Those that are there are filled in by
-- migration 3, which is in Go.
ALTER TABLE invoices ADD COLUMN integration TEXT NOT NULL DEFAULT '';
ALTER TABLE invoices ADD COLUMN searched TEXT NOT NULL DEFAULT '';
-- Version 2 of the API wants a merchant's own purchase order numbers to be unique.
ALTER TABLE invoices ADD COLUMN po_number TEXT NOT NULL DEFAULT '';
CREATE INDEX invoices_po_number ON invoices (merchant_id, po_number) WHERE po_number <> '';
