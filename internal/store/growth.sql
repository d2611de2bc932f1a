-- Migration 11, for PostgreSQL. Nothing here makes anybody wait: programs work on
-- while the indexes are built. If it is interrupted, it begins again from its start.

-- What is due, and what waits, in the order in which it is read. With a million
-- deliveries for one endpoint, all of them would be sorted for each page.
DROP INDEX CONCURRENTLY IF EXISTS deliveries_due_in_order;
CREATE INDEX CONCURRENTLY deliveries_due_in_order ON deliveries (client_id, origin, due_at, webhook_id, number) WHERE due_at > 0;
DROP INDEX CONCURRENTLY IF EXISTS deliveries_due;
ALTER INDEX deliveries_due_in_order RENAME TO deliveries_due;

DROP INDEX CONCURRENTLY IF EXISTS deliveries_waiting_in_order;
CREATE INDEX CONCURRENTLY deliveries_waiting_in_order ON deliveries (client_id, origin, created_at, webhook_id, number) WHERE state = 'pending';
DROP INDEX CONCURRENTLY IF EXISTS deliveries_waiting;
ALTER INDEX deliveries_waiting_in_order RENAME TO deliveries_waiting;

-- A lane is found by its webhook and invoice. With the webhook first, the planner
-- takes this index for a webhook's number, too, before it has statistics, and reads all
-- that the webhook ever got.
DROP INDEX CONCURRENTLY IF EXISTS deliveries_lane_by_invoice;
CREATE INDEX CONCURRENTLY deliveries_lane_by_invoice ON deliveries (invoice_id, webhook_id, number);
DROP INDEX CONCURRENTLY IF EXISTS deliveries_lane;
ALTER INDEX deliveries_lane_by_invoice RENAME TO deliveries_lane;

-- What the pruner looks for.
DROP INDEX CONCURRENTLY IF EXISTS resends_over;
CREATE INDEX CONCURRENTLY resends_over ON resends (finished_at) WHERE state <> 'running';
DROP INDEX CONCURRENTLY IF EXISTS webhooks_deleted_in_order;
CREATE INDEX CONCURRENTLY webhooks_deleted_in_order ON webhooks (state_since, id) WHERE state = 'deleted';
DROP INDEX CONCURRENTLY IF EXISTS webhooks_deleted;
ALTER INDEX webhooks_deleted_in_order RENAME TO webhooks_deleted;

-- Who asks by client and server names both. With the client first, the planner takes
-- this index for questions about a client and an invoice, too, and reads all webhooks
-- that a client has ever given with invoices.
DROP INDEX CONCURRENTLY IF EXISTS webhooks_origin_first;
CREATE INDEX CONCURRENTLY webhooks_origin_first ON webhooks (origin, client_id, id);
DROP INDEX CONCURRENTLY IF EXISTS webhooks_origin;
ALTER INDEX webhooks_origin_first RENAME TO webhooks_origin;

-- Few are, and everybody who makes a delivery asks.
DROP INDEX CONCURRENTLY IF EXISTS endpoints_disabled;
CREATE INDEX CONCURRENTLY endpoints_disabled ON endpoints (client_id, origin) WHERE disabled_at > 0;

-- What changes often is cleaned when 2 % of it is old versions, not 20 %: a delivery
-- has two versions, and the second is in no page's own chain (HOT), because what is
-- due and what waits is found by index. With 300,000 deliveries there, 100,000 more
-- left indexes of 116 MB by the usual setting, and 92 MB by this one; those of what is
-- due and what waits, 36 and 12 MB (testdata/churn.sh). Room in the pages (fillfactor)
-- saves nothing here.
ALTER TABLE deliveries SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
ALTER TABLE invoices SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
-- These are only added to, until the pruner deletes.
ALTER TABLE notifications SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE attempts SET (autovacuum_vacuum_scale_factor = 0.05);
