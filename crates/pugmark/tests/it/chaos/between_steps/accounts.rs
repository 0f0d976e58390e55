//! Staff accounts: a login, an ambassador and a CRM user; and a password in two systems.

use std::path::Path;
use std::process::Command;

use pugmark_sandbox::{Faults, Journal};
use reqwest::Method;
use serde_json::json;

use super::Story;
use crate::accounts::{PASSWORD, Staffed, USERS, killed, new_user, text};
use crate::chaos::oracle::Verdict;
use crate::harness::{World, Writer};
use crate::http::{Api, answer};

fn systems(staffed: &Staffed) -> Vec<(Faults, Journal)> {
    vec![
        (
            staffed.world.crm.faults().clone(),
            staffed.world.crm.journal(),
        ),
        (staffed.logins.faults().clone(), staffed.logins.journal()),
    ]
}

/// Makes an account and gives the user's id.
async fn hire(api: &Api, email: &str) -> String {
    let made = api.post(USERS, &new_user(email)).await;
    assert!([201, 202].contains(&made.status), "{}", made.text);
    text(made.data(), "userId").to_owned()
}

/// That there is one login, one ambassador and one CRM user, with this password.
async fn whole(
    staffed: &Staffed,
    program: &Writer,
    email: &str,
    password: &str,
    verdict: &mut Verdict,
) {
    let logins = staffed.logins.users();
    let logins: Vec<_> = logins.iter().filter(|user| user.email == email).collect();
    let users = staffed.world.crm.users();
    let users: Vec<_> = users
        .iter()
        .filter(|user| user.user_name.eq_ignore_ascii_case(email))
        .collect();
    for (what, number) in [("logins", logins.len()), ("CRM users", users.len())] {
        match number {
            0 => verdict.lost.push(format!("{email}: no {what}")),
            1 => {}
            more => verdict.twice.push(format!("{email}: {more} {what}")),
        }
    }
    let ([login], [user]) = (logins.as_slice(), users.as_slice()) else {
        return;
    };
    if !staffed.password_is(&login.id, Some(&user.id), password) {
        verdict.lost.push(format!(
            "{email}: the newest password, in one system or both"
        ));
    }
    let row = format!(
        "brand_ambassadors WHERE \"userId\" = '{}' AND \"isActive\"",
        login.id
    );
    match program.count(row).await {
        1 => {}
        0 => verdict.lost.push(format!("{email}: the ambassador")),
        more => verdict.twice.push(format!("{email}: {more} ambassadors")),
    }
}

pub(super) struct Creation {
    staffed: Staffed,
    made: u32,
}

impl Creation {
    pub(super) async fn of(world: World) -> Self {
        Self {
            staffed: Staffed::extended(world).await,
            made: 0,
        }
    }
}

impl Story for Creation {
    type Subject = String;

    const NAME: &'static str = "account";

    fn world(&self) -> &World {
        &self.staffed.world
    }

    fn systems(&self) -> Vec<(Faults, Journal)> {
        systems(&self.staffed)
    }

    fn command(&self, folder: &Path) -> Command {
        killed::serve(&self.staffed, folder)
    }

    async fn prepare(&mut self, _api: &Api, _program: &Writer) -> String {
        self.made += 1;
        format!("amina{}@example.co.ke", self.made)
    }

    async fn ask(&mut self, api: &Api, _program: &Writer, email: &String) {
        hire(api, email).await;
    }

    async fn judge(&self, program: &Writer, email: &String, verdict: &mut Verdict) {
        whole(&self.staffed, program, email, PASSWORD, verdict).await;
    }
}

pub(super) struct Reset {
    staffed: Staffed,
    made: u32,
}

impl Reset {
    pub(super) async fn of(world: World) -> Self {
        Self {
            staffed: Staffed::extended(world).await,
            made: 0,
        }
    }

    fn password(number: u32) -> String {
        format!("Kiboko-{number}-Mlima!")
    }
}

/// Somebody with an account, and the number of the new password.
pub(super) struct Person {
    email: String,
    user: String,
    number: u32,
}

impl Story for Reset {
    type Subject = Person;

    const NAME: &'static str = "password";

    fn world(&self) -> &World {
        &self.staffed.world
    }

    fn systems(&self) -> Vec<(Faults, Journal)> {
        systems(&self.staffed)
    }

    fn command(&self, folder: &Path) -> Command {
        killed::serve(&self.staffed, folder)
    }

    async fn prepare(&mut self, api: &Api, _program: &Writer) -> Person {
        self.made += 1;
        let email = format!("amina{}@example.co.ke", self.made);
        let user = hire(api, &email).await;
        Person {
            email,
            user,
            number: self.made,
        }
    }

    async fn ask(&mut self, api: &Api, _program: &Writer, person: &Person) {
        let path = format!("{USERS}/{}/reset-password", person.user);
        let body = json!({ "newPassword": Self::password(person.number) });
        let taken = answer(api.request(Method::POST, &path).json(&body)).await;
        assert!([200, 202].contains(&taken.status), "{}", taken.text);
    }

    async fn judge(&self, program: &Writer, person: &Person, verdict: &mut Verdict) {
        let password = Self::password(person.number);
        whole(&self.staffed, program, &person.email, &password, verdict).await;
    }
}
