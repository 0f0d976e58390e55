-- Leads on their way to becoming customers with a subscription in Maxio.
CREATE TABLE pugmark.sync_jobs (
    job_id                   UUID PRIMARY KEY,
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
    sealed_data              BYTEA,
    -- How often a person, or the workflow, had it tried again after it had failed.
    reruns                   INTEGER NOT NULL DEFAULT 0,
    -- webhook, poll, or who asked for it.
    requested_by             TEXT NOT NULL,
    operation_id             UUID,
    correlation_id           TEXT NOT NULL,
    created_at               TIMESTAMPTZ NOT NULL,
    updated_at               TIMESTAMPTZ NOT NULL,
    ended_at                 TIMESTAMPTZ
);
CREATE UNIQUE INDEX sync_jobs_active ON pugmark.sync_jobs (vtiger_lead_id)
    WHERE status IN ('pending', 'processing', 'maxio_created');
CREATE INDEX sync_jobs_lead ON pugmark.sync_jobs (vtiger_lead_id, created_at);
CREATE INDEX sync_jobs_status ON pugmark.sync_jobs (status, job_id);
CREATE INDEX sync_jobs_customer ON pugmark.sync_jobs (maxio_customer_id) WHERE maxio_customer_id IS NOT NULL;
CREATE INDEX sync_jobs_subscription ON pugmark.sync_jobs (maxio_subscription_id) WHERE maxio_subscription_id IS NOT NULL;

-- Steps of a job that were begun: such a step may have had its effect and is looked for before it is repeated.
CREATE TABLE pugmark.sync_job_steps (
    job_id      UUID NOT NULL,
    step        TEXT NOT NULL,
    begun_at    TIMESTAMPTZ NOT NULL,
    -- What was sent along to be known by (Maxio's uniqueness token).
    token       TEXT,
    finished_at TIMESTAMPTZ,
    PRIMARY KEY (job_id, step)
);

-- Deliveries now also come for the onboarding and from Maxio.
ALTER TABLE pugmark.webhook_deliveries DROP CONSTRAINT webhook_deliveries_endpoint_check;
ALTER TABLE pugmark.webhook_deliveries ADD CONSTRAINT webhook_deliveries_endpoint_check
    CHECK (endpoint IN ('lead-convert', 'vtiger', 'lead-status-change', 'maxio'));
