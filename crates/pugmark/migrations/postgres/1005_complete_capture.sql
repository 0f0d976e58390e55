-- Complete capture: what was captured of each row, so that the gap sweep can tell what was not; a mark for TRUNCATE, which
-- fires no row trigger; and the errors that capture swallowed for the sake of the host's write.

ALTER TABLE pugmark.change_log DROP CONSTRAINT change_log_event_check;
ALTER TABLE pugmark.change_log ADD CONSTRAINT change_log_event_check
    CHECK (event IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'));
-- A healed change describes a moment before every change of its row that is still to be planned, whatever its id.
DROP INDEX pugmark.change_log_waiting;
CREATE INDEX change_log_waiting ON pugmark.change_log (healed DESC, id) WHERE processed_at IS NULL;

-- The watched columns of each row as they were last planned.
CREATE TABLE pugmark.captured_rows (
    table_name TEXT NOT NULL,
    row_key    TEXT NOT NULL,
    image      JSONB NOT NULL,
    PRIMARY KEY (table_name, row_key)
);

-- The paid payments of each customer as they were last planned, as sums: rows are added and taken off without being read.
CREATE TABLE pugmark.captured_payments (
    customer_id TEXT PRIMARY KEY,
    payments    BIGINT NOT NULL,
    cents       BIGINT NOT NULL,
    days        BIGINT NOT NULL,
    ids         BIGINT NOT NULL
);

CREATE TABLE pugmark.capture_errors (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_name TEXT NOT NULL,
    row_key    TEXT,
    event      TEXT NOT NULL,
    sqlstate   TEXT NOT NULL,
    message    TEXT NOT NULL,
    at         TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    healed_at  TIMESTAMPTZ
);
CREATE INDEX capture_errors_open ON pugmark.capture_errors (id) WHERE healed_at IS NULL;

-- Whose the tables of the slice are. Only the migration of a standalone store makes this index.
INSERT INTO pugmark.settings (name, value, updated_at)
SELECT 'slice.mode',
       to_jsonb(CASE WHEN to_regclass('public.customers_newest') IS NULL THEN 'attached' ELSE 'standalone' END), now();
INSERT INTO pugmark.settings (name, value, updated_at)
SELECT 'capture.installed', to_jsonb(EXISTS (
    SELECT 1 FROM pg_trigger WHERE tgname = 'pugmark_capture_customers' AND tgrelid = to_regclass('public.customers')
)), now();
