-- Complete capture: what was captured of each row, so that the gap sweep can tell what was not. SQLite knows no TRUNCATE, and
-- its triggers cannot swallow an error; the table for errors is there because both databases have the same tables.

-- A healed change describes a moment before every change of its row that is still to be planned, whatever its id.
DROP INDEX change_log_waiting;
CREATE INDEX change_log_waiting ON change_log (healed DESC, id) WHERE processed_at IS NULL;

-- The watched columns of each row as they were last planned.
CREATE TABLE captured_rows (
    table_name TEXT NOT NULL,
    row_key    TEXT NOT NULL,
    image      TEXT NOT NULL,
    PRIMARY KEY (table_name, row_key)
) WITHOUT ROWID;

-- The paid payments of each customer as they were last planned, as sums: rows are added and taken off without being read.
CREATE TABLE captured_payments (
    customer_id TEXT PRIMARY KEY NOT NULL,
    payments    INTEGER NOT NULL,
    cents       INTEGER NOT NULL,
    days        INTEGER NOT NULL,
    ids         INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE capture_errors (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    table_name TEXT NOT NULL,
    row_key    TEXT,
    event      TEXT NOT NULL,
    sqlstate   TEXT NOT NULL,
    message    TEXT NOT NULL,
    at         INTEGER NOT NULL,
    healed_at  INTEGER
);
CREATE INDEX capture_errors_open ON capture_errors (id) WHERE healed_at IS NULL;

INSERT INTO settings (name, value, updated_at) VALUES
    ('slice.mode', '"standalone"', CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    ('capture.installed', 'true', CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER));
