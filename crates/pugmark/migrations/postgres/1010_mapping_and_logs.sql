-- The field that a mapping's name meant when it was last checked against the CRM, by its API name. NULL: never checked.
ALTER TABLE pugmark.vtiger_custom_field_mapping ADD COLUMN checked_field TEXT;
ALTER TABLE pugmark.vtiger_custom_field_mapping ADD COLUMN checked_at TIMESTAMPTZ;

-- Bringing the linked contacts up to date after a change of the mapping: queued bit by bit, behind everything else.
CREATE TABLE pugmark.mapping_runs (
    id             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    requested_by   TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    contacts       BIGINT NOT NULL,
    queued         BIGINT NOT NULL DEFAULT 0,
    -- Id of the last customer that was queued; the next ones come behind it.
    place          TEXT NOT NULL DEFAULT '',
    created_at     TIMESTAMPTZ NOT NULL,
    -- When the last one was queued, or when somebody stopped it.
    queued_at      TIMESTAMPTZ,
    stopped_by     TEXT
);

-- Log lines worth keeping, by default warnings, errors and one line for each attempt.
CREATE TABLE pugmark.application_logs (
    id             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at             TIMESTAMPTZ NOT NULL,
    level          TEXT NOT NULL CHECK (level IN ('ERROR', 'WARN', 'INFO')),
    target         TEXT NOT NULL,
    message        TEXT NOT NULL,
    fields         JSONB NOT NULL DEFAULT '{}',
    correlation_id TEXT
);
CREATE INDEX application_logs_correlation ON pugmark.application_logs (correlation_id, id) WHERE correlation_id IS NOT NULL;
CREATE INDEX application_logs_at ON pugmark.application_logs (at);
