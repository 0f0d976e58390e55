//! Filters that people keep under a name, and acting on operations that were ticked.

use pugmark::people::Role;
use pugmark_queue::Status;

use super::Browser;
use super::planted::{api_alone, note, plant_dead, stored, without_worker};
use crate::harness::{World, eventually, on_both_databases};

on_both_databases!(
    a_filter_that_somebody_keeps_is_a_link_above_the_list_for_them_alone,
    problems_are_filtered_by_words_and_the_filter_can_be_kept,
    what_is_ticked_is_planned_run_and_nothing_else_is_touched,
);

const Q: &str = "status:dead kind:note.create";

async fn a_filter_that_somebody_keeps_is_a_link_above_the_list_for_them_alone(world: World) {
    let running = api_alone(&world).await;
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    let other = Browser::signed_in(&running, Role::Viewer).await;
    let address = "/operations?q=status%3Adead+kind%3Anote.create";
    assert!(viewer.get(address).await.text.contains("Keep it"));
    let fields = [
        ("screen", "operations"),
        ("name", "Dead <notes>"),
        ("query", "q=status%3Adead+kind%3Anote.create"),
    ];
    let page = viewer.post_and_follow("/filters/keep", &fields).await.text;
    let link = format!("<a href=\"{address}\" aria-current=\"true\">Dead &#60;notes&#62;</a>");
    assert!(page.contains(&link), "{page}");
    assert!(!page.contains("Keep it"), "it is kept already");
    let theirs = other.get("/operations").await.text;
    assert!(!theirs.contains("Dead &#60;notes&#62;"), "{theirs}");
    // Its address, sent to somebody else, shows the same.
    assert!(other.get(address).await.text.contains(Q));

    let nameless = [("screen", "operations"), ("name", " "), ("query", "q=a")];
    assert_eq!(viewer.post("/filters/keep", &nameless).await.status, 422);
    let forget = [("screen", "operations"), ("name", "Dead <notes>")];
    let page = viewer
        .post_and_follow("/filters/forget", &forget)
        .await
        .text;
    assert!(!page.contains("&#60;notes&#62;</a>"), "{page}");
    running.shutdown().await;
}

async fn problems_are_filtered_by_words_and_the_filter_can_be_kept(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    plant_dead(&running, &program, note("c1", 1), "PUG-2006", "refused").await;
    plant_dead(&running, &program, note("c2", 1), "PUG-3005", "linked").await;
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    let page = viewer.get("/problems?q=NOTE+2006+open").await.text;
    assert!(
        page.contains("PUG-2006") && !page.contains("PUG-3005"),
        "{page}"
    );
    let page = viewer.get("/problems?q=nowhere").await.text;
    assert!(page.contains("No problem like this"), "{page}");
    let fields = [
        ("screen", "problems"),
        ("name", "Refused"),
        ("query", "q=2006&show=all"),
    ];
    let page = viewer.post_and_follow("/filters/keep", &fields).await.text;
    assert!(
        page.contains(
            "<a href=\"/problems?q=2006&#38;show=all\" aria-current=\"true\">Refused</a>"
        ),
        "{page}"
    );
    running.shutdown().await;
}

async fn what_is_ticked_is_planned_run_and_nothing_else_is_touched(world: World) {
    let running = without_worker(&world).await;
    let program = world.other_program().await;
    let mut ids = Vec::new();
    for customer in ["c1", "c2", "c3"] {
        ids.push(plant_dead(&running, &program, note(customer, 1), "PUG-2006", "refused").await);
    }
    let admin = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let list = admin.get("/operations?q=status:dead").await.text;
    assert!(
        list.contains(&format!("name=\"pick\" value=\"{}\"", ids[0])),
        "{list}"
    );
    let care = Browser::signed_in(&running, Role::CustomerCare).await;
    assert!(
        !care
            .get("/operations?q=status:dead")
            .await
            .text
            .contains("name=\"pick\"")
    );

    let nothing = admin.get("/operations/bulk?ticked=1&action=retry").await;
    assert_eq!(nothing.status, 422, "{}", nothing.text);
    assert!(nothing.text.contains("Nothing is ticked"));
    let plan = format!(
        "/operations/bulk?ticked=1&pick={}&pick={}&action=discard",
        ids[0], ids[2]
    );
    let plan = admin.get(&plan).await.text;
    assert!(plan.contains("<strong>2</strong>"), "{plan}");
    let hidden = |name: &str| {
        let marker = format!("name=\"{name}\" value=\"");
        let (_, rest) = plan.split_once(&marker).expect("a hidden field");
        rest.split('"').next().expect("a value").to_owned()
    };
    let (q, upto) = (hidden("q"), hidden("upto"));
    let fields = [
        ("q", q.as_str()),
        ("action", "discard"),
        ("upto", &upto),
        ("reason", "tried out"),
    ];
    let page = admin
        .post_and_follow("/operations/bulk", &fields)
        .await
        .text;
    assert!(page.contains("The run has begun."), "{page}");
    eventually("the run has ended", || async {
        let ended = "bulk_runs WHERE ended_at IS NOT NULL AND done = 2 AND skipped = 0";
        (program.count(ended).await == 1).then_some(())
    })
    .await;
    let statuses = [
        stored(&running, ids[0]).await.status,
        stored(&running, ids[1]).await.status,
        stored(&running, ids[2]).await.status,
    ];
    assert_eq!(
        statuses,
        [Status::Completed, Status::Failed, Status::Completed]
    );
    running.shutdown().await;
}
