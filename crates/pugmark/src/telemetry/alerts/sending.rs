//! Sending what a channel has to send: in order, one at a time, until it is sent or given up.

use std::time::Duration;

use pugmark_queue::db::{Db, DbError, Ts};
use tokio_util::sync::CancellationToken;

use super::channel::Channel;
use crate::config;
use crate::problem::Code;
use crate::store::alerts::{self, Message};

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// How often is looked for something to send, at least.
const LOOK: Duration = Duration::from_secs(2);
/// Longer reasons are cut.
const LONGEST_REASON: usize = 500;

/// How often is looked and tried.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    look: Duration,
    give_up_after: Duration,
}

impl Pace {
    /// As the operator chose.
    pub fn of(settings: &config::Alerts) -> Self {
        Pace {
            look: settings.look.min(LOOK),
            give_up_after: settings.give_up_after,
        }
    }

    /// When a message that has failed so often is tried again; `None`: it is given up.
    fn again(self, message: &Message, now: Ts) -> Option<Ts> {
        let doublings = u32::try_from(message.attempts.clamp(0, 16)).unwrap_or(16);
        let pause = self.look.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        let again = now.after(pause);
        (again.since(message.created_at) < self.give_up_after).then_some(again)
    }
}

/// Sends until cancelled.
pub async fn run(db: Db, channel: Channel, pace: Pace, cancelled: CancellationToken) {
    loop {
        let pause = match step(&db, &channel, pace).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => pace.look,
            Err(error) => {
                tracing::warn!(%error, channel = channel.name(), "messages of alerts could not be read or noted; it is tried again");
                pace.look
            }
        };
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Whether there may be more to send at once.
async fn step(db: &Db, channel: &Channel, pace: Pace) -> Result<bool, DbError> {
    let next = {
        let mut conn = db.read().await?;
        alerts::next(&mut conn, channel.name()).await?
    };
    let Some(message) = next.filter(|message| message.next_attempt_at <= Ts::now()) else {
        return Ok(false);
    };
    // Whoever leads no longer sends nothing: the next leader does.
    db.check_guard().await?;
    let sent = channel.send(&message).await;
    let now = Ts::now();
    let Err(error) = sent else {
        db.write("alert sent", move |conn| {
            Box::pin(async move { alerts::sent(conn, message.id, now).await })
        })
        .await?;
        return Ok(true);
    };
    let error: String = error
        .chars()
        .filter(|it| *it != '\0')
        .take(LONGEST_REASON)
        .collect();
    let again = pace.again(&message, now);
    tracing::warn!(
        code = %Code::AlertNotSent,
        channel = channel.name(),
        given_up = again.is_none(),
        error,
        "a message about an alert could not be sent"
    );
    db.write("alert not sent", move |conn| {
        Box::pin(async move { alerts::not_sent(conn, message.id, &error, again, now).await })
    })
    .await?;
    Ok(again.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_tried_again_ever_more_rarely_until_it_is_too_old() {
        let pace = Pace {
            look: Duration::from_secs(2),
            give_up_after: Duration::from_secs(3_600),
        };
        let at = |seconds: u64| Ts::from_micros(0).after(Duration::from_secs(seconds));
        let message = |attempts| Message {
            id: 1,
            alert_id: None,
            phase: "test".into(),
            channel: "webhook".into(),
            title: String::new(),
            body: String::new(),
            created_at: at(0),
            next_attempt_at: at(0),
            attempts,
            sent_at: None,
            given_up_at: None,
            error: None,
        };
        assert_eq!(pace.again(&message(0), at(0)), Some(at(2)));
        assert_eq!(pace.again(&message(3), at(30)), Some(at(46)));
        assert_eq!(pace.again(&message(60), at(100)), Some(at(700)));
        assert_eq!(pace.again(&message(60), at(3_100)), None);
    }
}
