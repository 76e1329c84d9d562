//! The frame around every page: head, navigation, language switch; and the handlers that fill it.
//!
//! A fragment is the content of a page's `main` alone. The script puts into the open page only those parts
//! of it (`data-live`) that have changed.

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{
        HeaderMap, HeaderName, StatusCode,
        header::{LOCATION, SET_COOKIE},
    },
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;
use x0_protocol::{Now, core::command::Status};

use super::{
    HOME, Source, about, acts, audit, capabilities, cases, charter, guardian, map, overview,
    parts::Tone,
    peers, public,
    read::{self, Trouble},
    sublime,
    text::{COOKIE_NAME, Language, Texts},
};

/// How long the choice of language is kept: a year.
const LANGUAGE_KEPT_SECS: u32 = 365 * 24 * 60 * 60;
/// From this many members on an open page refreshes less often: it then costs the node more.
const BUSY_MEMBERS: u32 = 1_000;
/// How often an open page asks for what changes without an event of the node, milliseconds.
const LOOK_MS: u32 = 30_000;
/// The same where refusals of the kernel are shown, which are no events of the node.
const LOOK_AT_KERNEL_MS: u32 = 2_000;

/// A page of the dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Overview,
    Map,
    Peers,
    Acts,
    Capabilities,
    Charter,
    Cases,
    Sublime,
    Guardian,
    Public,
    Audit,
    About,
}

/// Pages that belong together, so that twelve can be found at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Mesh,
    Power,
    Charter,
    Content,
    Logs,
    Help,
}

impl Group {
    /// Every group, in the order of the navigation.
    pub(super) const ALL: [Self; 6] = [
        Self::Mesh,
        Self::Power,
        Self::Charter,
        Self::Content,
        Self::Logs,
        Self::Help,
    ];

    fn title(self, t: Texts) -> String {
        match self {
            Self::Mesh => t.say("group-mesh"),
            Self::Power => t.say("group-power"),
            Self::Charter => t.say("group-charter"),
            Self::Content => t.say("group-content"),
            Self::Logs => t.say("group-logs"),
            Self::Help => t.say("group-help"),
        }
    }
}

impl Page {
    /// Every page, in the order of the navigation.
    pub(super) const ALL: [Self; 12] = [
        Self::Overview,
        Self::Map,
        Self::Peers,
        Self::Acts,
        Self::Capabilities,
        Self::Charter,
        Self::Cases,
        Self::Sublime,
        Self::Guardian,
        Self::Public,
        Self::Audit,
        Self::About,
    ];

    /// Returns the group in which it stands.
    pub(super) const fn group(self) -> Group {
        match self {
            Self::Overview | Self::Map | Self::Peers => Group::Mesh,
            Self::Acts | Self::Capabilities => Group::Power,
            Self::Charter | Self::Cases => Group::Charter,
            Self::Sublime | Self::Guardian => Group::Content,
            Self::Public | Self::Audit => Group::Logs,
            Self::About => Group::Help,
        }
    }

    /// Returns the page's path.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Overview => HOME,
            Self::Map => "/ui/map",
            Self::Peers => "/ui/peers",
            Self::Acts => "/ui/acts",
            Self::Capabilities => "/ui/capabilities",
            Self::Charter => "/ui/charter",
            Self::Cases => "/ui/cases",
            Self::Sublime => "/ui/sublime",
            Self::Guardian => "/ui/guardian",
            Self::Public => "/ui/public",
            Self::Audit => "/ui/audit",
            Self::About => "/ui/about",
        }
    }

    /// Returns the name by which paths of pages and fragments end.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Map => "map",
            Self::Peers => "peers",
            Self::Acts => "acts",
            Self::Capabilities => "capabilities",
            Self::Charter => "charter",
            Self::Cases => "cases",
            Self::Sublime => "sublime",
            Self::Guardian => "guardian",
            Self::Public => "public",
            Self::Audit => "audit",
            Self::About => "about",
        }
    }

    fn title(self, t: Texts) -> String {
        match self {
            Self::Overview => t.say("page-overview"),
            Self::Map => t.say("page-map"),
            Self::Peers => t.say("page-peers"),
            Self::Acts => t.say("page-acts"),
            Self::Capabilities => t.say("page-capabilities"),
            Self::Charter => t.say("page-charter"),
            Self::Cases => t.say("page-cases"),
            Self::Sublime => t.say("page-sublime"),
            Self::Guardian => t.say("page-guardian"),
            Self::Public => t.say("page-public"),
            Self::Audit => t.say("page-audit"),
            Self::About => t.say("page-about"),
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|page| page.name() == name)
    }
}

/// What a page is asked to show; what cannot be read is taken as not asked.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// The node to show in detail.
    pub(super) node: Option<String>,
    /// The sheet of a long list.
    pub(super) sheet: Option<String>,
    /// Whether the audit log is to be checked now.
    pub(super) verify: Option<String>,
    /// Of the public log: whether only overrides are to be shown.
    pub(super) only: Option<String>,
}

impl Asked {
    /// Writes down what a refreshed page must ask again; a log is checked once, when somebody says so.
    fn again(&self) -> String {
        let asked = [
            ("node", &self.node),
            ("only", &self.only),
            ("sheet", &self.sheet),
        ];
        let asked = asked.into_iter().filter_map(|(name, value)| {
            let value = value.as_deref()?;
            Some(format!("{name}={}", query_safe(value)))
        });
        match asked.collect::<Vec<_>>().join("&") {
            asked if asked.is_empty() => asked,
            asked => format!("?{asked}"),
        }
    }
}

/// A query that cannot be read asks for nothing.
type AskedOrNot = Result<Query<Asked>, QueryRejection>;

/// What every page is rendered from.
pub(super) struct Frame<'a, S> {
    pub(super) source: &'a S,
    pub(super) t: Texts,
    pub(super) status: Box<Status>,
    pub(super) now: Now,
    pub(super) asked: Asked,
}

/// Shows the first page.
pub(super) async fn home<S: Source>(
    State(source): State<S>,
    headers: HeaderMap,
    asked: AskedOrNot,
) -> Response {
    whole(&source, &headers, Page::Overview, asked).await
}

/// Shows a page by its name.
pub(super) async fn show<S: Source>(
    State(source): State<S>,
    Path(name): Path<String>,
    headers: HeaderMap,
    asked: AskedOrNot,
) -> Response {
    match Page::named(&name) {
        Some(Page::Overview) => (StatusCode::SEE_OTHER, [(LOCATION, HOME)]).into_response(),
        Some(page) => whole(&source, &headers, page, asked).await,
        None => not_found(Texts(Language::of_request(&headers))),
    }
}

/// Shows the content of a page alone.
pub(super) async fn fragment<S: Source>(
    State(source): State<S>,
    Path(name): Path<String>,
    headers: HeaderMap,
    asked: AskedOrNot,
) -> Response {
    let t = Texts(Language::of_request(&headers));
    let Some(page) = Page::named(&name) else {
        return not_found(t);
    };
    let filled = match frame(&source, t, asked).await {
        Ok(frame) => content(&frame, page).await,
        Err(trouble) => Err(trouble),
    };
    match filled {
        Ok(content) => content.into_response(),
        Err(trouble) => (StatusCode::SERVICE_UNAVAILABLE, sorry(t, &trouble)).into_response(),
    }
}

/// Keeps the choice of language and goes back to the page it was made on.
pub(super) async fn language(
    Path(code): Path<String>,
    back: Result<Query<Back>, QueryRejection>,
) -> Response {
    let page = back.ok().and_then(|Query(back)| Page::named(&back.back));
    let there = page.unwrap_or(Page::Overview).path();
    let Some(language) = Language::from_code(&code) else {
        return (StatusCode::SEE_OTHER, [(LOCATION, there)]).into_response();
    };
    let cookie = format!(
        "{COOKIE_NAME}={}; Path=/ui; Max-Age={LANGUAGE_KEPT_SECS}; SameSite=Strict; HttpOnly",
        language.code()
    );
    let headers: [(HeaderName, String); 2] = [(LOCATION, there.to_owned()), (SET_COOKIE, cookie)];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// The page on which the language was chosen.
#[derive(Debug, Deserialize)]
pub(super) struct Back {
    back: String,
}

async fn whole<S: Source>(
    source: &S,
    headers: &HeaderMap,
    page: Page,
    asked: AskedOrNot,
) -> Response {
    let t = Texts(Language::of_request(headers));
    let frame = match frame(source, t, asked).await {
        Ok(frame) => frame,
        Err(trouble) => {
            return failed(StatusCode::SERVICE_UNAVAILABLE, t, &trouble);
        }
    };
    match content(&frame, page).await {
        Ok(content) => around(&frame, page, &content).into_response(),
        Err(trouble) => {
            let page = around(&frame, page, &sorry(t, &trouble));
            (StatusCode::SERVICE_UNAVAILABLE, page).into_response()
        }
    }
}

async fn frame<S: Source>(
    source: &S,
    t: Texts,
    asked: AskedOrNot,
) -> Result<Frame<'_, S>, Trouble> {
    let status = read::status(source).await?;
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    Ok(Frame {
        source,
        t,
        status,
        now: source.now(),
        asked,
    })
}

async fn content<S: Source>(frame: &Frame<'_, S>, page: Page) -> Result<Markup, Trouble> {
    match page {
        Page::Overview => overview::content(frame).await,
        Page::Map => map::content(frame).await,
        Page::Peers => peers::content(frame).await,
        Page::Acts => acts::content(frame).await,
        Page::Capabilities => capabilities::content(frame).await,
        Page::Charter => charter::content(frame).await,
        Page::Cases => cases::content(frame).await,
        Page::Sublime => sublime::content(frame).await,
        Page::Guardian => guardian::content(frame).await,
        Page::Public => public::content(frame).await,
        Page::Audit => audit::content(frame).await,
        Page::About => Ok(about::content(frame)),
    }
}

fn around<S>(frame: &Frame<'_, S>, page: Page, content: &Markup) -> Markup {
    let t = frame.t;
    let title = format!("{} · {} · x0", page.title(t), frame.status.name);
    let every_ms = if frame.status.members > BUSY_MEMBERS {
        10_000
    } else {
        1_000
    };
    let look_ms = match page {
        Page::Charter => LOOK_AT_KERNEL_MS,
        Page::Overview
        | Page::Map
        | Page::Peers
        | Page::Acts
        | Page::Capabilities
        | Page::Cases
        | Page::Sublime
        | Page::Guardian
        | Page::Public
        | Page::Audit
        | Page::About => LOOK_MS,
    };
    document(
        t,
        &title,
        &html! {
            a.skip href="#main" { (t.say("skip")) }
            div.side {
                header {
                    a.brand href=(HOME) {
                        img src="/ui/assets/icon.svg" alt="" width="28" height="28";
                        span { "x0" }
                    }
                    p.mesh { bdi { (frame.status.name) } }
                }
                (navigation(t, page))
                div.tools {
                    p #live role="status"
                        data-live-text=(t.say("live-on"))
                        data-waiting-text=(t.say("live-waiting"))
                        data-ended-text=(t.say("live-ended")) { (t.say("live-off")) }
                    (language_switch(t, page))
                }
            }
            main #main tabindex="-1"
                data-fragment={ "/ui/fragment/" (page.name()) (frame.asked.again()) }
                data-every=(every_ms) data-look=(look_ms) { (content) }
            p #announce .unseen aria-live="polite" {}
        },
    )
}

fn navigation(t: Texts, page: Page) -> Markup {
    let of = |group| {
        Page::ALL
            .into_iter()
            .filter(move |each| each.group() == group)
    };
    html! {
        nav.pages aria-label=(t.say("navigation")) {
            ul {
                @for group in Group::ALL {
                    li {
                        span.group { (group.title(t)) }
                        ul {
                            @for each in of(group) {
                                li {
                                    a href=(each.path()) aria-current=[(each == page).then_some("page")] {
                                        (each.title(t))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn language_switch(t: Texts, page: Page) -> Markup {
    html! {
        ul.languages aria-label=(t.say("languages")) {
            @for language in Language::ALL {
                li {
                    a href={ "/ui/language/" (language.code()) "?back=" (page.name()) }
                        lang=(language.code()) hreflang=(language.code()) title=(language.own_name())
                        aria-label=(language.own_name())
                        aria-current=[(language == t.0).then_some("true")] { (language.code().to_uppercase()) }
                }
            }
        }
    }
}

fn not_found(t: Texts) -> Response {
    let content = html! {
        h1 { (t.say("not-found-title")) }
        p { (t.say("not-found")) " " a href=(HOME) { (t.say("page-overview")) } }
    };
    (
        StatusCode::NOT_FOUND,
        bare(t, &t.say("not-found-title"), &content),
    )
        .into_response()
}

fn sorry(t: Texts, trouble: &Trouble) -> Markup {
    html! {
        section.notice.(Tone::Bad.class()) #trouble role="alert" {
            h1 { (t.say("trouble-title")) }
            p lang="en" { (trouble.0) }
            p { (t.say("trouble-mend")) }
        }
    }
}

/// Tells that something asked for was not done.
pub(super) fn failed(status: StatusCode, t: Texts, trouble: &Trouble) -> Response {
    let page = bare(t, &t.say("trouble-title"), &sorry(t, trouble));
    (status, page).into_response()
}

fn bare(t: Texts, title: &str, content: &Markup) -> Markup {
    document(
        t,
        &format!("{title} · x0"),
        &html! { main.alone #main { (content) } },
    )
}

fn document(t: Texts, title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(t.0.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href="/ui/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/ui/assets/style.css";
                script type="module" src="/ui/assets/dashboard.js" {}
            }
            body { (body) }
        }
    }
}

/// Keeps only what needs no escaping in a query: names of nodes and numbers are nothing else.
fn query_safe(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(64)
        .collect()
}
