-- Operations that failed, by cause, with the time of the last failure: the problems of the console are counted along it.
-- Its last condition, which every row fulfils, keeps SQLite from taking it for other lists of failed operations: they are
-- ordered by id, and it would sort them.
CREATE INDEX queue_problems ON vtiger_sync_queue (kind, error_code, updated_at)
    WHERE status = 'FAILED' AND heir IS NULL AND lane_seq >= 0;

-- What people said of a problem: one row for each kind and code. Its history is in audit_log.
CREATE TABLE problem_marks (
    kind       TEXT NOT NULL,
    error_code TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('acknowledged', 'snoozed', 'resolved')),
    -- Of a snoozed one: when it comes back.
    until      INTEGER,
    marked_by  TEXT NOT NULL,
    reason     TEXT NOT NULL,
    -- A resolved one comes back with the first failure after this.
    marked_at  INTEGER NOT NULL,
    PRIMARY KEY (kind, error_code)
) STRICT;

-- The same act on many dead letters, carried out bit by bit.
CREATE TABLE bulk_runs (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    action         TEXT NOT NULL CHECK (action IN ('retry', 'discard')),
    -- Which dead letters, in the filter language of the console.
    filter         TEXT NOT NULL,
    -- The newest operation that the person was shown; none after it is touched.
    upto           BLOB NOT NULL,
    meant          INTEGER NOT NULL,
    requested_by   TEXT NOT NULL,
    reason         TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    -- The last operation that was dealt with.
    place          BLOB,
    done           INTEGER NOT NULL,
    skipped        INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    ended_at       INTEGER,
    stopped_by     TEXT
);
CREATE INDEX bulk_runs_under_way ON bulk_runs (id) WHERE ended_at IS NULL;
