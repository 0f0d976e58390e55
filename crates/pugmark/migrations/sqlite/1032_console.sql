-- People who use the console. Whoever signs in with a login of Supabase has a row, too, from the first time on.
CREATE TABLE console_users (
    user_id       BLOB PRIMARY KEY NOT NULL,
    name          TEXT NOT NULL,
    email         TEXT NOT NULL,
    -- The address in lower case, by which a person is found.
    email_key     TEXT NOT NULL,
    role          TEXT NOT NULL CHECK (role IN ('viewer', 'customer_care', 'registration_admin', 'admin')),
    -- argon2id in PHC form; NULL until one is chosen, and for people of Supabase.
    password_hash TEXT,
    -- Id of the login in Supabase, whose rights are looked up there and among the grants.
    login_id      TEXT,
    created_at    INTEGER NOT NULL,
    created_by    TEXT NOT NULL,
    seen_at       INTEGER,
    disabled_at   INTEGER
);
CREATE UNIQUE INDEX console_users_email ON console_users (email_key);
CREATE UNIQUE INDEX console_users_login ON console_users (login_id) WHERE login_id IS NOT NULL;

-- Who is signed in. The token is in the person's browser alone; here is its SHA-256.
CREATE TABLE console_sessions (
    session_id  BLOB PRIMARY KEY NOT NULL,
    digest      BLOB NOT NULL,
    user_id     BLOB NOT NULL,
    opened_with TEXT NOT NULL CHECK (opened_with IN ('password', 'link', 'supabase')),
    user_agent  TEXT NOT NULL,
    peer        TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL,
    -- Then it ends, however much it is used.
    expires_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    ended_by    TEXT
);
CREATE UNIQUE INDEX console_sessions_digest ON console_sessions (digest);
CREATE INDEX console_sessions_user ON console_sessions (user_id, seen_at);
CREATE INDEX console_sessions_expires ON console_sessions (expires_at);

-- Links that work once. Here, too, only the SHA-256 of what stands in the address.
CREATE TABLE console_links (
    link_id    BLOB PRIMARY KEY NOT NULL,
    digest     BLOB NOT NULL,
    -- found: whoever has it makes the first administrator. password: its person chooses one. enter: its person is signed in.
    purpose    TEXT NOT NULL CHECK (purpose IN ('found', 'password', 'enter')),
    user_id    BLOB,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
);
CREATE UNIQUE INDEX console_links_digest ON console_links (digest);
CREATE INDEX console_links_expires ON console_links (expires_at);

-- Attempts to sign in that failed in a row, by account (SHA-256 of the address) and by network address.
CREATE TABLE console_sign_ins (
    subject    TEXT PRIMARY KEY NOT NULL,
    failures   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    wait_until INTEGER NOT NULL
);
CREATE INDEX console_sign_ins_last ON console_sign_ins (last_at);
