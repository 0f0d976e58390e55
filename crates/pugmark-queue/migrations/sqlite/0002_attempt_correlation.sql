-- The request that an attempt works for, so that it is found without its operation. NULL on attempts of before.
ALTER TABLE vtiger_sync_attempts ADD COLUMN correlation_id TEXT;
