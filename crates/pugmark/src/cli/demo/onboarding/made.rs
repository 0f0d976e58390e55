//! What was made in Maxio, by lead, from its journal of effects.

use std::collections::{BTreeMap, HashMap};

use pugmark_sandbox::{JournalKind, MaxioSandbox};

/// Everything ever made in Maxio, also what was deleted later.
pub(super) struct AllMade {
    customers: BTreeMap<String, Vec<String>>,
    subscriptions: BTreeMap<String, Vec<String>>,
    /// By customer.
    profiles: HashMap<String, Vec<String>>,
    /// How many things were found to belong to leads.
    pub(super) accounted: u64,
}

impl AllMade {
    pub(super) fn of(maxio: &MaxioSandbox) -> Self {
        let journal = maxio.journal();
        let mut profiles: HashMap<String, Vec<String>> = HashMap::new();
        for entry in journal.created("payment_profiles") {
            if let JournalKind::Created { id, fields, .. } = &entry.kind {
                let customer = fields.get("customer_id").cloned().unwrap_or_default();
                profiles.entry(customer).or_default().push(id.clone());
            }
        }
        AllMade {
            customers: journal.count_distinct_by("customers", "reference"),
            subscriptions: journal.count_distinct_by("subscriptions", "reference"),
            profiles,
            accounted: 0,
        }
    }

    /// What was made for this lead.
    pub(super) fn take(&mut self, lead: &str) -> Made {
        let customers = self.customers.remove(lead).unwrap_or_default();
        let subscriptions = self.subscriptions.remove(&format!("lead-{lead}"));
        let profiles = customers.iter().filter_map(|id| self.profiles.remove(id));
        let made = Made {
            profiles: profiles.flatten().collect(),
            subscriptions: subscriptions.unwrap_or_default(),
            customers,
        };
        self.accounted += made.count();
        made
    }
}

/// Ids of what was made for one lead.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) customers: Vec<String>,
    pub(super) profiles: Vec<String>,
    pub(super) subscriptions: Vec<String>,
}

impl Made {
    fn all(&self) -> [&Vec<String>; 3] {
        [&self.customers, &self.profiles, &self.subscriptions]
    }

    pub(super) fn count(&self) -> u64 {
        self.all().iter().map(|ids| ids.len() as u64).sum()
    }

    /// How many more there are than one of each.
    pub(super) fn surplus(&self) -> u64 {
        self.all()
            .iter()
            .map(|ids| (ids.len() as u64).saturating_sub(1))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_a_kind_are_one_too_many() {
        let ids = |number: usize| vec!["1".to_owned(); number];
        let made = Made {
            customers: ids(1),
            profiles: ids(2),
            subscriptions: ids(3),
        };
        assert_eq!((made.count(), made.surplus()), (6, 3));
    }
}
