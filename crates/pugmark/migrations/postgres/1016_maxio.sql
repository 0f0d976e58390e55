-- Which calls to Maxio are in progress, one row for each that may be: the limit is the site's, however many processes there are.
CREATE TABLE pugmark.maxio_slots (
    slot       BIGINT PRIMARY KEY,
    holder     UUID,
    -- A holder that never gives it back loses it then.
    expires_at TIMESTAMPTZ
);
INSERT INTO pugmark.maxio_slots (slot) VALUES (1), (2), (3), (4);

-- Who waits for a slot, so that they take turns.
CREATE TABLE pugmark.maxio_slot_waits (
    waiter  UUID PRIMARY KEY,
    since   TIMESTAMPTZ NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL
);

-- What Maxio last said of a subscription's direct debits: its API does not tell that a second time.
CREATE TABLE pugmark.maxio_debits (
    subscription_id TEXT PRIMARY KEY,
    -- Maxio's number of the event; later ones have higher ones.
    event_id        BIGINT NOT NULL,
    -- As the lead is told.
    said            TEXT NOT NULL,
    received_at     TIMESTAMPTZ NOT NULL
);
