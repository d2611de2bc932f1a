-- One text for SQLite and PostgreSQL. Times are microseconds since 1970 in UTC,
-- 0 for "not". On-chain amounts are decimal text: they can be over 2^63. Sets
-- (events, flags, permissions) are bits, as the root package numbers them.

-- +goose Up
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE merchants (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    email      TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE clients (
    id           TEXT PRIMARY KEY,
    merchant_id  TEXT NOT NULL REFERENCES merchants (id),
    name         TEXT NOT NULL,
    url          TEXT NOT NULL,
    permissions  BIGINT NOT NULL,
    disabled     BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    pay_window   BIGINT NOT NULL,
    lifetime     BIGINT NOT NULL,
    tolerance    BIGINT NOT NULL,
    accept_late  BIGINT NOT NULL
);
CREATE INDEX clients_merchant ON clients (merchant_id);

-- A client's secrets, sealed. The newest is the current one.
CREATE TABLE secrets (
    client_id  TEXT NOT NULL REFERENCES clients (id),
    created_at BIGINT NOT NULL,
    sealed     TEXT NOT NULL,
    PRIMARY KEY (client_id, created_at)
);

CREATE TABLE wallets (
    merchant_id TEXT NOT NULL REFERENCES merchants (id),
    network     TEXT NOT NULL,
    next_index  BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, network)
);

CREATE TABLE invoices (
    id           TEXT PRIMARY KEY,
    merchant_id  TEXT NOT NULL REFERENCES merchants (id),
    client_id    TEXT NOT NULL REFERENCES clients (id),
    version      BIGINT NOT NULL,
    state        TEXT NOT NULL,
    flags        BIGINT NOT NULL,
    bill         TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    paid_at      BIGINT NOT NULL,
    completed_at BIGINT NOT NULL,
    cancelled_at BIGINT NOT NULL,
    timed_out_at BIGINT NOT NULL,
    pay_window   BIGINT NOT NULL,
    tolerance    BIGINT NOT NULL,
    accept_late  BIGINT NOT NULL,
    test         BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    due_network  TEXT NOT NULL
);
CREATE INDEX invoices_list ON invoices (merchant_id, created_at, id);
-- Timers: what may expire, once this network is scanned past that moment.
CREATE INDEX invoices_due ON invoices (due_network, due_at) WHERE due_at > 0;

CREATE TABLE payments (
    id              TEXT PRIMARY KEY,
    invoice_id      TEXT NOT NULL REFERENCES invoices (id),
    currency        TEXT NOT NULL,
    network         TEXT NOT NULL,
    address         TEXT NOT NULL,
    due             TEXT NOT NULL,
    tolerance       TEXT NOT NULL,
    rate            TEXT NOT NULL,
    refund_email    TEXT NOT NULL,
    paid_after      BIGINT NOT NULL,
    completed_after BIGINT NOT NULL,
    opened_at       BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    timed_out_at    BIGINT NOT NULL,
    seen            TEXT NOT NULL,
    counted         TEXT NOT NULL,
    accepted        TEXT NOT NULL,
    UNIQUE (network, address)
);
CREATE INDEX payments_invoice ON payments (invoice_id, opened_at);

CREATE TABLE transfers (
    network       TEXT NOT NULL,
    txid          TEXT NOT NULL,
    position      BIGINT NOT NULL,
    asset         TEXT NOT NULL,
    invoice_id    TEXT NOT NULL REFERENCES invoices (id),
    payment_id    TEXT NOT NULL REFERENCES payments (id),
    address       TEXT NOT NULL,
    amount        TEXT NOT NULL,
    status        TEXT NOT NULL,
    confirmations BIGINT NOT NULL,
    reorged       BIGINT NOT NULL,
    replaces      TEXT NOT NULL,
    seen_at       BIGINT NOT NULL,
    absent_at     BIGINT NOT NULL,
    settled       BIGINT NOT NULL,
    PRIMARY KEY (network, txid, position, asset)
);
CREATE INDEX transfers_invoice ON transfers (invoice_id);
CREATE INDEX transfers_open ON transfers (network) WHERE settled = 0;

-- Where a watcher stands. Moved by compare-and-set on version.
CREATE TABLE cursors (
    network    TEXT PRIMARY KEY,
    position   TEXT NOT NULL,
    version    BIGINT NOT NULL,
    scanned_at BIGINT NOT NULL
);

CREATE TABLE webhooks (
    id              TEXT PRIMARY KEY,
    client_id       TEXT NOT NULL REFERENCES clients (id),
    invoice_id      TEXT NOT NULL,
    url             TEXT NOT NULL,
    origin          TEXT NOT NULL,
    events          BIGINT NOT NULL,
    state           TEXT NOT NULL,
    created_from_ui BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    last_number     BIGINT NOT NULL
);
CREATE INDEX webhooks_scope ON webhooks (client_id, invoice_id);

CREATE TABLE notifications (
    id          TEXT PRIMARY KEY,
    client_id   TEXT NOT NULL,
    invoice_id  TEXT NOT NULL,
    version     BIGINT NOT NULL,
    event       BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    body        TEXT NOT NULL
);
CREATE UNIQUE INDEX notifications_invoice ON notifications (invoice_id, version);

-- due_at is set only on the head of a lane (webhook x invoice), so that the
-- index of what is due never holds what may not go yet.
CREATE TABLE deliveries (
    webhook_id      TEXT NOT NULL,
    number          BIGINT NOT NULL,
    notification_id TEXT NOT NULL,
    invoice_id      TEXT NOT NULL,
    client_id       TEXT NOT NULL,
    origin          TEXT NOT NULL,
    state           TEXT NOT NULL,
    attempts        BIGINT NOT NULL,
    due_at          BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    finished_at     BIGINT NOT NULL,
    PRIMARY KEY (webhook_id, number)
);
CREATE INDEX deliveries_lane ON deliveries (webhook_id, invoice_id, number) WHERE state = 'pending';
CREATE INDEX deliveries_due ON deliveries (client_id, origin, due_at) WHERE due_at > 0;

CREATE TABLE attempts (
    webhook_id TEXT NOT NULL,
    number     BIGINT NOT NULL,
    n          BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    duration   BIGINT NOT NULL,
    status     BIGINT NOT NULL,
    answer     TEXT NOT NULL,
    failure    TEXT NOT NULL,
    PRIMARY KEY (webhook_id, number, n)
);

-- The sandbox chain is the fold of this journal.
CREATE TABLE sandbox_journal (
    n           BIGINT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    op          TEXT NOT NULL
);

INSERT INTO meta (name, value) VALUES ('epoch', '1');
