-- When both sides were last compared, and when they were last found equal; NULL while they are known to differ.
ALTER TABLE crm_links ADD COLUMN checked_at INTEGER;
ALTER TABLE crm_links ADD COLUMN verified_at INTEGER;
CREATE INDEX crm_links_checked ON crm_links (checked_at)
    WHERE entity_type = 'CUSTOMER' AND vtiger_id IS NOT NULL AND NOT withdrawn;

-- Comparisons of both sides, page by page: first the CRM's contacts, then our customers.
CREATE TABLE reconcile_runs (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The night it was made for by the clock (YYYY-MM-DD).
    night           TEXT UNIQUE,
    fix             INTEGER NOT NULL,
    recreate        INTEGER NOT NULL,
    requested_by    TEXT NOT NULL,
    correlation_id  TEXT NOT NULL,
    phase           TEXT NOT NULL CHECK (phase IN ('contacts', 'customers', 'ended')),
    -- The id behind which the next page of the phase begins.
    place           TEXT NOT NULL DEFAULT '',
    contacts_total  INTEGER NOT NULL DEFAULT 0,
    customers_total INTEGER NOT NULL DEFAULT 0,
    contacts        INTEGER NOT NULL DEFAULT 0,
    strangers       INTEGER NOT NULL DEFAULT 0,
    customers       INTEGER NOT NULL DEFAULT 0,
    equal           INTEGER NOT NULL DEFAULT 0,
    under_way       INTEGER NOT NULL DEFAULT 0,
    calls           INTEGER NOT NULL DEFAULT 0,
    -- What keeps it from going on, or why it ended before its end.
    trouble         TEXT,
    created_at      INTEGER NOT NULL,
    ended_at        INTEGER,
    stopped_by      TEXT
);

CREATE TABLE reconcile_findings (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id    INTEGER NOT NULL REFERENCES reconcile_runs (id) ON DELETE CASCADE,
    kind      TEXT NOT NULL
        CHECK (kind IN ('missing', 'gone', 'extra', 'unlinked', 'different', 'duplicate', 'unreadable')),
    entity_id TEXT NOT NULL,
    vtiger_id TEXT NOT NULL,
    detail    TEXT NOT NULL DEFAULT '{}',
    -- Whether something was done about it: an operation is queued.
    repaired  INTEGER NOT NULL DEFAULT 0,
    UNIQUE (run_id, kind, entity_id, vtiger_id)
);
CREATE INDEX reconcile_findings_run ON reconcile_findings (run_id, id);
