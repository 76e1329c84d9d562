//! Capability tokens: granting by this node's own root, publishing, inspecting, revoking.
//!
//! Narrowing a token needs no node and is not here: the command line does it offline.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_crypto::{
    PublicKey,
    capability::{
        Action, Capability, CapabilityError, Caveat, Grant, RevocationId, RootKey, Token,
    },
};
use x0_protocol::{Command, Reply, core::command, wire::Reason};

use super::{
    ApiState, blocking_compute,
    capability_view::{CapabilityView, GrantedView, InspectedView, KnownCapabilityView, now_secs},
    error::{ApiError, ErrorBody},
    expect_reply,
    extract::Body,
    recorded,
    view::{DoneView, RecordedView},
};

pub(super) fn read_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(inspect))
}

pub(super) fn act_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(publish))
}

pub(super) fn admin_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(grant))
        .routes(routes!(revoke))
        .routes(routes!(accept_root))
}

/// The capability tokens known to the mesh.
#[utoipa::path(
    get, path = "/v1/capabilities", tag = "capabilities",
    responses((status = 200, body = Vec<KnownCapabilityView>), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn list(
    State(api): State<Arc<ApiState>>,
) -> Result<Json<Vec<KnownCapabilityView>>, ApiError> {
    let now = now_secs();
    let known = api.capabilities().await?;
    let views = known
        .iter()
        .map(|known| KnownCapabilityView::new(known, now));
    Ok(Json(views.collect()))
}

/// A token, and the root it is signed under if the caller knows it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenBody {
    /// The token's text, `x0cap1…`.
    #[schema(value_type = String)]
    pub token: Token,
    /// The root; without it the roots known here are tried.
    #[schema(value_type = Option<String>)]
    pub root: Option<RootKey>,
}

/// What a token says, whether it holds, and whether it was revoked.
#[utoipa::path(
    post, path = "/v1/capabilities/inspect", tag = "capabilities", request_body = TokenBody,
    responses((status = 200, body = InspectedView), (status = 422, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn inspect(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<TokenBody>,
) -> Result<Json<InspectedView>, ApiError> {
    let capability = api.verify(body.token, body.root).await?;
    let known = api.capabilities().await?;
    let same = known
        .iter()
        .find(|known| known.capability.revocation_ids() == capability.revocation_ids());
    let is_revoked = known.iter().any(|known| {
        known.revoked
            && known.capability.root() == capability.root()
            && capability
                .revocation_ids()
                .starts_with(known.capability.revocation_ids())
    });
    let is_accepted = match same {
        Some(same) => same.accepted,
        None => {
            *capability.root() == api.node.capability_root()
                || known
                    .iter()
                    .any(|known| known.accepted && known.capability.root() == capability.root())
        }
    };
    Ok(Json(InspectedView {
        capability: CapabilityView::new(&capability, now_secs()),
        revoked: Some(is_revoked || same.is_some_and(|same| same.revoked)),
        accepted: Some(is_accepted),
    }))
}

/// Makes a token known to the mesh, so that its delegation is no secret.
#[utoipa::path(
    post, path = "/v1/capabilities", tag = "capabilities", request_body = TokenBody,
    responses((status = 200, body = RecordedView), (status = 422, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn publish(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<TokenBody>,
) -> Result<Json<RecordedView>, ApiError> {
    let capability = api.verify(body.token.clone(), body.root).await?;
    let root = *capability.root();
    let command = Command::PublishCapability {
        root,
        token: body.token,
    };
    recorded(api.node.command(command).await?)
}

/// What to grant, to whom.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantBody {
    /// Who may use the token; this node if absent.
    #[schema(value_type = Option<String>)]
    pub holder: Option<PublicKey>,
    /// What for, such as `set.links.target`.
    #[schema(value_type = Vec<String>)]
    pub actions: Vec<Action>,
    /// Within what limits, such as `affects_nodes_le=5`.
    pub caveats: Vec<String>,
    /// Whether to make the token known to the mesh at once.
    pub publish: bool,
}

/// Grants a capability under this node's own root.
#[utoipa::path(
    post, path = "/v1/capabilities/grant", tag = "capabilities", request_body = GrantBody,
    responses((status = 200, body = GrantedView), (status = 422, body = ErrorBody)),
    security(("api_token" = ["admin"]))
)]
async fn grant(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<GrantBody>,
) -> Result<Json<GrantedView>, ApiError> {
    let caveats = body
        .caveats
        .iter()
        .map(|caveat| caveat.parse())
        .collect::<Result<Vec<Caveat>, _>>();
    let caveats = caveats.map_err(|fault| {
        ApiError::bad_request(fault.to_string(), "write the caveat as the message shows")
    })?;
    let grant = Grant {
        holder: body.holder.unwrap_or_else(|| api.node.key()),
        actions: body.actions.into_iter().collect(),
        caveats,
    };
    let token = api.node.grant(&grant)?;
    let root = api.node.capability_root();
    let capability = api.verify(token.clone(), Some(root)).await?;
    let published = if body.publish {
        let command = Command::PublishCapability {
            root,
            token: token.clone(),
        };
        let Json(record) = recorded(api.node.command(command).await?)?;
        Some(record.id)
    } else {
        None
    };
    Ok(Json(GrantedView {
        token: token.to_string(),
        capability: CapabilityView::new(&capability, now_secs()),
        published,
    }))
}

/// What to revoke: blocks by their ids, or everything a token rests on last.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeBody {
    /// Ids of blocks granted under this node's root; a block takes all that was derived from it along.
    #[schema(value_type = Vec<String>)]
    pub ids: Vec<RevocationId>,
    /// Why, in words for everyone; may be empty.
    #[serde(default)]
    pub reason: String,
}

/// Revokes tokens granted under this node's own root.
#[utoipa::path(
    post, path = "/v1/capabilities/revoke", tag = "capabilities", request_body = RevokeBody,
    responses((status = 200, body = RecordedView), (status = 409, body = ErrorBody)),
    security(("api_token" = ["admin"]))
)]
async fn revoke(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<RevokeBody>,
) -> Result<Json<RecordedView>, ApiError> {
    let command = Command::Revoke {
        ids: body.ids,
        reason: reason(&body.reason)?,
    };
    recorded(api.node.command(command).await?)
}

/// Whether to take acts under a delegation root.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptRootBody {
    /// The root.
    #[schema(value_type = String)]
    pub root: RootKey,
    /// Whether its tokens are accepted on this node from now on.
    pub accepted: bool,
}

/// Lets this node take acts under a delegation root, or no longer.
#[utoipa::path(
    post, path = "/v1/capabilities/accept-root", tag = "capabilities", request_body = AcceptRootBody,
    responses((status = 200, body = DoneView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["admin"]))
)]
async fn accept_root(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<AcceptRootBody>,
) -> Result<Json<DoneView>, ApiError> {
    let command = Command::AcceptRoot {
        root: body.root,
        accepted: body.accepted,
    };
    let reply = api.node.command(command).await?;
    let verb = if body.accepted {
        "takes"
    } else {
        "no longer takes"
    };
    let done = format!("this node {verb} acts under root {}", body.root);
    expect_reply!(reply, Reply::Done => Json(DoneView { done }))
}

/// Reads a reason for everyone.
pub(super) fn reason(text: &str) -> Result<Reason, ApiError> {
    text.parse()
        .map_err(|fault: String| ApiError::bad_request(fault, "give a shorter reason on one line"))
}

impl ApiState {
    pub(super) async fn capabilities(&self) -> Result<Vec<command::CapabilityView>, ApiError> {
        let reply = self.node.command(Command::Capabilities).await?;
        expect_reply!(reply, Reply::Capabilities(known) => known)
    }

    /// Returns the root of a token: the one given, or else that under which it verifies.
    pub(super) async fn root_of(
        &self,
        root: Option<RootKey>,
        token: &Token,
    ) -> Result<RootKey, ApiError> {
        match root {
            Some(root) => Ok(root),
            None => Ok(*self.verify(token.clone(), None).await?.root()),
        }
    }

    /// Verifies a token under its root, which is looked for among the roots known here if not given: the
    /// own, those of known tokens, those of members.
    pub(super) async fn verify(
        &self,
        token: Token,
        root: Option<RootKey>,
    ) -> Result<Capability, ApiError> {
        let roots = match root {
            Some(root) => vec![root],
            None => self.known_roots().await?,
        };
        blocking_compute(move || {
            for root in roots {
                match token.verify(&root) {
                    Ok(capability) => return Ok(capability),
                    Err(CapabilityError::NotFromRoot { .. }) => {}
                    Err(fault) => return Err(bad_token(fault.to_string())),
                }
            }
            let message =
                "the token was granted by no root known here, or was changed after it was signed";
            Err(bad_token(message.to_owned()))
        })
        .await
    }

    async fn known_roots(&self) -> Result<Vec<RootKey>, ApiError> {
        let mut roots = vec![self.node.capability_root()];
        let known = self.capabilities().await?;
        let members = self.members().await?;
        let others = known
            .iter()
            .map(|known| *known.capability.root())
            .chain(members.iter().map(|member| member.root));
        let mut seen = std::collections::BTreeSet::from([self.node.capability_root()]);
        roots.extend(others.filter(|root| seen.insert(*root)));
        Ok(roots)
    }
}

fn bad_token(message: String) -> ApiError {
    ApiError::new(
        axum::http::StatusCode::UNPROCESSABLE_ENTITY,
        "bad_token",
        message,
        "copy the token again, whole; if its root is not a member's, name it with --root",
    )
}
