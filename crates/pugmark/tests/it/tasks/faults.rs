//! Whatever a CRM does to the call that creates a task, and whoever dies meanwhile, each assignee has one task.

use std::time::Duration;

use pugmark_sandbox::{Fault, FaultPlan, NewUser};

use super::{assert_nothing_died, registered, tasks};
use crate::harness::{PATIENCE, World, on_both_databases};

/// Two users get a task each, while the first create, and the second, meet `fault`.
async fn under(mut world: World, fault: Fault) {
    let chosen: Vec<String> = ["amina", "brian"]
        .map(|name| {
            world
                .crm
                .add_user(&NewUser::new(name, "H5"))
                .expect("a user")
        })
        .into();
    world.settings.insurance.tasks.users = chosen.clone();
    let crm = world.crm_settings();
    crm.call_timeout = Duration::from_millis(700);
    crm.longest_execution = Duration::from_millis(300);
    let running = world.start().await;
    let program = world.other_program().await;
    let registration = registered(&world, &program).await;
    let plan = FaultPlan::new(1)
        .nth("create", 1, fault.clone())
        .nth("create", 3, fault);
    world.crm.faults().set(plan);
    let id = program
        .require(&registration, "CHILD", None, "dateOfBirth")
        .await;
    program.wait_until_idle().await;
    assert!(world.crm.faults().injected() > 0);
    program.set_requirement(&id, "status", "'RESOLVED'").await;
    program.wait_until_idle().await;
    let mut owners: Vec<String> = tasks(&world)
        .iter()
        .map(|task| {
            assert_eq!(task.value("taskstatus"), "Completed");
            task.value("assigned_user_id").to_owned()
        })
        .collect();
    owners.sort();
    assert_eq!(owners, chosen);
    assert_eq!(world.crm.journal().count_created("Calendar"), 2);
    assert_nothing_died(&program).await;
    running.shutdown().await;
}

macro_rules! faults {
    ($($name:ident: $fault:expr;)+) => {
        $(async fn $name(world: World) {
            under(world, $fault).await;
        })+
        on_both_databases!($($name),+);
    };
}

faults! {
    a_dead_program_after_the_effect: Fault::HttpAfterEffect(500);
    an_error_of_the_proxy_before_the_effect: Fault::Http(503);
    a_call_that_hangs_after_the_effect: Fault::HangAfterEffect;
    a_call_that_hangs_before_the_effect: Fault::HangBeforeEffect(PATIENCE);
    a_web_page_after_the_effect: Fault::HtmlAfterEffect;
    a_body_that_breaks_off_after_the_effect: Fault::CutBody { after_effect: true };
    a_connection_cut_without_an_answer: Fault::RefuseConnection;
}
