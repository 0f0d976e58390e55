//! A database that MicroBima made: its tables under an owner of their own, row level security on every one of them without a
//! policy, an application role that knows nothing of Pugmark, and a role for Pugmark.

use pugmark::app::{self, Running};
use pugmark_queue::testing::TestDb;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use url::Url;

use crate::harness::{World, new_id, sandbox};
use crate::program::{Ended, pugmark, run};

/// The world with MicroBima's database in it. The roles are removed after the database.
pub(crate) struct Microbima {
    /// Its settings name the database as Pugmark's role.
    pub(crate) world: World,
    roles: Roles,
}

/// Who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// MicroBima's application: may write the tables, has no right on schema `pugmark`.
    Application,
    /// Pugmark: may read the tables and put triggers on them, owns none of them.
    Pugmark,
    /// The administrator, for whom nothing is hidden or forbidden.
    Administrator,
}

/// Roles belong to the whole server, so each database of a test has its own.
struct Roles {
    server: Url,
    owner: String,
    application: String,
    pugmark: String,
}

impl Drop for Roles {
    fn drop(&mut self) {
        let (server, sql) = (
            self.server.clone(),
            format!(
                "DROP ROLE IF EXISTS {}, {}, {}",
                self.application, self.pugmark, self.owner
            ),
        );
        // Dropping happens inside a test's runtime, which must not be blocked on.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let mut connection = PgConnection::connect(server.as_str()).await?;
                sqlx::raw_sql(AssertSqlSafe(sql))
                    .execute(&mut connection)
                    .await
                    .map(drop)
            })
        });
        if !matches!(dropped.join(), Ok(Ok(()))) {
            eprintln!("the roles of a test could not be removed");
        }
    }
}

const PASSWORD: &str = "of-this-test";

impl Microbima {
    /// MicroBima's database, in which Pugmark has never been; `None` where there is no server for tests.
    pub(crate) async fn new() -> Option<Self> {
        let store = TestDb::postgres().await?;
        let mut server = Url::parse(store.url()).expect("a URL");
        server.set_path("postgres");
        let suffix = new_id().replace('-', "");
        let roles = Roles {
            server,
            owner: format!("mb_owner_{suffix}"),
            application: format!("mb_app_{suffix}"),
            pugmark: format!("mb_crm_{suffix}"),
        };
        let mut world = World::over(store, sandbox()).await;
        let mut administrator = Program::connect(world.store.url()).await;
        let Roles {
            owner,
            application,
            pugmark,
            ..
        } = &roles;
        administrator
            .run(&format!(
                "DROP SCHEMA pugmark CASCADE; \
                 CREATE ROLE {owner}; \
                 CREATE ROLE {application} LOGIN PASSWORD '{PASSWORD}' BYPASSRLS; \
                 CREATE ROLE {pugmark} LOGIN PASSWORD '{PASSWORD}' BYPASSRLS; \
                 GRANT CREATE ON SCHEMA public TO {owner}"
            ))
            .await;
        administrator
            .run(include_str!("microbima/schema.sql"))
            .await;
        administrator
            .run(&format!(
                "DO $$ DECLARE name TEXT; BEGIN \
                   FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP \
                     EXECUTE format('ALTER TABLE public.%I OWNER TO {owner}', name); \
                   END LOOP; END $$; \
                 GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public TO {application}; \
                 GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {application}; \
                 GRANT SELECT, TRIGGER ON ALL TABLES IN SCHEMA public TO {pugmark}; \
                 DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {pugmark}', current_database()); END $$"
            ))
            .await;
        world.settings.database.url = url_as(world.store.url(), pugmark);
        Some(Microbima { world, roles })
    }

    /// The name of a role in this database.
    pub(crate) fn role(&self, who: Who) -> &str {
        match who {
            Who::Application => &self.roles.application,
            Who::Pugmark => &self.roles.pugmark,
            Who::Administrator => "the administrator",
        }
    }

    /// The role that owns MicroBima's tables.
    pub(crate) fn owner(&self) -> &str {
        &self.roles.owner
    }

    /// The address of the database for somebody.
    pub(crate) fn url(&self, who: Who) -> String {
        match who {
            Who::Administrator => self.world.store.url().to_owned(),
            who => url_as(self.world.store.url(), self.role(who)),
        }
    }

    /// A connection of somebody.
    pub(crate) async fn connect(&self, who: Who) -> Program {
        Program::connect(&self.url(who)).await
    }

    /// Runs the real binary with these arguments, as Pugmark's role.
    pub(crate) async fn pugmark(&self, arguments: &[&str]) -> Ended {
        self.pugmark_at(&self.url(Who::Pugmark), arguments).await
    }

    /// The same for another address of the database.
    pub(crate) async fn pugmark_at(&self, url: &str, arguments: &[&str]) -> Ended {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = pugmark(folder.path(), arguments);
        command.env("DATABASE_URL", url);
        run(command).await
    }

    /// Attaches, which must go well.
    pub(crate) async fn attach(&self) {
        let ended = self.pugmark(&["attach"]).await;
        assert_eq!(ended.code, 0, "{ended:?}");
    }

    /// Starts every role of Pugmark.
    pub(crate) async fn start(&self) -> Running {
        app::start(self.world.settings.clone(), app::Roles::ALL)
            .await
            .expect("Pugmark starts")
    }
}

fn url_as(url: &str, role: &str) -> String {
    let mut url = Url::parse(url).expect("a URL");
    url.set_username(role).expect("a role");
    url.set_password(Some(PASSWORD)).expect("a password");
    url.into()
}

/// A program with one connection, as long as the test wants.
pub(crate) struct Program(PgConnection);

impl Program {
    async fn connect(url: &str) -> Self {
        Program(PgConnection::connect(url).await.expect("a connection"))
    }

    /// Runs statements as they are, `BEGIN` and `COMMIT` included.
    pub(crate) async fn run(&mut self, sql: &str) {
        self.try_run(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub(crate) async fn try_run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut self.0)
            .await
            .map(drop)
    }

    /// Sends rows with COPY.
    pub(crate) async fn copy(&mut self, sql: &str, rows: &str) {
        let mut copy = self.0.copy_in_raw(sql).await.expect("COPY begins");
        copy.send(rows.as_bytes()).await.expect("the rows go out");
        copy.finish().await.expect("COPY ends");
    }

    /// The first column of every row, as text.
    pub(crate) async fn list(&mut self, sql: &str) -> Vec<String> {
        let rows: Vec<(Option<String>,)> = sqlx::query_as(AssertSqlSafe(sql.to_owned()))
            .fetch_all(&mut self.0)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.into_iter()
            .map(|(value,)| value.unwrap_or_default())
            .collect()
    }

    /// The number that a `SELECT count(*)` gives.
    pub(crate) async fn count(&mut self, from_where: &str) -> i64 {
        let (count,): (i64,) =
            sqlx::query_as(AssertSqlSafe(format!("SELECT count(*) FROM {from_where}")))
                .fetch_one(&mut self.0)
                .await
                .unwrap_or_else(|error| panic!("{from_where}: {error}"));
        count
    }
}

/// The statement by which the application inserts a customer.
pub(crate) fn customer(id: &str, last_name: &str) -> String {
    format!(
        "INSERT INTO \"public\".\"customers\" (\"id\", \"firstName\", \"lastName\", \"phoneNumber\", \"dateOfBirth\", \
         \"gender\", \"idType\", \"idNumber\", \"status\", \"onboardingStep\", \"createdByPartnerId\", \"createdAt\", \
         \"updatedAt\") VALUES ('{id}', 'Achieng', '{last_name}', '0712345678', '1990-04-12', 'FEMALE', 'NATIONAL_ID', \
         '{}', 'PENDING_ACTIVATION', 'BASIC_INFO', 1, {NOW}, {NOW})",
        &id[..8]
    )
}

/// The statement by which it inserts one of the customer's children.
pub(crate) fn child(id: &str, customer: &str, first_name: &str) -> String {
    format!(
        "INSERT INTO \"public\".\"dependants\" (\"id\", \"customerId\", \"firstName\", \"lastName\", \"relationship\", \
         \"createdByPartnerId\", \"createdAt\", \"updatedAt\") \
         VALUES ('{id}', '{customer}', '{first_name}', 'Otieno', 'CHILD', 1, {NOW}, {NOW})"
    )
}

/// The statement by which it inserts a policy.
pub(crate) fn policy(id: &str, customer: &str) -> String {
    format!(
        "INSERT INTO \"public\".\"policies\" (\"id\", \"productName\", \"premium\", \"frequency\", \"paymentCadence\", \
         \"customerId\", \"packageId\", \"updatedAt\") VALUES ('{id}', 'Family', 50, 'DAILY', 1, '{customer}', 1, {NOW})"
    )
}

/// The statement by which it inserts a paid payment.
pub(crate) fn payment(policy: &str, receipt: &str, amount: &str) -> String {
    format!(
        "INSERT INTO \"public\".\"policy_payments\" (\"policyId\", \"paymentType\", \"transactionReference\", \"amount\", \
         \"expectedPaymentDate\", \"actualPaymentDate\", \"paymentStatus\", \"updatedAt\") \
         VALUES ('{policy}', 'MPESA', '{receipt}', {amount}, {NOW}, {NOW}, 'COMPLETED', {NOW})"
    )
}

/// The time as the application sends it: UTC without saying so.
pub(crate) const NOW: &str = "(now() AT TIME ZONE 'UTC')";
