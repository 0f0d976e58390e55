-- People who use the console. Whoever signs in with a login of Supabase has a row, too, from the first time on.
CREATE TABLE pugmark.console_users (
    user_id       UUID PRIMARY KEY,
    name          TEXT NOT NULL,
    email         TEXT NOT NULL,
    -- The address in lower case, by which a person is found.
    email_key     TEXT NOT NULL,
    role          TEXT NOT NULL CHECK (role IN ('viewer', 'customer_care', 'registration_admin', 'admin')),
    -- argon2id in PHC form; NULL until one is chosen, and for people of Supabase.
    password_hash TEXT,
    -- Id of the login in Supabase, whose rights are looked up there and among the grants.
    login_id      TEXT,
    created_at    TIMESTAMPTZ NOT NULL,
    created_by    TEXT NOT NULL,
    seen_at       TIMESTAMPTZ,
    disabled_at   TIMESTAMPTZ
);
CREATE UNIQUE INDEX console_users_email ON pugmark.console_users (email_key);
CREATE UNIQUE INDEX console_users_login ON pugmark.console_users (login_id) WHERE login_id IS NOT NULL;

-- Who is signed in. The token is in the person's browser alone; here is its SHA-256.
CREATE TABLE pugmark.console_sessions (
    session_id  UUID PRIMARY KEY,
    digest      BYTEA NOT NULL,
    user_id     UUID NOT NULL,
    opened_with TEXT NOT NULL CHECK (opened_with IN ('password', 'link', 'supabase')),
    user_agent  TEXT NOT NULL,
    peer        TEXT NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    seen_at     TIMESTAMPTZ NOT NULL,
    -- Then it ends, however much it is used.
    expires_at  TIMESTAMPTZ NOT NULL,
    ended_at    TIMESTAMPTZ,
    ended_by    TEXT
);
CREATE UNIQUE INDEX console_sessions_digest ON pugmark.console_sessions (digest);
CREATE INDEX console_sessions_user ON pugmark.console_sessions (user_id, seen_at);
CREATE INDEX console_sessions_expires ON pugmark.console_sessions (expires_at);

-- Links that work once. Here, too, only the SHA-256 of what stands in the address.
CREATE TABLE pugmark.console_links (
    link_id    UUID PRIMARY KEY,
    digest     BYTEA NOT NULL,
    -- found: whoever has it makes the first administrator. password: its person chooses one. enter: its person is signed in.
    purpose    TEXT NOT NULL CHECK (purpose IN ('found', 'password', 'enter')),
    user_id    UUID,
    created_at TIMESTAMPTZ NOT NULL,
    created_by TEXT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at    TIMESTAMPTZ
);
CREATE UNIQUE INDEX console_links_digest ON pugmark.console_links (digest);
CREATE INDEX console_links_expires ON pugmark.console_links (expires_at);

-- Attempts to sign in that failed in a row, by account (SHA-256 of the address) and by network address.
CREATE TABLE pugmark.console_sign_ins (
    subject    TEXT PRIMARY KEY,
    failures   INTEGER NOT NULL,
    last_at    TIMESTAMPTZ NOT NULL,
    wait_until TIMESTAMPTZ NOT NULL
);
CREATE INDEX console_sign_ins_last ON pugmark.console_sign_ins (last_at);
