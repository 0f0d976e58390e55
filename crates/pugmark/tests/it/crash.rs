//! The real program is killed at any moment, or told to stop in the middle of its work: no customer is lost, none is there
//! twice, and what it held is handed back.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pugmark_sandbox::{Fault, FaultPlan, Latency, Match, Occurrence};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, World, Writer, new_id, on_both_databases, sandbox, seed};
use crate::program::{Serving, configured};

on_both_databases!(
    killed_at_any_moment_it_loses_no_customer_and_makes_none_twice,
    told_to_stop_in_the_middle_of_its_work_it_hands_everything_back,
    a_crm_that_hangs_does_not_hold_up_the_end,
    a_caller_that_never_finishes_its_request_does_not_hold_up_the_end,
);

pub(crate) const KILLS: usize = 50;
/// Every so manieth kill strikes a program that is still starting; the others one that works.
const EARLY: usize = 6;
/// Of these, so many meet a store that is still being made.
const KILLS_OF_THE_FIRST_START: usize = 6;

/// `pugmark serve` that gives up on a call, and takes over from a dead process, within two seconds.
/// The lease leaves a busy machine time between a claim, its renewals and a call, which begins only if it can end before it.
pub(crate) fn serve(world: &World, folder: &std::path::Path) -> std::process::Command {
    let mut command = configured(world, folder, &["serve"]);
    command
        .env("PUGMARK__VTIGER__CALL_TIMEOUT", "500ms")
        .env("PUGMARK__VTIGER__LONGEST_EXECUTION", "500ms")
        .env("PUGMARK__QUEUE__LEASE", "2s")
        .env("PUGMARK__QUEUE__BACKOFF", "100ms")
        .env("PUGMARK__QUEUE__BACKOFF_MAX", "500ms")
        .env("PUGMARK__SERVER__SHUTDOWN_GRACE", "10s");
    command
}

/// Starts the program and kills it at any moment: most of the times while it works, which it does from when it listens, however
/// slow the machine is; now and then while it starts.
pub(crate) async fn kill_once(
    world: &World,
    folder: &std::path::Path,
    number: usize,
    rng: &mut StdRng,
) {
    let life = Duration::from_millis(rng.random_range(20..800));
    if number.is_multiple_of(EARLY) {
        run_for(serve(world, folder), life).await;
    } else {
        work_for(serve(world, folder), life).await;
    }
}

/// Starts this and kills it after `life`, whatever it is doing then.
pub(crate) async fn run_for(mut command: std::process::Command, life: Duration) {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    tokio::time::sleep(life).await;
    child.kill().expect("SIGKILL");
    let status = child.wait().expect("the child is ours");
    assert_eq!(
        status.code(),
        None,
        "it ended by itself before it was killed"
    );
}

/// Starts this, lets it work for `life` from when it listens, and kills it.
pub(crate) async fn work_for(command: std::process::Command, life: Duration) {
    let serving = Serving::start(command).await;
    tokio::time::sleep(life).await;
    drop(serving);
}

/// What any program does with customers while Pugmark comes and goes.
struct Stream<'a> {
    program: &'a Writer,
    rng: StdRng,
    living: Vec<String>,
    /// Deleted, or test customers by now: they may have a contact, which is marked.
    withdrawn: Vec<String>,
}

impl Stream<'_> {
    async fn write_until(&mut self, over: &AtomicBool) {
        while !over.load(Ordering::SeqCst) {
            self.write().await;
            let pause = self.rng.random_range(5..60);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn write(&mut self) {
        let chance: u8 = self.rng.random_range(0..100);
        if chance < 55 || self.living.len() < 5 {
            let customer = new_id();
            let name = format!("Ng'ang'a {}", self.rng.random_range(0..1_000_000));
            self.program
                .insert_customer_as(&customer, &name, false)
                .await;
            self.living.push(customer);
            return;
        }
        let index = self.rng.random_range(0..self.living.len());
        let customer = self.living[index].clone();
        match chance {
            55..92 => {
                let value = format!("'Edited {}'", self.rng.random_range(0..1_000_000));
                let column =
                    ["lastName", "middleName", "email", "phoneNumber"][self.rng.random_range(0..4)];
                let value = match column {
                    "phoneNumber" => "'0799000111'".to_owned(),
                    // Unique in MicroBima: numbers drawn from a million collide sooner or later.
                    "email" => format!("'{}@example.org'", new_id()),
                    _ => value,
                };
                self.program.set(&customer, column, &value).await;
            }
            92..96 => {
                self.program
                    .sql(format!("DELETE FROM customers WHERE \"id\" = '{customer}'"))
                    .await;
                self.withdrawn.push(self.living.swap_remove(index));
            }
            _ => {
                self.program.set(&customer, "isTestUser", "TRUE").await;
                self.withdrawn.push(self.living.swap_remove(index));
            }
        }
    }
}

async fn killed_at_any_moment_it_loses_no_customer_and_makes_none_twice(world: World) {
    let seed = seed();
    let mut rng = StdRng::seed_from_u64(seed);
    let world = world
        .before(sandbox().latency(Latency::Fixed(Duration::from_millis(15))))
        .await;
    let folder = tempfile::tempdir().expect("a folder");
    for _ in 0..KILLS_OF_THE_FIRST_START {
        let life = Duration::from_millis(rng.random_range(1..250));
        run_for(serve(&world, folder.path()), life).await;
    }
    drop(Serving::start(serve(&world, folder.path())).await);

    let writes = Match::operations(&["create", "revise"], Occurrence::Rate(0.04));
    let late = Fault::LateCommit {
        delay: Duration::from_millis(350),
    };
    world
        .crm
        .faults()
        .set(FaultPlan::typical(seed, 0.15).rule(writes, late));
    let program = world.other_program().await;
    let over = AtomicBool::new(false);
    let mut stream = Stream {
        program: &program,
        rng: StdRng::seed_from_u64(seed ^ 1),
        living: Vec::new(),
        withdrawn: Vec::new(),
    };
    let killing = async {
        for number in KILLS_OF_THE_FIRST_START..KILLS {
            kill_once(&world, folder.path(), number, &mut rng).await;
        }
        over.store(true, Ordering::SeqCst);
    };
    tokio::join!(killing, stream.write_until(&over));

    world.crm.faults().clear();
    let taken_over = program
        .count("vtiger_sync_attempts WHERE ended = 'EXPIRED' OR ended IS NULL")
        .await;
    assert!(
        taken_over > 0,
        "no kill struck an attempt, or the test shows nothing"
    );
    let serving = Serving::start(serve(&world, folder.path())).await;
    program.wait_until_idle().await;
    let wrong = world.out_of_step(&program, &stream.withdrawn).await;
    assert!(
        wrong.is_empty(),
        "PUGMARK_SEED={seed}: {wrong:#?}\n{}",
        serving.log()
    );
    assert_marked(&world, &stream.withdrawn);
    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE dead_at IS NOT NULL")
            .await,
        0,
        "PUGMARK_SEED={seed}"
    );
    eprintln!(
        "{KILLS} kills, {} customers, {} of them withdrawn, {taken_over} attempts cut short, {} contacts created, {} faults",
        stream.living.len() + stream.withdrawn.len(),
        stream.withdrawn.len(),
        world.crm.journal().count_created("Contacts"),
        world.crm.journal().faults().len(),
    );
    assert_eq!(serving.stop().await, 0);
}

fn assert_marked(world: &World, withdrawn: &[String]) {
    let status = world.field("MicroBima Status");
    for customer in withdrawn {
        if let Some(contact) = world.contact_of(customer) {
            let shown = contact.value(&status);
            assert!(
                matches!(shown, "Deleted" | "Test customer"),
                "{customer} is withdrawn but shows {shown}"
            );
        }
    }
}

async fn told_to_stop_in_the_middle_of_its_work_it_hands_everything_back(world: World) {
    let world = world
        .before(sandbox().latency(Latency::Fixed(Duration::from_millis(150))))
        .await;
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(serve(&world, folder.path())).await;
    let program = world.other_program().await;
    for number in 0..60 {
        program.insert_customer(&format!("Customer {number}")).await;
    }
    let some = world
        .crm
        .journal()
        .wait_until(|journal| journal.count_created("Contacts") >= 10, PATIENCE)
        .await;
    assert!(some, "it does not work: {}", serving.log());
    let asked = Instant::now();
    assert_eq!(serving.stop().await, 0);
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        asked.elapsed()
    );

    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE status = 'PROCESSING'")
            .await,
        0
    );
    assert!(
        program
            .count("vtiger_sync_queue WHERE status <> 'COMPLETED'")
            .await
            > 0,
        "it stopped in the middle, or the test shows nothing"
    );
    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE unknown_at IS NOT NULL")
            .await,
        0,
        "what was begun was finished, so nothing is in doubt"
    );
    let serving = Serving::start(serve(&world, folder.path())).await;
    program.wait_until_idle().await;
    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    assert_eq!(world.calls("create"), 60, "nothing was sent twice");
    assert_eq!(serving.stop().await, 0);
}

async fn a_crm_that_hangs_does_not_hold_up_the_end(world: World) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = serve(&world, folder.path());
    command
        .env("PUGMARK__VTIGER__CALL_TIMEOUT", "50s")
        .env("PUGMARK__QUEUE__LEASE", "120s")
        .env("PUGMARK__SERVER__SHUTDOWN_GRACE", "1s");
    world
        .crm
        .faults()
        .set(FaultPlan::new(1).always("create", Fault::HangBeforeEffect(PATIENCE)));
    let serving = Serving::start(command).await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    assert!(
        world
            .crm
            .journal()
            .wait_until(|journal| !journal.faults().is_empty(), PATIENCE)
            .await
    );
    let asked = Instant::now();
    assert_eq!(serving.stop().await, 0);
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        asked.elapsed()
    );

    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE status = 'PROCESSING'")
            .await,
        0
    );
    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE unknown_at IS NOT NULL")
            .await,
        1,
        "whether it arrived is not known"
    );
    world.crm.faults().clear();
    let serving = Serving::start(serve(&world, folder.path())).await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    assert_eq!(world.out_of_step(&program, &[]).await, Vec::<String>::new());
    assert_eq!(serving.stop().await, 0);
}

async fn a_caller_that_never_finishes_its_request_does_not_hold_up_the_end(world: World) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = serve(&world, folder.path());
    command.env("PUGMARK__SERVER__SHUTDOWN_GRACE", "1s");
    let serving = Serving::start(command).await;
    let mut without_end = TcpStream::connect(serving.address)
        .await
        .expect("it listens");
    without_end
        .write_all(b"POST /api/internal/customers HTTP/1.1\r\nHost: x\r\n")
        .await
        .expect("sent");
    let mut without_body = TcpStream::connect(serving.address)
        .await
        .expect("it listens");
    let head = format!(
        "POST /api/internal/customers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 100\r\n\r\n{{",
        crate::harness::TOKEN
    );
    without_body.write_all(head.as_bytes()).await.expect("sent");
    let asked = Instant::now();
    assert_eq!(serving.stop().await, 0);
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        asked.elapsed()
    );
    drop((without_end, without_body));
}
