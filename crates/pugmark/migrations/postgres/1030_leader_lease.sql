-- Which process carries out the work by the clock. One row; whoever takes it over raises the epoch.
CREATE TABLE pugmark.leader_lease (
    name       TEXT PRIMARY KEY,
    -- Counts the terms. Every write of a leader checks that its own term is still the last one.
    epoch      BIGINT NOT NULL,
    -- The process; NULL: handed back.
    holder     TEXT,
    taken_at   TIMESTAMPTZ,
    -- From then on anybody may take it. Handed back: when that was.
    expires_at TIMESTAMPTZ NOT NULL,
    -- A takeover changes a key, a renewal does not: so the first waits for a leader's commit that is under way, the second for none.
    UNIQUE (name, epoch)
);
INSERT INTO pugmark.leader_lease (name, epoch, expires_at) VALUES ('scheduler', 0, now());
