-- Processes that run, as each says of itself every few seconds.
CREATE TABLE pugmark.processes (
    -- host/process id/life; a worker's leases carry the same name.
    process    TEXT PRIMARY KEY,
    roles      TEXT NOT NULL,
    version    TEXT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    seen_at    TIMESTAMPTZ NOT NULL
);
