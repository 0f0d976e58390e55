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
    /// MicroBima's database cannot be watched.
    CannotAttach = "PUG-1202", "MicroBima's database cannot be watched as it is; everything in the way is listed with its fix.";
    /// It is not watched yet.
    NotAttached = "PUG-1203", "MicroBima's database is not attached; `pugmark attach` does it.";
    /// A table was locked.
    TableBusy = "PUG-1204", "A table of MicroBima was in use for too long to put triggers on it; the command can be run again.";
    /// Somebody still serves.
    StillServed = "PUG-1205", "Another Pugmark is connected to the database that is to be detached; stop it first.";
    /// Capture swallowed an error.
    NotCaptured = "PUG-1206", "Changes could not be captured when they were written; the gap sweep finds them.";
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
    /// A mapping names no known source.
    MappingSource = "PUG-2101", "The mapping names a source that Pugmark does not know, or one that cannot be the kind of value it asks for.";
    /// A mapping names no field.
    MappingFieldMissing = "PUG-2102", "vTiger has no such field, or several of that label; the value is not sent.";
    /// A mapping names a field that cannot be set.
    MappingFieldReadOnly = "PUG-2103", "The field cannot be set through vTiger's web service; the value is not sent.";
    /// A mapping names a field of another type.
    MappingFieldType = "PUG-2104", "The field holds another kind of value than the mapping; what cannot be converted is not sent.";
    /// Two mappings name one field or one source.
    MappingTaken = "PUG-2105", "Another mapping fills this field or carries this source.";
    /// A mapping names a module that is not filled.
    MappingModule = "PUG-2106", "Customers become Contacts; mappings of other modules are not used.";
    /// A mapping that deliveries cannot do without.
    MappingNeeded = "PUG-2107", "Without this mapping contacts could not be created or found again.";
    /// A mapping could not be checked.
    MappingUnchecked = "PUG-2108", "vTiger could not be asked, so the mapping is not checked.";
    /// Log lines were lost.
    LogLinesLost = "PUG-2110", "Log lines came faster than the store takes them, or the store refused them; they are counted, not kept.";
    /// Operations are overdue.
    Overdue = "PUG-2111", "Operations have been due for over a minute and nobody carries them out.";
    /// A source that is never taken over from the CRM.
    MappingNotBack = "PUG-2112", "Values of this source are never taken over from vTiger; only to_crm works for it.";
    /// A write may have happened.
    OutcomeUnknown = "PUG-3001", "Whether a write arrived in vTiger is unknown; Pugmark looks before it writes again.";
    /// Waiting for a late write.
    Settling = "PUG-3002", "An earlier write may still arrive in vTiger; its window is waited out before anything is repeated.";
    /// Two answers contradict each other.
    Contradiction = "PUG-3003", "Two answers of vTiger contradict each other; it is asked again in a moment.";
    /// The record is gone.
    LinkedRecordMissing = "PUG-3004", "The linked record is gone from vTiger, or its user may not see it.";
    /// The contact belongs to another customer.
    LinkedElsewhere = "PUG-3005", "The contact that carries this customer's reference is linked to another customer.";
    /// No field for the reference.
    NoReferenceField = "PUG-3006", "vTiger has no contact field for the MicroBima customer id; creating contacts is held.";
    /// Not enough time left for a call.
    LeaseTooShort = "PUG-3007", "A call would not have ended before the operation's lease; it was not begun.";
    /// What belongs to a contact waits for it.
    NoContactYet = "PUG-3008", "The customer has no contact in vTiger yet; what belongs to it waits until there is one.";
    /// An operation that does not say what to sum up.
    SummaryUnreadable = "PUG-3301", "A weekly summary names no customer or no week; it cannot be made.";
    /// Too long a downtime.
    WeeksLeftOut = "PUG-3302", "More weeks were missed than are made up for; the oldest were not summed up.";
    /// Nobody can be chosen for tasks.
    AssigneesUnreadable = "PUG-3401", "The CRM user may not see vTiger's users or groups, so nobody can be chosen for tasks; make it an administrator, or choose nobody.";
    /// Comparing both sides has found something.
    OutOfStep = "PUG-3501", "Comparing both sides has found records that are not in step.";
    /// A contact might exist already.
    HeldByBackfill = "PUG-3502", "Whether the customer has a contact already is not known; none is created until the first sync, or a person, has decided.";
    /// A converted lead lacks what MicroBima needs.
    LeadIncomplete = "PUG-3601", "A converted lead lacks what a customer needs; fill it in in vTiger or in Pugmark, and it goes on.";
    /// Another customer has the same document, e-mail or phone.
    LeadUndecided = "PUG-3602", "A converted lead looks like a customer there is already; a person has to decide.";
    /// The conversion left no contact.
    LeadWithoutContact = "PUG-3603", "The conversion of a lead left no contact in vTiger, so there is nobody to make a customer of.";
    /// The contact is gone.
    LeadContactGone = "PUG-3604", "The contact of a converted lead is gone from vTiger, or its user may not see it.";
    /// It was no lead.
    NotConverted = "PUG-3605", "The contact did not come out of a converted lead, as far as vTiger tells.";
    /// MicroBima's API is missing or not to be used.
    PartnerApiNotUsable = "PUG-3606", "MicroBima's partner API is not configured, or does not accept the key, the partner or the package scheme.";
    /// MicroBima's API cannot be reached.
    PartnerApiUnavailable = "PUG-3607", "MicroBima's partner API could not be reached or was not able to answer; it is tried again by itself.";
    /// A call may have made the customer.
    PartnerApiUnclear = "PUG-3608", "Whether MicroBima made the customer is unknown; Pugmark looks in its tables before it asks again.";
    /// The customer of a lead whose conversion is under way.
    Reserved = "PUG-3609", "The customer may be the one that a converted lead is just becoming; its contact is not made before that is known.";
    /// This vTiger cannot make users.
    CannotCreateUsers = "PUG-4001", "This vTiger cannot create users through its API; the operation goes on by itself once it can.";
    /// This vTiger cannot set passwords.
    CannotSetPasswords = "PUG-4002", "This vTiger cannot set passwords through its API; the operation goes on by itself once it can.";
    /// This vTiger cannot enable users.
    CannotEnableUsers = "PUG-4003", "This vTiger cannot enable a disabled user through its API; the operation goes on by itself once it can.";
    /// The user name belongs to somebody else.
    UserNameTaken = "PUG-4004", "The user name belongs to another user of vTiger.";
    /// Nobody can find out whether the user exists.
    UserUnclear = "PUG-4005", "Whether vTiger made the user cannot be found out; a person has to look before it is tried again.";
    /// The e-mail belongs to another login.
    EmailTaken = "PUG-4006", "Another login has this e-mail address.";
    /// There is no such login.
    LoginMissing = "PUG-4007", "The account has no login in Supabase (any more).";
    /// Supabase refuses what it was asked.
    LoginRefused = "PUG-4008", "Supabase refuses the login or the password as it is.";
    /// Supabase cannot be reached.
    LoginsUnavailable = "PUG-4009", "Supabase could not be reached or was not able to answer; it is tried again by itself.";
    /// Supabase does not accept the key.
    LoginsCredentials = "PUG-4010", "Supabase does not accept the key, or it is not an admin's key.";
    /// A write to Supabase may have happened.
    LoginUnclear = "PUG-4011", "Whether a change arrived in Supabase is unknown; Pugmark looks before it writes again.";
    /// The sealed password does not open.
    PasswordUnreadable = "PUG-4012", "The sealed password cannot be opened with the configured key; retry with a new password.";
    /// A setting is missing.
    AccountsNotConfigured = "PUG-4013", "A setting that staff accounts need is missing.";
    /// A member's login, or no ambassador.
    NotStaff = "PUG-4014", "The login belongs to a member or to nobody of the staff; it gets no CRM user.";
    /// MicroBima's database refuses the ambassador.
    AmbassadorRefused = "PUG-4015", "The brand ambassador cannot be stored as it is.";
    /// Another operation has set another password since.
    PasswordOutdated = "PUG-4016", "Another password was set in Supabase since; retry with a new one, so that both systems have the same.";
    /// Both sides changed a field.
    Conflict = "PUG-5101", "Both sides changed a field, and the mapping asks a person; the conflicts desk shows both values.";
    /// MicroBima cannot take the CRM's value.
    NotAccepted = "PUG-5102", "MicroBima cannot take what somebody entered in vTiger; mend it there, or decide at the conflicts desk.";
    /// MicroBima's database does not allow the write.
    WriteBackForbidden = "PUG-5103", "MicroBima's database does not allow Pugmark to write what was edited in vTiger.";
    /// A poll fails.
    PollFailed = "PUG-5104", "vTiger could not be asked what changed; it is asked again, and nothing is missed.";
    /// An onboarding job's operation ended before the job did.
    JobGivenUp = "PUG-6001", "The operation that carried an onboarding job out failed for good or was discarded; have the job tried again.";
    /// A lead cannot be set up as it is.
    LeadUnfit = "PUG-6101", "The lead lacks what Maxio needs, or holds what Maxio cannot take; mend what is named and retry the job.";
    /// The lead's status has changed.
    LeadNotReady = "PUG-6102", "The lead is no longer ready for the setup in Maxio, so nothing was made.";
    /// The lead is not to be seen.
    LeadGone = "PUG-6103", "The lead is gone from vTiger, or its user may not see it, and no contact came out of it.";
    /// No field for Maxio's ids.
    LeadFieldMissing = "PUG-6104", "vTiger has no field for what the lead is to be told; nothing is made in Maxio before there is one.";
    /// vTiger keeps something else.
    LeadNotTold = "PUG-6105", "vTiger does not keep what is written to the lead; the fields have to be mended.";
    /// Shadow mode.
    JobInShadow = "PUG-6106", "In shadow mode nothing is made in Maxio; retry the job in live mode.";
    /// Maxio cannot be reached.
    MaxioUnavailable = "PUG-6201", "Maxio could not be reached or was not able to answer; it is tried again by itself.";
    /// A write may have happened.
    MaxioUnclear = "PUG-6202", "Whether a call arrived in Maxio is unknown; Pugmark looks there before it repeats anything.";
    /// Maxio refuses.
    MaxioRefused = "PUG-6203", "Maxio refuses what was to be made; mend what is named and retry the job.";
    /// Maxio does not accept the key.
    MaxioCredentials = "PUG-6204", "Maxio does not accept the API key, or has closed the site.";
    /// Over a call limit.
    MaxioThrottled = "PUG-6205", "Maxio limits the number of calls; work goes on when it allows.";
    /// Something else stands there already.
    MaxioOccupied = "PUG-6206", "Something stands in Maxio already that does not fit the lead; a person has to decide.";
    /// Nobody does what is done by the clock.
    NoLeader = "PUG-6401", "No process carries out what is done by the clock: polling, sweeping, comparing, summing up.";
    /// Another process leads.
    LeadershipLost = "PUG-6402", "This process no longer leads the work by the clock; another one takes over, and nothing is lost.";
    /// Redis cannot be reached.
    RedisUnavailable = "PUG-6501", "Redis cannot be used; each process goes on by itself, and it is tried again by itself.";
    /// Redis does not accept us.
    RedisRefused = "PUG-6502", "Redis does not accept the user or the password, or the user lacks a right.";
    /// There is no key to seal sessions under.
    SessionsNotShared = "PUG-6503", "Sessions of vTiger are not shared through Redis, because there is no key to seal them under.";
    /// RabbitMQ does not answer.
    BrokerUnavailable = "PUG-7001", "RabbitMQ cannot be reached; work is found by looking, and the connection is tried again by itself.";
    /// RabbitMQ does not let the user in.
    BrokerRefused = "PUG-7002", "RabbitMQ does not accept the user, the password or the virtual host, or the user lacks a right.";
    /// A queue exists in another form.
    BrokerDiffers = "PUG-7003", "A queue or exchange exists at RabbitMQ in another form than is asked for.";
    /// A message of another program cannot be taken in.
    MessageNotTaken = "PUG-7004", "A message of another program cannot be taken in; it is among the dead letters, with the reason.";
    /// A form for nobody.
    FormClientUnknown = "PUG-6301", "The lead or contact that an onboarding form is for is not in vTiger, or its user may not see it.";
    /// A form for one of several.
    FormClientUnclear = "PUG-6302", "The lead that an onboarding form is for was converted, and which contact it became is not clear.";
    /// A sealed form that does not open.
    FormUnreadable = "PUG-6303", "A sealed onboarding form cannot be opened with the configured key.";
    /// Nothing is written now.
    FormHeld = "PUG-6304", "An onboarding form is kept and not written, because Pugmark runs in shadow mode.";
    /// There is no key.
    FormsClosed = "PUG-6305", "PUGMARK_SEAL_KEY is not set; without it no onboarding form is taken in and no link made.";
    /// A question without a field.
    FormFieldMissing = "PUG-6306", "vTiger has no field for an answer of the onboarding form; the answer is kept, and not in vTiger.";
    /// A link that opens nothing.
    LinkInvalid = "PUG-6307", "A link to the onboarding form has expired, was revoked, or is not one of ours.";
    /// A store that is being filled.
    StoreFilling = "PUG-6601", "The store is being filled by `pugmark migrate-store` and is not complete, so it is not served.";
    /// A store that was moved.
    StoreMoved = "PUG-6602", "The SQLite store was moved to PostgreSQL; this file is no longer served.";
    /// Two stores between which nothing is moved.
    MoveRefused = "PUG-6603", "A store cannot be moved as it was asked for; nothing was changed in the source.";
    /// Values that PostgreSQL does not take.
    MoveUnfit = "PUG-6604", "The SQLite store holds values that PostgreSQL cannot keep; each is named, and nothing is left out.";
    /// The copy is not like the source.
    MoveDiffers = "PUG-6605", "Source and target of a move do not hold the same; the source is still the store.";
    /// A pooler in transaction mode.
    PostgresPooler = "PUG-6701", "PostgreSQL is reached through a pooler in transaction mode; what needs a session of its own needs the server's own address.";
    /// Too few connections.
    PostgresConnections = "PUG-6702", "PostgreSQL has too few connections for what the processes of Pugmark may use.";
    /// Wrong address or password.
    SignInRefused = "PUG-6801", "The e-mail address or the password is not right, or the account may not sign in.";
    /// The role does not allow it.
    RoleNotEnough = "PUG-6802", "The person's role does not allow this in the console.";
    /// A form of another session or site.
    ForeignForm = "PUG-6803", "A form of the console was made for another session or sent from another site; nothing was done.";
    /// Too many attempts.
    SignInThrottled = "PUG-6804", "Too many attempts to sign in have failed; further ones are refused for a while.";
    /// A one-time link that works no more.
    OneTimeLink = "PUG-6805", "A one-time link was used before, has expired, or is not one of ours.";
    /// A flow fails too often.
    FailureRate = "PUG-6841", "More of a flow's attempts fail than should.";
    /// There are dead letters.
    DeadLetters = "PUG-6842", "Operations failed for good and wait for a person.";
    /// An outside system is left alone.
    SystemInTrouble = "PUG-6843", "An outside system does not answer as it should and is left alone for a while.";
    /// A message about an alert did not get out.
    AlertNotSent = "PUG-6844", "A message about an alert could not be sent.";
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
