//! The disk under the store is full again and again, while vTiger goes on: what it did and could not be noted is not done twice,
//! and with room on the disk everything goes on by itself.

mod sqlite {
    use std::io::Write;
    use std::path::Path;
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use pugmark_queue::db::Engine;
    use pugmark_sandbox::Latency;

    use crate::chaos::load::Load;
    use crate::chaos::{Campaign, oracle, patient, report};
    use crate::crash::serve;
    use crate::harness::{World, Writer, eventually, sandbox};
    use crate::program::{Serving, is_root};

    /// What the disk holds.
    const SIZE: usize = 24 << 20;

    #[tokio::test]
    async fn what_could_not_be_noted_on_a_full_disk_is_not_done_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        let Some(disk) = Disk::mount(folder.path()) else {
            return report::left_out("disk_full", "sqlite", "no disk may be mounted here");
        };
        let mut campaign = Campaign::begin("disk_full", Engine::Sqlite);
        let world = World::sqlite().await;
        let world = world
            .before(sandbox().latency(Latency::Fixed(Duration::from_millis(10))))
            .await;
        let url = format!("sqlite:{}", disk.0.join("store.db").display());
        let mut command = patient(serve(&world, folder.path()));
        command.env("DATABASE_URL", &url);
        let serving = Serving::start(command).await;
        let program = Writer::on(&url).await;
        let mut load = Load::new(campaign.seed);
        load.insert_many(&program, campaign.size(60, 500)).await;
        let over = AtomicBool::new(false);
        let wanted = campaign.size(2, 20);
        let mut times = 0;
        let harm = async {
            while times < wanted {
                disk.fill();
                full(&url).await;
                // While nothing can be noted, vTiger is still asked for what was claimed before.
                tokio::time::sleep(Duration::from_millis(300)).await;
                disk.empty();
                times += 1;
                let calls = world.crm.journal().count_calls(None);
                eventually("work goes on", || async {
                    (world.crm.journal().count_calls(None) > calls).then_some(())
                })
                .await;
            }
            over.store(true, Ordering::SeqCst);
        };
        tokio::join!(harm, load.write_until(&program, &over));

        campaign.inject("times without room", times);
        campaign.over();
        campaign.recover(&program).await;
        let verdict = oracle::judge(&world, &program, &load).await;
        campaign.judge(verdict, &serving.log());
        assert_eq!(serving.stop().await, 0);
    }

    /// Waits until a write is refused: what is left in the file's pages is used up first.
    async fn full(url: &str) {
        let program = Writer::on(url).await;
        let mut load = Load::new(1);
        eventually("a full disk", || {
            let statement = load.ballast();
            let program = &program;
            async move { program.try_sql(statement).await.is_err().then_some(()) }
        })
        .await;
    }

    struct Disk(std::path::PathBuf);

    impl Disk {
        fn mount(folder: &Path) -> Option<Self> {
            let disk = folder.join("disk");
            std::fs::create_dir(&disk).expect("made");
            let mounted = is_root(folder)
                && Command::new("mount")
                    .args(["-t", "tmpfs", "-o", &format!("size={SIZE}"), "tmpfs"])
                    .arg(&disk)
                    .status()
                    .is_ok_and(|status| status.success());
            mounted.then_some(Disk(disk))
        }

        fn fill(&self) {
            let ballast = self.0.join("ballast");
            let mut ballast = std::fs::File::create(ballast).expect("a file without content");
            for size in [64 << 10, 4 << 10, 1] {
                while ballast.write_all(&vec![0_u8; size]).is_ok() {}
            }
        }

        fn empty(&self) {
            std::fs::remove_file(self.0.join("ballast")).expect("ours");
        }
    }

    impl Drop for Disk {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }
}
