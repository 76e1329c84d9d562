//! The charter that the mesh runs under.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_protocol::{
    Command,
    charter::{Charter, CharterDraft},
};

use super::{
    ApiState,
    error::{ApiError, ErrorBody},
    extract::Body,
    recorded,
    view::RecordedView,
};
use crate::charter::{in_force, inspection::OwnAudit};

pub(super) fn read_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(charter))
        .routes(routes!(inspected))
}

pub(super) fn act_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(amend))
}

/// A charter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CharterView {
    /// Its name: the content id of its encoding.
    pub charter: String,
    /// Its number, which only rises.
    pub number: u64,
    /// All it says; docs/charter.schema.json describes it.
    #[schema(value_type = Object)]
    pub text: CharterDraft,
}

impl CharterView {
    /// Writes a charter down.
    pub fn new(charter: &Charter) -> Self {
        Self {
            charter: charter.id().to_string(),
            number: charter.number(),
            text: charter.text().clone(),
        }
    }
}

/// The charter in force, as this node knows it.
#[utoipa::path(
    get, path = "/v1/charter", tag = "charter",
    responses((status = 200, body = CharterView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn charter(State(api): State<Arc<ApiState>>) -> Result<Json<CharterView>, ApiError> {
    let status = api.status().await?;
    Ok(Json(CharterView::new(&in_force(status.charter))))
}

/// What this node collects and hands out, held against the charter in force.
#[utoipa::path(
    get, path = "/v1/charter/audit", tag = "charter",
    responses((status = 200, body = OwnAudit), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn inspected(State(api): State<Arc<ApiState>>) -> Result<Json<OwnAudit>, ApiError> {
    let charter = in_force(api.status().await?.charter);
    Ok(Json(own_audit(&api, &charter).await))
}

/// Holds what this node collects and hands out against a charter.
pub(super) async fn own_audit(api: &ApiState, charter: &Charter) -> OwnAudit {
    let (collection, charter) = (api.node.collection().clone(), charter.clone());
    match tokio::task::spawn_blocking(move || collection.audit(&charter)).await {
        Ok(audit) => audit,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

/// A charter that is to take the place of the one in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AmendBody {
    /// All it says; docs/charter.schema.json describes it.
    #[schema(value_type = Object)]
    pub text: CharterDraft,
}

/// Says an amendment to all members, so that it can be voted on: its content id is the subject of the vote.
#[utoipa::path(
    post, path = "/v1/charter", tag = "charter", request_body = AmendBody,
    responses(
        (status = 200, body = RecordedView), (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)
    ),
    security(("api_token" = ["act"]))
)]
async fn amend(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<AmendBody>,
) -> Result<Json<RecordedView>, ApiError> {
    let charter = Charter::new(body.text).map_err(|flaws| {
        let flaws = flaws
            .iter()
            .map(|flaw| format!("{}: {}", flaw.key, flaw.what));
        let message = format!("it is no charter: {}", flaws.collect::<Vec<_>>().join("; "));
        ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad_charter",
            message,
            "check the file with `x0 charter check`",
        )
    })?;
    recorded(api.node.command(Command::ProposeCharter(charter)).await?)
}
