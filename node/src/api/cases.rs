//! Reported violations of the charter, what came of them, and the balances that follow.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    Command, Reply,
    charter::violation::{Barred, Sentence},
    core::case::{self, CaseCommand, CaseRefusal},
    spine::ledger::Posting,
    wire::{Appeal, CaseFinding, CaseSay, Description, Reason, Report, Verdict, decode_record},
};

use super::{
    ApiState,
    error::{ApiError, ErrorBody},
    expect_reply,
    extract::{Body, Found},
    recorded,
    view::RecordedView,
};

pub(super) fn read_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(cases))
        .routes(routes!(ledger))
}

pub(super) fn act_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(report))
        .routes(routes!(submit))
        .routes(routes!(appeal))
}

pub(super) fn admin_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(say))
}

/// The cases known to this node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CasesView {
    /// The mesh.
    pub mesh: String,
    /// Mesh time of this node now.
    pub mesh_time_ms: u64,
    /// The committee's key that reports are sealed to, in base64; none as long as it is not known here.
    pub seal_to: Option<String>,
    /// How many of the committee's persons must say the same for a step; none if this node has no seat.
    pub approvals: Option<u32>,
    /// Each case, the last to change first.
    pub cases: Vec<CaseView>,
}

/// A reported violation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CaseView {
    /// The case, by the record that reported it.
    pub case: String,
    /// `reported`, `opened`, `dismissed`, `announced`, `appealed`, `overturned`, `final` or `claimed`.
    pub stage: String,
    /// Mesh time of the last step; none as long as it is not certified.
    pub since_ms: Option<u64>,
    /// Mesh time at which the next step is due.
    pub due_ms: Option<u64>,
    /// Whether it is overdue.
    pub overdue: bool,
    /// The verdict, once there is one.
    pub verdict: Option<VerdictView>,
    /// The certificate that the committee has the report, in base64: a reporter's proof.
    pub taken_up: Option<String>,
    /// What only seats know, as long as the case is not over.
    pub before_the_committee: Option<OpenView>,
}

/// What the committee has before it in a case.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OpenView {
    /// Whether the report came sealed.
    pub sealed: bool,
    /// Who reported: a member, or a key used for nothing else.
    pub reporter: String,
    /// The report; none as long as it is not opened.
    pub report: Option<ReportBody>,
    /// What the seats' persons say in this phase.
    pub words: Vec<WordView>,
    /// What the accused says against the verdict.
    pub appeal: Option<String>,
}

/// The word of a seat's person.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WordView {
    /// The seat.
    pub seat: String,
    /// `open`, `dismiss`, `find`, `uphold` or `overturn`.
    pub say: String,
    /// What was found, for `find`.
    pub found: Option<FoundBody>,
}

/// What somebody finds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FoundBody {
    /// Who has done it.
    #[schema(value_type = String)]
    pub accused: PublicKey,
    /// `silent_collection`, `behavioural_prediction`, `data_extraction` or `unauthorized_override`.
    pub sort: String,
    /// What the reporter gets, x0.
    pub bounty_x0: u64,
}

/// A verdict and what follows from it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VerdictView {
    /// Who has done it.
    pub accused: String,
    /// The sort of violation.
    pub sort: String,
    /// The charter from which the penalty follows.
    pub charter: String,
    /// Who reported it.
    pub reporter: String,
    /// What the reporter gets, x0.
    pub bounty_x0: u64,
    /// The penalty.
    pub sentence: SentenceView,
}

/// What follows from a verdict.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SentenceView {
    /// Mesh time at which it begins.
    pub from_ms: u64,
    /// Mesh time until which the key is suspended.
    pub suspended_until_ms: Option<u64>,
    /// Whether the member is removed for good.
    pub removed: bool,
    /// The fine, x0.
    pub fine_x0: u64,
    /// Whether what was taken is to be deleted.
    pub deletion: bool,
    /// Mesh time until which the key is on probation.
    pub probation_until_ms: Option<u64>,
    /// Whether the case is referred to whoever is in charge outside the mesh.
    pub public_referral: bool,
}

impl SentenceView {
    fn new(sentence: &Sentence) -> Self {
        Self {
            from_ms: sentence.from.0,
            suspended_until_ms: sentence.suspended_until.map(|until| until.0),
            removed: sentence.removed,
            fine_x0: sentence.fine_x0,
            deletion: sentence.deletion,
            probation_until_ms: sentence.probation_until.map(|until| until.0),
            public_referral: sentence.public_referral,
        }
    }
}

impl VerdictView {
    fn new(verdict: &Verdict) -> Self {
        Self {
            accused: verdict.accused.to_string(),
            sort: verdict.sort.to_string(),
            charter: verdict.charter.to_string(),
            reporter: verdict.reporter.to_string(),
            bounty_x0: verdict.bounty_x0,
            sentence: SentenceView::new(&verdict.sentence),
        }
    }
}

impl CasesView {
    fn new(view: &case::CasesView) -> Self {
        let seal_to = view.seal_to.map(|key| BASE64.encode(&key.to_bytes()));
        Self {
            mesh: view.mesh.to_string(),
            mesh_time_ms: view.time.0,
            seal_to,
            approvals: view.approvals,
            cases: view
                .cases
                .iter()
                .map(|one| CaseView::new(one, view))
                .collect(),
        }
    }
}

impl CaseView {
    fn new(view: &case::CaseView, all: &case::CasesView) -> Self {
        let known = view.known.as_ref();
        let taken_up = known.and_then(|known| known.taken_up.as_ref());
        Self {
            case: view.case.to_string(),
            stage: known
                .map_or("reported", |known| known.stage().name())
                .to_owned(),
            since_ms: known.map(|known| known.newest.time.0),
            due_ms: known.and_then(|known| known.due()).map(|due| due.0),
            overdue: known.is_some_and(|known| known.is_overdue(all.time)),
            verdict: known
                .and_then(|known| known.verdict.as_deref())
                .map(VerdictView::new),
            taken_up: taken_up.map(|certificate| BASE64.encode(&certificate.encode())),
            before_the_committee: view.open.as_ref().map(|open| OpenView {
                sealed: open.is_sealed(),
                reporter: open.author.to_string(),
                report: open.report.as_ref().map(ReportBody::new),
                words: open
                    .words()
                    .map(|(seat, say)| WordView::new(seat, say))
                    .collect(),
                appeal: open.appeal.as_ref().map(ToString::to_string),
            }),
        }
    }
}

impl WordView {
    fn new(seat: &PublicKey, say: CaseSay) -> Self {
        let (name, found) = match say {
            CaseSay::Open => ("open", None),
            CaseSay::Dismiss => ("dismiss", None),
            CaseSay::Find(found) => ("find", Some(found)),
            CaseSay::Uphold => ("uphold", None),
            CaseSay::Overturn => ("overturn", None),
        };
        Self {
            seat: seat.to_string(),
            say: name.to_owned(),
            found: found.map(|found| FoundBody {
                accused: found.accused,
                sort: found.sort.to_string(),
                bounty_x0: found.bounty_x0,
            }),
        }
    }
}

/// Lists the cases known to this node; what was reported only seats tell, as long as a case is not over.
#[utoipa::path(
    get, path = "/v1/charter/cases", tag = "charter",
    responses((status = 200, body = CasesView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn cases(State(api): State<Arc<ApiState>>) -> Result<Json<CasesView>, ApiError> {
    let reply = api.node.command(Command::Case(CaseCommand::List)).await?;
    expect_reply!(reply, Reply::Cases(view) => Json(CasesView::new(&view)))
}

/// A violation, as somebody reports it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportBody {
    /// Who is said to have done it, if that is known.
    #[schema(value_type = Option<String>)]
    pub accused: Option<PublicKey>,
    /// `silent_collection`, `behavioural_prediction`, `data_extraction` or `unauthorized_override`.
    pub sort: String,
    /// What happened, at most 2,000 bytes.
    pub description: String,
    /// What shows it, by content ids; at most 16.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub evidence: Vec<ContentId>,
    /// What the reporter asks for, at most 280 bytes.
    #[serde(default)]
    pub asked: String,
}

impl ReportBody {
    fn new(report: &Report) -> Self {
        Self {
            accused: report.accused,
            sort: report.sort.to_string(),
            description: report.description.to_string(),
            evidence: report.evidence.clone(),
            asked: report.asked.to_string(),
        }
    }

    /// Makes the report of it.
    ///
    /// # Errors
    ///
    /// Returns what is out of bounds, in words.
    pub fn report(self) -> Result<Report, String> {
        let mut evidence = self.evidence;
        evidence.sort_unstable();
        evidence.dedup();
        Ok(Report {
            accused: self.accused,
            sort: self.sort.parse()?,
            description: Description::try_from(self.description)?,
            evidence,
            asked: self.asked.parse()?,
        })
    }
}

/// Reports a violation by this member's name, to everybody.
#[utoipa::path(
    post, path = "/v1/charter/reports", tag = "charter", request_body = ReportBody,
    responses(
        (status = 200, body = RecordedView), (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)
    ),
    security(("api_token" = ["act"]))
)]
async fn report(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<ReportBody>,
) -> Result<Json<RecordedView>, ApiError> {
    let report = Box::new(body.report().map_err(bad_report)?);
    let command = CaseCommand::Report(report);
    recorded(api.node.command(Command::Case(command)).await?)
}

/// A record that is signed by a key used for nothing else.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitBody {
    /// The record as it travels, in base64: a sealed report, or the claim of its bounty.
    pub record: String,
}

/// Hands in a sealed report or a claim, which this node spreads; it learns neither who wrote it nor what it says.
#[utoipa::path(
    post, path = "/v1/charter/reports/sealed", tag = "charter", request_body = SubmitBody,
    responses(
        (status = 200, body = RecordedView), (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)
    ),
    security(("api_token" = ["act"]))
)]
async fn submit(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<SubmitBody>,
) -> Result<Json<RecordedView>, ApiError> {
    let bytes = BASE64.decode(body.record.as_bytes());
    let bytes = bytes.map_err(|fault| bad_report(format!("the record is no base64: {fault}")))?;
    let record = decode_record(&bytes).map_err(|fault| bad_report(fault.to_string()))?;
    let id = record.peek().id().to_string();
    let command = CaseCommand::Submit(Box::new(record));
    let reply = api.node.command(Command::Case(command)).await?;
    if let Reply::Done = reply {
        // It was known already.
        return Ok(Json(RecordedView { id }));
    }
    recorded(reply)
}

/// The word of this seat's person about a case.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SayBody {
    /// `open`, `dismiss`, `find`, `uphold` or `overturn`.
    pub say: String,
    /// What was found, for `find`.
    #[serde(default)]
    pub found: Option<FoundBody>,
    /// Why, in words for everyone, at most 280 bytes.
    pub why: String,
}

impl SayBody {
    fn say(&self) -> Result<CaseSay, String> {
        match (self.say.as_str(), &self.found) {
            ("open", None) => Ok(CaseSay::Open),
            ("dismiss", None) => Ok(CaseSay::Dismiss),
            ("uphold", None) => Ok(CaseSay::Uphold),
            ("overturn", None) => Ok(CaseSay::Overturn),
            ("find", Some(found)) => Ok(CaseSay::Find(CaseFinding {
                accused: found.accused,
                sort: found.sort.parse()?,
                bounty_x0: found.bounty_x0,
            })),
            ("find", None) => Err("`find` needs what was found".to_owned()),
            (other, _) => Err(format!(
                "{other:?} is no word on a case: say open, dismiss, find, uphold or overturn"
            )),
        }
    }
}

/// Says the word of this seat's person about a case.
#[utoipa::path(
    post, path = "/v1/charter/cases/{case}/word", tag = "charter", request_body = SayBody,
    params(("case" = String, Path, description = "The case, by the record that reported it.")),
    responses(
        (status = 200, body = RecordedView), (status = 403, body = ErrorBody), (status = 409, body = ErrorBody)
    ),
    security(("api_token" = ["admin"]))
)]
async fn say(
    State(api): State<Arc<ApiState>>,
    Found(case): Found<ContentId>,
    Body(body): Body<SayBody>,
) -> Result<Json<RecordedView>, ApiError> {
    let say = body.say().map_err(bad_report)?;
    let why: Reason = body.why.parse().map_err(bad_report)?;
    let command = CaseCommand::Say { case, say, why };
    recorded(api.node.command(Command::Case(command)).await?)
}

/// The word of the accused against a verdict.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppealBody {
    /// Why the verdict is wrong, in words for everyone, at most 2,000 bytes.
    pub why: String,
}

/// Appeals against a verdict, as the accused.
#[utoipa::path(
    post, path = "/v1/charter/cases/{case}/appeal", tag = "charter", request_body = AppealBody,
    params(("case" = String, Path, description = "The case, by the record that reported it.")),
    responses(
        (status = 200, body = RecordedView), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)
    ),
    security(("api_token" = ["act"]))
)]
async fn appeal(
    State(api): State<Arc<ApiState>>,
    Found(case): Found<ContentId>,
    Body(body): Body<AppealBody>,
) -> Result<Json<RecordedView>, ApiError> {
    let why = Description::try_from(body.why).map_err(bad_report)?;
    let command = CaseCommand::Appeal(Box::new(Appeal { case, why }));
    recorded(api.node.command(Command::Case(command)).await?)
}

/// The balances in x0, as this node counts them from what the committee has certified.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LedgerView {
    /// The number of the last settlement that counts.
    pub last: u64,
    /// Settlements that wait for one before them.
    pub waiting: u64,
    /// What each account holds; together they hold nothing, as what was issued stands below zero.
    pub balances: Vec<BalanceView>,
    /// The newest postings, the last first.
    pub postings: Vec<PostingView>,
    /// Who is or was suspended, on probation or removed.
    pub sentences: Vec<SentencedView>,
}

/// What an account holds.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BalanceView {
    /// `fund`, `issue` or a key.
    pub account: String,
    /// x0; below zero is a debt.
    pub x0: i64,
}

/// A movement between two accounts.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PostingView {
    /// The settlement's number.
    pub number: u64,
    /// `verdict` or `claim`.
    pub cause: String,
    /// The case.
    pub case: String,
    /// Who gives.
    pub from: String,
    /// Who gets.
    pub to: String,
    /// How much, x0.
    pub amount_x0: u64,
}

impl PostingView {
    fn new(posting: &Posting) -> Self {
        Self {
            number: posting.number,
            cause: posting.cause.name().to_owned(),
            case: posting.cause.case().to_string(),
            from: posting.from.to_string(),
            to: posting.to.to_string(),
            amount_x0: posting.amount_x0,
        }
    }
}

/// A sentence and whose it is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SentencedView {
    /// Whose.
    pub key: String,
    /// In which case.
    pub case: String,
    /// What.
    pub sentence: SentenceView,
}

/// The balances in x0, what moved them last, and the sentences.
#[utoipa::path(
    get, path = "/v1/ledger", tag = "charter",
    responses((status = 200, body = LedgerView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn ledger(State(api): State<Arc<ApiState>>) -> Result<Json<LedgerView>, ApiError> {
    let reply = api.node.command(Command::Case(CaseCommand::Ledger)).await?;
    expect_reply!(reply, Reply::Ledger(view) => Json(LedgerView::new(&view)))
}

impl LedgerView {
    fn new(view: &case::LedgerView) -> Self {
        let balances = view.balances.iter();
        let balances = balances.map(|(account, x0)| BalanceView {
            account: account.to_string(),
            x0: *x0,
        });
        let sentences = view.sentences.iter();
        let sentences = sentences.map(|(key, case, sentence)| SentencedView {
            key: key.to_string(),
            case: case.to_string(),
            sentence: SentenceView::new(sentence),
        });
        Self {
            last: view.last,
            waiting: view.waiting,
            balances: balances.collect(),
            postings: view.postings.iter().map(PostingView::new).collect(),
            sentences: sentences.collect(),
        }
    }
}

/// Says in words what bars a node.
pub(super) fn barred(barred: Option<Barred>) -> Option<String> {
    barred.map(|barred| format!("this node {barred}"))
}

fn bad_report(fault: String) -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "bad_report",
        fault,
        "change what the message names and try again",
    )
}

pub(super) const fn refused(refusal: &CaseRefusal) -> (StatusCode, &'static str, &'static str) {
    match refusal {
        CaseRefusal::NoCharter => (
            StatusCode::CONFLICT,
            "no_charter",
            "found a mesh under a charter: `x0 genesis --charter`",
        ),
        CaseRefusal::NoCommittee => (
            StatusCode::CONFLICT,
            "no_committee",
            "found a mesh with four seats or more: only a committee decides cases",
        ),
        CaseRefusal::NoSuchCase(_) => (
            StatusCode::NOT_FOUND,
            "no_such_case",
            "list the cases with `x0 charter case list`",
        ),
        CaseRefusal::NotNow { .. } => (
            StatusCode::CONFLICT,
            "not_now",
            "do what the message says; `x0 charter case show` tells how far the case is",
        ),
        CaseRefusal::Bounty { .. } => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "out_of_range",
            "give a bounty within the range the message names",
        ),
        CaseRefusal::OwnCase(_) => (
            StatusCode::FORBIDDEN,
            "own_case",
            "leave the decision to the other seats",
        ),
        CaseRefusal::NotForOthers => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "not_for_others",
            "hand in a sealed report made by `x0 charter report --anonymous`",
        ),
    }
}
