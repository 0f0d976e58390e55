//! Every route of the console, with what whoever asks must be allowed to do. This is the one list: a route gets in front of people
//! only through [`Screens`], which puts the guard before it, and a test drives each entry as nobody and as every role.

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};

use super::{
    agents, alerts, assets, audit, conflicts, conversions, customers, filters, forms, guard, home,
    inbox, jobs, link, logs, mapping, operations, people, problems, settings, sign_in, sign_out,
    system, theme, tokens,
};
use crate::http::AppState;
use crate::people::May;

/// All of them.
pub fn screens() -> Screens {
    Screens::default()
        .page("/", May::Look, home::page)
        .fragment("/console/home", May::Look, home::fragment)
        .page("/problems", May::Look, problems::page)
        .fragment("/console/problems", May::Look, problems::fragment)
        .page("/problems/codes/{code}", May::Look, problems::code)
        .action("/problems/mark", May::Care, problems::mark)
        .page("/alerts", May::Look, alerts::page)
        .fragment("/console/alerts", May::Look, alerts::fragment)
        .action("/alerts/test", May::Care, alerts::test)
        .page("/customers", May::Look, customers::page)
        .fragment("/console/customers", May::Look, customers::fragment)
        .page("/customers/{id}", May::Look, customers::detail)
        .fragment(
            "/console/customers/{id}",
            May::Look,
            customers::detail_fragment,
        )
        .page("/customers/{id}/journey", May::Look, customers::journey)
        .page("/customers/{id}/compare", May::Care, customers::compare)
        .action("/customers/{id}/sync", May::Care, customers::sync)
        .page("/agents", May::Look, agents::page)
        .fragment("/console/agents", May::Look, agents::fragment)
        .page("/agents/new", May::Change, agents::form)
        .action("/agents/new", May::Change, agents::make)
        .page("/agents/{id}", May::Look, agents::detail)
        .fragment("/console/agents/{id}", May::Look, agents::detail_fragment)
        .action("/agents/{id}/edit", May::Change, agents::edit)
        .action("/agents/{id}/sync", May::Change, agents::sync)
        .action("/agents/{id}/password", May::Change, agents::reset_password)
        .action("/agents/{id}/status", May::Change, agents::set_status)
        .action("/agents/{id}/role", May::Change, agents::change_role)
        .action("/agents/{id}/retry", May::Change, agents::retry)
        .page("/operations", May::Look, operations::page)
        .fragment("/console/operations", May::Look, operations::fragment)
        .page("/operations/{id}", May::Look, operations::detail)
        .fragment(
            "/console/operations/{id}",
            May::Look,
            operations::detail_fragment,
        )
        .action("/operations/{id}/retry", May::Care, operations::retry)
        .page("/operations/{id}/edit", May::Change, operations::edit_page)
        .action("/operations/{id}/edit", May::Change, operations::edit)
        .page(
            "/operations/{id}/discard",
            May::Change,
            operations::discard_page,
        )
        .action("/operations/{id}/discard", May::Change, operations::discard)
        .page("/operations/bulk", May::Change, operations::plan)
        .action("/operations/bulk", May::Change, operations::begin)
        .page("/operations/runs/{id}", May::Look, operations::run)
        .fragment(
            "/console/operations/runs/{id}",
            May::Look,
            operations::run_fragment,
        )
        .action("/operations/runs/{id}/stop", May::Change, operations::stop)
        .action("/filters/keep", May::Look, filters::keep)
        .action("/filters/forget", May::Look, filters::forget)
        .page("/jobs", May::Look, jobs::page)
        .fragment("/console/jobs", May::Look, jobs::fragment)
        .action("/jobs/start", May::Change, jobs::start)
        .page("/jobs/{id}", May::Look, jobs::detail)
        .fragment("/console/jobs/{id}", May::Look, jobs::detail_fragment)
        .action("/jobs/{id}/retry", May::Care, jobs::retry)
        .page("/jobs/{id}/edit", May::Change, jobs::edit_page)
        .action("/jobs/{id}/edit", May::Change, jobs::edit)
        .page("/jobs/{id}/cancel", May::Change, jobs::cancel_page)
        .action("/jobs/{id}/cancel", May::Change, jobs::cancel)
        .page("/forms", May::Look, forms::page)
        .fragment("/console/forms", May::Look, forms::fragment)
        .action("/forms/link", May::Care, forms::make)
        .action("/forms/revoke", May::Change, forms::revoke)
        .action("/forms/{id}/retry", May::Care, forms::again)
        .page("/conflicts", May::Look, conflicts::page)
        .fragment("/console/conflicts", May::Look, conflicts::fragment)
        .page("/conflicts/{id}", May::Look, conflicts::detail)
        .fragment(
            "/console/conflicts/{id}",
            May::Look,
            conflicts::detail_fragment,
        )
        .action("/conflicts/{id}/decide", May::Change, conflicts::decide)
        .page("/conversions", May::Look, conversions::page)
        .fragment("/console/conversions", May::Look, conversions::fragment)
        .page("/conversions/{record}", May::Look, conversions::detail)
        .fragment(
            "/console/conversions/{record}",
            May::Look,
            conversions::detail_fragment,
        )
        .action(
            "/conversions/{record}/fill-in",
            May::Change,
            conversions::fill_in,
        )
        .action(
            "/conversions/{record}/look-again",
            May::Care,
            conversions::look_again,
        )
        .action("/conversions/{record}/link", May::Change, conversions::link)
        .page("/inbox", May::Look, inbox::page)
        .fragment("/console/inbox", May::Look, inbox::fragment)
        .page("/inbox/refused", May::Look, inbox::refused)
        .page("/inbox/{id}", May::Look, inbox::detail)
        .action("/inbox/{id}/resend", May::Care, inbox::resend)
        .page("/logs", May::Look, logs::page)
        .fragment("/console/logs", May::Look, logs::fragment)
        .page("/audit", May::SeePersonal, audit::page)
        .page("/mapping", May::Look, mapping::page)
        .page("/mapping/new", May::Change, mapping::new)
        .page("/mapping/{id}", May::Change, mapping::edit)
        .action("/mapping/try", May::Change, mapping::attempt)
        .action("/mapping/save", May::Change, mapping::save)
        .page("/mapping/{id}/remove", May::Change, mapping::remove_page)
        .action("/mapping/{id}/remove", May::Change, mapping::remove)
        .page("/mapping/history", May::Look, mapping::history)
        .page("/mapping/history/{version}", May::Change, mapping::version)
        .action(
            "/mapping/history/{version}/restore",
            May::Change,
            mapping::restore,
        )
        .fragment("/console/mapping/run", May::Look, mapping::run_fragment)
        .action("/mapping/run", May::Change, mapping::begin_run)
        .action("/mapping/run/stop", May::Change, mapping::stop_run)
        .page("/settings", May::Look, settings::page)
        .action("/settings/summary", May::Change, settings::choose_summary)
        .action("/settings/tasks", May::Change, settings::choose_tasks)
        .page("/system", May::Look, system::page)
        .fragment("/console/system", May::Look, system::fragment)
        .page("/system/settings", May::Change, system::in_force)
        .page("/system/checkup", May::Change, system::checkup)
        .fragment(
            "/console/system/checkup",
            May::Change,
            system::checkup_fragment,
        )
        .action("/system/checkup", May::Change, system::check)
        .page("/people", May::Govern, people::page)
        .action("/people/add", May::Govern, people::add)
        .action("/people/{id}/role", May::Govern, people::change_role)
        .action("/people/{id}/disable", May::Govern, people::disable)
        .action("/people/{id}/enable", May::Govern, people::enable)
        .action("/people/{id}/link", May::Govern, people::make_link)
        .action("/people/{id}/sign-out", May::Govern, people::sign_out)
        .action("/people/tokens/add", May::Govern, tokens::add)
        .action("/people/tokens/{id}/revoke", May::Govern, tokens::revoke)
        .action("/theme", May::Look, theme::choose)
        .action("/sign-out", May::Look, sign_out::leave)
        .open(Method::GET, "/sign-in", sign_in::page)
        .open(Method::POST, "/sign-in", sign_in::send)
        .open(Method::GET, "/sign-in/link/{token}", link::page)
        .open(Method::POST, "/sign-in/link/{token}", link::send)
        .open(Method::GET, "/assets/console.css", assets::style)
        .open(Method::GET, "/assets/console.js", assets::script)
}

/// What stands at a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole page: nobody is sent to the sign-in page and comes back afterwards.
    Page,
    /// Part of a page, fetched by the script: nobody is told 401.
    Fragment,
    /// Takes a form: checked for its session's token.
    Action,
    /// For everybody, signed in or not.
    Open,
}

/// A route of the list.
#[derive(Debug, Clone)]
pub struct Screen {
    /// How it is asked.
    pub method: Method,
    /// Its path, with names in braces.
    pub path: &'static str,
    /// What stands there.
    pub kind: Kind,
    /// What is needed; `None` for [`Kind::Open`].
    pub needs: Option<May>,
}

/// Collects routes. The router inside is reached by no other way, so none is served that is not in the list.
#[derive(Default)]
pub struct Screens {
    list: Vec<Screen>,
    router: Router<AppState>,
}

impl Screens {
    /// A page for people who may do this.
    #[must_use]
    pub fn page<H, T>(self, path: &'static str, may: May, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.add(Method::GET, path, Kind::Page, Some(may), handler)
    }

    /// Part of a page.
    #[must_use]
    pub fn fragment<H, T>(self, path: &'static str, may: May, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.add(Method::GET, path, Kind::Fragment, Some(may), handler)
    }

    /// What a form is sent to.
    #[must_use]
    pub fn action<H, T>(self, path: &'static str, may: May, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.add(Method::POST, path, Kind::Action, Some(may), handler)
    }

    /// For everybody. Say why where it is used: this is the only way past the guard's question who it is.
    #[must_use]
    fn open<H, T>(self, method: Method, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.add(method, path, Kind::Open, None, handler)
    }

    fn add<H, T>(
        mut self,
        method: Method,
        path: &'static str,
        kind: Kind,
        needs: Option<May>,
        handler: H,
    ) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        let filter = match method {
            Method::POST => MethodFilter::POST,
            _ => MethodFilter::GET,
        };
        let screen = Screen {
            method,
            path,
            kind,
            needs,
        };
        let own = screen.clone();
        let guarded = move |State(state): State<AppState>, request: Request| {
            let (handler, screen) = (handler.clone(), own.clone());
            async move {
                match guard::admit(&state, &screen, request).await {
                    Ok(request) => guard::leave(handler, state, request).await,
                    Err(refused) => *refused,
                }
            }
        };
        self.list.push(screen);
        self.router = self.router.route(path, on(filter, guarded));
        self
    }

    /// The list.
    pub fn list(&self) -> &[Screen] {
        &self.list
    }

    /// What is served.
    pub fn router(self) -> Router<AppState> {
        self.router
    }
}
