//! Audits of members' nodes: the rounds, how each audit stands, and a node asked by hand.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_crypto::{
    ContentId, PublicKey,
    capability::{RootKey, Token},
};
use x0_protocol::{
    Command, Reply,
    charter::inspection::{Inspected, KernelPolicy, rounds::AuditState},
    core::inspection::{self, AskBy, InspectionCommand, InspectionRefusal},
    wire::{Account, AuditPair},
};

use super::{
    ApiState,
    error::{ApiError, ErrorBody},
    expect_reply,
    extract::Body,
};

pub(super) fn read_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(audits))
}

pub(super) fn act_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(ask))
}

/// The rounds of audits known to this node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditsView {
    /// Mesh time of this node now.
    pub mesh_time_ms: u64,
    /// Days between two rounds by the charter in force; none without a charter or a committee.
    pub days: Option<u64>,
    /// Mesh time at which the next round is to open.
    pub next_ms: Option<u64>,
    /// Whether the next round should have opened long ago.
    pub overdue: bool,
    /// The rounds, the newest first.
    pub rounds: Vec<RoundView>,
}

/// A round of audits.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RoundView {
    /// Its number.
    pub round: u64,
    /// The height of the committee log at which it was drawn.
    pub height: u64,
    /// Mesh time since when it runs.
    pub opened_ms: u64,
    /// Mesh time from which an audit without a report is overdue.
    pub due_ms: u64,
    /// Mesh time at which the next is to open.
    pub next_ms: u64,
    /// The charter in force when it was drawn.
    pub charter: String,
    /// How many audits stand how.
    pub tally: TallyView,
    /// Each audit, in order of node.
    pub audits: Vec<AuditView>,
}

/// How many audits of a round stand how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TallyView {
    /// Nothing was found.
    pub clean: u32,
    /// Something violates the charter.
    pub with_findings: u32,
    /// The account names a charter that is not known here.
    pub unjudged: u32,
    /// The node gave no account; that is no violation.
    pub unanswered: u32,
    /// They have time.
    pub due: u32,
    /// Their auditor has reported nothing in time.
    pub overdue: u32,
}

/// An audit of a member's node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditView {
    /// Whose node is audited.
    pub node: String,
    /// By whose node.
    pub auditor: String,
    /// `due`, `overdue`, `unanswered`, `clean`, `findings` or `unjudged`.
    pub state: String,
    /// The same in words.
    pub words: String,
    /// The record of the report; with an account in it, it is evidence that a report of a violation can name.
    pub report: Option<String>,
    /// Whether the report came after it was due.
    pub late: bool,
    /// What violates the charter.
    pub violations: Vec<String>,
}

impl AuditsView {
    /// Writes down what the node knows.
    pub fn new(view: &inspection::RoundsView) -> Self {
        let rounds = view.rounds.iter().map(|round| {
            let tally = round.tally;
            RoundView {
                round: round.drawn.round,
                height: round.drawn.height,
                opened_ms: round.drawn.opened.0,
                due_ms: round.drawn.due.0,
                next_ms: round.drawn.next.0,
                charter: round.drawn.charter.to_string(),
                tally: TallyView {
                    clean: tally.clean,
                    with_findings: tally.with_findings,
                    unjudged: tally.unjudged,
                    unanswered: tally.unanswered,
                    due: tally.due,
                    overdue: tally.overdue,
                },
                audits: round
                    .audits
                    .iter()
                    .map(|(pair, state)| AuditView::new(*pair, state))
                    .collect(),
            }
        });
        Self {
            mesh_time_ms: view.time.0,
            days: view.days,
            next_ms: view.next.map(|next| next.0),
            overdue: view.overdue,
            rounds: rounds.collect(),
        }
    }
}

impl AuditView {
    fn new(pair: AuditPair, state: &AuditState) -> Self {
        let (name, report, late, findings) = match state {
            AuditState::Due => ("due", None, false, None),
            AuditState::Overdue => ("overdue", None, false, None),
            AuditState::Unanswered { report, .. } => ("unanswered", Some(report), false, None),
            AuditState::Answered {
                report,
                late,
                findings,
                ..
            } => {
                let name = match findings.as_deref() {
                    None => "unjudged",
                    Some([]) => "clean",
                    Some(_) => "findings",
                };
                (name, Some(report), *late, findings.as_ref())
            }
        };
        Self {
            node: pair.node.to_string(),
            auditor: pair.auditor.to_string(),
            state: name.to_owned(),
            words: state.words(),
            report: report.map(ToString::to_string),
            late,
            violations: findings
                .into_iter()
                .flatten()
                .map(ToString::to_string)
                .collect(),
        }
    }
}

/// Lists the rounds of audits, the draw of each, and what came of it.
#[utoipa::path(
    get, path = "/v1/charter/audits", tag = "charter",
    responses((status = 200, body = AuditsView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn audits(State(api): State<Arc<ApiState>>) -> Result<Json<AuditsView>, ApiError> {
    let command = Command::Inspection(InspectionCommand::Rounds);
    let reply = api.node.command(command).await?;
    expect_reply!(reply, Reply::Rounds(view) => Json(AuditsView::new(&view)))
}

/// Whom to ask what its node collects, and by which right; without any, as the auditor that was drawn for it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskBody {
    /// Whom.
    #[schema(value_type = String)]
    pub peer: PublicKey,
    /// As a seat: a case about the node that the committee looks into.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub case: Option<ContentId>,
    /// A token that grants `audit.collection`, held by this node.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub token: Option<Token>,
    /// The root of the token; without it the roots known here are tried.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub root: Option<RootKey>,
}

/// What a node says it collects, and what this node finds in it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    /// The mesh.
    pub mesh: String,
    /// Whose node.
    pub node: String,
    /// Who asked.
    pub auditor: String,
    /// By which right, in words.
    pub right: String,
    /// The account's name: a report of a violation can name it as evidence.
    pub id: String,
    /// The charter that the node says is in force.
    pub charter: String,
    /// Its number.
    pub number: u64,
    /// Mesh time as the node knew it.
    pub mesh_time_ms: u64,
    /// Entries in the node's audit log, the one about this ask included.
    pub log_size: u64,
    /// The root over them.
    pub log_root: String,
    /// The names that the node hands out.
    pub exported: Vec<ExportedView>,
    /// Numbers that it counts and does not hand out.
    pub held_back: u32,
    /// Names that its filter has kept inside.
    pub filtered: u64,
    /// Samples of other programs that its gateway took and refused; none where it is off.
    pub gateway: Option<(u64, u64)>,
    /// What the kernel enforces there: `none`, `by_hand`, `in_force` or `other`; null where no helper answers.
    pub kernel: Option<String>,
    /// What the kernel has refused, and refusals of which nobody was told.
    pub kernel_refused: (u64, u64),
    /// Where traces of the node's own work go.
    pub traces_to: String,
    /// Whether the charter that it names is known here, so that it could be judged.
    pub judged: bool,
    /// What violates that charter.
    pub violations: Vec<String>,
    /// What is no violation, and worth knowing.
    pub notes: Vec<String>,
    /// What the node has signed, in base64.
    pub account: String,
}

/// A name that a node hands out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportedView {
    /// The name.
    pub name: String,
    /// For how many days it is to be kept, as the node declares; none if it declares nothing.
    pub retention_days: Option<u64>,
    /// Over how many nodes it is to be combined.
    pub cohort_min: Option<u64>,
}

impl AccountView {
    /// Writes down what a node has signed for a mesh, and what is found in it.
    pub fn new(mesh: &ContentId, account: &Account, found: Option<&Inspected>) -> Self {
        let (stated, collected) = (&account.stated, &account.collected);
        let asked = &stated.ask.asked;
        let enforcement = &collected.enforcement;
        let probe = enforcement.probe;
        let kernel = |policy| match policy {
            KernelPolicy::None => "none",
            KernelPolicy::ByHand => "by_hand",
            KernelPolicy::InForce => "in_force",
            KernelPolicy::Other => "other",
        };
        let exported = collected.exported.iter().map(|one| ExportedView {
            name: one.name.clone(),
            retention_days: one.declared.map(|declared| declared.retention_days),
            cohort_min: one.declared.map(|declared| declared.cohort_min),
        });
        let findings = found.iter().flat_map(|found| &found.findings);
        let notes = found.iter().flat_map(|found| &found.notes);
        Self {
            mesh: mesh.to_string(),
            node: asked.node.to_string(),
            auditor: asked.auditor.to_string(),
            right: asked.right.words(),
            id: account.id().to_string(),
            charter: stated.charter.to_string(),
            number: stated.number,
            mesh_time_ms: stated.time.0,
            log_size: stated.log_size,
            log_root: stated.log_root.to_string(),
            exported: exported.collect(),
            held_back: collected.held_back,
            filtered: enforcement.filtered,
            gateway: enforcement
                .gateway
                .map(|judged| (judged.taken, judged.refused)),
            kernel: probe.map(|probe| kernel(probe.policy).to_owned()),
            kernel_refused: probe.map_or((0, 0), |probe| (probe.refused, probe.lost)),
            traces_to: collected.traces.name().to_owned(),
            judged: found.is_some(),
            violations: findings.map(ToString::to_string).collect(),
            notes: notes.map(ToString::to_string).collect(),
            account: BASE64.encode(&account.encode()),
        }
    }
}

/// Asks another member's node what it collects; the ask and its answer are entries of that node's audit log.
#[utoipa::path(
    post, path = "/v1/charter/audits/ask", tag = "charter", request_body = AskBody,
    responses(
        (status = 200, body = AccountView), (status = 403, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 422, body = ErrorBody), (status = 502, body = ErrorBody)
    ),
    security(("api_token" = ["act"]))
)]
async fn ask(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<AskBody>,
) -> Result<Json<AccountView>, ApiError> {
    let AskBody {
        peer,
        case,
        token,
        root,
    } = body;
    let by = match (case, token) {
        (None, None) => AskBy::Draw,
        (Some(case), None) => AskBy::Case(case),
        (None, Some(token)) => AskBy::Token {
            root: api.root_of(root, &token).await?,
            token,
        },
        (Some(_), Some(_)) => {
            return Err(ApiError::bad_request(
                "a node is asked by one right, and the call names a case and a token",
                "leave one of them out",
            ));
        }
    };
    let command = Command::Inspection(InspectionCommand::Ask { node: peer, by });
    let reply = api.node.command(command).await?;
    expect_reply!(reply, Reply::Account(view) => {
        Json(AccountView::new(&view.mesh, &view.account, view.found.as_ref()))
    })
}

pub(super) const fn refused(
    refusal: &InspectionRefusal,
) -> (StatusCode, &'static str, &'static str) {
    match refusal {
        InspectionRefusal::NoCharter => (
            StatusCode::CONFLICT,
            "no_charter",
            "found a mesh under a charter: `x0 genesis --charter`",
        ),
        InspectionRefusal::OwnNode => (
            StatusCode::CONFLICT,
            "own_node",
            "audit the own node with `x0 charter audit`",
        ),
        InspectionRefusal::NotDrawn(_) => (
            StatusCode::FORBIDDEN,
            "not_drawn",
            "ask a seat, or the operator of the node, for a token: `x0 cap grant --action audit.collection`",
        ),
        InspectionRefusal::Unanswered { .. } => (
            StatusCode::BAD_GATEWAY,
            "unanswered",
            "if it refuses, ask by another right; if it is silent, ask again when `x0 peers` shows it. Silence is no violation",
        ),
        InspectionRefusal::Unsigned(_) => (
            StatusCode::BAD_GATEWAY,
            "unsigned",
            "ask again; if it stays so, tell whoever runs the node that its program is broken",
        ),
        InspectionRefusal::TooMany(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_asks",
            "wait a few seconds and ask again",
        ),
    }
}
