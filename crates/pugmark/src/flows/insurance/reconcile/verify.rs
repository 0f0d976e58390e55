//! The rolling verifier: compares linked contacts with their customers, those first whose proof is oldest, as long as nobody else
//! needs the CRM.

use std::time::Duration;

use pugmark_queue::db::Ts;
use tracing::Instrument;

use super::run::out_of_step;
use super::{CompareError, Comparer, PAGE, Reconciler, Step, Verdict};
use crate::problem::Code;
use crate::store::{reconcile, standing};

/// What was compared is not compared again for so long.
const FRESH: Duration = Duration::from_secs(3600);

impl Reconciler {
    /// Compares the next page of linked contacts. Fields that differ are put right as `pugmark reconcile --fix` does it.
    ///
    /// # Errors
    /// When store or CRM do not answer.
    pub async fn verify(&self) -> Result<Step, CompareError> {
        if let Some(pause) = self.crm.spared_for() {
            return Ok(Step::Wait(pause));
        }
        let mut conn = self.db.read().await?;
        let run = reconcile::latest(&mut conn).await?;
        if run.is_some_and(|run| run.ended_at.is_none()) {
            return Ok(Step::Idle);
        }
        let customers = standing::least_checked(&mut conn, Ts::now().before(FRESH), PAGE).await?;
        drop(conn);
        // People's changes first.
        if customers.is_empty() || !self.queue.due(Duration::ZERO).await?.is_empty() {
            return Ok(Step::Idle);
        }
        let correlation_id = format!("verify-{}", uuid::Uuid::now_v7());
        let span = tracing::error_span!("verify", %correlation_id);
        self.verify_page(&customers, &correlation_id)
            .instrument(span)
            .await?;
        Ok(Step::Done)
    }

    async fn verify_page(
        &self,
        customers: &[String],
        correlation_id: &str,
    ) -> Result<(), CompareError> {
        let (client, _calls) = self.client(correlation_id);
        let comparer = Comparer::new(&self.db, &self.crm, &client, &self.setting).await?;
        let compared = comparer.compare(customers).await;
        self.crm.heed_quota();
        for compared in compared? {
            self.note_checked(&compared).await?;
            if matches!(compared.verdict, Verdict::Equal | Verdict::UnderWay) {
                continue;
            }
            let found = out_of_step(compared, false);
            let repairer = self.repairer(correlation_id, "verifier");
            let found = self
                .db
                .write("repair", move |conn| {
                    Box::pin(async move { found.settle(conn, repairer.as_ref()).await })
                })
                .await?;
            tracing::warn!(
                code = %Code::OutOfStep,
                customer = found.entity_id,
                contact = found.vtiger_id,
                found = found.kind,
                repaired = found.repaired,
                "a customer and its contact are not in step"
            );
        }
        Ok(())
    }
}
