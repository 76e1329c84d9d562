//! The public log: what every node of the mesh has and anybody may read, and the overrides in it.
//!
//! Whoever reaches the socket or the port may read it, as `/v1/health`: nothing in it is for some only.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_crypto::{
    ContentId,
    capability::{RootKey, Token},
};
use x0_protocol::{
    Command, Millis, Reply,
    core::command,
    wire::{PublicEntry, PublicWhat, Statement},
};

use super::{
    ApiState,
    acts::{AimBody, ChangeBody, LIFE_SECS, bad_change},
    error::{ApiError, ErrorBody},
    expect_reply,
    extract::{Body, Found, Queried},
    proofs::ProofView,
    view::{ProposedView, TargetsView},
};

/// Most entries on one page.
const ENTRIES_MAX: u32 = 256;

pub(super) fn open_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(entries))
        .routes(routes!(prove))
}

pub(super) fn read_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(overrides))
}

pub(super) fn act_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(propose))
}

/// An entry of the public log, with every field that it has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicEntryView {
    /// Its place, from 0.
    pub index: u64,
    /// Mesh time at which the committee took it up.
    pub time_ms: u64,
    /// The height of the committee log.
    pub height: u64,
    /// `override`, `broadcast`, `admitted`, `halted`, `passed` or `handed_over`.
    pub what: String,
    /// The same in words.
    pub words: String,
    /// The act, by its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<String>,
    /// Who does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The delegation root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// What changes, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<TargetsView>,
    /// How many nodes that are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    /// Why an override was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What was to come of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consequences: Option<String>,
    /// Mesh time at which an override lapses unless it was told to all, or a halt ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// The vote that approved it, or that has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vote: Option<String>,
    /// What a vote was about; of an amendment, the charter's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Whether it was an emergency vote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<bool>,
    /// Which halt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halt: Option<String>,
    /// The epoch of the committee's keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// The case in which there is a verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// Who was found to have violated the charter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accused: Option<String>,
    /// Who sits from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats: Option<Vec<String>>,
    /// The entry as it is hashed into the tree, in base64.
    pub bytes: String,
}

impl PublicEntryView {
    /// Writes an entry down.
    pub fn new(index: u64, entry: &PublicEntry) -> Self {
        let view = Self {
            index,
            time_ms: entry.time.0,
            height: entry.height,
            words: entry.what.to_string(),
            bytes: data_encoding::BASE64.encode(&entry.encode()),
            ..Self::default()
        };
        match &entry.what {
            PublicWhat::Override(told) => Self {
                what: "override".to_owned(),
                act: Some(told.act.to_string()),
                agent: Some(told.agent.to_string()),
                root: Some(told.root.to_string()),
                change: Some(told.change.to_string()),
                targets: Some(TargetsView::from(&told.targets)),
                nodes: Some(told.nodes),
                why: Some(told.words.why.clone()),
                consequences: Some(told.words.consequences.clone()),
                until_ms: Some(told.until.0),
                ..view
            },
            PublicWhat::Broadcast { act } => Self {
                what: "broadcast".to_owned(),
                act: Some(act.to_string()),
                ..view
            },
            PublicWhat::Admitted(admitted) => Self {
                what: "admitted".to_owned(),
                act: Some(admitted.act.to_string()),
                agent: Some(admitted.agent.to_string()),
                root: Some(admitted.root.to_string()),
                change: Some(admitted.change.to_string()),
                nodes: Some(admitted.nodes),
                vote: Some(admitted.vote.to_string()),
                ..view
            },
            PublicWhat::Halted { halt, root, until } => Self {
                what: "halted".to_owned(),
                halt: Some(ContentId::from_digest(*halt.digest()).to_string()),
                root: Some(root.to_string()),
                until_ms: Some(until.0),
                ..view
            },
            PublicWhat::Passed {
                proposal,
                subject,
                emergency,
            } => Self {
                what: "passed".to_owned(),
                vote: Some(proposal.to_string()),
                subject: Some(subject.to_string()),
                emergency: Some(*emergency),
                ..view
            },
            PublicWhat::HandedOver { epoch, seats } => Self {
                what: "handed_over".to_owned(),
                epoch: Some(*epoch),
                seats: Some(seats.iter().map(ToString::to_string).collect()),
                ..view
            },
            PublicWhat::Verdict { case, verdict } => Self {
                what: "verdict".to_owned(),
                case: Some(case.to_string()),
                accused: Some(verdict.accused.to_string()),
                ..view
            },
        }
    }
}

/// A page of the public log, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicPageView {
    /// Entries in this node's copy.
    pub size: u64,
    /// The root over them, in hexadecimal.
    pub root: String,
    /// The height of the newest checkpoint that certifies the copy; none if this node knows none yet.
    pub certified_height: Option<u64>,
    /// Entries that the committee has certified, if this node still fetches some.
    pub wanted: Option<u64>,
    /// The entries.
    pub entries: Vec<PublicEntryView>,
}

impl PublicPageView {
    fn new(from: u64, view: &command::PublicView) -> Self {
        let certificate = view.certificate.as_ref();
        let entries = (from..).zip(&view.entries);
        Self {
            size: view.head.size,
            root: view.head.root.to_string(),
            certified_height: certificate.map(|it| Statement::height(&it.statement)),
            wanted: view.wanted,
            entries: entries
                .map(|(index, entry)| PublicEntryView::new(index, entry))
                .collect(),
        }
    }
}

/// Which entries to show.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct EntriesQuery {
    /// Start at this place, 0 unless told.
    from: Option<u64>,
    /// Show at most so many: 1 to 256, 100 unless told.
    limit: Option<u32>,
}

/// Entries of the public log, oldest first; ask on from the place after the last for more.
#[utoipa::path(
    get, path = "/v1/public-log", tag = "audit", params(EntriesQuery),
    responses((status = 200, body = PublicPageView), (status = 400, body = ErrorBody))
)]
async fn entries(
    State(api): State<Arc<ApiState>>,
    Queried(query): Queried<EntriesQuery>,
) -> Result<Json<PublicPageView>, ApiError> {
    let (from, count) = (query.from.unwrap_or(0), query.limit.unwrap_or(100));
    if !(1..=ENTRIES_MAX).contains(&count) {
        let message = format!("a page of {count} entries was asked for");
        let mend = format!("ask for 1 to {ENTRIES_MAX} at a time");
        return Err(ApiError::bad_request(message, mend));
    }
    let reply = api.node.command(Command::PublicLog { from, count }).await?;
    expect_reply!(reply, Reply::PublicLog(view) => Json(PublicPageView::new(from, &view)))
}

/// From which earlier head a proof is to lead on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct SinceQuery {
    /// Entries in a head that was seen before; the proof then shows that the log only grew.
    pub(super) since: Option<u64>,
}

/// The proof that an entry stands in the public log, to be given on.
#[utoipa::path(
    get, path = "/v1/public-log/{index}/proof", tag = "audit",
    params(("index" = u64, Path, description = "The entry's place, from 0."), SinceQuery),
    responses((status = 200, body = ProofView), (status = 404, body = ErrorBody))
)]
async fn prove(
    State(api): State<Arc<ApiState>>,
    Found(index): Found<u64>,
    Queried(query): Queried<SinceQuery>,
) -> Result<Json<ProofView>, ApiError> {
    let since = query.since;
    let command = Command::ProvePublic { index, since };
    let reply = api.node.command(command).await?;
    expect_reply!(reply, Reply::PublicProof(proof) => Json(ProofView::of_public(&proof)))
}

/// An override.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideView {
    /// Its entry in the public log.
    pub entry: PublicEntryView,
    /// `open` while it is still to be told to all, `stays` once it was, else `lapsed`.
    pub stands: String,
    /// Whether it runs on this node and may still lapse here.
    pub runs_here: bool,
}

impl OverrideView {
    fn new(view: &command::OverrideView) -> Self {
        let stands = match (view.is_broadcast, view.is_over) {
            (true, _) => "stays",
            (false, false) => "open",
            (false, true) => "lapsed",
        };
        Self {
            entry: PublicEntryView::new(view.index, &view.entry),
            stands: stands.to_owned(),
            runs_here: view.runs_here,
        }
    }
}

/// Every override there ever was, newest first.
#[utoipa::path(
    get, path = "/v1/overrides", tag = "acts",
    responses((status = 200, body = Vec<OverrideView>), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn overrides(State(api): State<Arc<ApiState>>) -> Result<Json<Vec<OverrideView>>, ApiError> {
    let reply = api.node.command(Command::Overrides).await?;
    expect_reply!(reply, Reply::Overrides(all) => Json(all.iter().map(OverrideView::new).collect()))
}

/// An override to propose.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OverrideBody {
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
    /// Why there is no time for a vote: public for good, at most 1024 bytes.
    pub why: String,
    /// What will come of it: public for good, at most 1024 bytes.
    pub consequences: String,
}

/// Asks other nodes for a change without a vote, in an emergency.
#[utoipa::path(
    post, path = "/v1/overrides", tag = "acts", request_body = OverrideBody,
    responses((status = 200, body = ProposedView), (status = 403, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn propose(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<OverrideBody>,
) -> Result<Json<ProposedView>, ApiError> {
    let root = api.root_of(body.root, &body.token).await?;
    let command = Command::Override {
        change: body.change.check().map_err(bad_change)?,
        targets: body.targets.check().map_err(bad_change)?,
        token: body.token,
        root,
        life: Millis::from_secs(body.life_secs.unwrap_or(LIFE_SECS)),
        why: body.why,
        consequences: body.consequences,
    };
    let reply = api.node.command(command).await?;
    expect_reply!(reply, Reply::Proposed(act) => Json(ProposedView {
        id: None,
        proposal: Some(act.to_string()),
    }))
}
