-- When both sides were last compared, and when they were last found equal; NULL while they are known to differ.
ALTER TABLE pugmark.crm_links ADD COLUMN checked_at TIMESTAMPTZ;
ALTER TABLE pugmark.crm_links ADD COLUMN verified_at TIMESTAMPTZ;
CREATE INDEX crm_links_checked ON pugmark.crm_links (entity_type, checked_at NULLS FIRST)
    WHERE vtiger_id IS NOT NULL AND NOT withdrawn;

-- Comparisons of both sides, page by page: first the CRM's contacts, then our customers.
CREATE TABLE pugmark.reconcile_runs (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The night it was made for by the clock (YYYY-MM-DD).
    night           TEXT UNIQUE,
    fix             BOOLEAN NOT NULL,
    recreate        BOOLEAN NOT NULL,
    requested_by    TEXT NOT NULL,
    correlation_id  TEXT NOT NULL,
    phase           TEXT NOT NULL CHECK (phase IN ('contacts', 'customers', 'ended')),
    -- The id behind which the next page of the phase begins.
    place           TEXT NOT NULL DEFAULT '',
    contacts_total  BIGINT NOT NULL DEFAULT 0,
    customers_total BIGINT NOT NULL DEFAULT 0,
    contacts        BIGINT NOT NULL DEFAULT 0,
    strangers       BIGINT NOT NULL DEFAULT 0,
    customers       BIGINT NOT NULL DEFAULT 0,
    equal           BIGINT NOT NULL DEFAULT 0,
    under_way       BIGINT NOT NULL DEFAULT 0,
    calls           BIGINT NOT NULL DEFAULT 0,
    -- What keeps it from going on, or why it ended before its end.
    trouble         TEXT,
    created_at      TIMESTAMPTZ NOT NULL,
    ended_at        TIMESTAMPTZ,
    stopped_by      TEXT
);

CREATE TABLE pugmark.reconcile_findings (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id    BIGINT NOT NULL REFERENCES pugmark.reconcile_runs (id) ON DELETE CASCADE,
    kind      TEXT NOT NULL
        CHECK (kind IN ('missing', 'gone', 'extra', 'unlinked', 'different', 'duplicate', 'unreadable')),
    entity_id TEXT NOT NULL,
    vtiger_id TEXT NOT NULL,
    detail    JSONB NOT NULL DEFAULT '{}',
    -- Whether something was done about it: an operation is queued.
    repaired  BOOLEAN NOT NULL DEFAULT FALSE,
    UNIQUE (run_id, kind, entity_id, vtiger_id)
);
CREATE INDEX reconcile_findings_run ON pugmark.reconcile_findings (run_id, id);

-- The first sync of a base that is there on both sides: contacts are read, customers matched with them, and then linked.
CREATE TABLE pugmark.backfill_runs (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dry_run         BOOLEAN NOT NULL,
    confirmed       BOOLEAN NOT NULL,
    bulk            BOOLEAN NOT NULL,
    match_by        TEXT NOT NULL,
    requested_by    TEXT NOT NULL,
    correlation_id  TEXT NOT NULL,
    phase           TEXT NOT NULL CHECK (phase IN ('contacts', 'matching', 'ready', 'linking', 'ended')),
    -- The id behind which the next page of the phase begins.
    place           TEXT NOT NULL DEFAULT '',
    contacts_total  BIGINT NOT NULL DEFAULT 0,
    customers_total BIGINT NOT NULL DEFAULT 0,
    contacts        BIGINT NOT NULL DEFAULT 0,
    customers       BIGINT NOT NULL DEFAULT 0,
    calls           BIGINT NOT NULL DEFAULT 0,
    -- What reading pages of contacts took, in microseconds, and how many there were.
    read_micros     BIGINT NOT NULL DEFAULT 0,
    -- Whether the extension was found that makes a hundred contacts at a time.
    upserts         BOOLEAN NOT NULL DEFAULT FALSE,
    read_pages      BIGINT NOT NULL DEFAULT 0,
    trouble         TEXT,
    created_at      TIMESTAMPTZ NOT NULL,
    ended_at        TIMESTAMPTZ,
    stopped_by      TEXT
);
CREATE INDEX backfill_runs_real ON pugmark.backfill_runs (id) WHERE NOT dry_run;

-- Contacts that are linked to nothing, with the keys by which customers are matched with them.
CREATE TABLE pugmark.backfill_contacts (
    run_id    BIGINT NOT NULL,
    vtiger_id TEXT NOT NULL,
    reference TEXT NOT NULL,
    id_key    TEXT NOT NULL,
    email_key TEXT NOT NULL,
    held      JSONB NOT NULL,
    PRIMARY KEY (run_id, vtiger_id)
);
CREATE INDEX backfill_contacts_reference ON pugmark.backfill_contacts (run_id, reference) WHERE reference <> '';
CREATE INDEX backfill_contacts_id ON pugmark.backfill_contacts (run_id, id_key) WHERE id_key <> '';
CREATE INDEX backfill_contacts_email ON pugmark.backfill_contacts (run_id, email_key) WHERE email_key <> '';

-- What was found for each customer without a contact. Ambiguous ones are held: no contact is created until a person has decided.
CREATE TABLE pugmark.backfill_matches (
    run_id      BIGINT NOT NULL,
    customer_id TEXT NOT NULL,
    outcome     TEXT NOT NULL CHECK (outcome IN ('matched', 'ambiguous', 'new')),
    vtiger_id   TEXT,
    matched_by  TEXT,
    detail      JSONB NOT NULL,
    changes     BOOLEAN NOT NULL DEFAULT FALSE,
    done        BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (run_id, customer_id)
);
CREATE INDEX backfill_matches_contact ON pugmark.backfill_matches (run_id, vtiger_id) WHERE vtiger_id IS NOT NULL;
