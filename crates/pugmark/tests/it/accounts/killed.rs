//! The real program is killed at any moment while staff accounts are made, disabled and given new passwords, and both systems
//! misbehave: each person has one login and one CRM user, with one password, and the status of the row.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use pugmark_sandbox::FaultPlan;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Staffed, USERS, new_user};
use crate::crash;
use crate::harness::{World, on_both_databases, seed};
use crate::http::Api;
use crate::program::Serving;

on_both_databases!(killed_at_any_moment_every_account_is_whole_and_there_once);

const KILLS: usize = 20;

/// A person, and what may be so of the account by what was asked and answered.
struct Person {
    email: String,
    /// The password of the last request that was answered, and those of requests since whose answer was lost.
    passwords: BTreeSet<String>,
    /// Whether the request that makes the account was answered.
    asked_for: bool,
    /// Known once it was answered.
    user: Option<String>,
}

struct Office {
    rng: StdRng,
    people: Vec<Person>,
    made_up: u32,
}

impl Office {
    /// Asks for something until a request gets no answer, which is when the program was killed.
    async fn work(&mut self, api: &Api) {
        while self.ask(api).await.is_some() {}
    }

    async fn ask(&mut self, api: &Api) -> Option<()> {
        let known: Vec<usize> = (0..self.people.len())
            .filter(|index| self.people[*index].user.is_some())
            .collect();
        if known.len() < 3 || self.rng.random_range(0..10) < 3 {
            return self.hire(api).await;
        }
        let person = known[self.rng.random_range(0..known.len())];
        let user = self.people[person].user.clone()?;
        if self.rng.random_range(0..2) == 0 {
            let active = self.rng.random_range(0..2) == 0;
            let path = format!("{USERS}/{user}/status");
            let body = json!({ "isActive": active });
            return send(api, Method::PATCH, &path, &body).await.map(drop);
        }
        let password = self.password();
        let path = format!("{USERS}/{user}/reset-password");
        let body = json!({ "newPassword": password });
        let answered = send(api, Method::POST, &path, &body).await;
        let passwords = &mut self.people[person].passwords;
        match answered {
            Some(Answered::TooEarly) => return Some(()),
            Some(Answered::Accepted(_)) => passwords.clear(),
            None => {}
        }
        passwords.insert(password);
        answered.map(drop)
    }

    async fn hire(&mut self, api: &Api) -> Option<()> {
        let password = self.password();
        let email = format!("amina{}@example.co.ke", self.people.len());
        let mut body = new_user(&email);
        body["password"] = json!(password);
        let answer = send(api, Method::POST, USERS, &body).await;
        let user = match &answer {
            Some(Answered::Accepted(data)) => data["userId"].as_str(),
            _ => None,
        };
        self.people.push(Person {
            email,
            passwords: [password].into(),
            asked_for: answer.is_some(),
            user: user.map(str::to_owned),
        });
        answer.map(drop)
    }

    fn password(&mut self) -> String {
        self.made_up += 1;
        format!("Kiboko-{}-Mlima!", self.made_up)
    }
}

/// What came back.
enum Answered {
    /// The data of the answer.
    Accepted(Value),
    /// The account is still being made, or another request on it carried out: nothing was asked of it.
    TooEarly,
}

/// `None` when there was no answer.
async fn send(api: &Api, method: Method, path: &str, body: &Value) -> Option<Answered> {
    let response = api.request(method, path).json(body).send().await.ok()?;
    let status = response.status().as_u16();
    let answer: Value = response.json().await.ok()?;
    match status {
        200..300 => Some(Answered::Accepted(answer["data"].clone())),
        404 | 409 => Some(Answered::TooEarly),
        _ => panic!("{path}: {status} {answer}"),
    }
}

/// `pugmark serve` between vTiger and Supabase.
pub(crate) fn serve(staffed: &Staffed, folder: &Path) -> std::process::Command {
    let mut command = crash::serve(&staffed.world, folder);
    command
        .env("SUPABASE_URL", staffed.logins.url())
        .env("SUPABASE_SERVICE_ROLE_KEY", staffed.logins.service_key())
        .env("PUGMARK_SEAL_KEY", "07".repeat(32))
        .env("PUGMARK__USERS__ROLE", "H5")
        .env("PUGMARK__USERS__WAIT", "1ms")
        .env("PUGMARK__SUPABASE__CALL_TIMEOUT", "500ms");
    command
}

async fn killed_at_any_moment_every_account_is_whole_and_there_once(world: World) {
    let seed = seed();
    let staffed = Staffed::extended(world).await;
    let folder = tempfile::tempdir().expect("a folder");
    let faults = |seed| FaultPlan::typical(seed, 0.1);
    staffed.world.crm.faults().set(faults(seed));
    staffed.logins.faults().set(faults(seed ^ 1));
    let mut lives = StdRng::seed_from_u64(seed ^ 2);
    let mut office = Office {
        rng: StdRng::seed_from_u64(seed ^ 3),
        people: Vec::new(),
        made_up: 0,
    };
    for _ in 0..KILLS {
        let serving = Serving::start(serve(&staffed, folder.path())).await;
        let api = Api::at(serving.address);
        let life = Duration::from_millis(lives.random_range(50..900));
        let killing = async {
            tokio::time::sleep(life).await;
            // SIGKILL.
            drop(serving);
        };
        tokio::join!(killing, office.work(&api));
    }

    staffed.world.crm.faults().clear();
    staffed.logins.faults().clear();
    let program = staffed.program().await;
    let taken_over = program
        .count("vtiger_sync_attempts WHERE ended = 'EXPIRED' OR ended IS NULL")
        .await;
    assert!(taken_over > 0, "no kill struck an attempt");
    let serving = Serving::start(serve(&staffed, folder.path())).await;
    program.wait_until_idle().await;
    let dead = program
        .count("vtiger_sync_queue WHERE dead_at IS NOT NULL")
        .await;
    assert_eq!(dead, 0, "PUGMARK_SEED={seed}\n{}", serving.log());

    let logins = staffed.logins.users();
    for person in &office.people {
        let login = logins.iter().find(|user| user.email == person.email);
        let crm = staffed.crm_user(&person.email);
        let whom = format!("{} PUGMARK_SEED={seed}", person.email);
        // A request without an answer was stored wholly or not at all.
        let (Some(login), Some(crm)) = (login, crm) else {
            assert!(!person.asked_for, "{whom}: the account is lost");
            assert!(
                logins.iter().all(|user| user.email != person.email)
                    && staffed.crm_user(&person.email).is_none(),
                "{whom}: half an account"
            );
            continue;
        };
        let known = person
            .passwords
            .iter()
            .find(|password| staffed.password_is(&login.id, Some(&crm.id), password));
        assert!(known.is_some(), "{whom}: not the same, newest password");
        let active = if crm.status == "Active" { "" } else { "NOT " };
        let row = format!(
            "brand_ambassadors WHERE \"userId\" = '{}' AND {active}\"isActive\"",
            login.id
        );
        assert_eq!(program.count(&row).await, 1, "{whom}: {}", crm.status);
    }
    let made = office.people.len();
    assert!(
        logins.len() <= made,
        "PUGMARK_SEED={seed}: a login that nobody asked for"
    );
    eprintln!("{KILLS} kills, {made} people, {taken_over} attempts cut short");
    assert_eq!(serving.stop().await, 0);
}
