//! Acts: proposing, changing this node, and waiting for what became of them.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_crypto::{
    ContentId, PublicKey,
    capability::{Grant, RootKey, Token},
};
use x0_protocol::{
    Command, Event, Millis, Reply,
    core::command::Aim,
    wire::{Change, Policy, PolicyName, Region, Targets},
};

use super::{
    ApiState,
    error::{ApiError, ErrorBody},
    expect_reply,
    extract::{Body, Found, Queried},
    view::{ActView, DoneView, ProposedView},
};

/// How long an act may wait for execution unless told otherwise.
pub(super) const LIFE_SECS: u64 = 600;

pub(super) fn read_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
}

pub(super) fn act_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(propose))
        .routes(routes!(local))
}

/// What to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum ChangeBody {
    /// Set a policy to a value.
    Set {
        /// Which, such as `links.target`.
        policy: String,
        /// The value.
        value: u64,
    },
    /// Link to a member; this node only.
    Link {
        /// The member.
        #[schema(value_type = String)]
        peer: PublicKey,
    },
    /// End the link to a member; this node only.
    Unlink {
        /// The member.
        #[schema(value_type = String)]
        peer: PublicKey,
    },
}

impl ChangeBody {
    /// Checks the change; the version it starts from is filled in by the node.
    ///
    /// # Errors
    ///
    /// Returns which policy or value does not do.
    pub fn check(&self) -> Result<Change, String> {
        match self {
            Self::Set { policy, value } => {
                let known: Policy = policy.parse()?;
                known.check(*value)?;
                let policy: PolicyName = known.written();
                Ok(Change::SetPolicy {
                    policy,
                    value: *value,
                    from_version: 0,
                })
            }
            Self::Link { peer } => Ok(Change::Link { peer: *peer }),
            Self::Unlink { peer } => Ok(Change::Unlink { peer: *peer }),
        }
    }
}

/// Where to change it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum AimBody {
    /// On these nodes.
    #[schema(value_type = Vec<String>)]
    Nodes(Vec<PublicKey>),
    /// On so many other members, drawn by this node.
    Count(u32),
    /// On every member of a region.
    Region(String),
    /// On every member.
    All,
}

impl AimBody {
    pub(super) fn check(self) -> Result<Aim, String> {
        Ok(match self {
            Self::Nodes(nodes) => Aim::At(Targets::Nodes(nodes)),
            Self::Count(count) => Aim::Count(count),
            Self::Region(region) => Aim::At(Targets::Region(region.parse::<Region>()?)),
            Self::All => Aim::At(Targets::All),
        })
    }
}

/// An act to propose.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposeBody {
    /// What to change.
    pub change: ChangeBody,
    /// Where.
    pub targets: AimBody,
    /// The token that allows it; its holder is this node.
    #[schema(value_type = String)]
    pub token: Token,
    /// The root of the token; without it the roots known here are tried.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub root: Option<RootKey>,
    /// How long the act may wait for execution: 1 to 600 seconds, 600 unless told.
    #[serde(default)]
    pub life_secs: Option<u64>,
}

/// Asks other nodes for a change.
#[utoipa::path(
    post, path = "/v1/acts", tag = "acts", request_body = ProposeBody,
    responses((status = 200, body = ProposedView), (status = 403, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn propose(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<ProposeBody>,
) -> Result<Json<ProposedView>, ApiError> {
    let root = api.root_of(body.root, &body.token).await?;
    let command = Command::Propose {
        change: body.change.check().map_err(bad_change)?,
        targets: body.targets.check().map_err(bad_change)?,
        token: body.token,
        root,
        life: Millis::from_secs(body.life_secs.unwrap_or(LIFE_SECS)),
    };
    let reply = api.node.command(command).await?;
    if let Reply::Proposed(act) = &reply {
        return Ok(Json(ProposedView {
            id: None,
            proposal: Some(act.to_string()),
        }));
    }
    expect_reply!(reply, Reply::Recorded(id) => Json(ProposedView {
        id: Some(id.to_string()),
        proposal: None,
    }))
}

/// A change of this node alone.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalBody {
    /// What to change.
    pub change: ChangeBody,
    /// A token of this node's own root that allows it. Without one the caller needs the scope `admin`, and the
    /// node grants itself a token for just this change.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub token: Option<Token>,
}

/// Changes this node alone.
#[utoipa::path(
    post, path = "/v1/acts/local", tag = "acts", request_body = LocalBody,
    responses((status = 200, body = DoneView), (status = 403, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn local(
    State(api): State<Arc<ApiState>>,
    axum::Extension(caller): axum::Extension<super::auth::Caller>,
    Body(body): Body<LocalBody>,
) -> Result<Json<DoneView>, ApiError> {
    let change = body.change.check().map_err(bad_change)?;
    let words = in_words(&change);
    let token = match body.token {
        Some(token) => token,
        None if caller.may(super::tokens::Scope::Admin) => api.grant_for(&change)?,
        None => {
            return Err(ApiError::new(
                axum::http::StatusCode::FORBIDDEN,
                "scope_missing",
                "a change without a capability token needs the scope `admin`",
                "give a token of this node's root, made with `x0 cap grant`",
            ));
        }
    };
    let reply = api.node.command(Command::Local { change, token }).await?;
    expect_reply!(reply, Reply::Done => Json(DoneView { done: words }))
}

fn in_words(change: &Change) -> String {
    match change {
        Change::SetPolicy { policy, value, .. } => format!("{policy} is {value} on this node"),
        Change::Link { peer } => format!("linking to {peer}"),
        Change::Unlink { peer } => format!("the link to {peer} is ended"),
    }
}

/// The acts known here, newest first.
#[utoipa::path(
    get, path = "/v1/acts", tag = "acts",
    responses((status = 200, body = Vec<ActView>), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn list(State(api): State<Arc<ApiState>>) -> Result<Json<Vec<ActView>>, ApiError> {
    let members = api.members().await?;
    let acts = api.acts().await?;
    Ok(Json(
        acts.iter().map(|act| ActView::new(act, &members)).collect(),
    ))
}

/// Whether to wait for news of an act.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct ShowQuery {
    /// Answer when more outcomes than this are known, or all are.
    known: Option<u32>,
    /// Wait at most so long, in milliseconds: up to 30000. Without it the answer comes at once.
    wait_ms: Option<u64>,
}

/// One act; waits for news of it if asked to.
#[utoipa::path(
    get, path = "/v1/acts/{id}", tag = "acts",
    params(("id" = String, Path, description = "The act's record."), ShowQuery),
    responses((status = 200, body = ActView), (status = 404, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn show(
    State(api): State<Arc<ApiState>>,
    Found(id): Found<ContentId>,
    Queried(query): Queried<ShowQuery>,
) -> Result<Json<ActView>, ApiError> {
    let mut wait = api.wait(query.wait_ms);
    let known = query.known.unwrap_or(0);
    loop {
        let act = api.act(&id).await?;
        let is_news = act.outcomes() > known;
        if act.is_settled() || is_news || !wait.news(|event| is_about(event, &id)).await {
            return Ok(Json(act));
        }
    }
}

fn is_about(event: &Event, id: &ContentId) -> bool {
    match event {
        Event::Outcome { act, .. } => act == id,
        Event::Executed { act, .. } | Event::Refused { act, .. } => act.as_ref() == Some(id),
        Event::Recorded { id: record, .. } => record == id,
        Event::Joined { .. } | Event::Gone { .. } => true,
        Event::Linked { .. }
        | Event::Unlinked { .. }
        | Event::TurnedAway { .. }
        | Event::Rejected { .. }
        | Event::CaughtUp { .. }
        | Event::ForkFound { .. }
        | Event::SplitView { .. }
        | Event::Healed { .. }
        | Event::Decided { .. }
        | Event::KeysMade { .. }
        | Event::Seats(_)
        | Event::ShareLost { .. }
        | Event::Proposed { .. }
        | Event::CosignAsked { .. }
        | Event::Anomaly { .. }
        | Event::Frozen { .. }
        | Event::Halted { .. }
        | Event::HaltEnded { .. }
        | Event::Vote { .. }
        | Event::Charter { .. }
        | Event::ErasedAt { .. }
        | Event::Public { .. }
        | Event::TwoPublicLogs { .. }
        | Event::OverrideStays { .. }
        | Event::OverrideLapsed { .. }
        | Event::Case { .. }
        | Event::Audit { .. }
        | Event::AccountAsked { .. }
        | Event::Sublime { .. }
        | Event::Rotation { .. }
        | Event::BadDealer { .. }
        | Event::ShareNotMade { .. }
        | Event::Forgot { .. }
        | Event::Invited { .. }
        | Event::InviteAnswered { .. }
        | Event::Released { .. }
        | Event::TierPeer { .. }
        | Event::Ready { .. } => false,
    }
}

pub(super) fn bad_change(fault: String) -> ApiError {
    ApiError::new(
        axum::http::StatusCode::UNPROCESSABLE_ENTITY,
        "out_of_range",
        fault,
        "see what can be set and within what range with `x0 act policies`",
    )
}

impl ApiState {
    async fn acts(&self) -> Result<Vec<x0_protocol::core::command::ActView>, ApiError> {
        let reply = self.node.command(Command::Acts).await?;
        expect_reply!(reply, Reply::Acts(acts) => acts)
    }

    async fn act(&self, id: &ContentId) -> Result<ActView, ApiError> {
        let acts = self.acts().await?;
        let Some(act) = acts.iter().find(|act| act.id == *id) else {
            return Err(ApiError::not_found(
                format!("no act {id} is among those shown here"),
                "list them with `x0 act list`; older ones are in the audit log",
            ));
        };
        Ok(ActView::new(act, &self.members().await?))
    }

    /// Grants this node a token for one change of itself, which lapses within a minute.
    fn grant_for(&self, change: &Change) -> Result<Token, ApiError> {
        use x0_crypto::capability::{Caveat, Scope};
        let end = super::capability_view::now_secs() + 60;
        let grant = Grant {
            holder: self.node.key(),
            actions: [change.action()].into(),
            caveats: vec![
                Caveat::Scope(Scope::Local),
                Caveat::AffectsNodesLe(1),
                Caveat::ValidUntil(end),
            ],
        };
        Ok(self.node.grant(&grant)?)
    }
}
