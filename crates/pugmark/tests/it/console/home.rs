//! Home: is it fine?

use pugmark::people::Role;

use super::Browser;
use super::planted::{api_alone, note, plant_dead};
use crate::harness::{World, on_both_databases};

on_both_databases!(what_is_counted_leads_to_the_list_of_it);

async fn what_is_counted_leads_to_the_list_of_it(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    plant_dead(
        &running,
        &program,
        note("c1", 1),
        "PUG-2006",
        "no last name",
    )
    .await;
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    let page = viewer.get("/").await.text;
    let tiles = page
        .split_once("<ul class=\"tiles\">")
        .and_then(|(_, rest)| rest.split_once("</ul>"))
        .map(|(tiles, _)| tiles)
        .expect("the tiles");
    let lists: Vec<&str> = tiles
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(
        lists,
        [
            "/operations?q=status:waiting",
            "/operations?q=status:running",
            "/problems"
        ]
    );
    for list in &lists {
        assert_eq!(viewer.get(list).await.status, 200, "{list}");
    }
    assert!(viewer.get("/problems").await.text.contains("PUG-2006"));
    running.shutdown().await;
}
