//! Granting and withdrawing a role.

use serde_json::Value as Json;
use uuid::Uuid;

use crate::changes::Changes;
use crate::client::Client;
use crate::error::CallError;
use crate::metadata::{Metadata, ROLES, with_role};
use crate::user::User;

/// What became of a role change.
#[derive(Debug, Clone, PartialEq)]
pub struct RoleChange {
    /// The user afterwards.
    pub user: User,
    /// Whether anything had to be written.
    pub changed: bool,
}

impl Client {
    /// Grants a user a role in `user_metadata.roles`, or withdraws it. Writes nothing when it is already so.
    ///
    /// The server replaces the array as a whole and cannot compare before it does, so the array is read, completed and
    /// written back. Changes for the same user made through this client and its clones wait for each other; two
    /// processes can still overwrite one another.
    ///
    /// # Errors
    /// As [`Client::get_user`] and [`Client::update_user`].
    pub async fn set_role(
        &self,
        id: Uuid,
        role: &str,
        granted: bool,
    ) -> Result<RoleChange, CallError> {
        let waiting = self.role_changes().enter(id);
        let _turn = self.before_deadline("get_user", waiting).await?;
        let user = self.get_user(id).await?;
        if user.roles().contains(&role) == granted {
            return Ok(RoleChange {
                user,
                changed: false,
            });
        }
        let current = user.user_metadata.get(ROLES).unwrap_or(&Json::Null);
        let roles = with_role(current, role, granted);
        let changes = Changes {
            user_metadata: Metadata::from_iter([(ROLES.to_owned(), Json::Array(roles))]),
            ..Changes::default()
        };
        let user = self.update_user(id, &changes).await?;
        Ok(RoleChange {
            user,
            changed: true,
        })
    }
}
