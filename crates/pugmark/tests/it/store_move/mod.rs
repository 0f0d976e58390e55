//! `pugmark migrate-store`: everything arrives in PostgreSQL, once, whatever happens on the way; and at no moment are both
//! stores served.

mod filled;
mod postgres;

use std::path::PathBuf;

use pugmark::store;
use pugmark::store::moving::{Move, MoveError, Options, Report};
use pugmark_queue::db::{Db, DbOptions};
use pugmark_queue::testing::TestDb;

use crate::harness::{World, Writer};

/// A SQLite store with a look-alike before it, and an empty PostgreSQL database.
struct Stores {
    world: World,
    target: TestDb,
}

/// What is asked of a run.
#[derive(Clone, Copy)]
enum Ask {
    Run,
    Restart,
    Look,
    Verify,
}

impl Stores {
    /// `None` where there is no PostgreSQL.
    async fn new() -> Option<Self> {
        let target = TestDb::postgres().await?;
        Writer::on(target.url())
            .await
            .sql("DROP SCHEMA pugmark CASCADE")
            .await;
        let world = World::sqlite().await;
        store::migrate(world.store.db()).await.expect("migrated");
        Some(Stores { world, target })
    }

    async fn source(&self) -> Writer {
        self.world.other_program().await
    }

    async fn target(&self) -> Writer {
        Writer::on(self.target.url()).await
    }

    fn path(&self) -> PathBuf {
        self.world.store.path().expect("a SQLite file")
    }

    /// Small batches, so that tables have several.
    async fn ask(&self, ask: Ask) -> Result<Report, MoveError> {
        let open = |url: String| async move {
            Db::open(&url, DbOptions::default())
                .await
                .expect("the store opens")
        };
        let (from, to) = (
            open(self.world.store.url().to_owned()).await,
            open(self.target.url().to_owned()).await,
        );
        let options = Options {
            from_shown: "sqlite:here.db".to_owned(),
            to_shown: "postgres://there".to_owned(),
            batch: 3,
            restart: matches!(ask, Ask::Restart),
        };
        let moving = Move::new(&from, &to, options);
        let mut unwatched = |_: store::moving::Doing, _: &str, _: u64, _: u64| {};
        let done = match ask {
            Ask::Run | Ask::Restart => moving.run(&mut unwatched).await,
            Ask::Look => moving.look(&mut unwatched).await,
            Ask::Verify => moving.verify(&mut unwatched).await,
        };
        from.close().await;
        to.close().await;
        done
    }

    async fn refused(&self, ask: Ask) -> String {
        match self.ask(ask).await {
            Err(error) => error.to_string(),
            Ok(report) => panic!("it was not refused: {report:?}"),
        }
    }

    /// The program's settings with the store it was moved to.
    fn moved(&self) -> pugmark::config::Settings {
        let mut settings = self.world.settings.clone();
        settings.database.url = self.target.url().to_owned();
        settings
    }
}

/// What the report says of tables that are not the same on both sides.
fn differing(report: &Report) -> Vec<&str> {
    let tables = report.tables.iter().filter(|table| !table.is_equal());
    tables.map(|table| table.table.as_str()).collect()
}
