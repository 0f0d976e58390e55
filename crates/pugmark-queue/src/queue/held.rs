use super::row::load_leased;
use super::{Lease, Queue};
use crate::QueueError;
use crate::db::Conn;

impl Queue {
    /// Makes sure, inside a transaction that changes something in the middle of an attempt, that the attempt still holds its
    /// lease, and keeps it from being taken away until that transaction ends.
    ///
    /// # Errors
    /// [`QueueError::LeaseLost`]: the caller must change nothing.
    pub async fn check_lease(&self, conn: &mut Conn, lease: &Lease) -> Result<(), QueueError> {
        self.lock_lane(conn, &lease.lane).await?;
        match load_leased(conn, lease.operation, lease.token).await? {
            Some(_) => Ok(()),
            None => Err(QueueError::LeaseLost(lease.operation)),
        }
    }
}
