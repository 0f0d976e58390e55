-- What became of attempts, by flow (the kind of operation) and minute, and the same by hour. Made of the attempts themselves by the
-- process that leads, so that no page counts a day's operations.
CREATE TABLE pugmark.flow_minutes (
    minute TIMESTAMPTZ NOT NULL,
    kind   TEXT NOT NULL,
    -- Operations that were queued.
    queued BIGINT NOT NULL,
    -- Attempts that carried their operation out, and attempts that failed. Those that only had to wait are neither.
    done   BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    -- Calls to the outside that these attempts made.
    calls  BIGINT NOT NULL,
    PRIMARY KEY (minute, kind)
);

CREATE TABLE pugmark.flow_hours (
    hour   TIMESTAMPTZ NOT NULL,
    kind   TEXT NOT NULL,
    queued BIGINT NOT NULL,
    done   BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    calls  BIGINT NOT NULL,
    PRIMARY KEY (hour, kind)
);

-- How each flow stands. What waits is counted here only while it is too much to be counted by whoever looks.
CREATE TABLE pugmark.flows (
    kind          TEXT PRIMARY KEY NOT NULL,
    last_done_at  TIMESTAMPTZ,
    waiting       BIGINT NOT NULL,
    delivering    BIGINT NOT NULL,
    dead          BIGINT NOT NULL,
    waiting_since TIMESTAMPTZ,
    counted_at    TIMESTAMPTZ
);

CREATE INDEX attempts_finished ON pugmark.vtiger_sync_attempts (finished_at) WHERE finished_at IS NOT NULL;

-- Dead letters by cause. Its last condition, which every row fulfils, is there because SQLite's has it.
CREATE INDEX queue_dead_causes ON pugmark.vtiger_sync_queue (kind, error_code, dead_at)
    WHERE status = 'FAILED' AND dead_at IS NOT NULL AND heir IS NULL AND lane_seq >= 0;
