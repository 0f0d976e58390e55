//! Several real programs on one PostgreSQL.

mod postgres {
    use std::path::Path;
    use std::time::Duration;

    use pugmark::app;
    use pugmark::store::leader_lease;
    use pugmark_queue::db::{Db, DbError, DbOptions};

    use crate::harness::{World, Writer, eventually};
    use crate::http::Api;
    use crate::leader::{API, candidate, leads};
    use crate::program::{Serving, configured};

    /// `pugmark serve` that says in every session who it is, and asks vTiger all the time what changed.
    async fn serve(world: &World, folder: &Path, who: &str, lease: &str) -> Serving {
        let mut command = configured(world, folder, &["serve"]);
        let url = world.store.url();
        let sign = if url.contains('?') { '&' } else { '?' };
        command
            .env(
                "DATABASE_URL",
                format!("{url}{sign}options=-c%20test.who%3D{who}"),
            )
            .env("PUGMARK__SCHEDULER__LEASE", lease)
            .env("PUGMARK__VTIGER__POLL__INTERVAL", "1s");
        Serving::start(command).await
    }

    /// Notes which process writes the cursor of polls, in which term.
    async fn note_who_polls(program: &Writer) {
        for sql in [
            "CREATE TABLE public.polls (who TEXT, epoch BIGINT)",
            "CREATE FUNCTION public.note_poll() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO public.polls SELECT current_setting('test.who', true), epoch FROM pugmark.leader_lease; \
             RETURN NEW; END $$",
            "CREATE TRIGGER note_poll AFTER INSERT OR UPDATE ON pugmark.crm_cursors \
             FOR EACH ROW EXECUTE FUNCTION public.note_poll()",
        ] {
            program.sql(sql).await;
        }
    }

    async fn polls(program: &Writer, who: &str, epoch: i64) -> i64 {
        let polls = format!("public.polls WHERE who = '{who}' AND epoch = {epoch}");
        program.count(polls).await
    }

    /// Waits until this process has polled in this term, beyond what it had before.
    async fn polls_on(program: &Writer, who: &str, epoch: i64) {
        let before = polls(program, who, epoch).await;
        eventually("a poll of the leader", || async {
            (polls(program, who, epoch).await > before).then_some(())
        })
        .await;
    }

    /// A store that is migrated, with a note of who polls.
    async fn scene() -> Option<(World, Writer)> {
        let world = World::postgres().await?;
        let migrated = app::start(world.settings.clone(), API).await;
        migrated.expect("it starts").shutdown().await;
        let program = world.other_program().await;
        note_who_polls(&program).await;
        Some((world, program))
    }

    #[tokio::test]
    async fn when_the_leader_is_killed_another_process_takes_over() {
        let Some((world, program)) = scene().await else {
            return;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let first = serve(&world, folder.path(), "first", "3s").await;
        leads(&Api::at(first.address)).await;
        let second = serve(&world, folder.path(), "second", "3s").await;
        polls_on(&program, "first", 1).await;
        // SIGKILL.
        drop(first);
        let leader = leads(&Api::at(second.address)).await;
        assert_eq!(leader["term"], 2);
        let process = leader["process"].as_str().expect("a name");
        assert!(
            process.contains(&format!("/{}/", second.pid())),
            "{process}"
        );
        polls_on(&program, "second", 2).await;
        let others = "public.polls WHERE (who, epoch) NOT IN (('first', 1), ('second', 2))";
        assert_eq!(program.count(others).await, 0);
        assert_eq!(second.stop().await, 0);
    }

    #[tokio::test]
    async fn a_leader_that_was_frozen_writes_nothing_when_it_wakes_up() {
        let Some((world, program)) = scene().await else {
            return;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let first = serve(&world, folder.path(), "first", "3s").await;
        leads(&Api::at(first.address)).await;
        polls_on(&program, "first", 1).await;
        let second = serve(&world, folder.path(), "second", "3s").await;
        first.signal("STOP");
        leads(&Api::at(second.address)).await;
        polls_on(&program, "second", 2).await;
        first.signal("CONT");
        eventually("it finds out", || async {
            first.log().contains("PUG-6402").then_some(())
        })
        .await;
        polls_on(&program, "second", 2).await;
        let late = "public.polls WHERE who = 'first' AND epoch > 1";
        assert_eq!(program.count(late).await, 0);
        // It stands for election again, and takes over in its turn.
        assert_eq!(second.stop().await, 0);
        leads(&Api::at(first.address)).await;
        polls_on(&program, "first", 3).await;
        assert_eq!(first.stop().await, 0);
    }

    #[tokio::test]
    async fn a_leader_that_is_told_to_stop_hands_over_at_once() {
        let Some((world, _)) = scene().await else {
            return;
        };
        let folder = tempfile::tempdir().expect("a folder");
        // Nobody waits for such a lease to run out.
        let first = serve(&world, folder.path(), "first", "1h").await;
        leads(&Api::at(first.address)).await;
        let second = serve(&world, folder.path(), "second", "1h").await;
        assert_eq!(first.stop().await, 0);
        leads(&Api::at(second.address)).await;
        assert_eq!(second.stop().await, 0);
    }

    #[tokio::test]
    async fn a_takeover_waits_for_the_commit_of_the_leader_before_and_a_renewal_does_not() {
        let Some(world) = World::postgres().await else {
            return;
        };
        let running = app::start(world.settings.clone(), API)
            .await
            .expect("it starts");
        let lease = Duration::from_secs(3_600);
        let first = candidate(&running, "first", false).stand().await;
        first.expect("the store answers").expect("nobody leads");
        let (told, mut holds) = tokio::sync::mpsc::channel::<()>(1);
        let (commit, committed) = tokio::sync::oneshot::channel::<()>();
        let other = Db::open(world.store.url(), DbOptions::default())
            .await
            .expect("it opens a second time");
        let write = other.write("hold", move |conn| {
            Box::pin(async move {
                assert!(leader_lease::hold(conn, 1).await?);
                told.send(()).await.expect("the test listens");
                drop(committed.await);
                Ok::<_, DbError>(())
            })
        });
        let write = tokio::spawn(write);
        holds.recv().await.expect("it holds");
        let mut conn = running.db.read().await.expect("a connection");
        let renewed = leader_lease::renew(&mut conn, 1, lease).await;
        assert!(renewed.expect("the store answers"));
        let taken = leader_lease::take(&mut conn, "second", lease, true).await;
        assert_eq!(taken.expect("the store answers"), None);
        commit.send(()).expect("it waits");
        write.await.expect("no panic").expect("committed");
        let taken = leader_lease::take(&mut conn, "second", lease, true).await;
        assert_eq!(taken.expect("the store answers"), Some(2));
        let renewed = leader_lease::renew(&mut conn, 1, lease).await;
        assert!(
            !renewed.expect("the store answers"),
            "another term has begun"
        );
        drop(conn);
        running.shutdown().await;
    }
}
