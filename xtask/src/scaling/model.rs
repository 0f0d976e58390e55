//! The model: an installation as a queue before a CRM that takes so many calls and no more, a week minute by minute.

const MINUTES_A_DAY: u32 = 24 * 60;
const SECONDS_A_DAY: f64 = 86_400.0;
/// The busiest minute of a day against its average.
const CREST: f64 = 3.0;

/// Figures that were measured; docs/scaling.md says where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    /// Bytes of an operation with its attempt and their indexes.
    pub(super) operation: f64,
    /// Bytes of a captured change with its indexes.
    pub(super) change: f64,
    /// Bytes kept for each customer: link with snapshot, captured image.
    pub(super) customer: f64,
    /// Bytes of log lines per operation.
    pub(super) lines: f64,
    /// Operations a second that one PostgreSQL completes for one worker process.
    pub(super) completions: f64,
}

impl Default for Measured {
    fn default() -> Self {
        Self {
            operation: 2_350.0,
            change: 580.0,
            customer: 720.0,
            lines: 300.0,
            completions: 556.0,
        }
    }
}

/// What a CRM takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Crm {
    /// As fast as its machine is.
    OpenSource {
        /// Records it creates a second, however many sessions ask.
        creates: f64,
    },
    /// So many calls, whatever they do.
    Cloud {
        /// In a minute.
        minute: u32,
        /// In an hour.
        hour: u32,
        /// In 24 hours.
        day: u32,
    },
}

impl Crm {
    /// Calls a second that can be kept up for days.
    pub(super) fn sustained(self) -> f64 {
        match self {
            Crm::OpenSource { creates } => creates,
            Crm::Cloud { minute, hour, day } => (f64::from(minute) / 60.0)
                .min(f64::from(hour) / 3_600.0)
                .min(f64::from(day) / SECONDS_A_DAY),
        }
    }

    /// Calls a second for edits. A bulk write is for creating; edits go one by one.
    fn edits(self) -> f64 {
        match self {
            // A revise takes as long as a create on a vTiger of two cores: 142 ms, 23 a second together.
            Crm::OpenSource { creates } => creates.min(23.0),
            Crm::Cloud { .. } => self.sustained(),
        }
    }
}

/// An installation, or several equal ones.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// Of all CRMs together.
    pub(super) customers: u64,
    /// How many CRMs share them, each with a Pugmark of its own.
    pub(super) crms: u32,
    pub(super) crm: Crm,
    /// Changes of a customer a day that reach the CRM as a call: payments (together within `payments.settle`) and edits.
    pub(super) changes: f64,
    /// Days for which history is kept.
    pub(super) keep: f64,
}

impl Scenario {
    /// An insurer whose customers pay weekly and are edited once in fifty days.
    pub(super) fn new(name: &'static str, customers: u64, crms: u32, crm: Crm) -> Self {
        Self {
            name,
            customers,
            crms,
            crm,
            changes: 1.0 / 7.0 + 0.02,
            keep: 90.0,
        }
    }

    fn customers_each(&self) -> f64 {
        self.customers as f64 / f64::from(self.crms)
    }
}

/// What comes of it, for each CRM.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    /// Days until every customer is in the CRM, with four fifths of the calls.
    pub(super) first_sync_days: f64,
    /// Share of the calls that live changes need.
    pub(super) load: f64,
    /// Seconds that a change waits for the CRM: in half of the minutes at most, and in the worst. `None`: it never catches up.
    pub(super) lag: Option<(f64, f64)>,
    /// Hours that the weekly summary of everybody takes beside the live changes; `None`: longer than a week.
    pub(super) summary_hours: Option<f64>,
    /// Bytes of all stores together once history is as long as it is kept.
    pub(super) storage: f64,
    /// Operations a second in the busiest minute, of all together, against what one PostgreSQL completes.
    pub(super) database_share: f64,
    /// Calls a day of all together.
    pub(super) calls_a_day: f64,
    /// Users of vTiger Cloud Enterprise whose allowance the live changes use up, of all together.
    pub(super) cloud_users: Option<f64>,
}

/// What vTiger Cloud gives an Enterprise instance a day, and each of its users on top.
const CLOUD_FREE: f64 = 6_000.0;
const CLOUD_PER_USER: f64 = 1_000.0;

/// Computes a scenario.
pub(super) fn outcome(scenario: &Scenario, measured: &Measured) -> Outcome {
    let customers = scenario.customers_each();
    let a_day = customers * scenario.changes;
    let capacity = scenario.crm.edits();
    let week = Week::run(scenario, capacity);
    let kept = a_day * scenario.keep * (measured.operation + measured.change);
    let lines = a_day * scenario.keep.min(30.0) * measured.lines;
    let crms = f64::from(scenario.crms);
    Outcome {
        first_sync_days: customers / (scenario.crm.sustained() * 0.8) / SECONDS_A_DAY,
        load: a_day / SECONDS_A_DAY / capacity,
        lag: week.lag,
        summary_hours: week.summary_hours,
        storage: (kept + lines + customers * measured.customer) * crms,
        database_share: a_day / SECONDS_A_DAY * CREST * crms / measured.completions,
        calls_a_day: a_day * crms,
        cloud_users: matches!(scenario.crm, Crm::Cloud { .. })
            .then(|| ((a_day - CLOUD_FREE).max(0.0) / CLOUD_PER_USER).ceil() * crms),
    }
}

/// A week of live changes, and on its first morning a summary of every customer (one call each) that gets what is left.
struct Week {
    lag: Option<(f64, f64)>,
    summary_hours: Option<f64>,
}

impl Week {
    fn run(scenario: &Scenario, capacity: f64) -> Self {
        let a_minute = scenario.customers_each() * scenario.changes / f64::from(MINUTES_A_DAY);
        let takes = capacity * 60.0;
        let (mut waiting, mut summary) = (0.0_f64, scenario.customers_each());
        let mut summary_hours = None;
        let mut lags = Vec::new();
        let week = (0..7).flat_map(|_| day());
        for (minute, busy) in week.enumerate() {
            waiting += a_minute * busy;
            let live = waiting.min(takes);
            waiting -= live;
            lags.push(waiting / capacity);
            summary = (summary - (takes - live)).max(0.0);
            if summary == 0.0 && summary_hours.is_none() {
                summary_hours = Some((minute + 1) as f64 / 60.0);
            }
        }
        let a_day_before = lags[lags.len() - 1 - MINUTES_A_DAY as usize];
        let catches_up = *lags.last().unwrap_or(&0.0) <= a_day_before + 1.0;
        lags.sort_by(f64::total_cmp);
        let lag = catches_up.then(|| {
            let worst = lags.last().copied().unwrap_or_default();
            (lags[lags.len() / 2], worst)
        });
        Self { lag, summary_hours }
    }
}

/// How busy each minute of a day is against the average: a wave over the day with a quiet night, whose crest is close to [`CREST`].
fn day() -> Vec<f64> {
    let wave = |minute: u32| {
        let angle = f64::from(minute) / f64::from(MINUTES_A_DAY) * std::f64::consts::TAU;
        ((1.0 - angle.cos()) / 2.0).powf(2.6)
    };
    let minutes: Vec<f64> = (0..MINUTES_A_DAY).map(wave).collect();
    let average = minutes.iter().sum::<f64>() / f64::from(MINUTES_A_DAY);
    minutes.into_iter().map(|minute| minute / average).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOUD: Crm = Crm::Cloud {
        minute: 90,
        hour: 5_000,
        day: 120_000,
    };

    #[test]
    fn a_day_has_its_average_and_its_crest() {
        let day = day();
        let average = day.iter().sum::<f64>() / f64::from(MINUTES_A_DAY);
        let crest = day.iter().copied().fold(0.0, f64::max);
        assert!((average - 1.0).abs() < 1e-9);
        assert!((crest - CREST).abs() < 0.05, "{crest}");
    }

    #[test]
    fn of_several_limits_the_tightest_counts() {
        let a_day = CLOUD.sustained() * SECONDS_A_DAY;
        assert!(
            (a_day - 120_000.0).abs() < 1.0,
            "5,000 an hour or 90 a minute would be more"
        );
    }

    #[test]
    fn what_changes_more_than_its_crm_takes_never_catches_up() {
        let measured = Measured::default();
        let much = outcome(&Scenario::new("", 10_000_000, 1, CLOUD), &measured);
        let little = outcome(&Scenario::new("", 100_000, 1, CLOUD), &measured);
        assert!(much.load > 1.0 && much.lag.is_none() && much.summary_hours.is_none());
        assert!(little.load < 0.2 && little.lag == Some((0.0, 0.0)));
    }

    #[test]
    fn what_fits_on_average_but_not_at_noon_catches_up_by_night() {
        let customers = (0.4 * 120_000.0 / Scenario::new("", 0, 1, CLOUD).changes) as u64;
        let outcome = outcome(
            &Scenario::new("", customers, 1, CLOUD),
            &Measured::default(),
        );
        let (half, worst) = outcome.lag.expect("it catches up");
        assert!(half < 1.0 && worst > 60.0, "{half} {worst}");
    }

    #[test]
    fn a_first_sync_leaves_a_fifth_of_the_calls_to_others() {
        let scenario = Scenario::new("", 96_000, 1, CLOUD);
        let days = outcome(&scenario, &Measured::default()).first_sync_days;
        assert!((days - 1.0).abs() < 0.01, "{days}");
    }
}
