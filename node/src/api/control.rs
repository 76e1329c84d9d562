//! The node as a program: configuration, tokens of this API, the dashboard's door, metrics, stopping.

use std::{sync::Arc, time::Instant};

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{
        Method, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, SET_COOKIE,
        },
    },
    middleware::Next,
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiState, Order,
    auth::{Caller, CallerName, ENTER_PATH},
    capability_view::now_secs,
    error::{ApiError, ErrorBody},
    extract::Body,
    invites::no_randomness,
    sessions::LINK_LIFE,
    tokens::{ApiTokenView, Scope, TokensError},
    view::{DashboardLinkView, DoneView},
};
use crate::{
    config::{self, Config, Shown},
    dashboard::HOME,
};

/// Content type of the metrics (OpenMetrics 1.0).
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn read_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(show_config))
        .routes(routes!(metrics))
}

pub(super) fn admin_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(reload))
        .routes(routes!(shutdown))
        .routes(routes!(dashboard_link))
        .routes(routes!(list_tokens, add_token))
        .routes(routes!(remove_token))
}

/// Routes open to everybody on this machine.
pub(super) fn health_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(health))
}

/// The door for browsers, which is no part of the described API.
pub(super) fn door() -> Router<Arc<ApiState>> {
    Router::new()
        .route(ENTER_PATH, get(enter))
        .route("/", get(|| async { Redirect::to(HOME) }))
}

/// The settings in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigView {
    /// The file of settings, whether it exists or not.
    pub file: String,
    /// All settings as a file, with the source of each value beside it.
    pub text: String,
    /// All settings one by one.
    pub settings: Vec<SettingView>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingView {
    /// Its key, such as `network.lan`.
    pub key: String,
    /// Its value, as in the file.
    pub value: String,
    /// Who said so.
    pub source: String,
    /// What it does.
    pub meaning: String,
    /// What it may be.
    pub allowed: String,
    /// Its environment variable.
    pub variable: String,
    /// Whether a reload changes it while the node runs.
    pub live: bool,
}

impl From<&Config> for ConfigView {
    fn from(config: &Config) -> Self {
        let setting = |shown: Shown| SettingView {
            key: shown.key.to_string(),
            value: shown.value,
            source: shown.source.to_string(),
            meaning: shown.meaning.to_owned(),
            allowed: shown.allowed,
            variable: shown.variable,
            live: shown.live,
        };
        Self {
            file: config.file().display().to_string(),
            text: config.text(),
            settings: config.show().into_iter().map(setting).collect(),
        }
    }
}

/// What reading the configuration again led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReloadView {
    /// Every setting that reads differently now.
    pub changes: Vec<ChangedSettingView>,
}

/// A setting that reads differently now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangedSettingView {
    /// Its key.
    pub key: String,
    /// Its value before.
    pub from: String,
    /// Its value now.
    pub to: String,
    /// Whether it takes effect only at the next start.
    pub needs_restart: bool,
}

impl From<&config::Change> for ChangedSettingView {
    fn from(change: &config::Change) -> Self {
        Self {
            key: change.key.to_string(),
            from: change.from.clone(),
            to: change.to.clone(),
            needs_restart: change.needs_restart(),
        }
    }
}

/// The settings in force.
#[utoipa::path(
    get, path = "/v1/config", tag = "program",
    responses((status = 200, body = ConfigView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn show_config(State(api): State<Arc<ApiState>>) -> Json<ConfigView> {
    Json(ConfigView::from(api.config.borrow().as_ref()))
}

/// Reads the configuration again and applies what can be applied without a restart.
#[utoipa::path(
    post, path = "/v1/config/reload", tag = "program",
    responses((status = 200, body = ReloadView), (status = 422, body = ErrorBody)),
    security(("api_token" = ["admin"]))
)]
async fn reload(State(api): State<Arc<ApiState>>) -> Result<Json<ReloadView>, ApiError> {
    let (reply, answer) = oneshot::channel();
    api.orders
        .send(Order::Reload(reply))
        .await
        .map_err(|_| stopping())?;
    let reloaded = answer.await.map_err(|_| stopping())?;
    reloaded.map(Json).map_err(|fault| {
        ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad_config",
            fault,
            "mend the file and check it with `x0 config check`; the settings in force are unchanged",
        )
    })
}

/// Stops the node cleanly.
#[utoipa::path(
    post, path = "/v1/shutdown", tag = "program",
    responses((status = 200, body = DoneView)),
    security(("api_token" = ["admin"]))
)]
async fn shutdown(State(api): State<Arc<ApiState>>) -> Result<Json<DoneView>, ApiError> {
    api.orders.send(Order::Stop).await.map_err(|_| stopping())?;
    Ok(Json(DoneView {
        done: "the node is stopping".to_owned(),
    }))
}

/// Makes a link that lets one browser in, once.
#[utoipa::path(
    post, path = "/v1/dashboard-link", tag = "program",
    responses((status = 200, body = DashboardLinkView), (status = 409, body = ErrorBody)),
    security(("api_token" = ["admin"]))
)]
async fn dashboard_link(
    State(api): State<Arc<ApiState>>,
) -> Result<Json<DashboardLinkView>, ApiError> {
    let Some(loopback) = api.loopback else {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "no_loopback",
            "the dashboard is not served: the API listens on the unix socket only",
            "set `api.http` to \"127.0.0.1:0\" in the settings and start the node again",
        ));
    };
    let key = api.sessions.link(Instant::now()).map_err(no_randomness)?;
    Ok(Json(DashboardLinkView {
        url: format!("http://{loopback}{ENTER_PATH}?key={}", key.as_str()),
        life_secs: LINK_LIFE.as_secs(),
    }))
}

#[derive(Deserialize)]
struct EnterQuery {
    #[serde(default)]
    key: String,
}

/// Exchanges a one-time link for a session cookie.
async fn enter(State(api): State<Arc<ApiState>>, Query(query): Query<EnterQuery>) -> Response {
    match api.sessions.enter(&query.key, Instant::now()) {
        // A page of our own, not a redirect: browsers keep strict cookies from requests that another
        // site began, and a redirect would still count as one.
        Ok(Some(cookie)) => {
            let refresh = format!("<meta http-equiv=\"refresh\" content=\"0;url={HOME}\">");
            let page = door_page("Opening the dashboard", &refresh, "One moment.");
            ([(SET_COOKIE, cookie)], page).into_response()
        }
        Ok(None) => {
            let words = "This link was used already or is too old.";
            (StatusCode::UNAUTHORIZED, closed_page(words)).into_response()
        }
        Err(fault) => no_randomness(fault).into_response(),
    }
}

/// Lets through only callers who may see the dashboard, and lets decide only a browser let in by the operator or a
/// caller who may act; tells a person how to get in.
pub(super) async fn require_dashboard(request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>();
    let may = |caller: &Caller| match *request.method() {
        Method::GET | Method::HEAD => caller.may(Scope::Dashboard),
        _ => matches!(caller.name, CallerName::Session(_)) || caller.may(Scope::Act),
    };
    if caller.is_some_and(may) {
        return next.run(request).await;
    }
    let words = "This browser has not been let in, or its session is over.";
    (StatusCode::UNAUTHORIZED, closed_page(words)).into_response()
}

fn closed_page(words: &str) -> Response {
    let mend = format!("{words} Run <code>x0 dashboard</code> and open the link it prints.");
    door_page("x0 dashboard", "", &mend)
}

fn door_page(title: &str, head: &str, words: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\">{head}</head>\
         <body><p>{words}</p></body></html>"
    );
    let headers = [
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, Html(page)).into_response()
}

/// A token to make.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddTokenBody {
    /// What it is for.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
}

/// A token just made. Its text is shown this once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct AddedTokenView {
    /// The secret text.
    pub token: String,
    /// The token in lists.
    pub view: ApiTokenView,
}

/// The tokens of this API.
#[utoipa::path(
    get, path = "/v1/api-tokens", tag = "program",
    responses((status = 200, body = Vec<ApiTokenView>)),
    security(("api_token" = ["admin"]))
)]
async fn list_tokens(State(api): State<Arc<ApiState>>) -> Json<Vec<ApiTokenView>> {
    Json(api.tokens.list())
}

/// Makes a token of this API.
#[utoipa::path(
    post, path = "/v1/api-tokens", tag = "program", request_body = AddTokenBody,
    responses((status = 200, body = AddedTokenView), (status = 400, body = ErrorBody)),
    security(("api_token" = ["admin"]))
)]
async fn add_token(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<AddTokenBody>,
) -> Result<Json<AddedTokenView>, ApiError> {
    let made =
        tokio::task::spawn_blocking(move || api.tokens.add(&body.name, &body.scopes, now_secs()));
    let (view, token) = finish(made.await)?;
    let token = token.to_string();
    Ok(Json(AddedTokenView { token, view }))
}

/// Removes a token of this API; whoever uses it is a stranger from now on.
#[utoipa::path(
    delete, path = "/v1/api-tokens/{id}", tag = "program",
    params(("id" = String, Path, description = "The token's id.")),
    responses((status = 200, body = DoneView), (status = 404, body = ErrorBody)),
    security(("api_token" = ["admin"]))
)]
async fn remove_token(
    State(api): State<Arc<ApiState>>,
    Path(id): Path<String>,
) -> Result<Json<DoneView>, ApiError> {
    let done = format!("the API token {id} is removed");
    let removed = tokio::task::spawn_blocking(move || api.tokens.remove(&id));
    finish(removed.await)?;
    Ok(Json(DoneView { done }))
}

fn finish<T>(
    result: Result<Result<T, TokensError>, tokio::task::JoinError>,
) -> Result<T, ApiError> {
    match result {
        Ok(result) => result.map_err(ApiError::from),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

impl From<TokensError> for ApiError {
    fn from(error: TokensError) -> Self {
        let message = error.to_string();
        match error {
            TokensError::BadName | TokensError::NoScope => {
                Self::bad_request(message, "give a name and at least one scope")
            }
            TokensError::NoSuchToken { .. } => {
                Self::not_found(message, "list the tokens with `x0 api-token list`")
            }
            TokensError::TooMany => Self::new(
                StatusCode::CONFLICT,
                "too_many_tokens",
                message,
                "remove one with `x0 api-token remove ID`",
            ),
            TokensError::Io { .. } | TokensError::Exposed { .. } | TokensError::Damaged { .. } => {
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "tokens_failed",
                    message,
                    "mend the file as the message says",
                )
            }
            TokensError::NoRandomness(fault) => no_randomness(fault),
        }
    }
}

/// Whether the node answers; for supervisors.
#[utoipa::path(
    get, path = "/v1/health", tag = "program",
    responses((status = 200, body = DoneView), (status = 503, body = ErrorBody)),
    security(())
)]
async fn health(State(api): State<Arc<ApiState>>) -> Result<Json<DoneView>, ApiError> {
    let status = api.status().await?;
    let done = if status.ready { "ready" } else { "starting" };
    Ok(Json(DoneView {
        done: done.to_owned(),
    }))
}

/// The node's metrics, and behind them what its gateway took in, in the format of Prometheus (OpenMetrics).
#[utoipa::path(
    get, path = "/metrics", tag = "program",
    responses((status = 200, description = "OpenMetrics text.", body = String, content_type = "application/openmetrics-text")),
    security(("api_token" = ["read"]))
)]
async fn metrics(State(api): State<Arc<ApiState>>) -> Result<Response, ApiError> {
    let own = api.node.metrics().await?;
    let text = api.gateway.shown_behind(&own);
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

fn stopping() -> ApiError {
    ApiError::from(crate::runtime::NodeError::Stopping)
}
