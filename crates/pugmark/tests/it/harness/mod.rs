//! A Pugmark between a store of its own and a look-alike of vTiger, and short ways to do the usual things to them.

mod judging;
mod secrets;
mod settings;
mod writer;

use std::time::Duration;

use pugmark::app::{self, Roles, Running};
use pugmark::config::{self, Settings};
use pugmark_queue::testing::TestDb;
use pugmark_sandbox::{VtigerSandbox, VtigerSandboxBuilder};

pub(crate) use judging::Row;
pub(crate) use secrets::{assert_not_in, dump};
pub(crate) use settings::{sandbox, settings};
pub(crate) use writer::{Session, Writer, customer_values, insert_statement};

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
