-- What became of attempts, by flow (the kind of operation) and minute, and the same by hour. Made of the attempts themselves by the
-- process that leads, so that no page counts a day's operations.
CREATE TABLE flow_minutes (
    minute INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    -- Operations that were queued.
    queued INTEGER NOT NULL,
    -- Attempts that carried their operation out, and attempts that failed. Those that only had to wait are neither.
    done   INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    -- Calls to the outside that these attempts made.
    calls  INTEGER NOT NULL,
    PRIMARY KEY (minute, kind)
) STRICT;

CREATE TABLE flow_hours (
    hour   INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    queued INTEGER NOT NULL,
    done   INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    calls  INTEGER NOT NULL,
    PRIMARY KEY (hour, kind)
) STRICT;

-- How each flow stands. What waits is counted here only while it is too much to be counted by whoever looks.
CREATE TABLE flows (
    kind          TEXT PRIMARY KEY NOT NULL,
    last_done_at  INTEGER,
    waiting       INTEGER NOT NULL,
    delivering    INTEGER NOT NULL,
    dead          INTEGER NOT NULL,
    waiting_since INTEGER,
    counted_at    INTEGER
) STRICT;

CREATE INDEX attempts_finished ON vtiger_sync_attempts (finished_at) WHERE finished_at IS NOT NULL;

-- Dead letters by cause. Its last condition, which every row fulfils, keeps SQLite from taking it for lists by id.
CREATE INDEX queue_dead_causes ON vtiger_sync_queue (kind, error_code, dead_at)
    WHERE status = 'FAILED' AND dead_at IS NOT NULL AND heir IS NULL AND lane_seq >= 0;
