-- What was worth telling people: one row from the moment it began until it was over.
CREATE TABLE pugmark.alerts (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- What it is about: `rate note.create`, `dead note.create PUG-2006`, `system vtiger`.
    subject         TEXT NOT NULL,
    error_code      TEXT NOT NULL,
    words           TEXT NOT NULL,
    raised_at       TIMESTAMPTZ NOT NULL,
    recovered_at    TIMESTAMPTZ,
    recovered_words TEXT
);
-- The database itself refuses to raise one twice.
CREATE UNIQUE INDEX alerts_open ON pugmark.alerts (subject) WHERE recovered_at IS NULL;
CREATE INDEX alerts_recovered ON pugmark.alerts (recovered_at) WHERE recovered_at IS NOT NULL;

-- What is to be sent of an alert, by channel: written in one commit with the alert, and sent in this order.
CREATE TABLE pugmark.alert_messages (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id        BIGINT,
    phase           TEXT NOT NULL CHECK (phase IN ('raised', 'recovered', 'test')),
    channel         TEXT NOT NULL CHECK (channel IN ('log', 'webhook', 'email')),
    title           TEXT NOT NULL,
    body            TEXT NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    next_attempt_at TIMESTAMPTZ NOT NULL,
    attempts        BIGINT NOT NULL,
    sent_at         TIMESTAMPTZ,
    given_up_at     TIMESTAMPTZ,
    error           TEXT
);
CREATE INDEX alert_messages_waiting ON pugmark.alert_messages (channel, id) WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX alert_messages_of ON pugmark.alert_messages (alert_id) WHERE alert_id IS NOT NULL;

-- Which process finds which outside system in trouble. It says so again and again; what is old is worth nothing.
CREATE TABLE pugmark.system_troubles (
    system  TEXT NOT NULL,
    process TEXT NOT NULL,
    since   TIMESTAMPTZ NOT NULL,
    said_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (system, process)
);
