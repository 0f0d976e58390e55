-- What was worth telling people: one row from the moment it began until it was over.
CREATE TABLE alerts (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    -- What it is about: `rate note.create`, `dead note.create PUG-2006`, `system vtiger`.
    subject         TEXT NOT NULL,
    error_code      TEXT NOT NULL,
    words           TEXT NOT NULL,
    raised_at       INTEGER NOT NULL,
    recovered_at    INTEGER,
    recovered_words TEXT
);
-- The database itself refuses to raise one twice.
CREATE UNIQUE INDEX alerts_open ON alerts (subject) WHERE recovered_at IS NULL;
CREATE INDEX alerts_recovered ON alerts (recovered_at) WHERE recovered_at IS NOT NULL;

-- What is to be sent of an alert, by channel: written in one commit with the alert, and sent in this order.
CREATE TABLE alert_messages (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    alert_id        INTEGER,
    phase           TEXT NOT NULL CHECK (phase IN ('raised', 'recovered', 'test')),
    channel         TEXT NOT NULL CHECK (channel IN ('log', 'webhook', 'email')),
    title           TEXT NOT NULL,
    body            TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    attempts        INTEGER NOT NULL,
    sent_at         INTEGER,
    given_up_at     INTEGER,
    error           TEXT
);
CREATE INDEX alert_messages_waiting ON alert_messages (channel, id) WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX alert_messages_of ON alert_messages (alert_id) WHERE alert_id IS NOT NULL;

-- Which process finds which outside system in trouble. It says so again and again; what is old is worth nothing.
CREATE TABLE system_troubles (
    system  TEXT NOT NULL,
    process TEXT NOT NULL,
    since   INTEGER NOT NULL,
    said_at INTEGER NOT NULL,
    PRIMARY KEY (system, process)
) STRICT;
