//! The charter's gateway: what it takes in and refuses, and what people have said about collections.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_protocol::charter::{
    Charter,
    gateway::{
        consent::{Consents, Word, WordFault},
        refusal::Refused,
        render::Withheld,
    },
};

use super::{
    ApiState,
    error::{ApiError, ErrorBody},
    extract::Body,
};
use crate::{
    charter::following::Standing,
    gateway::{Overview, Place, SayError, Visited},
};

pub(super) fn read_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(gateway))
        .routes(routes!(consents))
}

pub(super) fn act_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(say))
}

/// The gateway as its operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GatewayView {
    /// `off`, `opening`, `open` or `failed`.
    pub state: String,
    /// Where it takes telemetry in, or would.
    pub address: Option<String>,
    /// Why it does not, and what to do.
    pub why: Option<String>,
    /// The number of the charter that it obeys.
    pub charter: u64,
    /// How the kernel stands to the charter in force: `in_force`, `failed` and others.
    pub kernel: KernelView,
    /// Series that are kept.
    pub series: u64,
    /// Samples taken since the start.
    pub taken: u64,
    /// Samples refused since the start, by reason.
    pub refused: BTreeMap<String, u64>,
    /// The refusals that are kept, the newest first.
    pub refusals: Vec<RefusedView>,
    /// Metrics that only the operator sees, as too few nodes gave them.
    pub withheld: Vec<WithheldView>,
    /// Exporters that are visited.
    pub targets: Vec<TargetView>,
}

/// How the kernel stands to the charter in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KernelView {
    /// `waiting`, `manual`, `no_helper`, `not_owner`, `by_hand`, `in_force` or `failed`.
    pub state: String,
    /// The number of the charter that is enforced, or could not be loaded.
    pub number: Option<u64>,
    /// All of it in words.
    pub words: String,
}

impl KernelView {
    fn new(standing: &Standing) -> Self {
        let (state, number) = match standing {
            Standing::Waiting => ("waiting", None),
            Standing::Manual => ("manual", None),
            Standing::NoHelper { .. } => ("no_helper", None),
            Standing::NotOwner { .. } => ("not_owner", None),
            Standing::ByHand => ("by_hand", None),
            Standing::InForce { number, .. } => ("in_force", Some(*number)),
            Standing::Failed { number, .. } => ("failed", Some(*number)),
        };
        Self {
            state: state.to_owned(),
            number,
            words: standing.words(),
        }
    }
}

/// A sort of refusals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedView {
    /// `statsd`, `otlp`, `remote-write`, or the address it was fetched from.
    pub source: String,
    /// The name, where it is one.
    pub name: Option<String>,
    /// Why, as a word.
    pub reason: String,
    /// Why, as a sentence, and what to do.
    pub words: String,
    /// How often.
    pub count: u64,
    /// When it was the last time, milliseconds since the Unix epoch.
    pub last_ms: u64,
}

impl RefusedView {
    fn new(refused: Refused) -> Self {
        Self {
            source: refused.source,
            name: refused.name,
            reason: refused.reason.to_owned(),
            words: refused.words,
            count: refused.count,
            last_ms: refused.last.0,
        }
    }
}

/// A metric that is not shown to everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WithheldView {
    /// The metric.
    pub metric: String,
    /// Nodes that gave it.
    pub nodes: u64,
    /// Nodes that must.
    pub cohort_min: u16,
}

impl WithheldView {
    fn new(withheld: Withheld) -> Self {
        Self {
            metric: withheld.metric,
            nodes: withheld.nodes as u64,
            cohort_min: withheld.cohort_min,
        }
    }
}

/// An exporter that is visited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetView {
    /// The node it stands on.
    pub node: String,
    /// Its address.
    pub url: String,
    /// When it was visited the last time, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Samples taken by that visit; none if it was not read.
    pub taken: Option<u64>,
    /// Samples refused by that visit.
    pub refused: Option<u64>,
    /// Why it was not read, and what to do.
    pub why: Option<String>,
}

impl TargetView {
    fn new(visited: Visited) -> Self {
        let (came, why) = match visited.came {
            Ok(came) => (Some(came), None),
            Err(why) => (None, Some(why)),
        };
        Self {
            node: visited.target.node,
            url: visited.target.url,
            at_ms: visited.at.0,
            taken: came.map(|came| came.taken),
            refused: came.map(|came| came.refused),
            why,
        }
    }
}

impl GatewayView {
    fn new(overview: Overview, kernel: &Standing) -> Self {
        let (state, address, why) = match overview.place {
            Place::Off => ("off", None, None),
            Place::Opening => ("opening", None, None),
            Place::Open { address } => ("open", Some(address), None),
            Place::Failed { address, why } => ("failed", Some(address), Some(why)),
        };
        let refused = overview.refused.into_iter();
        Self {
            state: state.to_owned(),
            address: address.map(|address| address.to_string()),
            why,
            charter: overview.charter.number(),
            kernel: KernelView::new(kernel),
            series: overview.series as u64,
            taken: overview.taken,
            refused: refused
                .map(|(reason, count)| (reason.to_owned(), count))
                .collect(),
            refusals: overview
                .refusals
                .into_iter()
                .map(RefusedView::new)
                .collect(),
            withheld: overview
                .withheld
                .into_iter()
                .map(WithheldView::new)
                .collect(),
            targets: overview.visited.into_iter().map(TargetView::new).collect(),
        }
    }
}

/// What the charter's gateway takes in and refuses, and how the kernel stands to the charter.
#[utoipa::path(
    get, path = "/v1/charter/gateway", tag = "charter",
    responses((status = 200, body = GatewayView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn gateway(State(api): State<Arc<ApiState>>) -> Json<GatewayView> {
    let kernel = api.kernel.borrow().clone();
    Json(GatewayView::new(api.gateway.overview(), &kernel))
}

/// What a person said about a metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsentView {
    /// The metric.
    pub metric: String,
    /// Who.
    pub person: String,
    /// Whether it was yes.
    pub given: bool,
    /// Whether that yes was to something that the metric no longer is, so that it counts no more.
    pub lapsed: bool,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
}

impl ConsentView {
    fn new(charter: &Charter, consents: &Consents, word: &Word) -> Self {
        Self {
            metric: word.metric.clone(),
            person: word.person.clone(),
            given: word.given,
            lapsed: consents.has_lapsed(charter, word),
            at_ms: word.at.0,
        }
    }
}

/// What people have said about metrics that need consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsentsView {
    /// Metrics that need consent by the charter in force, and whether they have it.
    pub needed: BTreeMap<String, bool>,
    /// The newest word of each person about each metric.
    pub words: Vec<ConsentView>,
}

/// What people have said about metrics that need consent.
#[utoipa::path(
    get, path = "/v1/charter/consents", tag = "charter",
    responses((status = 200, body = ConsentsView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn consents(State(api): State<Arc<ApiState>>) -> Json<ConsentsView> {
    let (charter, consents) = api.gateway.consents();
    let metrics = charter.text().metrics.iter();
    let needed = metrics.filter(|metric| metric.consent);
    Json(ConsentsView {
        needed: needed
            .map(|metric| (metric.name.clone(), consents.permits(metric)))
            .collect(),
        words: consents
            .words()
            .map(|word| ConsentView::new(&charter, &consents, word))
            .collect(),
    })
}

/// A person's yes or no to the collection of a metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SayBody {
    /// The metric.
    pub metric: String,
    /// Who: a name that means something on this machine.
    pub person: String,
    /// Whether it is yes.
    pub given: bool,
}

/// Writes down what a person says about a metric. A no has what was collected forgotten.
#[utoipa::path(
    post, path = "/v1/charter/consents", tag = "charter", request_body = SayBody,
    responses(
        (status = 200, body = ConsentView), (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)
    ),
    security(("api_token" = ["act"]))
)]
async fn say(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<SayBody>,
) -> Result<Json<ConsentView>, ApiError> {
    let hub = Arc::clone(&api.gateway);
    let word = super::blocking_compute(move || {
        hub.say(&body.metric, &body.person, body.given)
            .map_err(ApiError::from)
    });
    let word = word.await?;
    let (charter, consents) = api.gateway.consents();
    Ok(Json(ConsentView::new(&charter, &consents, &word)))
}

impl From<SayError> for ApiError {
    fn from(error: SayError) -> Self {
        let message = error.to_string();
        let (status, code, mend) = match error {
            SayError::Word(WordFault::NoMetric(_)) => (
                StatusCode::NOT_FOUND,
                "no_such_metric",
                "name a metric that `x0 charter consent list` shows",
            ),
            SayError::Word(WordFault::NotNeeded(_)) => (
                StatusCode::CONFLICT,
                "not_needed",
                "name a metric that `x0 charter consent list` shows",
            ),
            SayError::Word(WordFault::NeverGiven { .. }) => (
                StatusCode::CONFLICT,
                "never_given",
                "nothing is collected by a consent of this person",
            ),
            SayError::Word(WordFault::BadPerson) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "bad_person",
                "give a name of at most 64 bytes",
            ),
            SayError::Word(WordFault::Full) => (
                StatusCode::CONFLICT,
                "too_many_words",
                "ask a few to speak for all",
            ),
            SayError::Journal(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "consents_failed",
                "mend the file as the message says",
            ),
        };
        Self::new(status, code, message, mend)
    }
}
