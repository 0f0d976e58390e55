//! The flow, live in the terminal. Everything goes to standard error, so that standard output stays for the result.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use pugmark_sandbox::{Journal, JournalKind, VtigerSandbox};

use super::DemoArgs;

/// Progress bars over the rows written, the contacts in the CRM and the calls it took.
pub(super) struct Show {
    journal: Journal,
    bars: MultiProgress,
    rows: ProgressBar,
    contacts: ProgressBar,
    waiting: ProgressBar,
    last_event: ProgressBar,
}

impl Show {
    pub(super) fn start(args: &DemoArgs, sandbox: &VtigerSandbox) -> Self {
        let bars = MultiProgress::new();
        let faults = if args.faults {
            ", with a CRM that misbehaves"
        } else {
            ""
        };
        eprintln!(
            "pugmark demo: {} customers, seed {}{faults}\n  MicroBima (SQLite) -> capture -> plan -> queue -> deliver -> vTiger look-alike at {}",
            args.customers,
            args.seed,
            sandbox.url()
        );
        Show {
            journal: sandbox.journal(),
            rows: line(&bars, "  rows written     {spinner} {pos}", None),
            contacts: line(
                &bars,
                "  contacts made    {bar:30} {pos}/{len}",
                Some(u64::from(args.customers)),
            ),
            waiting: line(&bars, "  calls and queue  {spinner} {msg}", None),
            last_event: line(&bars, "  last effect      {msg}", None),
            bars,
        }
    }

    pub(super) fn wrote(&self, rows: u64) {
        self.rows.set_position(rows);
        self.refresh(None);
    }

    /// Redraws from the CRM's journal and gives a number that grows with every entry of it.
    pub(super) fn refresh(&self, unfinished: Option<u64>) -> u64 {
        let length = self.journal.len() as u64;
        self.contacts
            .set_position(self.journal.count_created("Contacts"));
        let waiting = unfinished
            .map(|count| format!(", {count} operations to go"))
            .unwrap_or_default();
        self.waiting
            .set_message(format!("{} calls{waiting}", self.journal.count_calls(None)));
        let recent = self.journal.entries_since(length.saturating_sub(12));
        if let Some(text) = recent.iter().rev().find_map(|entry| describe(&entry.kind)) {
            self.last_event.set_message(text);
        }
        length
    }

    pub(super) fn finish(self) {
        self.refresh(Some(0));
        // Test customers and those deleted at once never get a contact: what was made is all there is to make.
        self.contacts
            .set_length(self.journal.count_created("Contacts"));
        for bar in [&self.rows, &self.contacts, &self.waiting, &self.last_event] {
            bar.finish();
        }
        drop(self.bars);
    }
}

/// One more line of a display.
pub(super) fn line(bars: &MultiProgress, template: &str, length: Option<u64>) -> ProgressBar {
    let bar = match length {
        Some(length) => ProgressBar::new(length),
        None => ProgressBar::new_spinner(),
    };
    // A template that cannot be read would be a defect of these files; the bar then shows its default.
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = bars.add(bar.with_style(style.progress_chars("█▉▊▋▌▍▎▏ ")));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn describe(kind: &JournalKind) -> Option<String> {
    match kind {
        JournalKind::Created {
            id, module, fields, ..
        } => {
            let value = |field: &str| fields.get(field).cloned().unwrap_or_default();
            let told = match module.as_str() {
                "ModComments" => value("commentcontent").lines().next().map(str::to_owned),
                "Calendar" => Some(value("subject")),
                _ => Some(format!("{} {}", value("firstname"), value("lastname"))),
            };
            Some(format!(
                "{} {id} created: {}",
                noun(module),
                told.unwrap_or_default()
            ))
        }
        JournalKind::Revised {
            id,
            module,
            changed,
        } => {
            let names: Vec<&str> = changed.keys().map(String::as_str).collect();
            Some(format!(
                "{} {id} revised: {}",
                noun(module),
                names.join(", ")
            ))
        }
        JournalKind::FaultInjected {
            operation, fault, ..
        } => Some(format!("fault on {operation}: {fault:?}")),
        _ => None,
    }
}

fn noun(module: &str) -> &str {
    match module {
        "Contacts" => "contact",
        "ModComments" => "note",
        "Calendar" => "task",
        other => other,
    }
}
