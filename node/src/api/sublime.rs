//! Sublime through the API: what is known of items, guardians and requests; what an owner's program hands over; blocks of
//! encrypted content; and what was released for a request.
//!
//! Plaintext and keys never come here: the owner's program seals, that of whoever asked opens.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json, RequestExt as _, body,
    extract::{DefaultBodyLimit, Request, State},
    http::{StatusCode, header},
    response::IntoResponse,
};
use data_encoding::BASE64;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_crypto::{ContentId, PublicKey, sublime::HybridPublic};
use x0_protocol::{
    Command, Reply,
    core::sublime::{self, SharedView, SublimeCommand, SublimeRefusal},
    sublime::known::Item,
    wire::{Forget, GuardAsk, Reason, TrusteesRevoked, decode_record},
};
use x0_tiers::{Block, Cid, NobodyGives, TierError};

use super::{
    ApiState,
    error::{ApiError, ErrorBody},
    expect_reply,
    extract::{Body, Found},
    keeping::{AccountView, accounts},
    recorded,
    view::RecordedView,
};
use crate::sublime::frames::{self, BATCH_BYTES_MAX};

/// Most bytes of a body of blocks: a batch, with names and lengths.
const BODY_BYTES_MAX: usize = BATCH_BYTES_MAX + 64 * 1024;
/// Blocks that come in one call are stored when there are this many bytes of them.
const STORED_TOGETHER: usize = 8 * 1024 * 1024;
/// Most blocks that are fetched in one call.
const FETCHED_MAX: usize = 64;
/// Blocks of one call that are waited for at a time.
const FETCHED_AT_A_TIME: usize = 16;

pub(super) fn read_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(show))
        .routes(routes!(released))
        .routes(routes!(recoveries))
        .routes(routes!(fetch))
}

pub(super) fn act_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(serve))
        .routes(routes!(draw))
        .routes(routes!(deal))
        .routes(routes!(put_manifest))
        .routes(routes!(request))
        .routes(routes!(forget))
        .routes(routes!(attest))
        .routes(routes!(revoke_trustees))
        .merge(
            OpenApiRouter::new()
                .routes(routes!(put_blocks))
                .layer(DefaultBodyLimit::max(BODY_BYTES_MAX)),
        )
}

/// What this node knows of Sublime.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SublimeView {
    /// How many members serve as guardians, this one included.
    pub serving: usize,
    /// Shares that would open an item that is put now; none if too few others serve.
    pub shares_needed: Option<u8>,
    /// Of how many.
    pub shares_of: Option<u8>,
    /// Whether this node's member serves.
    pub serves: bool,
    /// Bytes of content that the IPFS node holds.
    pub held_bytes: u64,
    /// Blocks of content that it holds.
    pub held_blocks: u64,
    /// IPFS nodes that it is connected to.
    pub ipfs_peers: usize,
    /// The items whose content is kept here: those of which a share is kept, and those that were put from here.
    pub kept: Vec<String>,
    /// Tiers beside the mesh that this node's settings name.
    pub accounts: Vec<AccountView>,
    /// The items, the newest first.
    pub items: Vec<ItemView>,
    /// The requests, the newest first.
    pub requests: Vec<AccessView>,
    /// The shares that are kept here for others.
    pub shares_kept: Vec<KeptShareView>,
    /// The rotations that are open.
    pub rotations: Vec<RotationView>,
    /// The items that this member has had forgotten.
    pub forgotten: Vec<ForgottenView>,
}

/// An item that this member has had forgotten.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ForgottenView {
    /// Its key.
    pub key: String,
    /// Whose nodes have said that they destroyed their share.
    pub destroyed: Vec<String>,
}

/// The word that has an item forgotten.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ForgetBody {
    /// It: DAG-CBOR, base64; signed with the item's key when it was put.
    pub word: String,
}

/// A rotation of an item's guardians that is open.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RotationView {
    /// The item, if it is known here.
    pub item: Option<String>,
    /// Its key.
    pub key: String,
    /// The epoch of the new sharing.
    pub epoch: u32,
    /// Mesh time at which the new guardians were drawn.
    pub since_ms: u64,
    /// Mesh time at which others are drawn in their place, if it has not come to its end.
    pub until_ms: u64,
    /// Whether this node deals its share on.
    pub deals: bool,
    /// Whether this node has parts of a new share.
    pub takes: bool,
    /// At a seat: how many dealers have reached new guardians.
    pub dealers: usize,
    /// At a seat: who was found to deal something wrong.
    pub liars: Vec<LiarView>,
}

/// A guardian who deals something wrong.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LiarView {
    /// Who.
    pub dealer: String,
    /// How many new guardians say so.
    pub named_by: usize,
    /// Whether what it has signed shows it to everybody.
    pub is_public: bool,
}

/// An item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ItemView {
    /// Its name: the record that describes it.
    pub item: String,
    /// Its key.
    pub key: String,
    /// The root of its encrypted content.
    pub content: String,
    /// Chunks of up to 256 KiB under it.
    pub chunks: u64,
    /// Shares that open it.
    pub shares_needed: u8,
    /// Of how many guardians.
    pub guardians: u8,
    /// How often its shares were dealt on.
    pub epoch: u32,
    /// Mesh time since when it is shared like this.
    pub shared_ms: u64,
    /// Mesh time at which its shares are due to be dealt on.
    pub rotation_due_ms: u64,
    /// The subject of a vote to deal them on before.
    pub rotation_subject: String,
    /// Whether it is to be forgotten: its shares are destroyed.
    pub forgotten: bool,
    /// What its owner says of its recovery card; absent if it has none.
    pub card: Option<CardView>,
    /// What its owner says of its trustees; absent if it has none.
    pub trustees: Option<TrusteesView>,
    /// When it was put, by its author's clock.
    pub time_ms: u64,
}

/// What an item's owner says of its recovery card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CardView {
    /// The key that the card signs with.
    pub key: String,
    /// What the item is, for jurors and whoever lists items.
    pub label: String,
    /// When jurors should say yes.
    pub policy: String,
    /// Mesh time from the moment a jury is asked in which the owner can still revoke the card, seconds.
    pub veto_secs: u64,
    /// Whether the card counts no longer.
    pub revoked: bool,
}

/// What an item's owner says of its trustees; their names are sealed to each of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrusteesView {
    /// How many there are.
    pub trustees: usize,
    /// How many must attest.
    pub needed: u8,
    /// Mesh time from the moment enough have attested in which the owner can still stop it, seconds.
    pub wait_secs: u64,
    /// Whether they count no longer.
    pub revoked: bool,
}

/// A request that an item's trustees decide about.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecoveryView {
    /// It.
    #[serde(flatten)]
    pub request: AccessView,
    /// The number that the owner reads out to trustees.
    pub number: String,
    /// How many trustees the item has.
    pub trustees: usize,
    /// How many must attest.
    pub needed: u8,
    /// Who has said that it comes from the owner.
    pub yes: Vec<String>,
    /// Who has said that it does not.
    pub no: Vec<String>,
    /// Mesh time up to which the owner can stop it, as this node counts; absent before enough have attested.
    pub until_ms: Option<u64>,
    /// Whether this node's member is a trustee who has said nothing of it yet.
    pub asks_here: bool,
    /// Whether the trustees count no longer.
    pub revoked: bool,
}

/// The requests that trustees decide about.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecoveriesView {
    /// They, the newest first.
    pub recoveries: Vec<RecoveryView>,
}

/// A trustee's word about a request to recover an item.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AttestBody {
    /// The request.
    #[schema(value_type = String)]
    pub request: ContentId,
    /// Whether it comes from the owner.
    pub is_owner: bool,
}

/// The word that an item's trustees count no longer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RevokeTrusteesBody {
    /// It: DAG-CBOR, base64; signed with the item's key when it was put.
    pub word: String,
}

/// A request for an item.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AccessView {
    /// Its name, which is the subject of the vote.
    pub request: String,
    /// The item.
    pub item: String,
    /// Who asks.
    pub by: String,
    /// Why.
    pub why: String,
    /// When, by the member's clock.
    pub time_ms: u64,
    /// `undecided`, `passed`, `granted`, `denied` or `over`.
    pub standing: String,
    /// Whether the item's trustees decide, and no vote does.
    pub by_trustees: bool,
}

/// A share that is kept here.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KeptShareView {
    /// The key of the item.
    pub item_key: String,
    /// The epoch of the sharing.
    pub epoch: u32,
    /// The number of the share.
    pub index: u8,
    /// For whom; none if it came by a rotation.
    pub owner: Option<String>,
}

/// Whether the member serves as a guardian.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ServeBody {
    /// From now on, or no longer.
    pub serves: bool,
}

/// The item for which guardians are drawn.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DrawBody {
    /// Its key.
    #[schema(value_type = String)]
    pub key: PublicKey,
}

/// A member who serves, and what is sealed to it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GuardianView {
    /// Who.
    pub member: String,
    /// Its key for shares, base64.
    pub key: String,
}

/// Who is to guard an item.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DrawnView {
    /// The guardians; they keep the shares from 1 in this order.
    pub guardians: Vec<GuardianView>,
    /// Who stands in for one that does not take its share, in order.
    pub stand_ins: Vec<GuardianView>,
    /// How many shares are to open the item.
    pub shares_needed: u8,
    /// How many first-level invite subtrees the guardians come from.
    pub subtrees: usize,
    /// The mesh.
    pub mesh: String,
    /// What the second part of the key is sealed to, base64.
    pub committee: String,
    /// The name of the committee's keys, which the terms of a recovery card give.
    pub committee_name: String,
}

/// Shares for guardians.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DealBody {
    /// Each share, with whose it is.
    pub shares: Vec<DealtShare>,
}

/// A sealed share.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DealtShare {
    /// The guardian.
    #[schema(value_type = String)]
    pub guardian: PublicKey,
    /// What it is asked to keep: DAG-CBOR, base64.
    pub ask: String,
}

/// What guardians' nodes said to their shares.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DealtView {
    /// Whose nodes have checked their share and keep it.
    pub kept: Vec<String>,
    /// Whose have not.
    pub not: Vec<NotKept>,
}

/// A guardian that keeps no share.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NotKept {
    /// Who.
    pub guardian: String,
    /// Why.
    pub why: String,
}

/// A manifest, signed by the item's key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ManifestBody {
    /// The record: DAG-CBOR, base64.
    pub record: String,
}

/// A request for an item.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RequestBody {
    /// The item.
    #[schema(value_type = String)]
    pub item: ContentId,
    /// The public half of a key made for this request alone, base64.
    pub key: String,
    /// Why, in words for everyone who votes.
    pub why: String,
    /// Whether the item's trustees decide, and no vote does.
    #[serde(default)]
    pub by_trustees: bool,
}

/// What was released for a request of this node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReleasedView {
    /// The request.
    pub request: AccessView,
    /// The item.
    pub item: ItemView,
    /// How its first part is shared now: DAG-CBOR, base64.
    pub sharing: String,
    /// The parts.
    pub parts: Vec<PartView>,
    /// The mesh.
    pub mesh: String,
    /// The committee's public key that openings are of, base64.
    pub committee: String,
}

/// A part that was released.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PartView {
    /// Whose node sent it.
    pub from: String,
    /// The part: DAG-CBOR, base64.
    pub release: String,
}

/// Blocks that are wanted.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FetchBody {
    /// Their CIDs, 64 at most.
    pub cids: Vec<String>,
}

/// How many blocks were stored.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StoredView {
    /// Blocks, now safely on this node's disk.
    pub blocks: usize,
}

impl ItemView {
    pub(super) fn new(id: &ContentId, item: &Item, shared: &SharedView) -> Self {
        Self {
            item: id.to_string(),
            key: item.key.to_string(),
            content: item.content.to_string(),
            chunks: item.chunks,
            shares_needed: shared.access.threshold(),
            guardians: shared.access.shares(),
            epoch: shared.epoch,
            shared_ms: shared.since.0,
            rotation_due_ms: shared.due.0,
            rotation_subject: shared.subject.to_string(),
            forgotten: shared.forgotten,
            card: item.card.as_ref().map(|terms| CardView {
                key: terms.key.to_string(),
                label: terms.label.to_string(),
                policy: terms.policy.to_string(),
                veto_secs: terms.veto.0 / 1_000,
                revoked: shared.card_revoked,
            }),
            trustees: item.trustees.as_ref().map(|terms| TrusteesView {
                trustees: terms.trustees.len(),
                needed: terms.needed,
                wait_secs: terms.wait.0 / 1_000,
                revoked: shared.trustees_revoked,
            }),
            time_ms: item.time.0,
        }
    }
}

impl RotationView {
    fn new(rotation: &sublime::RotationView) -> Self {
        let liars = rotation.liars.iter().map(|liar| LiarView {
            dealer: liar.dealer.to_string(),
            named_by: liar.named_by,
            is_public: liar.is_public,
        });
        Self {
            item: rotation.item.map(|item| item.to_string()),
            key: rotation.key.to_string(),
            epoch: rotation.epoch,
            since_ms: rotation.since.0,
            until_ms: rotation.until.0,
            deals: rotation.deals,
            takes: rotation.takes,
            dealers: rotation.dealers,
            liars: liars.collect(),
        }
    }
}

impl AccessView {
    pub(super) fn new(request: &sublime::RequestView) -> Self {
        Self {
            request: request.id.to_string(),
            item: request.item.to_string(),
            by: request.by.to_string(),
            why: request.why.clone(),
            time_ms: request.time.0,
            standing: request.standing.name().to_owned(),
            by_trustees: request.by_trustees,
        }
    }
}

impl RecoveryView {
    fn new(view: &sublime::AttestedView) -> Self {
        Self {
            request: AccessView::new(&view.request),
            number: view.number.clone(),
            trustees: view.trustees,
            needed: view.needed,
            yes: view.yes.iter().map(ToString::to_string).collect(),
            no: view.no.iter().map(ToString::to_string).collect(),
            until_ms: view.until.map(|until| until.0),
            asks_here: view.asks_here,
            revoked: view.is_revoked,
        }
    }
}

pub(super) async fn command(api: &ApiState, command: SublimeCommand) -> Result<Reply, ApiError> {
    Ok(api.node.command(Command::Sublime(command)).await?)
}

/// Shows what this node knows of Sublime.
#[utoipa::path(
    get, path = "/v1/sublime", tag = "sublime",
    responses((status = 200, body = SublimeView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn show(State(api): State<Arc<ApiState>>) -> Result<Json<SublimeView>, ApiError> {
    let reply = command(&api, SublimeCommand::Show).await?;
    let stats = api.keeper.ipfs().stats().await;
    let stats = stats.map_err(|cause| tier_error(&cause))?;
    let kept = api.keeper.kept().await;
    expect_reply!(reply, Reply::Sublime(view) => Json(SublimeView {
        serving: view.serving,
        shares_needed: view.shares.map(|access| access.threshold()),
        shares_of: view.shares.map(|access| access.shares()),
        serves: view.serves,
        held_bytes: stats.held.bytes,
        held_blocks: stats.held.blocks,
        ipfs_peers: stats.traffic.peers,
        kept: kept.iter().map(ToString::to_string).collect(),
        accounts: accounts(&api),
        items: view
            .items
            .iter()
            .map(|(id, item, shared)| ItemView::new(id, item, shared))
            .collect(),
        requests: view.requests.iter().map(AccessView::new).collect(),
        shares_kept: view
            .shares_kept
            .iter()
            .map(|(item, epoch, index, owner)| KeptShareView {
                item_key: item.to_string(),
                epoch: *epoch,
                index: index.number(),
                owner: owner.map(|owner| owner.to_string()),
            })
            .collect(),
        rotations: view.rotations.iter().map(RotationView::new).collect(),
        forgotten: view
            .forgotten
            .iter()
            .map(|(key, destroyed)| ForgottenView {
                key: key.to_string(),
                destroyed: destroyed.iter().map(ToString::to_string).collect(),
            })
            .collect(),
    }))
}

/// Has the member serve as a guardian, or no longer.
#[utoipa::path(
    post, path = "/v1/sublime/guardian", tag = "sublime", request_body = ServeBody,
    responses((status = 200, body = RecordedView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn serve(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<ServeBody>,
) -> Result<Json<RecordedView>, ApiError> {
    recorded(command(&api, SublimeCommand::Serve(body.serves)).await?)
}

/// Draws the guardians of an item that is to be put.
#[utoipa::path(
    post, path = "/v1/sublime/draw", tag = "sublime", request_body = DrawBody,
    responses((status = 200, body = DrawnView), (status = 409, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn draw(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<DrawBody>,
) -> Result<Json<DrawnView>, ApiError> {
    let reply = command(&api, SublimeCommand::Draw(body.key)).await?;
    let views = |members: Vec<(PublicKey, HybridPublic)>| {
        let members = members.into_iter();
        let views = members.map(|(member, key)| GuardianView {
            member: member.to_string(),
            key: BASE64.encode(&key.to_bytes()),
        });
        views.collect()
    };
    expect_reply!(reply, Reply::Drawn(view) => Json(DrawnView {
        shares_needed: view.access.threshold(),
        guardians: views(view.guardians),
        stand_ins: views(view.stand_ins),
        subtrees: view.subtrees,
        mesh: view.mesh.to_string(),
        committee: BASE64.encode(&view.committee.to_bytes()),
        committee_name: view.committee_name.to_string(),
    }))
}

/// Hands shares to guardians' nodes; answers when each has said whether it keeps its share.
#[utoipa::path(
    post, path = "/v1/sublime/shares", tag = "sublime", request_body = DealBody,
    responses((status = 200, body = DealtView), (status = 422, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn deal(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<DealBody>,
) -> Result<Json<DealtView>, ApiError> {
    let asks = body.shares.iter().map(|share| {
        let bytes = from_base64("share", &share.ask)?;
        let ask = GuardAsk::decode(&bytes).map_err(|error| malformed("share", error))?;
        Ok::<_, ApiError>((share.guardian, ask))
    });
    let asks = asks.collect::<Result<_, _>>()?;
    let reply = command(&api, SublimeCommand::Deal(asks)).await?;
    expect_reply!(reply, Reply::Dealt(view) => Json(DealtView {
        kept: view.kept.iter().map(ToString::to_string).collect(),
        not: view
            .not
            .iter()
            .map(|(guardian, why)| NotKept {
                guardian: guardian.to_string(),
                why: why.clone(),
            })
            .collect(),
    }))
}

/// Hands in the manifest of an item; with it the item is known to all.
#[utoipa::path(
    post, path = "/v1/sublime/items", tag = "sublime", request_body = ManifestBody,
    responses((status = 200, body = RecordedView), (status = 422, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn put_manifest(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<ManifestBody>,
) -> Result<Json<RecordedView>, ApiError> {
    let bytes = from_base64("record", &body.record)?;
    let record = decode_record(&bytes).map_err(|error| malformed("record", error))?;
    recorded(command(&api, SublimeCommand::Submit(Box::new(record))).await?)
}

/// Asks for an item; a vote on the request's name decides, or the item's trustees do.
#[utoipa::path(
    post, path = "/v1/sublime/requests", tag = "sublime", request_body = RequestBody,
    responses((status = 200, body = RecordedView), (status = 404, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn request(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<RequestBody>,
) -> Result<Json<RecordedView>, ApiError> {
    let key = from_base64("key", &body.key)?;
    let key = HybridPublic::from_bytes(&key).map_err(|error| malformed("key", error))?;
    let why: Reason = body
        .why
        .parse()
        .map_err(|error| malformed("reason", error))?;
    let asked = SublimeCommand::Request {
        item: body.item,
        key,
        why,
        by_trustees: body.by_trustees,
    };
    recorded(command(&api, asked).await?)
}

/// Lists the requests that trustees decide about.
#[utoipa::path(
    get, path = "/v1/sublime/recoveries", tag = "sublime",
    responses((status = 200, body = RecoveriesView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn recoveries(State(api): State<Arc<ApiState>>) -> Result<Json<RecoveriesView>, ApiError> {
    let reply = command(&api, SublimeCommand::Recoveries).await?;
    expect_reply!(reply, Reply::Recoveries(views) => Json(RecoveriesView {
        recoveries: views.iter().map(RecoveryView::new).collect(),
    }))
}

/// Says, as a trustee, whether a request to recover an item comes from its owner.
#[utoipa::path(
    post, path = "/v1/sublime/attestations", tag = "sublime", request_body = AttestBody,
    responses((status = 200, body = RecordedView), (status = 403, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn attest(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<AttestBody>,
) -> Result<Json<RecordedView>, ApiError> {
    let AttestBody { request, is_owner } = body;
    recorded(command(&api, SublimeCommand::Attest { request, is_owner }).await?)
}

/// Says to all that an item's trustees count no longer.
#[utoipa::path(
    post, path = "/v1/sublime/trustees/revoke", tag = "sublime", request_body = RevokeTrusteesBody,
    responses((status = 200, body = RecordedView), (status = 403, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn revoke_trustees(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<RevokeTrusteesBody>,
) -> Result<Json<RecordedView>, ApiError> {
    let bytes = from_base64("word", &body.word)?;
    let word = TrusteesRevoked::decode(&bytes).map_err(|error| malformed("word", error))?;
    recorded(command(&api, SublimeCommand::RevokeTrustees(word)).await?)
}

/// Has guardians destroy their shares of an item, for good.
#[utoipa::path(
    post, path = "/v1/sublime/forget", tag = "sublime", request_body = ForgetBody,
    responses((status = 200, body = RecordedView), (status = 409, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn forget(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<ForgetBody>,
) -> Result<Json<RecordedView>, ApiError> {
    let bytes = from_base64("word", &body.word)?;
    let forget = Forget::decode(&bytes).map_err(|error| malformed("word", error))?;
    recorded(command(&api, SublimeCommand::Forget(forget)).await?)
}

/// Shows what was released for a request of this node.
#[utoipa::path(
    get, path = "/v1/sublime/requests/{request}", tag = "sublime",
    params(("request" = String, Path, description = "The request")),
    responses((status = 200, body = ReleasedView), (status = 404, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn released(
    State(api): State<Arc<ApiState>>,
    Found(request): Found<String>,
) -> Result<Json<ReleasedView>, ApiError> {
    let id = request
        .parse()
        .map_err(|error| malformed("request", error))?;
    let reply = command(&api, SublimeCommand::Released(id)).await?;
    expect_reply!(reply, Reply::Released(view) => Json(ReleasedView {
        request: AccessView::new(&view.request),
        item: ItemView::new(&view.request.item, &view.item, &view.shared),
        sharing: BASE64.encode(&view.sharing.encode()),
        parts: view
            .parts
            .iter()
            .map(|(from, release)| PartView {
                from: from.to_string(),
                release: BASE64.encode(&release.encode()),
            })
            .collect(),
        mesh: view.mesh.to_string(),
        committee: BASE64.encode(&view.committee.to_bytes()),
    }))
}

/// Stores blocks of encrypted content on this node.
#[utoipa::path(
    post, path = "/v1/sublime/blocks", tag = "sublime",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = StoredView), (status = 422, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn put_blocks(
    State(api): State<Arc<ApiState>>,
    request: Request,
) -> Result<Json<StoredView>, ApiError> {
    let mut pieces = request.into_limited_body().into_data_stream();
    let mut reader = frames::Reader::default();
    let (mut stored, mut bytes, mut blocks) = (0, 0, Vec::new());
    while let Some(piece) = pieces.next().await {
        reader.push(&piece.map_err(|error| malformed("blocks", error))?);
        while let Some(block) = reader.block().map_err(|error| malformed("blocks", error))? {
            bytes += block.bytes().len();
            blocks.push(block);
        }
        if bytes >= STORED_TOGETHER {
            stored += store(&api, std::mem::take(&mut blocks)).await?;
            bytes = 0;
        }
    }
    let ended = reader.finish();
    ended.map_err(|error| malformed("blocks", error))?;
    stored += store(&api, blocks).await?;
    Ok(Json(StoredView { blocks: stored }))
}

async fn store(api: &ApiState, blocks: Vec<Block>) -> Result<usize, ApiError> {
    let count = blocks.len();
    let stored = api.keeper.ipfs().put_many(blocks).await;
    stored.map_err(|cause| tier_error(&cause)).map(|()| count)
}

/// Returns blocks of encrypted content, from this node, from whoever it is connected to, or from a tier of its settings.
#[utoipa::path(
    post, path = "/v1/sublime/blocks/fetch", tag = "sublime", request_body = FetchBody,
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 404, body = ErrorBody)
    ),
    security(("api_token" = ["read"]))
)]
async fn fetch(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<FetchBody>,
) -> Result<impl IntoResponse, ApiError> {
    if body.cids.len() > FETCHED_MAX {
        let count = body.cids.len();
        return Err(malformed(
            "list",
            format!("it names {count} blocks; {FETCHED_MAX} are the most"),
        ));
    }
    let cids = body.cids.iter().map(|cid| {
        let cid = cid.parse::<Cid>();
        cid.map_err(|error| malformed("CID", error))
    });
    let cids = cids.collect::<Result<Vec<_>, _>>()?;
    let blocks = stream::iter(cids)
        .map(|cid| {
            let keeper = Arc::clone(&api.keeper);
            async move {
                let reading = keeper.tiers().read(&cid).await;
                reading.map(|reading| reading.block).map_err(nobody_gives)
            }
        })
        .buffered(FETCHED_AT_A_TIME)
        .try_collect::<Vec<_>>()
        .await?;
    let pieces = blocks.into_iter().flat_map(|block| frames::pieces(&block));
    let body = body::Body::from_stream(stream::iter(pieces.map(Ok::<_, Infallible>)));
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body))
}

pub(super) fn from_base64(what: &str, text: &str) -> Result<Vec<u8>, ApiError> {
    let bytes = BASE64.decode(text.as_bytes());
    bytes.map_err(|error| malformed(what, error))
}

pub(super) fn malformed(what: &str, why: impl std::fmt::Display) -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "malformed",
        format!("the {what} cannot be used: {why}"),
        "`x0 sublime --help` has the commands that make these calls",
    )
}

pub(super) fn tier_error(cause: &TierError) -> ApiError {
    let (status, code, mend) = match cause {
        TierError::NotFound { .. } | TierError::Unreachable { .. } => (
            StatusCode::NOT_FOUND,
            "no_such_block",
            "wait until a node that holds the content is linked, and try again",
        ),
        TierError::Wrong { .. } => (
            StatusCode::BAD_GATEWAY,
            "wrong_block",
            "try again: another node is asked then",
        ),
        TierError::Refused { .. } => (
            StatusCode::CONFLICT,
            "tier_refused",
            "see what the message says, and the log of the node",
        ),
    };
    ApiError::new(status, code, cause.to_string(), mend)
}

fn nobody_gives(nobody: NobodyGives) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "no_such_block",
        nobody.to_string(),
        "wait until a node that holds the content is linked, and try again",
    )
}

/// Says how a refusal is answered: status, name and mend.
pub(super) const fn refused(refusal: &SublimeRefusal) -> (StatusCode, &'static str, &'static str) {
    match refusal {
        SublimeRefusal::NoCommittee => (
            StatusCode::CONFLICT,
            "no_committee",
            "found a mesh with 4 seats or more, or wait until `x0 committee status` shows its keys",
        ),
        SublimeRefusal::TooFewGuardians { .. } => (
            StatusCode::CONFLICT,
            "too_few_guardians",
            "ask members to serve: `x0 guardian serve`",
        ),
        SublimeRefusal::NoSuchItem(_) => (
            StatusCode::NOT_FOUND,
            "no_such_item",
            "`x0 sublime list` lists the items known here",
        ),
        SublimeRefusal::NoSuchRequest(_) => (
            StatusCode::NOT_FOUND,
            "no_such_request",
            "`x0 sublime list` lists the requests known here",
        ),
        SublimeRefusal::NotAManifest => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "not_a_manifest",
            "hand in the record that describes an item",
        ),
        SublimeRefusal::NotItsKey(_) => (
            StatusCode::FORBIDDEN,
            "not_its_key",
            "only who put the item can say so, on the node where it was put",
        ),
        SublimeRefusal::TooMany(_) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "too_many_shares",
            "hand out one share to each guardian, 32 at most",
        ),
        SublimeRefusal::NotInvitable(_) => (
            StatusCode::NOT_FOUND,
            "not_invitable",
            "`x0 peers --members` lists the members; this one is invited by others",
        ),
        SublimeRefusal::ServesAlready(_) => (
            StatusCode::CONFLICT,
            "serves_already",
            "`x0 guardian list` lists who serves",
        ),
        SublimeRefusal::InvitedAlready(_) => (
            StatusCode::CONFLICT,
            "invited_already",
            "wait for the answer: `x0 guardian invitations --sent` shows it",
        ),
        SublimeRefusal::Declined(_) => (
            StatusCode::CONFLICT,
            "declined",
            "ask somebody else: `x0 peers --members` lists the members",
        ),
        SublimeRefusal::TooManyInvitations => (
            StatusCode::CONFLICT,
            "too_many_invitations",
            "wait until some are over: `x0 guardian invitations --sent` lists them",
        ),
        SublimeRefusal::NotReached(_) => (
            StatusCode::CONFLICT,
            "not_reached",
            "try again when `x0 peers` shows that node, or ask the member to start it",
        ),
        SublimeRefusal::InvitationRefused { .. } => (
            StatusCode::CONFLICT,
            "invitation_refused",
            "see what the message says; `x0 guardian list` lists who serves",
        ),
        SublimeRefusal::NoInvitation => (
            StatusCode::NOT_FOUND,
            "no_invitation",
            "`x0 guardian invitations` lists those that came; `x0 guardian serve` serves without one",
        ),
        SublimeRefusal::NoTrustees(_) => (
            StatusCode::CONFLICT,
            "no_trustees",
            "ask for the item by a vote: `x0 sublime request ITEM --why TEXT`",
        ),
        SublimeRefusal::TrusteesRevoked(_) => (
            StatusCode::CONFLICT,
            "trustees_revoked",
            "ask for the item by a vote: `x0 sublime request ITEM --why TEXT`",
        ),
        SublimeRefusal::NoSuchRecovery(_) => (
            StatusCode::NOT_FOUND,
            "no_such_recovery",
            "`x0 sublime recoveries` lists those known here",
        ),
        SublimeRefusal::NotATrustee(_) => (
            StatusCode::FORBIDDEN,
            "not_a_trustee",
            "only trustees whom the owner named when the item was put attest; wait a moment if this node has just started",
        ),
        SublimeRefusal::AttestedBefore(_) => (
            StatusCode::CONFLICT,
            "attested_before",
            "`x0 sublime recoveries` shows what each trustee has said",
        ),
        SublimeRefusal::DrillRuns => (
            StatusCode::CONFLICT,
            "drill_runs",
            "wait until it is through, and see `x0 guardian drill --last`",
        ),
        SublimeRefusal::DrilledLately => (
            StatusCode::CONFLICT,
            "drilled_lately",
            "tell of the next one tomorrow",
        ),
        SublimeRefusal::NoKey(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "no_share_key",
            "free some room on the disk of the data directory and try again",
        ),
    }
}
