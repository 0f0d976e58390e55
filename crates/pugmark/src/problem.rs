//! Codes of the errors that a user can meet. They are stable: docs/errors.md explains each one, and the API, the logs and
//! the console show them.

use std::fmt;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $meaning:literal;)+) => {
        /// A stable error code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &[Code] = &[$(Code::$name),+];

            /// The code as shown: `PUG-` and four digits.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code),+ }
            }

            /// What it means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$name => $meaning),+ }
            }
        }
    };
}

codes! {
    /// Settings that cannot be used.
    Configuration = "PUG-1001", "The configuration has problems; all of them are listed.";
    /// The database cannot be opened.
    StoreUnavailable = "PUG-1101", "The store did not answer; what was to be done waits.";
    /// A newer Pugmark has migrated the store.
    StoreTooNew = "PUG-1102", "The store was migrated by a newer Pugmark; use that program.";
    /// Another process serves the SQLite file.
    StoreInUse = "PUG-1103", "Another Pugmark serves this SQLite file; several processes need PostgreSQL.";
    /// The disk is full.
    StoreFull = "PUG-1104", "The store's disk is full; nothing was half-written.";
    /// The database cannot be written to.
    StoreReadOnly = "PUG-1105", "The store cannot be written to.";
    /// A row holds what is no text or no known value.
    RowUnreadable = "PUG-1201", "A row of MicroBima holds a value that cannot be read; the row has to be mended.";
    /// The CRM cannot be reached.
    CrmUnavailable = "PUG-2001", "vTiger could not be reached or was not able to answer; it is tried again by itself.";
    /// Wrong user or key.
    CrmCredentials = "PUG-2002", "vTiger does not accept the user or the access key.";
    /// The CRM user lacks a right.
    CrmRights = "PUG-2003", "The CRM user lacks a right that Pugmark needs.";
    /// Over a call limit.
    CrmThrottled = "PUG-2004", "vTiger limits the number of calls; work goes on when it allows.";
    /// The session was lost twice.
    CrmSession = "PUG-2005", "The vTiger session was lost twice in a row; it is tried again by itself.";
    /// The CRM refuses this record.
    CrmRefused = "PUG-2006", "vTiger refuses the record as it is; mend the data or the mapping and retry.";
    /// A write may have happened.
    OutcomeUnknown = "PUG-3001", "Whether a write arrived in vTiger is unknown; Pugmark looks before it writes again.";
    /// Waiting for a late write.
    Settling = "PUG-3002", "An earlier write may still arrive in vTiger; its window is waited out before anything is repeated.";
    /// Two answers contradict each other.
    Contradiction = "PUG-3003", "Two answers of vTiger contradict each other; it is asked again in a moment.";
    /// The contact is gone.
    LinkedRecordMissing = "PUG-3004", "The linked contact is gone from vTiger, or its user may not see it.";
    /// The contact belongs to another customer.
    LinkedElsewhere = "PUG-3005", "The contact that carries this customer's reference is linked to another customer.";
    /// No field for the reference.
    NoReferenceField = "PUG-3006", "vTiger has no contact field for the MicroBima customer id; creating contacts is held.";
    /// Not enough time left for a call.
    LeaseTooShort = "PUG-3007", "A call would not have ended before the operation's lease; it was not begun.";
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
