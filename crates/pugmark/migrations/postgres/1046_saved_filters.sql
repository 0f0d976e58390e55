-- Filters that a person keeps under a name. Whoever is sent its address sees the same, so nothing else has to be shared.
CREATE TABLE pugmark.saved_filters (
    user_id    UUID NOT NULL,
    screen     TEXT NOT NULL CHECK (screen IN ('operations', 'problems')),
    name       TEXT NOT NULL,
    -- What stands behind the question mark of the address.
    query      TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, screen, name)
);
