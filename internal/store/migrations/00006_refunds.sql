-- +goose Up
-- What merchants note of money that they gave back. It changes nothing else. The
-- amount is in whole coins.
CREATE TABLE refunds (
    id         TEXT PRIMARY KEY,
    invoice_id TEXT NOT NULL REFERENCES invoices (id),
    currency   TEXT NOT NULL,
    amount     TEXT NOT NULL,
    txid       TEXT NOT NULL,
    who        TEXT NOT NULL,
    noted_at   BIGINT NOT NULL
);
CREATE INDEX refunds_invoice ON refunds (invoice_id, noted_at);

-- Lists of invoices in a state, or of a client, are read in the order of time.
CREATE INDEX invoices_state ON invoices (merchant_id, state, created_at, id);
CREATE INDEX invoices_client ON invoices (merchant_id, client_id, created_at, id);

-- Invoices are found by their numbers, in any case, at once. The numbers of those
-- that are there are filled in by migration 7, which is in Go.
ALTER TABLE invoices ADD COLUMN number TEXT NOT NULL DEFAULT '';
CREATE INDEX invoices_number ON invoices (merchant_id, lower(number), created_at, id) WHERE number <> '';
DROP INDEX invoices_po_number;
CREATE INDEX invoices_po_number ON invoices (merchant_id, lower(po_number), created_at, id) WHERE po_number <> '';
