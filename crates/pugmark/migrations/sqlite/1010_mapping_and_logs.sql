-- The field that a mapping's name meant when it was last checked against the CRM, by its API name. NULL: never checked.
ALTER TABLE vtiger_custom_field_mapping ADD COLUMN checked_field TEXT;
ALTER TABLE vtiger_custom_field_mapping ADD COLUMN checked_at INTEGER;

-- Bringing the linked contacts up to date after a change of the mapping: queued bit by bit, behind everything else.
CREATE TABLE mapping_runs (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    requested_by   TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    contacts       INTEGER NOT NULL,
    queued         INTEGER NOT NULL DEFAULT 0,
    -- Id of the last customer that was queued; the next ones come behind it.
    place          TEXT NOT NULL DEFAULT '',
    created_at     INTEGER NOT NULL,
    -- When the last one was queued, or when somebody stopped it.
    queued_at      INTEGER,
    stopped_by     TEXT
);

-- Log lines worth keeping, by default warnings, errors and one line for each attempt.
CREATE TABLE application_logs (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    at             INTEGER NOT NULL,
    level          TEXT NOT NULL CHECK (level IN ('ERROR', 'WARN', 'INFO')),
    target         TEXT NOT NULL,
    message        TEXT NOT NULL,
    fields         TEXT NOT NULL DEFAULT '{}',
    correlation_id TEXT
);
CREATE INDEX application_logs_correlation ON application_logs (correlation_id, id) WHERE correlation_id IS NOT NULL;
CREATE INDEX application_logs_at ON application_logs (at);
