//! `user.update`: brings the user of the CRM to the state of the ambassador's row.
//!
//! What both sides last agreed on decides what is sent: nothing when nothing differs. The login is left alone, as MicroBima
//! does: it signs a disabled ambassador out by the row's own flag.

use std::collections::BTreeMap;

use pugmark_queue::QueueError;
use pugmark_queue::db::Ts;
use serde_json::{Value, json};
use vtiger::{CallError, Class, RecordId, RefusalReason};

use super::agreement;
use super::attempt::Attempt;
use crate::crm::USERS;
use crate::crm::accounts::{self, Ability, Way};
use crate::delivery::Trouble;
use crate::flows::insurance::plan::{USER, kind};
use crate::problem::Code;
use crate::store::account_steps::{self, Step};
use crate::store::links;

/// Fields of a user with their values.
pub(super) type Fields = BTreeMap<String, String>;

pub(super) const STATUS: &str = "status";
pub(super) const PHONE: &str = "phone_mobile";
const ACTIVE: &str = "Active";
const INACTIVE: &str = "Inactive";

/// The fields of a user that follow the ambassador's row.
pub(super) fn fields(active: bool, phone: Option<&str>) -> Fields {
    let status = if active { ACTIVE } else { INACTIVE };
    let mut fields = Fields::from([(STATUS.to_owned(), status.to_owned())]);
    if let Some(phone) = phone {
        fields.insert(PHONE.to_owned(), phone.to_owned());
    }
    fields
}

impl Attempt<'_> {
    /// What the user should be by the ambassador's row, and whether it is to be active.
    async fn wanted(&self) -> Result<(Fields, bool), Trouble> {
        let row = self.ambassador_row().await?;
        // A row that is gone counts as disabled.
        let active = row.as_ref().is_some_and(|row| row.is_active);
        let phone = row.as_ref().and_then(|row| row.phone_number.as_deref());
        Ok((fields(active, phone), active))
    }

    pub(super) async fn bring_in_step(&mut self) -> Result<Value, Trouble> {
        let Some(user) = self.crm_id() else {
            return Ok(
                json!({ "result": "nothing to do", "why": "the ambassador has no user in vTiger" }),
            );
        };
        let (wanted, active) = self.wanted().await?;
        // What may have been sent and not been heard of: what was agreed on may no longer be so, and all of it is sent.
        let in_doubt = self.status_in_doubt();
        let changed = match in_doubt {
            Some(_) => wanted.clone(),
            None => self.difference(&wanted),
        };
        if changed.is_empty() {
            return Ok(json!({ "result": "unchanged", "vtigerId": user }));
        }
        // It may still arrive, and would undo what is sent now.
        if let Some(since) = in_doubt
            && self.now().await? < since.after(self.deliverer.crm.settings.settle_window())
        {
            return Err(Trouble::later(
                Code::Settling,
                "an earlier change may still arrive in vTiger; its window is waited out".to_owned(),
            ));
        }
        self.crm_is_open()?;
        self.send(&user, wanted, changed, active).await
    }

    /// Since when a change of the user may be on its way of which nothing was heard. An update does nothing else in the CRM;
    /// what does more notes the step.
    fn status_in_doubt(&self) -> Option<Ts> {
        if self.operation.kind == kind::USER_UPDATE {
            return self.operation.unknown_at;
        }
        self.progress
            .of(Step::CrmStatus)
            .map(|stand| stand.begun_at)
    }

    fn difference(&self, wanted: &Fields) -> Fields {
        wanted
            .iter()
            .filter(|(field, value)| self.link.snapshot.get(*field) != Some(value))
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect()
    }

    async fn send(
        &mut self,
        user: &RecordId,
        wanted: Fields,
        changed: Fields,
        active: bool,
    ) -> Result<Value, Trouble> {
        let (client, abilities) = (self.crm(), &self.deliverer.crm.accounts);
        let way = abilities.change(&client).await;
        let way = match way.map_err(|error| self.crm_trouble(&error))? {
            Ok(way) => way,
            Err(lack) => return Err(self.lacking(lack)),
        };
        let sent: Vec<String> = changed.keys().cloned().collect();
        if self.operation.kind != kind::USER_UPDATE {
            self.begin_steps(&[Step::CrmStatus]).await?;
        }
        let told = accounts::change(&client, way, user, &changed).await;
        if let Err(error) = &told
            && error.class() != Class::Unknown
        {
            self.withdraw_steps(&[Step::CrmStatus]).await?;
        }
        match told {
            Ok(()) => {
                self.agreed(user, wanted, way == Way::Extension).await?;
                Ok(json!({ "result": "updated", "vtigerId": user, "fields": sent }))
            }
            Err(error) if way == Way::WebService && is_out_of_reach(&error) => {
                self.out_of_reach(user, active).await
            }
            Err(error) => {
                if error.reason() == Some(RefusalReason::NotFound) {
                    return Err(Trouble::refused(
                        Code::LinkedRecordMissing,
                        format!(
                            "The linked user {user} is gone from vTiger; restore it, or discard this"
                        ),
                    ));
                }
                Err(self.crm_trouble(&error))
            }
        }
    }

    /// vTiger's own web service does not see inactive users. One that should be inactive is where it should be; what else
    /// differs goes along when the user is enabled.
    async fn out_of_reach(&mut self, user: &RecordId, active: bool) -> Result<Value, Trouble> {
        if !active {
            let mut known = self.link.snapshot.clone();
            known.insert(STATUS.to_owned(), INACTIVE.to_owned());
            self.agreed(user, known, false).await?;
            return Ok(
                json!({ "result": "unchanged", "vtigerId": user, "why": "the user is inactive in vTiger already" }),
            );
        }
        let abilities = &self.deliverer.crm.accounts;
        let enabling = abilities.enable(&self.crm()).await;
        Err(match enabling.map_err(|error| self.crm_trouble(&error))? {
            Err(lack) => self.lacking(lack),
            // It was installed this very moment.
            Ok(_) => Trouble::later(
                Code::CannotEnableUsers,
                "vTiger can enable users now; it is tried again".to_owned(),
            ),
        })
    }

    /// `enabling`: what was used can enable users, too.
    async fn agreed(
        &mut self,
        user: &RecordId,
        known: Fields,
        enabling: bool,
    ) -> Result<(), Trouble> {
        let agreement = agreement(user.as_str(), known, &[]);
        let queue = self.deliverer.queue.clone();
        let person = self.user().to_owned();
        self.commit("user in step", move |conn, operation, now| {
            Box::pin(async move {
                account_steps::withdraw(conn, operation, Step::CrmStatus).await?;
                links::set_synced(conn, USER, &person, USERS, &agreement, now).await?;
                if enabling {
                    queue.unblock(conn, Ability::Enable.key()).await?;
                }
                Ok::<_, QueueError>(())
            })
        })
        .await
    }
}

/// Inactive, or gone.
fn is_out_of_reach(error: &CallError) -> bool {
    matches!(error.reason(), Some(RefusalReason::NotFound))
}
