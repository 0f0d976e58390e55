//! Converted leads that become customers.

use std::path::Path;
use std::process::Command;

use pugmark_sandbox::{Faults, Journal};

use super::Story;
use crate::chaos::oracle::Verdict;
use crate::conversions::{COMPLETE, HEADER_SECRET, convert, tell};
use crate::crash::serve;
use crate::harness::{World, Writer};
use crate::http::Api;

pub(super) struct Conversion {
    world: World,
    made: u32,
}

impl Conversion {
    pub(super) fn of(world: World) -> Self {
        Self { world, made: 0 }
    }
}

impl Story for Conversion {
    /// The contact.
    type Subject = String;

    const NAME: &'static str = "conversion";

    fn world(&self) -> &World {
        &self.world
    }

    fn systems(&self) -> Vec<(Faults, Journal)> {
        vec![(self.world.crm.faults().clone(), self.world.crm.journal())]
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = serve(&self.world, folder);
        command.env("VTIGER_WEBHOOK_HEADER_SECRET", HEADER_SECRET);
        command
    }

    async fn prepare(&mut self, _api: &Api, program: &Writer) -> String {
        if program.count("partners WHERE \"id\" = 1").await == 0 {
            let who = "00000000-0000-4000-8000-000000000001";
            program
                .sql(format!(
                    "INSERT INTO partners (\"id\", \"partnerName\", \"createdBy\", \"updatedBy\") VALUES (1, 'Maisha Poa', \
                     '{who}', '{who}')"
                ))
                .await;
        }
        self.made += 1;
        // Nobody resembles anybody.
        let number = format!("3{:07}", self.made);
        let email = format!("achieng{}@example.co.ke", self.made);
        let mobile = format!("07{:08}", self.made);
        let name = format!("Otieno {}", self.made);
        let values = COMPLETE.map(|(field, value)| match field {
            "ID Number" => (field, number.as_str()),
            "email" => (field, email.as_str()),
            "mobile" => (field, mobile.as_str()),
            _ => (field, value),
        });
        convert(&self.world, &name, &values)
    }

    async fn ask(&mut self, api: &Api, _program: &Writer, contact: &String) {
        tell(api, contact).await;
    }

    async fn judge(&self, program: &Writer, contact: &String, verdict: &mut Verdict) {
        let linked = program
            .one(format!(
                "SELECT entity_id FROM crm_links WHERE vtiger_id = '{contact}'"
            ))
            .await;
        let Some(customer) = linked else {
            verdict.lost.push(format!("the customer of {contact}"));
            return;
        };
        let held = self.world.crm.record(contact).expect("the contact");
        if held.value(&self.world.reference()) != customer {
            verdict
                .lost
                .push(format!("{contact} does not know its customer {customer}"));
        }
        let customers = program.count("customers").await;
        if customers > i64::from(self.made) {
            verdict
                .twice
                .push(format!("{customers} customers of {} contacts", self.made));
        }
        let contacts = self.world.crm.records("Contacts").len();
        if contacts > self.made as usize {
            verdict
                .twice
                .push(format!("{contacts} contacts of {} leads", self.made));
        }
    }
}
