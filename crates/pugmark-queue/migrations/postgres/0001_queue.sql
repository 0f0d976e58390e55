-- JSON is kept as text (json, not jsonb): jsonb refuses the character U+0000 that a payload may carry.

-- One row per lane ever used. Its lock orders everything that changes the order of a lane.
CREATE TABLE queue_lanes (
    lane TEXT PRIMARY KEY NOT NULL,
    last_seq BIGINT NOT NULL
);

CREATE TABLE queue_pauses (
    kind TEXT PRIMARY KEY NOT NULL,
    paused_by TEXT NOT NULL,
    paused_at TIMESTAMPTZ NOT NULL
);

-- Kept for ever, also when the operation itself has been pruned.
CREATE TABLE queue_idempotency_keys (
    idempotency_key TEXT PRIMARY KEY NOT NULL,
    operation_id UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE vtiger_sync_queue (
    id UUID PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    operation TEXT NOT NULL CHECK (operation IN ('CREATE', 'UPDATE', 'DELETE')),
    lane TEXT NOT NULL,
    lane_seq BIGINT NOT NULL,
    -- 1 on the first unfinished row of each lane: the only one that may be claimed.
    head INTEGER NOT NULL CHECK (head IN (0, 1)),
    status TEXT NOT NULL CHECK (status IN ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED')),
    priority INTEGER NOT NULL,
    retry_count INTEGER NOT NULL,
    max_retries INTEGER NOT NULL,
    -- Failures in a row that do not count against max_retries, and when they began.
    deferrals INTEGER NOT NULL,
    troubled_since TIMESTAMPTZ,
    next_attempt_at TIMESTAMPTZ NOT NULL,
    lease_owner TEXT,
    lease_token UUID,
    lease_expires_at TIMESTAMPTZ,
    payload JSON NOT NULL,
    sealed_payload BYTEA,
    secret_expires_at TIMESTAMPTZ,
    outcome JSON,
    error_code TEXT,
    error_message TEXT,
    correlation_id TEXT NOT NULL,
    coalesce_key TEXT,
    idempotency_key TEXT,
    superseded_by UUID,
    -- The row that took over the history of this dead one.
    heir UUID,
    unknown_at TIMESTAMPTZ,
    attempts INTEGER NOT NULL,
    inherited_attempts INTEGER NOT NULL,
    blocked_by TEXT,
    dead_at TIMESTAMPTZ,
    requested_by TEXT,
    human_action JSON,
    first_queued_at TIMESTAMPTZ NOT NULL,
    processed_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    waiting INTEGER NOT NULL GENERATED ALWAYS AS
        (CASE WHEN status = 'PENDING' OR (status = 'FAILED' AND dead_at IS NULL) THEN 1 ELSE 0 END) STORED,
    unfinished INTEGER NOT NULL GENERATED ALWAYS AS
        (CASE WHEN status IN ('PENDING', 'PROCESSING') OR (status = 'FAILED' AND dead_at IS NULL) THEN 1 ELSE 0 END) STORED,
    CHECK (status <> 'PROCESSING' OR (head = 1 AND lease_token IS NOT NULL AND lease_expires_at IS NOT NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

CREATE INDEX queue_claim ON vtiger_sync_queue (kind, priority, next_attempt_at, id) WHERE head = 1 AND waiting = 1;
CREATE INDEX queue_lane ON vtiger_sync_queue (lane, lane_seq) WHERE unfinished = 1;
CREATE UNIQUE INDEX queue_lane_head ON vtiger_sync_queue (lane) WHERE head = 1;
CREATE UNIQUE INDEX queue_lane_running ON vtiger_sync_queue (lane) WHERE status = 'PROCESSING';
CREATE UNIQUE INDEX queue_coalesce ON vtiger_sync_queue (lane, coalesce_key) WHERE waiting = 1 AND coalesce_key IS NOT NULL;
CREATE INDEX queue_predecessors ON vtiger_sync_queue (lane, coalesce_key)
    WHERE dead_at IS NOT NULL AND heir IS NULL AND coalesce_key IS NOT NULL;
CREATE INDEX queue_leases ON vtiger_sync_queue (lease_expires_at) WHERE status = 'PROCESSING';
CREATE INDEX queue_secrets ON vtiger_sync_queue (secret_expires_at) WHERE sealed_payload IS NOT NULL;
CREATE INDEX queue_blocked ON vtiger_sync_queue (blocked_by) WHERE blocked_by IS NOT NULL;
CREATE INDEX queue_oldest ON vtiger_sync_queue (first_queued_at) WHERE waiting = 1;
CREATE INDEX queue_dead ON vtiger_sync_queue (id) WHERE status = 'FAILED' AND dead_at IS NOT NULL;
CREATE INDEX queue_open ON vtiger_sync_queue (status, id, kind) WHERE status <> 'COMPLETED';
CREATE INDEX queue_finished ON vtiger_sync_queue (processed_at) WHERE status = 'COMPLETED';
CREATE INDEX queue_entity ON vtiger_sync_queue (entity_type, entity_id, id);
CREATE INDEX queue_correlation ON vtiger_sync_queue (correlation_id);
CREATE INDEX queue_superseded ON vtiger_sync_queue (superseded_by) WHERE superseded_by IS NOT NULL;

-- The correlation ids of requests that were merged into an operation of another request.
CREATE TABLE vtiger_sync_correlations (
    correlation_id TEXT NOT NULL,
    operation_id UUID NOT NULL,
    PRIMARY KEY (correlation_id, operation_id)
);

CREATE INDEX queue_correlations_of ON vtiger_sync_correlations (operation_id);

-- The id is the lease token: one lease, one attempt.
CREATE TABLE vtiger_sync_attempts (
    id UUID PRIMARY KEY NOT NULL,
    operation_id UUID NOT NULL,
    owner TEXT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    duration_us BIGINT,
    -- How it ended: COMPLETED, RELEASED, EXPIRED; NULL while it runs.
    ended TEXT CHECK (ended IN ('COMPLETED', 'RELEASED', 'EXPIRED')),
    crm_calls INTEGER,
    classification TEXT,
    request JSON,
    answer JSON
);

CREATE INDEX queue_attempts_of ON vtiger_sync_attempts (operation_id, started_at);
