//! Alternating rounds and what is made of them.

use std::time::Duration;

use crate::cli::CliError;

const ROUNDS: u32 = 5;

/// What one round took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    pub(super) elapsed: Duration,
    /// Transactions it committed.
    pub(super) transactions: u64,
}

/// Medians of both sides, in operations per second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    pub(super) ours: f64,
    pub(super) peer: f64,
    /// Operations per transaction of ours, in the median.
    pub(super) per_transaction: f64,
}

/// Lets ours and the peer do `operations` each, in alternating rounds after one that is not counted, so that whatever else
/// the machine does meets both. The peer is told how many transactions ours has just needed.
///
/// # Errors
/// The first error of either side.
pub(super) async fn alternate(
    operations: u32,
    mut ours: impl AsyncFnMut(u32) -> Result<Round, CliError>,
    mut peer: impl AsyncFnMut(u32, u64) -> Result<Duration, CliError>,
) -> Result<Rates, CliError> {
    let each = (operations / ROUNDS).max(1);
    let warm_up = (each / 4).max(1);
    let first = ours(warm_up).await?;
    peer(warm_up, first.transactions).await?;
    let (mut our_rates, mut peer_rates, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let round = ours(each).await?;
        our_rates.push(rate(each, round.elapsed));
        groups.push(f64::from(each) / round.transactions.max(1) as f64);
        peer_rates.push(rate(each, peer(each, round.transactions).await?));
    }
    Ok(Rates {
        ours: median(&mut our_rates),
        peer: median(&mut peer_rates),
        per_transaction: median(&mut groups),
    })
}

fn rate(operations: u32, elapsed: Duration) -> f64 {
    f64::from(operations) / elapsed.as_secs_f64().max(f64::EPSILON)
}

/// The middle value; 0 of nothing.
pub(super) fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

/// The smallest value that at least the share `q` of all values does not exceed; 0 of nothing.
pub(super) fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * q).ceil() as usize;
    values
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_does_not_care_about_order_or_outliers() {
        assert_eq!(median(&mut [9_000.0, 1.0, 3.0, 2.0, 4.0]), 3.0);
        assert_eq!(median(&mut []), 0.0);
    }

    #[test]
    fn the_99th_percentile_is_a_measured_value_that_one_in_a_hundred_exceeds() {
        let mut values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(quantile(&mut values, 0.99), 198.0);
        assert_eq!(quantile(&mut [5.0], 0.99), 5.0);
    }

    #[tokio::test]
    async fn the_peer_follows_each_round_of_ours_with_the_same_work_and_transactions() {
        let asked = std::cell::RefCell::new(Vec::new());
        let rates = alternate(
            100,
            async |operations| {
                asked.borrow_mut().push(("ours", operations, 4));
                Ok(Round {
                    elapsed: Duration::from_secs(1),
                    transactions: 4,
                })
            },
            async |operations, transactions| {
                asked.borrow_mut().push(("peer", operations, transactions));
                Ok(Duration::from_secs(2))
            },
        )
        .await
        .unwrap();
        let asked = asked.into_inner();
        assert_eq!(asked[..2], [("ours", 5, 4), ("peer", 5, 4)]);
        assert_eq!(asked.len(), 12);
        assert_eq!(asked[2..4], [("ours", 20, 4), ("peer", 20, 4)]);
        assert_eq!(
            (rates.ours, rates.peer, rates.per_transaction),
            (20.0, 10.0, 5.0)
        );
    }
}
