-- A move of the whole store from SQLite to PostgreSQL (`pugmark migrate-store`): one row at most, in both stores.
CREATE TABLE store_moves (
    -- The same in both stores; so a move goes on only between the two that began it.
    id           BLOB PRIMARY KEY NOT NULL,
    side         TEXT NOT NULL CHECK (side IN ('source', 'target')),
    -- The other store's address, without its password.
    other        TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('copying', 'copied', 'moved')),
    -- Statements that put back what stands aside while rows are copied in no order of their references.
    foreign_keys TEXT NOT NULL DEFAULT '[]',
    begun_at     INTEGER NOT NULL,
    ended_at     INTEGER
);

-- How far it is, committed with the rows themselves. Only PostgreSQL's is ever filled.
CREATE TABLE store_move_tables (
    table_name TEXT PRIMARY KEY NOT NULL,
    -- JSON: the primary key of the last row that is copied.
    place      TEXT,
    rows       INTEGER NOT NULL DEFAULT 0,
    done       INTEGER NOT NULL DEFAULT 0
);
