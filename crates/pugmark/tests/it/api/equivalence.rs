//! One story, told through the REST API and told in the statements that MicroBima's own application sends: the same events and
//! the same operations, whoever writes and whosever tables they are.

use std::fmt::Write as _;

use jiff::Timestamp;
use pugmark::capture::change::Change;
use pugmark::config;
use pugmark::flows::insurance::events::{DomainEvent, derive};
use pugmark::flows::insurance::plan::{Rules, plan};
use pugmark::store::{SliceMode, change_log};
use pugmark_queue::db::{Db, DbOptions, Engine};
use serde_json::{Value, json};

use super::missing_requirements::{ambassador, ambassador_as};
use super::payments::{payment_path, payments_of, received};
use super::policies::{policies_of, policy_path, weekly};
use super::{CUSTOMERS, customer, started_quiet};
use crate::harness::{World, Writer, on_both_databases};
use crate::http::Api;
use crate::microbima::{Microbima, Who};

on_both_databases!(the_api_and_microbimas_own_statements_mean_the_same_events_and_operations,);

/// The ids of everybody and everything in the story, as its first telling gave them.
struct Cast {
    agent: String,
    agents_login: String,
    achieng: String,
    amina: String,
    test_customer: String,
    zuri: String,
    baraka: String,
    test_child: String,
    sister: String,
    achiengs_policy: String,
    aminas_policy: String,
    noted: String,
    expired: String,
    found: String,
}

fn id_of(data: &Value) -> String {
    data["id"].as_str().expect("an id").to_owned()
}

async fn post(api: &Api, path: &str, body: Value) -> Value {
    let made = api.post(path, &body).await;
    made.data().clone()
}

async fn patch(api: &Api, path: &str, body: Value) {
    let changed = api.patch(path, &body).await;
    changed.data();
}

/// Tells the story through the API. The numbers of payments are those of the order in which they are written: 1 to 5.
async fn told_through_the_api(api: &Api, program: &Writer, tables: SliceMode) -> Cast {
    let (agent, agents_login) = ambassador(program).await;
    let achieng = id_of(&post(api, CUSTOMERS, customer(1)).await);
    let path = format!("{CUSTOMERS}/{achieng}");
    let dependants = format!("{path}/dependants");
    let children = json!([
        { "firstName": " Zuri ", "lastName": "Otieno", "relationship": "child", "gender": "female", "dateOfBirth": "2015-08-30" },
        { "firstName": "Baraka", "lastName": "Otieno", "relationship": "child" },
    ]);
    let children = post(api, &dependants, children).await;
    let (zuri, baraka) = (id_of(&children[0]), id_of(&children[1]));
    let kin = json!({ "firstName": "Atieno", "lastName": "Otieno", "relationship": "sibling" });
    let sister = id_of(&post(api, &format!("{path}/beneficiaries"), kin).await);
    // A form is saved as it was, then with another number.
    patch(
        api,
        &path,
        json!({ "lastName": "O'Brien-Otieno", "phoneNumber": "0712 345 678" }),
    )
    .await;
    patch(api, &path, json!({ "phoneNumber": "0799000111" })).await;

    let achiengs_policy = id_of(&post(api, &policies_of(&achieng), weekly()).await);
    let payments = payments_of(&achiengs_policy);
    let expected = post(api, &payments, json!({ "amount": 200 })).await;
    patch(api, &payment_path(&expected), received("SGL31HA2Q1")).await;
    patch(
        api,
        &payment_path(&expected),
        json!({ "actualPaymentDate": "2026-11-21T10:30:07" }),
    )
    .await;
    let queried = post(api, &payments, json!({ "amount": "50.50" })).await;
    let paid = json!({ "paymentStatus": "COMPLETED_PENDING_RECEIPT", "transactionReference": "QUERY-PENDING-2", "actualPaymentDate": "2026-11-22T08:00:00" });
    patch(api, &payment_path(&queried), paid).await;
    let receipt = json!({ "paymentStatus": "COMPLETED", "transactionReference": "SGL31HA2Q2" });
    patch(api, &payment_path(&queried), receipt).await;
    let unsent = post(api, &payments, json!({ "amount": 200 })).await;
    api.delete(&payment_path(&unsent)).await.data();
    post(
        api,
        &payments,
        json!({ "amount": 200, "paymentStatus": "OUTSTANDING" }),
    )
    .await;

    let amina = id_of(&post(api, CUSTOMERS, customer(2)).await);
    let aminas_policy = id_of(&post(api, &policies_of(&amina), weekly()).await);
    let wrong = json!({ "reason": "wrong account", "rebookOnPolicyId": aminas_policy });
    post(api, &format!("{}/detach", payment_path(&expected)), wrong).await;
    patch(
        api,
        &policy_path(&achiengs_policy),
        json!({ "status": "SUSPENDED" }),
    )
    .await;

    let requirements = format!("{path}/missing-requirements");
    let blank = |kind: &str, field: &str| json!({ "entityKind": kind, "fieldPath": field, "brandAmbassadorId": agent });
    if tables == SliceMode::Attached {
        // Agents are paid by registrations: MicroBima writes them, Pugmark never does.
        let refused = api.post(&requirements, &blank("CHILD", "idNumber")).await;
        refused.assert_error(409, "CONFLICT", &requirements);
        program
            .sql(registration(&agent, &achieng, "CURRENT_TIMESTAMP"))
            .await;
    }
    let noted = id_of(&post(api, &requirements, blank("CHILD", "idNumber")).await);
    let expired = id_of(&post(api, &requirements, blank("SPOUSE", "gender")).await);
    let all = "/api/internal/missing-requirements";
    patch(api, &format!("{all}/{noted}"), json!({ "entityId": zuri })).await;
    patch(
        api,
        &format!("{all}/{noted}"),
        json!({ "status": "RESOLVED", "resolvedBy": agents_login }),
    )
    .await;
    patch(
        api,
        &format!("{all}/{expired}"),
        json!({ "status": "EXPIRED" }),
    )
    .await;
    // An edited dependant has its blank fields noted, and resolved when they are filled in.
    let one = format!("/api/internal/dependants/{baraka}");
    patch(api, &one, json!({ "gender": "male" })).await;
    let open = api.get(&format!("{requirements}?status=PENDING")).await;
    let found = id_of(&open.data()["items"][0]);
    patch(api, &one, json!({ "dateOfBirth": "2017-01-31" })).await;
    api.delete(&format!("/api/internal/dependants/{zuri}"))
        .await
        .data();
    api.delete(&format!("/api/internal/beneficiaries/{sister}"))
        .await
        .data();

    let mut nobody = customer(3);
    nobody["isTestUser"] = json!(true);
    let test_customer = id_of(&post(api, CUSTOMERS, nobody).await);
    let path = format!("{CUSTOMERS}/{test_customer}");
    let child = json!({ "firstName": "Test", "lastName": "Test", "relationship": "child" });
    let test_child = id_of(&post(api, &format!("{path}/dependants"), child).await);
    api.delete(&path).await.data();
    Cast {
        agent,
        agents_login,
        achieng,
        amina,
        test_customer,
        zuri,
        baraka,
        test_child,
        sister,
        achiengs_policy,
        aminas_policy,
        noted,
        expired,
        found,
    }
}

fn registration(agent: &str, customer: &str, now: &str) -> String {
    format!(
        "INSERT INTO agent_registrations (\"id\", \"baId\", \"customerId\", \"partnerId\", \"registrationStatus\", \
         \"completedAt\", \"createdAt\", \"updatedAt\") \
         VALUES ('{agent}', '{agent}', '{customer}', 1, 'COMPLETED', {now}, {now}, {now})"
    )
}

/// Tells the same story in SQL, commit by commit, to a store that Pugmark only watches.
struct Sql<'a> {
    program: &'a Writer,
}

impl Sql<'_> {
    fn at(&self, text: &str) -> String {
        let at: Timestamp = text.parse().expect("a time");
        match self.program.engine() {
            Engine::Sqlite => at.as_microsecond().to_string(),
            Engine::Postgres => format!("'{}'", at.strftime("%Y-%m-%d %H:%M:%S.%3f")),
        }
    }

    fn now(&self) -> String {
        self.at(&Timestamp::now().to_string())
    }

    async fn commit(&self, statements: String) {
        self.program.sql(statements).await;
    }

    async fn update(&self, table: &str, id: &str, set: &str) {
        let now = self.now();
        self.commit(format!(
            "UPDATE {table} SET {set}, \"updatedAt\" = {now} WHERE \"id\" = '{id}'"
        ))
        .await;
    }

    async fn customer(&self, id: &str, number: u32, test: bool) {
        let now = self.now();
        self.commit(format!(
            "INSERT INTO customers (\"id\", \"firstName\", \"lastName\", \"email\", \"phoneNumber\", \"dateOfBirth\", \
             \"gender\", \"idType\", \"idNumber\", \"status\", \"createdByPartnerId\", \"isTestUser\", \"createdAt\", \
             \"updatedAt\") VALUES ('{id}', 'Achieng', 'O''Brien-Otieno', 'achieng{number}@example.co.ke', '0712 345 678', \
             '1990-04-12', 'FEMALE', 'NATIONAL_ID', '{}', 'PENDING_ACTIVATION', 1, {test}, {now}, {now})",
            10_000_000 + number
        ))
        .await;
    }

    /// One createMany.
    async fn children(&self, customer: &str, children: &[(&str, &str, &str)]) {
        let now = self.now();
        let rows: Vec<String> = children
            .iter()
            .map(|(id, first, last)| {
                format!("('{id}', '{customer}', '{first}', '{last}', 'CHILD', 1, {now}, {now})")
            })
            .collect();
        self.commit(format!(
            "INSERT INTO dependants (\"id\", \"customerId\", \"firstName\", \"lastName\", \"relationship\", \
             \"createdByPartnerId\", \"createdAt\", \"updatedAt\") VALUES {}",
            rows.join(", ")
        ))
        .await;
    }

    async fn policy(&self, id: &str, customer: &str) {
        let now = self.now();
        self.commit(format!(
            "INSERT INTO policies (\"id\", \"productName\", \"status\", \"premium\", \"frequency\", \"paymentCadence\", \
             \"customerId\", \"packageId\", \"createdAt\", \"updatedAt\") VALUES ('{id}', 'MfanisiGo Gold', \
             'PENDING_ACTIVATION', 200.00, 'WEEKLY', 7, '{customer}', 1, {now}, {now})"
        ))
        .await;
    }

    fn payment(
        &self,
        policy: &str,
        reference: &str,
        amount: &str,
        status: &str,
        paid: Option<&str>,
    ) -> String {
        let now = self.now();
        let paid = paid.map_or_else(|| "NULL".to_owned(), |paid| self.at(paid));
        let expected = if paid == "NULL" { &now } else { &paid };
        format!(
            "INSERT INTO policy_payments (\"policyId\", \"paymentType\", \"transactionReference\", \"amount\", \
             \"expectedPaymentDate\", \"actualPaymentDate\", \"paymentStatus\", \"createdAt\", \"updatedAt\") \
             VALUES ('{policy}', 'MPESA', '{reference}', {amount}, {expected}, {paid}, '{status}', {now}, {now})"
        )
    }

    /// The first payment activates the policy and the customer whose only one it is.
    async fn activate(&self, policy: &str, customer: &str) {
        let now = self.now();
        self.commit(format!(
            "UPDATE policies SET \"status\" = 'ACTIVE', \"startDate\" = {now}, \"updatedAt\" = {now} WHERE \"id\" = '{policy}'; \
             UPDATE customers SET \"status\" = 'ACTIVE', \"updatedAt\" = {now} WHERE \"id\" = '{customer}'"
        ))
        .await;
    }

    async fn requirement(
        &self,
        cast: &Cast,
        id: &str,
        kind: &str,
        entity: Option<&str>,
        field: &str,
    ) {
        let now = self.now();
        let entity = entity.map_or_else(|| "NULL".to_owned(), |entity| format!("'{entity}'"));
        self.commit(format!(
            "INSERT INTO missing_requirements (\"id\", \"registrationId\", \"customerId\", \"partnerId\", \"entityKind\", \
             \"entityId\", \"fieldPath\", \"status\", \"createdAt\", \"updatedAt\") VALUES ('{id}', '{}', '{}', 1, '{kind}', \
             {entity}, '{field}', 'PENDING', {now}, {now})",
            cast.agent, cast.achieng
        ))
        .await;
        self.flag(cast, "TRUE").await;
    }

    async fn flag(&self, cast: &Cast, value: &str) {
        let set = format!("\"hasMissingRequirements\" = {value}");
        self.update("customers", &cast.achieng, &set).await;
    }

    async fn tell(&self, cast: &Cast) {
        let now = self.now();
        self.customer(&cast.achieng, 1, false).await;
        let children = [
            (cast.zuri.as_str(), " Zuri ", "Otieno"),
            (cast.baraka.as_str(), "Baraka", "Otieno"),
        ];
        self.children(&cast.achieng, &children).await;
        self.commit(format!(
            "INSERT INTO beneficiaries (\"id\", \"customerId\", \"firstName\", \"lastName\", \"relationship\", \"createdAt\", \
             \"updatedAt\") VALUES ('{}', '{}', 'Atieno', 'Otieno', 'sibling', {now}, {now})",
            cast.sister, cast.achieng
        ))
        .await;
        let same = "\"lastName\" = 'O''Brien-Otieno', \"phoneNumber\" = '0712 345 678'";
        self.update("customers", &cast.achieng, same).await;
        let changed = "\"phoneNumber\" = '0799000111'";
        self.update("customers", &cast.achieng, changed).await;
        self.tell_of_payments(cast).await;
        self.tell_of_requirements(cast).await;
        let (gone, zuri, sister) = (self.now(), &cast.zuri, &cast.sister);
        self.update("dependants", zuri, &format!("\"deletedAt\" = {gone}"))
            .await;
        self.update("beneficiaries", sister, &format!("\"deletedAt\" = {gone}"))
            .await;
        self.customer(&cast.test_customer, 3, true).await;
        let child = [(cast.test_child.as_str(), "Test", "Test")];
        self.children(&cast.test_customer, &child).await;
        self.commit(format!(
            "DELETE FROM dependants WHERE \"customerId\" = '{id}'; DELETE FROM customers WHERE \"id\" = '{id}'",
            id = cast.test_customer
        ))
        .await;
    }

    async fn tell_of_payments(&self, cast: &Cast) {
        let policy = &cast.achiengs_policy;
        self.policy(policy, &cast.achieng).await;
        let placeholder = |number: u32| format!("PENDING-STK-{number}");
        let waiting = "PENDING_STK_CALLBACK";
        self.commit(self.payment(policy, &placeholder(1), "200.00", waiting, None))
            .await;
        let at = self.at("2026-11-21T10:30:00Z");
        let completed = |receipt: &str, amount: &str, at: &str| {
            format!(
                "\"paymentStatus\" = 'COMPLETED', \"transactionReference\" = '{receipt}', \"amount\" = {amount}, \
                 \"actualPaymentDate\" = {at}, \"expectedPaymentDate\" = {at}"
            )
        };
        self.pay(1, &completed("SGL31HA2Q1", "200.00", &at)).await;
        self.activate(policy, &cast.achieng).await;
        let shifted = self.at("2026-11-21T10:30:07Z");
        self.pay(1, &format!("\"actualPaymentDate\" = {shifted}"))
            .await;
        self.commit(self.payment(policy, &placeholder(2), "50.50", waiting, None))
            .await;
        let at = self.at("2026-11-22T08:00:00Z");
        self.pay(
            2,
            &format!(
                "\"paymentStatus\" = 'COMPLETED_PENDING_RECEIPT', \"transactionReference\" = 'QUERY-PENDING-2', \
                 \"actualPaymentDate\" = {at}, \"expectedPaymentDate\" = {at}"
            ),
        )
        .await;
        self.pay(2, &completed("SGL31HA2Q2", "50.50", &at)).await;
        self.commit(self.payment(policy, &placeholder(3), "200.00", waiting, None))
            .await;
        self.commit("DELETE FROM policy_payments WHERE \"id\" = 3".to_owned())
            .await;
        self.commit(self.payment(
            policy,
            "OUTSTANDING-0123456789ab-1",
            "200.00",
            "OUTSTANDING",
            None,
        ))
        .await;
        self.customer(&cast.amina, 2, false).await;
        self.policy(&cast.aminas_policy, &cast.amina).await;
        let now = self.now();
        let booked = self.payment(
            &cast.aminas_policy,
            "SGL31HA2Q1",
            "200.00",
            "COMPLETED",
            Some("2026-11-21T10:30:07Z"),
        );
        self.commit(format!(
            "UPDATE policy_payments SET \"paymentStatus\" = 'DETACHED', \"detachedAt\" = {now}, \
             \"transactionReference\" = '[d]1-SGL31HA2Q1', \"details\" = 'wrong account', \"updatedAt\" = {now} WHERE \"id\" = 1; \
             {booked}"
        ))
        .await;
        self.activate(&cast.aminas_policy, &cast.amina).await;
        let suspended = self.now();
        self.commit(format!(
            "UPDATE policies SET \"status\" = 'SUSPENDED', \"updatedAt\" = {suspended} WHERE \"id\" = '{policy}'; \
             UPDATE customers SET \"status\" = 'SUSPENDED', \"updatedAt\" = {suspended} WHERE \"id\" = '{}'",
            cast.achieng
        ))
        .await;
    }

    async fn pay(&self, payment: u32, set: &str) {
        let now = self.now();
        self.commit(format!(
            "UPDATE policy_payments SET {set}, \"updatedAt\" = {now} WHERE \"id\" = {payment}"
        ))
        .await;
    }

    async fn tell_of_requirements(&self, cast: &Cast) {
        let now = self.now();
        self.commit(registration(&cast.agent, &cast.achieng, &now))
            .await;
        let table = "missing_requirements";
        let Cast {
            noted,
            expired,
            found,
            ..
        } = cast;
        self.requirement(cast, noted, "CHILD", None, "idNumber")
            .await;
        self.requirement(cast, expired, "SPOUSE", None, "gender")
            .await;
        let zuri = format!("\"entityId\" = '{}'", cast.zuri);
        self.update(table, noted, &zuri).await;
        let resolved = |by: &str, at: &str| {
            format!("\"status\" = 'RESOLVED', \"resolvedAt\" = {at}, \"resolvedBy\" = '{by}'")
        };
        let by_agent = resolved(&cast.agents_login, &self.now());
        self.update(table, noted, &by_agent).await;
        self.update(table, expired, "\"status\" = 'EXPIRED'").await;
        self.flag(cast, "FALSE").await;
        let baraka = &cast.baraka;
        self.update("dependants", baraka, "\"gender\" = 'MALE'")
            .await;
        self.requirement(cast, found, "CHILD", Some(baraka), "dateOfBirth")
            .await;
        self.update("dependants", baraka, "\"dateOfBirth\" = '2017-01-31'")
            .await;
        let by_itself = resolved("system", &self.now());
        self.update(table, found, &by_itself).await;
        self.flag(cast, "FALSE").await;
    }
}

/// Every change that was captured, planned or not.
async fn captured(url: &str) -> Vec<Change> {
    Writer::on(url)
        .await
        .sql("UPDATE change_log SET processed_at = NULL")
        .await;
    let db = Db::open(url, DbOptions::default())
        .await
        .expect("the store opens");
    let mut conn = db.read().await.expect("a connection");
    change_log::waiting(&mut conn, 1_000_000)
        .await
        .expect("the log is readable")
}

/// What happened, line by line. When a person came or went is left to the clock.
fn events_of(changes: &[Change]) -> Vec<String> {
    changes
        .iter()
        .flat_map(derive)
        .map(|mut event| {
            if let DomainEvent::PersonAdded(person) | DomainEvent::PersonRemoved(person) =
                &mut event
            {
                person.at = None;
            }
            format!("{event:?}")
        })
        .collect()
}

/// What has to be done about it, line by line.
fn operations_of(changes: &[Change]) -> Vec<String> {
    let rules = Rules {
        settle: std::time::Duration::from_secs(2),
        insurance: config::Insurance {
            notes: config::Notes {
                significant: config::NOTABLE
                    .iter()
                    .map(|name| (*name).to_owned())
                    .collect(),
            },
            ..config::Insurance::default()
        },
    };
    changes
        .iter()
        .flat_map(|change| plan(change, &rules))
        .map(|operation| {
            let mut line = format!(
                "{} {} {} {}",
                operation.kind, operation.entity_type, operation.operation, operation.lane
            );
            if let Some(text) = operation.payload["text"].as_str() {
                write!(line, " {text}").expect("text takes text");
            }
            line
        })
        .collect()
}

/// Of each kind as many as the facts call for, counted by hand from the story.
fn assert_counts(events: &[String]) {
    for (name, expected) in [
        ("CustomerCreated", 2),
        // The phone; active; suspended; Amina active.
        ("CustomerUpdated", 4),
        ("CustomerWithdrawn", 0),
        // Zuri, Baraka, the child of the test customer, the sister.
        ("PersonAdded", 4),
        ("PersonRemoved", 2),
        ("PaymentCompleted", 3),
        ("PaymentDetached", 1),
        ("RequirementCreated", 3),
        ("RequirementChanged", 1),
        ("RequirementClosed", 3),
        // Two new ones, two activated, one suspended.
        ("PolicyStatusChanged", 5),
    ] {
        let found = events.iter().filter(|line| line.starts_with(name)).count();
        assert_eq!(found, expected, "{name}: {events:#?}");
    }
}

/// Tells the story of the cast in SQL, to a store of its own.
async fn captured_of_statements(cast: &Cast, engine: Engine) -> Vec<Change> {
    let watched = match engine {
        Engine::Sqlite => World::sqlite().await,
        Engine::Postgres => World::postgres().await.expect("it was there a moment ago"),
    };
    pugmark::store::migrate(watched.store.db())
        .await
        .expect("migrated");
    let program = watched.other_program().await;
    ambassador_as(&program, &cast.agent, &cast.agents_login).await;
    Sql { program: &program }.tell(cast).await;
    captured(watched.store.url()).await
}

fn assert_same(ours: &[Change], theirs: &[Change]) {
    let events = events_of(ours);
    assert_eq!(events, events_of(theirs));
    assert_counts(&events);
    assert_eq!(operations_of(ours), operations_of(theirs));
}

async fn the_api_and_microbimas_own_statements_mean_the_same_events_and_operations(
    mut world: World,
) {
    let (running, api) = started_quiet(&mut world).await;
    let program = world.other_program().await;
    let cast = told_through_the_api(&api, &program, SliceMode::Standalone).await;
    running.shutdown().await;
    let ours = captured(world.store.url()).await;
    let theirs = captured_of_statements(&cast, program.engine()).await;
    assert_same(&ours, &theirs);
}

/// MicroBima's own tables, with Pugmark's role allowed to write them.
#[tokio::test]
async fn the_api_on_microbimas_own_tables_means_the_same_as_its_statements() {
    let Some(mut microbima) = Microbima::new().await else {
        return;
    };
    let role = microbima.role(Who::Pugmark).to_owned();
    let mut administrator = microbima.connect(Who::Administrator).await;
    administrator
        .run(&format!(
            "GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}; \
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}"
        ))
        .await;
    microbima.attach().await;
    microbima.world.crm_settings().enabled = false;
    let url = microbima.url(Who::Administrator);
    let program = Writer::on(&url).await;
    let running = microbima.start().await;
    let api = Api::of(&running);
    let cast = told_through_the_api(&api, &program, SliceMode::Attached).await;
    running.shutdown().await;
    let ours = captured(&url).await;
    let theirs = captured_of_statements(&cast, Engine::Postgres).await;
    assert_same(&ours, &theirs);
}

/// MicroBima's own tables, which Pugmark's role may only read.
#[tokio::test]
async fn tables_that_may_only_be_read_are_not_written_and_it_is_said() {
    let Some(mut microbima) = Microbima::new().await else {
        return;
    };
    microbima.attach().await;
    microbima.world.crm_settings().enabled = false;
    let running = microbima.start().await;
    let api = Api::of(&running);
    let refused = api.post(CUSTOMERS, &customer(1)).await;
    refused.assert_error(403, "STORE_FORBIDS", CUSTOMERS);
    assert_eq!(api.get(CUSTOMERS).await.status, 200);
    running.shutdown().await;
}
