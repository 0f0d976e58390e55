-- When both sides were last compared, and when they were last found equal; NULL while they are known to differ.
ALTER TABLE pugmark.crm_links ADD COLUMN checked_at TIMESTAMPTZ;
ALTER TABLE pugmark.crm_links ADD COLUMN verified_at TIMESTAMPTZ;
CREATE INDEX crm_links_checked ON pugmark.crm_links (checked_at NULLS FIRST)
    WHERE entity_type = 'CUSTOMER' AND vtiger_id IS NOT NULL AND NOT withdrawn;

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
