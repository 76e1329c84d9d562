#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use x0_crypto::{
    ContentId, Identity, PublicKey,
    capability::{RevocationId, RootKey},
};
use zeroize::Zeroizing;

use super::*;
use crate::{
    anti_meave::anomaly::{
        Alert, ChangeDigest, Detector, NotAFinding, Observed, Severity, Standing as Rests, Touched,
    },
    core::{
        limits::{PACK_LOGS_MAX, ROOTS_FROZEN_MAX},
        time::{Millis, Wall},
    },
    spine::{audit::tree::Hash, committee::Seats},
    wire::LogHead,
};

const START: Wall = Wall(1_700_000_000_000);
const MEMBERS: u32 = 100;
const CAUSE: u64 = 500;

#[test]
fn the_first_critical_evidence_freezes_root_and_token_here_for_ten_minutes() {
    let mut stop = Stop::new(mesh(), 1);
    let world = World::new(4, 4);

    let turns = stop.hear(&heard(CAUSE, 999, 0), world.groups(), START);

    assert_eq!(
        turns,
        [Turn::Frozen {
            root: root(CAUSE),
            until: START + FREEZE
        }]
    );
    let frozen = |root: u64, token: u8, ms: u64| {
        let blocks = [RevocationId::from_bytes([token; 32])];
        let standing = stop.standing(&key(1), &self::root(root), &blocks, START + Millis(ms));
        matches!(standing, Standing::Frozen { .. })
    };
    assert!(frozen(CAUSE, 0, 0) && frozen(CAUSE, 0, FREEZE.0 - 1));
    assert!(frozen(1, 77, 0), "the token is frozen under whatever root");
    assert!(!frozen(1, 0, 0), "others go on");
    assert!(!frozen(CAUSE, 77, FREEZE.0), "a freeze ends by itself");
}

#[test]
fn the_same_evidence_never_freezes_twice_and_later_acts_do() {
    let mut stop = Stop::new(mesh(), 1);
    let world = World::new(4, 4);
    stop.hear(&heard(CAUSE, 999, 0), world.groups(), START);

    let later = START + Millis::from_mins(11);
    assert_eq!(stop.hear(&heard(CAUSE, 998, 0), world.groups(), later), []);

    let again = heard(CAUSE, 998, 5 * 60_000);
    assert!(matches!(
        stop.hear(&again, world.groups(), later)[..],
        [Turn::Frozen { .. }]
    ));
}

#[test]
fn one_more_seat_than_may_be_hostile_halts_the_mesh_for_72_hours() {
    let (mut stop, world) = (Stop::new(mesh(), 1), World::new(4, 4));
    stop.hear(&heard(CAUSE, 0, 0), world.groups(), START);
    assert!(!is_halted(&stop, START));

    let turns = stop.hear(&heard(CAUSE, 1, 0), world.groups(), START);

    let id = HaltId::of(&mesh(), &root(CAUSE), 0);
    assert_eq!(turns, [Turn::Halted(id)]);
    let halt = stop.halts().next().unwrap().clone();
    assert!(halt.is_confirmed());
    assert_eq!((halt.by, halt.end()), (By::Committee, START + HALT_LIFE));
    assert!(is_halted(&stop, START + Millis(HALT_LIFE.0 - 1)));
    let ended = stop.tick(START + HALT_LIFE);
    assert_eq!(ended, [Turn::Ended(id, End::Lapsed)]);
}

#[test]
fn seats_and_witnesses_are_never_added_up() {
    let (mut stop, world) = (Stop::new(mesh(), 1), World::new(4, 4));
    stop.hear(&heard(CAUSE, 0, 0), world.groups(), START);
    stop.hear(&heard(CAUSE, 100, 0), world.groups(), START);
    assert!(!is_halted(&stop, START));
    stop.hear(&heard(CAUSE, 0, 1), world.groups(), START + Millis(1));
    assert!(!is_halted(&stop, START + Millis(1)), "nobody counts twice");
}

#[test]
fn a_halt_by_witnesses_expires_unless_it_is_confirmed() {
    let (mut stop, world) = (Stop::new(mesh(), 1), World::new(4, 4));
    let id = halt_by_witnesses(&mut stop, &world);
    let mut confirmed = stop.clone();

    assert_eq!(
        stop.tick(START + HALT_CONFIRM),
        [Turn::Ended(id, End::Expired)]
    );
    let late = stop.confirm(id, Confirmation::Jury(cid(1)), START + HALT_CONFIRM);
    assert_eq!(
        late,
        Err(StopError::Over {
            halt: id,
            at: START + HALT_CONFIRM
        })
    );

    let just_in_time = START + Millis(HALT_CONFIRM.0 - 1);
    let turns = confirmed.confirm(id, Confirmation::Jury(cid(1)), just_in_time);
    assert_eq!(turns, Ok(vec![Turn::Confirmed(id)]));
    assert!(is_halted(&confirmed, START + HALT_CONFIRM));
    assert!(
        !is_halted(&confirmed, START + HALT_LIFE),
        "counted from its beginning"
    );
}

#[test]
fn enough_seats_confirm_what_witnesses_began() {
    let (mut stop, world) = (Stop::new(mesh(), 1), World::new(4, 4));
    let id = halt_by_witnesses(&mut stop, &world);
    stop.hear(&heard(CAUSE, 0, 0), world.groups(), START);
    let turns = stop.hear(&heard(CAUSE, 1, 0), world.groups(), START);
    assert_eq!(turns, [Turn::Confirmed(id)]);
}

#[test]
fn a_vote_renews_once_for_72_hours() {
    let (mut stop, world) = (Stop::new(mesh(), 1), World::new(4, 4));
    let id = halt_by_committee(&mut stop, &world, 0);
    let late = START + Millis(HALT_LIFE.0 - 1);

    assert_eq!(stop.renew(id, cid(1), late), Ok(vec![Turn::Renewed(id)]));

    assert_eq!(stop.next_deadline(late), Some(late + HALT_LIFE));
    assert_eq!(stop.renew(id, cid(1), late), Err(StopError::VoteUsed));
    let unknown = HaltId::of(&mesh(), &root(1), 0);
    assert_eq!(
        stop.renew(unknown, cid(2), late),
        Err(StopError::Unknown(unknown))
    );
}

#[test]
fn one_root_causes_one_halt_until_a_vote_pardons_it() {
    for (pardon, halted_again) in [(Pardon::Withheld, false), (Pardon::Granted, true)] {
        let (mut stop, world) = (Stop::new(mesh(), 1), World::new(4, 4));
        let id = halt_by_committee(&mut stop, &world, 0);
        let noon = START + Millis::from_mins(20);
        let ended = stop.resume(id, cid(1), pardon, noon).unwrap();
        assert!(matches!(ended[..], [Turn::Ended(_, End::Resumed { .. })]));

        halt_by_committee(&mut stop, &world, 0);
        assert!(
            !is_halted(&stop, noon),
            "what the vote has judged counts no more"
        );

        halt_by_committee(&mut stop, &world, 30 * 60_000);
        let later = START + Millis::from_mins(30);
        assert_eq!(is_halted(&stop, later), halted_again, "{pardon:?}");
    }
}

#[test]
fn an_expired_halt_has_used_up_its_root() {
    let (mut stop, world) = (Stop::new(mesh(), 1), World::new(4, 4));
    halt_by_witnesses(&mut stop, &world);
    let later = START + Millis::from_mins(40);
    stop.tick(later);
    halt_by_committee(&mut stop, &world, 40 * 60_000);
    assert!(!is_halted(&stop, later));
}

#[test]
fn every_node_names_a_halt_alike_and_ends_it_at_the_same_time_whatever_it_heard_first() {
    let world = World::new(7, 4);
    let run = |order: [u64; 3], heard_at: u64| {
        let mut stop = Stop::new(mesh(), 1);
        for signer in order {
            stop.hear(
                &heard(CAUSE, signer, 0),
                world.groups(),
                START + Millis(heard_at),
            );
        }
        let halt = stop.halts().next().unwrap();
        (halt.id, halt.end())
    };
    assert_eq!(run([0, 1, 2], 5), run([2, 0, 1], 60_000));
}

#[test]
fn a_restored_machine_stands_as_before() {
    let (mut stop, world) = (Stop::new(mesh(), 1), World::new(4, 4));
    halt_by_committee(&mut stop, &world, 0);
    let restored = Stop::restore(mesh(), 1, stop.halts().cloned());
    assert!(is_halted(&restored, START));
    let bytes = serde_ipld_dagcbor::to_vec(stop.halts().next().unwrap()).unwrap();
    let back: Halt = serde_ipld_dagcbor::from_slice(&bytes).unwrap();
    assert_eq!(Some(&back), stop.halts().next());
}

#[test]
fn nodes_restart_one_after_the_other_within_five_minutes() {
    let (mut stop, world) = (Stop::new(mesh(), 1), World::new(4, 4));
    let id = halt_by_committee(&mut stop, &world, 0);
    stop.resume(id, cid(1), Pardon::Withheld, START + FREEZE)
        .unwrap();
    let now = START + FREEZE;
    let waits: BTreeSet<_> = (0..50)
        .map(|node| {
            let standing = stop.standing(&key(node), &root(1), &[], now);
            let Standing::Restarting { until } = standing else {
                panic!("{standing:?}");
            };
            until
        })
        .collect();
    assert!(waits.len() > 45 && waits.iter().all(|until| *until < now + RESTART_SPREAD));
    let after = stop.standing(&key(1), &root(1), &[], now + RESTART_SPREAD);
    assert_eq!(after, Standing::Running);
    assert_eq!(
        restart_jitter(&[1; 32], &key(1)),
        restart_jitter(&[1; 32], &key(1))
    );
    assert_ne!(
        restart_jitter(&[1; 32], &key(1)),
        restart_jitter(&[2; 32], &key(1))
    );
}

#[test]
fn while_halted_only_the_closed_list_is_allowed_and_a_refusal_says_what_to_do() {
    let (mut stop, world) = (Stop::new(mesh(), 1), World::new(4, 4));
    let standing_at = |stop: &Stop| stop.standing(&key(1), &root(CAUSE), &[], START);
    let running = standing_at(&stop);
    stop.hear(&heard(CAUSE, 0, 0), world.groups(), START);
    let frozen = standing_at(&stop);
    let mut by_witnesses = stop.clone();
    halt_by_witnesses(&mut by_witnesses, &world);
    halt_by_committee(&mut stop, &world, 0);

    assert_eq!(running.refuse_reason(Step::PolicyChange, START), None);
    let states = [frozen, standing_at(&by_witnesses), standing_at(&stop)];
    let advice = [
        "for 10 minutes more",
        "ends in 30 minutes unless",
        "lapses in 72 hours",
    ];
    for (standing, advice) in states.into_iter().zip(advice) {
        assert!(!standing.allows(Step::Ticket) && !standing.allows(Step::LeaseRenewal));
        assert!(standing.allows(Step::Exempt(Exempt::RollBack)));
        assert_eq!(
            standing.refuse_reason(Step::Exempt(Exempt::Lapse), START),
            None
        );
        let reason = standing.refuse_reason(Step::PolicyChange, START).unwrap();
        assert!(reason.contains(advice), "{reason}");
    }
}

#[test]
fn only_a_critical_finding_that_this_node_recomputes_is_heard() {
    let (alert, acts) = stroke(CAUSE, 0);
    let ask = |alert: &Alert, acts: &[Observed]| {
        Heard::of(alert, (cid(1), key(0)), &mesh(), acts, MEMBERS).unwrap_err()
    };
    let missing = NotAFinding::Missing(alert.evidence.acts[0]);
    assert_eq!(ask(&alert, &[]), NotHeard::Evidence(missing));

    let framed = Alert {
        root: root(1),
        ..alert.clone()
    };
    assert_eq!(ask(&framed, &acts), NotHeard::OtherClaim);
    let elsewhere = Alert {
        mesh: cid(9),
        ..alert.clone()
    };
    assert_eq!(ask(&elsewhere, &acts), NotHeard::OtherMesh);

    let mut several = acts.clone();
    for (n, it) in several.iter_mut().enumerate() {
        it.agent = key(600 + n as u64);
        it.root = root(600 + n as u64);
    }
    assert_eq!(ask(&alert, &several), NotHeard::OtherClaim);
    let lowest = several.iter().map(|it| (it.agent, it.root));
    let high = Alert {
        severity: Severity::High,
        agent: lowest.clone().map(|(agent, _)| agent).min().unwrap(),
        root: lowest.map(|(_, root)| root).min().unwrap(),
        ..alert
    };
    assert_eq!(ask(&high, &several), NotHeard::NotCritical);
}

#[test]
fn when_too_many_roots_are_frozen_the_first_to_thaw_gives_way() {
    let mut freezes = Freezes::new();
    let many = ROOTS_FROZEN_MAX as u64 + 1;
    for n in 0..many {
        freezes
            .freeze(&heard(1_000 + n, 0, n), START + Millis(n))
            .unwrap();
    }
    let now = START + Millis(many);
    assert_eq!(freezes.active(now).count(), ROOTS_FROZEN_MAX);
    assert!(freezes.on(&root(1_000), &[], now).is_none());
    assert!(freezes.on(&root(1_001), &[], now).is_some());
}

#[test]
fn a_pack_names_the_logs_of_authors_first_and_of_as_many_targets_as_fit() {
    let (alert, mut acts) = stroke(CAUSE, 0);
    acts[0].targets = Touched::nodes((0..300).map(key).collect());
    acts[1].targets = Touched::All { nodes: MEMBERS };
    let head = LogHead::sign(&identity(CAUSE), 42, Hash([0; 32]), START);

    let pack = EvidencePack::of(
        (cid(1), &alert),
        &acts,
        &BTreeMap::from([(key(CAUSE), head)]),
    );

    assert_eq!(pack.pulls.len(), PACK_LOGS_MAX);
    let first = pack.pulls[0];
    assert_eq!(
        (first.node, first.part, first.head_size),
        (key(CAUSE), Part::Author, Some(42))
    );
    assert!(first.from < START && first.to > START + Millis::from_mins(19));
    assert!(pack.pulls[1..].iter().all(|pull| pull.part == Part::Target));
    assert_eq!(pack.left_out, 301 - PACK_LOGS_MAX as u32);
    assert!(pack.everyone);
    let unrelated = act(CAUSE, 99, 0);
    let again = [vec![unrelated], acts].concat();
    assert_eq!(
        pack.pulls.len(),
        EvidencePack::of((cid(1), &alert), &again, &BTreeMap::new())
            .pulls
            .len()
    );
}

/// One thing a hostile member of either group does.
#[derive(Clone, Copy, Debug)]
struct Move {
    is_seat: bool,
    who: prop::sample::Index,
    evidence: u64,
    after_ms: u64,
    redraw: bool,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = (
        any::<bool>(),
        any::<prop::sample::Index>(),
        0..3_u64,
        0..600_000_u64,
        0..10_u8,
    );
    let one = one.prop_map(|(is_seat, who, evidence, after_ms, redraw)| Move {
        is_seat,
        who,
        evidence,
        after_ms,
        redraw: redraw == 0,
    });
    prop::collection::vec(one, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Even with evidence that holds, which honest nodes would have to sign to count: as many as may be hostile in
    /// each group, together and whenever they speak, make no halt, and freeze for no longer than their evidence.
    #[test]
    fn a_hostile_third_cannot_halt_nor_freeze_beyond_the_bound(
        (seats, witnesses) in (4..16_u64, 4..32_u64),
        moves in moves(),
    ) {
        let mut stop = Stop::new(mesh(), 1);
        let mut world = World::new(seats, witnesses);
        let (mut now, mut freezes, mut used) = (START, 0, BTreeSet::new());
        for it in moves {
            now = now + Millis(it.after_ms);
            if it.redraw {
                world.redraw();
            }
            let hostile = if it.is_seat { world.hostile_seats() } else { world.hostile_witnesses() };
            let signer = hostile[it.who.index(hostile.len())];
            let alert = heard_at(CAUSE, signer, it.evidence * 120_000, now);
            for turn in stop.hear(&alert, world.groups(), now) {
                match turn {
                    Turn::Frozen { until, .. } => {
                        prop_assert!(until <= now + FREEZE);
                        prop_assert!(used.insert(it.evidence), "evidence froze twice");
                        freezes += 1;
                    }
                    Turn::Halted(_) | Turn::Confirmed(_) | Turn::Renewed(_) | Turn::Ended(..) => {
                        prop_assert!(false, "{turn:?}");
                    }
                }
            }
            prop_assert!(!is_halted(&stop, now));
        }
        prop_assert!(freezes <= 3);
        let rested = now + FREEZE;
        prop_assert_eq!(stop.standing(&key(1), &root(CAUSE), &[], rested), Standing::Running);
    }

    #[test]
    fn one_honest_alert_beside_a_hostile_third_of_its_group_halts(seats in 4..16_u64, by_seats in any::<bool>()) {
        let (mut stop, world) = (Stop::new(mesh(), 1), World::new(seats, seats));
        let hostile = if by_seats { world.hostile_seats() } else { world.hostile_witnesses() };
        let honest = hostile.last().unwrap() + 1;
        for signer in hostile.into_iter().chain([honest]) {
            prop_assert!(!is_halted(&stop, START));
            stop.hear(&heard(CAUSE, signer, 0), world.groups(), START);
        }
        prop_assert!(is_halted(&stop, START));
    }
}

/// A mesh's two groups: seats are the keys from 0, witnesses those from 100, another hundred at every draw; the
/// first f of each are hostile.
struct World {
    seats: Seats,
    witnesses: Witnesses,
    first_witness: u64,
}

impl World {
    fn new(seats: u64, witnesses: u64) -> Self {
        Self {
            seats: Seats::new((0..seats).map(key).collect()).unwrap(),
            witnesses: drawn(100, witnesses),
            first_witness: 100,
        }
    }

    fn groups(&self) -> Groups<'_> {
        Groups {
            committee: Some(&self.seats),
            witnesses: Some(&self.witnesses),
        }
    }

    fn redraw(&mut self) {
        self.first_witness = if self.first_witness == 100 { 200 } else { 100 };
        self.witnesses = drawn(self.first_witness, self.witnesses.keys().len() as u64);
    }

    fn hostile_seats(&self) -> Vec<u64> {
        (0..self.seats.faulty_max() as u64).collect()
    }

    fn hostile_witnesses(&self) -> Vec<u64> {
        let first = self.first_witness;
        (first..first + self.witnesses.faulty_max() as u64).collect()
    }
}

fn drawn(first: u64, count: u64) -> Witnesses {
    Witnesses::new((first..first + count).map(key).collect()).unwrap()
}

fn is_halted(stop: &Stop, now: Wall) -> bool {
    matches!(
        stop.standing(&key(1), &root(1), &[], now),
        Standing::Halted { .. }
    )
}

fn halt_by_committee(stop: &mut Stop, world: &World, ms: u64) -> HaltId {
    for signer in [0, 1] {
        stop.hear(
            &heard(CAUSE, signer, ms),
            world.groups(),
            START + Millis(ms),
        );
    }
    HaltId::of(&mesh(), &root(CAUSE), 0)
}

fn halt_by_witnesses(stop: &mut Stop, world: &World) -> HaltId {
    for signer in [100, 101] {
        stop.hear(&heard(CAUSE, signer, 0), world.groups(), START);
    }
    let halt = stop.halts().next().unwrap();
    assert_eq!((halt.by, halt.is_confirmed()), (By::Witnesses, false));
    halt.id
}

/// An alert about a root, signed as its evidence came.
fn heard(cause: u64, signer: u64, ms: u64) -> Heard {
    heard_at(cause, signer, ms, START + Millis(ms))
}

fn heard_at(cause: u64, signer: u64, ms: u64, time: Wall) -> Heard {
    let (alert, acts) = stroke(cause, ms);
    let alert = Alert { time, ..alert };
    let id = ContentId::of(&[signer, ms, time.0].map(u64::to_be_bytes).concat());
    Heard::of(&alert, (id, key(signer)), &mesh(), &acts, MEMBERS).unwrap()
}

/// A silent identical change by one agent, and the alert that tells it.
fn stroke(cause: u64, ms: u64) -> (Alert, Vec<Observed>) {
    let acts: Vec<_> = (0..3).map(|n| act(cause, n, ms)).collect();
    let mut detector = Detector::default();
    let mut told = Vec::new();
    for act in &acts {
        told.extend(detector.observe(act.clone(), MEMBERS));
    }
    let (finding, evidence) = told.remove(0);
    assert_eq!(finding.root, root(cause));
    (
        Alert::of(mesh(), &finding, evidence, START + Millis(ms)),
        acts,
    )
}

fn act(agent: u64, number: u64, ms: u64) -> Observed {
    let time = START + Millis(ms);
    Observed {
        act: ContentId::of(&[agent, number, ms].map(u64::to_be_bytes).concat()),
        agent: key(agent),
        root: root(agent),
        token: RevocationId::from_bytes([77; 32]),
        change: ChangeDigest::of_policy(&"links.target".parse().unwrap(), 3),
        targets: Touched::nodes(vec![key(number)]),
        time,
        seen: time,
        standing: Rests::Plain,
    }
}

fn mesh() -> ContentId {
    cid(7)
}

fn cid(number: u64) -> ContentId {
    ContentId::of(&number.to_be_bytes())
}

fn identity(number: u64) -> Identity {
    let mut seed = [2; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    Identity::from_seed(Zeroizing::new(seed))
}

fn key(number: u64) -> PublicKey {
    identity(number).public()
}

fn root(number: u64) -> RootKey {
    RootKey::from_bytes(*key(number).bytes()).unwrap()
}
