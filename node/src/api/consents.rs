//! Own acts on their way through a committee's mesh, and acts that others want this node's word about.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_crypto::ContentId;
use x0_protocol::{
    Command, Event, Reply,
    anti_meave::{
        consents::{self, Answer},
        proposals::{self, Stage},
    },
    wire::Word,
};

use super::{
    ApiState,
    error::{ApiError, ErrorBody},
    expect_reply,
    extract::{Body, Found, Queried},
    view::{DoneView, TargetsView},
    wait::WaitQuery,
};

pub(super) fn read_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(proposals))
        .routes(routes!(proposal))
        .routes(routes!(consents))
}

pub(super) fn act_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(cosign))
}

/// An own act on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProposalView {
    /// The act, by its digest.
    pub act: String,
    /// What it changes, in words.
    pub change: String,
    /// When it was asked for, by this node's clock.
    pub since_ms: u64,
    /// `asked`, `collecting`, `written` or `failed`.
    pub stage: String,
    /// How far it is, in words.
    pub words: String,
    /// The act's record, once it is written.
    pub record: Option<String>,
    /// Targets that agree, and how many must.
    pub agreed: Option<(u32, u32)>,
    /// Drawn co-signers who have signed, and how many must.
    pub cosigned: Option<(u32, u32)>,
    /// Drawn signatories who approve, and how many must; `null` if it needs no approvals.
    pub approved: Option<(u32, u32)>,
    /// Who was drawn to co-sign.
    pub drawn: Vec<String>,
    /// Who has co-signed.
    pub signed: Vec<String>,
    /// Who was drawn to approve.
    pub panel: Vec<String>,
    /// Who has approved.
    pub approvals: Vec<String>,
    /// Who refused, and why.
    pub refused: Vec<RefusalView>,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusalView {
    /// Who refused.
    pub by: String,
    /// Why.
    pub why: String,
}

impl ProposalView {
    fn new(own: &proposals::ProposalView) -> Self {
        let (stage, record) = match &own.stage {
            Stage::Asked => ("asked", None),
            Stage::Publishing => ("publishing", None),
            Stage::Collecting { .. } => ("collecting", None),
            Stage::Written(record) => ("written", *record),
            Stage::Failed(_) => ("failed", None),
        };
        let (agreed, cosigned, approved) = match own.stage {
            Stage::Collecting {
                agreed,
                cosigned,
                approved,
            } => {
                let approved = Some(approved).filter(|(_, needed)| *needed > 0);
                (Some(agreed), Some(cosigned), approved)
            }
            Stage::Asked | Stage::Publishing | Stage::Written(_) | Stage::Failed(_) => {
                (None, None, None)
            }
        };
        let by = |is_it: fn(&Word) -> bool| -> Vec<String> {
            let said = own.said.iter().filter(|(_, word)| is_it(word));
            said.map(|(by, _)| by.to_string()).collect()
        };
        Self {
            act: own.act.to_string(),
            change: own.change.clone(),
            since_ms: own.since.0,
            stage: stage.to_owned(),
            words: own.stage.to_string(),
            record: record.map(|record| record.to_string()),
            agreed,
            cosigned,
            approved,
            drawn: own.drawn.iter().map(ToString::to_string).collect(),
            signed: by(|word| *word == Word::Cosign),
            panel: own.panel.iter().map(ToString::to_string).collect(),
            approvals: by(|word| matches!(word, Word::Sign { .. })),
            refused: own
                .refused
                .iter()
                .map(|(by, why)| RefusalView {
                    by: by.to_string(),
                    why: why.clone(),
                })
                .collect(),
        }
    }

    /// Tells whether nothing more comes of it.
    pub fn is_ended(&self) -> bool {
        self.stage == "failed" || (self.stage == "written" && self.record.is_some())
    }
}

/// An act that wants this node's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsentView {
    /// The act, by its digest.
    pub act: String,
    /// The agent.
    pub agent: String,
    /// Whether a person is to decide, as co-signer or signatory; else the node itself agrees as a target.
    pub cosign: bool,
    /// In which role this node is asked: `target`, `co-signer` or `signatory`.
    pub role: String,
    /// For a signatory: how many must approve, and of how many.
    pub panel: Option<(u8, u8)>,
    /// What would change, in words.
    pub change: String,
    /// What it would change here: the value in force and the value asked for.
    pub difference: String,
    /// Where.
    pub targets: TargetsView,
    /// If it is an override: why there is no time for a vote.
    pub override_why: Option<String>,
    /// If it is an override: what will come of it.
    pub override_consequences: Option<String>,
    /// Nodes that the act counts as: all that its root, or this change, reached lately.
    pub reach: Option<u32>,
    /// Members that count.
    pub members: Option<u32>,
    /// Mesh time at which its ticket lapses.
    pub expires_ms: Option<u64>,
    /// When it came, by this node's clock.
    pub since_ms: u64,
    /// `checking`, `waiting`, `signing`, `said` or `refused`.
    pub answer: String,
    /// Why it is refused, if it is.
    pub why: Option<String>,
}

impl ConsentView {
    fn new(asked: &consents::ConsentView) -> Self {
        let (answer, why) = match &asked.answer {
            Answer::Checking => ("checking", None),
            Answer::Waiting => ("waiting", None),
            Answer::Signing => ("signing", None),
            Answer::Said(_) => ("said", None),
            Answer::Refused(why) => ("refused", Some(why.clone())),
        };
        Self {
            act: asked.act.to_string(),
            agent: asked.agent.to_string(),
            cosign: asked.role.is_persons(),
            role: asked.role.to_string(),
            panel: asked.panel().map(|panel| (panel.k, panel.n)),
            change: asked.change.clone(),
            difference: asked.difference.clone(),
            targets: TargetsView::from(&asked.targets),
            override_why: asked.emergency.as_ref().map(|words| words.why.clone()),
            override_consequences: asked
                .emergency
                .as_ref()
                .map(|words| words.consequences.clone()),
            reach: asked.ticket.map(|ticket| ticket.reach()),
            members: asked.ticket.map(|ticket| ticket.electorate.count),
            expires_ms: asked.ticket.map(|ticket| ticket.expires.0),
            since_ms: asked.since.0,
            answer: answer.to_owned(),
            why,
        }
    }
}

/// Own acts on their way, newest first.
#[utoipa::path(
    get, path = "/v1/proposals", tag = "acts",
    responses((status = 200, body = Vec<ProposalView>), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn proposals(State(api): State<Arc<ApiState>>) -> Result<Json<Vec<ProposalView>>, ApiError> {
    Ok(Json(api.proposals().await?))
}

/// One own act on its way; waits for news of it if asked to.
#[utoipa::path(
    get, path = "/v1/proposals/{act}", tag = "acts",
    params(("act" = String, Path, description = "The act, by its digest."), WaitQuery),
    responses((status = 200, body = ProposalView), (status = 404, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn proposal(
    State(api): State<Arc<ApiState>>,
    Found(act): Found<ContentId>,
    Queried(query): Queried<WaitQuery>,
) -> Result<Json<ProposalView>, ApiError> {
    let mut wait = api.wait(query.wait_ms);
    let name = act.to_string();
    loop {
        let found = api.proposals().await?;
        let Some(own) = found.into_iter().find(|own| own.act == name) else {
            return Err(ApiError::not_found(
                format!("no own act {act} is on its way"),
                "list them with `x0 act proposals`; the newest 64 are kept",
            ));
        };
        let is_news = query.known.as_ref().is_none_or(|known| *known != own.words);
        let is_about =
            |event: &Event| matches!(event, Event::Proposed { act: of, .. } if *of == act);
        if own.is_ended() || is_news || !wait.news(is_about).await {
            return Ok(Json(own));
        }
    }
}

/// Acts that want this node's word, newest first.
#[utoipa::path(
    get, path = "/v1/consents", tag = "acts",
    responses((status = 200, body = Vec<ConsentView>), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn consents(State(api): State<Arc<ApiState>>) -> Result<Json<Vec<ConsentView>>, ApiError> {
    let reply = api.node.command(Command::Consents).await?;
    let asked = expect_reply!(reply, Reply::Consents(asked) => asked)?;
    Ok(Json(asked.iter().map(ConsentView::new).collect()))
}

/// A co-signer's decision.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CosignBody {
    /// Whether the act is signed; else it is refused. A co-signer's refusal ends it for good, a signatory's only
    /// together with those of so many others that the rest are too few.
    pub approve: bool,
}

/// Co-signs or approves an act that this node was drawn for, or refuses it.
#[utoipa::path(
    post, path = "/v1/consents/{act}", tag = "acts", request_body = CosignBody,
    params(("act" = String, Path, description = "The act, by its digest.")),
    responses((status = 200, body = DoneView), (status = 403, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn cosign(
    State(api): State<Arc<ApiState>>,
    Found(act): Found<ContentId>,
    Body(body): Body<CosignBody>,
) -> Result<Json<DoneView>, ApiError> {
    let approve = body.approve;
    let reply = api.node.command(Command::Cosign { act, approve }).await?;
    let done = if approve {
        format!("signed {act}")
    } else {
        format!("refused {act}")
    };
    expect_reply!(reply, Reply::Done => Json(DoneView { done }))
}

impl ApiState {
    async fn proposals(&self) -> Result<Vec<ProposalView>, ApiError> {
        let reply = self.node.command(Command::Proposals).await?;
        let own = expect_reply!(reply, Reply::Proposals(own) => own)?;
        Ok(own.iter().map(ProposalView::new).collect())
    }
}
