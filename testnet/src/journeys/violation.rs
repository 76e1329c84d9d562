//! A violation of the charter, reported without a name: who is told, who decides, what follows at every node, and how the
//! reporter gets the bounty.
//!
//! The accused is the last node. Once its own node has refused, it is stopped, and `x0-adversary` goes on with its key.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use x0_node::api::{
    cases::{CaseView, CasesView, LedgerView},
    inspections::{AuditsView, RoundView},
};

use crate::{
    account::Account,
    journeys::{
        capabilities::{attack, rejected},
        shipped_but,
    },
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

/// Places of the founders, who hold the seats.
const SEATS: [usize; 4] = [0, 1, 2, 3];
/// Who reports, and through whose node.
const REPORTER: usize = 5;
/// Whose key is to have the bounty.
const BENEFICIARY: usize = 6;
/// Who is accused.
const ACCUSED: usize = 7;
/// What the reporter gets, x0.
const BOUNTY: &str = "500";

/// Days between two audits by the charter of this mesh: 43 s.
const AUDIT_DAYS: u64 = 4;

/// Longest wait for the committee's keys, and for members to count.
const KEYS_PATIENCE: Duration = Duration::from_secs(120);
/// Longest wait for a step.
const STEP_PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait for the window in which the accused can appeal: 72 h pass in 32 s.
const WINDOW_PATIENCE: Duration = Duration::from_secs(120);

/// Longest wait for a round of audits in which all nodes answered: two rounds.
const AUDITS_PATIENCE: Duration = Duration::from_secs(150);

/// Returns the charter of the mesh: the one that ships, with audits every few days.
///
/// # Errors
///
/// Returns that the charter that ships asks for audits at another time than this knows.
pub(super) fn charter() -> Result<String> {
    shipped_but("audit_days: 90", &format!("audit_days: {AUDIT_DAYS}"))
}

/// What the attacker tells of an act that it has sent.
#[derive(Debug, Deserialize)]
struct Sent {
    act: String,
}

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    has_keys(mesh, account).await?;
    let (case, receipt) = reports(mesh, account).await?;
    proves(mesh, account, &receipt).await?;
    opens(mesh, account, &case).await?;
    inspects(mesh, account, &case).await?;
    decides(mesh, account, &case).await?;
    is_refused(mesh, account).await?;
    is_paid(mesh, account, &case, &receipt).await?;
    is_audited(mesh, account).await
}

async fn has_keys(mesh: &Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "the founders' seats make the committee's keys",
        "what is sealed to a committee can be opened by a quorum of its seats, and by nobody else",
    );
    let members = u32::try_from(mesh.nodes().len())?;
    until("every node to know the keys", KEYS_PATIENCE, async || {
        let mut seen = Vec::new();
        for node in mesh.nodes() {
            let trust = node.status().await?.trust;
            seen.push((trust.epoch, trust.electorate));
        }
        Ok(
            match seen.iter().all(|known| *known == (Some(1), Some(members))) {
                true => Look::Holds(()),
                false => Look::NotYet(format!("{seen:?}")),
            },
        )
    })
    .await
}

async fn reports(mesh: &Mesh, account: &mut Account) -> Result<(String, String)> {
    let reporter = mesh.node(REPORTER)?;
    let accused = mesh.node(ACCUSED)?;
    account.step(
        format!(
            "somebody at {} reports {} without a name, and keeps a receipt",
            reporter.name(),
            accused.name()
        ),
        "who reports must not fear those whom it reports, so the committee alone reads what is said",
    );
    let receipt = reporter.dir().join("receipt.json").display().to_string();
    let accused = accused.key()?.to_string();
    let words = "It kept where people were, day by day";
    let arguments = [
        "--json",
        "charter",
        "report",
        "--anonymous",
        "--receipt",
        &receipt,
        "--sort",
        "silent_collection",
        "--accused",
        &accused,
        words,
    ];
    let said = reporter.run_well(&arguments).await?;
    let told: serde_json::Value = serde_json::from_str(&said)?;
    let case = told["case"]
        .as_str()
        .context("no case was told")?
        .to_owned();
    ensure!(told["taken_up"] == true, "{said}");
    account.saw("the committee has certified that it has the report");
    everywhere(mesh, &case, "reported", STEP_PATIENCE).await?;
    until("the seats to have opened it", STEP_PATIENCE, async || {
        let mut read = 0;
        for place in SEATS {
            let open = show(mesh.node(place)?, &case).await?;
            let report = open.and_then(|case| case.before_the_committee?.report);
            read += usize::from(report.is_some_and(|report| report.description == words));
        }
        Ok(match read {
            4 => Look::Holds(()),
            some => Look::NotYet(format!("{some} of 4 seats read it")),
        })
    })
    .await?;
    for place in [4, REPORTER, BENEFICIARY, ACCUSED] {
        let case = show(mesh.node(place)?, &case).await?;
        let open = case.and_then(|case| case.before_the_committee);
        ensure!(open.is_none(), "{place} reads a sealed report");
    }
    account.saw("all four seats read it; no other node does, not even the one that sent it");
    Ok((case, receipt))
}

async fn proves(mesh: &Mesh, account: &mut Account, receipt: &str) -> Result<()> {
    account.step(
        "a journalist asks the reporter for a proof, by a challenge of her own",
        "the receipt shows that somebody wrote this very report, and not who it is",
    );
    let reporter = mesh.node(REPORTER)?;
    let proof = reporter
        .run_well(&[
            "charter",
            "receipt",
            "prove",
            receipt,
            "--challenge",
            "lunch on friday",
        ])
        .await?;
    let asker = mesh.node(4)?;
    let path = asker.dir().join("proof.json");
    std::fs::write(&path, &proof)?;
    let path = path.display().to_string();
    let check = |challenge: &'static str| {
        let path = path.clone();
        async move {
            let arguments = [
                "charter",
                "receipt",
                "check",
                &path,
                "--challenge",
                challenge,
            ];
            asker.run_to_end(&arguments).await
        }
    };
    let ended = check("lunch on friday").await?;
    ensure!(ended.status.success(), "{}", ended.said);
    let ended = check("lunch on monday").await?;
    ensure!(
        !ended.status.success(),
        "a proof holds for another challenge"
    );
    for node in mesh.nodes() {
        let key = node.key()?.to_string();
        ensure!(!proof.contains(&key), "the proof names {}", node.name());
    }
    account.saw("it holds for her challenge and for no other, and names no member");
    Ok(())
}

async fn opens(mesh: &Mesh, account: &mut Account, case: &str) -> Result<()> {
    account.step(
        "the persons of three of four seats say that the case is looked into",
        "one seat alone opens nothing",
    );
    for place in &SEATS[..3] {
        let seat = mesh.node(*place)?;
        seat.run_well(&["charter", "case", "open", case, "--why", "The logs show it"])
            .await?;
    }
    everywhere(mesh, case, "opened", STEP_PATIENCE).await?;
    account.saw("opened on all nodes");
    Ok(())
}

async fn inspects(mesh: &Mesh, account: &mut Account, case: &str) -> Result<()> {
    let (seat, other) = (mesh.node(SEATS[0])?, mesh.node(4)?);
    let accused = mesh.node(ACCUSED)?;
    account.step(
        format!(
            "a seat asks {}'s node what it collects, because of the case; so does somebody without a seat",
            accused.name()
        ),
        "what a node collects it must say under its own signature, to those whose business it is and to nobody else",
    );
    let key = accused.key()?.to_string();
    let out = seat.dir().join("account.json").display().to_string();
    let ask = ["charter", "audit", "--peer", &key, "--case", case];
    let refused = other.run_to_end(&ask).await?;
    ensure!(!refused.status.success(), "{}", refused.said);
    ensure!(
        refused.said.contains("only a seat asks because of a case"),
        "{}",
        refused.said
    );
    let asked: Vec<&str> = ask.into_iter().chain(["--out", &out]).collect();
    let said = seat.run_well(&asked).await?;
    ensure!(said.contains("violates the charter"), "{said}");
    other
        .run_well(&["charter", "audit", "--check", &out])
        .await?;
    let log = accused.run_well(&["audit", "show"]).await?;
    for what in ["account_refused", "account"] {
        ensure!(log.contains(what), "its log lacks {what}: {log}");
    }
    account.saw(format!("refused: {}", refused.said.trim()));
    account.saw("the seat has what the node signed, anybody can check it, and the node's audit log tells of both asks");
    Ok(())
}

async fn decides(mesh: &Mesh, account: &mut Account, case: &str) -> Result<()> {
    account.step(
        "the persons of three of four seats find the same violation",
        "no single seat can punish; the penalty follows from the charter, and the accused has 72 hours to appeal",
    );
    let first = mesh.node(0)?;
    let found = [
        "charter", "case", "verdict", case, "--bounty", BOUNTY, "--why", "Seen",
    ];
    first.run_well(&found).await?;
    for place in &SEATS[1..3] {
        let seat = mesh.node(*place)?;
        until(
            "the seat to know of the verdict",
            STEP_PATIENCE,
            async || {
                let open = show(seat, case).await?;
                let open = open.and_then(|case| case.before_the_committee);
                let words = open.map_or(0, |open| open.words.len());
                Ok(match words {
                    0 => Look::NotYet("no word is in the log yet".to_owned()),
                    _ => Look::Holds(()),
                })
            },
        )
        .await?;
        seat.run_well(&["charter", "case", "approve", case, "--why", "Seen as well"])
            .await?;
    }
    everywhere(mesh, case, "announced", STEP_PATIENCE).await?;
    let moved: LedgerView = mesh.node(4)?.get("/v1/ledger").await?;
    ensure!(moved.last == 0, "x0 moved before an appeal could be");
    account.saw("announced on all nodes; nothing is in force yet");
    everywhere(mesh, case, "final", WINDOW_PATIENCE).await?;
    let shown = mesh
        .node(4)?
        .run_well(&["charter", "case", "show", case])
        .await?;
    ensure!(shown.contains("100000 x0"), "{shown}");
    account.saw(
        "nobody appealed: the verdict stands on all nodes, a year's ban and a fine of 100,000 x0",
    );
    Ok(())
}

async fn is_refused(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    let name = mesh.node(ACCUSED)?.name().to_owned();
    account.step(
        format!("{name} asks for an act all the same; then its node is stopped, and x0-adversary sends one with its key"),
        "a penalty that only the punished node's own program keeps would be none",
    );
    let accused = mesh.node(ACCUSED)?;
    until("the sentence to begin", STEP_PATIENCE, async || {
        let barred = accused.status().await?.cases.barred;
        Ok(match barred {
            Some(_) => Look::Holds(()),
            None => Look::NotYet("it is not barred yet".to_owned()),
        })
    })
    .await?;
    let granted = mesh
        .node(0)?
        .grant(Some(accused.key()?), "set.links.target", &[])
        .await?;
    let token = granted.token;
    let target = mesh.node(4)?.key()?.to_string();
    let arguments = [
        "act",
        "propose",
        "--set",
        "links.target=7",
        "--to",
        &target,
        "--token",
        &token,
    ];
    let own = accused.run_to_end(&arguments).await?;
    ensure!(!own.status.success(), "its own node lets it");
    ensure!(own.said.contains("suspended by a verdict"), "{}", own.said);
    account.saw(format!("its own node: {}", own.said.trim()));

    let key = accused.key()?;
    let since_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let (mesh_id, dir) = (accused.mesh()?, accused.dir().display().to_string());
    let root = mesh.node(0)?.root()?.to_string();
    mesh.stop(ACCUSED).await?;
    let mut arguments: Vec<String> = ["act", "--data-dir", &dir, "--mesh", &mesh_id]
        .map(str::to_owned)
        .to_vec();
    let mut add = |flag: &str, value: String| arguments.extend([flag.to_owned(), value]);
    add("--token", token.clone());
    add("--root", root);
    add("--policy", "links.target".to_owned());
    add("--value", "7".to_owned());
    for place in 0..ACCUSED {
        add("--member", mesh.node(place)?.address()?);
        add("--target", mesh.node(place)?.key()?.to_string());
    }
    arguments.push("--no-outcomes".to_owned());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let sent: Sent = attack(mesh, &arguments).await?;
    for place in 0..ACCUSED {
        let node = mesh.node(place)?;
        let why = rejected(node, key, since_ms).await?;
        ensure!(
            why.contains("is suspended by a verdict"),
            "{}: {why}",
            node.name()
        );
        if node.knows(&sent.act).await? {
            bail!("{} keeps the act of a suspended member", node.name());
        }
    }
    account.saw(format!(
        "all {ACCUSED} others refuse the record, and say by which verdict"
    ));
    mesh.restart(ACCUSED).await
}

async fn is_paid(mesh: &Mesh, account: &mut Account, case: &str, receipt: &str) -> Result<()> {
    let to = mesh.node(BENEFICIARY)?;
    account.step(
        format!(
            "the reporter claims the bounty for a key of its choice, that of {}",
            to.name()
        ),
        "who took the risk is rewarded, and every node counts the same balances",
    );
    let key = to.key()?.to_string();
    mesh.node(REPORTER)?
        .run_well(&["charter", "receipt", "claim", receipt, "--to", &key])
        .await?;
    everywhere(mesh, case, "claimed", STEP_PATIENCE).await?;
    let accused = mesh.node(ACCUSED)?.key()?.to_string();
    for node in mesh.nodes() {
        let ledger: LedgerView = node.get("/v1/ledger").await?;
        let held = |account: &str| {
            let found = ledger.balances.iter().find(|held| held.account == account);
            found.map_or(0, |held| held.x0)
        };
        let seen = (held(&key), held(&accused), held("fund"));
        ensure!(seen == (500, -100_000, 99_500), "{}: {seen:?}", node.name());
        let sum: i64 = ledger.balances.iter().map(|held| held.x0).sum();
        ensure!(sum == 0, "{} counts {sum} x0 too many", node.name());
    }
    let said = to.run_well(&["ledger", "balance", &key]).await?;
    account.saw(format!("on all nodes: {}", said.trim()));
    Ok(())
}

async fn is_audited(mesh: &Mesh, account: &mut Account) -> Result<()> {
    account.step(
        format!("{AUDIT_DAYS} days are over, and nobody does anything"),
        "the charter promises audits: nodes of the seats ask those whom the beacon draws, and all members see what came of it",
    );
    let count = u32::try_from(mesh.nodes().len())?;
    let answered = |round: &RoundView| round.tally.clean + round.tally.with_findings == count;
    until(
        "a round in which all answered",
        AUDITS_PATIENCE,
        async || {
            let mut seen = Vec::new();
            for node in mesh.nodes() {
                let known: AuditsView = node.get("/v1/charter/audits").await?;
                seen.push(
                    known
                        .rounds
                        .iter()
                        .find(|round| answered(round))
                        .map(|round| round.round),
                );
            }
            Ok(match seen.iter().all(|round| round.is_some()) {
                true => Look::Holds(()),
                false => Look::NotYet(format!("rounds with all answers, by node: {seen:?}")),
            })
        },
    )
    .await?;
    let node = mesh.node(4)?;
    let known: AuditsView = node.get("/v1/charter/audits").await?;
    let round = known.rounds.iter().find(|round| answered(round));
    let round = round.context("the round is gone")?;
    for audit in &round.audits {
        ensure!(audit.node != audit.auditor, "{} audits itself", audit.node);
        ensure!(audit.report.is_some(), "{} has no report", audit.node);
        let by_a_seat = SEATS.iter().any(|place| {
            let seat = mesh.node(*place).and_then(Node::key);
            seat.is_ok_and(|seat| seat.to_string() == audit.auditor)
        });
        ensure!(by_a_seat, "{} is audited by nobody's seat", audit.node);
    }
    let said = node.run_well(&["charter", "audits"]).await?;
    account.saw(said.lines().next().unwrap_or_default());
    account.saw(format!(
        "round {}: all {count} nodes gave an account, {} with findings",
        round.round, round.tally.with_findings
    ));
    Ok(())
}

async fn show(node: &Node, case: &str) -> Result<Option<CaseView>> {
    let all: CasesView = node.get("/v1/charter/cases").await?;
    Ok(all.cases.into_iter().find(|known| known.case == case))
}

/// Waits until the case is so far on all nodes that run.
async fn everywhere(mesh: &Mesh, case: &str, stage: &str, patience: Duration) -> Result<()> {
    until(
        &format!("the case to be {stage} everywhere"),
        patience,
        async || {
            let mut seen = Vec::new();
            for node in mesh.running() {
                let known = show(node, case).await?;
                seen.push(known.map_or_else(|| "unknown".to_owned(), |known| known.stage));
            }
            Ok(match seen.iter().all(|seen| seen == stage) {
                true => Look::Holds(()),
                false => Look::NotYet(seen.join(", ")),
            })
        },
    )
    .await
}
