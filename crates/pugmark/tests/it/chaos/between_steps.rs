//! SIGKILL between every two steps of every operation that has several: before a call has its effect, and after it, when the
//! answer has not come. The steps are not listed here: an undisturbed run shows which calls have effects.

mod accounts;
mod conversions;
mod onboarding;
mod people;

use std::path::Path;
use std::process::Command;

use pugmark_sandbox::{Fault, FaultPlan, Faults, Journal, JournalKind};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::oracle::Verdict;
use super::{Campaign, oracle, patient};
use crate::harness::{PATIENCE, World, Writer, on_both_databases};
use crate::http::Api;
use crate::program::Serving;

on_both_databases!(
    a_new_account_is_made_once_wherever_it_is_killed,
    a_new_password_is_set_in_both_systems_wherever_it_is_killed,
    a_converted_lead_becomes_one_customer_wherever_it_is_killed,
    a_ready_lead_is_set_up_once_wherever_it_is_killed,
    a_customer_and_the_notes_arrive_once_wherever_it_is_killed,
);

async fn a_new_account_is_made_once_wherever_it_is_killed(world: World) {
    kill_everywhere(accounts::Creation::of(world).await).await;
}

async fn a_new_password_is_set_in_both_systems_wherever_it_is_killed(world: World) {
    kill_everywhere(accounts::Reset::of(world).await).await;
}

async fn a_converted_lead_becomes_one_customer_wherever_it_is_killed(world: World) {
    kill_everywhere(conversions::Conversion::of(world)).await;
}

async fn a_ready_lead_is_set_up_once_wherever_it_is_killed(world: World) {
    kill_everywhere(onboarding::Onboarding::of(world).await).await;
}

async fn a_customer_and_the_notes_arrive_once_wherever_it_is_killed(world: World) {
    kill_everywhere(people::People::of(world)).await;
}

/// An operation of several steps, again and again on something new.
trait Story {
    /// What it is about: a person, a lead.
    type Subject;

    /// What the operation is called in the table.
    const NAME: &'static str;

    fn world(&self) -> &World;

    /// The outside systems it acts on.
    fn systems(&self) -> Vec<(Faults, Journal)>;

    /// The program, configured for them.
    fn command(&self, folder: &Path) -> Command;

    /// What has to be there before, done by an undisturbed program.
    async fn prepare(&mut self, api: &Api, program: &Writer) -> Self::Subject;

    /// Asks for the operation. Done when the program has taken it.
    async fn ask(&mut self, api: &Api, program: &Writer, subject: &Self::Subject);

    /// What is wrong in the end.
    async fn judge(&self, program: &Writer, subject: &Self::Subject, verdict: &mut Verdict);
}

/// A call that has an effect: the system, the operation, and the how-manieth call of that name it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    system: usize,
    operation: String,
    number: u64,
}

async fn kill_everywhere<S: Story>(mut story: S) {
    let folder = tempfile::tempdir().expect("a folder");
    let program = story.world().other_program().await;
    let mut campaign = Campaign::begin_part("between_steps", S::NAME, program.engine());
    let steps = steps(&mut story, folder.path()).await;
    assert!(!steps.is_empty(), "{}: it has no effect at all", S::NAME);
    let mut stops: Vec<(Step, Fault)> = steps
        .iter()
        .flat_map(|step| {
            let faults = [Fault::HangBeforeEffect(PATIENCE), Fault::HangAfterEffect];
            faults.map(|fault| (step.clone(), fault))
        })
        .collect();
    stops.shuffle(&mut StdRng::seed_from_u64(campaign.seed));
    stops.truncate(campaign.size(1, usize::MAX));
    let mut verdict = Verdict::default();
    let mut log = String::new();
    for (step, fault) in &stops {
        log = kill_at(
            &mut story,
            folder.path(),
            step,
            fault,
            &mut verdict,
            &mut campaign,
        )
        .await;
    }
    campaign.inject("kills between two steps", stops.len() as u64);
    oracle::left_over(&program, &mut verdict).await;
    verdict.work = vec![("steps", steps.len() as u64)];
    campaign.judge(verdict, &log);
}

/// Lets the operation run undisturbed and reads its steps from what the systems noted.
async fn steps<S: Story>(story: &mut S, folder: &Path) -> Vec<Step> {
    let serving = Serving::start(patient(story.command(folder))).await;
    let api = Api::at(serving.address);
    let program = story.world().other_program().await;
    let subject = story.prepare(&api, &program).await;
    program.wait_until_idle().await;
    let before: Vec<u64> = story
        .systems()
        .iter()
        .map(|(_, journal)| journal.len() as u64)
        .collect();
    story.ask(&api, &program, &subject).await;
    program.wait_until_idle().await;
    drop(serving);
    let mut steps = Vec::new();
    for (system, (_, journal)) in story.systems().into_iter().enumerate() {
        steps.extend(steps_in(system, &journal, before[system]));
    }
    steps
}

fn steps_in(system: usize, journal: &Journal, before: u64) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut effect_of = None;
    let mut seen = std::collections::HashMap::<String, u64>::new();
    for entry in journal.entries_since(before) {
        match &entry.kind {
            JournalKind::Created { .. }
            | JournalKind::Revised { .. }
            | JournalKind::Updated { .. }
            | JournalKind::PasswordSet { .. } => effect_of = entry.request_no,
            // Noted after its effects.
            JournalKind::Call { operation, .. } => {
                let number = seen.entry(operation.clone()).or_default();
                *number += 1;
                if effect_of.is_some() && effect_of == entry.request_no {
                    steps.push(Step {
                        system,
                        operation: operation.clone(),
                        number: *number,
                    });
                }
            }
            _ => {}
        }
    }
    steps
}

/// Kills the program when the call of this step hangs, starts it again, and judges what came of the operation.
async fn kill_at<S: Story>(
    story: &mut S,
    folder: &Path,
    step: &Step,
    fault: &Fault,
    verdict: &mut Verdict,
    campaign: &mut Campaign,
) -> String {
    let program = story.world().other_program().await;
    let serving = Serving::start(patient(story.command(folder))).await;
    let api = Api::at(serving.address);
    let subject = story.prepare(&api, &program).await;
    program.wait_until_idle().await;
    let (faults, journal) = story.systems().swap_remove(step.system);
    let before = journal.faults().len();
    faults.set(FaultPlan::new(1).nth(&step.operation, step.number, fault.clone()));
    story.ask(&api, &program, &subject).await;
    let struck = journal
        .wait_until(|journal| journal.faults().len() > before, PATIENCE)
        .await;
    assert!(
        struck,
        "{}: {step:?} was not reached: {}",
        S::NAME,
        serving.log()
    );
    // SIGKILL.
    drop(serving);
    faults.clear();
    campaign.over();
    let serving = Serving::start(patient(story.command(folder))).await;
    campaign.recover(&program).await;
    let found = verdict.findings().len();
    story.judge(&program, &subject, verdict).await;
    if verdict.findings().len() > found {
        let what = format!("{}: the above was killed at {step:?} {fault:?}", S::NAME);
        verdict.left_over.push(what);
    }
    serving.log()
}
