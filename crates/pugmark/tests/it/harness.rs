//! A Pugmark between a store of its own and a look-alike of vTiger, and short ways to do the usual things to them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pugmark::app::{self, Roles, Running};
use pugmark::config::{self, CrmEdition, Mode, Settings};
use pugmark_queue::db::{Conn, Db, DbError, DbOptions, Engine};
use pugmark_queue::on;
use pugmark_queue::testing::TestDb;
use pugmark_sandbox::{CustomField, CustomFieldKind, VtigerSandbox, VtigerSandboxBuilder};
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::generator::Generator;

/// Makes `mod sqlite` and `mod postgres`, each with a test for every case named. A case takes a [`World`].
macro_rules! on_both_databases {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$case($crate::harness::World::sqlite().await).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test]
                async fn $case() {
                    if let Some(world) = $crate::harness::World::postgres().await {
                        super::$case(world).await;
                    }
                }
            )+
        }
    };
}
pub(crate) use on_both_databases;

/// Long enough for a slow machine; no test waits this long unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The bearer token of the API under test.
pub(crate) const TOKEN: &str = "token-of-this-test";
/// Labels of the custom fields that an insurer's vTiger has; the first one carries the reference.
pub(crate) const FIELDS: [&str; 7] = [
    "MicroBima Customer ID",
    "Middle Name",
    "Gender",
    "ID Type",
    "ID Number",
    "MicroBima Status",
    "MicroBima Link",
];

/// A store and a CRM; Pugmark is started between them when the test says so.
pub(crate) struct World {
    pub(crate) store: TestDb,
    pub(crate) crm: VtigerSandbox,
    pub(crate) settings: Settings,
}

impl World {
    pub(crate) async fn sqlite() -> Self {
        Self::over(TestDb::sqlite().await, sandbox()).await
    }

    pub(crate) async fn postgres() -> Option<Self> {
        Some(Self::over(TestDb::postgres().await?, sandbox()).await)
    }

    pub(crate) async fn over(store: TestDb, crm: VtigerSandboxBuilder) -> Self {
        let crm = crm
            .start()
            .await
            .expect("the look-alike starts on loopback");
        let settings = settings(store.url(), &crm);
        Self {
            store,
            crm,
            settings,
        }
    }

    /// Starts every role.
    pub(crate) async fn start(&self) -> Running {
        app::start(self.settings.clone(), Roles::ALL)
            .await
            .expect("Pugmark starts")
    }

    /// A handle of its own on the store, as another program would have.
    pub(crate) async fn other_program(&self) -> Writer {
        Writer::on(self.store.url()).await
    }

    /// The field that carries the reference in this CRM.
    pub(crate) fn reference(&self) -> String {
        self.field(FIELDS[0])
    }

    /// The API name of a custom field by its label: vTiger counts them in steps of two from 853.
    pub(crate) fn field(&self, label: &str) -> String {
        let index = FIELDS
            .iter()
            .position(|known| *known == label)
            .expect("a field of this CRM");
        format!("cf_{}", 853 + 2 * index)
    }

    /// The contact of a customer, if there is exactly one.
    pub(crate) fn contact_of(&self, customer: &str) -> Option<pugmark_sandbox::StoredRecord> {
        let reference = self.reference();
        let mut found = self
            .crm
            .records("Contacts")
            .into_iter()
            .filter(|record| record.value(&reference) == customer);
        let contact = found.next()?;
        assert!(
            found.next().is_none(),
            "two contacts for customer {customer}"
        );
        Some(contact)
    }

    /// Waits until the CRM holds a contact of the customer for which `condition` is true.
    pub(crate) async fn wait_for_contact(
        &self,
        customer: &str,
        condition: impl Fn(&pugmark_sandbox::StoredRecord) -> bool,
    ) -> pugmark_sandbox::StoredRecord {
        let journal = self.crm.journal();
        let came = journal
            .wait_until(
                |_| self.contact_of(customer).as_ref().is_some_and(&condition),
                PATIENCE,
            )
            .await;
        assert!(
            came,
            "the contact of {customer} did not come to be as expected: {:?}",
            self.contact_of(customer)
        );
        self.contact_of(customer)
            .expect("it was there a moment ago")
    }
}

impl World {
    /// The same store before another vTiger.
    pub(crate) async fn before(self, crm: VtigerSandboxBuilder) -> Self {
        Self::over(self.store, crm).await
    }

    /// Settings of the CRM, to be changed before the start.
    pub(crate) fn crm_settings(&mut self) -> &mut config::Crm {
        self.settings.crm.as_mut().expect("a CRM is configured")
    }

    /// How many calls of an operation (lower case) have ended.
    pub(crate) fn calls(&self, operation: &str) -> u64 {
        self.crm.journal().count_calls(Some(operation))
    }

    /// How many calls of each operation that concern records have ended.
    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            create: self.calls("create"),
            revise: self.calls("revise"),
            query: self.calls("query"),
            retrieve: self.calls("retrieve"),
            delete: self.calls("delete"),
        }
    }
}

/// Calls that concern records. Logins and descriptions are left out: they are paid once, not per record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) create: u64,
    pub(crate) revise: u64,
    pub(crate) query: u64,
    pub(crate) retrieve: u64,
    pub(crate) delete: u64,
}

impl std::ops::Sub for Traffic {
    type Output = Traffic;

    fn sub(self, before: Traffic) -> Traffic {
        Traffic {
            create: self.create - before.create,
            revise: self.revise - before.revise,
            query: self.query - before.query,
            retrieve: self.retrieve - before.retrieve,
            delete: self.delete - before.delete,
        }
    }
}

/// Looks again every few milliseconds until `look` gives something: a store, unlike the look-alike's journal, gives no
/// signal when it changes.
pub(crate) async fn eventually<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what} did not come about in {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A vTiger as an insurer sets it up.
pub(crate) fn sandbox() -> VtigerSandboxBuilder {
    FIELDS
        .iter()
        .fold(VtigerSandbox::builder().seed(1), |builder, label| {
            let kind = if label.ends_with("Link") {
                CustomFieldKind::Url
            } else {
                CustomFieldKind::Text
            };
            builder.custom_field(CustomField::new("Contacts", label, kind))
        })
}

/// Settings with short pauses, so that tests of recovery are quick.
pub(crate) fn settings(store: &str, crm: &VtigerSandbox) -> Settings {
    Settings {
        mode: Mode::Live,
        server: config::Server {
            address: ([127, 0, 0, 1], 0).into(),
            customer_url: Some("https://agents.example.org/admin/customer/{id}".to_owned()),
            max_body: 1 << 20,
            shutdown_grace: Duration::from_secs(10),
            token: Some(SecretString::from(TOKEN)),
        },
        database: config::Database {
            url: store.to_owned(),
            connections: 4,
        },
        crm: Some(config::Crm {
            edition: CrmEdition::OpenSource,
            url: crm.url(),
            username: crm.username().to_owned(),
            access_key: SecretString::from(crm.access_key().to_owned()),
            enabled: true,
            call_timeout: Duration::from_secs(2),
            longest_execution: Duration::from_millis(500),
            sessions: 4,
            describe_for: Duration::from_secs(600),
            look_first: false,
            default_owner: None,
            time_zone: jiff::tz::TimeZone::UTC,
            contact_defaults: Default::default(),
            poll: config::Poll {
                enabled: false,
                interval: Duration::from_secs(60),
                overlap: Duration::from_secs(60),
                deletions_within: Duration::from_secs(86_400),
            },
        }),
        capture: config::Capture {
            settle: Duration::from_millis(50),
            poll: Duration::from_millis(20),
            batch: 200,
        },
        queue: config::Queue {
            lease: Duration::from_secs(10),
            max_retries: 3,
            backoff: Duration::from_millis(50),
            backoff_max: Duration::from_millis(500),
            give_up_after: Duration::from_secs(600),
        },
        insurance: config::Insurance {
            // Tests about customers count calls; those about notes say what they want told.
            notes: config::Notes {
                significant: ["dependant.added", "dependant.removed"]
                    .map(str::to_owned)
                    .into(),
            },
            payments: config::Payments {
                settle: Duration::from_millis(50),
                stored_times: config::StoredTimes::Local,
            },
            // What compares both sides by the clock makes calls that tests count.
            reconcile: config::Reconcile::off(),
            ..config::Insurance::default()
        },
        supabase: None,
        seal_key: None,
        logs: config::Logs::default(),
        webhooks: config::Webhooks::default(),
    }
}

/// "Any program": writes MicroBima's tables with plain SQL, knowing nothing of Pugmark.
pub(crate) struct Writer {
    db: Db,
}

impl Writer {
    /// Another program on the store at this address.
    pub(crate) async fn on(url: &str) -> Self {
        let db = Db::open(url, DbOptions::default())
            .await
            .expect("the store opens a second time");
        Writer { db }
    }

    pub(crate) fn engine(&self) -> Engine {
        self.db.engine()
    }

    /// Runs one statement in a transaction of its own.
    pub(crate) async fn sql(&self, sql: impl Into<String>) {
        self.try_sql(sql).await.expect("the statement runs");
    }

    pub(crate) async fn try_sql(&self, sql: impl Into<String>) -> Result<(), DbError> {
        let sql: String = sql.into();
        self.db
            .write("test", move |conn| {
                Box::pin(async move {
                    on!(conn, |c| sqlx::raw_sql(AssertSqlSafe(sql))
                        .execute(c)
                        .await
                        .map(drop))?;
                    Ok::<_, DbError>(())
                })
            })
            .await
    }

    /// The first column of the first row, as text.
    pub(crate) async fn one(&self, sql: impl Into<String>) -> Option<String> {
        let sql: String = sql.into();
        let mut conn: Conn = self.db.read().await.expect("a connection");
        let row: Option<(Option<String>,)> = on!(&mut conn, |c| sqlx::query_as(AssertSqlSafe(sql))
            .fetch_optional(c)
            .await)
        .expect("the query runs");
        row.and_then(|(value,)| value)
    }

    /// Every customer.
    pub(crate) async fn rows(&self) -> Vec<Row> {
        let sql = "SELECT CAST(\"id\" AS TEXT) AS id, \"firstName\" AS first_name, \"middleName\" AS middle_name, \
                   \"lastName\" AS last_name, \"email\" AS email, \"phoneNumber\" AS phone_number, \
                   CAST(\"dateOfBirth\" AS TEXT) AS date_of_birth, CAST(\"gender\" AS TEXT) AS gender, \
                   CAST(\"idType\" AS TEXT) AS id_type, \"idNumber\" AS id_number, CAST(\"status\" AS TEXT) AS status, \
                   \"isTestUser\" AS is_test FROM customers";
        let mut conn: Conn = self.db.read().await.expect("a connection");
        on!(&mut conn, |c| sqlx::query_as(sql).fetch_all(c).await).expect("the query runs")
    }

    /// The number that a `SELECT count(*)` gives.
    pub(crate) async fn count(&self, from_where: &str) -> i64 {
        let text = self
            .one(format!("SELECT CAST(count(*) AS TEXT) FROM {from_where}"))
            .await;
        text.and_then(|text| text.parse().ok()).expect("a count")
    }

    /// Waits until every captured change is planned and every operation has ended, as done or as a dead letter.
    pub(crate) async fn wait_until_idle(&self) {
        // One statement: an operation that ends may leave a change behind, and a change that is planned an operation.
        let waiting = "SELECT CAST((SELECT count(*) FROM change_log WHERE processed_at IS NULL) + \
             (SELECT count(*) FROM vtiger_sync_queue WHERE status <> 'COMPLETED' \
              AND NOT (status = 'FAILED' AND dead_at IS NOT NULL)) AS TEXT)";
        eventually("the end of all work", || async {
            (self.one(waiting).await.as_deref() == Some("0")).then_some(())
        })
        .await;
    }

    /// A column of the customer's link, as text.
    pub(crate) async fn link(&self, customer: &str, column: &str) -> Option<String> {
        self.one(format!(
            "SELECT CAST({column} AS TEXT) FROM crm_links WHERE entity_id = '{customer}'"
        ))
        .await
    }

    /// Waits until the customer's link carries this error code.
    pub(crate) async fn wait_for_trouble(&self, customer: &str, code: &str) {
        eventually(code, || async {
            (self.link(customer, "sync_error_code").await.as_deref() == Some(code)).then_some(())
        })
        .await;
    }

    /// Inserts a customer with this last name and gives the id.
    pub(crate) async fn insert_customer(&self, last_name: &str) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        self.insert_customer_as(&id, last_name, false).await;
        id
    }

    pub(crate) async fn insert_customer_as(&self, id: &str, last_name: &str, test: bool) {
        let last_name = last_name.replace('\'', "''");
        let number = &id[..8];
        self.sql(format!(
            "INSERT INTO customers (\"id\", \"firstName\", \"lastName\", \"phoneNumber\", \"dateOfBirth\", \"gender\", \
             \"idType\", \"idNumber\", \"status\", \"createdByPartnerId\", \"isTestUser\") \
             VALUES ('{id}', 'Achieng', '{last_name}', '0712345678', '1990-04-12', 'FEMALE', 'NATIONAL_ID', '{number}', \
             'PENDING_ACTIVATION', 1, {test})"
        ))
        .await;
    }

    /// Sets one column of a customer; `value` is an SQL literal.
    pub(crate) async fn set(&self, id: &str, column: &str, value: &str) {
        self.sql(format!(
            "UPDATE customers SET \"{column}\" = {value} WHERE \"id\" = '{id}'"
        ))
        .await;
    }
}

/// A customer's row, every value as text.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) id: String,
    first_name: String,
    middle_name: Option<String>,
    last_name: String,
    email: Option<String>,
    phone_number: String,
    date_of_birth: Option<String>,
    gender: Option<String>,
    id_type: String,
    id_number: String,
    status: String,
    pub(crate) is_test: bool,
}

impl Row {
    /// What the contact has to show, by field label or name. The words are written down a second time on purpose.
    fn shown(&self) -> [(&'static str, String); 11] {
        let some = |value: &Option<String>| value.clone().unwrap_or_default();
        let words = |label: &str| {
            match label {
                "" => "",
                "FEMALE" => "Female",
                "MALE" => "Male",
                "PREFER_NOT_TO_SAY" => "Prefer not to say",
                "NATIONAL_ID" => "National ID",
                "PASSPORT" => "Passport",
                "PENDING_ACTIVATION" => "Pending activation",
                "ACTIVE" => "Active",
                "SUSPENDED" => "Suspended",
                other => panic!("no words for {other}"),
            }
            .to_owned()
        };
        [
            ("MicroBima Customer ID", self.id.clone()),
            ("firstname", self.first_name.clone()),
            ("Middle Name", some(&self.middle_name)),
            ("lastname", self.last_name.clone()),
            ("email", some(&self.email)),
            ("mobile", self.phone_number.clone()),
            ("birthday", some(&self.date_of_birth)),
            ("Gender", words(&some(&self.gender))),
            ("ID Type", words(&self.id_type)),
            ("ID Number", self.id_number.clone()),
            ("MicroBima Status", words(&self.status)),
        ]
    }
}

impl World {
    /// In what the contacts differ from the customers' rows: nothing, when every customer that is no test customer has
    /// exactly one contact with the row's values, and nobody else but the `withdrawn` has one.
    pub(crate) async fn out_of_step(&self, program: &Writer, withdrawn: &[String]) -> Vec<String> {
        let reference = self.reference();
        let mut contacts: BTreeMap<String, Vec<pugmark_sandbox::StoredRecord>> = BTreeMap::new();
        for contact in self.crm.records("Contacts") {
            contacts
                .entry(contact.value(&reference).to_owned())
                .or_default()
                .push(contact);
        }
        let mut wrong = Vec::new();
        for row in program.rows().await.into_iter().filter(|row| !row.is_test) {
            let found = contacts.remove(&row.id).unwrap_or_default();
            if found.len() != 1 {
                wrong.push(format!("{}: {} contacts", row.id, found.len()));
            }
            for contact in found {
                for (name, expected) in row.shown() {
                    let field = if FIELDS.contains(&name) {
                        self.field(name)
                    } else {
                        name.to_owned()
                    };
                    if contact.value(&field) != expected {
                        wrong.push(format!(
                            "{} {name}: {:?} instead of {expected:?}",
                            row.id,
                            contact.value(&field)
                        ));
                    }
                }
            }
        }
        for (customer, found) in contacts {
            if !withdrawn.contains(&customer) || found.len() != 1 {
                wrong.push(format!(
                    "{customer}: {} contacts without a row",
                    found.len()
                ));
            }
        }
        // A contact that was made and removed again was made all the same.
        for (customer, made) in self.crm.journal().count_distinct_by("Contacts", &reference) {
            if made.len() > 1 {
                wrong.push(format!("{customer}: created {} times", made.len()));
            }
        }
        wrong
    }
}

/// A connection of another program, with transactions that last as long as the test wants.
pub(crate) enum Session {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Session {
    /// Connects to the store of this world.
    pub(crate) async fn open(world: &World) -> Self {
        let url = world.store.url();
        if url.starts_with("sqlite:") {
            Session::Sqlite(SqliteConnection::connect(url).await.expect("a connection"))
        } else {
            Session::Postgres(PgConnection::connect(url).await.expect("a connection"))
        }
    }

    /// Runs statements as they are, `BEGIN` and `COMMIT` included.
    pub(crate) async fn run(&mut self, sql: &str) {
        self.try_run(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub(crate) async fn try_run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Session::Sqlite(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
            Session::Postgres(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
        }
    }
}

/// The statement that inserts a customer, without Pugmark's knowing anything of it.
pub(crate) fn insert_statement(id: &str, last_name: &str) -> String {
    format!(
        "INSERT INTO customers (\"id\", \"firstName\", \"lastName\", \"phoneNumber\", \"dateOfBirth\", \"gender\", \
         \"idType\", \"idNumber\", \"status\") VALUES ({})",
        customer_values(id, last_name)
    )
}

/// The values of [`insert_statement`], for inserts of several rows.
pub(crate) fn customer_values(id: &str, last_name: &str) -> String {
    let (last_name, number) = (last_name.replace('\'', "''"), &id[..8]);
    format!(
        "'{id}', 'Achieng', '{last_name}', '0712345678', '1990-04-12', 'FEMALE', 'NATIONAL_ID', '{number}', 'PENDING_ACTIVATION'"
    )
}

/// The seed of what a test leaves to chance: `PUGMARK_SEED`, or a new one, which is printed.
pub(crate) fn seed() -> u64 {
    let seed = match std::env::var("PUGMARK_SEED") {
        Ok(seed) => seed.parse().expect("PUGMARK_SEED is a number"),
        Err(_) => uuid::Uuid::new_v4().as_u64_pair().0,
    };
    eprintln!("PUGMARK_SEED={seed}");
    seed
}

pub(crate) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

impl World {
    /// The first lines of the notes on a contact, in the order in which they were made.
    pub(crate) fn notes_on(&self, contact: &str) -> Vec<String> {
        let notes = self.crm.records("ModComments");
        notes
            .iter()
            .filter(|note| note.value("related_to") == contact)
            .map(|note| {
                let text = note.value("commentcontent");
                text.lines().next().unwrap_or_default().to_owned()
            })
            .collect()
    }

    /// That every contact carries exactly the notes on dependants that the generator's stories call for, in
    /// their order. Of edits of the customer the program tells besides, by its own defaults.
    pub(crate) fn assert_notes(&self, generator: &Generator<'_>, seed: u64) {
        let mut wanted_in_all = 0;
        for member in generator.living() {
            let none = Vec::new();
            let wanted = generator.expected.notes.get(&member.id).unwrap_or(&none);
            wanted_in_all += wanted.len();
            let contact = self.contact_of(&member.id).expect("a contact");
            let mut told = self.notes_on(&contact.id);
            told.retain(|line| line.starts_with("Dependant "));
            assert_eq!(&told, wanted, "notes of {}, PUGMARK_SEED={seed}", member.id);
        }
        assert!(wanted_in_all > 0, "or the test shows nothing");
        let all = self.crm.records("ModComments");
        let told = all
            .iter()
            .filter(|note| note.value("commentcontent").starts_with("Dependant "));
        assert_eq!(
            told.count(),
            wanted_in_all,
            "no others, PUGMARK_SEED={seed}"
        );
    }

    /// That every open requirement has one open task on its customer's contact, and that nothing else is open. One that was
    /// closed before its task was made has none.
    pub(crate) fn assert_tasks(&self, generator: &Generator<'_>, seed: u64) {
        let tasks = self.crm.records("Calendar");
        let on = |contact: &str, open: bool| {
            tasks
                .iter()
                .filter(|task| task.value("contact_id") == contact)
                .filter(|task| (task.value("taskstatus") != "Completed") == open)
                .count()
        };
        for member in generator.living() {
            let wanted = |open| {
                let tasks = generator.expected.tasks.values();
                tasks
                    .filter(|task| task.customer == member.id && task.open == open)
                    .count()
            };
            let contact = self.contact_of(&member.id).expect("a contact");
            assert_eq!(
                on(&contact.id, true),
                wanted(true),
                "open tasks of {}, PUGMARK_SEED={seed}",
                member.id
            );
            assert!(
                on(&contact.id, false) <= wanted(false),
                "closed tasks of {}, PUGMARK_SEED={seed}",
                member.id
            );
        }
        let references: BTreeSet<&str> = tasks
            .iter()
            .filter_map(|task| task.value("description").lines().last())
            .collect();
        assert_eq!(
            references.len(),
            tasks.len(),
            "none twice, PUGMARK_SEED={seed}"
        );
        assert!(!tasks.is_empty(), "or the test shows nothing");
    }

    /// That the payment figures on every contact are those of the rows. The fields stand behind those of [`FIELDS`]: count,
    /// total, date of the last payment.
    pub(crate) fn assert_figures(&self, generator: &Generator<'_>, seed: u64) {
        let field = |number: usize| format!("cf_{}", 853 + 2 * (FIELDS.len() + number));
        let mut paid = 0;
        for member in generator.living() {
            let (count, cents, last) = member.figures();
            paid += count;
            let contact = self.contact_of(&member.id).expect("a contact");
            let shown = [0, 1, 2].map(|number| contact.value(&field(number)).to_owned());
            let shown_count: u64 = shown[0].parse().unwrap_or(0);
            let shown_total: f64 = shown[1].parse().unwrap_or(0.0);
            assert_eq!(
                shown_count, count,
                "payments of {}, PUGMARK_SEED={seed}",
                member.id
            );
            assert!(
                (shown_total * 100.0 - cents as f64).abs() < 0.5,
                "total of {}: {shown_total} instead of {cents} cents, PUGMARK_SEED={seed}",
                member.id
            );
            assert_eq!(
                shown[2],
                last.unwrap_or_default(),
                "last payment of {}, PUGMARK_SEED={seed}",
                member.id
            );
        }
        assert!(paid > 0, "or the test shows nothing");
    }
}
