-- Migration 4. A table that is marked "keyed" is found by its key only: on SQLite
-- it is kept in that key's tree (WITHOUT ROWID), which is one tree less to write.

-- What is known of merchants' servers. One without a row is well.
CREATE TABLE endpoints (
    client_id       TEXT NOT NULL,
    origin          TEXT NOT NULL,
    failing_since   BIGINT NOT NULL,
    failures        BIGINT NOT NULL,
    failure         TEXT NOT NULL,
    paused_until    BIGINT NOT NULL,
    disabled_at     BIGINT NOT NULL,
    accepted_secret BIGINT NOT NULL,
    PRIMARY KEY (client_id, origin)
) /* keyed */;

-- state_since is 0 for as long as it exists, retry_schedule empty for the usual
-- one, else pauses in seconds.
ALTER TABLE webhooks ADD COLUMN state_since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN state_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE webhooks ADD COLUMN retry_schedule TEXT NOT NULL DEFAULT '';
CREATE INDEX webhooks_deleted ON webhooks (state_since) WHERE state = 'deleted';
CREATE INDEX webhooks_origin ON webhooks (client_id, origin, id);

-- Notifications that are not about an invoice have an empty invoice_id.
DROP INDEX notifications_invoice;
CREATE UNIQUE INDEX notifications_invoice ON notifications (invoice_id, version) WHERE invoice_id <> '';

-- Deliveries of one webhook and invoice that wait for each other are a lane, see
-- Delivery.Lane. due_at is set only on the head of a lane, so that the index of
-- what is due never holds what may not go yet. marks: 1 out of order, 2 resent,
-- 4 told again, 8 may have gone although no attempt is recorded.
ALTER TABLE deliveries RENAME TO old_deliveries;
DROP INDEX deliveries_lane;
DROP INDEX deliveries_due;
CREATE TABLE deliveries (
    webhook_id      TEXT NOT NULL,
    number          BIGINT NOT NULL,
    notification_id TEXT NOT NULL,
    invoice_id      TEXT NOT NULL,
    client_id       TEXT NOT NULL,
    origin          TEXT NOT NULL,
    state           TEXT NOT NULL,
    marks           BIGINT NOT NULL,
    attempts        BIGINT NOT NULL,
    round           BIGINT NOT NULL,
    refused_secret  BIGINT NOT NULL,
    due_at          BIGINT NOT NULL,
    failing_since   BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    finished_at     BIGINT NOT NULL,
    CONSTRAINT deliveries_key PRIMARY KEY (webhook_id, number)
) /* keyed */;
INSERT INTO deliveries (webhook_id, number, notification_id, invoice_id, client_id, origin, state, marks, attempts, round,
        refused_secret, due_at, failing_since, created_at, finished_at)
    SELECT webhook_id, number, notification_id, invoice_id, client_id, origin, state, 0, attempts, 0, 0, due_at, 0, created_at, finished_at
    FROM old_deliveries ORDER BY webhook_id, number;
DROP TABLE old_deliveries;
CREATE INDEX deliveries_lane ON deliveries (webhook_id, invoice_id, number);
CREATE INDEX deliveries_due ON deliveries (client_id, origin, due_at) WHERE due_at > 0;
-- What waits, by age.
CREATE INDEX deliveries_waiting ON deliveries (client_id, origin, created_at) WHERE state = 'pending';

-- Times in microseconds.
ALTER TABLE attempts RENAME TO old_attempts;
CREATE TABLE attempts (
    webhook_id TEXT NOT NULL,
    number     BIGINT NOT NULL,
    n          BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    duration   BIGINT NOT NULL,
    dns        BIGINT NOT NULL,
    connect    BIGINT NOT NULL,
    tls        BIGINT NOT NULL,
    first_byte BIGINT NOT NULL,
    status     BIGINT NOT NULL,
    answer     TEXT NOT NULL,
    failure    TEXT NOT NULL,
    secret     BIGINT NOT NULL,
    CONSTRAINT attempts_key PRIMARY KEY (webhook_id, number, n)
) /* keyed */;
INSERT INTO attempts (webhook_id, number, n, started_at, duration, dns, connect, tls, first_byte, status, answer, failure, secret)
    SELECT webhook_id, number, n, started_at, duration, 0, 0, 0, 0, status, answer, failure, 0 FROM old_attempts ORDER BY webhook_id, number, n;
DROP TABLE old_attempts;

-- Who serves which endpoints. A process lives as long as its beat changes; when
-- it does not, others delete its row and take its shards. Whoever has no row
-- writes no results.
CREATE TABLE processes (
    id   TEXT PRIMARY KEY,
    beat BIGINT NOT NULL
);
CREATE TABLE shards (
    shard BIGINT PRIMARY KEY,
    owner TEXT NOT NULL
);
INSERT INTO shards (shard, owner)
    WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 255)
    SELECT n, '' FROM numbers;

-- Deliveries to be made again, as a job: it walks numbers up to a last one, and
-- an empty webhook_id means all webhooks of the endpoint.
CREATE TABLE resends (
    id          TEXT PRIMARY KEY,
    client_id   TEXT NOT NULL,
    webhook_id  TEXT NOT NULL,
    origin      TEXT NOT NULL,
    what        TEXT NOT NULL,
    since       BIGINT NOT NULL,
    after       BIGINT NOT NULL,
    upto        BIGINT NOT NULL,
    at_webhook  TEXT NOT NULL,
    at_number   BIGINT NOT NULL,
    total       BIGINT NOT NULL,
    done        BIGINT NOT NULL,
    state       TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    finished_at BIGINT NOT NULL
);
CREATE INDEX resends_client ON resends (client_id, created_at);
CREATE INDEX resends_running ON resends (created_at, id) WHERE state = 'running';
