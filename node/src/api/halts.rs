//! What is frozen and halted, and the evidence it rests on.

use std::{collections::BTreeSet, sync::Arc};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_crypto::ContentId;
use x0_protocol::{
    Command, Reply, Wall,
    spine::halt::{
        AlertReport, By, Confirmation, End, Halt, HaltId, HaltReport, LogPull, Pardon, Part, Stage,
        Step,
    },
    wire::decode_record,
};

use super::{
    ApiState, blocking,
    error::{ApiError, ErrorBody},
    expect_reply,
    extract::Queried,
    view::RecordView,
};

pub(super) fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(halt))
        .routes(routes!(evidence))
}

/// What is stopped at this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HaltView {
    /// When, by the clock that halts go by.
    pub time_ms: u64,
    /// Whether the mesh is halted: no policy changes anywhere.
    pub halted: bool,
    /// How things stand for acts under this node's own root, and what can be done; none while nothing is stopped.
    pub words: Option<String>,
    /// Seats of the committee, and how many of them halt the mesh by their alerts.
    pub seats: Option<(u32, u32)>,
    /// The witnesses drawn for this epoch.
    pub witnesses: Vec<String>,
    /// How many of the witnesses halt the mesh by their alerts.
    pub witnesses_needed: Option<u32>,
    /// The halts known, those past too, newest first.
    pub halts: Vec<OneHaltView>,
    /// The delegation roots frozen on this node.
    pub frozen: Vec<FreezeView>,
    /// Alerts known here.
    pub alerts: u32,
}

/// A halt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OneHaltView {
    /// Its name, in hex.
    pub halt: String,
    /// The last characters of its name, for people.
    pub short: String,
    /// The delegation root whose acts caused it.
    pub root: String,
    /// `committee` or `witnesses`: whose alerts made it.
    pub by: String,
    /// `unconfirmed`, `confirmed` or `ended`.
    pub stage: String,
    /// What confirmed it, or how it ended, in words.
    pub words: String,
    /// Since when.
    pub began_ms: u64,
    /// When it ends by itself, or ended.
    pub until_ms: u64,
    /// Votes that have renewed it.
    pub renewals: u32,
    /// The subject of the emergency vote that ends it.
    pub resumption: String,
    /// The subject of the emergency vote that confirms it, so that it does not expire.
    pub confirmation: String,
}

impl OneHaltView {
    pub(super) fn new(halt: &Halt) -> Self {
        let (stage, words) = match &halt.stage {
            Stage::Unconfirmed => ("unconfirmed", "nobody has confirmed it yet".to_owned()),
            Stage::Confirmed { by, .. } => ("confirmed", confirmed_words(by)),
            Stage::Ended { how, .. } => ("ended", end_words(how)),
        };
        let by = match halt.by {
            By::Committee => "committee",
            By::Witnesses => "witnesses",
        };
        Self {
            halt: data_encoding::HEXLOWER.encode(halt.id.digest()),
            short: halt.id.short(),
            root: halt.root.to_string(),
            by: by.to_owned(),
            stage: stage.to_owned(),
            words,
            began_ms: halt.began.0,
            until_ms: halt.end().0,
            renewals: u32::try_from(halt.renewals.len()).unwrap_or(u32::MAX),
            resumption: halt.id.resumption().to_string(),
            confirmation: halt.id.confirmation().to_string(),
        }
    }
}

impl OneHaltView {
    /// Returns the halt's name; none if it was not written as one.
    pub(super) fn name(&self) -> Option<HaltId> {
        let bytes = data_encoding::HEXLOWER.decode(self.halt.as_bytes()).ok()?;
        Some(HaltId::from_digest(bytes.try_into().ok()?))
    }
}

fn confirmed_words(by: &Confirmation) -> String {
    match by {
        Confirmation::Alerts => {
            "alerts of seats; the committee's certificate is on its way".to_owned()
        }
        Confirmation::Certificate(_) => "the committee's certificate".to_owned(),
        Confirmation::Jury(verdict) => format!("the verdict of a jury, {verdict}"),
        Confirmation::Vote(vote) => format!("the vote {vote}"),
    }
}

/// Says how a halt ended.
pub fn end_words(how: &End) -> String {
    match how {
        End::Expired => "nobody confirmed it in time".to_owned(),
        End::Lapsed => "it lapsed, as no vote renewed it".to_owned(),
        End::Resumed { vote, pardon } => {
            let root = match pardon {
                Pardon::Granted => "its root is pardoned",
                Pardon::Withheld => "its root causes no further halt",
            };
            format!("the vote {vote} resumed; {root}")
        }
    }
}

/// Writes a moment as a date (RFC 3339).
pub fn rfc3339(at: Wall) -> String {
    crate::cli::output::date(at.0)
}

/// A frozen root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FreezeView {
    /// The root.
    pub root: String,
    /// The agent whose acts it is frozen for.
    pub agent: String,
    /// Tokens frozen with it.
    pub tokens: u32,
    /// When it ends.
    pub until_ms: u64,
}

/// What the halts and freezes of a root rest on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceView {
    /// When it was put together, by the clock that halts go by.
    pub time_ms: u64,
    /// The halt it is about, if there is one.
    pub halt: Option<OneHaltView>,
    /// The alerts, newest first.
    pub alerts: Vec<AlertView>,
    /// The alerts' and acts' records as they were signed: whoever holds them can check everything again.
    pub records: Vec<RecordView>,
    /// Audit logs that have to do with it, authors of acts first.
    pub logs: Vec<LogView>,
    /// Logs beyond those.
    pub logs_left_out: u32,
}

/// An alert and what this node makes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertView {
    /// Its record.
    pub record: String,
    /// Who signed it.
    pub signer: String,
    /// Whether the signer holds a seat of the committee.
    pub seat: bool,
    /// Whether the signer is a witness of this epoch.
    pub witness: bool,
    /// What it claims was found.
    pub pattern: String,
    /// The agent it is laid to.
    pub agent: String,
    /// The delegation root it is laid to.
    pub root: String,
    /// The acts that show it.
    pub acts: Vec<String>,
    /// When it was said.
    pub time_ms: u64,
    /// Whether this node finds the same in those acts.
    pub holds: bool,
    /// The finding as this node recomputes it, or why the alert counts for nothing.
    pub finding: String,
}

impl AlertView {
    fn new(report: &AlertReport) -> Self {
        let AlertReport {
            id,
            signer,
            counts: (seat, witness),
            alert,
            finding,
            pack: _,
        } = report;
        Self {
            record: id.to_string(),
            signer: signer.to_string(),
            seat: *seat,
            witness: *witness,
            pattern: alert.evidence.pattern.to_string(),
            agent: alert.agent.to_string(),
            root: alert.root.to_string(),
            acts: alert
                .evidence
                .acts
                .iter()
                .map(ToString::to_string)
                .collect(),
            time_ms: alert.time.0,
            holds: finding.is_ok(),
            finding: match finding {
                Ok(words) | Err(words) => words.clone(),
            },
        }
    }
}

/// A piece of an audit log that has to do with the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogView {
    /// Whose log.
    pub node: String,
    /// `author` or `target` of acts of the evidence.
    pub part: String,
    /// Date of the first entry that matters.
    pub from_ms: u64,
    /// Date of the last.
    pub to_ms: u64,
    /// Entries in the newest head of that log known here, which the log can only extend.
    pub head_size: Option<u64>,
}

impl LogView {
    fn new(pull: &LogPull) -> Self {
        Self {
            node: pull.node.to_string(),
            part: match pull.part {
                Part::Author => "author".to_owned(),
                Part::Target => "target".to_owned(),
            },
            from_ms: pull.from.0,
            to_ms: pull.to.0,
            head_size: pull.head_size,
        }
    }
}

/// What is frozen here and halted everywhere.
#[utoipa::path(
    get, path = "/v1/halt", tag = "halt",
    responses((status = 200, body = HaltView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn halt(State(api): State<Arc<ApiState>>) -> Result<Json<HaltView>, ApiError> {
    let report = api.halt_report().await?;
    let (witnesses, needed) = report.witnesses.clone().unzip();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let frozen = report.freezes.iter().map(|(root, freeze)| FreezeView {
        root: root.to_string(),
        agent: freeze.agent.to_string(),
        tokens: count(freeze.tokens.len()),
        until_ms: freeze.until.0,
    });
    Ok(Json(HaltView {
        time_ms: report.time.0,
        halted: report
            .halts
            .iter()
            .any(|halt| halt.is_in_force(report.time)),
        words: report
            .standing
            .refuse_reason(Step::PolicyChange, report.time),
        seats: report.seats,
        witnesses: witnesses
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect(),
        witnesses_needed: needed,
        halts: report.halts.iter().map(OneHaltView::new).collect(),
        frozen: frozen.collect(),
        alerts: count(report.alerts.len()),
    }))
}

/// Which evidence to show.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct EvidenceQuery {
    /// That of this halt, by the last characters of its name; without it, of the newest halt, or of all alerts if
    /// nothing is halted.
    halt: Option<String>,
}

/// The alerts and acts a halt or freeze rests on, with this node's own finding.
#[utoipa::path(
    get, path = "/v1/halt/evidence", tag = "halt", params(EvidenceQuery),
    responses((status = 200, body = EvidenceView), (status = 404, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn evidence(
    State(api): State<Arc<ApiState>>,
    Queried(query): Queried<EvidenceQuery>,
) -> Result<Json<EvidenceView>, ApiError> {
    let report = api.halt_report().await?;
    let wanted = query.halt.as_deref();
    let mut halts = report.halts.iter();
    let halt = halts.find(|halt| wanted.is_none_or(|wanted| halt.id.short() == wanted));
    if let (Some(wanted), None) = (wanted, halt) {
        return Err(ApiError::not_found(
            format!("no halt {wanted} is known here"),
            "list the halts with `x0 halt status`",
        ));
    }
    let about = report.alerts.iter();
    let about = about.filter(|it| halt.is_none_or(|halt| halt.root == it.alert.root));
    let about: Vec<_> = about.collect();
    let mut ids = BTreeSet::new();
    for it in &about {
        ids.insert(it.id);
        ids.extend(it.alert.evidence.acts.iter().copied());
    }
    // The pack that names the most logs; those of one root differ by the acts each alert names.
    let pack = about
        .iter()
        .map(|it| &it.pack)
        .max_by_key(|pack| pack.pulls.len());
    Ok(Json(EvidenceView {
        time_ms: report.time.0,
        halt: halt.map(OneHaltView::new),
        alerts: about.iter().map(|it| AlertView::new(it)).collect(),
        records: api.records(ids).await?,
        logs: pack.map_or_else(Vec::new, |pack| {
            pack.pulls.iter().map(LogView::new).collect()
        }),
        logs_left_out: pack.map_or(0, |pack| pack.left_out),
    }))
}

impl ApiState {
    pub(super) async fn halt_report(&self) -> Result<HaltReport, ApiError> {
        let reply = self.node.command(Command::Halt).await?;
        expect_reply!(reply, Reply::Halt(report) => *report)
    }

    /// Reads the records that are known here.
    pub(super) async fn records(
        &self,
        ids: BTreeSet<ContentId>,
    ) -> Result<Vec<RecordView>, ApiError> {
        let store = self.node.store();
        let found = blocking(move || {
            let records = ids.iter().map(|id| store.record(id));
            records.collect::<Result<Vec<_>, _>>()
        });
        let decoded = found.await?.into_iter().flatten();
        let decoded = decoded.filter_map(|bytes| decode_record(&bytes).ok());
        Ok(decoded
            .map(|record| RecordView::from(record.peek()))
            .collect())
    }
}
