//! Capture on PostgreSQL: one function per table, a row trigger and a statement trigger for TRUNCATE.
//!
//! The function runs as its owner, so that a writing role without rights on schema `pugmark` can still write, and with a
//! fixed search path, so that nobody can slip another `change_log` under it. Its own errors are not the writer's: they are
//! noted in `capture_errors`, and the gap sweep heals what is missing. It waits for no lock longer than a moment, and once
//! it has failed for a reason that will last, it leaves the rest of the transaction to the sweep.
//!
//! The conditions stand in the function and not in a WHEN clause of the trigger: PostgreSQL refuses to alter or drop a column
//! that a WHEN clause names, and MicroBima's migrations must not fail on our account.

use std::collections::BTreeMap;

use pugmark_queue::db::{Conn, DbError, Engine};
use pugmark_queue::on;

use super::Step;
use crate::capture::image;
use crate::capture::watched::{WATCHED, Watched};

/// Settings of every capture function, as `pg_proc.proconfig` shows them.
const FUNCTION_SETTINGS: [&str; 2] = [
    "search_path=pugmark, pg_catalog, pg_temp",
    "lock_timeout=100ms",
];
/// The most errors that are noted before some of them are healed.
const MOST_ERRORS: u32 = 1_000;

/// Name of the trigger that captures rows of a table.
pub fn row_trigger_name(table: &str) -> String {
    format!("pugmark_capture_{table}")
}

/// Name of the trigger that notes a TRUNCATE of a table.
pub fn truncate_trigger_name(table: &str) -> String {
    format!("pugmark_truncate_{table}")
}

pub(super) async fn steps(conn: &mut Conn) -> Result<Vec<Step>, DbError> {
    let installed = Installed::read(conn).await?;
    let steps = WATCHED.iter().filter_map(|watched| {
        let statements = installed.lacking(watched);
        let what = format!("watch public.{}", watched.table);
        (!statements.is_empty()).then_some(Step { what, statements })
    });
    Ok(steps.collect())
}

pub(super) async fn missing(conn: &mut Conn) -> Result<Vec<String>, DbError> {
    let installed = Installed::read(conn).await?;
    let names = WATCHED.iter().flat_map(|watched| {
        let mut names: Vec<String> = [
            row_trigger_name(watched.table),
            truncate_trigger_name(watched.table),
        ]
        .into_iter()
        .filter(|name| !installed.fires(name))
        .collect();
        if names.is_empty() && !installed.has_function(watched) {
            names.push(format!(
                "pugmark.{} (another version)",
                function_name(watched)
            ));
        }
        names
    });
    Ok(names.collect())
}

/// What of ours is there.
struct Installed {
    /// Names of the triggers that are enabled and call one of our functions.
    firing: Vec<String>,
    /// Body, settings and whether it runs as its owner, by the function's name.
    functions: BTreeMap<String, (String, Vec<String>, bool)>,
}

impl Installed {
    async fn read(conn: &mut Conn) -> Result<Self, DbError> {
        let firing: Vec<(String,)> = on!(conn, |c| {
            sqlx::query_as(
            "SELECT t.tgname::text FROM pg_trigger t \
             JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace \
             WHERE n.nspname = 'pugmark' AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') \
             AND t.tgrelid = to_regclass('public.' || substr(p.proname::text, length('capture_') + 1))"
        )
        .fetch_all(c)
        .await
        })?;
        let functions: Vec<(String, String, String, bool)> = on!(conn, |c| {
            sqlx::query_as(
            "SELECT p.proname::text, p.prosrc, COALESCE(array_to_string(p.proconfig, chr(10)), ''), p.prosecdef \
             FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'pugmark'"
        )
        .fetch_all(c)
        .await
        })?;
        Ok(Installed {
            firing: firing.into_iter().map(|(name,)| name).collect(),
            functions: functions
                .into_iter()
                .map(|(name, body, settings, definer)| {
                    let settings = settings.lines().map(str::to_owned).collect();
                    (name, (body, settings, definer))
                })
                .collect(),
        })
    }

    fn fires(&self, trigger: &str) -> bool {
        self.firing.iter().any(|name| name == trigger)
    }

    fn has_function(&self, watched: &Watched) -> bool {
        self.functions
            .get(&function_name(watched))
            .is_some_and(|(body, settings, definer)| {
                *definer && *body == function_body(watched) && settings[..] == FUNCTION_SETTINGS
            })
    }

    /// The statements that bring the capture of a table to this program's version. Replacing a trigger enables it again, and
    /// unlike ALTER TABLE it needs no ownership of the table.
    fn lacking(&self, watched: &Watched) -> Vec<String> {
        let (table, function) = (watched.table, function_name(watched));
        let (row, truncate) = (row_trigger_name(table), truncate_trigger_name(table));
        let mut statements = Vec::new();
        if !self.has_function(watched) {
            statements.push(create_function(watched));
        }
        if !self.fires(&row) {
            statements.push(format!(
                "CREATE OR REPLACE TRIGGER {row} AFTER INSERT OR UPDATE OR DELETE ON public.{table} \
                 FOR EACH ROW EXECUTE FUNCTION pugmark.{function}()"
            ));
        }
        if !self.fires(&truncate) {
            statements.push(format!(
                "CREATE OR REPLACE TRIGGER {truncate} AFTER TRUNCATE ON public.{table} \
                 FOR EACH STATEMENT EXECUTE FUNCTION pugmark.{function}()"
            ));
        }
        statements
    }
}

fn function_name(watched: &Watched) -> String {
    format!("capture_{}", watched.table)
}

fn create_function(watched: &Watched) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION pugmark.{}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER \
         SET search_path = pugmark, pg_catalog, pg_temp SET lock_timeout = '100ms' AS $capture${}$capture$",
        function_name(watched),
        function_body(watched)
    )
}

fn function_body(watched: &Watched) -> String {
    let Watched { table, key, .. } = watched;
    format!(
        "
DECLARE
    state TEXT;
    said TEXT;
BEGIN
    IF current_setting('pugmark.capture_failed', true) = 'yes' THEN
        RETURN NULL;
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO change_log (table_name, row_key, event, new_row)
        VALUES ('{table}', NEW.\"{key}\"::text, 'INSERT', {new});
    ELSIF TG_OP = 'UPDATE' THEN
        IF {changed} THEN
            INSERT INTO change_log (table_name, row_key, event, old_row, new_row)
            VALUES ('{table}', NEW.\"{key}\"::text, 'UPDATE', {old}, {new});
        END IF;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO change_log (table_name, row_key, event, old_row)
        VALUES ('{table}', OLD.\"{key}\"::text, 'DELETE', {old});
    ELSE
        INSERT INTO change_log (table_name, row_key, event) VALUES ('{table}', '', 'TRUNCATE');
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, said = MESSAGE_TEXT;
    -- What is wrong with this row's data need not be wrong with the next one. All else would fail again, or wait again.
    IF left(state, 2) NOT IN ('22', '23') THEN
        PERFORM set_config('pugmark.capture_failed', 'yes', true);
    END IF;
    BEGIN
        RAISE WARNING 'pugmark could not capture a change of {table} (SQLSTATE %); its gap sweep will find it', state;
        INSERT INTO capture_errors (table_name, row_key, event, sqlstate, message)
        SELECT '{table}', CASE TG_OP WHEN 'DELETE' THEN OLD.\"{key}\"::text WHEN 'TRUNCATE' THEN NULL ELSE NEW.\"{key}\"::text END,
               TG_OP, state, left(said, 300)
        WHERE (SELECT count(*) FROM (SELECT 1 FROM capture_errors WHERE healed_at IS NULL LIMIT {MOST_ERRORS}) AS known)
              < {MOST_ERRORS};
    EXCEPTION WHEN OTHERS THEN
        NULL;
    END;
    RETURN NULL;
END
",
        new = image::whole(Engine::Postgres, watched, "NEW"),
        old = image::whole(Engine::Postgres, watched, "OLD"),
        changed = image::changed(Engine::Postgres, watched, "OLD", "NEW"),
    )
}
