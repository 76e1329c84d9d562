//! A third of the seats and witnesses raises alarms without cause, while agents do their usual work.
//!
//! What is simulated here is the acts, made by no peer and carried by no network, and who says what; detector, evidence,
//! freeze and halt are the protocol's. So it takes in more acts and strikes than whole peers could: what those do is
//! measured by `benign_load` and `halt_spread`.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use x0_crypto::{
    ContentId, Identity, PublicKey,
    capability::{RevocationId, RootKey},
};
use x0_protocol::{
    Millis, Wall,
    anti_meave::anomaly::{
        Alert, ChangeDigest, Detector, Evidence, Finding, Observed, Pattern, Severity, Standing,
        Touched,
    },
    spine::{
        committee::Seats,
        halt::{Groups, Heard, Stop, Turn, Witnesses},
    },
};

use super::{Attack, Config, Outcome, Plot, Point, Series};
use crate::{
    random::{Purpose, Seed, Stream},
    world::WALL_START,
};

/// Hours of benign work in each run.
const HOURS: u64 = 334;
/// Agents at work.
const AGENTS: usize = 40;
/// Delegation roots they share.
const ROOTS: usize = 10;
/// Mean time between two acts of an agent, ms.
const BETWEEN_MS: f64 = 20.0 * 60_000.0;
/// One act in so many is the first of a few in a row.
const ROW_ONE_IN: u32 = 40;
/// Acts in a row.
const ROW: u64 = 6;
/// Seats, and witnesses of an epoch; of each a third, rounded down after one is taken off, is hostile.
const SEATS: usize = 7;
const WITNESSES: usize = 31;
/// Strikes of each kind in each run.
const STRIKES: u64 = 20;
const MESH: ContentId = ContentId::from_digest([9; 32]);

/// See the module.
pub(super) struct FalseAlarms;

#[derive(Default)]
struct Seen {
    hours: u64,
    acts: u64,
    high: BTreeMap<&'static str, u64>,
    critical: u64,
    alerts: u64,
    heard: u64,
    halts: u64,
    freezes: u64,
    strikes: u64,
    found: u64,
    halted_by_hostile: u64,
    halted: u64,
    delays_s: BTreeMap<&'static str, Vec<f64>>,
    touched: BTreeMap<&'static str, Vec<f64>>,
}

impl Attack for FalseAlarms {
    fn name(&self) -> &'static str {
        "false-alarms"
    }

    fn summary(&self) -> &'static str {
        "For a thousand hours of usual work a third of the seats and of the witnesses raises false alarms of every form \
         each hour; then agents strike in earnest, and only the hostile third speaks, and then one honest seat more."
    }

    fn expected(&self) -> &'static str {
        "No false alarm is heard, freezes or halts anything, and usual work is never critical; a strike is found, halts \
         nothing by the word of the hostile alone, and halts everything with one honest seat more."
    }

    fn run(&self, config: &Config, pulse: &dyn Fn(f64)) -> Outcome {
        let mut seen = Seen::default();
        config.repeat(pulse, |seed, told| {
            let mesh = Mesh::new(seed, config.nodes);
            work(&mesh, seed, &mut seen, told);
            for number in 0..STRIKES {
                for (kind, gap_ms) in [
                    ("a stroke of identical changes", 100),
                    ("a mass change", 30_000),
                ] {
                    strike(&mesh, seed, number, (kind, gap_ms), &mut seen);
                }
            }
        });
        report(self, config, seen)
    }
}

/// Keys of a mesh, and who watches.
struct Mesh {
    members: Vec<PublicKey>,
    roots: Vec<RootKey>,
    seats: Vec<PublicKey>,
    witnesses: Vec<PublicKey>,
    committee: Seats,
    drawn: Witnesses,
}

impl Mesh {
    fn new(seed: Seed, nodes: u32) -> Self {
        let identity = |node: u32| Identity::from_seed(seed.bytes(Purpose::PeerKey, node).into());
        let members: Vec<_> = (0..nodes).map(|node| identity(node).public()).collect();
        // As many as there are roots fit 32 bits.
        let roots = (0..ROOTS as u32)
            .map(|root| identity(root).capability_root().public())
            .collect();
        let seats = members[..SEATS].to_vec();
        let witnesses = members[SEATS..SEATS + WITNESSES].to_vec();
        let (Some(committee), Some(drawn)) =
            (Seats::new(seats.clone()), Witnesses::new(witnesses.clone()))
        else {
            unreachable!("{SEATS} seats and {WITNESSES} witnesses are within bounds")
        };
        Self {
            members,
            roots,
            seats,
            witnesses,
            committee,
            drawn,
        }
    }

    const fn groups(&self) -> Groups<'_> {
        Groups {
            committee: Some(&self.committee),
            witnesses: Some(&self.drawn),
        }
    }

    fn size(&self) -> u32 {
        self.members.len() as u32
    }

    /// Those of both groups who are hostile: as many as may be.
    fn hostile(&self) -> impl Iterator<Item = &PublicKey> {
        let seats = self.seats.iter().take(self.committee.faulty_max());
        seats.chain(self.witnesses.iter().take(self.drawn.faulty_max()))
    }

    fn act(
        &self,
        number: u64,
        agent: usize,
        change: u64,
        targets: Vec<PublicKey>,
        time: Wall,
    ) -> Observed {
        let Ok(policy) = "acts.shown".parse() else {
            unreachable!("the name is well-formed")
        };
        Observed {
            act: ContentId::of(&[number.to_be_bytes(), time.0.to_be_bytes()].concat()),
            agent: self.members[agent],
            root: self.roots[agent % ROOTS],
            token: RevocationId::from_bytes([(agent % 251) as u8; 32]),
            change: ChangeDigest::of_policy(&policy, change),
            targets: Touched::nodes(targets),
            time,
            seen: time,
            standing: Standing::Plain,
        }
    }

    fn some(&self, stream: &mut Stream, count: u32) -> Vec<PublicKey> {
        (0..count)
            .map(|_| self.members[stream.below(self.size()) as usize])
            .collect()
    }
}

/// Lets agents do their usual work, and the hostile third raise false alarms each hour.
fn work(mesh: &Mesh, seed: Seed, seen: &mut Seen, told: &dyn Fn(f64)) {
    let mut stream = seed.stream(Purpose::Workload, 11);
    let mut detector = Detector::default();
    let mut stop = Stop::new(MESH, 1);
    let mut due: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let end = HOURS * 3_600_000;
    for agent in 0..AGENTS {
        due.push(Reverse((wait(&mut stream), agent)));
    }
    let mut recent: Vec<Observed> = Vec::new();
    let (mut number, mut hour) = (0_u64, 1_u64);
    while let Some(Reverse((at, agent))) = due.pop() {
        if at >= end {
            break;
        }
        if at >= hour * 3_600_000 {
            cry_wolf(
                mesh,
                &recent,
                WALL_START + Millis(hour * 3_600_000),
                &mut stop,
                seen,
            );
            recent.clear();
            hour += 1;
            told(hour as f64 / HOURS as f64);
        }
        let in_a_row = if stream.below(ROW_ONE_IN) == 0 {
            ROW
        } else {
            1
        };
        for place in 0..in_a_row {
            number += 1;
            let count = 1 + stream.below((mesh.size() / 200).max(1));
            let targets = mesh.some(&mut stream, count);
            let change = 1 + u64::from(stream.below(1_000));
            let act = mesh.act(
                number,
                agent,
                change,
                targets,
                WALL_START + Millis(at + place * 2_000),
            );
            recent.push(act.clone());
            for (finding, _) in detector.observe(act, mesh.size()) {
                match finding.severity {
                    Severity::High => *seen.high.entry(name(finding.pattern)).or_default() += 1,
                    Severity::Critical => seen.critical += 1,
                }
            }
            seen.acts += 1;
        }
        due.push(Reverse((at + wait(&mut stream), agent)));
    }
    seen.hours += HOURS;
}

/// Draws the time until an agent's next act, ms: exponential.
fn wait(stream: &mut Stream) -> u64 {
    let uniform = (f64::from(stream.bits()) + 1.0) / 4_294_967_297.0;
    (-uniform.ln() * BETWEEN_MS) as u64 + 1
}

/// Has everybody hostile raise every false alarm that true acts lend themselves to.
fn cry_wolf(mesh: &Mesh, acts: &[Observed], now: Wall, stop: &mut Stop, seen: &mut Seen) {
    let Some(last) = acts.last() else { return };
    let mut of_root: Vec<_> = acts
        .iter()
        .filter(|act| act.root == last.root)
        .map(|act| act.act)
        .collect();
    of_root.sort_unstable();
    let some: Vec<_> = of_root.iter().take(3).copied().collect();
    let unknown = vec![ContentId::of(b"never written")];
    let claims = [
        (Pattern::MassChange, of_root.clone()),
        (Pattern::SilentIdentical, some),
        (Pattern::MassChange, unknown),
        (Pattern::Burst, of_root),
    ];
    for (number, signer) in mesh.hostile().enumerate() {
        for (kind, (pattern, evidence)) in claims.iter().enumerate() {
            let alert = Alert {
                mesh: MESH,
                severity: Severity::Critical,
                agent: last.agent,
                root: last.root,
                evidence: Evidence {
                    pattern: *pattern,
                    acts: evidence.clone(),
                    usual: None,
                },
                time: now,
            };
            seen.alerts += 1;
            let id = ContentId::of(
                &[number as u64, kind as u64, now.0]
                    .map(u64::to_be_bytes)
                    .concat(),
            );
            let heard = Heard::of(&alert, (id, *signer), &MESH, acts, mesh.size());
            if let Ok(heard) = heard {
                seen.heard += 1;
                count(&stop.hear(&heard, mesh.groups(), now), seen);
            }
        }
    }
}

fn count(turns: &[Turn], seen: &mut Seen) {
    for turn in turns {
        match turn {
            Turn::Frozen { .. } => seen.freezes += 1,
            Turn::Halted(_) => seen.halts += 1,
            Turn::Confirmed(_) | Turn::Renewed(_) | Turn::Ended(..) => {}
        }
    }
}

/// Has an agent strike, an honest node find it, and then the hostile alone and one honest seat more say so.
fn strike(
    mesh: &Mesh,
    seed: Seed,
    number: u64,
    (kind, gap_ms): (&'static str, u64),
    seen: &mut Seen,
) {
    // A few strikes of each kind are made.
    let mut stream = seed.stream(Purpose::Workload, 1_000 + number as u32);
    let mut detector = Detector::default();
    let start = WALL_START + Millis(number * 10_000_000);
    let agent = SEATS + WITNESSES + number as usize;
    let slice = (mesh.size() / 100).clamp(4, 100);
    let mut acts = Vec::new();
    let mut reached: std::collections::BTreeSet<PublicKey> = std::collections::BTreeSet::new();
    let mut time = start;
    seen.strikes += 1;
    let found = (0..3_000).find_map(|place| {
        time = start + Millis(place * gap_ms);
        let targets = mesh.some(&mut stream, slice);
        reached.extend(&targets);
        // One change in a stroke; in a mass change each act is another, so that it is found by its reach alone.
        let change = if gap_ms < 1_000 { 7 } else { place % 1_000 };
        let act = mesh.act(number * 10_000 + place, agent, change, targets, time);
        acts.push(act.clone());
        let found = detector.observe(act, mesh.size());
        found
            .into_iter()
            .find(|(finding, _)| finding.severity == Severity::Critical)
    });
    let Some((finding, evidence)) = found else {
        return;
    };
    seen.found += 1;
    seen.delays_s
        .entry(kind)
        .or_default()
        .push((time.0 - start.0) as f64 / 1_000.0);
    seen.touched
        .entry(kind)
        .or_default()
        .push(reached.len() as f64 / f64::from(mesh.size()));
    let mut stop = Stop::new(MESH, 1);
    let mut say =
        |signer: &PublicKey| tell(mesh, signer, (&finding, &evidence), &acts, time, &mut stop);
    let by_hostile = mesh.hostile().any(&mut say);
    seen.halted_by_hostile += u64::from(by_hostile);
    // One honest seat more makes one more than may be hostile.
    let with_one = mesh.seats.get(mesh.committee.faulty_max()).is_some_and(say);
    seen.halted += u64::from(with_one);
}

/// Lets somebody tell a finding; returns whether that halts the mesh.
fn tell(
    mesh: &Mesh,
    signer: &PublicKey,
    (finding, evidence): (&Finding, &Evidence),
    acts: &[Observed],
    now: Wall,
    stop: &mut Stop,
) -> bool {
    let alert = Alert::of(MESH, finding, evidence.clone(), now);
    let id = ContentId::of(signer.bytes());
    let Ok(heard) = Heard::of(&alert, (id, *signer), &MESH, acts, mesh.size()) else {
        return false;
    };
    let turns = stop.hear(&heard, mesh.groups(), now);
    turns.iter().any(|turn| matches!(turn, Turn::Halted(_)))
}

const fn name(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::Burst => "burst",
        Pattern::MassChange => "mass change",
        Pattern::SilentIdentical => "silent identical change",
        Pattern::RateJump => "unusual rate",
    }
}

fn report(attack: &dyn Attack, config: &Config, seen: Seen) -> Outcome {
    let Seen {
        hours,
        acts,
        high,
        critical,
        alerts,
        heard,
        halts,
        freezes,
        strikes,
        found,
        halted_by_hostile,
        halted,
        delays_s,
        touched,
    } = seen;
    let mut outcome = Outcome::new(attack, config);
    outcome.claim(
        format!("in {hours} hours no false alarm is heard, freezes a root or halts the mesh"),
        heard == 0 && freezes == 0 && halts == 0 && alerts > 0,
        format!("{alerts} false alarms, {heard} heard, {freezes} freezes, {halts} halts"),
    );
    outcome.claim(
        "usual work is never a critical finding",
        critical == 0,
        format!("{critical} of {acts} acts"),
    );
    outcome.claim(
        "every strike is found",
        found == strikes,
        format!("{found} of {strikes}"),
    );
    outcome.claim(
        "the hostile alone halt nothing, even by true evidence",
        halted_by_hostile == 0,
        format!("{halted_by_hostile} of {found} strikes"),
    );
    outcome.claim(
        "with one honest seat more the mesh is halted",
        halted == found,
        format!("{halted} of {found} strikes"),
    );
    outcome.share(
        "usual acts that complete a critical finding",
        critical,
        acts,
        None,
    );
    for pattern in ["burst", "unusual rate", "silent identical change"] {
        let told = high.get(pattern).copied().unwrap_or(0);
        outcome.share(
            format!("usual acts that complete a finding for a person to look at: {pattern}"),
            told,
            acts,
            None,
        );
    }
    outcome.share("false alarms heard", heard, alerts, None);
    let mut series = Vec::new();
    for (kind, delays) in delays_s {
        outcome.mean(
            format!("{kind}: mesh time from its first act to the finding"),
            "s",
            &delays,
        );
        if let Some(touched) = touched.get(kind) {
            outcome.mean(
                format!("{kind}: share of the mesh touched by then"),
                "",
                touched,
            );
        }
        let mut sorted = delays.clone();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len().max(1) as f64;
        let points = sorted
            .iter()
            .zip(1_u32..)
            .map(|(delay, place)| Point::exact(*delay, f64::from(place) / count));
        series.push(Series {
            label: kind.to_owned(),
            points: points.collect(),
        });
    }
    outcome.plots.push(Plot {
        name: "false-alarms",
        title: "Strikes found, by the time since their first act".to_owned(),
        x: "time, s",
        y: "share found",
        series,
    });
    outcome
}
