-- +goose Up
-- People who sign in. Of a password only a hash is kept, empty as long as none was
-- chosen; factor and pending_factor are secrets, sealed, or empty. factor_step is
-- the last time step of which a code was used.
CREATE TABLE users (
    id             TEXT PRIMARY KEY,
    merchant_id    TEXT NOT NULL REFERENCES merchants (id),
    email          TEXT NOT NULL UNIQUE,
    name           TEXT NOT NULL,
    role           TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    signed_in_at   BIGINT NOT NULL,
    password       TEXT NOT NULL,
    factor         TEXT NOT NULL,
    pending_factor TEXT NOT NULL,
    factor_step    BIGINT NOT NULL
);
CREATE INDEX users_merchant ON users (merchant_id, created_at, id);

-- Browsers in which somebody is signed in, by the hash of their token.
CREATE TABLE sessions (
    hash       TEXT PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    user_id    TEXT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    address    TEXT NOT NULL,
    agent      TEXT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id, seen_at);
CREATE INDEX sessions_end ON sessions (ends_at);

-- Links that let somebody in once, by the hash of their token. What a kind of pass
-- does not need is empty.
CREATE TABLE passes (
    hash        TEXT PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    what        TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    email       TEXT NOT NULL,
    role        TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX passes_merchant ON passes (merchant_id, what, created_at);
CREATE INDEX passes_user ON passes (user_id) WHERE user_id <> '';
CREATE INDEX passes_end ON passes (expires_at);

-- What people did.
CREATE TABLE audit (
    id          TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL REFERENCES merchants (id),
    at          BIGINT NOT NULL,
    who         TEXT NOT NULL,
    address     TEXT NOT NULL,
    action      TEXT NOT NULL,
    subject     TEXT NOT NULL,
    detail      TEXT NOT NULL
);
CREATE INDEX audit_merchant ON audit (merchant_id, at, id);
CREATE INDEX audit_age ON audit (at);
