-- +goose Up
-- Invoices that somebody should look at; most never are in it.
CREATE INDEX invoices_flagged ON invoices (merchant_id, created_at, id) WHERE flags <> 0;
