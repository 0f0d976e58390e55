-- Forms that new clients filled in, on their way to the lead or contact.
CREATE TABLE onboarding_forms (
    tracking_id    BLOB PRIMARY KEY NOT NULL,
    client_id      TEXT NOT NULL,
    -- api: a portal; page: the form that Pugmark shows.
    source         TEXT NOT NULL CHECK (source IN ('api', 'page')),
    -- By what a second sending is known. Keyed digests, so that nothing can be guessed from them.
    content_hash   BLOB NOT NULL,
    key_hash       BLOB,
    -- JSON: answers by name. Bank data among them, so they are sealed; gone once all of them are written.
    sealed_fields  BLOB,
    state          TEXT NOT NULL CHECK (state IN ('waiting', 'saved', 'partly_saved', 'failed')),
    -- The record that was written: the lead, or the contact it became.
    record_id      TEXT,
    -- JSON objects: what could not be saved and what was changed, by name, with the reason.
    not_saved      TEXT NOT NULL DEFAULT '{}',
    changed        TEXT NOT NULL DEFAULT '{}',
    error_code     TEXT,
    error_message  TEXT,
    operation_id   BLOB,
    requested_by   TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    ended_at       INTEGER
);
CREATE UNIQUE INDEX onboarding_forms_waiting ON onboarding_forms (client_id, content_hash) WHERE state = 'waiting';
CREATE UNIQUE INDEX onboarding_forms_key ON onboarding_forms (client_id, key_hash) WHERE key_hash IS NOT NULL;
CREATE INDEX onboarding_forms_client ON onboarding_forms (client_id, created_at);
CREATE INDEX onboarding_forms_ended ON onboarding_forms (ended_at) WHERE ended_at IS NOT NULL;

-- What somebody has typed and not sent yet, sealed.
CREATE TABLE onboarding_drafts (
    client_id   TEXT PRIMARY KEY NOT NULL,
    -- Sealed bytes open under it alone.
    draft_id    BLOB NOT NULL,
    sealed      BLOB NOT NULL,
    -- The form that was sent last.
    tracking_id BLOB,
    updated_at  INTEGER NOT NULL
);
CREATE INDEX onboarding_drafts_updated ON onboarding_drafts (updated_at);

-- Links to the page carry the generation of their client; one of an earlier generation is revoked.
CREATE TABLE onboarding_links (
    client_id  TEXT PRIMARY KEY NOT NULL,
    generation INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL
);
