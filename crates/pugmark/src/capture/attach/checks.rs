//! What has to be so before MicroBima's database can be watched.

use pugmark_queue::db::{Conn, DbError};

use super::Hindrance;
use crate::capture::watched::{BESIDES, WATCHED, Watched};
use crate::store::catalogue::{self, Found, Setting, Table};

/// By these columns the figures of a customer's payments are read, for every contact that is delivered.
const READ_BY: [(&str, &str); 2] = [("policies", "customerId"), ("policy_payments", "policyId")];

/// The oldest PostgreSQL that can replace a trigger.
const OLDEST: i32 = 140_000;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What is in the way.
    pub hindrances: Vec<Hindrance>,
    /// What works, and is worth knowing.
    pub warnings: Vec<Hindrance>,
}

impl Findings {
    fn hinders(&mut self, what: impl Into<String>, fix: impl Into<String>) {
        self.hindrances.push(Hindrance {
            what: what.into(),
            fix: fix.into(),
        });
    }

    fn warns(&mut self, what: impl Into<String>, fix: impl Into<String>) {
        self.warnings.push(Hindrance {
            what: what.into(),
            fix: fix.into(),
        });
    }
}

/// Looks at everything that attached mode needs. Changes nothing.
///
/// # Errors
/// Whatever the database says.
pub async fn check(conn: &mut Conn) -> Result<Findings, DbError> {
    let mut findings = Findings::default();
    let setting = catalogue::setting(conn).await?;
    check_server(&setting, &mut findings);
    check_schema(&setting, &mut findings);
    let names = WATCHED.map(|watched| watched.table);
    for (watched, table) in WATCHED
        .iter()
        .zip(catalogue::tables(conn, "public", &names).await?)
    {
        check_table(watched, &table, &setting.role, &mut findings);
    }
    check_the_rest(
        &catalogue::tables(conn, "public", &BESIDES).await?,
        &setting,
        &mut findings,
    );
    check_our_things(conn, &setting.role, &mut findings).await?;
    for column in catalogue::without_index(conn, &READ_BY).await? {
        findings.warns(
            format!("no index begins with public.{column}: the figures of each contact read the whole table"),
            "With many payments, have MicroBima's developers add an index (CREATE INDEX CONCURRENTLY)",
        );
    }
    for role in catalogue::roles_without_triggers(conn).await? {
        findings.warns(
            format!("sessions of {role} begin with session_replication_role = replica, so no trigger sees what they write"),
            "Take the setting away (ALTER ROLE ... RESET session_replication_role), or let the gap sweep find their changes",
        );
    }
    Ok(findings)
}

fn check_server(setting: &Setting, findings: &mut Findings) {
    if setting.version_number < OLDEST {
        findings.hinders(
            format!("the server is PostgreSQL {}", setting.version),
            format!("Use PostgreSQL {} or newer", OLDEST / 10_000),
        );
    }
    if setting.is_replica {
        findings.hinders(
            "the server is a replica and takes no writes",
            "Connect to the primary",
        );
    }
    if setting.replication_role != "origin" {
        findings.hinders(
            format!(
                "session_replication_role is {} for role {}, so triggers do not fire",
                setting.replication_role, setting.role
            ),
            format!(
                "ALTER DATABASE {} RESET session_replication_role; ALTER ROLE {} RESET session_replication_role",
                setting.database, setting.role
            ),
        );
    }
    if !setting.may_use_plpgsql {
        findings.hinders(
            format!("role {} may not use the language plpgsql", setting.role),
            format!("GRANT USAGE ON LANGUAGE plpgsql TO {}", setting.role),
        );
    }
}

fn check_schema(setting: &Setting, findings: &mut Findings) {
    let role = &setting.role;
    match &setting.schema_owner {
        Some(owner) if !setting.owns_schema => findings.hinders(
            format!("schema pugmark belongs to role {owner}, and {role} may not act as that role"),
            format!(
                "Connect as {owner}, or ALTER SCHEMA pugmark OWNER TO {role}, with everything in it"
            ),
        ),
        None if !setting.may_create => findings.hinders(
            format!(
                "role {role} may not create a schema in database {}",
                setting.database
            ),
            format!("GRANT CREATE ON DATABASE {} TO {role}", setting.database),
        ),
        _ => {}
    }
    if !setting.may_use_public {
        findings.hinders(
            format!("role {role} may not use schema public"),
            format!("GRANT USAGE ON SCHEMA public TO {role}"),
        );
    }
}

fn check_table(watched: &Watched, table: &Table, role: &str, findings: &mut Findings) {
    let name = &table.name;
    let Some(found) = &table.found else {
        findings.hinders(
            format!("there is no table public.{name}"),
            "Check that this is MicroBima's database and that all its migrations were run",
        );
        return;
    };
    if !found.is_table {
        findings.hinders(
            format!("public.{name} is no table"),
            "Check that this is MicroBima's database; only a table can be watched",
        );
    }
    let missing: Vec<&str> = watched
        .needs()
        .filter(|column| !found.columns.contains(*column))
        .collect();
    if !missing.is_empty() {
        findings.hinders(
            format!("public.{name} has no column {}", missing.join(", ")),
            "Run MicroBima's migrations; if MicroBima renamed a column, a newer Pugmark is needed",
        );
    }
    check_rights(name, found, role, findings);
}

fn check_rights(name: &str, found: &Found, role: &str, findings: &mut Findings) {
    let owner = &found.owner;
    if !found.may_select {
        findings.hinders(
            format!("role {role} may not read public.{name}"),
            format!("GRANT SELECT ON public.{name} TO {role}"),
        );
    }
    if !found.may_trigger {
        findings.hinders(
            format!("role {role} may not create a trigger on public.{name}"),
            format!("GRANT TRIGGER ON public.{name} TO {role}, or connect as its owner {owner}"),
        );
    } else if !found.owned {
        findings.warns(
            format!("role {role} may create triggers on public.{name}, but only its owner {owner} could drop a single one"),
            "Nothing: `pugmark detach` removes them through Pugmark's own functions",
        );
    }
    if found.hides_rows {
        findings.hinders(
            format!("row level security hides the rows of public.{name} from role {role}: it would see a part of them or none, without an error"),
            format!("ALTER ROLE {role} BYPASSRLS, or connect as the owner {owner} (and without FORCE ROW LEVEL SECURITY)"),
        );
    }
}

fn check_the_rest(tables: &[Table], setting: &Setting, findings: &mut Findings) {
    for table in tables {
        let (name, role) = (&table.name, &setting.role);
        match &table.found {
            None => findings.warns(
                format!("there is no table public.{name}"),
                "What needs it will say so",
            ),
            Some(found) if !found.may_select || found.hides_rows => findings.warns(
                format!("role {role} does not see the rows of public.{name}"),
                format!("GRANT SELECT ON public.{name} TO {role}; ALTER ROLE {role} BYPASSRLS"),
            ),
            Some(_) => {}
        }
    }
}

/// Nothing of ours may belong to somebody else, and nobody may have switched row level security on for it.
async fn check_our_things(
    conn: &mut Conn,
    role: &str,
    findings: &mut Findings,
) -> Result<(), DbError> {
    let things = catalogue::our_things(conn).await?;
    for thing in things.iter().filter(|thing| !thing.owned) {
        findings.hinders(
            format!(
                "{} belongs to role {}, and {role} may not act as that role",
                thing.name, thing.owner
            ),
            format!("Connect as {}, or have it given to {role}", thing.owner),
        );
    }
    let names: Vec<&str> = things
        .iter()
        .filter_map(|thing| thing.name.strip_prefix("pugmark."))
        .filter(|name| !name.ends_with(')'))
        .collect();
    for table in catalogue::tables(conn, "pugmark", &names).await? {
        if table.found.is_some_and(|found| found.hides_rows) {
            findings.hinders(
                format!(
                    "row level security hides the rows of pugmark.{} from role {role}",
                    table.name
                ),
                format!(
                    "ALTER TABLE pugmark.{} DISABLE ROW LEVEL SECURITY",
                    table.name
                ),
            );
        }
    }
    for function in catalogue::capture_functions(conn).await? {
        if !function.sees_policies {
            findings.hinders(
                format!(
                    "pugmark.{}() runs as role {}, which does not see the rows of public.policies",
                    function.name, function.owner
                ),
                format!(
                    "GRANT SELECT ON public.policies TO {0}; ALTER ROLE {0} BYPASSRLS",
                    function.owner
                ),
            );
        }
    }
    Ok(())
}
