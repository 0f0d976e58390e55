//! What is done to Pugmark: every campaign with what it does, in the order in which they run. `cargo xtask chaos` reads this file
//! too, so it holds nothing but the list.

/// A campaign of the suite.
pub(crate) struct Entry {
    /// The name on the command line, and the module of its tests.
    pub(crate) name: &'static str,
    /// The databases it runs on; also the modules of its tests.
    pub(crate) on: &'static [&'static str],
    /// What is done, in one line.
    pub(crate) purpose: &'static str,
}

const BOTH: &[&str] = &["sqlite", "postgres"];

/// Every campaign.
pub(crate) const CAMPAIGNS: &[Entry] = &[
    Entry {
        name: "killed",
        on: BOTH,
        purpose: "SIGKILL at random moments while customers are written: four processes on PostgreSQL, one with four workers on SQLite",
    },
    Entry {
        name: "between_steps",
        on: BOTH,
        purpose: "SIGKILL before and after every call that every operation of several steps makes, one stop at a time",
    },
    Entry {
        name: "timeout_after_commit",
        on: BOTH,
        purpose: "one create in ten is done by vTiger and never answered",
    },
    Entry {
        name: "spoiled_answers",
        on: BOTH,
        purpose: "errors after the commit, cut bodies, web pages, success:false and null results, two calls in a hundred each",
    },
    Entry {
        name: "throttled",
        on: BOTH,
        purpose: "vTiger answers 429, with and without a wish for a pause, to every second call",
    },
    Entry {
        name: "down_for_a_day",
        on: BOTH,
        purpose: "vTiger is away for a simulated day, and comes back",
    },
    Entry {
        name: "login_race",
        on: BOTH,
        purpose: "64 workers lose their sessions at once and race for one login, again and again",
    },
    Entry {
        name: "terminated",
        on: BOTH,
        purpose: "SIGTERM again and again under load",
    },
    Entry {
        name: "restarted",
        on: &["postgres_programs"],
        purpose: "PostgreSQL's connections are terminated twice a second, the server is restarted and crashed",
    },
    Entry {
        name: "pool_exhausted",
        on: &["postgres_programs"],
        purpose: "other programs take every connection that PostgreSQL has to give",
    },
    Entry {
        name: "broker_away",
        on: &["rabbitmq"],
        purpose: "every connection to RabbitMQ is cut, and its queues are deleted, while two processes work",
    },
    Entry {
        name: "redis_away",
        on: &["redis"],
        purpose: "Redis is emptied, cut off, stopped and started again, while two processes share it",
    },
    Entry {
        name: "disk_full",
        on: &["sqlite"],
        purpose: "the disk under the store is full while vTiger goes on",
    },
];
