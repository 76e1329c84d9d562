//! Calls in an emergency through the API: which are known and what their jury was asked, where nodes are reached over Tor, and
//! the owner's word that a card counts no longer.
//!
//! Nothing here answers a device: that is done at the node's onion service. A reason is shown to a juror of its call alone,
//! whose node can open it; it passes through this node's memory and its local socket, and is kept nowhere.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_crypto::ContentId;
use x0_protocol::{
    Command, Reply,
    core::emergency::{self, EmergencyCommand, EmergencyRefusal},
    wire::{CallStage, CardRevoked},
};

use super::{
    ApiState,
    error::{ApiError, ErrorBody},
    expect_reply,
    extract::Body,
    recorded,
    sublime::{from_base64, malformed},
    view::RecordedView,
};

pub(super) fn read_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(calls))
        .routes(routes!(nodes))
}

pub(super) fn act_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(revoke))
}

/// The calls known here.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CallsView {
    /// The calls, the newest first.
    pub calls: Vec<CallView>,
    /// Mesh time.
    pub mesh_time_ms: u64,
}

/// A call for an item by its recovery card.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CallView {
    /// Its name, which is the subject that the jury decides about.
    pub call: String,
    /// The item.
    pub item: String,
    /// What the item is, in its owner's words.
    pub label: String,
    /// When jurors should say yes, in its owner's words.
    pub policy: String,
    /// Mesh time from the moment the jury is asked in which the owner can still revoke the card, seconds.
    pub veto_secs: u64,
    /// When it was made, by the device's clock.
    pub time_ms: u64,
    /// `unknown`, `open`, `veto`, `granted`, `denied`, `revoked` or `over`.
    pub stage: String,
    /// The same, in words.
    pub words: String,
    /// In the owner's veto time: mesh time until then.
    pub veto_until_ms: Option<u64>,
    /// What the jury was asked; absent if none was.
    pub asked: Option<AskedView>,
    /// Why somebody calls, if this node's member sits on the jury that was asked.
    pub reason: Option<String>,
    /// The shares that this node has sealed for it, or was handed for it.
    pub parts: usize,
}

/// What the jury was asked about a call.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AskedView {
    /// The vote, by the id of its proposal.
    pub vote: String,
    /// Mesh time since when.
    pub since_ms: u64,
    /// Mesh time until when jurors answer.
    pub until_ms: u64,
    /// How many jurors there are.
    pub jury: usize,
    /// How many must say yes.
    pub needed: usize,
    /// How many have.
    pub yes: usize,
    /// How many have said no.
    pub no: usize,
    /// Whether this node's member sits on it.
    pub is_juror: bool,
    /// What it has said: `yes`, `no` or `abstain`.
    pub ballot: Option<String>,
}

/// Where nodes are reached over Tor.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NodesView {
    /// Members whose nodes are, in order of key.
    pub nodes: Vec<OnionNodeView>,
    /// This node's own onion service.
    pub own: OwnServiceView,
    /// The newest checkpoint of the committee that is known here: what a recovery card holds nodes to.
    pub checkpoint: Option<PinnedView>,
}

/// Where a member's node is reached over Tor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OnionNodeView {
    /// The member.
    pub member: String,
    /// Its node's address, with `.onion`.
    pub address: String,
    /// The member at the head of the first-level invite subtree in which it stands.
    pub subtree: String,
}

/// This node's own onion service.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OwnServiceView {
    /// Its address, once there is one.
    pub address: Option<String>,
    /// How it is, in words.
    pub status: String,
    /// How long ago it was last reached from outside, by way of Tor.
    pub reached_secs_ago: Option<u64>,
}

/// A checkpoint of the committee, by its place and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PinnedView {
    /// Its height in the committee log.
    pub height: u64,
    /// Its name.
    pub id: String,
}

/// The word that an item's card counts no longer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RevokeCardBody {
    /// It: DAG-CBOR, base64; signed with the item's key when it was put.
    pub word: String,
}

/// Names a stage for programs.
const fn name(stage: CallStage) -> &'static str {
    match stage {
        CallStage::Unknown => "unknown",
        CallStage::Open => "open",
        CallStage::Veto { .. } => "veto",
        CallStage::Granted => "granted",
        CallStage::Denied => "denied",
        CallStage::Revoked => "revoked",
        CallStage::Over => "over",
    }
}

impl AskedView {
    fn new(asked: &emergency::AskedView) -> Self {
        Self {
            vote: asked.proposal.to_string(),
            since_ms: asked.since.0,
            until_ms: asked.until.0,
            jury: asked.jury,
            needed: asked.needed,
            yes: asked.yes,
            no: asked.no,
            is_juror: asked.is_juror,
            ballot: asked.own.map(|choice| choice.name().to_owned()),
        }
    }
}

impl CallView {
    fn new(call: &emergency::CallView, reason: Option<String>) -> Self {
        Self {
            call: call.id.to_string(),
            item: call.item.to_string(),
            label: call.card.label.to_string(),
            policy: call.card.policy.to_string(),
            veto_secs: call.card.veto.0 / 1_000,
            time_ms: call.time.0,
            stage: name(call.stage).to_owned(),
            words: call.stage.name().to_owned(),
            veto_until_ms: match call.stage {
                CallStage::Veto { until } => Some(until.0),
                CallStage::Unknown
                | CallStage::Open
                | CallStage::Granted
                | CallStage::Denied
                | CallStage::Revoked
                | CallStage::Over => None,
            },
            asked: call.asked.as_ref().map(AskedView::new),
            reason,
            parts: call.parts,
        }
    }
}

async fn command(api: &ApiState, command: EmergencyCommand) -> Result<Reply, ApiError> {
    Ok(api.node.command(Command::Emergency(command)).await?)
}

async fn known(api: &ApiState) -> Result<Box<emergency::CallsView>, ApiError> {
    let reply = command(api, EmergencyCommand::Calls).await?;
    expect_reply!(reply, Reply::Calls(view) => view)
}

/// Opens the reason of a call for a juror.
async fn reason(api: &ApiState, call: ContentId) -> Result<Option<String>, ApiError> {
    let reply = command(api, EmergencyCommand::Reason(call)).await?;
    expect_reply!(reply, Reply::Reason(reason) => reason.map(String::from))
}

/// Lists the calls known here, with the reasons of those that this node's member was asked about.
#[utoipa::path(
    get, path = "/v1/emergency/calls", tag = "emergency",
    responses((status = 200, body = CallsView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn calls(State(api): State<Arc<ApiState>>) -> Result<Json<CallsView>, ApiError> {
    let view = known(&api).await?;
    let mut calls = Vec::with_capacity(view.calls.len());
    for call in &view.calls {
        let is_juror = call.asked.as_ref().is_some_and(|asked| asked.is_juror);
        let reason = match is_juror {
            true => reason(&api, call.id).await?,
            false => None,
        };
        calls.push(CallView::new(call, reason));
    }
    Ok(Json(CallsView {
        calls,
        mesh_time_ms: view.now.0,
    }))
}

/// Tells where nodes are reached over Tor, this one among them.
#[utoipa::path(
    get, path = "/v1/emergency/nodes", tag = "emergency",
    responses((status = 200, body = NodesView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn nodes(State(api): State<Arc<ApiState>>) -> Result<Json<NodesView>, ApiError> {
    let view = known(&api).await?;
    let hosted = api.hosted.borrow().clone();
    let nodes = view.onions.iter().map(|onion| OnionNodeView {
        member: onion.member.to_string(),
        address: onion.address.to_string(),
        subtree: onion.subtree.to_string(),
    });
    Ok(Json(NodesView {
        nodes: nodes.collect(),
        own: OwnServiceView {
            address: hosted.address.map(|address| address.to_string()),
            status: hosted.status,
            reached_secs_ago: hosted.reached.map(|at| at.elapsed().as_secs()),
        },
        checkpoint: view.checkpoint.map(|pinned| PinnedView {
            height: pinned.height,
            id: pinned.id.to_string(),
        }),
    }))
}

/// Says to all that an item's recovery card counts no longer.
#[utoipa::path(
    post, path = "/v1/emergency/revoke", tag = "emergency", request_body = RevokeCardBody,
    responses((status = 200, body = RecordedView), (status = 403, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn revoke(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<RevokeCardBody>,
) -> Result<Json<RecordedView>, ApiError> {
    let bytes = from_base64("word", &body.word)?;
    let word = CardRevoked::decode(&bytes).map_err(|error| malformed("word", error))?;
    recorded(command(&api, EmergencyCommand::Revoke(word)).await?)
}

/// Says how a refusal is answered: status, name and mend.
pub(super) const fn refused(
    refusal: &EmergencyRefusal,
) -> (StatusCode, &'static str, &'static str) {
    match refusal {
        EmergencyRefusal::NoSuchItem(_) => (
            StatusCode::NOT_FOUND,
            "no_such_item",
            "`x0 sublime list` lists the items known here",
        ),
        EmergencyRefusal::NoSuchCard(_) => (
            StatusCode::NOT_FOUND,
            "no_such_card",
            "`x0 sublime show ITEM` tells whether an item has a recovery card",
        ),
        EmergencyRefusal::Revoked(_) => (
            StatusCode::CONFLICT,
            "card_revoked",
            "ask for the item as a member: `x0 sublime request ITEM --why TEXT`",
        ),
        EmergencyRefusal::NoSuchCall(_) => (
            StatusCode::NOT_FOUND,
            "no_such_call",
            "`x0 emergency calls` lists the calls known here",
        ),
        EmergencyRefusal::NotACall => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "not_a_call",
            "hand in the record that a device has made with `x0 emergency request`",
        ),
        EmergencyRefusal::NoCommittee => (
            StatusCode::CONFLICT,
            "no_committee",
            "found a mesh with 4 seats or more, or wait until `x0 committee show` tells of its keys",
        ),
        EmergencyRefusal::NoJury => (
            StatusCode::CONFLICT,
            "no_jury",
            "members say that they serve by `x0 vote jury on`; a jury is drawn a day ahead",
        ),
        EmergencyRefusal::NotItsKey(_) => (
            StatusCode::FORBIDDEN,
            "not_its_key",
            "only who put the item can revoke its card, on the node where it was put",
        ),
        EmergencyRefusal::Terms(_) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad_terms",
            "give what the message names",
        ),
    }
}
