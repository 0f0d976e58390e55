-- A move of the whole store from SQLite to PostgreSQL (`pugmark migrate-store`): one row at most, in both stores.
CREATE TABLE pugmark.store_moves (
    -- The same in both stores; so a move goes on only between the two that began it.
    id           UUID PRIMARY KEY,
    side         TEXT NOT NULL CHECK (side IN ('source', 'target')),
    -- The other store's address, without its password.
    other        TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('copying', 'copied', 'moved')),
    -- Statements that put back what stands aside while rows are copied in no order of their references.
    foreign_keys JSONB NOT NULL DEFAULT '[]',
    begun_at     TIMESTAMPTZ NOT NULL,
    ended_at     TIMESTAMPTZ
);

-- How far it is, committed with the rows themselves.
CREATE TABLE pugmark.store_move_tables (
    table_name TEXT PRIMARY KEY,
    -- JSON: the primary key of the last row that is copied.
    place      TEXT,
    rows       BIGINT NOT NULL DEFAULT 0,
    done       BOOLEAN NOT NULL DEFAULT FALSE
);
