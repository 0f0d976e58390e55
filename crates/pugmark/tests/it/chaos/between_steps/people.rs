//! A customer with dependants: a contact, then the notes on it in their order.

use std::path::Path;
use std::process::Command;

use pugmark_sandbox::{Faults, Journal};

use super::Story;
use crate::chaos::load::Load;
use crate::chaos::oracle::{self, Verdict};
use crate::crash::serve;
use crate::harness::{World, Writer};
use crate::http::Api;

pub(super) struct People {
    world: World,
    load: Load,
}

impl People {
    pub(super) fn of(world: World) -> Self {
        Self {
            world,
            load: Load::new(1),
        }
    }
}

impl Story for People {
    type Subject = ();

    const NAME: &'static str = "customer";

    fn world(&self) -> &World {
        &self.world
    }

    fn systems(&self) -> Vec<(Faults, Journal)> {
        vec![(self.world.crm.faults().clone(), self.world.crm.journal())]
    }

    fn command(&self, folder: &Path) -> Command {
        serve(&self.world, folder)
    }

    async fn prepare(&mut self, _api: &Api, _program: &Writer) {}

    async fn ask(&mut self, _api: &Api, program: &Writer, (): &()) {
        self.load.family(program).await;
    }

    async fn judge(&self, program: &Writer, (): &(), verdict: &mut Verdict) {
        let found = oracle::judge(&self.world, program, &self.load).await;
        verdict.lost.extend(found.lost);
        verdict.twice.extend(found.twice);
        verdict.out_of_order.extend(found.out_of_order);
    }
}
