#!/bin/sh
# Measures what old versions of rows cost the table of deliveries: 300,000 that are done,
# then 100,000 more, each made and delivered, in 400 rounds. Usage:
#   churn.sh DSN_OF_AN_EMPTY_DATABASE ["ALTER TABLE deliveries SET (...)"]
# The database must have Paybell's schema (start `paybell serve` once). It prints MB of the
# table, MB of its indexes, MB of the indexes of what is due and what waits, old versions
# left, how many updates were HOT, and how often autovacuum came.
set -eu
psql="psql -q -v ON_ERROR_STOP=1 $1"
$psql <<SQL
SET synchronous_commit = off;
CREATE PROCEDURE sell(first BIGINT, last BIGINT) LANGUAGE sql AS \$\$
	INSERT INTO deliveries (webhook_id, number, notification_id, invoice_id, client_id, origin, state, marks, attempts, round, refused_secret, due_at, failing_since, created_at, finished_at)
	SELECT lpad((i % 16)::text, 26, 'w'), i / 16, lpad(to_hex(i), 32, '0'), '019b7ca9-0000-7000-8000-' || lpad((i / 4)::text, 12, '0'), lpad((i % 16)::text, 32, 'c'),
		'https://' || i % 16 || '.example:443', 'pending', 0, 0, 0, 0, 1700000000000000 + i, 0, 1700000000000000 + i, 0 FROM generate_series(first, last) i \$\$;
CREATE PROCEDURE ring(first BIGINT, last BIGINT) LANGUAGE sql AS \$\$
	UPDATE deliveries d SET state = 'delivered', attempts = 1, due_at = 0, finished_at = 1700000000000000 + i FROM generate_series(first, last) i
	WHERE d.webhook_id = lpad((i % 16)::text, 26, 'w') AND d.number = i / 16 \$\$;
ALTER TABLE deliveries SET (autovacuum_enabled = off);
CALL sell(1, 300000);
CALL ring(1, 300000);
VACUUM FULL deliveries;
VACUUM ANALYZE deliveries;
ALTER TABLE deliveries RESET (autovacuum_enabled);
${2:-}
SQL
for round in $(seq 0 399); do
	echo "CALL sell($((300001 + round * 250)), $((300250 + round * 250))); CALL ring($((300001 + round * 250)), $((300250 + round * 250))); SELECT pg_sleep(0.1);"
done | $psql -o /dev/null
sleep 5 # the server counts late
$psql -At -F' ' -c "SELECT pg_table_size('deliveries') / 1000000, pg_indexes_size('deliveries') / 1000000,
	(pg_relation_size('deliveries_due') + pg_relation_size('deliveries_waiting')) / 1000000, n_dead_tup, n_tup_hot_upd, autovacuum_count FROM pg_stat_user_tables WHERE relname = 'deliveries'"
