-- Tokens with which programs call the internal API. The token itself is with its program alone; here is its SHA-256.
CREATE TABLE pugmark.api_tokens (
    token_id   UUID PRIMARY KEY,
    digest     BYTEA NOT NULL,
    name       TEXT NOT NULL,
    -- What it may do, by the words of grants.
    right_name TEXT NOT NULL CHECK (right_name IN ('registration_admin', 'customer_care', 'setup_admin')),
    created_at TIMESTAMPTZ NOT NULL,
    created_by TEXT NOT NULL,
    -- NULL: it lasts until it is revoked.
    expires_at TIMESTAMPTZ,
    seen_at    TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    revoked_by TEXT
);
CREATE UNIQUE INDEX api_tokens_digest ON pugmark.api_tokens (digest);
CREATE UNIQUE INDEX api_tokens_name ON pugmark.api_tokens (name) WHERE revoked_at IS NULL;
