-- Log lines under the names and levels of the onboarding guide. SQLite changes no constraint: the table is made anew.
CREATE TABLE application_logs_new (
    log_id         INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp      INTEGER NOT NULL,
    level          TEXT NOT NULL CHECK (level IN ('error', 'warn', 'info', 'debug')),
    -- The part of the program that wrote it.
    target         TEXT NOT NULL,
    message        TEXT NOT NULL,
    -- Its fields and those of the work around it, a JSON object: job_id, api_call, operation, ...
    context        TEXT NOT NULL DEFAULT '{}',
    correlation_id TEXT
);
INSERT INTO application_logs_new SELECT id, at, lower(level), target, message, fields, correlation_id FROM application_logs;
DROP TABLE application_logs;
ALTER TABLE application_logs_new RENAME TO application_logs;
CREATE INDEX application_logs_correlation ON application_logs (correlation_id, log_id) WHERE correlation_id IS NOT NULL;
CREATE INDEX application_logs_timestamp ON application_logs (timestamp);
