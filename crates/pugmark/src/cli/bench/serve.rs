//! Start-up time and memory of `pugmark serve`, as a process of its own.

use std::time::Duration;

use pugmark_queue::db::Engine;
use pugmark_sandbox::VtigerSandbox;

use super::Size;
use super::customers;
use super::line::Line;
use super::plain::Plain;
use super::process::{Serve, bare_start};
use super::rounds::median;
use super::stores::Stores;
use super::world::start_crm;
use crate::cli::CliError;

const STARTS: usize = 5;
/// After this time without work nothing of the start-up is under way any more.
const IDLE: Duration = Duration::from_secs(2);

pub(super) async fn measure(
    stores: &Stores,
    engine: Engine,
    size: Size,
) -> Result<Vec<Line>, CliError> {
    let crm = start_crm().await?;
    let (mut fresh, mut existing, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    let mut url = String::new();
    for _ in 0..STARTS {
        url = stores.fresh(engine).await?;
        for times in [&mut fresh, &mut existing] {
            let serve = Serve::start(&url, &crm, stores.folder()).await?;
            times.push(milliseconds(serve.took));
            serve.stop().await?;
        }
        bare.push(milliseconds(bare_start().await?));
    }
    let bare = median(&mut bare);
    let start = |what: &str, times: &mut [f64]| {
        Line::new(
            format!("serve, start on {what} store"),
            engine,
            "ms",
            median(times),
            bare,
            "the same program printing its version",
        )
    };
    let mut lines = vec![
        start("a fresh", &mut fresh),
        start("an existing", &mut existing),
    ];
    lines.extend(memory(&url, &crm, stores, engine, size).await?);
    crm.shutdown().await;
    Ok(lines)
}

/// Resident memory, idle and after work.
async fn memory(
    url: &str,
    crm: &VtigerSandbox,
    stores: &Stores,
    engine: Engine,
    size: Size,
) -> Result<Vec<Line>, CliError> {
    let serve = Serve::start(url, crm, stores.folder()).await?;
    tokio::time::sleep(IDLE).await;
    let Some(idle) = serve.memory() else {
        eprintln!("the memory of serve is not measured: this system has no /proc");
        serve.stop().await?;
        return Ok(Vec::new());
    };
    let mut program = Plain::open(url).await?;
    customers::insert(&mut program, size.customers).await?;
    customers::wait_until_in_step(&mut program).await?;
    let worked = serve.memory().unwrap_or_default();
    serve.stop().await?;
    Ok(vec![
        Line::alone(
            "serve, memory when idle",
            engine,
            "MiB",
            idle,
            "nothing comparable",
        ),
        Line::new(
            format!("serve, memory after {} customers", size.customers),
            engine,
            "MiB",
            worked,
            idle,
            "when idle",
        ),
    ])
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
