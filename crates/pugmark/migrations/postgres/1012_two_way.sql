-- What a revise of fields that people may edit on both sides was about to write, so that its late echo is no edit of theirs.
ALTER TABLE pugmark.crm_links ADD COLUMN in_flight JSONB;
-- The CRM's value that was last overruled, by field: what the CRM itself keeps changing back is overruled once and then told.
ALTER TABLE pugmark.crm_links ADD COLUMN overruled JSONB;
-- When the linked record was found to be gone.
ALTER TABLE pugmark.crm_links ADD COLUMN gone_at TIMESTAMPTZ;
-- Content of the record when a poll last noticed that it differs from what was agreed on.
ALTER TABLE pugmark.crm_links ADD COLUMN noticed_hash TEXT;

-- Fields that a person has to decide about.
CREATE TABLE pugmark.conflicts (
    id             TEXT PRIMARY KEY NOT NULL,
    customer_id    TEXT NOT NULL,
    -- The source, by the name that a mapping uses, and the field by its API name and label.
    source         TEXT NOT NULL,
    field          TEXT NOT NULL,
    label          TEXT NOT NULL,
    kind           TEXT NOT NULL CHECK (kind IN ('both_changed', 'not_accepted')),
    -- What was last agreed on (NULL: nothing ever was), and what both sides show, as the CRM stores it.
    base           TEXT,
    ours           TEXT NOT NULL,
    theirs         TEXT NOT NULL,
    -- Why MicroBima cannot take the CRM's value.
    reason         TEXT,
    status         TEXT NOT NULL DEFAULT 'OPEN' CHECK (status IN ('OPEN', 'DECIDED', 'RESOLVED')),
    choice         TEXT CHECK (choice IN ('microbima', 'vtiger', 'value')),
    chosen_value   TEXT,
    decided_by     TEXT,
    decided_at     TIMESTAMPTZ,
    decided_why    TEXT,
    -- How it ended: 'decided', or 'by itself'.
    resolution     TEXT,
    resolved_at    TIMESTAMPTZ,
    correlation_id TEXT,
    found_at       TIMESTAMPTZ NOT NULL,
    updated_at     TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX conflicts_unresolved ON pugmark.conflicts (customer_id, source) WHERE status <> 'RESOLVED';
CREATE INDEX conflicts_newest ON pugmark.conflicts (status, found_at, id);
CREATE INDEX conflicts_customer ON pugmark.conflicts (customer_id, found_at);

-- How far the CRM's changes have been read, by module.
CREATE TABLE pugmark.crm_cursors (
    module         TEXT PRIMARY KEY NOT NULL,
    -- Time of change as the CRM writes it, in its own zone, and the id of the last record read.
    modified_time  TEXT,
    record_id      TEXT,
    -- Unlinked records of the last seconds that were noticed already, by id, with the hash of their content.
    seen           JSONB NOT NULL DEFAULT '{}',
    -- Behind which customer the search for deleted contacts goes on.
    round_place    TEXT NOT NULL DEFAULT '',
    round_ended_at TIMESTAMPTZ,
    polled_at      TIMESTAMPTZ,
    error_code     TEXT,
    error          TEXT,
    noticed        BIGINT NOT NULL DEFAULT 0,
    updated_at     TIMESTAMPTZ NOT NULL
);
