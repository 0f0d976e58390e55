-- Log lines under the names and levels of the onboarding guide.
ALTER TABLE pugmark.application_logs RENAME COLUMN id TO log_id;
ALTER TABLE pugmark.application_logs RENAME COLUMN at TO timestamp;
-- Its fields and those of the work around it, a JSON object: job_id, api_call, operation, ...
ALTER TABLE pugmark.application_logs RENAME COLUMN fields TO context;
ALTER TABLE pugmark.application_logs DROP CONSTRAINT application_logs_level_check;
UPDATE pugmark.application_logs SET level = lower(level);
ALTER TABLE pugmark.application_logs ADD CONSTRAINT application_logs_level_check
    CHECK (level IN ('error', 'warn', 'info', 'debug'));
ALTER INDEX pugmark.application_logs_at RENAME TO application_logs_timestamp;
