//! Who sits on the committee, who is to, and the approvals that put others in their place.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{Command, Reply, core::command::CommitteeView};

use super::{
    ApiState,
    error::{ApiError, ErrorBody},
    expect_reply,
    extract::{Body, Found},
    recorded,
    view::RecordedView,
};

pub(super) fn read_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(committee))
}

pub(super) fn admin_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(propose))
        .routes(routes!(approve))
        .routes(routes!(propose_recovery))
        .routes(routes!(sign_recovery))
}

/// Who sits on the committee, and who is to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeatsView {
    /// The epoch of the committee's keys, once they are made and known here.
    pub epoch: Option<u64>,
    /// Who sits, in order.
    pub seats: Vec<String>,
    /// How many of them must agree.
    pub quorum: u32,
    /// Plans that wait for approvals; only seats know them.
    pub plans: Vec<PlanView>,
    /// The hand-over under way, if there is one; only seats know it.
    pub handing: Option<HandingView>,
    /// Plans to recover a lost committee.
    pub recoveries: Vec<RecoveryView>,
}

/// A new committee that members speak for, in place of a lost one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecoveryView {
    /// The plan, by its name.
    pub plan: String,
    /// Who is to sit.
    pub seats: Vec<String>,
    /// How many members have spoken for it.
    pub have: u32,
    /// How many must: two thirds of those who counted as of the last checkpoint.
    pub need: u32,
}

/// Seats that somebody wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanView {
    /// The plan, by its name.
    pub plan: String,
    /// Who would get a seat.
    pub come: Vec<String>,
    /// Who would leave one.
    pub leave: Vec<String>,
    /// Seats whose persons approve.
    pub approved_by: Vec<String>,
}

/// A hand-over under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HandingView {
    /// The epoch that is to begin.
    pub epoch: u64,
    /// Who is to sit.
    pub seats: Vec<String>,
    /// `making_keys` or `to_be_certified`.
    pub stage: String,
}

impl SeatsView {
    fn new(view: &CommitteeView) -> Self {
        let names = |keys: &[PublicKey]| keys.iter().map(ToString::to_string).collect::<Vec<_>>();
        let count = view.seats.len();
        let plans = view.plans.iter().map(|(id, open)| {
            let wanted = &open.plan.seats;
            let come = wanted.iter().filter(|key| !view.seats.contains(key));
            let leave = view.seats.iter().filter(|key| !wanted.contains(key));
            PlanView {
                plan: id.to_string(),
                come: come.map(ToString::to_string).collect(),
                leave: leave.map(ToString::to_string).collect(),
                approved_by: open.by.iter().map(ToString::to_string).collect(),
            }
        });
        Self {
            epoch: view.epoch,
            quorum: u32::try_from(count * 2 / 3 + 1).unwrap_or(u32::MAX),
            seats: names(&view.seats),
            plans: plans.collect(),
            handing: view.handing.as_ref().map(|handing| HandingView {
                epoch: handing.epoch,
                seats: names(&handing.seats),
                stage: match handing.is_made {
                    true => "to_be_certified".to_owned(),
                    false => "making_keys".to_owned(),
                },
            }),
            recoveries: view
                .recoveries
                .iter()
                .map(|recovery| RecoveryView {
                    plan: recovery.id.to_string(),
                    seats: names(&recovery.seats),
                    have: recovery.have,
                    need: recovery.need,
                })
                .collect(),
        }
    }
}

/// Who sits on the committee, and who is to.
#[utoipa::path(
    get, path = "/v1/committee", tag = "committee",
    responses((status = 200, body = SeatsView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn committee(State(api): State<Arc<ApiState>>) -> Result<Json<SeatsView>, ApiError> {
    let reply = api.node.command(Command::Committee).await?;
    expect_reply!(reply, Reply::Committee(view) => Json(SeatsView::new(&view)))
}

/// Seats to be filled and left.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SeatsBody {
    /// Members that are to have a seat.
    #[schema(value_type = Vec<String>)]
    pub add: Vec<PublicKey>,
    /// Seats that are to leave. With neither, the seats stay and make new keys.
    #[schema(value_type = Vec<String>)]
    pub remove: Vec<PublicKey>,
}

/// A plan that is on its way to the seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedView {
    /// The plan, by its name.
    pub plan: String,
}

/// Proposes other seats, with this seat's approval.
#[utoipa::path(
    post, path = "/v1/committee/plans", tag = "committee", request_body = SeatsBody,
    responses((status = 200, body = PlannedView), (status = 403, body = ErrorBody)),
    security(("api_token" = ["admin"]))
)]
async fn propose(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<SeatsBody>,
) -> Result<Json<PlannedView>, ApiError> {
    let SeatsBody { add, remove } = body;
    let command = Command::ProposeSeats { add, remove };
    let reply = api.node.command(command).await?;
    expect_reply!(reply, Reply::Plan(plan) => Json(PlannedView { plan: plan.to_string() }))
}

/// Approves of seats that another seat has proposed.
#[utoipa::path(
    post, path = "/v1/committee/plans/{plan}", tag = "committee",
    params(("plan" = String, Path, description = "The plan, by its name.")),
    responses((status = 200, body = PlannedView), (status = 403, body = ErrorBody)),
    security(("api_token" = ["admin"]))
)]
async fn approve(
    State(api): State<Arc<ApiState>>,
    Found(plan): Found<ContentId>,
) -> Result<Json<PlannedView>, ApiError> {
    let reply = api.node.command(Command::ApproveSeats(plan)).await?;
    expect_reply!(reply, Reply::Plan(plan) => Json(PlannedView { plan: plan.to_string() }))
}

/// Seats of a new committee.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoveryBody {
    /// Who is to sit, 4 to 31 members.
    #[schema(value_type = Vec<String>)]
    pub seats: Vec<PublicKey>,
}

/// Proposes a new committee in place of a lost one, with this member's word.
#[utoipa::path(
    post, path = "/v1/committee/recoveries", tag = "committee", request_body = RecoveryBody,
    responses((status = 200, body = RecordedView), (status = 422, body = ErrorBody)),
    security(("api_token" = ["admin"]))
)]
async fn propose_recovery(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<RecoveryBody>,
) -> Result<Json<RecordedView>, ApiError> {
    let seats = body.seats;
    recorded(api.node.command(Command::ProposeRecovery { seats }).await?)
}

/// Speaks for a new committee that another member has proposed.
#[utoipa::path(
    post, path = "/v1/committee/recoveries/{plan}", tag = "committee",
    params(("plan" = String, Path, description = "The plan, by its name.")),
    responses((status = 200, body = RecordedView), (status = 404, body = ErrorBody)),
    security(("api_token" = ["admin"]))
)]
async fn sign_recovery(
    State(api): State<Arc<ApiState>>,
    Found(plan): Found<ContentId>,
) -> Result<Json<RecordedView>, ApiError> {
    recorded(api.node.command(Command::SignRecovery(plan)).await?)
}
