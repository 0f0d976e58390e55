-- Pugmark's own tables beside those of the queue. Instants are integer microseconds since 1970 in UTC.

-- The outbox that capture triggers write, and nothing but that. The relay looks for rows without processed_at; ids are
-- not commit order, so there is no high-water mark.
CREATE TABLE change_log (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    table_name     TEXT NOT NULL,
    row_key        TEXT NOT NULL,
    event          TEXT NOT NULL CHECK (event IN ('INSERT', 'UPDATE', 'DELETE')),
    old_row        TEXT,
    new_row        TEXT,
    correlation_id TEXT,
    captured_at    INTEGER NOT NULL DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    processed_at   INTEGER,
    operations     INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX change_log_waiting ON change_log (id) WHERE processed_at IS NULL;
CREATE INDEX change_log_processed ON change_log (processed_at) WHERE processed_at IS NOT NULL;
CREATE INDEX change_log_row ON change_log (table_name, row_key, id);

-- Which CRM record a row is linked to, and what both sides last agreed on.
CREATE TABLE crm_links (
    entity_type     TEXT NOT NULL,
    entity_id       TEXT NOT NULL,
    module          TEXT NOT NULL,
    vtiger_id       TEXT,
    sync_status     TEXT NOT NULL DEFAULT 'PENDING' CHECK (sync_status IN ('PENDING', 'SYNCING', 'SYNCED', 'FAILED')),
    last_synced_at  INTEGER,
    sync_error      TEXT,
    sync_error_code TEXT,
    warnings        TEXT NOT NULL DEFAULT '[]',
    snapshot        TEXT NOT NULL DEFAULT '{}',
    snapshot_verified INTEGER NOT NULL DEFAULT 0,
    withdrawn       INTEGER NOT NULL DEFAULT 0,
    row_hash        TEXT,
    -- The record may exist although no attempt of ours is known: found by the gap sweep, not by a trigger.
    look_first      INTEGER NOT NULL DEFAULT 0,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    PRIMARY KEY (entity_type, entity_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX crm_links_record ON crm_links (module, vtiger_id) WHERE vtiger_id IS NOT NULL;
CREATE INDEX crm_links_status ON crm_links (entity_type, sync_status);

CREATE TABLE vtiger_custom_field_mapping (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    microbima_field   TEXT NOT NULL,
    vtiger_field_name TEXT NOT NULL,
    vtiger_module     TEXT NOT NULL DEFAULT 'Contacts',
    field_type        TEXT NOT NULL DEFAULT 'TEXT' CHECK (field_type IN ('TEXT', 'NUMBER', 'DATE', 'BOOLEAN')),
    direction         TEXT NOT NULL DEFAULT 'to_crm' CHECK (direction IN ('to_crm', 'from_crm', 'both')),
    on_conflict       TEXT NOT NULL DEFAULT 'microbima' CHECK (on_conflict IN ('microbima', 'vtiger', 'newest', 'ask')),
    is_active         INTEGER NOT NULL DEFAULT 1,
    UNIQUE (vtiger_module, vtiger_field_name),
    UNIQUE (vtiger_module, microbima_field)
);

CREATE TABLE settings (
    name       TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Every human action: who, when, on what, why.
CREATE TABLE audit_log (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    at             INTEGER NOT NULL,
    actor          TEXT NOT NULL,
    action         TEXT NOT NULL,
    subject        TEXT NOT NULL,
    reason         TEXT,
    correlation_id TEXT
);

-- A name that the CRM knows by label is written here by label or by API name; both are resolved through describe.
INSERT INTO vtiger_custom_field_mapping (microbima_field, vtiger_field_name, field_type) VALUES
    ('id', 'cf_microbima_customer_id', 'TEXT'),
    ('firstName', 'firstname', 'TEXT'),
    ('middleName', 'cf_middle_name', 'TEXT'),
    ('lastName', 'lastname', 'TEXT'),
    ('email', 'email', 'TEXT'),
    ('phoneNumber', 'mobile', 'TEXT'),
    ('dateOfBirth', 'birthday', 'DATE'),
    ('gender', 'cf_gender', 'TEXT'),
    ('idType', 'cf_id_type', 'TEXT'),
    ('idNumber', 'cf_id_number', 'TEXT'),
    ('status', 'cf_microbima_status', 'TEXT'),
    ('link', 'cf_microbima_link', 'TEXT');
