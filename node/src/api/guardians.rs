//! Guardians through the API: who serves, who was invited to, and drills of what this node keeps.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_crypto::PublicKey;
use x0_protocol::{
    Reply,
    core::sublime::SublimeCommand,
    sublime::{invitations, known::LastDrill},
    wire::Reason,
};

use super::{
    ApiState,
    error::{ApiError, ErrorBody},
    expect_reply,
    extract::Body,
    recorded,
    sublime::{command, malformed},
    view::{DoneView, RecordedView},
};
use crate::sublime::{DrillReport, DrilledShare, Drills};

pub(super) fn read_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(drills))
}

pub(super) fn act_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(invite))
        .routes(routes!(accept))
        .routes(routes!(decline))
        .routes(routes!(drill))
}

/// Who serves as a guardian, and who was invited to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GuardiansView {
    /// The members who serve.
    pub serving: Vec<ServingView>,
    /// What this node last told the mesh of a drill.
    pub drilled: Option<ToldDrillView>,
    /// The invitations that came, the newest first.
    pub received: Vec<InvitationView>,
    /// The invitations made from here, the newest first.
    pub made: Vec<InvitationView>,
}

/// A member who serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServingView {
    /// Who.
    pub member: String,
    /// What its node last told of a drill.
    pub drilled: Option<ToldDrillView>,
}

/// What a node has told of a drill: its own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ToldDrillView {
    /// When, by its member's clock.
    pub time_ms: u64,
    /// Shares that it keeps.
    pub shares: u32,
    /// How many of them are good.
    pub good: u32,
}

/// An invitation to serve as a guardian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvitationView {
    /// The other member.
    pub member: String,
    /// Why, in the inviter's words.
    pub why: String,
    /// When it was made or came, by this node's clock.
    pub since_ms: u64,
    /// Whether the invited member serves, once it has answered.
    pub serves: Option<bool>,
}

/// Whom to invite.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteBody {
    /// Who.
    #[schema(value_type = String)]
    pub member: PublicKey,
    /// Why, in words for that member alone; may be empty.
    #[serde(default)]
    pub why: String,
}

/// Whose invitation is accepted.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptBody {
    /// Who has invited; if none is named, whoever has.
    #[schema(value_type = Option<String>)]
    pub member: Option<PublicKey>,
}

/// Whose invitation is declined.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeclineBody {
    /// Who has invited.
    #[schema(value_type = String)]
    pub member: PublicKey,
}

/// The drill that runs, and what the last one found.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DrillsView {
    /// Whether one runs.
    pub runs: bool,
    /// Shares whose content was looked at.
    pub done: usize,
    /// Of how many; 0 as long as the shares are being opened.
    pub of: usize,
    /// What the last one found since this node was started.
    pub last: Option<DrillView>,
}

/// What a drill found.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DrillView {
    /// When it ended.
    pub time_ms: u64,
    /// How long it took.
    pub took_ms: u64,
    /// Shares that this node owes to others: those of the sharings in force.
    pub owed: u32,
    /// How many of them are good, with their content.
    pub good: u32,
    /// Each share, by the key of the item.
    pub shares: Vec<DrilledView>,
    /// Why nothing could be tried, if so.
    pub trouble: Option<String>,
    /// The record that tells the mesh.
    pub record: Option<String>,
    /// Why the mesh was not told, if it was not.
    pub not_told: Option<String>,
}

/// What a drill found of a share.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DrilledView {
    /// The item, if it is known here.
    pub item: Option<String>,
    /// Its key.
    pub key: String,
    /// The epoch of the sharing.
    pub epoch: u32,
    /// The number of the share.
    pub index: u8,
    /// Whether this node owes it to others.
    pub owed: bool,
    /// What is wrong, if something is.
    pub fault: Option<String>,
    /// How long it took to open and check it, and to read a sample of the content.
    pub took_ms: u64,
}

impl From<LastDrill> for ToldDrillView {
    fn from(told: LastDrill) -> Self {
        Self {
            time_ms: told.time.0,
            shares: told.said.shares,
            good: told.said.good,
        }
    }
}

impl From<&invitations::Invitation> for InvitationView {
    fn from(invitation: &invitations::Invitation) -> Self {
        Self {
            member: invitation.with.to_string(),
            why: invitation.why.to_string(),
            since_ms: invitation.since.0,
            serves: invitation.serves,
        }
    }
}

impl From<&DrilledShare> for DrilledView {
    fn from(drilled: &DrilledShare) -> Self {
        let share = &drilled.share;
        Self {
            item: share.item.as_ref().map(|(id, _)| id.to_string()),
            key: share.key.to_string(),
            epoch: share.epoch,
            index: share.index.number(),
            owed: drilled.is_owed(),
            fault: drilled.fault(),
            took_ms: drilled.took_ms,
        }
    }
}

impl From<&DrillReport> for DrillView {
    fn from(report: &DrillReport) -> Self {
        let count = report.count();
        let shares = report.shares.iter().flatten();
        Self {
            time_ms: report.time_ms,
            took_ms: report.took_ms,
            owed: count.shares,
            good: count.good,
            shares: shares.map(DrilledView::from).collect(),
            trouble: report.shares.as_ref().err().cloned(),
            record: report.told.as_ref().ok().map(ToString::to_string),
            not_told: report.told.as_ref().err().cloned(),
        }
    }
}

impl From<Drills> for DrillsView {
    fn from(drills: Drills) -> Self {
        let (done, of) = drills.running.unwrap_or_default();
        Self {
            runs: drills.running.is_some(),
            done,
            of,
            last: drills.last.as_deref().map(DrillView::from),
        }
    }
}

/// Shows who serves as a guardian, and who was invited to.
#[utoipa::path(
    get, path = "/v1/sublime/guardians", tag = "sublime",
    responses((status = 200, body = GuardiansView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn show(State(api): State<Arc<ApiState>>) -> Result<Json<GuardiansView>, ApiError> {
    let reply = command(&api, SublimeCommand::Guardians).await?;
    expect_reply!(reply, Reply::Guardians(view) => Json(GuardiansView {
        serving: view
            .serving
            .iter()
            .map(|(member, drilled)| ServingView {
                member: member.to_string(),
                drilled: drilled.map(ToldDrillView::from),
            })
            .collect(),
        drilled: view.drilled.map(ToldDrillView::from),
        received: view.received.iter().map(InvitationView::from).collect(),
        made: view.made.iter().map(InvitationView::from).collect(),
    }))
}

/// Asks another member to serve as a guardian; answers once that member's node has taken the invitation.
#[utoipa::path(
    post, path = "/v1/sublime/invitations", tag = "sublime", request_body = InviteBody,
    responses((status = 200, body = DoneView), (status = 409, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn invite(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<InviteBody>,
) -> Result<Json<DoneView>, ApiError> {
    let member = body.member;
    let why: Reason = body
        .why
        .parse()
        .map_err(|error| malformed("reason", error))?;
    let reply = command(&api, SublimeCommand::Invite { member, why }).await?;
    let done = format!("{member} is invited to serve as a guardian");
    expect_reply!(reply, Reply::Done => Json(DoneView { done }))
}

/// Has the member serve as a guardian, as it was invited to; whoever has invited it is told.
#[utoipa::path(
    post, path = "/v1/sublime/invitations/accept", tag = "sublime", request_body = AcceptBody,
    responses((status = 200, body = RecordedView), (status = 404, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn accept(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<AcceptBody>,
) -> Result<Json<RecordedView>, ApiError> {
    recorded(command(&api, SublimeCommand::Accept(body.member)).await?)
}

/// Declines an invitation; whoever has made it is told.
#[utoipa::path(
    post, path = "/v1/sublime/invitations/decline", tag = "sublime", request_body = DeclineBody,
    responses((status = 200, body = DoneView), (status = 404, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn decline(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<DeclineBody>,
) -> Result<Json<DoneView>, ApiError> {
    let member = body.member;
    let reply = command(&api, SublimeCommand::Decline(member)).await?;
    let done = format!("the invitation of {member} is declined");
    expect_reply!(reply, Reply::Done => Json(DoneView { done }))
}

/// Shows the drill that runs, and what the last one found since this node was started.
#[utoipa::path(
    get, path = "/v1/sublime/drill", tag = "sublime",
    responses((status = 200, body = DrillsView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn drills(State(api): State<Arc<ApiState>>) -> Json<DrillsView> {
    Json(api.keeper.drills().into())
}

/// Begins a drill, unless one runs: each share that is kept here is tried, and its content looked at.
#[utoipa::path(
    post, path = "/v1/sublime/drill", tag = "sublime",
    responses((status = 200, body = DrillsView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn drill(State(api): State<Arc<ApiState>>) -> Json<DrillsView> {
    api.keeper.begin_drill();
    Json(api.keeper.drills().into())
}
