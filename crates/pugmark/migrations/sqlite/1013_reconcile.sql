-- When both sides were last compared, and when they were last found equal; NULL while they are known to differ.
ALTER TABLE crm_links ADD COLUMN checked_at INTEGER;
ALTER TABLE crm_links ADD COLUMN verified_at INTEGER;
CREATE INDEX crm_links_checked ON crm_links (entity_type, checked_at)
    WHERE vtiger_id IS NOT NULL AND NOT withdrawn;

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

-- The first sync of a base that is there on both sides: contacts are read, customers matched with them, and then linked.
CREATE TABLE backfill_runs (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    dry_run         INTEGER NOT NULL,
    confirmed       INTEGER NOT NULL,
    bulk            INTEGER NOT NULL,
    match_by        TEXT NOT NULL,
    requested_by    TEXT NOT NULL,
    correlation_id  TEXT NOT NULL,
    phase           TEXT NOT NULL CHECK (phase IN ('contacts', 'matching', 'ready', 'linking', 'ended')),
    -- The id behind which the next page of the phase begins.
    place           TEXT NOT NULL DEFAULT '',
    contacts_total  INTEGER NOT NULL DEFAULT 0,
    customers_total INTEGER NOT NULL DEFAULT 0,
    contacts        INTEGER NOT NULL DEFAULT 0,
    customers       INTEGER NOT NULL DEFAULT 0,
    calls           INTEGER NOT NULL DEFAULT 0,
    -- What reading pages of contacts took, in microseconds, and how many there were.
    read_micros     INTEGER NOT NULL DEFAULT 0,
    -- Whether the extension was found that makes a hundred contacts at a time.
    upserts         INTEGER NOT NULL DEFAULT 0,
    read_pages      INTEGER NOT NULL DEFAULT 0,
    trouble         TEXT,
    created_at      INTEGER NOT NULL,
    ended_at        INTEGER,
    stopped_by      TEXT
);
CREATE INDEX backfill_runs_real ON backfill_runs (id) WHERE NOT dry_run;

-- Contacts that are linked to nothing, with the keys by which customers are matched with them.
CREATE TABLE backfill_contacts (
    run_id    INTEGER NOT NULL,
    vtiger_id TEXT NOT NULL,
    reference TEXT NOT NULL,
    id_key    TEXT NOT NULL,
    email_key TEXT NOT NULL,
    held      TEXT NOT NULL,
    PRIMARY KEY (run_id, vtiger_id)
);
CREATE INDEX backfill_contacts_reference ON backfill_contacts (run_id, reference) WHERE reference <> '';
CREATE INDEX backfill_contacts_id ON backfill_contacts (run_id, id_key) WHERE id_key <> '';
CREATE INDEX backfill_contacts_email ON backfill_contacts (run_id, email_key) WHERE email_key <> '';

-- What was found for each customer without a contact. Ambiguous ones are held: no contact is created until a person has decided.
CREATE TABLE backfill_matches (
    run_id      INTEGER NOT NULL,
    customer_id TEXT NOT NULL,
    outcome     TEXT NOT NULL CHECK (outcome IN ('matched', 'ambiguous', 'new')),
    vtiger_id   TEXT,
    matched_by  TEXT,
    detail      TEXT NOT NULL,
    changes     INTEGER NOT NULL DEFAULT 0,
    done        INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, customer_id)
);
CREATE INDEX backfill_matches_contact ON backfill_matches (run_id, vtiger_id) WHERE vtiger_id IS NOT NULL;
