//! The local API of a node: JSON over HTTP on a unix socket, and on the loopback if configured.
//!
//! Every call passes the same layers (see [`auth`]): host check, who calls, how much, with which scope.
//! Bodies are bounded, errors have one shape, and every route is described in `/v1/openapi.json` because
//! routes can only be added together with their description. Versions live in the path; within a version
//! fields and routes are added, never changed.
//!
//! Nothing is served to other machines: the loopback listener refuses any address that is not one, and
//! there is no CORS. No rule of the mesh is decided here; handlers ask the node.

pub mod acts;
pub mod audit;
pub mod auth;
pub mod capabilities;
pub mod capability_view;
pub mod cases;
pub mod charter;
pub mod committee;
pub mod consents;
pub mod control;
pub mod data;
pub mod emergency;
pub mod error;
pub mod events;
mod extract;
pub mod gateway;
pub mod guardians;
pub mod halts;
pub mod inspections;
pub mod invites;
pub mod keeping;
pub mod node;
pub mod packs;
mod pages;
pub mod proofs;
pub mod public;
pub mod rate;
pub mod sessions;
pub mod sockets;
pub mod sublime;
pub mod tokens;
pub mod view;
pub mod votes;
mod wait;

#[cfg(test)]
pub(crate) mod tests;

use std::{net::SocketAddr, sync::Arc, time::Instant};

use axum::{
    Json, Router,
    middleware::{from_fn, from_fn_with_state},
    routing::get,
};
use tokio::sync::{
    broadcast::{self, error::RecvError},
    mpsc, oneshot, watch,
};
use utoipa::openapi::{
    Info, OpenApi, OpenApiBuilder,
    security::{Http, HttpAuthScheme, SecurityScheme},
};
use utoipa_axum::router::OpenApiRouter;
use x0_protocol::{Reply, Wall};

use self::{
    error::ApiError,
    events::{EventLog, EventView},
    pages::Pages,
    rate::RateLimiter,
    sessions::Sessions,
    tokens::{ApiTokens, Scope},
    view::RecordedView,
};
use crate::{
    charter::following::Standing,
    config::Config,
    dashboard::{self, Feed},
    emergency::hosting::Hosted,
    gateway::Hub,
    runtime::{NodeHandle, TimedEvent},
    store::StoreError,
    sublime::{Happening, Keeper},
};

/// Takes the answer out of a reply that must be of one sort.
macro_rules! expect_reply {
    ($reply:expr, $sort:pat => $answer:expr) => {
        match $reply {
            $sort => Ok($answer),
            other => Err($crate::api::unexpected(&other)),
        }
    };
}
use expect_reply;

/// Everything the handlers share.
pub struct ApiState {
    /// The node.
    pub node: NodeHandle,
    /// Who may call over the loopback.
    pub tokens: ApiTokens,
    /// Browsers that are let in.
    pub sessions: Sessions,
    /// What happened, for clients that come back.
    pub events: Arc<EventLog>,
    /// Where the program that runs the node takes orders.
    pub orders: mpsc::Sender<Order>,
    /// Becomes true when the node stops, which ends streams.
    pub stop: watch::Sender<bool>,
    /// Where the loopback is listened on, if it is.
    pub loopback: Option<SocketAddr>,
    /// The settings in force.
    pub config: watch::Receiver<Arc<Config>>,
    /// How the kernel stands to the charter in force.
    pub kernel: watch::Receiver<Standing>,
    /// The charter's gateway.
    pub gateway: Arc<Hub>,
    /// What keeps content.
    pub keeper: Arc<Keeper>,
    /// How this node's onion service for emergencies is.
    pub hosted: watch::Receiver<Hosted>,
    feed: Feed,
    limiter: RateLimiter,
    started: Instant,
}

/// What the API asks of the program that runs the node.
#[derive(Debug)]
pub enum Order {
    /// Reads the configuration again and applies what can be applied.
    Reload(oneshot::Sender<Result<control::ReloadView, String>>),
    /// Stops the node.
    Stop,
}

/// What the API is started with.
pub struct ApiParts {
    /// The node.
    pub node: NodeHandle,
    /// Who may call over the loopback.
    pub tokens: ApiTokens,
    /// Where the program that runs the node takes orders.
    pub orders: mpsc::Sender<Order>,
    /// Where the loopback is listened on, if it is.
    pub loopback: Option<SocketAddr>,
    /// The settings in force.
    pub config: watch::Receiver<Arc<Config>>,
    /// How the kernel stands to the charter in force.
    pub kernel: watch::Receiver<Standing>,
    /// The charter's gateway.
    pub gateway: Arc<Hub>,
    /// What keeps content.
    pub keeper: Arc<Keeper>,
    /// How this node's onion service for emergencies is.
    pub hosted: watch::Receiver<Hosted>,
}

impl ApiState {
    /// Puts the parts together and starts to follow what happens.
    ///
    /// # Errors
    ///
    /// Returns that the operating system gave no random bytes.
    pub fn start(parts: ApiParts) -> Result<Arc<Self>, getrandom::Error> {
        let mut boot = [0; 4];
        getrandom::fill(&mut boot)?;
        let happening = parts.node.events();
        let kept = parts.keeper.happenings();
        let api = Arc::new(Self {
            sessions: Sessions::new(&parts.node.key()),
            node: parts.node,
            tokens: parts.tokens,
            events: Arc::new(EventLog::new(u64::from(u32::from_le_bytes(boot)))),
            feed: Feed::default(),
            orders: parts.orders,
            stop: watch::Sender::new(false),
            loopback: parts.loopback,
            config: parts.config,
            kernel: parts.kernel,
            gateway: parts.gateway,
            keeper: parts.keeper,
            hosted: parts.hosted,
            limiter: RateLimiter::default(),
            started: Instant::now(),
        });
        tokio::spawn(follow(happening, Arc::clone(&api)));
        tokio::spawn(follow_keeper(kept, Arc::clone(&api)));
        Ok(api)
    }
}

/// Takes in what the node reports, until it stops.
async fn follow(mut happening: broadcast::Receiver<Arc<TimedEvent>>, api: Arc<ApiState>) {
    loop {
        match happening.recv().await {
            Ok(event) => {
                api.events.push(EventView::from(event.as_ref()));
                api.feed.push(event.wall, event.event.clone());
            }
            Err(RecvError::Lagged(missed)) => api.events.skip(missed),
            Err(RecvError::Closed) => return,
        }
    }
}

/// Takes in what happens to items that are kept here, until the node stops.
async fn follow_keeper(mut happening: broadcast::Receiver<Happening>, api: Arc<ApiState>) {
    let mut stop = api.stop.subscribe();
    loop {
        tokio::select! {
            happened = happening.recv() => match happened {
                Ok(happening) => {
                    api.events.push(EventView::from(&happening));
                    api.feed.push(Wall(happening.time_ms), happening);
                }
                Err(RecvError::Lagged(missed)) => api.events.skip(missed),
                Err(RecvError::Closed) => return,
            },
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Builds the router: the API, and the dashboard beside it.
pub fn router(api: Arc<ApiState>) -> Router {
    let require = |scope| from_fn_with_state(scope, auth::require);
    let (routes, description) = OpenApiRouter::with_openapi(head())
        .merge(read_routes().route_layer(require(Scope::Read)))
        .merge(act_routes().route_layer(require(Scope::Act)))
        .merge(admin_routes().route_layer(require(Scope::Admin)))
        .merge(control::health_routes())
        .merge(public::open_routes())
        .split_for_parts();
    let described = get(move || async { Json(description) }).route_layer(require(Scope::Read));
    let pages = dashboard::router(Pages::of(Arc::clone(&api)))
        .route_layer(from_fn(control::require_dashboard));
    routes
        .merge(control::door())
        .with_state(Arc::clone(&api))
        .route("/v1/openapi.json", described)
        .merge(pages)
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(api, auth::identify))
        .layer(from_fn(auth::check_host))
}

/// Returns the OpenAPI description of every route.
pub fn openapi() -> OpenApi {
    let routes: OpenApiRouter<Arc<ApiState>> = OpenApiRouter::with_openapi(head())
        .merge(read_routes())
        .merge(act_routes())
        .merge(admin_routes())
        .merge(control::health_routes())
        .merge(public::open_routes());
    routes.into_openapi()
}

fn read_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .merge(node::routes())
        .merge(capabilities::read_routes())
        .merge(acts::read_routes())
        .merge(consents::read_routes())
        .merge(committee::read_routes())
        .merge(charter::read_routes())
        .merge(data::read_routes())
        .merge(cases::read_routes())
        .merge(emergency::read_routes())
        .merge(inspections::read_routes())
        .merge(gateway::read_routes())
        .merge(keeping::read_routes())
        .merge(sublime::read_routes())
        .merge(guardians::read_routes())
        .merge(halts::routes())
        .merge(packs::routes())
        .merge(votes::read_routes())
        .merge(audit::routes())
        .merge(public::read_routes())
        .merge(events::routes())
        .merge(control::read_routes())
}

fn act_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .merge(capabilities::act_routes())
        .merge(acts::act_routes())
        .merge(public::act_routes())
        .merge(consents::act_routes())
        .merge(votes::act_routes())
        .merge(charter::act_routes())
        .merge(data::act_routes())
        .merge(cases::act_routes())
        .merge(emergency::act_routes())
        .merge(inspections::act_routes())
        .merge(gateway::act_routes())
        .merge(keeping::act_routes())
        .merge(sublime::act_routes())
        .merge(guardians::act_routes())
}

fn admin_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .merge(capabilities::admin_routes())
        .merge(committee::admin_routes())
        .merge(cases::admin_routes())
        .merge(invites::routes())
        .merge(control::admin_routes())
}

fn head() -> OpenApi {
    let mut info = Info::new("x0 local API", "1");
    info.description = Some(
        "The local API of an x0 node. On the unix socket the node's own user needs no token; on the loopback \
         send `Authorization: Bearer TOKEN` with a token of `x0 api-token add`."
            .to_owned(),
    );
    let mut description = OpenApiBuilder::new().info(info).build();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    description
        .components
        .get_or_insert_default()
        .add_security_scheme("api_token", bearer);
    description
}

async fn no_such_route(uri: axum::http::Uri) -> ApiError {
    ApiError::not_found(
        format!("there is nothing at {}", uri.path()),
        "see /v1/openapi.json for all routes",
    )
}

async fn no_such_method(method: axum::http::Method, uri: axum::http::Uri) -> ApiError {
    ApiError::new(
        axum::http::StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} does not take {method}", uri.path()),
        "see /v1/openapi.json for the methods of each route",
    )
}

/// Reads the store on a thread that may wait for the disk.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ApiError> {
    blocking_compute(move || read().map_err(ApiError::from)).await
}

/// Runs long work beside the server's own threads.
async fn blocking_compute<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

fn recorded(reply: Reply) -> Result<Json<RecordedView>, ApiError> {
    expect_reply!(reply, Reply::Recorded(id) => Json(RecordedView { id: id.to_string() }))
}

/// The node answered another question: a mistake of this program, told rather than hidden.
fn unexpected(reply: &Reply) -> ApiError {
    ApiError::new(
        axum::http::StatusCode::INTERNAL_SERVER_ERROR,
        "unexpected_reply",
        format!("the node gave an answer that does not fit the call: {reply:?}"),
        "report this as a bug of x0, with what you called",
    )
}
