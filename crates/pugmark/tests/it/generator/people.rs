//! Members, their families, what is missing of them, and the ambassadors who register them.

use rand::RngExt;
use rand::seq::IndexedRandom;

use super::expected::ExpectedTask;
use super::sql::{optional, text};
use super::{Agent, Generator, Member, Policy, Relative};
use crate::harness::new_id;

impl Generator<'_> {
    fn customer_values(&mut self, member: &Member, created_by: Option<&str>, now: &str) -> String {
        let birth = format!(
            "19{:02}-0{}-1{}",
            self.rng.random_range(50..99),
            self.rng.random_range(1..9),
            self.rng.random_range(0..9)
        );
        format!(
            "INSERT INTO customers (\"id\", \"firstName\", \"middleName\", \"lastName\", \"email\", \"phoneNumber\", \
             \"dateOfBirth\", \"gender\", \"idType\", \"idNumber\", \"status\", \"createdByPartnerId\", \"createdAt\", \
             \"updatedAt\", \"createdBy\", \"isTestUser\") VALUES ('{}', {}, NULL, {}, {}, {}, '{birth}', 'FEMALE', \
             'NATIONAL_ID', {}, '{}', 1, {now}, {now}, {}, {})",
            member.id,
            text(&member.first),
            text(&member.last),
            optional(member.email.as_deref()),
            text(&member.phone),
            text(&member.id[..8]),
            member.status,
            optional(created_by),
            if member.test { "TRUE" } else { "FALSE" },
        )
    }

    fn new_member(&mut self, test: bool) -> Member {
        let (first, last) = self.name();
        let phone = format!("07{:08}", self.rng.random_range(0..100_000_000));
        let id = new_id();
        Member {
            email: self.chance(30).then(|| format!("Member.{id}@Example.org")),
            id,
            first,
            last,
            phone,
            status: "PENDING_ACTIVATION",
            test,
            deleted: false,
            dependants: Vec::new(),
            beneficiaries: Vec::new(),
            policies: Vec::new(),
            registration: None,
        }
    }

    /// The commits of a registration, one by one, as the internal route makes them.
    pub(super) async fn agent_registers(&mut self, test: bool) {
        let agent = self.agents[0].clone();
        let mut member = self.new_member(test);
        let now = self.tick();
        let insert = self.customer_values(&member, Some(&agent.user), &now);
        self.commit(insert).await;
        if !test {
            self.expected.happens("customer created");
        }
        self.register_with_partner(&member).await;
        if self.chance(40) {
            let policy = self.new_policy(&member.id, "1").await;
            member.policies.push(policy);
        }
        let id = member.id.clone();
        let children = self.rng.random_range(0..4);
        member.dependants = self.insert_dependants(&id, children, "CHILD", test).await;
        if self.chance(50) {
            let spouse = self.insert_dependants(&id, 1, "SPOUSE", test).await;
            member.dependants.extend(spouse);
        }
        if self.chance(50) {
            let kin = self.insert_beneficiary(&id).await;
            member.beneficiaries.push(kin);
        }
        if self.chance(60) {
            self.register_by_agent(&mut member, &agent).await;
        }
        if test {
            self.expected.withdrawn.insert(id);
        }
        self.members.push(member);
        let newest = self.members.len() - 1;
        if self.members[newest].registration.is_some() && self.chance(60) {
            self.find_requirements(newest).await;
        }
    }

    pub(super) async fn partner_registers(&mut self) {
        let member = self.new_member(false);
        let now = self.tick();
        let insert = self.customer_values(&member, None, &now);
        self.commit(insert).await;
        self.expected.happens("customer created");
        self.register_with_partner(&member).await;
        self.members.push(member);
    }

    /// The partner's reference turns out to be invalid: the row is deleted by a second statement.
    pub(super) async fn registration_fails(&mut self) {
        let mut member = self.new_member(false);
        let now = self.tick();
        let insert = self.customer_values(&member, None, &now);
        self.commit(insert).await;
        self.commit(format!(
            "DELETE FROM customers WHERE \"id\" = '{}'",
            member.id
        ))
        .await;
        self.expected.happens("customer created");
        self.expected.happens("customer withdrawn");
        self.expected.withdrawn.insert(member.id.clone());
        member.deleted = true;
        self.members.push(member);
    }

    async fn register_with_partner(&mut self, member: &Member) {
        let id = &member.id;
        let now = self.tick();
        self.commit(format!(
            "INSERT INTO partner_customers (\"partnerId\", \"customerId\", \"partnerCustomerId\", \"createdAt\", \
             \"updatedAt\") VALUES (1, '{id}', 'P-{id}', {now}, {now})"
        ))
        .await;
        let now = self.tick();
        self.commit(format!(
            "INSERT INTO package_scheme_customers (\"packageSchemeId\", \"partnerId\", \"customerId\", \
             \"partnerCustomerId\", \"createdAt\", \"updatedAt\") VALUES (1, 1, '{id}', 'P-{id}', {now}, {now})"
        ))
        .await;
    }

    pub(super) async fn new_policy(&mut self, customer: &str, package: &str) -> Policy {
        let (id, now) = (new_id(), self.tick());
        let number = format!("MB-{}", &id[..8]);
        self.commit(format!(
            "INSERT INTO policies (\"id\", \"policyNumber\", \"productName\", \"status\", \"premium\", \"frequency\", \
             \"paymentCadence\", \"customerId\", \"createdAt\", \"updatedAt\", \"packageId\") VALUES ('{id}', '{number}', \
             'Mfanisi', 'PENDING_ACTIVATION', 50.00, 'DAILY', 1, '{customer}', {now}, {now}, {package})"
        ))
        .await;
        Policy {
            id,
            status: "PENDING_ACTIVATION",
            payments: Vec::new(),
        }
    }

    /// One createMany. Names are not trimmed, and all rows carry the same time.
    async fn insert_dependants(
        &mut self,
        customer: &str,
        number: usize,
        relationship: &str,
        test: bool,
    ) -> Vec<Relative> {
        if number == 0 {
            return Vec::new();
        }
        let now = self.tick();
        let day = self.day_in_nairobi();
        let mut added = Vec::new();
        let mut rows = Vec::new();
        for _ in 0..number {
            let (id, (first, last)) = (new_id(), self.name());
            rows.push(format!(
                "('{id}', '{customer}', {}, NULL, {}, '2015-03-09', '{relationship}', 1, {now}, {now})",
                text(&format!(" {first} ")),
                text(&last)
            ));
            let name = format!("{first} {last}");
            if !test {
                self.expected
                    .note(customer, format!("Dependant {name} added on {day}"));
            }
            added.push(Relative {
                id,
                name,
                gone: false,
            });
        }
        self.commit(format!(
            "INSERT INTO dependants (\"id\", \"customerId\", \"firstName\", \"middleName\", \"lastName\", \"dateOfBirth\", \
             \"relationship\", \"createdByPartnerId\", \"createdAt\", \"updatedAt\") VALUES {}",
            rows.join(", ")
        ))
        .await;
        self.expected.happen("dependant added", number as u64);
        added
    }

    async fn insert_beneficiary(&mut self, customer: &str) -> Relative {
        let (id, (first, last)) = (new_id(), self.name());
        let now = self.tick();
        self.commit(format!(
            "INSERT INTO beneficiaries (\"id\", \"customerId\", \"firstName\", \"lastName\", \"relationship\", \
             \"createdAt\", \"updatedAt\") VALUES ('{id}', '{customer}', {}, {}, 'sibling', {now}, {now})",
            text(&first),
            text(&last)
        ))
        .await;
        self.expected.happens("beneficiary added");
        Relative {
            id,
            name: format!("{first} {last}"),
            gone: false,
        }
    }

    /// A separate request, a little later.
    async fn register_by_agent(&mut self, member: &mut Member, agent: &Agent) {
        let (id, now) = (new_id(), self.tick());
        self.commit(format!(
            "INSERT INTO agent_registrations (\"id\", \"baId\", \"customerId\", \"partnerId\", \"registrationStatus\", \
             \"completedAt\", \"createdAt\", \"updatedAt\") VALUES ('{id}', '{}', '{}', 1, 'COMPLETED', {now}, {now}, {now})",
            agent.id, member.id
        ))
        .await;
        member.registration = Some(id);
    }

    /// A form sends the columns that it shows, changed or not, and `updatedAt` moves in any case.
    pub(super) async fn form_saved(&mut self, changed: bool) {
        let Some(index) = self.someone() else {
            return;
        };
        let new_phone = format!("01{:08}", self.rng.random_range(0..100_000_000));
        let new_last = format!("{} {}", self.name().1, self.told);
        let which = self.rng.random_range(0..3);
        let member = &mut self.members[index];
        if changed {
            match which {
                0 => member.phone = new_phone,
                1 => member.last = new_last,
                _ => {
                    member.phone = new_phone;
                    member.email = Some(format!("changed.{}@example.org", new_id()));
                }
            }
        }
        let member = member.clone();
        let now = self.tick();
        self.commit(format!(
            "UPDATE customers SET \"firstName\" = {}, \"lastName\" = {}, \"email\" = {}, \"phoneNumber\" = {}, \
             \"gender\" = 'FEMALE', \"updatedBy\" = 'x', \"updatedAt\" = {now} WHERE \"id\" = '{}'",
            text(&member.first),
            text(&member.last),
            optional(member.email.as_deref()),
            text(&member.phone),
            member.id
        ))
        .await;
        if changed {
            self.expected.happens("customer updated");
        }
    }

    /// Opening the care queue rewrites the flag of everybody, usually with the same value.
    pub(super) async fn flags_rewritten(&mut self) {
        let now = self.tick();
        self.commit(format!(
            "UPDATE customers SET \"hasMissingRequirements\" = TRUE, \"updatedAt\" = {now}; \
             UPDATE customers SET \"defaultMessagingLanguage\" = 'sw', \"updatedAt\" = {now}"
        ))
        .await;
    }

    pub(super) async fn dependants_added(&mut self) {
        let Some(index) = self.someone() else {
            return;
        };
        let id = self.members[index].id.clone();
        let number = self.rng.random_range(1..4);
        let added = self.insert_dependants(&id, number, "CHILD", false).await;
        self.members[index].dependants.extend(added);
    }

    /// A living dependant of a living member, by their places.
    fn some_dependant(&mut self) -> Option<(usize, usize)> {
        let all: Vec<(usize, usize)> = self
            .members
            .iter()
            .enumerate()
            .filter(|(_, member)| !member.deleted && !member.test)
            .flat_map(|(place, member)| {
                let living = member.dependants.iter().enumerate();
                living
                    .filter(|(_, relative)| !relative.gone)
                    .map(move |(which, _)| (place, which))
            })
            .collect();
        all.choose(&mut self.rng).copied()
    }

    pub(super) async fn dependant_edited(&mut self) {
        let Some((member, which)) = self.some_dependant() else {
            return;
        };
        let id = self.members[member].dependants[which].id.clone();
        let now = self.tick();
        self.commit(format!(
            "UPDATE dependants SET \"phoneNumber\" = '0700000000', \"isVerified\" = TRUE, \"updatedAt\" = {now} \
             WHERE \"id\" = '{id}'"
        ))
        .await;
    }

    pub(super) async fn dependant_removed(&mut self) {
        let Some((member, which)) = self.some_dependant() else {
            return;
        };
        let now = self.tick();
        let day = self.day_in_nairobi();
        let relative = &mut self.members[member].dependants[which];
        relative.gone = true;
        let (id, name) = (relative.id.clone(), relative.name.clone());
        self.commit(format!(
            "UPDATE dependants SET \"deletedAt\" = {now}, \"deletedBy\" = '{}', \"updatedAt\" = {now} WHERE \"id\" = '{id}'",
            new_id()
        ))
        .await;
        self.expected.happens("dependant removed");
        let customer = self.members[member].id.clone();
        self.expected
            .note(&customer, format!("Dependant {name} removed on {day}"));
    }

    pub(super) async fn beneficiary_comes_or_goes(&mut self) {
        let Some(index) = self.someone() else {
            return;
        };
        let customer = self.members[index].id.clone();
        let living = self.members[index]
            .beneficiaries
            .iter()
            .position(|relative| !relative.gone);
        match living {
            Some(which) => {
                let now = self.tick();
                let relative = &mut self.members[index].beneficiaries[which];
                relative.gone = true;
                let id = relative.id.clone();
                self.commit(format!(
                    "UPDATE beneficiaries SET \"deletedAt\" = {now}, \"updatedAt\" = {now} WHERE \"id\" = '{id}'"
                ))
                .await;
                self.expected.happens("beneficiary removed");
            }
            None => {
                let added = self.insert_beneficiary(&customer).await;
                self.members[index].beneficiaries.push(added);
            }
        }
    }

    pub(super) async fn requirements_found(&mut self) {
        let Some(index) = self.someone() else {
            return;
        };
        if self.members[index].registration.is_none() {
            let agent = self.agents[0].clone();
            let mut member = self.members[index].clone();
            self.register_by_agent(&mut member, &agent).await;
            self.members[index] = member;
        }
        self.find_requirements(index).await;
    }

    /// Several rows in one statement, of persons and of nobody in particular.
    async fn find_requirements(&mut self, index: usize) {
        let member = self.members[index].clone();
        let Some(registration) = member.registration.clone() else {
            return;
        };
        let now = self.tick();
        let number = self.rng.random_range(1..3);
        let mut rows = Vec::new();
        for _ in 0..number {
            let id = new_id();
            let entity = member
                .dependants
                .first()
                .map(|relative| relative.id.clone());
            rows.push(format!(
                "('{id}', '{registration}', '{}', 1, 'CHILD', {}, 'dateOfBirth', 'PENDING', {now}, {now})",
                member.id,
                optional(entity.as_deref())
            ));
            self.expected.happens("requirement created");
            self.open_requirements.push((id.clone(), index));
            if !member.test {
                let task = ExpectedTask {
                    customer: member.id.clone(),
                    open: true,
                };
                self.expected.tasks.insert(id, task);
            }
        }
        self.commit(format!(
            "INSERT INTO missing_requirements (\"id\", \"registrationId\", \"customerId\", \"partnerId\", \"entityKind\", \
             \"entityId\", \"fieldPath\", \"status\", \"createdAt\", \"updatedAt\") VALUES {}",
            rows.join(", ")
        ))
        .await;
        let now = self.tick();
        self.commit(format!(
            "UPDATE customers SET \"hasMissingRequirements\" = TRUE, \"updatedAt\" = {now} WHERE \"id\" = '{}'",
            member.id
        ))
        .await;
    }

    pub(super) async fn requirement_closed(&mut self) {
        if self.open_requirements.is_empty() {
            return;
        }
        let which = self.rng.random_range(0..self.open_requirements.len());
        let (id, _) = self.open_requirements.swap_remove(which);
        let now = self.tick();
        let set = if self.chance(80) {
            format!("\"status\" = 'RESOLVED', \"resolvedAt\" = {now}, \"resolvedBy\" = 'system'")
        } else {
            "\"status\" = 'EXPIRED'".to_owned()
        };
        self.commit(format!(
            "UPDATE missing_requirements SET {set}, \"updatedAt\" = {now} WHERE \"id\" = '{id}'"
        ))
        .await;
        self.expected.happens("requirement closed");
        if let Some(task) = self.expected.tasks.get_mut(&id) {
            task.open = false;
        }
    }

    pub(super) async fn new_agent(&mut self) {
        let agent = Agent {
            id: new_id(),
            user: new_id(),
            active: true,
        };
        let now = self.tick();
        self.commit(format!(
            "INSERT INTO brand_ambassadors (\"id\", \"userId\", \"partnerId\", \"displayName\", \"phoneNumber\", \
             \"perRegistrationRateCents\", \"createdAt\", \"updatedAt\") \
             VALUES ('{}', '{}', 1, 'Brian Agent', '254711222333', 5000, {now}, {now})",
            agent.id, agent.user
        ))
        .await;
        self.expected.happens("user created");
        self.agents.push(agent);
    }

    pub(super) async fn ambassador_moves(&mut self) {
        let which = self.rng.random_range(0..4);
        let now = self.tick();
        let agent = &mut self.agents[0];
        let (id, active) = (agent.id.clone(), agent.active);
        match which {
            0 => self.new_agent().await,
            // A rate, or roles that only touch the audit columns: nothing the CRM shows.
            1 => {
                self.commit(format!(
                    "UPDATE brand_ambassadors SET \"perRegistrationRateCents\" = {}, \"updatedBy\" = 'x', \
                     \"updatedAt\" = {now} WHERE \"id\" = '{id}'",
                    5000 + self.told
                ))
                .await;
            }
            2 => {
                self.commit(format!(
                    "UPDATE brand_ambassadors SET \"phoneNumber\" = '07{:08}', \"updatedAt\" = {now} WHERE \"id\" = '{id}'",
                    self.told
                ))
                .await;
                self.expected.happens("user changed");
            }
            _ => {
                agent.active = !active;
                self.commit(format!(
                    "UPDATE brand_ambassadors SET \"isActive\" = {}, \"updatedAt\" = {now} WHERE \"id\" = '{id}'",
                    if active { "FALSE" } else { "TRUE" }
                ))
                .await;
                self.expected.happens("user changed");
            }
        }
    }
}
