-- Operations that failed, by cause, with the time of the last failure: the problems of the console are counted along it.
-- Its last condition, which every row fulfils, is there because SQLite's has it.
CREATE INDEX queue_problems ON pugmark.vtiger_sync_queue (kind, error_code, updated_at)
    WHERE status = 'FAILED' AND heir IS NULL AND lane_seq >= 0;

-- What people said of a problem: one row for each kind and code. Its history is in audit_log.
CREATE TABLE pugmark.problem_marks (
    kind       TEXT NOT NULL,
    error_code TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('acknowledged', 'snoozed', 'resolved')),
    -- Of a snoozed one: when it comes back.
    until      TIMESTAMPTZ,
    marked_by  TEXT NOT NULL,
    reason     TEXT NOT NULL,
    -- A resolved one comes back with the first failure after this.
    marked_at  TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (kind, error_code)
);

-- The same act on many dead letters, carried out bit by bit.
CREATE TABLE pugmark.bulk_runs (
    id             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action         TEXT NOT NULL CHECK (action IN ('retry', 'discard')),
    -- Which dead letters, in the filter language of the console.
    filter         TEXT NOT NULL,
    -- The newest operation that the person was shown; none after it is touched.
    upto           UUID NOT NULL,
    meant          BIGINT NOT NULL,
    requested_by   TEXT NOT NULL,
    reason         TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    -- The last operation that was dealt with.
    place          UUID,
    done           BIGINT NOT NULL,
    skipped        BIGINT NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL,
    ended_at       TIMESTAMPTZ,
    stopped_by     TEXT
);
CREATE INDEX bulk_runs_under_way ON pugmark.bulk_runs (id) WHERE ended_at IS NULL;
