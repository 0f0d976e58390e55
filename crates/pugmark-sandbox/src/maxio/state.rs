//! Everything the site knows, and what a call works with.

use std::collections::{BTreeMap, HashMap};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::config::Config;
use super::customers::Customer;
use super::products::Product;
use super::profiles::Profile;
use super::refusal::Refusal;
use super::subscriptions::Subscription;
use super::table::Table;
use super::times::Times;
use super::webhooks::{Outbox, PostBox};
use crate::fault::mix;
use crate::journal::{Change, Journal, JournalKind};

/// Id of the site.
pub(super) const SITE_ID: u64 = 31_615;

/// How long a `uniqueness_token` is remembered.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_mins(60);

/// The whole state; one lock guards it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) customers: Table<Customer>,
    pub(super) profiles: BTreeMap<u64, Profile>,
    pub(super) subscriptions: Table<Subscription>,
    pub(super) products: Vec<Product>,
    pub(super) outbox: Outbox,
    /// Whether the gateway declines every payment.
    pub(super) declines: bool,
    tokens: HashMap<String, Timestamp>,
    last_id: u64,
    seed: u64,
    chance: u64,
}

impl State {
    pub(super) fn new(config: &Config, now: Timestamp) -> Self {
        let mut state = Self {
            customers: Table::default(),
            profiles: BTreeMap::new(),
            subscriptions: Table::default(),
            products: Vec::new(),
            outbox: Outbox::default(),
            declines: false,
            tokens: HashMap::new(),
            last_id: 10_000_000,
            seed: config.seed,
            chance: 0,
        };
        for seed in &config.products {
            let product = Product::new(seed.clone(), || state.next_id(), now);
            state.products.push(product);
        }
        state
    }

    /// One sequence for everything that has an id.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A text that nobody guesses: the same seed and the same calls give the same.
    pub(super) fn chance_text(&mut self) -> String {
        self.chance += 1;
        format!("{:016x}", mix(self.seed, 0x6d78, self.chance))
    }

    pub(super) fn product(&self, id: u64) -> Option<&Product> {
        self.products.iter().find(|product| product.id == id)
    }

    pub(super) fn product_by_handle(&self, handle: &str) -> Option<&Product> {
        let mut products = self.products.iter();
        products.find(|product| product.seed.handle == handle)
    }

    /// Notes the token; refused when it was noted within the hour, whatever became of that call.
    pub(super) fn use_token(&mut self, token: &str, now: Timestamp) -> Result<(), Refusal> {
        let seen = self.tokens.get(token);
        if seen.is_some_and(|&seen| now.duration_since(seen) < TOKEN_LIFETIME) {
            return Err(Refusal::Duplicate);
        }
        self.tokens.insert(token.to_owned(), now);
        Ok(())
    }
}

/// What a call works with.
pub(super) struct Stage<'a> {
    pub(super) state: &'a mut State,
    pub(super) journal: &'a Journal,
    pub(super) config: &'a Config,
    /// The site's time zone.
    pub(super) zone: &'a TimeZone,
    /// Where webhooks are thrown in.
    pub(super) post: &'a PostBox,
    /// The shared key with which webhooks are signed.
    pub(super) webhook_key: &'a str,
    /// To the whole second.
    pub(super) now: Timestamp,
    /// None when the sandbox's owner does it.
    pub(super) request_no: Option<u64>,
}

impl Stage<'_> {
    /// How answers write moments.
    pub(super) fn times(&self) -> Times {
        Times::Site(self.zone.clone())
    }

    pub(super) fn note(&self, kind: JournalKind) {
        self.journal.append(self.now, self.request_no, None, kind);
    }

    pub(super) fn note_created(&self, module: &str, id: u64, mut fields: BTreeMap<String, String>) {
        fields.retain(|_, value| !value.is_empty());
        self.note(JournalKind::Created {
            id: id.to_string(),
            module: module.to_owned(),
            fields,
        });
    }

    /// Notes what differs; also when nothing does, since the service wrote the row all the same.
    pub(super) fn note_updated(
        &self,
        module: &str,
        id: u64,
        before: BTreeMap<String, String>,
        after: BTreeMap<String, String>,
    ) {
        let old = |name: &str| before.get(name).cloned().unwrap_or_default();
        let gone = before
            .iter()
            .filter(|(name, _)| !after.contains_key(*name))
            .map(|(name, _)| (name.clone(), String::new()));
        let changed = after
            .iter()
            .map(|(name, new)| (name.clone(), new.clone()))
            .chain(gone)
            .map(|(name, new)| (old(&name), name, new))
            .filter(|(old, _, new)| old != new)
            .map(|(old, name, new)| (name, Change { old, new }))
            .collect();
        self.note(JournalKind::Updated {
            id: id.to_string(),
            module: module.to_owned(),
            changed,
        });
    }

    pub(super) fn note_deleted(&self, module: &str, id: u64) {
        self.note(JournalKind::Deleted {
            id: id.to_string(),
            module: module.to_owned(),
        });
    }
}
