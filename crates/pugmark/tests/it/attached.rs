//! `pugmark attach` and `pugmark detach` on a database that MicroBima made, through the real binary.

mod attaching;
mod detaching;
mod refusals;

use crate::microbima::Program;
use crate::program::Ended;

/// What of the database somebody could have changed: tables, functions, triggers, types and who may do what.
async fn everything(administrator: &mut Program) -> Vec<String> {
    administrator
        .list(
            "SELECT 'table ' || c.oid::regclass::text || ' ' || c.relkind::text || ' ' || c.relrowsecurity::text \
                    || COALESCE(c.relacl::text, '') \
               FROM pg_class c WHERE c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'pugmark')) \
             UNION ALL SELECT 'column ' || a.attrelid::regclass::text || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) \
               FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
               WHERE c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'pugmark')) \
             UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg!_%' ESCAPE '!' \
             UNION ALL SELECT 'function ' || oid::regprocedure::text || prosrc FROM pg_proc \
               WHERE pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'pugmark')) \
             UNION ALL SELECT 'trigger ' || tgname || ' on ' || tgrelid::regclass::text || ' ' || tgenabled::text FROM pg_trigger \
               WHERE NOT tgisinternal \
             UNION ALL SELECT 'event trigger ' || evtname FROM pg_event_trigger \
             UNION ALL SELECT 'type ' || oid::regtype::text FROM pg_type \
               WHERE typnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'pugmark')) ORDER BY 1",
        )
        .await
}

const OURS: &str = "pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace \
                    WHERE n.nspname = 'pugmark' AND t.tgenabled = 'O'";

fn assert_refused(ended: &Ended, code: &str, parts: &[&str]) {
    assert_ne!(ended.code, 0, "{ended:?}");
    for part in [code].iter().chain(parts) {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
}
