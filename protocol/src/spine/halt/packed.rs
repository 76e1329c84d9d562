//! A pack of evidence by itself: what anybody who is given it can check without asking anyone.
//!
//! Everything rests on the genesis, whose hash is the mesh's id: it names the seats, whose block names the committee's
//! keys, which certify the halt. Alerts and acts are signed records; the finding of each alert is recomputed from the
//! acts. What a log says is checked against a head its owner signed. Two things are the word of who packed: how many
//! members the mesh had, and which logs were asked in vain. What a fault is, and what is only missing, is told apart: a
//! pack with a fault was tampered with.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use x0_crypto::{ContentId, PublicKey, capability::RootKey};

use super::{HaltId, Heard, Part};
use crate::{
    anti_meave::anomaly::{Alert, Observed, Standing, Touched, recheck},
    core::time::Wall,
    spine::{
        audit::What,
        committee::{Seats, Trust},
        directory::Directory,
    },
    wire::{
        AuditShown, Body, Certificate, Genesis, Halted, LogHead, Record, Statement, Unverified,
        Verified, Warrants,
    },
};

/// Most times that a root was pardoned for which a halt's name is tried.
const PARDONS_TRIED: u32 = 256;

/// A pack as it is read, before anything in it is believed.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The mesh's genesis.
    pub genesis: Unverified<Record>,
    /// The halt it is about.
    pub halt: HaltId,
    /// The root whose acts caused it.
    pub root: RootKey,
    /// The committee's certificate of it.
    pub certificate: Option<Certificate>,
    /// Active members, as who packed counted them.
    pub members: u32,
    /// Alerts, acts, and what names the committee's keys.
    pub records: Vec<Unverified<Record>>,
    /// What audit logs have shown.
    pub logs: Vec<PackedLog>,
}

/// One log in a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedLog {
    /// Whose.
    pub node: PublicKey,
    /// What its owner had to do with the acts.
    pub part: Part,
    /// The acts it was asked about.
    pub acts: BTreeSet<ContentId>,
    /// The head that was held of it before.
    pub held: Option<LogHead>,
    /// What it has shown.
    pub pages: Vec<AuditShown>,
}

/// What a pack proves, what it lacks, and what in it does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The mesh.
    pub mesh: ContentId,
    /// The halt as the committee has certified it, or why that is not proven.
    pub halted: Result<Halted, String>,
    /// Seats of the committee, and how many of them halt the mesh by alerts.
    pub seats: (u32, u32),
    /// The alerts about the root, in order of id.
    pub alerts: Vec<CheckedAlert>,
    /// Acts under the root: how many, and by whom.
    pub acts: (u32, BTreeSet<PublicKey>),
    /// Acts that alerts name whose records are not there.
    pub lacks: BTreeSet<ContentId>,
    /// The logs.
    pub logs: Vec<CheckedLog>,
    /// What does not hold.
    pub faults: Vec<String>,
}

/// An alert whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedAlert {
    /// Its record.
    pub id: ContentId,
    /// Who signed it.
    pub signer: PublicKey,
    /// Whether the signer has a seat.
    pub is_seat: bool,
    /// The finding as it follows from the acts, in words, or why it does not.
    pub finding: Result<String, String>,
}

/// A log whose pages were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedLog {
    /// Whose.
    pub node: PublicKey,
    /// What its owner had to do with the acts.
    pub part: Part,
    /// Acts that it says were executed there.
    pub executed: u32,
    /// Acts that it says were refused there.
    pub refused: u32,
    /// Acts that it says its owner wrote.
    pub wrote: u32,
    /// Acts asked about of which it shows nothing.
    pub nothing: u32,
    /// Entries in the log as its owner signed it last; none if it has shown nothing.
    pub entries: Option<u64>,
    /// Entries in the head held of it before, which it goes on from.
    pub held: Option<u64>,
}

impl Checked {
    /// Counts the seats whose alerts hold.
    pub fn seats_holding(&self) -> u32 {
        let holding = self.alerts.iter();
        let holding = holding.filter(|alert| alert.is_seat && alert.finding.is_ok());
        let seats: BTreeSet<_> = holding.map(|alert| alert.signer).collect();
        u32::try_from(seats.len()).unwrap_or(u32::MAX)
    }
}

/// Checks a pack.
///
/// # Errors
///
/// Returns why nothing in it can be checked: its genesis does not hold.
pub fn check_pack(packed: Packed) -> Result<Checked, String> {
    let genesis = packed.genesis.verify();
    let genesis = genesis.map_err(|why| format!("the genesis does not hold: {why}"))?;
    let mesh = genesis.value().id();
    let founded = genesis.value().header().time;
    let Body::Genesis(body) = genesis.value().body() else {
        return Err("the record in the place of the genesis is another".to_owned());
    };
    let mut faults = Vec::new();
    let of_root = |pardons| HaltId::of(&mesh, &packed.root, pardons) == packed.halt;
    if !(0..PARDONS_TRIED).any(of_root) {
        faults.push(format!(
            "halt {} is none of the root {} in this mesh",
            packed.halt.short(),
            packed.root
        ));
    }
    let records = verified(packed.records, &mesh, &mut faults);
    let trust = trusted(&mesh, body, &records);
    let seats = Seats::new(trust.seats().unwrap_or(&body.seats).to_vec());
    let halted = certified(
        &trust,
        (&mesh, &packed.halt, &packed.root),
        packed.certificate.as_ref(),
        &mut faults,
    );
    let acts = observed(&records, body, (mesh, founded), packed.members);
    let mut lacks = BTreeSet::new();
    let mut alerts = Vec::new();
    for record in records.values() {
        let value = record.value();
        let Body::Alert(alert) = value.body() else {
            continue;
        };
        if alert.root != packed.root {
            continue;
        }
        let named = alert.evidence.acts.iter();
        lacks.extend(named.filter(|act| !records.contains_key(*act)).copied());
        let signer = value.author();
        alerts.push(CheckedAlert {
            id: value.id(),
            signer,
            is_seat: seats.as_ref().is_some_and(|all| all.contains(&signer)),
            finding: finding(alert, (value.id(), signer), &mesh, &acts, packed.members),
        });
    }
    let under_root = acts.iter().filter(|act| act.root == packed.root);
    let agents: Vec<_> = under_root.map(|act| act.agent).collect();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let logs = packed.logs.iter();
    let logs = logs.map(|log| checked_log(log, &mut faults)).collect();
    Ok(Checked {
        mesh,
        halted,
        seats: seats.map_or((0, 0), |all| {
            (count(all.len()), count(all.faulty_max() + 1))
        }),
        alerts,
        acts: (count(agents.len()), agents.into_iter().collect()),
        lacks,
        logs,
        faults,
    })
}

pub(crate) type Records = BTreeMap<ContentId, Verified<Record>>;

pub(crate) fn verified(
    records: Vec<Unverified<Record>>,
    mesh: &ContentId,
    faults: &mut Vec<String>,
) -> Records {
    let mut found = Records::new();
    for record in records {
        let id = record.peek().id();
        if record.peek().header().mesh != Some(*mesh) {
            faults.push(format!("record {id} belongs to another mesh"));
            continue;
        }
        match record.verify() {
            Ok(record) => {
                found.insert(id, record);
            }
            Err(why) => faults.push(format!("record {id} does not hold: {why}")),
        }
    }
    found
}

/// Follows the committee's epochs from the genesis, as far as the records tell.
pub(crate) fn trusted(mesh: &ContentId, genesis: &Genesis, records: &Records) -> Trust {
    let mut trust = Trust::default();
    let Some(seats) = Seats::new(genesis.seats.clone()) else {
        return trust;
    };
    let records = records.values().map(Verified::value);
    let mut epochs: Vec<_> = records
        .filter_map(|record| Some((record.body().committee_keys()?.epoch, record)))
        .collect();
    epochs.sort_by_key(|(epoch, record)| (*epoch, record.id()));
    for (_, record) in epochs {
        if let Some(handed) = record.body().handed_over() {
            let question = trust.hand_over_question(mesh, handed);
            let holds = matches!(question, Ok(Some(question)) if question.holds());
            if holds {
                trust.hand_over(record);
            }
        } else {
            trust.name_keys(mesh, &seats, record);
        }
    }
    trust
}

fn certified(
    trust: &Trust,
    (mesh, halt, root): (&ContentId, &HaltId, &RootKey),
    certificate: Option<&Certificate>,
    faults: &mut Vec<String>,
) -> Result<Halted, String> {
    let certificate = certificate.ok_or("the committee's certificate is not in the pack")?;
    let fits = match certificate.statement {
        Statement::Halt(halted) => Some(halted).filter(|it| it.halt == *halt && it.root == *root),
        Statement::Checkpoint(_)
        | Statement::Ticket(_)
        | Statement::Ruling(_)
        | Statement::Audits(_)
        | Statement::Rotation(_)
        | Statement::Opened(_)
        | Statement::Jury(_)
        | Statement::Tally(_)
        | Statement::Resolved(_)
        | Statement::HandOver(_) => None,
    };
    let Some(halted) = fits else {
        let why = "the certificate is about something else than this halt";
        faults.push(why.to_owned());
        return Err(why.to_owned());
    };
    let question = trust.question(mesh, certificate);
    let question = question.map_err(|_| {
        let epoch = certificate.epoch;
        format!("the pack does not show how the committee's keys of epoch {epoch} came about")
    })?;
    if !question.holds() {
        let why = "the committee's certificate of the halt does not hold";
        faults.push(why.to_owned());
        return Err(why.to_owned());
    }
    Ok(halted)
}

/// Reads the acts as detection sees them; an act on all members touches as many as who packed counted.
fn observed(
    records: &Records,
    genesis: &Genesis,
    (mesh, founded): (ContentId, Wall),
    members: u32,
) -> Vec<Observed> {
    let directory = Directory::new(mesh, Arc::new(genesis.clone()), founded);
    let acts = records.values().filter_map(|record| {
        let Body::Act(act) = record.value().body() else {
            return None;
        };
        let warrants = Warrants::of(act).unwrap_or_default();
        let standing = match warrants.ticket.is_some() && warrants.draw.is_some() {
            true => Standing::Certified,
            false => Standing::Plain,
        };
        let date = record.value().header().time;
        let mut act = Observed::of_record(record, &directory, standing, date)?;
        if let Touched::All { nodes } = &mut act.targets {
            *nodes = members;
        }
        Some(act)
    });
    acts.collect()
}

fn finding(
    alert: &Alert,
    named: (ContentId, PublicKey),
    mesh: &ContentId,
    acts: &[Observed],
    members: u32,
) -> Result<String, String> {
    Heard::of(alert, named, mesh, acts, members).map_err(|why| why.to_string())?;
    let found = recheck(&alert.evidence, acts, members);
    found
        .map(|finding| finding.words)
        .map_err(|why| why.to_string())
}

fn checked_log(log: &PackedLog, faults: &mut Vec<String>) -> CheckedLog {
    let mut said: BTreeMap<ContentId, (bool, bool, bool)> = BTreeMap::new();
    let mut entries = None;
    if let Some(held) = &log.held
        && (held.author != log.node || held.verify().is_err())
    {
        let why = format!("the head held of the log of {} is not its own", log.node);
        faults.push(why);
    }
    for page in &log.pages {
        if let Err(why) = page.verify(&log.node, &log.acts, log.held.as_ref()) {
            faults.push(format!("the log of {}: {why}", log.node));
            continue;
        }
        entries = entries.max(Some(page.head.size));
        for shown in &page.entries {
            let Some(act) = shown.entry.what.act() else {
                continue;
            };
            let (executed, refused, wrote) = said.entry(*act).or_default();
            match &shown.entry.what {
                What::Executed { .. } => *executed = true,
                What::Refused { .. } => *refused = true,
                What::Wrote { .. } => *wrote = true,
                What::Local { .. }
                | What::LocalRefused { .. }
                | What::Fork { .. }
                | What::SplitView { .. }
                | What::Erased { .. }
                | What::Lapsed { .. }
                | What::TwoHeads { .. }
                | What::Account { .. }
                | What::AccountRefused { .. }
                | What::ShareKept { .. }
                | What::ShareDestroyed { .. }
                | What::BadDealer { .. }
                | What::Released { .. }
                | What::Attested { .. }
                | What::TwoPublicLogs { .. } => {}
            }
        }
    }
    let count = |is: fn(&(bool, bool, bool)) -> bool| {
        let of = said.values().filter(|said| is(said)).count();
        u32::try_from(of).unwrap_or(u32::MAX)
    };
    let nothing = log.acts.iter().filter(|act| !said.contains_key(*act));
    CheckedLog {
        node: log.node,
        part: log.part,
        executed: count(|(executed, _, _)| *executed),
        refused: count(|(_, refused, _)| *refused),
        wrote: count(|(_, _, wrote)| *wrote),
        nothing: u32::try_from(nothing.count()).unwrap_or(u32::MAX),
        entries,
        held: log.held.as_ref().map(|held| held.size),
    }
}
