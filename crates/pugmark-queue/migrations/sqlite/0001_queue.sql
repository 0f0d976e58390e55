-- Instants are microseconds since 1970 (UTC), ids are 16-byte UUIDs, JSON is text.

-- One row per lane ever used. Its lock orders everything that changes the order of a lane.
CREATE TABLE queue_lanes (
    lane TEXT PRIMARY KEY NOT NULL,
    last_seq INTEGER NOT NULL
) STRICT;

CREATE TABLE queue_pauses (
    kind TEXT PRIMARY KEY NOT NULL,
    paused_by TEXT NOT NULL,
    paused_at INTEGER NOT NULL
) STRICT;

-- Kept for ever, also when the operation itself has been pruned.
CREATE TABLE queue_idempotency_keys (
    idempotency_key TEXT PRIMARY KEY NOT NULL,
    operation_id BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE vtiger_sync_queue (
    id BLOB PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    operation TEXT NOT NULL CHECK (operation IN ('CREATE', 'UPDATE', 'DELETE')),
    lane TEXT NOT NULL,
    lane_seq INTEGER NOT NULL,
    -- 1 on the first unfinished row of each lane: the only one that may be claimed.
    head INTEGER NOT NULL CHECK (head IN (0, 1)),
    status TEXT NOT NULL CHECK (status IN ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED')),
    priority INTEGER NOT NULL,
    retry_count INTEGER NOT NULL,
    max_retries INTEGER NOT NULL,
    -- Failures in a row that do not count against max_retries, and when they began.
    deferrals INTEGER NOT NULL,
    troubled_since INTEGER,
    next_attempt_at INTEGER NOT NULL,
    lease_owner TEXT,
    lease_token BLOB,
    lease_expires_at INTEGER,
    payload TEXT NOT NULL,
    sealed_payload BLOB,
    secret_expires_at INTEGER,
    outcome TEXT,
    error_code TEXT,
    error_message TEXT,
    correlation_id TEXT NOT NULL,
    coalesce_key TEXT,
    idempotency_key TEXT,
    superseded_by BLOB,
    -- The row that took over the history of this dead one.
    heir BLOB,
    unknown_at INTEGER,
    attempts INTEGER NOT NULL,
    inherited_attempts INTEGER NOT NULL,
    blocked_by TEXT,
    dead_at INTEGER,
    requested_by TEXT,
    human_action TEXT,
    first_queued_at INTEGER NOT NULL,
    processed_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    waiting INTEGER NOT NULL GENERATED ALWAYS AS
        (CASE WHEN status = 'PENDING' OR (status = 'FAILED' AND dead_at IS NULL) THEN 1 ELSE 0 END) STORED,
    unfinished INTEGER NOT NULL GENERATED ALWAYS AS
        (CASE WHEN status IN ('PENDING', 'PROCESSING') OR (status = 'FAILED' AND dead_at IS NULL) THEN 1 ELSE 0 END) STORED,
    CHECK (status <> 'PROCESSING' OR (head = 1 AND lease_token IS NOT NULL AND lease_expires_at IS NOT NULL))
) STRICT;

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
    operation_id BLOB NOT NULL,
    PRIMARY KEY (correlation_id, operation_id)
) STRICT;

CREATE INDEX queue_correlations_of ON vtiger_sync_correlations (operation_id);

-- The id is the lease token: one lease, one attempt.
CREATE TABLE vtiger_sync_attempts (
    id BLOB PRIMARY KEY NOT NULL,
    operation_id BLOB NOT NULL,
    owner TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    duration_us INTEGER,
    -- How it ended: COMPLETED, RELEASED, EXPIRED; NULL while it runs.
    ended TEXT CHECK (ended IN ('COMPLETED', 'RELEASED', 'EXPIRED')),
    crm_calls INTEGER,
    classification TEXT,
    request TEXT,
    answer TEXT
) STRICT;

CREATE INDEX queue_attempts_of ON vtiger_sync_attempts (operation_id, started_at);
