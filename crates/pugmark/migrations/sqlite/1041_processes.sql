-- Processes that run, as each says of itself every few seconds.
CREATE TABLE processes (
    -- host/process id/life; a worker's leases carry the same name.
    process    TEXT PRIMARY KEY NOT NULL,
    roles      TEXT NOT NULL,
    version    TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL
);
