-- Deliveries of webhooks whose sender proved itself. Bodies hold personal data: they go after webhooks.keep.
CREATE TABLE webhook_deliveries (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    received_at       INTEGER NOT NULL,
    endpoint          TEXT NOT NULL CHECK (endpoint IN ('lead-convert', 'vtiger')),
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
CREATE INDEX webhook_deliveries_status ON webhook_deliveries (status, id);
CREATE INDEX webhook_deliveries_received ON webhook_deliveries (received_at);

-- What was delivered before. Keys made of a sender's id count for ever, those of a body for a while.
CREATE TABLE webhook_keys (
    dedup_key   TEXT PRIMARY KEY,
    delivery_id INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL
);
CREATE INDEX webhook_keys_seen ON webhook_keys (seen_at);

-- Deliveries that were refused, counted by the hour. Nothing of what was sent is kept.
CREATE TABLE webhook_refusals (
    hour     INTEGER NOT NULL,
    endpoint TEXT NOT NULL,
    reason   TEXT NOT NULL,
    count    INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    PRIMARY KEY (hour, endpoint, reason)
);

-- Converted leads on their way to becoming customers, by the contact (or, without one, the lead) in the CRM.
CREATE TABLE lead_conversions (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    record_id         TEXT NOT NULL,
    module            TEXT NOT NULL CHECK (module IN ('Contacts', 'Leads')),
    lead_id           TEXT,
    -- Who says that a lead was converted: the extension, a signed or a plain delivery, or nobody but the contact itself.
    claim             TEXT NOT NULL CHECK (claim IN ('extension', 'signed', 'plain', 'none')),
    noticed_by        TEXT NOT NULL,
    state             TEXT NOT NULL DEFAULT 'OPEN'
                      CHECK (state IN ('OPEN', 'INCOMPLETE', 'UNDECIDED', 'RESERVED', 'DONE', 'REFUSED')),
    -- What an operator filled in, by field, and what is missing, by field with the reason.
    given             TEXT NOT NULL DEFAULT '{}',
    missing           TEXT NOT NULL DEFAULT '{}',
    -- The reservation: whoever captures a customer with this document knows that it is this contact.
    id_type           TEXT,
    id_number         TEXT,
    partner_reference TEXT,
    -- What the contact held of our fields when it was read: what both sides agree on once there is a customer.
    snapshot          TEXT NOT NULL DEFAULT '{}',
    -- When the last call began that may have made the customer.
    sent_at           INTEGER,
    -- A customer with the same document who is linked to nothing: a person may decide that it is the same one.
    candidate_id      TEXT,
    -- The customer a person decided on.
    decided_id        TEXT,
    decided_by        TEXT,
    customer_id       TEXT,
    error_code        TEXT,
    message           TEXT,
    correlation_id    TEXT NOT NULL,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL
);
CREATE UNIQUE INDEX lead_conversions_document ON lead_conversions (id_type, id_number) WHERE state = 'RESERVED';
CREATE UNIQUE INDEX lead_conversions_record ON lead_conversions (record_id);
CREATE INDEX lead_conversions_state ON lead_conversions (state, id);
