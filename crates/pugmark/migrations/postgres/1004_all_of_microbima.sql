-- Changes that no trigger saw and the gap sweep wrote: what they call for in the CRM may exist already.
ALTER TABLE pugmark.change_log ADD COLUMN healed BOOLEAN NOT NULL DEFAULT FALSE;
