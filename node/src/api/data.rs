//! What this node holds about somebody, and the erasure of what its own records say.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    Command, Reply,
    core::{command::ErasureView as Erasure, time::Millis},
    wire::{Body as Said, decode_record},
};

use super::{
    ApiState, blocking,
    error::{ApiError, ErrorBody},
    expect_reply,
    extract::{Body, Queried},
    recorded,
    view::{RecordedView, kind_name},
};
use crate::{
    charter::in_force,
    data::{
        Names,
        pack::{ReceiptLine, RecordLine},
        said,
    },
};

/// Records looked at in one call.
const LOOKED_AT: usize = 2_000;
/// Blocks looked at in one call.
const BLOCKS_LOOKED_AT: usize = 256;

pub(super) fn read_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(records))
        .routes(routes!(blocks))
        .routes(routes!(erasures))
}

pub(super) fn act_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(erase))
}

/// Whose data, and where to go on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct RecordsQuery {
    /// Whose; this node's own without it.
    #[param(value_type = Option<String>)]
    about: Option<PublicKey>,
    /// The record after which to go on.
    #[param(value_type = Option<String>)]
    after: Option<ContentId>,
}

/// A page of records that a key wrote or that name it; there may be none on a page and more on the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DataPage {
    /// The records.
    #[schema(value_type = Vec<Object>)]
    pub records: Vec<RecordLine>,
    /// Where to go on; none on the last page.
    #[schema(value_type = Option<String>)]
    pub next: Option<ContentId>,
}

/// Records that a key wrote or that name it, as they travel and in words.
#[utoipa::path(
    get, path = "/v1/data/records", tag = "data", params(RecordsQuery),
    responses((status = 200, body = DataPage), (status = 500, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn records(
    State(api): State<Arc<ApiState>>,
    Queried(query): Queried<RecordsQuery>,
) -> Result<Json<DataPage>, ApiError> {
    let about = query.about.unwrap_or_else(|| api.node.key());
    let mesh = api.status().await?.mesh;
    let store = api.node.store();
    let (page, next) = blocking(move || {
        let mut page = store.records_page(query.after.as_ref(), LOOKED_AT)?;
        let next = (page.len() == LOOKED_AT).then(|| page.last().map(|(id, _)| *id));
        if query.after.is_none() && !page.iter().any(|(id, _)| *id == mesh) {
            // The genesis stands apart in the store.
            page.extend(store.record(&mesh)?.map(|genesis| (mesh, genesis)));
        }
        let names = Names::of(&about);
        let mut lines = Vec::new();
        for (_, bytes) in page {
            lines.extend(line(&bytes, &about, &names));
        }
        Ok((lines, next.flatten()))
    })
    .await?;
    Ok(Json(DataPage {
        records: page,
        next,
    }))
}

fn line(bytes: &[u8], about: &PublicKey, names: &Names) -> Option<RecordLine> {
    let record = decode_record(bytes).ok()?;
    let record = record.peek();
    let header = record.header();
    if header.author != *about && !names.stand_in(bytes) {
        return None;
    }
    let erased_by = if let Said::Erased { by, .. } = record.body() {
        Some(*by)
    } else {
        None
    };
    Some(RecordLine {
        id: record.id(),
        author: header.author,
        seq: header.seq,
        kind: kind_name(header.kind.0),
        time_ms: header.time.0,
        erasable: header.kind.is_erasable() && erased_by.is_none(),
        erased_by,
        says: said(bytes),
        bytes: data_encoding::BASE64.encode(bytes),
    })
}

/// Whose data, and where to go on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct BlocksQuery {
    /// Whose; this node's own without it.
    #[param(value_type = Option<String>)]
    about: Option<PublicKey>,
    /// The height to go on from.
    from: Option<u64>,
}

/// A block of the committee log that names somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockLine {
    /// The block and its commit, in DAG-JSON.
    #[schema(value_type = Object)]
    pub block: serde_json::Value,
}

/// A page of blocks; there may be none on a page and more on the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlocksPage {
    /// The blocks.
    pub blocks: Vec<BlockLine>,
    /// Where to go on; none on the last page.
    pub next: Option<u64>,
}

/// Blocks of the committee log that name a key, as far as this node's seat keeps them.
#[utoipa::path(
    get, path = "/v1/data/blocks", tag = "data", params(BlocksQuery),
    responses((status = 200, body = BlocksPage), (status = 500, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn blocks(
    State(api): State<Arc<ApiState>>,
    Queried(query): Queried<BlocksQuery>,
) -> Result<Json<BlocksPage>, ApiError> {
    let about = query.about.unwrap_or_else(|| api.node.key());
    let height = api.status().await?.committee.map(|seat| seat.height);
    let Some(height) = height else {
        return Ok(Json(BlocksPage {
            blocks: Vec::new(),
            next: None,
        }));
    };
    let store = api.node.store();
    let first = height.saturating_sub(x0_protocol::core::limits::BLOCKS_KEPT_MAX);
    let from = query.from.unwrap_or(first).max(1);
    let found = blocking(move || store.blocks(from, BLOCKS_LOOKED_AT)).await?;
    let next = (found.len() == BLOCKS_LOOKED_AT).then_some(from + BLOCKS_LOOKED_AT as u64);
    let names = Names::of(&about);
    let named = found.iter().filter(|block| names.stand_in(block));
    Ok(Json(BlocksPage {
        blocks: named
            .map(|block| BlockLine {
                block: crate::data::dag_json(block),
            })
            .collect(),
        next,
    }))
}

/// What of this node's records is to be erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseBody {
    /// These records; all that can be erased without it.
    #[schema(value_type = Option<Vec<String>>)]
    pub records: Option<Vec<ContentId>>,
}

/// Has what own records say erased at every node.
#[utoipa::path(
    post, path = "/v1/data/erase", tag = "data", request_body = EraseBody,
    responses((status = 200, body = RecordedView), (status = 409, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn erase(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<EraseBody>,
) -> Result<Json<RecordedView>, ApiError> {
    recorded(api.node.command(Command::Erase(body.records)).await?)
}

/// An erasure that this node asked for, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErasureView {
    /// The erasure's record.
    pub id: String,
    /// When it was written, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// When every node must have complied, as the charter says, milliseconds since the Unix epoch.
    pub until_ms: u64,
    /// How many records it covers.
    pub covered: u32,
    /// Whether it covers all that could be erased then.
    pub all: bool,
    /// Active members besides this node.
    pub others: u32,
    /// The receipts of those who have shown that they complied.
    #[schema(value_type = Vec<Object>)]
    pub receipts: Vec<ReceiptLine>,
}

/// Erasures that this node asked for, oldest first.
#[utoipa::path(
    get, path = "/v1/data/erasures", tag = "data",
    responses((status = 200, body = Vec<ErasureView>), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn erasures(State(api): State<Arc<ApiState>>) -> Result<Json<Vec<ErasureView>>, ApiError> {
    let charter = in_force(api.status().await?.charter);
    let days = charter.text().windows.erase_days;
    let span = Millis::from_mins(60 * 24 * days);
    let reply = api.node.command(Command::Erasures).await?;
    let erasures = expect_reply!(reply, Reply::Erasures(erasures) => erasures)?;
    let view = |erasure: &Erasure| ErasureView {
        id: erasure.id.to_string(),
        time_ms: erasure.time.0,
        until_ms: (erasure.time + span).0,
        covered: erasure.covered,
        all: erasure.all,
        others: erasure.members.saturating_sub(1),
        receipts: erasure.receipts.iter().filter_map(receipt).collect(),
    };
    Ok(Json(erasures.iter().map(view).collect()))
}

fn receipt(receipt: &x0_protocol::spine::erasure::ErasureReceipt) -> Option<ReceiptLine> {
    let (node, time, records) = receipt.complied()?;
    Some(ReceiptLine {
        erasure: receipt.erasure,
        node,
        time_ms: time.0,
        records,
        bytes: data_encoding::BASE64.encode(&receipt.encode()),
    })
}
