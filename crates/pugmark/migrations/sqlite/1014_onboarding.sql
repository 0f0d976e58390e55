-- Leads on their way to becoming customers with a subscription in Maxio.
CREATE TABLE sync_jobs (
    job_id                   BLOB PRIMARY KEY NOT NULL,
    -- As the webhook named it: what is no id of vTiger is found out by the job and said there.
    vtiger_lead_id           TEXT NOT NULL,
    status                   TEXT NOT NULL CHECK (status IN ('pending', 'processing', 'maxio_created', 'crm_updated', 'failed')),
    -- The last step that is finished.
    step                     TEXT NOT NULL DEFAULT 'received' CHECK (step IN
                             ('received', 'checked', 'customer', 'payment_profile', 'subscription', 'lead_updated')),
    maxio_customer_id        TEXT,
    maxio_payment_profile_id TEXT,
    maxio_subscription_id    TEXT,
    -- CANCELLED, or a PUG-#### code; the message is for people, faults are a JSON object of field and reason.
    error_code               TEXT,
    error_message            TEXT,
    faults                   TEXT NOT NULL DEFAULT '{}',
    -- JSON: what the webhook said of the lead, and what a person corrected. Bank data among it, so it is sealed; gone when the job ends.
    sealed_data              BLOB,
    -- How often a person, or the workflow, had it tried again after it had failed.
    reruns                   INTEGER NOT NULL DEFAULT 0,
    -- webhook, poll, or who asked for it.
    requested_by             TEXT NOT NULL,
    operation_id             BLOB,
    correlation_id           TEXT NOT NULL,
    created_at               INTEGER NOT NULL,
    updated_at               INTEGER NOT NULL,
    ended_at                 INTEGER
);
CREATE UNIQUE INDEX sync_jobs_active ON sync_jobs (vtiger_lead_id)
    WHERE status IN ('pending', 'processing', 'maxio_created');
CREATE INDEX sync_jobs_lead ON sync_jobs (vtiger_lead_id, created_at);
CREATE INDEX sync_jobs_status ON sync_jobs (status, job_id);
CREATE INDEX sync_jobs_customer ON sync_jobs (maxio_customer_id) WHERE maxio_customer_id IS NOT NULL;
CREATE INDEX sync_jobs_subscription ON sync_jobs (maxio_subscription_id) WHERE maxio_subscription_id IS NOT NULL;

-- Steps of a job that were begun: such a step may have had its effect and is looked for before it is repeated.
CREATE TABLE sync_job_steps (
    job_id      BLOB NOT NULL,
    step        TEXT NOT NULL,
    begun_at    INTEGER NOT NULL,
    -- What was sent along to be known by (Maxio's uniqueness token).
    token       TEXT,
    finished_at INTEGER,
    PRIMARY KEY (job_id, step)
);

-- Deliveries now also come for the onboarding and from Maxio. SQLite changes no constraint: the table is made anew.
CREATE TABLE webhook_deliveries_new (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    received_at       INTEGER NOT NULL,
    endpoint          TEXT NOT NULL CHECK (endpoint IN ('lead-convert', 'vtiger', 'lead-status-change', 'maxio')),
    -- How the sender proved itself, and with which of the secrets of that kind, counted from 1.
    proof             TEXT NOT NULL CHECK (proof IN ('hmac', 'standard', 'header', 'path')),
    secret_number     INTEGER NOT NULL,
    dedup_key         TEXT NOT NULL,
    content_type      TEXT,
    parameters        TEXT,
    body              TEXT NOT NULL,
    correlation_id    TEXT NOT NULL,
    event             TEXT,
    module            TEXT,
    record_id         TEXT,
    status            TEXT NOT NULL CHECK (status IN ('ACCEPTED', 'IGNORED', 'UNUSABLE')),
    reason            TEXT,
    operation_id      BLOB,
    duplicates        INTEGER NOT NULL DEFAULT 0,
    last_duplicate_at INTEGER,
    replays           INTEGER NOT NULL DEFAULT 0,
    replayed_at       INTEGER,
    replayed_by       TEXT
);
INSERT INTO webhook_deliveries_new SELECT id, received_at, endpoint, proof, secret_number, dedup_key, content_type, parameters, body,
    correlation_id, event, module, record_id, status, reason, operation_id, duplicates, last_duplicate_at, replays, replayed_at,
    replayed_by FROM webhook_deliveries;
DROP TABLE webhook_deliveries;
ALTER TABLE webhook_deliveries_new RENAME TO webhook_deliveries;
CREATE INDEX webhook_deliveries_status ON webhook_deliveries (status, id);
CREATE INDEX webhook_deliveries_received ON webhook_deliveries (received_at);
