//! Audits of members' nodes: drawn, done unattended, refused to whom they are no business, and seen when they are late.

use x0_crypto::{
    ContentId, PublicKey,
    capability::{Grant, Token},
};
use x0_protocol::{
    Command, CommandError, Event, Millis, Reply,
    charter::{
        Charter,
        inspection::{
            Exported, Finding,
            rounds::{AuditState, Tally},
        },
        violation::Violation,
    },
    core::{
        case::CaseCommand,
        inspection::{
            AccountView, AskBy, InspectionCommand, InspectionRefusal, RoundView, RoundsView,
        },
    },
    spine::audit::What,
    wire::{
        AskDraft, AuditOutcome, AuditRight, Body, CaseSay, InspectionDraft, InspectionSigned,
        Report, Request,
    },
};

use super::world::World;

/// A day passes in 4.3 s.
const SCALE: u32 = 20_000;
/// Days between two rounds: 30 s, of which an audit has 5.
const DAYS: u64 = 7;

/// Six founders, four of them with a seat, about 10 s before the first round opens.
fn founded() -> World {
    let mut draft = Charter::shipped().text().clone();
    draft.committee.audit_days = DAYS;
    let charter = Charter::new(draft).unwrap();
    let mut world = World::fast_under_seats(charter, 6, 4, SCALE);
    world.pass(Millis::from_secs(20));
    world
}

fn rounds(world: &mut World, at: usize) -> RoundsView {
    match world.command(at, Command::Inspection(InspectionCommand::Rounds)) {
        Ok(Reply::Rounds(rounds)) => *rounds,
        other => panic!("no rounds: {other:?}"),
    }
}

fn round(world: &mut World, at: usize, number: u64) -> Option<RoundView> {
    let mut rounds = rounds(world, at).rounds.into_iter();
    rounds.find(|round| round.drawn.round == number)
}

fn first(world: &mut World, at: usize) -> RoundView {
    round(world, at, 1).expect("the first round is open")
}

/// Lets time pass until a round is open at a node.
#[track_caller]
fn until_open(world: &mut World, at: usize, number: u64) {
    for _ in 0..600 {
        if round(world, at, number).is_some() {
            return;
        }
        world.pass(Millis(100));
    }
    panic!("round {number} never opened");
}

fn state(world: &mut World, at: usize, of: usize) -> AuditState {
    let node = world.key(of);
    let round = first(world, at);
    let mut audits = round.audits.into_iter();
    audits.find(|(pair, _)| pair.node == node).unwrap().1
}

/// Who audits a node in the first round.
fn auditor(world: &mut World, at: usize, of: usize) -> usize {
    let node = world.key(of);
    let round = first(world, at);
    let mut pairs = round.audits.into_iter();
    let pair = pairs.find(|(pair, _)| pair.node == node).unwrap().0;
    world.at(&pair.auditor).unwrap()
}

fn log(world: &World, at: usize) -> Vec<What> {
    let entries = world.nodes[at].disk.rest.audit.iter();
    entries.map(|entry| entry.what.clone()).collect()
}

fn was_refused(world: &World, at: usize, by: PublicKey, because: &str) -> bool {
    log(world, at).iter().any(|what| {
        matches!(what, What::AccountRefused { auditor, why, .. }
            if *auditor == by && why.contains(because))
    })
}

fn ask(world: &mut World, at: usize, node: usize, by: AskBy) -> Result<AccountView, CommandError> {
    let node = world.key(node);
    match world.command(at, Command::Inspection(InspectionCommand::Ask { node, by })) {
        Ok(Reply::Account(view)) => Ok(*view),
        Err(refused) => Err(refused),
        other => panic!("no account: {other:?}"),
    }
}

fn is_unanswered(answer: Result<AccountView, CommandError>, because: &str) -> bool {
    match answer {
        Err(CommandError::Inspection(InspectionRefusal::Unanswered { why, .. })) => {
            assert!(why.contains(because), "{why}");
            true
        }
        Ok(_) | Err(_) => false,
    }
}

/// Has a node ask another in its own name, whatever its rights.
fn ask_by_force(world: &mut World, from: usize, to: usize, right: AuditRight) {
    let asked = AskDraft {
        auditor: world.key(from),
        node: world.key(to),
        right,
        time: rounds(world, from).time,
        nonce: 7,
    };
    let mesh = world.genesis.value().id();
    let draft = InspectionDraft::Ask(Box::new(asked));
    let signed = draft.sign(&mesh, &world.nodes[from].identity, || {
        unreachable!("an ask collects nothing")
    });
    let InspectionSigned::Ask(ask) = signed else {
        panic!("an ask was to be signed");
    };
    world.ask_as(from, to, Request::Account(ask));
}

fn all_clean(tally: Tally) -> bool {
    let clean = Tally {
        clean: 6,
        ..Tally::default()
    };
    tally == clean
}

#[test]
fn seats_audit_every_member_by_themselves_and_all_nodes_and_late_joiners_see_it() {
    let mut world = founded();
    assert!(rounds(&mut world, 0).rounds.is_empty());
    assert_eq!(rounds(&mut world, 5).days, Some(DAYS));
    until_open(&mut world, 5, 1);
    world.pass(Millis(4_000));

    for at in 0..6 {
        let round = first(&mut world, at);
        assert!(all_clean(round.tally), "node {at}: {:?}", round.tally);
        for (pair, state) in round.audits {
            let AuditState::Answered { late: false, .. } = state else {
                panic!("{state:?}");
            };
            let node = world.at(&pair.node).unwrap();
            let told = log(&world, node);
            let by = |what: &&What| matches!(what, What::Account { auditor, .. } if *auditor == pair.auditor);
            assert_eq!(told.iter().filter(by).count(), 1, "each ask is an entry");
        }
    }
    let newcomer = world.join(0, 60);
    world.pass(Millis(3_000));
    assert!(all_clean(first(&mut world, newcomer).tally));
    let opened = |event: &Event| {
        matches!(
            event,
            Event::Audit {
                round: 1,
                node: None,
                ..
            }
        )
    };
    assert!(world.heard(4, opened));
}

#[test]
fn rounds_follow_each_other_and_a_restart_of_all_neither_loses_nor_repeats_audits() {
    let mut world = founded();
    until_open(&mut world, 0, 1);
    world.pass(Millis(4_000));
    let before: Vec<_> = (0..6).map(|at| log(&world, at).len()).collect();
    for at in 0..6 {
        world.crash(at);
    }
    for at in 0..6 {
        world.boot_linked(at);
    }
    world.pass(Millis(8_000));

    assert!(all_clean(first(&mut world, 3).tally));
    for (at, before) in before.iter().enumerate() {
        let asked = |what: &&What| matches!(what, What::Account { .. });
        let since = log(&world, at);
        assert_eq!(
            since[*before..].iter().filter(asked).count(),
            0,
            "node {at}"
        );
    }
    until_open(&mut world, 0, 2);
    world.pass(Millis(4_000));
    let view = rounds(&mut world, 2);
    let numbers: Vec<_> = view.rounds.iter().map(|it| it.drawn.round).collect();
    assert_eq!((numbers, view.overdue), (vec![2, 1], false));
    assert!(all_clean(view.rounds[0].tally));
    assert!(view.rounds[0].drawn.opened >= view.rounds[1].drawn.next);
}

#[test]
fn who_was_not_drawn_is_refused_and_the_log_of_the_asked_says_so() {
    let mut world = founded();
    let (one, two) = world.outsiders();
    assert!(matches!(
        ask(&mut world, one, two, AskBy::Draw),
        Err(CommandError::Inspection(InspectionRefusal::NotDrawn(_)))
    ));
    ask_by_force(&mut world, one, two, AuditRight::Round(1));
    assert!(was_refused(&world, two, world.key(one), "no round"));
    until_open(&mut world, 0, 1);
    world.pass(Millis(1_000));

    ask_by_force(&mut world, one, two, AuditRight::Round(1));
    ask_by_force(&mut world, one, two, AuditRight::Round(9));

    let asker = world.key(one);
    assert!(was_refused(&world, two, asker, "somebody else was drawn"));
    assert!(was_refused(&world, two, asker, "not 9"));
    let refused = |event: &Event| matches!(event, Event::AccountAsked { auditor, refused: Some(_) } if *auditor == asker);
    assert!(world.heard(two, refused));
    // Whoever goes on asking is not read any more, so that nobody fills a log.
    for _ in 0..40 {
        ask_by_force(&mut world, one, two, AuditRight::Round(9));
    }
    let refusals = log(&world, two);
    let refusals = refusals
        .iter()
        .filter(|what| matches!(what, What::AccountRefused { auditor, .. } if *auditor == asker));
    assert_eq!(refusals.count(), 12);
}

#[test]
fn a_signature_of_somebody_else_buys_no_account() {
    let mut world = founded();
    until_open(&mut world, 0, 1);
    world.pass(Millis(3_000));
    let (one, _) = world.outsiders();
    let drawn = auditor(&mut world, 0, one);
    let outsider = (0..6).find(|at| *at != drawn && *at != one).unwrap();
    let asked = AskDraft {
        auditor: world.key(drawn),
        node: world.key(one),
        right: AuditRight::Round(1),
        time: rounds(&mut world, 0).time,
        nonce: 1,
    };
    let mesh = world.genesis.value().id();
    let draft = InspectionDraft::Ask(Box::new(asked));
    let signed = draft.sign(&mesh, &world.nodes[outsider].identity, || unreachable!());
    let InspectionSigned::Ask(ask) = signed else {
        panic!("an ask was to be signed");
    };
    let accounts = |world: &World| {
        let log = log(world, one);
        let told = log
            .iter()
            .filter(|what| matches!(what, What::Account { .. }));
        told.count()
    };
    let before = accounts(&world);

    // In the name of the one who was drawn, over a link of that one, and over one of its own.
    world.ask_as(drawn, one, Request::Account(ask.clone()));
    world.ask_as(outsider, one, Request::Account(ask));

    assert_eq!(accounts(&world), before);
    assert!(was_refused(&world, one, world.key(drawn), "not signed"));
}

#[test]
fn a_node_that_hands_out_what_the_charter_does_not_list_signs_the_evidence() {
    let mut world = founded();
    let (liar, reporter) = world.outsiders();
    let hidden = Exported {
        name: "user_location".to_owned(),
        declared: None,
    };
    let exported = &mut world.nodes[liar].collects.exported;
    exported.push(hidden);
    exported.sort();
    until_open(&mut world, 0, 1);
    world.pass(Millis(4_000));

    let mut evidence = Vec::new();
    for at in 0..6 {
        let round = first(&mut world, at);
        assert_eq!((round.tally.clean, round.tally.with_findings), (5, 1));
        let AuditState::Answered {
            report, findings, ..
        } = state(&mut world, at, liar)
        else {
            panic!("the node has answered");
        };
        let name = || "user_location".to_owned();
        let expected = [Finding::Unlisted(name()), Finding::Undeclared(name())];
        assert_eq!(findings.unwrap(), expected);
        evidence.push(report);
    }
    // The record is the same at all nodes, and holds what the node has signed.
    let report = evidence[0];
    assert!(evidence.iter().all(|id| *id == report));
    let record = &world.nodes[reporter].disk.records[&report];
    let Body::AuditReport(report_of_audit) = record.value().body() else {
        panic!("the evidence is a report of an audit");
    };
    let AuditOutcome::Answered(account) = &report_of_audit.outcome else {
        panic!("it holds an account");
    };
    assert_eq!(account.node(), world.key(liar));
    assert!(account.holds(&world.genesis.value().id()));
    let accusation = Report {
        accused: Some(world.key(liar)),
        sort: Violation::SilentCollection,
        description: "It keeps where people are".to_owned().try_into().unwrap(),
        evidence: vec![report],
        asked: "That it ends".parse().unwrap(),
    };
    let command = Command::Case(CaseCommand::Report(Box::new(accusation)));
    world.recorded(reporter, command);
}

#[test]
fn an_auditor_that_is_down_leaves_its_audits_overdue_until_it_is_back() {
    let mut world = founded();
    until_open(&mut world, 0, 1);
    // Whoever audits another seat has not asked yet: the first try comes within two seconds.
    let (one, _) = world.outsiders();
    let down = auditor(&mut world, 0, one);
    let at = (0..6).find(|at| *at != down && *at != one).unwrap();
    if state(&mut world, at, one) != AuditState::Due {
        panic!("the audit was done before its auditor could be stopped");
    }
    world.crash(down);
    world.pass(Millis(6_500));
    assert_eq!(state(&mut world, at, one), AuditState::Overdue);
    match world.command(at, Command::Status) {
        Ok(Reply::Status(status)) => assert!(status.audits.1 >= 1, "{:?}", status.audits),
        other => panic!("no status: {other:?}"),
    }

    world.boot_linked(down);
    world.pass(Millis(6_000));

    let AuditState::Answered { late, findings, .. } = state(&mut world, at, one) else {
        panic!("the auditor goes on where it was");
    };
    assert_eq!((late, findings), (true, Some(Vec::new())));
}

#[test]
fn a_node_that_is_away_is_named_as_unanswered_and_audited_when_it_is_back() {
    let mut world = founded();
    let (away, _) = world.outsiders();
    world.crash(away);
    let at = world.seats()[1];
    until_open(&mut world, at, 1);
    world.pass(Millis(9_000));

    let AuditState::Unanswered { tries, why, .. } = state(&mut world, at, away) else {
        panic!("{:?}", state(&mut world, at, away));
    };
    assert!(tries >= 2 && why.as_str().contains("did not answer"));
    let round = first(&mut world, at);
    assert_eq!((round.tally.clean, round.tally.unanswered), (5, 1));

    world.boot_linked(away);
    world.pass(Millis(8_000));

    let now = state(&mut world, at, away);
    assert!(
        matches!(&now, AuditState::Answered { late: true, findings: Some(found), .. } if found.is_empty()),
        "{now:?}"
    );
    assert!(all_clean(first(&mut world, away).tally));
}

#[test]
fn a_token_for_audits_counts_under_the_root_of_a_seat_or_of_the_asked() {
    let mut world = founded();
    let (one, two) = world.outsiders();
    let seat = world.seats()[0];
    let grant = |world: &World, root: usize| {
        let grant = Grant {
            holder: world.key(one),
            actions: [AuditRight::action()].into(),
            caveats: Vec::new(),
        };
        let root = world.nodes[root].identity.capability_root();
        let token = Token::grant(&root, &grant).unwrap();
        AskBy::Token {
            root: root.public(),
            token,
        }
    };
    let of_seat = grant(&world, seat);
    let view = ask(&mut world, one, two, of_seat).unwrap();
    assert!(view.account.holds(&view.mesh));
    assert_eq!(view.found.unwrap().findings, []);
    let of_asked = grant(&world, two);
    assert!(ask(&mut world, one, two, of_asked).is_ok());

    let own = grant(&world, one);
    assert!(is_unanswered(
        ask(&mut world, one, two, own),
        "root of no seat"
    ));
    // Somebody else's token, and one for something else.
    let stolen = grant(&world, seat);
    assert!(is_unanswered(
        ask(&mut world, seat, two, stolen),
        "belongs to"
    ));
    let AskBy::Token { root, token } = grant(&world, seat) else {
        unreachable!("a token was granted");
    };
    let ids = token.verify(&root).unwrap().revocation_ids().to_vec();
    let reason = "it was lost".parse().unwrap();
    world.recorded(seat, Command::Revoke { ids, reason });
    assert!(is_unanswered(
        ask(&mut world, one, two, AskBy::Token { root, token }),
        "revoked"
    ));
}

#[test]
fn a_seat_asks_because_of_a_case_about_the_asked_and_of_no_other() {
    let mut world = founded();
    let (accused, reporter) = world.outsiders();
    let report = Report {
        accused: Some(world.key(accused)),
        sort: Violation::SilentCollection,
        description: "It keeps where people are".to_owned().try_into().unwrap(),
        evidence: Vec::new(),
        asked: "That it ends".parse().unwrap(),
    };
    let command = Command::Case(CaseCommand::Report(Box::new(report)));
    let case = world.recorded(reporter, command);
    world.pass(Millis(2_500));
    let seats = world.seats();
    let early = ask(&mut world, seats[0], accused, AskBy::Case(case));
    assert!(is_unanswered(early, "does not look into"));
    for at in seats.iter().take(3) {
        let why = "looked at it".parse().unwrap();
        let say = CaseCommand::Say {
            case,
            say: CaseSay::Open,
            why,
        };
        world.command(*at, Command::Case(say)).unwrap();
    }
    world.pass(Millis(2_500));

    let view = ask(&mut world, seats[0], accused, AskBy::Case(case)).unwrap();
    assert_eq!(view.account.stated.ask.asked.right, AuditRight::Case(case));
    let other = ask(&mut world, seats[0], reporter, AskBy::Case(case));
    assert!(is_unanswered(other, "about somebody else"));
    let no_seat = ask(&mut world, reporter, accused, AskBy::Case(case));
    assert!(is_unanswered(no_seat, "only a seat"));
    let unknown = AskBy::Case(ContentId::of(b"no case"));
    let unknown = ask(&mut world, seats[0], accused, unknown);
    assert!(is_unanswered(unknown, "does not look into"));
}

#[test]
fn a_mesh_without_charter_has_no_rounds_and_nobody_asks_by_hand() {
    let mut world = World::fast(4, 100_000);
    world.pass(Millis::from_secs(40));
    assert!(rounds(&mut world, 0).rounds.is_empty());
    assert_eq!(rounds(&mut world, 0).next, None);
    let own = ask(&mut world, 0, 0, AskBy::Draw);
    assert!(matches!(
        own,
        Err(CommandError::Inspection(InspectionRefusal::OwnNode))
    ));
    let other = ask(&mut world, 0, 1, AskBy::Draw);
    assert!(matches!(
        other,
        Err(CommandError::Inspection(InspectionRefusal::NoCharter))
    ));
}
