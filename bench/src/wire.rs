//! The contestant's end of [`crate::process`], for those in Rust.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;

use crate::failure::Failure;

/// Standard input, after "go".
pub(crate) struct Wire {
    closed: oneshot::Receiver<()>,
}

impl Wire {
    /// Says that it is ready and waits until it may begin.
    pub(crate) async fn ready() -> Result<Self, Failure> {
        let (go, begin) = oneshot::channel();
        let (close, closed) = oneshot::channel();
        // A thread that reads is in nobody's way: the process ends without it.
        std::thread::spawn(move || {
            let mut lines = std::io::stdin().lines();
            let begun = matches!(lines.next(), Some(Ok(_)));
            // Who hears neither has ended already.
            let _ = begun.then(|| go.send(()));
            lines.map_while(Result::ok).for_each(drop);
            let _ = close.send(());
        });
        println!("ready");
        begin
            .await
            .map_err(|_| Failure::new("nobody let it begin"))?;
        Ok(Wire { closed })
    }

    /// Returns when nobody is interested any more.
    pub(crate) async fn ended(self) -> Result<(), Failure> {
        Ok(self.closed.await?)
    }
}

/// Says how many jobs are finished, every few milliseconds while the number grows.
pub(crate) fn counter() -> Arc<AtomicU64> {
    let finished = Arc::new(AtomicU64::new(0));
    let counted = finished.clone();
    tokio::spawn(async move {
        let mut said = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let now = counted.load(Ordering::Relaxed);
            if now != said {
                println!("{}", json!({ "finished": now }));
                said = now;
            }
        }
    });
    finished
}

/// Says how long a producer took.
pub(crate) fn took(time: Duration) {
    println!("{}", json!({ "ms": time.as_secs_f64() * 1000.0 }));
}
