//! How the node is: status, links, network, policies, members, and the mesh's own records.

use std::{collections::BTreeSet, sync::Arc};

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    Command, Reply,
    core::command::{self, Status},
    spine::directory::Member,
    wire::decode_record,
};

use super::{
    ApiState, blocking,
    error::{ApiError, ErrorBody},
    expect_reply,
    extract::{Found, Queried},
    view::{LinkView, MemberView, MembersPage, NetworkView, PolicyView, RecordView, StatusView},
};

/// Most members on one page.
const MEMBERS_MAX: usize = 1_000;

pub(super) fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(status))
        .routes(routes!(links))
        .routes(routes!(network))
        .routes(routes!(policies))
        .routes(routes!(members))
        .routes(routes!(record))
}

/// How the node and its mesh are, and what protects the mesh now.
#[utoipa::path(
    get, path = "/v1/status", tag = "node",
    responses((status = 200, body = StatusView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn status(State(api): State<Arc<ApiState>>) -> Result<Json<StatusView>, ApiError> {
    let status = api.status().await?;
    let uptime_secs = api.started.elapsed().as_secs();
    let root = api.node.capability_root();
    let mut view = StatusView::new(&status, root, uptime_secs);
    view.charter.kernel = Some(api.kernel.borrow().words());
    Ok(Json(view))
}

/// The open links to members.
#[utoipa::path(
    get, path = "/v1/links", tag = "node",
    responses((status = 200, body = Vec<LinkView>), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn links(State(api): State<Arc<ApiState>>) -> Result<Json<Vec<LinkView>>, ApiError> {
    let network = api.node.network().await?;
    let links = api.links().await?;
    let views = links.iter().map(|link| LinkView::new(link, &network));
    Ok(Json(views.collect()))
}

/// Addresses, connected peers and traffic.
#[utoipa::path(
    get, path = "/v1/network", tag = "node",
    responses((status = 200, body = NetworkView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn network(State(api): State<Arc<ApiState>>) -> Result<Json<NetworkView>, ApiError> {
    Ok(Json(NetworkView::from(&api.node.network().await?)))
}

/// The policies in force on this node, and what they may be set to.
#[utoipa::path(
    get, path = "/v1/policies", tag = "node",
    responses((status = 200, body = Vec<PolicyView>), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn policies(State(api): State<Arc<ApiState>>) -> Result<Json<Vec<PolicyView>>, ApiError> {
    let reply = api.node.command(Command::Policies).await?;
    expect_reply!(reply, Reply::Policies(views) => Json(views.iter().filter_map(PolicyView::new).collect()))
}

/// Which members to show.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct MembersQuery {
    /// Show those after this key.
    #[param(value_type = Option<String>)]
    after: Option<PublicKey>,
    /// Show at most so many: 1 to 1000.
    limit: Option<usize>,
    /// Show only active members (`true`) or everyone who ever was one (`false`, the default).
    active: Option<bool>,
}

/// The members of the mesh, in order of key, a page at a time.
#[utoipa::path(
    get, path = "/v1/members", tag = "members", params(MembersQuery),
    responses((status = 200, body = MembersPage), (status = 400, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn members(
    State(api): State<Arc<ApiState>>,
    Queried(query): Queried<MembersQuery>,
) -> Result<Json<MembersPage>, ApiError> {
    let limit = query.limit.unwrap_or(MEMBERS_MAX);
    if !(1..=MEMBERS_MAX).contains(&limit) {
        let message = format!("a page of {limit} members was asked for");
        let mend = format!("ask for 1 to {MEMBERS_MAX} at a time");
        return Err(ApiError::bad_request(message, mend));
    }
    let mut members = api.members().await?;
    members.sort_by_key(|member| member.key);
    let only_active = query.active.unwrap_or(false);
    let mut wanted = members
        .iter()
        .filter(|member| query.after.is_none_or(|after| member.key > after))
        .filter(|member| !only_active || member.is_active());
    let linked = api.links().await?;
    let linked: BTreeSet<_> = linked
        .iter()
        .filter(|link| link.greeted)
        .map(|link| link.peer)
        .collect();
    let own = api.node.key();
    let page: Vec<_> = wanted
        .by_ref()
        .take(limit)
        .map(|member| MemberView::new(member, &own, &linked))
        .collect();
    let next = wanted.next().and(page.last()).map(|last| last.key.clone());
    Ok(Json(MembersPage {
        members: page,
        next,
    }))
}

/// One record of the mesh, with its bytes.
#[utoipa::path(
    get, path = "/v1/records/{id}", tag = "records",
    params(("id" = String, Path, description = "The record's content id.")),
    responses((status = 200, body = RecordView), (status = 404, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn record(
    State(api): State<Arc<ApiState>>,
    Found(id): Found<ContentId>,
) -> Result<Json<RecordView>, ApiError> {
    let store = api.node.store();
    let bytes = blocking(move || store.record(&id)).await?;
    let Some(bytes) = bytes else {
        let message = format!("no record {id} is known here");
        return Err(ApiError::not_found(
            message,
            "check the id; if the record is new, wait for the next catch-up",
        ));
    };
    let record = decode_record(&bytes).map_err(|fault| {
        ApiError::new(
            axum::http::StatusCode::INTERNAL_SERVER_ERROR,
            "store_failed",
            format!("the stored record {id} does not decode: {fault}"),
            "check the disk, then restore the data directory or join again",
        )
    })?;
    Ok(Json(RecordView::from(record.peek())))
}

impl ApiState {
    pub(super) async fn status(&self) -> Result<Status, ApiError> {
        let reply = self.node.command(Command::Status).await?;
        expect_reply!(reply, Reply::Status(status) => *status)
    }

    pub(super) async fn links(&self) -> Result<Vec<command::LinkView>, ApiError> {
        let reply = self.node.command(Command::Links).await?;
        expect_reply!(reply, Reply::Links(links) => links)
    }

    pub(super) async fn members(&self) -> Result<Vec<Member>, ApiError> {
        let reply = self.node.command(Command::Members).await?;
        expect_reply!(reply, Reply::Members(members) => members)
    }
}
