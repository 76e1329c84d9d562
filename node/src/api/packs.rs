//! The pack of evidence of a halt: alerts, acts, the committee's certificate, and what audit logs say of the acts.
//!
//! The node asks the logs, as a seat does by itself after a halt. A pack is made to be given on: everything in it that
//! matters stands there as it was signed, in base64, and what is shown beside it is only for reading.
//! [`PackView::check`] is the same for whoever is given it, with no node at hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    Command, Reply,
    spine::halt::{Checked, Packed, PackedLog, Part, PullReport, Pulled, PulledLog, check_pack},
    wire::{AuditShown, Certificate, LogHead, decode_record},
};

use super::{
    ApiState,
    error::{ApiError, ErrorBody},
    expect_reply,
    extract::Body,
    halts::OneHaltView,
    view::{AuditEntryView, RecordView},
};

/// What a pack says it is.
const FORMAT: &str = "x0-evidence/1";
/// Longest that a caller waits for logs; whoever has not answered by then is named as silent or still asked.
const WAIT: Duration = Duration::from_secs(30);
/// Time between two looks at what came.
const LOOK: Duration = Duration::from_millis(200);

pub(super) fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(pack))
}

/// Which halt to pack the evidence of.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PackBody {
    /// The last characters of its name; without it, the newest halt.
    #[serde(default)]
    pub halt: Option<String>,
}

/// A pack of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PackView {
    /// `x0-evidence/1`.
    pub format: String,
    /// The mesh.
    pub mesh: String,
    /// Who packed.
    pub packed_by: String,
    /// When, by the clock that halts go by.
    pub packed_ms: u64,
    /// Active members, as who packed counts them.
    pub members: u32,
    /// The halt.
    pub halt: OneHaltView,
    /// The committee's certificate of the halt, in base64; none if who packed knows none.
    pub certificate: Option<String>,
    /// The mesh's genesis, on which all else rests.
    pub genesis: RecordView,
    /// Alerts and acts as they were signed, and what names the committee's keys.
    pub records: Vec<RecordView>,
    /// The audit logs asked, in order of node.
    pub logs: Vec<PackedLogView>,
    /// Logs that were not asked, as there are too many.
    pub logs_left_out: u32,
}

/// What one audit log was asked and has shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PackedLogView {
    /// Whose log.
    pub node: String,
    /// `author` or `target` of the acts.
    pub part: String,
    /// The acts it was asked about.
    pub acts: Vec<String>,
    /// `whole` if it has shown all it has, else `asked`, `silent`, `faulty` or `left_out`.
    pub outcome: String,
    /// Why, if it is silent or faulty.
    pub why: Option<String>,
    /// The head that who packed held of the log before, in base64.
    pub held: Option<String>,
    /// What the log has shown, in base64: a signed head, entries, and the proof that each stands under it.
    pub pages: Vec<String>,
    /// The same entries, for reading.
    pub entries: Vec<AuditEntryView>,
}

/// What checking a pack comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PackCheckView {
    /// Whether everything in it holds.
    pub holds: bool,
    /// What does not hold: a pack with any of these was tampered with.
    pub faults: Vec<String>,
    /// What it proves.
    pub proven: Vec<String>,
    /// What it lacks, or rests on the word of who packed.
    pub missing: Vec<String>,
    /// What each log says.
    pub logs: Vec<LogCheckView>,
}

/// What one log in a pack says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogCheckView {
    /// Whose log.
    pub node: String,
    /// `author` or `target` of the acts.
    pub part: String,
    /// Acts that it says were executed.
    pub executed: u32,
    /// Acts that it says were refused.
    pub refused: u32,
    /// Acts that it says its owner wrote.
    pub wrote: u32,
    /// Acts of which it shows nothing.
    pub nothing: u32,
    /// Entries under its signed head; none if it has shown nothing.
    pub entries: Option<u64>,
    /// Entries in the head that was held of it before.
    pub held: Option<u64>,
    /// What became of the asking, as who packed says.
    pub outcome: String,
}

/// Asks the audit logs what they say of the acts of a halt's root, and packs it with all else that shows the halt.
#[utoipa::path(
    post, path = "/v1/halt/pack", tag = "halt", request_body = PackBody,
    responses((status = 200, body = PackView), (status = 404, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn pack(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<PackBody>,
) -> Result<Json<PackView>, ApiError> {
    let report = api.halt_report().await?;
    let wanted = body.halt.as_deref();
    let mut halts = report.halts.iter();
    let halt = halts.find(|halt| wanted.is_none_or(|wanted| halt.id.short() == wanted));
    let Some(halt) = halt.map(|halt| halt.id) else {
        let named = wanted.map_or_else(|| "no halt".to_owned(), |name| format!("no halt {name}"));
        return Err(ApiError::not_found(
            format!("{named} is known here, so that there is nothing to pack"),
            "list the halts with `x0 halt status`; `x0 halt evidence` without --out shows alerts",
        ));
    };
    let until = Instant::now() + WAIT;
    let mut again = true;
    let report = loop {
        let reply = api.node.command(Command::Pull { halt, again }).await?;
        let report = expect_reply!(reply, Reply::Pulled(report) => *report)?;
        if report.pull.is_done() || Instant::now() >= until {
            break report;
        }
        again = false;
        sleep(LOOK).await;
    };
    let ids = report.epochs.iter().chain(&report.alerts);
    let ids: BTreeSet<ContentId> = ids.chain(&report.acts).copied().collect();
    let records = api.records(ids).await?;
    Ok(Json(PackView::new(&report, &api.node.key(), records)))
}

impl PackView {
    fn new(report: &PullReport, packed_by: &PublicKey, records: Vec<RecordView>) -> Self {
        let genesis = report.genesis.value();
        Self {
            format: FORMAT.to_owned(),
            mesh: genesis.id().to_string(),
            packed_by: packed_by.to_string(),
            packed_ms: report.time.0,
            members: report.members,
            halt: OneHaltView::new(&report.halt),
            certificate: report.certificate.as_ref().map(|it| base64(&it.encode())),
            genesis: RecordView::from(genesis),
            records,
            logs: report
                .pull
                .logs()
                .map(|(node, log)| PackedLogView::new(node, log))
                .collect(),
            logs_left_out: report.pull.left_out(),
        }
    }

    /// Checks everything in the pack, asking nobody.
    ///
    /// # Errors
    ///
    /// Returns what cannot be read at all, and what to do.
    pub fn check(&self) -> Result<PackCheckView, String> {
        if self.format != FORMAT {
            return Err(format!(
                "it is of the format {:?}, and this version reads {FORMAT:?}: check it with the version that packed it",
                self.format
            ));
        }
        let mut faults = Vec::new();
        let records = std::iter::once(&self.genesis).chain(&self.records);
        for shown in records {
            let record = decode_record(&bytes(&shown.bytes, "a record")?);
            let record = record.map_err(|why| format!("record {}: {why}", shown.id))?;
            if RecordView::from(record.peek()) != *shown {
                faults.push(format!(
                    "record {} is shown otherwise than signed",
                    shown.id
                ));
            }
        }
        for log in &self.logs {
            if log.read_entries()? != log.entries {
                let why = format!("the log of {} is shown otherwise than signed", log.node);
                faults.push(why);
            }
        }
        let checked = check_pack(self.packed()?)?;
        if checked.mesh.to_string() != self.mesh {
            faults.push("the genesis is that of another mesh than the pack names".to_owned());
        }
        faults.extend(checked.faults.iter().cloned());
        Ok(PackCheckView {
            holds: faults.is_empty(),
            faults,
            proven: proven(&checked),
            missing: self.missing(&checked),
            logs: self.log_views(&checked),
        })
    }

    fn packed(&self) -> Result<Packed, String> {
        let record = |shown: &RecordView| {
            let record = decode_record(&bytes(&shown.bytes, "a record")?);
            record.map_err(|why| format!("record {}: {why}", shown.id))
        };
        let certificate = self.certificate.as_deref();
        let certificate = certificate.map(|text| bytes(text, "the certificate"));
        let certificate = certificate.transpose()?;
        let certificate = certificate.map(|bytes| Certificate::decode(&bytes));
        Ok(Packed {
            genesis: record(&self.genesis)?,
            halt: self.halt.name().ok_or("the name of the halt is none")?,
            root: parsed(&self.halt.root, "the root")?,
            certificate: certificate.transpose().map_err(|why| why.to_string())?,
            members: self.members,
            records: self.records.iter().map(record).collect::<Result<_, _>>()?,
            logs: self
                .logs
                .iter()
                .map(PackedLogView::read)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Says what is not there, and what nobody but who packed can vouch for.
    fn missing(&self, checked: &Checked) -> Vec<String> {
        let mut missing = Vec::new();
        if let Err(why) = &checked.halted {
            missing.push(format!("that the committee halted the mesh: {why}"));
        }
        for alert in &checked.alerts {
            if let Err(why) = &alert.finding {
                missing.push(format!(
                    "the finding of the alert {}: {why}",
                    alert.id.short()
                ));
            }
        }
        for act in &checked.lacks {
            missing.push(format!("the record of act {act}, which an alert names"));
        }
        for log in &self.logs {
            let why = log.why.as_deref().unwrap_or("it was not done with");
            match log.outcome.as_str() {
                "whole" => {}
                "silent" => missing.push(format!(
                    "the audit log of {} ({}): {why}",
                    log.node, log.part
                )),
                "faulty" => missing.push(format!(
                    "the audit log of {} ({}): it was shown and does not hold: {why}",
                    log.node, log.part
                )),
                _ => missing.push(format!(
                    "the rest of the audit log of {} ({}): {why}",
                    log.node, log.part
                )),
            }
        }
        for log in checked.logs.iter().filter(|log| log.entries.is_some()) {
            if log.nothing > 0 {
                missing.push(format!(
                    "anything of {} of its acts in the audit log of {}: it may not have got them, or leaves them out",
                    log.nothing, log.node
                ));
            }
        }
        if self.logs_left_out > 0 {
            missing.push(format!(
                "{} audit logs, which were not asked",
                self.logs_left_out
            ));
        }
        missing.push(format!(
            "that the mesh had {} members, and who was asked in vain: the word of {}",
            self.members, self.packed_by
        ));
        missing
    }

    fn log_views(&self, checked: &Checked) -> Vec<LogCheckView> {
        let outcomes: BTreeMap<_, _> = self
            .logs
            .iter()
            .map(|log| (log.node.as_str(), log.outcome.as_str()))
            .collect();
        let logs = checked.logs.iter().map(|log| {
            let node = log.node.to_string();
            let outcome = outcomes.get(node.as_str()).copied().unwrap_or_default();
            LogCheckView {
                part: part_name(log.part).to_owned(),
                executed: log.executed,
                refused: log.refused,
                wrote: log.wrote,
                nothing: log.nothing,
                entries: log.entries,
                held: log.held,
                outcome: outcome.to_owned(),
                node,
            }
        });
        logs.collect()
    }
}

/// Says what a checked pack proves.
fn proven(checked: &Checked) -> Vec<String> {
    let mut proven = Vec::new();
    if let Ok(halted) = &checked.halted {
        proven.push(format!(
            "the committee has halted the mesh because of the root {}: halt {}, certified at height {} of its log",
            halted.root,
            halted.halt.short(),
            halted.height
        ));
    }
    let holding = checked.alerts.iter().filter(|alert| alert.finding.is_ok());
    let (seats, needed) = checked.seats;
    proven.push(format!(
        "{} of {} alerts hold, those of {} of {seats} seats among them; {needed} seats halt a mesh",
        holding.clone().count(),
        checked.alerts.len(),
        checked.seats_holding()
    ));
    let findings = holding.filter_map(|alert| alert.finding.as_ref().ok());
    let findings: BTreeSet<_> = findings.collect();
    let findings = findings.into_iter();
    proven.extend(findings.map(|finding| format!("found in the signed acts: {finding}")));
    let (acts, agents) = &checked.acts;
    let agents: Vec<_> = agents.iter().map(ToString::to_string).collect();
    proven.push(format!(
        "{acts} acts under the root, signed by {}",
        agents.join(", ")
    ));
    let shown = checked.logs.iter().filter(|log| log.entries.is_some());
    let (mut executed, mut refused, mut logs, mut grown) = (0, 0, 0, 0);
    for log in shown {
        logs += 1;
        executed += log.executed;
        refused += log.refused;
        grown += usize::from(log.held.is_some());
    }
    proven.push(format!(
        "{logs} of {} audit logs show, each under a head its owner signed, that {executed} acts were executed and \
         {refused} refused; {grown} of them go on from a head held before they were asked",
        checked.logs.len()
    ));
    proven
}

impl PackedLogView {
    fn new(node: &PublicKey, log: &PulledLog) -> Self {
        let (outcome, why) = match &log.state {
            Pulled::Waiting => ("asked", None),
            Pulled::Whole => ("whole", None),
            Pulled::Silent(why) => ("silent", Some(why)),
            Pulled::Faulty(why) => ("faulty", Some(why)),
            Pulled::LeftOut => ("left_out", None),
        };
        let mut view = Self {
            node: node.to_string(),
            part: part_name(log.part).to_owned(),
            acts: log.acts.iter().map(ToString::to_string).collect(),
            outcome: outcome.to_owned(),
            why: why.cloned(),
            held: log.held.as_ref().map(|held| base64(&held.encode())),
            pages: log
                .pages
                .iter()
                .map(|page| base64(&page.encode()))
                .collect(),
            entries: Vec::new(),
        };
        view.entries = entries_of(&log.pages);
        view
    }

    fn read_pages(&self) -> Result<Vec<AuditShown>, String> {
        let what = format!("the log of {}", self.node);
        let pages = self.pages.iter().map(|page| {
            let page = AuditShown::decode(&bytes(page, &what)?);
            page.map_err(|why| format!("{what}: {why}"))
        });
        pages.collect()
    }

    fn read_entries(&self) -> Result<Vec<AuditEntryView>, String> {
        Ok(entries_of(&self.read_pages()?))
    }

    fn read(&self) -> Result<PackedLog, String> {
        let held = self.held.as_deref().map(|held| {
            let held = LogHead::decode(&bytes(held, "a log's head")?);
            held.map_err(|why| why.to_string())
        });
        let acts = self.acts.iter().map(|act| parsed(act, "an act"));
        Ok(PackedLog {
            node: parsed(&self.node, "a node")?,
            part: match self.part.as_str() {
                "author" => Part::Author,
                _ => Part::Target,
            },
            acts: acts.collect::<Result<_, _>>()?,
            held: held.transpose()?,
            pages: self.read_pages()?,
        })
    }
}

fn entries_of(pages: &[AuditShown]) -> Vec<AuditEntryView> {
    let entries = pages.iter().flat_map(|page| &page.entries);
    entries
        .map(|shown| AuditEntryView::new(shown.index, &shown.entry))
        .collect()
}

const fn part_name(part: Part) -> &'static str {
    match part {
        Part::Author => "author",
        Part::Target => "target",
    }
}

fn base64(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}

fn bytes(text: &str, what: &str) -> Result<Vec<u8>, String> {
    let decoded = data_encoding::BASE64.decode(text.as_bytes());
    decoded.map_err(|why| format!("{what} is no base64: {why}"))
}

fn parsed<T: FromStr<Err: Display>>(text: &str, what: &str) -> Result<T, String> {
    let value = text.parse();
    value.map_err(|why| format!("{what} {text:?} cannot be read: {why}"))
}
