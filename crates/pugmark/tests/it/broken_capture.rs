//! Capture on a database that MicroBima made: whatever is wrong with it, MicroBima's own writes go through, and what was
//! lost is found.

mod broken;
mod passed_by;

use pugmark::capture::gap::{Sweep, Sweeper};
use pugmark::config::{Mode, NOTABLE};
use pugmark_queue::db::{Db, DbOptions};

use crate::harness::{eventually, new_id};
use crate::microbima::{Microbima, NOW, Program, Who, child, customer, payment, policy};

/// A family of which Pugmark knows everything: attached, first pass made, all planned. Nothing is delivered.
struct Known {
    microbima: Microbima,
    application: Program,
    administrator: Program,
    customer: String,
    policy: String,
}

impl Known {
    async fn new() -> Option<Self> {
        let mut microbima = Microbima::new().await?;
        microbima.world.settings.crm = None;
        microbima.world.settings.insurance.notes.significant = NOTABLE.map(str::to_owned).into();
        microbima.attach().await;
        let mut application = microbima.connect(Who::Application).await;
        let administrator = microbima.connect(Who::Administrator).await;
        let (id, policy_id) = (new_id(), new_id());
        application.run(&customer(&id, "Otieno")).await;
        application.run(&policy(&policy_id, &id)).await;
        let mut known = Known {
            microbima,
            application,
            administrator,
            customer: id,
            policy: policy_id,
        };
        known.find().await;
        Some(known)
    }

    /// Plans what waits and sweeps until there is nothing to find, and says what was found.
    async fn find(&mut self) -> usize {
        let running = pugmark::app::start(
            self.microbima.world.settings.clone(),
            pugmark::app::Roles {
                scheduler: false,
                ..pugmark::app::Roles::ALL
            },
        )
        .await
        .expect("Pugmark starts");
        let healed = self.sweep(&running.db).await.healed;
        assert_eq!(self.sweep(&running.db).await.healed, 0, "found once");
        running.shutdown().await;
        healed
    }

    async fn sweep(&mut self, db: &Db) -> Sweep {
        self.wait_until_planned().await;
        let significant = NOTABLE.map(str::to_owned).into();
        let swept = Sweeper::new(db.clone(), Mode::Live, &significant)
            .sweep()
            .await
            .expect("a sweep");
        self.wait_until_planned().await;
        swept
    }

    async fn wait_until_planned(&mut self) {
        let db = Db::open(
            &self.microbima.url(Who::Administrator),
            DbOptions::default(),
        )
        .await
        .expect("the store opens");
        eventually("the end of planning", || async {
            let mut conn = db.read().await.expect("a connection");
            let (waiting,): (i64,) = pugmark_queue::on!(&mut conn, |c| {
                sqlx::query_as(
                "SELECT count(*) FROM change_log WHERE processed_at IS NULL AND event <> 'TRUNCATE'"
            )
            .fetch_one(c)
            .await
            })
            .expect("a count");
            (waiting == 0).then_some(())
        })
        .await;
        db.close().await;
    }

    /// Every kind of statement that the application sends, each on rows of its own.
    async fn write_everything(&mut self) -> Written {
        let written = Written {
            customer: new_id(),
            children: [new_id(), new_id()],
        };
        let application = &mut self.application;
        application.run(&customer(&written.customer, "Kamau")).await;
        // createMany.
        let children = child(&written.children[0], &written.customer, "Zuri");
        let more = child(&written.children[1], &written.customer, "Baraka");
        let values = more.split("VALUES").nth(1).expect("values").to_owned();
        application.run(&format!("{children},{values}")).await;
        application
            .run(&payment(&self.policy, &written.customer[..10], "25.50"))
            .await;
        application
            .run(&format!(
                "UPDATE \"public\".\"policies\" SET \"status\" = 'ACTIVE', \"updatedAt\" = {NOW} WHERE \"id\" = '{}'",
                self.policy
            ))
            .await;
        application
            .run(&format!(
                "DELETE FROM \"public\".\"dependants\" WHERE \"id\" = '{}'",
                written.children[1]
            ))
            .await;
        written
    }

    async fn notes(&mut self) -> Vec<String> {
        self.administrator
            .list("SELECT entity_id FROM pugmark.vtiger_sync_queue WHERE kind = 'note.create' ORDER BY 1")
            .await
    }
}

struct Written {
    customer: String,
    children: [String; 2],
}
