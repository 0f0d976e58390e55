//! The flow, live in the terminal, on standard error.

use indicatif::{MultiProgress, ProgressBar};
use pugmark_sandbox::{Journal, JournalKind};

use super::super::show::line;
use super::OnboardingArgs;
use super::site::Site;

/// Progress bars over the leads, the subscriptions and the calls it took.
pub(super) struct Show {
    crm: Journal,
    maxio: Journal,
    bars: MultiProgress,
    leads: ProgressBar,
    subscriptions: ProgressBar,
    calls: ProgressBar,
    last_event: ProgressBar,
}

impl Show {
    pub(super) fn start(args: &OnboardingArgs, site: &Site) -> Self {
        let bars = MultiProgress::new();
        let faults = if args.faults {
            ", with systems that misbehave"
        } else {
            ""
        };
        eprintln!(
            "pugmark demo onboarding: {} leads, seed {}{faults}\n  vTiger Cloud look-alike at {} -> webhook or poll -> queue -> Maxio look-alike at {} -> lead",
            args.leads,
            args.seed,
            site.crm.url(),
            site.maxio.url()
        );
        let all = Some(u64::from(args.leads));
        Show {
            crm: site.crm.journal(),
            maxio: site.maxio.journal(),
            leads: line(&bars, "  leads ready      {bar:30} {pos}/{len}", all),
            subscriptions: line(&bars, "  subscriptions    {bar:30} {pos}/{len}", all),
            calls: line(&bars, "  calls and jobs   {spinner} {msg}", None),
            last_event: line(&bars, "  last effect      {msg}", None),
            bars,
        }
    }

    pub(super) fn wrote(&self, leads: u64) {
        self.leads.set_position(leads);
        self.refresh(None);
    }

    /// Redraws from the journals and gives a number that grows with every effect and every call to Maxio.
    pub(super) fn refresh(&self, open: Option<u64>) -> u64 {
        let subscriptions = self.maxio.count_created("subscriptions");
        self.subscriptions.set_position(subscriptions);
        let waiting = open
            .map(|count| format!(", {count} jobs to go"))
            .unwrap_or_default();
        self.calls.set_message(format!(
            "{} to Maxio, {} to vTiger{waiting}",
            self.maxio.count_calls(None),
            self.crm.count_calls(None)
        ));
        let length = self.maxio.len() as u64;
        let recent = self.maxio.entries_since(length.saturating_sub(12));
        if let Some(text) = recent.iter().rev().find_map(|entry| describe(&entry.kind)) {
            self.last_event.set_message(text);
        }
        // The poll asks vTiger for ever: its calls are no progress.
        length
    }

    pub(super) fn finish(self) {
        self.refresh(Some(0));
        // Faulty leads never get a subscription: what was made is all there is to make.
        self.subscriptions
            .set_length(self.maxio.count_created("subscriptions"));
        for bar in [
            &self.leads,
            &self.subscriptions,
            &self.calls,
            &self.last_event,
        ] {
            bar.finish();
        }
        drop(self.bars);
    }
}

fn describe(kind: &JournalKind) -> Option<String> {
    match kind {
        JournalKind::Created { id, module, .. } => {
            let noun = match module.as_str() {
                "customers" => "customer",
                "payment_profiles" => "payment profile",
                "subscriptions" => "subscription",
                other => other,
            };
            Some(format!("{noun} {id} created"))
        }
        JournalKind::FaultInjected {
            operation, fault, ..
        } => Some(format!("fault on {operation}: {fault:?}")),
        _ => None,
    }
}
