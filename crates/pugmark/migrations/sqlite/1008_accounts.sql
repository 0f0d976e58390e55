-- How far an operation on a staff account has come. A step is committed before the next one begins, so that none is done
-- twice: not after a crash, a retry or a lost lease. Ids are those of the queue.
CREATE TABLE account_steps (
    operation_id BLOB NOT NULL,
    step         TEXT NOT NULL CHECK (step IN ('login', 'login-password', 'ambassador', 'crm-user', 'crm-status', 'crm-password')),
    -- Committed before the call: from then on it may have had its effect.
    begun_at     INTEGER NOT NULL,
    -- Nobody could find out whether it had its effect; what is done next a person has decided.
    doubted_at   INTEGER,
    finished_at  INTEGER,
    PRIMARY KEY (operation_id, step)
) STRICT, WITHOUT ROWID;

-- Who may do what, beside what Supabase's app_metadata says.
CREATE TABLE grants (
    user_id    TEXT NOT NULL,
    right_name TEXT NOT NULL CHECK (right_name IN ('registration_admin', 'customer_care', 'setup_admin')),
    granted_by TEXT NOT NULL,
    granted_at INTEGER NOT NULL,
    reason     TEXT,
    PRIMARY KEY (user_id, right_name)
) STRICT, WITHOUT ROWID;
