//! Anomalies in acts, freezes and halts: who can stop a mesh, what is stopped, and how it ends.

use x0_crypto::{
    ContentId, Identity,
    capability::{Caveat, RootKey},
};
use x0_protocol::{
    Command, CommandError, Event, Millis, Reply,
    anti_meave::anomaly::{Alert, Evidence, Pattern, Severity},
    core::{
        command::{Aim, Status},
        reject::ActRefusal,
        vote::VoteCommand,
    },
    spine::halt::{By, Confirmation, HaltReport, Stage, Standing},
    wire::{Act, Body, Choice, Draft, Kind, Reason, Record, Targets, Verified, VoteRules},
};

use super::world::{World, identity, set_links, token};

const LIFE: Millis = Millis::from_mins(10);
/// The node that the rogue agent of most stories sits on.
pub(crate) const ROGUE: usize = 2;
const NOBODY: [usize; 0] = [];

fn root() -> RootKey {
    identity(1).capability_root().public()
}

fn report(world: &mut World, at: usize) -> HaltReport {
    match world.command(at, Command::Halt) {
        Ok(Reply::Halt(report)) => *report,
        other => panic!("no report: {other:?}"),
    }
}

fn status(world: &mut World, at: usize) -> Status {
    match world.command(at, Command::Status) {
        Ok(Reply::Status(status)) => *status,
        other => panic!("no status: {other:?}"),
    }
}

fn is_halted(world: &mut World, at: usize) -> bool {
    matches!(report(world, at).standing, Standing::Halted { .. })
}

fn halted(world: &mut World) -> Vec<usize> {
    let running: Vec<_> = (0..world.nodes.len())
        .filter(|at| world.nodes[*at].peer.is_some())
        .collect();
    running
        .into_iter()
        .filter(|at| is_halted(world, *at))
        .collect()
}

/// Founds a mesh and waits until its committee has keys and everybody knows them.
pub(crate) fn with_keys(founders: u8, seats: usize) -> World {
    let mut world = World::with_seats(founders, seats);
    world.pass(Millis::from_secs(20));
    world
}

/// Writes records in the chain of a node without its knowing, as a program does that has stolen its identity.
fn written(world: &World, by: &Identity, bodies: Vec<Body>) -> Vec<Verified<Record>> {
    let mesh = Some(world.genesis.value().id());
    let mut last = None;
    let chain = bodies.into_iter().zip(0..).map(|(body, seq)| {
        let time = world.now().wall;
        let place = (seq, last);
        let draft = Draft::new(mesh, by.public(), place, time, [7; 16], body);
        let record = draft.sign(by).unwrap();
        last = Some(record.value().id());
        record
    });
    chain.collect()
}

/// The same change on as many nodes by as many acts at once, each on one node, past the committee.
pub(crate) fn stroke(world: &World, by: &Identity, under: &Identity) -> Vec<Verified<Record>> {
    let acts = (3..6).map(|at| {
        Body::Act(Act {
            change: set_links(5),
            targets: Targets::Nodes(vec![world.key(at)]),
            root: under.capability_root().public(),
            token: token(under, by.public(), &[Caveat::AffectsNodesLe(1)]),
            expires: world.now().wall + LIFE,
            warrants: Vec::new(),
        })
    });
    written(world, by, acts.collect())
}

fn alert_of(world: &World, acts: &[Verified<Record>]) -> Alert {
    let mut ids: Vec<_> = acts.iter().map(|act| act.value().id()).collect();
    ids.sort_unstable();
    Alert {
        mesh: world.genesis.value().id(),
        severity: Severity::Critical,
        agent: acts[0].value().author(),
        root: root(),
        evidence: Evidence {
            pattern: Pattern::SilentIdentical,
            acts: ids,
            usual: None,
        },
        time: world.now().wall,
    }
}

pub(crate) fn tell(world: &mut World, from: usize, to: usize, records: &[Verified<Record>]) {
    for record in records {
        world.gossip(from, to, record);
    }
}

fn propose(world: &mut World, by: usize, under: &Identity) -> Result<Reply, CommandError> {
    let target = world.key((by + 1) % world.nodes.len());
    let command = Command::Propose {
        change: set_links(6),
        targets: Aim::At(Targets::Nodes(vec![target])),
        token: token(under, world.key(by), &[]),
        root: under.capability_root().public(),
        life: LIFE,
    };
    world.command(by, command)
}

#[test]
fn a_stroke_past_the_committee_halts_every_node_and_the_committee_certifies_it() {
    let mut world = with_keys(8, 8);
    let rogue = identity(3);
    let acts = stroke(&world, &rogue, &identity(1));

    tell(&mut world, ROGUE, 5, &acts);
    world.pass(Millis::from_secs(10));

    assert_eq!(halted(&mut world), (0..8).collect::<Vec<_>>());
    for at in 0..8 {
        let report = report(&mut world, at);
        let [halt] = report.halts.as_slice() else {
            panic!("one root causes one halt: {:?}", report.halts);
        };
        assert_eq!((halt.root, halt.by), (root(), By::Committee), "node {at}");
        let is_certified = matches!(
            halt.stage,
            Stage::Confirmed {
                by: Confirmation::Certificate(_),
                ..
            }
        );
        assert!(is_certified, "node {at}: {halt:?}");
        assert!(report.alerts.iter().all(|alert| alert.finding.is_ok()));
        assert_eq!(status(&mut world, at).frozen, 1, "node {at}");
    }
    let ends: Vec<_> = (0..8)
        .map(|at| report(&mut world, at).halts[0].end())
        .collect();
    assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
}

#[test]
fn a_halted_mesh_refuses_changes_with_the_reason_and_nothing_that_is_exempt() {
    let mut world = with_keys(8, 8);
    let acts = stroke(&world, &identity(3), &identity(1));
    tell(&mut world, ROGUE, 5, &acts);
    world.pass(Millis::from_secs(10));

    let honest = propose(&mut world, 6, &identity(7)).unwrap_err();
    let CommandError::Act(ActRefusal::Stopped { standing, .. }) = &honest else {
        panic!("{honest}");
    };
    assert!(matches!(standing, Standing::Halted { .. }), "{standing:?}");
    assert!(
        honest.to_string().contains("lapses in 72 hours"),
        "{honest}"
    );
    let own = identity(7);
    let local = Command::Local {
        change: set_links(4),
        token: token(&own, own.public(), &[]),
    };
    world.command(6, local).unwrap();
    assert_eq!(world.links_target(6), 4, "a node changes itself");
    let revoke = Command::Revoke {
        ids: vec![x0_crypto::capability::RevocationId::from_bytes([7; 32])],
        reason: "".parse::<Reason>().unwrap(),
    };
    world.recorded(6, revoke);
    world.recorded(6, Command::Leave);
}

/// The 72 hours of a mesh whose time runs a thousand times faster pass in less than five minutes; what bounds a course of
/// events lasts as long as everywhere.
#[test]
fn a_halt_lapses_after_72_hours_and_nodes_start_again_one_after_the_other() {
    let mut world = World::fast(4, 1_000);
    world.pass(Millis::from_secs(20));
    let acts = stroke_on(&world, &identity(3), [0, 1, 3]);
    tell(&mut world, ROGUE, 1, &acts);
    world.pass(Millis::from_secs(10));
    assert_eq!(halted(&mut world).len(), 4);
    let ends: Vec<_> = (0..4)
        .map(|at| report(&mut world, at).halts[0].end())
        .collect();
    assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");

    world.pass(Millis::from_secs(240));
    assert_eq!(halted(&mut world).len(), 4);
    world.pass(Millis::from_secs(30));
    for at in 0..4 {
        let standing = report(&mut world, at).standing;
        assert!(
            !matches!(standing, Standing::Halted { .. }),
            "node {at}: {standing:?}"
        );
        let over = |event: &Event| matches!(event, Event::HaltEnded { .. });
        assert!(world.heard(at, over), "node {at}");
    }
    world.pass(Millis::from_mins(8));
    for at in 0..4 {
        assert_eq!(report(&mut world, at).standing, Standing::Running);
    }
    let act = propose(&mut world, 1, &identity(1));
    assert!(matches!(act, Ok(Reply::Proposed(_))), "{act:?}");
}

fn stroke_on(world: &World, by: &Identity, nodes: [usize; 3]) -> Vec<Verified<Record>> {
    let acts = nodes.map(|at| {
        Body::Act(Act {
            change: set_links(5),
            targets: Targets::Nodes(vec![world.key(at)]),
            root: root(),
            token: token(&identity(1), by.public(), &[]),
            expires: world.now().wall + LIFE,
            warrants: Vec::new(),
        })
    });
    written(world, by, acts.to_vec())
}

#[test]
fn as_many_seats_as_may_be_hostile_halt_nothing() {
    // Nine of twelve seats are down: of seats f may be hostile, 3, and no more than those speak.
    let mut world = with_keys(16, 12);
    let seats = world.genesis_body().seats.clone();
    let seated: Vec<_> = (0..16)
        .filter(|at| seats.contains(&world.key(*at)))
        .collect();
    let rogue = (0..16).find(|at| !seats.contains(&world.key(*at))).unwrap();
    for at in &seated[3..] {
        world.crash(*at);
    }
    world.settle();
    // Whom the beacon drew is told to nobody who is still up, so that witnesses make no halt of it either.
    let drawn = report(&mut world, seated[0]).witnesses.unwrap().0;
    let up: Vec<_> = (0..16)
        .filter(|at| world.nodes[*at].peer.is_some())
        .collect();
    let alone: Vec<_> = up
        .iter()
        .copied()
        .filter(|at| !seated.contains(at) && *at != rogue && drawn.contains(&world.key(*at)))
        .collect();
    for at in alone {
        world.crash(at);
    }
    world.settle();
    let by = identity(u8::try_from(rogue + 1).unwrap());
    let acts = stroke_on(&world, &by, [seated[0], seated[1], seated[2]]);

    tell(&mut world, rogue, seated[0], &acts);
    world.pass(Millis::from_secs(30));

    let known = report(&mut world, seated[0]);
    assert!(known.alerts.len() >= 3, "{:?}", known.alerts.len());
    assert_eq!(halted(&mut world), NOBODY);
    assert_eq!(
        known.freezes.len(),
        1,
        "what is found freezes its root here"
    );
}

/// Tells apart the nodes that have a seat, and the others.
fn by_seat(world: &World) -> (Vec<usize>, Vec<usize>) {
    let seats = &world.genesis_body().seats;
    (0..world.nodes.len()).partition(|at| seats.contains(&world.key(*at)))
}

/// Has the first of some nodes strike at the three after it; returns the one that is told first.
fn strike_among(world: &mut World, nodes: &[usize]) -> usize {
    let [rogue, a, b, c, ..] = *nodes else {
        panic!("it takes four");
    };
    let by = identity(u8::try_from(rogue + 1).unwrap());
    let acts = stroke_on(world, &by, [a, b, c]);
    tell(world, rogue, a, &acts);
    world.pass(Millis::from_secs(10));
    a
}

#[test]
fn witnesses_halt_a_mesh_whose_committee_is_silent_and_the_halt_expires_unless_confirmed() {
    let mut world = with_keys(12, 4);
    let (seated, others) = by_seat(&world);
    for at in &seated {
        world.crash(*at);
    }
    world.settle();
    let a = strike_among(&mut world, &others);

    assert_eq!(halted(&mut world), others);
    let halt = report(&mut world, a).halts[0].clone();
    assert_eq!((halt.by, halt.is_confirmed()), (By::Witnesses, false));

    world.pass(Millis::from_mins(30));
    assert_eq!(halted(&mut world), NOBODY, "nobody has confirmed it");
}

#[test]
fn a_jury_confirms_what_witnesses_have_halted_and_a_committee_does_not() {
    let mut world = with_keys(12, 4);
    for at in 0..12 {
        let on_call = VoteCommand::OnCall { serves: true };
        world.command(at, Command::Vote(on_call)).unwrap();
    }
    world.pass(Millis::from_secs(5));
    let (seated, others) = by_seat(&world);
    // The seats see no act and no alert, so that they confirm nothing; votes they hold as always.
    world.deafen(&seated, &[Kind::ACT, Kind::ALERT]);
    let a = strike_among(&mut world, &others);
    assert_eq!(halted(&mut world), others);
    let halt = report(&mut world, a).halts[0].clone();
    assert_eq!((halt.by, halt.is_confirmed()), (By::Witnesses, false));

    let propose = VoteCommand::Propose {
        text: "confirm the halt".parse().unwrap(),
        subject: halt.id.confirmation(),
        rules: VoteRules::emergency(),
        sealed: false,
    };
    let Ok(Reply::Voted(vote)) = world.command(a, Command::Vote(propose)) else {
        panic!("the vote is not proposed");
    };
    world.pass(Millis::from_secs(30));
    for at in 0..12 {
        // Who was not drawn has no ballot.
        let cast = VoteCommand::Cast {
            proposal: vote,
            choice: Choice::Yes,
        };
        world.command(at, Command::Vote(cast)).ok();
    }
    world.pass(Millis::from_secs(60));

    for at in &others {
        let known = report(&mut world, *at).halts[0].clone();
        let is_confirmed = matches!(
            known.stage,
            Stage::Confirmed { by: Confirmation::Jury(of), .. } if of == vote
        );
        assert!(is_confirmed, "node {at}: {known:?}");
    }
    world.pass(Millis::from_mins(40));
    assert_eq!(halted(&mut world), others, "it does not expire");
}

#[test]
fn the_committee_confirms_what_witnesses_have_halted_as_soon_as_it_is_back() {
    let mut world = with_keys(12, 4);
    let (seated, others) = by_seat(&world);
    for at in &seated {
        world.crash(*at);
    }
    world.settle();
    strike_among(&mut world, &others);
    world.pass(Millis::from_mins(5));
    for at in &seated {
        world.boot(*at, false);
    }
    for one in 0..12 {
        for other in one + 1..12 {
            world.link(one, other);
        }
    }
    world.settle();
    world.pass(Millis::from_secs(40));

    assert_eq!(halted(&mut world).len(), 12);
    for at in 0..12 {
        let halt = report(&mut world, at).halts[0].clone();
        assert!(halt.is_certified(), "node {at}: {halt:?}");
    }
}

#[test]
fn an_alert_whose_acts_are_missing_waits_for_them_and_then_counts() {
    let mut world = with_keys(8, 8);
    let acts = stroke(&world, &identity(3), &identity(1));
    let alone = 7;
    world.partition(alone);
    tell(&mut world, ROGUE, 5, &acts);
    world.pass(Millis::from_secs(10));
    assert!(!is_halted(&mut world, alone));

    let speaker = identity(1);
    let alert = alert_of(&world, &acts);
    let told = written(&world, &speaker, vec![Body::Alert(Box::new(alert))]);
    world.gossip(0, alone, &told[0]);
    let known = report(&mut world, alone);
    let why = known.alerts[0].finding.clone().unwrap_err();
    assert!(why.contains("missing: fetch it"), "{why}");
    assert_eq!(known.freezes, []);

    world.heal();
    world.link(0, alone);
    world.settle();
    world.pass(Millis::from_secs(10));
    let known = report(&mut world, alone);
    assert!(known.alerts.iter().all(|alert| alert.finding.is_ok()));
    assert!(is_halted(&mut world, alone));
}

#[test]
fn false_alerts_count_for_nothing_and_a_member_is_not_listened_to_without_end() {
    let mut world = with_keys(8, 8);
    let rogue = identity(3);
    let acts = stroke_on(&world, &rogue, [3, 4, 5]);
    // One act of three is what a token may do: there is nothing to see, whoever claims so.
    tell(&mut world, ROGUE, 5, &acts[..1]);
    let liars: Vec<_> = (1..=3).map(identity).collect();
    for liar in &liars {
        let claims = (0..40).map(|n| {
            let alert = Alert {
                time: world.now().wall + Millis(n),
                ..alert_of(&world, &acts[..1])
            };
            Body::Alert(Box::new(alert))
        });
        let claims = claims.collect();
        let told = match liar.public() == rogue.public() {
            true => continue,
            false => written(&world, liar, claims),
        };
        tell(&mut world, 0, 5, &told);
    }
    world.pass(Millis::from_secs(10));

    assert_eq!(halted(&mut world), NOBODY);
    for at in 0..8 {
        let known = report(&mut world, at);
        assert_eq!(known.freezes, [], "node {at}");
        assert!(known.alerts.iter().all(|alert| alert.finding.is_err()));
        assert!(
            known.alerts.len() <= 32,
            "node {at}: {}",
            known.alerts.len()
        );
    }
}

#[test]
fn acts_under_a_root_that_no_target_accepts_freeze_and_halt_nothing() {
    let mut world = with_keys(8, 8);
    let rogue = identity(3);
    let acts = stroke(&world, &rogue, &rogue);
    tell(&mut world, ROGUE, 5, &acts);
    world.pass(Millis::from_secs(10));

    assert_eq!(halted(&mut world), NOBODY);
    // Its own node accepts its root, and says so; that convinces nobody else.
    for at in (0..8).filter(|at| *at != ROGUE) {
        let known = report(&mut world, at);
        assert_eq!(known.freezes, [], "node {at}");
        assert!(known.alerts.iter().all(|alert| alert.finding.is_err()));
    }
}

#[test]
fn an_act_that_drawn_cosigners_have_signed_is_not_silent() {
    let mut world = with_keys(12, 12);
    let command = Command::Propose {
        change: set_links(5),
        targets: Aim::At(Targets::All),
        token: token(&identity(1), world.key(ROGUE), &[]),
        root: root(),
        life: LIFE,
    };
    world.command(ROGUE, command).unwrap();
    world.pass(Millis::from_secs(20));

    let changed = (0..12).filter(|at| world.links_target(*at) == 5).count();
    assert_eq!(changed, 12);
    assert_eq!(halted(&mut world), NOBODY);
    assert_eq!(status(&mut world, 0).frozen, 0);
}

#[test]
fn a_halt_is_still_in_force_after_a_restart_and_a_seat_issues_no_ticket() {
    let mut world = with_keys(4, 4);
    let acts = stroke_on(&world, &identity(3), [0, 1, 3]);
    tell(&mut world, ROGUE, 1, &acts);
    world.pass(Millis::from_secs(10));
    assert_eq!(halted(&mut world).len(), 4);
    let before: Vec<ContentId> = report(&mut world, 1)
        .alerts
        .iter()
        .map(|it| it.id)
        .collect();

    for at in 0..4 {
        world.crash(at);
        world.boot(at, false);
    }
    assert_eq!(halted(&mut world).len(), 4, "before any link is up");
    for a in 0..4 {
        for b in a + 1..4 {
            world.link(a, b);
        }
    }
    world.settle();
    world.pass(Millis::from_secs(40));

    assert_eq!(halted(&mut world).len(), 4);
    let after: Vec<ContentId> = report(&mut world, 1)
        .alerts
        .iter()
        .map(|it| it.id)
        .collect();
    assert!(
        after.iter().all(|alert| before.contains(alert)),
        "nobody repeats an alert after a restart"
    );
    let refused = propose(&mut world, 0, &identity(1)).unwrap_err();
    assert!(refused.to_string().contains("halted"), "{refused}");
}

#[test]
fn a_mesh_without_a_committee_freezes_and_never_halts() {
    let mut world = World::without_committee(6);
    let acts = stroke_on(&world, &identity(3), [3, 4, 5]);
    tell(&mut world, ROGUE, 5, &acts);
    world.pass(Millis::from_secs(10));

    for at in 0..6 {
        let known = report(&mut world, at);
        assert_eq!((known.seats, known.witnesses), (None, None));
        assert_eq!(known.freezes.len(), 1, "node {at}");
        assert_eq!(known.halts, [], "node {at}");
    }
    let refused = propose(&mut world, ROGUE, &identity(1)).unwrap_err();
    assert!(
        refused.to_string().contains("is frozen on this node"),
        "{refused}"
    );
    world.pass(Millis::from_mins(10));
    assert!(propose(&mut world, ROGUE, &identity(1)).is_ok());
}
