-- Changes that no trigger saw and the gap sweep wrote: what they call for in the CRM may exist already.
ALTER TABLE change_log ADD COLUMN healed INTEGER NOT NULL DEFAULT 0;
