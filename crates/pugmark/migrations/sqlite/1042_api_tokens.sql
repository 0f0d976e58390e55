-- Tokens with which programs call the internal API. The token itself is with its program alone; here is its SHA-256.
CREATE TABLE api_tokens (
    token_id   BLOB PRIMARY KEY NOT NULL,
    digest     BLOB NOT NULL,
    name       TEXT NOT NULL,
    -- What it may do, by the words of grants.
    right_name TEXT NOT NULL CHECK (right_name IN ('registration_admin', 'customer_care', 'setup_admin')),
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    -- NULL: it lasts until it is revoked.
    expires_at INTEGER,
    seen_at    INTEGER,
    revoked_at INTEGER,
    revoked_by TEXT
);
CREATE UNIQUE INDEX api_tokens_digest ON api_tokens (digest);
CREATE UNIQUE INDEX api_tokens_name ON api_tokens (name) WHERE revoked_at IS NULL;
