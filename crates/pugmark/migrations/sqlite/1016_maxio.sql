-- Which calls to Maxio are in progress, one row for each that may be: the limit is the site's, however many processes there are.
-- One process needs no rows of these two tables; SQLite has them so that both stores look alike.
CREATE TABLE maxio_slots (
    slot       INTEGER PRIMARY KEY NOT NULL,
    holder     BLOB,
    -- A holder that never gives it back loses it then.
    expires_at INTEGER
);
INSERT INTO maxio_slots (slot) VALUES (1), (2), (3), (4);

-- Who waits for a slot, so that they take turns.
CREATE TABLE maxio_slot_waits (
    waiter  BLOB PRIMARY KEY NOT NULL,
    since   INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
);

-- What Maxio last said of a subscription's direct debits: its API does not tell that a second time.
CREATE TABLE maxio_debits (
    subscription_id TEXT PRIMARY KEY NOT NULL,
    -- Maxio's number of the event; later ones have higher ones.
    event_id        INTEGER NOT NULL,
    -- As the lead is told.
    said            TEXT NOT NULL,
    received_at     INTEGER NOT NULL
);
