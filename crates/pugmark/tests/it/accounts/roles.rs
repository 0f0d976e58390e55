//! The role `customer_care` in MicroBima's metadata.

use futures::future::join_all;
use pugmark_sandbox::UserSeed;
use reqwest::Method;
use serde_json::json;

use super::{Staffed, USERS, login_calls};
use crate::harness::{World, on_both_databases};
use crate::http::answer;

on_both_databases!(
    the_role_is_given_and_taken_and_nothing_else_is_touched,
    changes_at_the_same_time_lose_nothing,
    nobody_and_a_missing_project_are_said_plainly,
);

async fn the_role_is_given_and_taken_and_nothing_else_is_touched(world: World) {
    let staffed = Staffed::of(world).await;
    let (running, api) = staffed.start().await;
    let seed = UserSeed::new("amina@example.co.ke")
        .user_metadata("roles", json!(["brand_ambassador", "support"]))
        .user_metadata("partnerId", json!(3))
        .app_metadata("tenant", json!("microbima"));
    let user = staffed.logins.seed_user(seed).expect("a login");
    let path = format!("{USERS}/{user}/roles/customer_care");
    let given = answer(api.request(Method::PUT, &path)).await;
    let all = json!(["brand_ambassador", "support", "customer_care"]);
    assert_eq!(given.data()["roles"], all, "{}", given.text);
    assert_eq!(given.data()["changed"], true);
    let login = staffed.logins.user(&user).expect("the login");
    assert_eq!(login.user_metadata["roles"], all);
    assert_eq!(login.user_metadata["partnerId"], 3);
    assert_eq!(login.app_metadata["tenant"], "microbima");
    assert!(login.app_metadata.get("roles").is_none());
    let again = answer(api.request(Method::PUT, &path)).await;
    assert_eq!(again.data()["changed"], false);
    assert_eq!(login_calls(&staffed, "update"), 1);
    let taken = answer(api.request(Method::DELETE, &path)).await;
    assert_eq!(
        taken.data()["roles"],
        json!(["brand_ambassador", "support"])
    );
    let audit = staffed.program().await;
    let audit = audit.count("audit_log WHERE action IN ('user.role.grant', 'user.role.withdraw')");
    assert_eq!(audit.await, 3);
    running.shutdown().await;
}

async fn changes_at_the_same_time_lose_nothing(world: World) {
    let staffed = Staffed::of(world).await;
    let (running, api) = staffed.start().await;
    let seed = UserSeed::new("amina@example.co.ke").user_metadata("roles", json!(["a", "b"]));
    let user = staffed.logins.seed_user(seed).expect("a login");
    let path = format!("{USERS}/{user}/roles/customer_care");
    let methods = [
        Method::PUT,
        Method::DELETE,
        Method::PUT,
        Method::DELETE,
        Method::PUT,
    ];
    let asked = methods.map(|method| answer(api.request(method, &path)));
    for answer in join_all(asked).await {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let put = answer(api.request(Method::PUT, &path)).await;
    assert_eq!(put.data()["roles"], json!(["a", "b", "customer_care"]));
    running.shutdown().await;
}

async fn nobody_and_a_missing_project_are_said_plainly(world: World) {
    let mut staffed = Staffed::of(world).await;
    let path = format!("{USERS}/{}/roles/customer_care", uuid::Uuid::new_v4());
    let (running, api) = staffed.start().await;
    let nobody = answer(api.request(Method::PUT, &path)).await;
    nobody.assert_error(404, "NOT_FOUND", &path);
    staffed.logins.go_down().await;
    let down = answer(api.request(Method::PUT, &path)).await;
    down.assert_error(503, "LOGINS_UNAVAILABLE", &path);
    running.shutdown().await;
    staffed.world.settings.supabase = None;
    let (running, api) = staffed.start().await;
    let missing = answer(api.request(Method::PUT, &path)).await;
    missing.assert_error(503, "NOT_CONFIGURED", &path);
    assert_eq!(missing.wrong_fields(), ["SUPABASE_URL"]);
    running.shutdown().await;
}
