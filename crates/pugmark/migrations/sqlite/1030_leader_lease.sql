-- Which process carries out the work by the clock. One row; whoever takes it over raises the epoch.
CREATE TABLE leader_lease (
    name       TEXT NOT NULL PRIMARY KEY,
    -- Counts the terms. Every write of a leader checks that its own term is still the last one.
    epoch      INTEGER NOT NULL,
    -- The process; NULL: handed back.
    holder     TEXT,
    taken_at   INTEGER,
    -- From then on anybody may take it. Handed back: when that was.
    expires_at INTEGER NOT NULL,
    UNIQUE (name, epoch)
);
INSERT INTO leader_lease (name, epoch, expires_at) VALUES ('scheduler', 0, CAST(unixepoch('subsec') * 1000000 AS INTEGER));
