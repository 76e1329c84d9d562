//! What keeps an item alive: who holds it, whether that is enough, and having it counted and mended now.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State, http::StatusCode};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_crypto::{ContentId, sublime::SEALED_CHUNK_BYTES};
use x0_protocol::{
    Reply,
    core::sublime::{self, SublimeCommand},
    sublime::known::Item,
};

use super::{
    ApiState,
    error::{ApiError, ErrorBody},
    expect_reply,
    extract::{Body, Found},
    sublime::{AccessView, ItemView, command, malformed, tier_error},
};
use crate::sublime::{Account, Count, KeepError, Policy, Work};

pub(super) fn read_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(item))
}

pub(super) fn act_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(count))
        .routes(routes!(repair))
        .routes(routes!(wish))
}

/// An item, and what keeps it alive as far as this node knows.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KeepingView {
    /// The item.
    #[serde(flatten)]
    pub item: ItemView,
    /// The record that describes it: DAG-CBOR, base64.
    pub record: String,
    /// Bytes of its sealed content, at most: its chunks.
    pub sealed_bytes_max: u64,
    /// As what this node keeps it: `guardian`, `owner` or `no`.
    pub keeps: String,
    /// What of it is pinned here.
    pub held: Option<HeldView>,
    /// Where this node's user wants it, if it was put from here.
    pub policy: Option<Policy>,
    /// How many copies are enough.
    pub needed: u32,
    /// The last count of its copies.
    pub copies: Option<Count>,
    /// Whether that was enough.
    pub safe: Option<bool>,
    /// When all of it was found on tiers beside the mesh, by their names.
    pub stored_ms: BTreeMap<String, u64>,
    /// Tiers beside the mesh that this node's settings name.
    pub accounts: Vec<AccountView>,
    /// Blocks that were put back here so far.
    pub repaired: u64,
    /// When that was last.
    pub repaired_ms: Option<u64>,
    /// Why it is not as it should be here, by the last audit.
    pub trouble: Option<String>,
    /// What is being done for it at the moment.
    pub work: Option<WorkView>,
    /// The requests about it, the newest first.
    pub requests: Vec<AccessView>,
    /// Whose nodes have said that they destroyed their share, if this member has had the item forgotten.
    pub destroyed: Option<Vec<String>>,
}

impl KeepingView {
    /// Returns the tiers beside the mesh on which all of it was found.
    pub fn beyond(&self) -> Vec<String> {
        self.stored_ms.keys().cloned().collect()
    }
}

/// What of an item is here.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct HeldView {
    /// Whether all of it is.
    pub whole: bool,
    /// Blocks, when it was last looked at.
    pub blocks: u64,
    /// Bytes of the blocks.
    pub bytes: u64,
    /// When all of it was found here last.
    pub checked_ms: Option<u64>,
}

/// A tier beside the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    /// Which: `arweave` or `sia`.
    pub tier: String,
    /// Whether this node can store there, and not only read.
    pub stores: bool,
}

/// What is being done for an item.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkView {
    /// What: `waiting`, `holding`, `counting`, or the name of the tier where it is stored.
    pub what: String,
    /// Blocks that are done.
    pub done: u64,
    /// Of how many, as far as is known.
    pub of: u64,
}

/// Who is to be asked who holds an item.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CountBody {
    /// Tiers beside the mesh as well: they learn that somebody asks.
    pub beyond: bool,
}

/// Where a content that is being put is to be kept.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WishBody {
    /// The root of the content.
    #[schema(value_type = String)]
    pub content: ContentId,
    /// Where.
    pub policy: Policy,
}

/// What comes of a wish.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WishView {
    /// Where the content is to be kept.
    pub policy: Policy,
    /// Tiers among these at which this node has no account: it stands there as soon as the settings name one.
    pub without: Vec<String>,
}

impl From<&Account> for AccountView {
    fn from(account: &Account) -> Self {
        Self {
            tier: account.tier.name().to_owned(),
            stores: account.stores,
        }
    }
}

impl From<Work> for WorkView {
    fn from(work: Work) -> Self {
        Self {
            what: work.what.to_owned(),
            done: work.done,
            of: work.of,
        }
    }
}

/// Returns the tiers of a policy at which none of the accounts can store.
pub(crate) fn without(policy: Policy, accounts: &[AccountView]) -> Vec<String> {
    let beyond = policy.beyond().iter().map(|tier| tier.name());
    let without = beyond.filter(|tier| {
        let mut accounts = accounts.iter();
        !accounts.any(|account| account.stores && account.tier == *tier)
    });
    without.map(str::to_owned).collect()
}

/// Shows an item and what keeps it alive.
#[utoipa::path(
    get, path = "/v1/sublime/items/{item}", tag = "sublime",
    params(("item" = String, Path, description = "The item")),
    responses((status = 200, body = KeepingView), (status = 404, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn item(
    State(api): State<Arc<ApiState>>,
    Found(item): Found<String>,
) -> Result<Json<KeepingView>, ApiError> {
    let (id, known) = find(&api, &item).await?;
    view(&api, &id, &known).await
}

/// Has the IPFS nodes of linked members asked whether they hold an item.
#[utoipa::path(
    post, path = "/v1/sublime/items/{item}/count", tag = "sublime", request_body = CountBody,
    params(("item" = String, Path, description = "The item")),
    responses((status = 200, body = KeepingView), (status = 404, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn count(
    State(api): State<Arc<ApiState>>,
    Found(item): Found<String>,
    Body(body): Body<CountBody>,
) -> Result<Json<KeepingView>, ApiError> {
    let (id, known) = find(&api, &item).await?;
    let counted = api.keeper.count(id, &known.item, body.beyond).await;
    counted.map_err(|cause| not_kept(&cause))?;
    view(&api, &id, &known).await
}

/// Has this node's copy of an item read to the last byte and mended; answers at once, and the item's `work` tells how far it is.
#[utoipa::path(
    post, path = "/v1/sublime/items/{item}/repair", tag = "sublime",
    params(("item" = String, Path, description = "The item")),
    responses((status = 200, body = KeepingView), (status = 409, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn repair(
    State(api): State<Arc<ApiState>>,
    Found(item): Found<String>,
) -> Result<Json<KeepingView>, ApiError> {
    let (id, known) = find(&api, &item).await?;
    let begun = api.keeper.repair(&known.item).await;
    begun.map_err(|cause| not_kept(&cause))?;
    view(&api, &id, &known).await
}

/// Says where a content that is being put from here is to be kept.
#[utoipa::path(
    post, path = "/v1/sublime/policies", tag = "sublime", request_body = WishBody,
    responses((status = 200, body = WishView), (status = 422, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn wish(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<WishBody>,
) -> Result<Json<WishView>, ApiError> {
    let wished = api.keeper.wish(body.content, body.policy).await;
    wished.map_err(|cause| not_kept(&cause))?;
    Ok(Json(WishView {
        policy: body.policy,
        without: without(body.policy, &accounts(&api)),
    }))
}

/// Returns the tiers beside the mesh that the settings name.
pub(super) fn accounts(api: &ApiState) -> Vec<AccountView> {
    api.keeper
        .accounts()
        .iter()
        .map(AccountView::from)
        .collect()
}

/// An item that is known here, with all that was asked about it.
struct KnownItem {
    item: Item,
    destroyed: Option<Vec<String>>,
    shared: sublime::SharedView,
    requests: Vec<sublime::RequestView>,
    guards: bool,
}

async fn find(api: &ApiState, item: &str) -> Result<(ContentId, KnownItem), ApiError> {
    let id: ContentId = item.parse().map_err(|error| malformed("item", error))?;
    let reply = command(api, SublimeCommand::Show).await?;
    let view = expect_reply!(reply, Reply::Sublime(view) => view)?;
    let found = view.items.iter().find(|(known, ..)| *known == id);
    let Some((_, found, shared)) = found else {
        return Err(ApiError::not_found(
            format!("no item {id} is known here"),
            "`x0 sublime list` lists those known",
        ));
    };
    let guards = view
        .guarded()
        .any(|guarded| guarded.content == found.content);
    let requests = view.requests.iter().filter(|request| request.item == id);
    let mut forgotten = view.forgotten.iter();
    let destroyed = forgotten.find(|(key, _)| *key == found.key);
    let known = KnownItem {
        item: found.clone(),
        destroyed: destroyed.map(|(_, by)| by.iter().map(ToString::to_string).collect()),
        shared: *shared,
        requests: requests.cloned().collect(),
        guards,
    };
    Ok((id, known))
}

async fn view(
    api: &ApiState,
    id: &ContentId,
    known: &KnownItem,
) -> Result<Json<KeepingView>, ApiError> {
    let (store, record) = (api.node.store(), *id);
    let record = super::blocking(move || store.record(&record)).await?;
    let pin = api.keeper.pinned(&known.item).await;
    let pin = pin.map_err(|cause| tier_error(&cause))?;
    let kept = api.keeper.remembered(&known.item).unwrap_or_default();
    let keeps = match (known.guards, kept.policy) {
        (true, _) => "guardian",
        (false, Some(_)) => "owner",
        (false, None) => "no",
    };
    Ok(Json(KeepingView {
        item: ItemView::new(id, &known.item, &known.shared),
        record: BASE64.encode(&record.unwrap_or_default()),
        sealed_bytes_max: known.item.chunks.saturating_mul(SEALED_CHUNK_BYTES as u64),
        keeps: keeps.to_owned(),
        held: pin.map(|pin| HeldView {
            whole: pin.is_complete,
            blocks: pin.blocks,
            bytes: pin.bytes,
            checked_ms: kept.whole_ms,
        }),
        policy: kept.policy,
        needed: api.keeper.needed(&known.item),
        safe: kept.count.as_ref().map(Count::is_safe),
        copies: kept.count,
        stored_ms: kept.stored_ms,
        accounts: accounts(api),
        repaired: kept.repaired,
        repaired_ms: kept.repaired_ms,
        trouble: kept.trouble,
        work: api.keeper.work(&known.item).map(WorkView::from),
        requests: known.requests.iter().map(AccessView::new).collect(),
        destroyed: known.destroyed.clone(),
    }))
}

fn not_kept(cause: &KeepError) -> ApiError {
    let (status, code, mend) = match cause {
        KeepError::NotKept(_) => (
            StatusCode::CONFLICT,
            "not_kept_here",
            "run this on a guardian's node, or where the item was put; `x0 sublime show ITEM --count` counts its copies from here",
        ),
        KeepError::Stopping => (
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "start the node again",
        ),
        KeepError::Memory(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "not_written",
            "free some room on the disk of the data directory and try again",
        ),
        KeepError::CannotRead(_) => (
            StatusCode::NOT_FOUND,
            "no_such_block",
            "wait until a node that holds the content is linked, and try again",
        ),
        KeepError::Tier(cause) => return tier_error(cause),
    };
    ApiError::new(status, code, cause.to_string(), mend)
}
