//! The handle on a running look-alike of vTiger.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::builder::VtigerSandboxBuilder;
use super::config::UserSpec;
use super::crm::Crm;
use super::extension::CronReport;
use super::store::StoredRecord;
use super::ui;
use super::users::{NewUser, StoredUser};
use super::workflow::Workflow;
use crate::clock::Clock;
use crate::fault::Faults;
use crate::journal::Journal;
use crate::server::Server;
use crate::webhook::{WebhookFaults, WebhookRequest};

/// A vTiger CRM in memory, served over HTTP/1.1 on 127.0.0.1. Dropping it stops it.
pub struct VtigerSandbox {
    crm: Arc<Crm>,
    server: Server<Crm>,
    user: UserSpec,
}

impl VtigerSandbox {
    pub(super) fn new(crm: Arc<Crm>, server: Server<Crm>, user: UserSpec) -> Self {
        Self { crm, server, user }
    }

    /// Begins to describe a sandbox.
    pub fn builder() -> VtigerSandboxBuilder {
        VtigerSandboxBuilder::default()
    }

    /// `http://127.0.0.1:<port>`, the site's root.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server.address().port()
    }

    /// Login name of the first user.
    pub fn username(&self) -> &str {
        &self.user.name
    }

    /// Access key of the first user.
    pub fn access_key(&self) -> &str {
        &self.user.access_key
    }

    /// The fault plan, to be changed at any time.
    pub fn faults(&self) -> &Faults {
        self.crm.faults()
    }

    /// The journal of calls, effects and faults.
    pub fn journal(&self) -> Journal {
        self.crm.journal().clone()
    }

    /// The living records of a module by id, as `retrieve` would show them; converted leads are not among them. Empty for an
    /// unknown module.
    pub fn records(&self, module: &str) -> Vec<StoredRecord> {
        self.crm.records(module)
    }

    /// One living record; also a converted lead, which `retrieve` still shows.
    pub fn record(&self, id: &str) -> Option<StoredRecord> {
        self.crm.record(id)
    }

    /// A person edits a record in the user interface: `modifiedtime` and `modifiedby` (the first user) follow. Says
    /// whether the record exists and every field is known.
    pub fn edit(&self, id: &str, changes: &[(&str, &str)]) -> bool {
        self.crm.edit_as_person(id, changes)
    }

    /// A person creates a record in the user interface (`source` is `CRM`). Gives its id; none for an unknown module or
    /// field.
    pub fn insert_as_ui(&self, module: &str, fields: &[(&str, &str)]) -> Option<String> {
        self.crm.insert_as_person(module, fields)
    }

    /// The same by another user, such as `19x5`: `modifiedby` tells them apart from the one whose key a client uses. Says
    /// besides whether there is such a user.
    pub fn edit_as(&self, user: &str, id: &str, changes: &[(&str, &str)]) -> bool {
        self.crm.edit_as_user(user, id, changes)
    }

    /// A person deletes a record. Says whether it was there.
    pub fn remove(&self, id: &str) -> bool {
        self.crm.remove_as_person(id)
    }

    /// A person takes a record out of the recycle bin again. Says whether it lay there.
    pub fn restore(&self, id: &str) -> bool {
        self.crm.in_pages(|call| ui::restore(call, id)) == Some(true)
    }

    /// Ids of the deleted records of a module.
    pub fn deleted(&self, module: &str) -> Vec<String> {
        self.crm.recycled(module)
    }

    /// A person converts a lead into a contact. The built-in fields go over as a fresh installation maps them; `custom` names
    /// further pairs of a field of the lead and the field of the contact that gets its value. The contact says
    /// `isconvertedfromlead` `1`, comments and tasks move to it, and the lead is in no query any more. Gives the contact's id;
    /// none when there is no such lead, it was converted before, or a field is unknown.
    pub fn convert_lead(&self, lead: &str, custom: &[(&str, &str)]) -> Option<String> {
        self.crm
            .in_pages(|call| ui::convert(call, lead, custom, false))?
    }

    /// As [`VtigerSandbox::convert_lead`], but PHP dies in the middle: the contact is there, the lead stays what it was.
    pub fn convert_lead_halfway(&self, lead: &str, custom: &[(&str, &str)]) -> Option<String> {
        self.crm
            .in_pages(|call| ui::convert(call, lead, custom, true))?
    }

    /// Gives the server another clock from now on. A [`crate::ManualClock`] lets any number of changes share one second.
    pub fn set_clock(&self, clock: Clock) {
        self.crm.set_clock(clock);
    }

    /// The number that the next record gets: all modules count together. Numbers never go back.
    pub fn skip_to_record_number(&self, number: u64) {
        self.crm.skip_to_record_number(number);
    }

    /// Marks a field as unique, or takes the mark away, while running. Says whether the field exists.
    pub fn set_unique(&self, module: &str, field: &str, unique: bool) -> bool {
        self.crm.set_unique(module, field, unique)
    }

    /// An administrator makes a module's records private, so that callers without administrator's rights see their own
    /// only, or public again. Says whether the module exists.
    pub fn set_private(&self, module: &str, private: bool) -> bool {
        self.crm.state().set_private(module, private)
    }

    /// Every user that is not deleted, by id: active and inactive ones.
    pub fn users(&self) -> Vec<StoredUser> {
        self.crm.users()
    }

    /// One user that is not deleted.
    pub fn user(&self, id: &str) -> Option<StoredUser> {
        self.users().into_iter().find(|user| user.id == id)
    }

    /// Whether this is the user's password, as typed in the login page. It never is for the users that the sandbox was
    /// started with, until they get one.
    pub fn user_password_is(&self, id: &str, password: &str) -> bool {
        self.crm.user_password_is(id, password)
    }

    /// An administrator makes a user in the pages. Gives the id; none when a user of that name exists, active or not, or the
    /// role does not.
    pub fn add_user(&self, user: &NewUser) -> Option<String> {
        self.crm.in_pages(|call| call.add_user(user).ok()).flatten()
    }

    /// An administrator sets a user's status in the pages: `Active` or `Inactive`. Says whether there is such a user.
    pub fn set_user_status(&self, id: &str, status: &str) -> bool {
        self.edit(id, &[("status", status)])
    }

    /// An administrator sets a user's password in the pages. Says whether there is such a user.
    pub fn set_user_password(&self, id: &str, password: &str) -> bool {
        let set = self.crm.in_pages(|call| call.set_password_of(id, password));
        set == Some(true)
    }

    /// An administrator deletes a user in the pages and gives the records to another. Says whether there are such users.
    pub fn delete_user(&self, id: &str, heir: &str) -> bool {
        let deleted = self.crm.in_pages(|call| call.delete_user(id, heir));
        deleted == Some(true)
    }

    /// Adds a role such as `H7`, or renames it. Says whether the id is of that form.
    pub fn add_role(&self, id: &str, name: &str) -> bool {
        self.crm.add_role(id, name)
    }

    /// Ids and names of the roles; `H1` to `H5` are there from the start.
    pub fn roles(&self) -> Vec<(String, String)> {
        self.crm.roles()
    }

    /// Adds a group. Gives its id.
    pub fn add_group(&self, name: &str) -> String {
        self.crm.add_group(name)
    }

    /// An administrator installs Pugmark's extension.
    pub fn install_extension(&self) {
        self.crm.state().registry.set_extension(true);
    }

    /// An administrator removes Pugmark's extension: its operations are unknown again.
    pub fn remove_extension(&self) {
        self.crm.state().registry.set_extension(false);
    }

    /// Runs the extension's cron task once: what waits in the outbox is sent to the receiver set by `pugmark.webhook`, in
    /// order, until one fails. A failed message is due again after a pause by the look-alike's clock.
    pub async fn run_cron(&self) -> CronReport {
        self.crm.run_cron().await
    }

    /// What waits in the extension's outbox, each message signed as of now, for a test that sends them itself: in another order,
    /// many times, all at once. For the CRM they are sent.
    pub fn take_outbox(&self) -> Vec<WebhookRequest> {
        self.crm.take_outbox()
    }

    /// What becomes of webhooks on their way, from the next run of the cron task on.
    pub fn set_webhook_faults(&self, faults: WebhookFaults) {
        *self.crm.webhook_faults() = faults;
    }

    /// How many changes wait in the extension's outbox to be sent.
    pub fn webhooks_waiting(&self) -> usize {
        self.crm.state().extension.waiting()
    }

    /// The extension forgets all changes but the newest: `pugmark.changes` knows older cursors no more.
    pub fn keep_changes(&self, newest: usize) {
        self.crm.state().extension.keep_changes(newest);
    }

    /// PHP dies in the next `pugmark.upsert` after so many elements: those before are done, of the last one the record is
    /// there but its number was not noted, and nothing is answered.
    pub fn break_next_upsert_after(&self, elements: usize) {
        self.crm.state().extension.break_upsert_after = Some(elements);
    }

    /// An administrator of the hosted edition adds a workflow. Says whether it is possible: on the hosted edition, with a module
    /// and fields that exist.
    pub fn add_workflow(&self, workflow: Workflow) -> bool {
        self.crm.add_workflow(workflow)
    }

    /// The webhooks that workflows have called for since they were taken last, in order. Nothing sends them by itself.
    pub fn take_webhooks(&self) -> Vec<WebhookRequest> {
        std::mem::take(&mut self.crm.state().outgoing)
    }

    /// Sends the webhooks of workflows, once each whatever is answered, with the faults that were set. Gives what is answered
    /// to each: the HTTP status, none for no answer.
    pub async fn send_workflow_webhooks(&self) -> Vec<Option<u16>> {
        let faults = self.crm.webhook_faults().clone();
        crate::webhook::send_webhooks(self.take_webhooks(), &faults).await
    }

    /// An administrator deletes the row that types `roleid` as a reference, so that users can be created, as with
    /// [`crate::Variant::RoleidDbFix`].
    pub fn apply_roleid_fix(&self) {
        self.crm.state().catalogue.make_roleid_text();
    }

    /// An administrator corrects the paths of `changePassword` and `deleteUser`, which work from then on.
    pub fn repair_password_operation(&self) {
        self.crm.state().registry.repair_user_files();
    }

    /// Ends every session, as a restart of the host with an emptied session directory does.
    pub fn drop_all_sessions(&self) {
        self.crm.drop_all_sessions();
    }

    /// Closes the port and cuts every connection: clients meet "connection refused". Calls being executed still
    /// have their effect.
    pub async fn go_down(&self) {
        self.server.go_down().await;
    }

    /// Opens the same port again.
    ///
    /// # Errors
    /// When another program has taken the port meanwhile.
    pub async fn come_back(&self) -> io::Result<()> {
        self.server.come_back().await
    }

    /// Stops serving.
    pub async fn shutdown(self) {
        self.server.go_down().await;
    }
}

impl fmt::Debug for VtigerSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VtigerSandbox")
            .field("address", &self.server.address())
            .finish_non_exhaustive()
    }
}
