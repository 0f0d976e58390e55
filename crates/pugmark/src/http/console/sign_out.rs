//! `POST /sign-out`

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use pugmark_queue::db::{DbError, Ts};

use super::cookies;
use super::frame::{Frame, go, store_down};
use super::person::Person;
use crate::http::AppState;
use crate::store::{audit, console_sessions};

/// Ends the session here and in the store: a copy of the cookie is worth nothing afterwards.
pub(super) async fn leave(
    State(state): State<AppState>,
    person: Person,
    headers: HeaderMap,
    frame: Frame,
) -> Response {
    let (user, session) = (person.id, person.session);
    let (actor, correlation) = (person.actor(), frame.correlation_id.clone());
    let ended = state.db.write("console sign-out", move |conn| {
        Box::pin(async move {
            let now = Ts::now();
            console_sessions::revoke(conn, user, session, "signed out", now).await?;
            let entry = audit::Entry {
                actor: &actor,
                action: "console.sign-out",
                subject: &user.to_string(),
                reason: None,
                correlation_id: Some(&correlation),
            };
            audit::record(conn, now, &entry).await?;
            Ok::<_, DbError>(())
        })
    });
    if let Err(error) = ended.await {
        return store_down(&frame, &error);
    }
    let secure = cookies::is_secure(&headers, state.console.public_url.as_deref());
    let mut response = go("/sign-in", "You are signed out.");
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, cookies::clear_session(secure));
    response
}
