//! The node's own audit log: its entries, the heads known of it and of others, and whether it is intact.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_protocol::{
    Command, Reply,
    core::command::AuditHeads,
    spine::audit::tree::{Frontier, leaf_hash},
};

use super::{
    ApiState, blocking,
    error::{ApiError, ErrorBody},
    expect_reply,
    extract::{Found, Queried},
    proofs::ProofView,
    public::SinceQuery,
    view::{AuditEntryView, AuditHeadsView, AuditPage, AuditVerifyView},
};

/// Most entries on one page.
const ENTRIES_MAX: usize = 1_000;
/// Entries read from disk at a time while checking.
const CHECK_ENTRIES: usize = 4_096;

pub(super) fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(entries))
        .routes(routes!(heads))
        .routes(routes!(verify))
        .routes(routes!(prove))
}

/// Which entries to show.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct EntriesQuery {
    /// Start at this index; without it, show the newest.
    from: Option<u64>,
    /// Show at most so many: 1 to 1000, 100 unless told.
    limit: Option<usize>,
}

/// Entries of the node's own audit log, oldest first.
#[utoipa::path(
    get, path = "/v1/audit", tag = "audit", params(EntriesQuery),
    responses((status = 200, body = AuditPage), (status = 400, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn entries(
    State(api): State<Arc<ApiState>>,
    Queried(query): Queried<EntriesQuery>,
) -> Result<Json<AuditPage>, ApiError> {
    let limit = query.limit.unwrap_or(100);
    if !(1..=ENTRIES_MAX).contains(&limit) {
        let message = format!("a page of {limit} entries was asked for");
        let mend = format!("ask for 1 to {ENTRIES_MAX} at a time");
        return Err(ApiError::bad_request(message, mend));
    }
    let size = api.heads().await?.size;
    let from = query.from.unwrap_or(size.saturating_sub(limit as u64));
    let left = usize::try_from(size.saturating_sub(from)).unwrap_or(usize::MAX);
    let count = limit.min(left);
    let store = api.node.store();
    let entries = match count {
        0 => Vec::new(),
        count => blocking(move || store.audit_entries(from, count)).await?,
    };
    let entries = (from..).zip(&entries);
    Ok(Json(AuditPage {
        entries: entries
            .map(|(index, entry)| AuditEntryView::new(index, entry))
            .collect(),
        size,
    }))
}

/// The head of the own log, who holds it, and the heads seen of others.
#[utoipa::path(
    get, path = "/v1/audit/heads", tag = "audit",
    responses((status = 200, body = AuditHeadsView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn heads(State(api): State<Arc<ApiState>>) -> Result<Json<AuditHeadsView>, ApiError> {
    Ok(Json(AuditHeadsView::from(&api.heads().await?)))
}

/// The proof that an entry stands in the node's own log, to be given on.
#[utoipa::path(
    get, path = "/v1/audit/{index}/proof", tag = "audit",
    params(("index" = u64, Path, description = "The entry's place, from 0."), SinceQuery),
    responses((status = 200, body = ProofView), (status = 404, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn prove(
    State(api): State<Arc<ApiState>>,
    Found(index): Found<u64>,
    Queried(query): Queried<SinceQuery>,
) -> Result<Json<ProofView>, ApiError> {
    let since = query.since;
    let reply = api
        .node
        .command(Command::ProveEntry { index, since })
        .await?;
    let proof = expect_reply!(reply, Reply::EntryProof(proof) => proof)?;
    let store = api.node.store();
    let entries = blocking(move || store.audit_entries(index, 1)).await?;
    match entries.first() {
        Some(entry) => Ok(Json(ProofView::of_entry(&proof, entry))),
        None => Err(ApiError::not_found(
            format!("entry {index} is not on disk yet"),
            "try again in a moment",
        )),
    }
}

/// Reads the log from disk, hashes it anew, and compares it with the head the node speaks for.
#[utoipa::path(
    get, path = "/v1/audit/verify", tag = "audit",
    responses((status = 200, body = AuditVerifyView), (status = 500, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn verify(State(api): State<Arc<ApiState>>) -> Result<Json<AuditVerifyView>, ApiError> {
    let heads = api.heads().await?;
    let store = api.node.store();
    let size = heads.size;
    let frontier = blocking(move || {
        let mut frontier = Frontier::default();
        while frontier.size() < size {
            let left = usize::try_from(size - frontier.size()).unwrap_or(usize::MAX);
            let entries = store.audit_entries(frontier.size(), CHECK_ENTRIES.min(left))?;
            if entries.is_empty() {
                break;
            }
            for entry in &entries {
                frontier.append(leaf_hash(&entry.encode()));
            }
        }
        Ok(frontier)
    })
    .await?;
    Ok(Json(found(&frontier, &heads)))
}

fn found(frontier: &Frontier, heads: &AuditHeads) -> AuditVerifyView {
    let hex = |bytes: &[u8; 32]| data_encoding::HEXLOWER.encode(bytes);
    let computed = frontier.root();
    let intact = frontier.size() == heads.size && computed == heads.root;
    let witnesses = heads.witnesses.len();
    let words = match (intact, witnesses) {
        (false, _) => "the entries on disk are not those the node speaks for: treat the log as altered".to_owned(),
        (true, 0) => {
            "the log is whole; no other node holds its head yet, so only this machine vouches for it"
                .to_owned()
        }
        (true, 1) => "the log is whole, and 1 other node holds a head of it".to_owned(),
        (true, count) => format!("the log is whole, and {count} other nodes hold a head of it"),
    };
    AuditVerifyView {
        intact,
        entries: frontier.size(),
        size: heads.size,
        computed_root: hex(&computed.0),
        root: hex(&heads.root.0),
        witnesses: u32::try_from(witnesses).unwrap_or(u32::MAX),
        countersigned_size: heads.countersigned.map_or(0, |(size, _)| size),
        countersigned: heads.countersigned.map(|(_, by)| by.into()),
        words,
    }
}

impl ApiState {
    async fn heads(&self) -> Result<AuditHeads, ApiError> {
        let reply = self.node.command(Command::AuditHeads).await?;
        expect_reply!(reply, Reply::AuditHeads(heads) => heads)
    }
}
