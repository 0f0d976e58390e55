//! Lists of customers: pages and search.

use std::collections::BTreeSet;

use pugmark_queue::db::Engine;
use reqwest::Method;
use serde_json::json;

use super::{CUSTOMERS, customer, register, started_quiet};
use crate::harness::{World, on_both_databases};
use crate::http::{Api, answer};

on_both_databases!(
    paging_shows_each_of_many_customers_of_one_instant_exactly_once,
    paging_shows_rows_whose_time_another_program_wrote_in_its_own_way,
    search_takes_every_letter_literally_and_in_any_case,
);

/// Rows that one statement writes, all with the same time, as a bulk import does.
async fn import(world: &World, rows: u32, created: &str) {
    let program = world.other_program().await;
    let sql = match program.engine() {
        Engine::Sqlite => format!(
            "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {rows}) \
             INSERT INTO customers (\"id\", \"firstName\", \"lastName\", \"phoneNumber\", \"idType\", \"idNumber\", \"createdAt\") \
             SELECT printf('%08x-0000-4000-8000-%012x', abs(random()) % 4294967296, n), 'A', 'N' || n, '0712345678', 'PASSPORT', \
             CAST(n AS TEXT), {created} FROM g"
        ),
        Engine::Postgres => format!(
            "INSERT INTO customers (\"id\", \"firstName\", \"lastName\", \"phoneNumber\", \"idType\", \"idNumber\", \"createdAt\") \
             SELECT gen_random_uuid(), 'A', 'N' || n, '0712345678', 'PASSPORT', n::text, {created} \
             FROM generate_series(1, {rows}) AS n"
        ),
    };
    program.sql(sql).await;
}

/// Every id that paging shows, in its order.
pub(super) async fn page_through(api: &Api, parameters: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("{CUSTOMERS}?{parameters}{cursor}")).await;
        for item in page.data()["items"].as_array().expect("a list") {
            seen.push(item["id"].as_str().expect("an id").to_owned());
        }
        let pagination = &page.data()["pagination"];
        match pagination["nextCursor"].as_str() {
            Some(next) => {
                assert_eq!(pagination["hasNextPage"], true);
                cursor = format!("&cursor={next}");
            }
            None => {
                assert_eq!(pagination["hasNextPage"], false);
                return seen;
            }
        }
    }
}

async fn paging_shows_each_of_many_customers_of_one_instant_exactly_once(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let created = match world.other_program().await.engine() {
        Engine::Sqlite => "1700000000123456",
        Engine::Postgres => "TIMESTAMP '2023-11-14 22:13:20.123'",
    };
    import(&world, 450, created).await;
    register(&api, &customer(1)).await;

    for limit in [7, 50, 200] {
        let seen = page_through(&api, &format!("limit={limit}")).await;
        assert_eq!(seen.len(), 451, "limit {limit}");
        assert_eq!(
            seen.iter().collect::<BTreeSet<_>>().len(),
            451,
            "limit {limit}"
        );
    }
    let most = api.get(&format!("{CUSTOMERS}?limit=100000")).await;
    assert_eq!(most.data()["items"].as_array().map(Vec::len), Some(200));
    running.shutdown().await;
}

async fn paging_shows_rows_whose_time_another_program_wrote_in_its_own_way(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (text, last) = match world.other_program().await.engine() {
        Engine::Sqlite => (
            "CASE n % 2 WHEN 0 THEN '2023-11-14 22:13:20' ELSE 1700000000123456 END",
            "'2024-01-01T00:00:00Z'",
        ),
        Engine::Postgres => (
            "TIMESTAMP '1969-12-31 23:59:59.999'",
            "TIMESTAMP '0044-03-15 12:00:00'",
        ),
    };
    import(&world, 60, text).await;
    let odd = world.other_program().await.insert_customer("Caesar").await;
    world
        .other_program()
        .await
        .set(&odd, "createdAt", last)
        .await;

    let seen = page_through(&api, "limit=9").await;
    assert_eq!(seen.len(), 61);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 61);
    running.shutdown().await;
}

async fn search_takes_every_letter_literally_and_in_any_case(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let names = [
        "Ng'ang'a",
        "Élodie",
        "100% Sure",
        "Under_Score",
        "back\\slash",
        "Star*Q?[x]^$.|",
        "Ωmega",
        "ЖУКОВ",
        "plain",
    ];
    for (number, name) in names.iter().enumerate() {
        let mut body = customer(number as u32);
        body["lastName"] = json!(name);
        register(&api, &body).await;
    }
    let found = async |text: &str| {
        let request = api
            .request(Method::GET, CUSTOMERS)
            .query(&[("search", text)]);
        let answer = answer(request).await;
        let mut names: Vec<String> = answer.data()["items"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|item| item["lastName"].as_str().expect("a name").to_owned())
            .collect();
        names.sort();
        names
    };
    for name in names {
        assert_eq!(found(name).await, [name]);
        assert_eq!(found(&name.to_uppercase()).await, [name], "in capitals");
        assert_eq!(
            found(&name.to_lowercase()).await,
            [name],
            "in small letters"
        );
    }
    assert_eq!(found("%").await, ["100% Sure"]);
    assert_eq!(found("_").await, ["Under_Score"]);
    assert_eq!(found("*q?[X]^$.|").await, ["Star*Q?[x]^$.|"]);
    assert_eq!(found("g'A").await, ["Ng'ang'a"]);
    assert!(
        found("***:.*").await.is_empty(),
        "no pattern of any database"
    );
    assert_eq!(found("ACHIENG5@example").await.len(), 1, "e-mail");
    assert_eq!(found("10000007").await.len(), 1, "document");
    assert_eq!(
        found("   ").await.len(),
        names.len(),
        "nothing to search for"
    );

    for bad in [&"x".repeat(101), "a\0b"] {
        let request = api
            .request(Method::GET, CUSTOMERS)
            .query(&[("search", bad)]);
        let refused = answer(request).await;
        refused.assert_error(422, "VALIDATION_ERROR", CUSTOMERS);
        assert_eq!(refused.wrong_fields(), ["search"]);
    }
    running.shutdown().await;
}
