//! Reported violations: from a report, named or sealed, to a verdict that every node holds everybody to.

use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    Command, CommandError, Event, Millis, Reply, Wall,
    charter::{
        Charter,
        violation::{Barred, CaseKnown, Docket, Stage, Violation, receipt::Receipt, sealed},
    },
    core::{
        case::{CaseCommand, CaseRefusal, CasesView, LedgerView},
        command::Aim,
        reject::RejectReason,
        vote::VoteCommand,
    },
    spine::{committee::OpenCase, ledger::Account},
    wire::{
        Act, Appeal, Body, CaseFinding, CaseSay, CaseWord, Certificate, Choice, Draft, Kind,
        Record, Report, Ruled, Statement, Targets, Verified, VoteRules,
    },
};
use zeroize::Zeroizing;

use super::world::{World, identity, set_links, token};

/// 72 h pass in 13 s.
pub(super) const SCALE: u32 = 20_000;
/// A window for an appeal, and some blocks.
const WINDOW: Millis = Millis(15_000);
/// Work that is found at once.
const WORK: u32 = 20;

/// Six founders, four of them with a seat, under a charter whose ban lasts 10 days: 43 s.
fn founded() -> World {
    let mut draft = Charter::shipped().text().clone();
    draft.penalties.silent_collection.ban_days = 10;
    draft.penalties.data_extraction.probation_days = 10;
    let charter = Charter::new(draft).unwrap();
    let mut world = World::fast_under_seats(charter, 6, 4, SCALE);
    world.pass(Millis::from_secs(20));
    world
}

pub(super) fn report(accused: Option<PublicKey>) -> Report {
    Report {
        accused,
        sort: Violation::SilentCollection,
        description: "It kept where people were.\nSince spring."
            .to_owned()
            .try_into()
            .unwrap(),
        evidence: vec![ContentId::of(b"a log of it")],
        asked: "That it ends".parse().unwrap(),
    }
}

pub(super) fn sealed_report(
    world: &World,
    seed: u8,
    report: &Report,
) -> (Receipt, Verified<Record>) {
    let receipt = Receipt::of_seed(Zeroizing::new([seed; 32]));
    let key = world.first_keys(0).decryption;
    let mesh = world.peer(0).directory().mesh();
    let time = world.now().wall;
    let record = sealed::seal(&key, &mesh, report, &receipt, (time, WORK)).unwrap();
    (receipt, record)
}

pub(super) fn submit(world: &mut World, at: usize, record: &Verified<Record>) -> ContentId {
    let record = Box::new(record.to_unverified());
    world.recorded(at, Command::Case(CaseCommand::Submit(record)))
}

fn view(world: &mut World, at: usize) -> CasesView {
    match world.command(at, Command::Case(CaseCommand::List)) {
        Ok(Reply::Cases(cases)) => *cases,
        other => panic!("no cases: {other:?}"),
    }
}

fn known(world: &mut World, at: usize, case: ContentId) -> Option<CaseKnown> {
    let view = view(world, at);
    let mut cases = view.cases.into_iter();
    cases.find(|view| view.case == case)?.known
}

fn open_case(world: &mut World, at: usize, case: ContentId) -> Option<OpenCase> {
    let view = view(world, at);
    let mut cases = view.cases.into_iter();
    cases.find(|view| view.case == case)?.open
}

#[track_caller]
fn stands(world: &mut World, case: ContentId, stage: Stage) {
    for at in 0..world.nodes.len() {
        let known = known(world, at, case).map(|known| known.stage());
        assert_eq!(known, Some(stage), "node {at}");
    }
}

fn ledger(world: &mut World, at: usize) -> LedgerView {
    match world.command(at, Command::Case(CaseCommand::Ledger)) {
        Ok(Reply::Ledger(ledger)) => *ledger,
        other => panic!("no ledger: {other:?}"),
    }
}

fn balance(world: &mut World, at: usize, account: Account) -> i64 {
    let balances = ledger(world, at).balances;
    let found = balances.into_iter().find(|(held, _)| *held == account);
    found.map_or(0, |(_, balance)| balance)
}

fn say(world: &mut World, at: usize, case: ContentId, say: CaseSay) -> Result<Reply, CommandError> {
    let why = "looked at it".parse().unwrap();
    world.command(at, Command::Case(CaseCommand::Say { case, say, why }))
}

/// Has as many seats as decide, three of four, say the same.
fn agree(world: &mut World, case: ContentId, what: CaseSay) {
    for at in world.seats().into_iter().take(3) {
        say(world, at, case, what).unwrap();
    }
    world.pass(Millis(3_500));
}

fn found(accused: PublicKey, sort: Violation) -> CaseSay {
    CaseSay::Find(CaseFinding {
        accused,
        sort,
        bounty_x0: 500,
    })
}

/// Leads a report to a final verdict.
pub(super) fn sentenced(world: &mut World, sort: Violation) -> (ContentId, usize, usize) {
    let (accused, reporter) = world.outsiders();
    let accused_key = world.key(accused);
    let command = CaseCommand::Report(Box::new(report(Some(accused_key))));
    let case = world.recorded(reporter, Command::Case(command));
    world.pass(Millis(3_500));
    agree(world, case, CaseSay::Open);
    agree(world, case, found(accused_key, sort));
    stands(world, case, Stage::Announced);
    world.pass(WINDOW);
    stands(world, case, Stage::Final);
    (case, accused, reporter)
}

fn act(world: &World, by: usize) -> Command {
    let root = identity(1);
    Command::Propose {
        change: set_links(5),
        targets: Aim::Count(1),
        token: token(&root, world.key(by), &[]),
        root: root.capability_root().public(),
        life: Millis::from_mins(5),
    }
}

/// Signs a record as the next of a node's chain, past the node itself.
fn forged(world: &World, by: usize, time: Wall, body: Body) -> Verified<Record> {
    let mesh = world.peer(0).directory().mesh();
    let own = &world.nodes[by];
    let mut chain: Vec<_> = own.disk.records.values().collect();
    chain.retain(|record| record.value().author() == own.identity.public());
    let head = chain
        .iter()
        .max_by_key(|record| record.value().header().seq);
    let place = head.map_or((0, None), |head| {
        (head.value().header().seq + 1, Some(head.value().id()))
    });
    let author = own.identity.public();
    let draft = Draft::new(Some(mesh), author, place, time, [9; 16], body);
    draft.sign(&own.identity).unwrap()
}

#[test]
fn a_sealed_report_is_opened_by_the_seats_alone_and_leads_to_a_verdict_and_a_bounty() {
    let mut world = founded();
    let (accused, teller) = world.outsiders();
    let accused_key = world.key(accused);
    let told = report(Some(accused_key));
    let (receipt, record) = sealed_report(&world, 77, &told);
    let case = submit(&mut world, teller, &record);
    assert_eq!(case, record.value().id());
    world.pass(Millis(4_000));

    stands(&mut world, case, Stage::Reported);
    for at in world.seats() {
        let open = open_case(&mut world, at, case).expect("a seat reads it");
        assert_eq!(open.report.as_ref(), Some(&told), "node {at}");
        assert!(open.is_sealed());
    }
    for at in [accused, teller] {
        assert!(open_case(&mut world, at, case).is_none(), "node {at}");
        let bytes = world.nodes[at].disk.records[&case].value().bytes().to_vec();
        let reads = bytes.windows(9).any(|window| window == b"kept wher");
        assert!(!reads, "node {at} could read it");
    }
    // The reporter has a proof by now, and shows by it nothing but that it wrote this report.
    let taken_up = known(&mut world, teller, case).unwrap().taken_up.unwrap();
    assert_eq!(taken_up.statement.ruling().unwrap().case, case);
    let mesh = world.peer(0).directory().mesh();
    let proof = receipt.prove(mesh, case, "who are you?".to_owned());
    assert_eq!(proof.verify(), Ok(()));
    assert_eq!(proof.author, record.value().author());
    let mut other = proof.clone();
    other.challenge.push('!');
    assert!(other.verify().is_err());

    agree(&mut world, case, CaseSay::Open);
    stands(&mut world, case, Stage::Opened);
    agree(
        &mut world,
        case,
        found(accused_key, Violation::SilentCollection),
    );
    stands(&mut world, case, Stage::Announced);
    assert_eq!(
        ledger(&mut world, 0).last,
        0,
        "nothing moves before an appeal could be"
    );
    world.pass(WINDOW);
    stands(&mut world, case, Stage::Final);

    let one_time = Account::Key(record.value().author());
    for at in 0..6 {
        assert_eq!(balance(&mut world, at, Account::Key(accused_key)), -100_000);
        assert_eq!(balance(&mut world, at, Account::Fund), 99_500);
        assert_eq!(balance(&mut world, at, one_time), 500);
    }
    // Somebody without the receipt gets nothing.
    let to = world.key(teller);
    let thief = Receipt::of_seed(Zeroizing::new([78; 32]));
    let stolen = thief.claim(mesh, case, to, world.now().wall).unwrap();
    let stolen = CaseCommand::Submit(Box::new(stolen.to_unverified()));
    let refused = world.command(accused, Command::Case(stolen)).unwrap_err();
    assert_eq!(refused, CommandError::Record(RejectReason::Missing(case)));
    world.pass(Millis(4_000));
    assert_eq!(balance(&mut world, 0, Account::Key(to)), 0);
    let claim = receipt.claim(mesh, case, to, world.now().wall).unwrap();
    submit(&mut world, accused, &claim);
    world.pass(Millis(4_000));
    let again = receipt
        .claim(mesh, case, world.key(accused), world.now().wall)
        .unwrap();
    let again = CaseCommand::Submit(Box::new(again.to_unverified()));
    assert!(
        world.command(accused, Command::Case(again)).is_err(),
        "it is claimed once"
    );
    stands(&mut world, case, Stage::Claimed);
    for at in 0..6 {
        assert_eq!(balance(&mut world, at, Account::Key(to)), 500, "node {at}");
        assert_eq!(balance(&mut world, at, one_time), 0, "node {at}");
        let sum: i64 = ledger(&mut world, at)
            .balances
            .iter()
            .map(|(_, held)| held)
            .sum();
        assert_eq!(sum, 0);
    }
}

#[test]
fn a_suspended_member_is_refused_by_every_node_until_the_end_and_by_those_who_come_later() {
    let mut world = founded();
    let (_, accused, reporter) = sentenced(&mut world, Violation::SilentCollection);
    let key = world.key(accused);
    world.pass(Millis(1_000));

    // Its own node says so, and so does every other when it writes past its node.
    let invite = Command::Invite {
        key: identity(99).public(),
        life: Millis::from_mins(10),
    };
    let is_barred =
        |error: &CommandError| matches!(error, CommandError::Barred(Barred::Suspended { .. }));
    for command in [act(&world, accused), invite] {
        let refused = world.command(accused, command).unwrap_err();
        assert!(is_barred(&refused), "{refused}");
    }
    let mut before = Vec::new();
    let time = world.now().wall;
    for (dated, body) in [
        (time, Body::Report(Box::new(report(None)))),
        (Wall(time.0 - 60_000), Body::Report(Box::new(report(None)))),
        (time, forged_act(&world, accused)),
    ] {
        let record = forged(&world, accused, dated, body);
        for at in (0..6).filter(|at| *at != accused) {
            world.gossip(accused, at, &record);
            assert!(!world.peer(at).knows(&record.value().id()), "node {at}");
            let told = |event: &Event| matches!(event, Event::Rejected { why, .. } if why.contains("is suspended by a verdict until"));
            assert!(world.heard(at, told), "node {at}");
        }
        before.push(record.value().id());
    }
    let newcomer = world.join(reporter, 60);
    world.pass(Millis(3_000));
    for id in &before {
        assert!(!world.peer(newcomer).knows(id));
    }
    assert!(
        world
            .peer(newcomer)
            .directory()
            .barred(&key, mesh_time(&world))
            .is_some()
    );
    world.crash(0);
    world.boot_linked(0);
    for at in 0..6 {
        let barred = world.peer(at).directory().barred(&key, mesh_time(&world));
        assert!(
            matches!(barred, Some(Barred::Suspended { .. })),
            "node {at}"
        );
    }
    // It is not counted: a vote that opens now has 5 of the 6 founders in it.
    let vote = proposed(&mut world, reporter, b"while it is out");
    assert_eq!(voters(&mut world, reporter, vote), 5);
    let cast = VoteCommand::Cast {
        proposal: vote,
        choice: Choice::No,
    };
    world.command(accused, Command::Vote(cast)).ok();
    world.pass(Millis(2_000));

    world.pass(Millis::from_secs(45));

    for at in 0..6 {
        assert_eq!(
            world.peer(at).directory().barred(&key, mesh_time(&world)),
            None
        );
    }
    let after = forged(
        &world,
        accused,
        world.now().wall,
        Body::Report(Box::new(report(None))),
    );
    for at in (0..6).filter(|at| *at != accused) {
        world.gossip(accused, at, &after);
        assert!(world.peer(at).knows(&after.value().id()), "node {at}");
    }
    let vote = proposed(&mut world, reporter, b"back again");
    assert_eq!(voters(&mut world, reporter, vote), 6);
}

#[test]
fn an_invite_that_a_suspended_member_wrote_admits_nobody_whichever_record_comes_first() {
    let mut world = founded();
    let (accused, reporter) = world.outsiders();
    // One node hears of no ruling, and takes the invite and who comes by it.
    let late = world.seats()[3];
    world.deafen(&[late], &[Kind::RULING]);
    let (_, accused_again, _) = sentenced_but(&mut world, Violation::SilentCollection, late);
    assert_eq!((accused, reporter), (accused_again, world.outsiders().1));
    world.pass(Millis(1_000));
    let one_time = identity(90);
    let invite = forged(
        &world,
        accused,
        world.now().wall,
        Body::Invite(x0_protocol::wire::Invite {
            key: one_time.public(),
            expires: world.now().wall + Millis::from_mins(10),
            checkpoint: None,
        }),
    );
    world.gossip(accused, late, &invite);
    assert!(
        world.peer(late).knows(&invite.value().id()),
        "it knows of no verdict"
    );
    let newcomer = identity(91);
    let join = world.join_record(&newcomer, &one_time, invite.value().id());
    world.gossip(accused, late, &join);
    assert!(world.peer(late).directory().is_active(&newcomer.public()));

    world.undeafen();
    world.crash(late);
    world.boot_linked(late);
    world.pass(Millis::from_secs(4));

    for at in 0..6 {
        assert!(
            !world.peer(at).directory().is_active(&newcomer.public()),
            "node {at}"
        );
    }
}

#[test]
fn an_appeal_stops_the_penalty_and_a_second_decision_ends_the_case() {
    let mut world = founded();
    let (accused, reporter) = world.outsiders();
    let key = world.key(accused);
    let command = CaseCommand::Report(Box::new(report(None)));
    let case = world.recorded(reporter, Command::Case(command));
    world.pass(Millis(3_500));
    // Words that do not fit are refused with what would.
    let seat = world.seats()[0];
    let early = say(&mut world, seat, case, CaseSay::Uphold).unwrap_err();
    assert!(
        matches!(early, CommandError::Case(CaseRefusal::NotNow { .. })),
        "{early}"
    );
    agree(&mut world, case, CaseSay::Open);
    let rich = CaseSay::Find(CaseFinding {
        accused: key,
        sort: Violation::SilentCollection,
        bounty_x0: 1_001,
    });
    let refused = say(&mut world, seat, case, rich).unwrap_err();
    assert!(
        matches!(refused, CommandError::Case(CaseRefusal::Bounty { .. })),
        "{refused}"
    );
    agree(&mut world, case, found(key, Violation::SilentCollection));
    stands(&mut world, case, Stage::Announced);
    let appeal = |case| {
        let why = "It was another node".to_owned().try_into().unwrap();
        Command::Case(CaseCommand::Appeal(Box::new(Appeal { case, why })))
    };
    assert!(
        world.command(reporter, appeal(case)).is_err(),
        "only the accused appeals"
    );
    world.recorded(accused, appeal(case));
    world.pass(Millis(3_500));
    stands(&mut world, case, Stage::Appealed);
    world.pass(WINDOW);

    // Time alone lets no penalty begin, and shows that the decision is overdue.
    stands(&mut world, case, Stage::Appealed);
    let now = view(&mut world, reporter).time;
    assert!(known(&mut world, reporter, case).unwrap().is_overdue(now));
    let Ok(Reply::Status(status)) = world.command(reporter, Command::Status) else {
        panic!("no status");
    };
    assert_eq!(status.cases, (1, 1));
    agree(&mut world, case, CaseSay::Overturn);

    stands(&mut world, case, Stage::Overturned);
    for at in 0..6 {
        assert_eq!(
            world.peer(at).directory().barred(&key, mesh_time(&world)),
            None
        );
        assert_eq!(ledger(&mut world, at).last, 0);
    }
}

#[test]
fn probation_leaves_local_changes_and_removal_ends_the_membership_everywhere() {
    let mut world = founded();
    let (_, accused, reporter) = sentenced(&mut world, Violation::DataExtraction);
    world.pass(Millis(1_000));
    let refused = world.command(accused, act(&world, accused)).unwrap_err();
    assert!(
        matches!(refused, CommandError::Barred(Barred::Probation { .. })),
        "{refused}"
    );
    let command = CaseCommand::Report(Box::new(report(None)));
    world.recorded(accused, Command::Case(command));
    let local = Command::Local {
        change: set_links(3),
        token: token(&world.nodes[accused].identity, world.key(accused), &[]),
    };
    world.command(accused, local).unwrap();
    world.pass(Millis(3_500));

    let key = world.key(accused);
    let again = CaseCommand::Report(Box::new(report(Some(key))));
    let case = world.recorded(reporter, Command::Case(again));
    world.pass(Millis(3_500));
    agree(&mut world, case, CaseSay::Open);
    agree(
        &mut world,
        case,
        found(key, Violation::UnauthorizedOverride),
    );
    world.pass(WINDOW);

    for at in (0..6).filter(|at| *at != accused) {
        assert!(!world.peer(at).directory().is_active(&key), "node {at}");
        let gone = |event: &Event| matches!(event, Event::Gone { member } if *member == key);
        assert!(world.heard(at, gone), "node {at}");
    }
    assert_eq!(ledger(&mut world, reporter).last, 2);
}

#[test]
fn a_lying_seat_does_not_stop_the_opening_and_a_report_copied_or_without_work_comes_to_nothing() {
    let mut world = founded();
    let (accused, teller) = world.outsiders();
    let told = report(Some(world.key(accused)));
    world.lying.insert(world.seats()[1]);
    let (_, record) = sealed_report(&world, 50, &told);
    let case = submit(&mut world, teller, &record);
    world.pass(Millis::from_secs(6));
    let seat = world.seats()[0];
    let open = open_case(&mut world, seat, case).unwrap();
    assert_eq!(open.report, Some(told.clone()));

    // The same sealed bytes under another key.
    let Body::SealedReport(sealed) = record.value().body() else {
        panic!("it is sealed");
    };
    let thief = identity(200);
    let mesh = world.peer(0).directory().mesh();
    let mut copied = sealed.clone();
    copied.find_nonce(&mesh, &thief.public(), WORK);
    let time = world.now().wall;
    let draft = |body| Draft::new(Some(mesh), thief.public(), (0, None), time, [1; 16], body);
    let copy = draft(Body::SealedReport(copied.clone()))
        .sign(&thief)
        .unwrap();
    let copy = submit(&mut world, teller, &copy);
    world.pass(Millis::from_secs(6));
    stands(&mut world, copy, Stage::Dismissed);

    copied.nonce = (0..)
        .find(|nonce| {
            let mut tried = copied.clone();
            tried.nonce = *nonce;
            tried.work(&mesh, &thief.public()) < WORK
        })
        .unwrap();
    let idle = draft(Body::SealedReport(copied)).sign(&thief).unwrap_err();
    assert_eq!(idle, RejectReason::TooLittleWork);
}

#[test]
fn a_flood_of_sealed_reports_is_bounded_at_every_node() {
    let mut world = founded();
    let (accused, teller) = world.outsiders();
    let told = report(Some(world.key(accused)));
    let mut taken = 0;
    let mut refused = 0;
    for seed in 0..18 {
        let (_, record) = sealed_report(&world, 100 + seed, &told);
        let record = Box::new(record.to_unverified());
        match world.command(teller, Command::Case(CaseCommand::Submit(record))) {
            Ok(_) => taken += 1,
            Err(CommandError::Record(RejectReason::TooManyReports)) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }

    assert_eq!((taken, refused), (16, 2));
    // Nothing but what is bounded so can be handed in for a key that is none of a member.
    let other = forged(
        &world,
        accused,
        world.now().wall,
        Body::Report(Box::new(told)),
    );
    let other = Box::new(other.to_unverified());
    let refused = world.command(teller, Command::Case(CaseCommand::Submit(other)));
    assert_eq!(refused.unwrap_err(), CaseRefusal::NotForOthers.into());
}

#[test]
fn who_is_accused_has_no_word_in_its_case_and_a_suspended_seat_in_none() {
    let mut world = founded();
    let (_, reporter) = world.outsiders();
    let seats = world.seats();
    let (accused, judges) = (seats[3], &seats[..3]);
    let key = world.key(accused);
    let command = CaseCommand::Report(Box::new(report(Some(key))));
    let case = world.recorded(reporter, Command::Case(command));
    world.pass(Millis(3_500));
    let own = say(&mut world, accused, case, CaseSay::Dismiss).unwrap_err();
    assert_eq!(own, CaseRefusal::OwnCase(case).into());
    // Past its own node its word does not count either: three of the others must speak.
    let word = Body::CaseWord(Box::new(CaseWord {
        case,
        say: CaseSay::Open,
        why: "I say so".parse().unwrap(),
    }));
    let word = forged(&world, accused, world.now().wall, word);
    world.gossip(accused, judges[0], &word);
    for at in &judges[..2] {
        say(&mut world, *at, case, CaseSay::Open).unwrap();
    }
    world.pass(Millis(3_500));
    stands(&mut world, case, Stage::Reported);
    say(&mut world, judges[2], case, CaseSay::Open).unwrap();
    world.pass(Millis(3_500));
    stands(&mut world, case, Stage::Opened);
    agree(&mut world, case, found(key, Violation::SilentCollection));
    world.pass(WINDOW);
    stands(&mut world, case, Stage::Final);

    let command = CaseCommand::Report(Box::new(report(None)));
    let other = world.recorded(reporter, Command::Case(command));
    world.pass(Millis(3_500));
    let barred = say(&mut world, accused, other, CaseSay::Open).unwrap_err();
    assert!(matches!(barred, CommandError::Barred(_)), "{barred}");
    // The log goes on with its seat, and the others decide.
    agree(&mut world, other, CaseSay::Dismiss);
    stands(&mut world, other, Stage::Dismissed);
}

#[test]
fn a_case_is_decided_by_the_charter_that_a_vote_has_put_in_force() {
    let mut world = founded();
    let (_, reporter) = world.outsiders();
    let old = world.peer(0).charter().unwrap().clone();
    let mut draft = old.text().clone();
    draft.number += 1;
    draft.penalties.silent_collection.fine_x0 = 7;
    let new = Charter::new(draft).unwrap();
    world.recorded(reporter, Command::ProposeCharter(new.clone()));
    world.pass(Millis(500));
    let command = VoteCommand::Propose {
        subject: new.id(),
        text: "A lower fine".parse().unwrap(),
        rules: VoteRules::ordinary(),
        sealed: false,
    };
    let Ok(Reply::Voted(vote)) = world.command(reporter, Command::Vote(command)) else {
        panic!("it was not proposed");
    };
    world.pass(Millis(1_500));
    for at in 0..6 {
        let cast = VoteCommand::Cast {
            proposal: vote,
            choice: Choice::Yes,
        };
        world.command(at, Command::Vote(cast)).unwrap();
    }
    world.pass(Millis::from_secs(31));
    for at in 0..6 {
        assert_eq!(world.peer(at).charter(), Some(&new), "node {at}");
    }

    let (case, accused, _) = sentenced(&mut world, Violation::SilentCollection);

    let verdict = known(&mut world, reporter, case).unwrap().verdict.unwrap();
    assert_eq!(verdict.charter, new.id());
    let owed = Account::Key(world.key(accused));
    assert_eq!(balance(&mut world, reporter, owed), -7);
}

#[test]
fn what_follows_is_the_same_whatever_order_the_rulings_come_in() {
    let mut world = founded();
    let (first, accused, reporter) = sentenced(&mut world, Violation::DataExtraction);
    let key = world.key(accused);
    let (receipt, record) = sealed_report(&world, 42, &report(Some(key)));
    let case = submit(&mut world, reporter, &record);
    world.pass(Millis(4_000));
    agree(&mut world, case, CaseSay::Open);
    agree(&mut world, case, found(key, Violation::SilentCollection));
    world.pass(WINDOW);
    let mesh = world.peer(0).directory().mesh();
    let claim = receipt
        .claim(mesh, case, world.key(reporter), world.now().wall)
        .unwrap();
    submit(&mut world, reporter, &claim);
    world.pass(Millis(4_000));
    stands(&mut world, case, Stage::Claimed);
    let records = world.nodes[0].disk.records.values();
    let certificates: Vec<_> = records
        .filter_map(|record| {
            let Body::Ruling(certificate) = record.value().body() else {
                return None;
            };
            Some(**certificate)
        })
        .collect();
    // Two cases of four steps, and a claim.
    assert_eq!(certificates.len(), 9);
    let ruling = |certificate: &Certificate| *certificate.statement.ruling().unwrap();
    let told = |order: &[Certificate]| {
        let mut docket = Docket::default();
        let mut directory = world.peer(reporter).directory().clone();
        for certificate in order.iter().chain(order) {
            let ruling = ruling(certificate);
            docket.take(&ruling, certificate);
            if let Ruled::Final { verdict, .. } = ruling.ruled {
                let passed = (verdict.accused, ruling.case, verdict.sentence);
                directory.sentence(passed, (Wall(0), Wall(1)), Wall(0));
            }
        }
        let cases: Vec<_> = docket
            .cases()
            .map(|(case, known)| (*case, known.newest, known.verdict.clone()))
            .collect();
        let balances: Vec<_> = docket.ledger().balances().map(|(a, x0)| (*a, x0)).collect();
        let postings: Vec<_> = docket.ledger().postings().copied().collect();
        (
            cases,
            balances,
            postings,
            directory.sentences().collect::<Vec<_>>(),
        )
    };

    let expected = told(&certificates);

    assert_eq!(expected.0.len(), 2);
    assert!(expected.0.iter().any(|(case, ..)| *case == first));
    assert_eq!(expected.2.len(), 5, "two fines, two bounties, one claim");
    for turn in 1..certificates.len() {
        let mut order = certificates.clone();
        order.rotate_left(turn);
        assert_eq!(told(&order), expected, "rotated by {turn}");
        order.reverse();
        assert_eq!(told(&order), expected, "rotated by {turn} and reversed");
    }
}

#[test]
fn a_mesh_without_a_charter_takes_no_reports() {
    let mut world = World::founded(4);
    let command = CaseCommand::Report(Box::new(report(None)));
    let refused = world.command(0, Command::Case(command)).unwrap_err();
    assert_eq!(refused, CaseRefusal::NoCharter.into());
}

fn mesh_time(world: &World) -> Wall {
    let founded = super::world::START;
    let passed = world.now().wall.0 - founded.0;
    Wall(founded.0 + passed * u64::from(SCALE))
}

fn forged_act(world: &World, by: usize) -> Body {
    let root = identity(1);
    Body::Act(Act {
        change: set_links(5),
        targets: Targets::Nodes(vec![world.key((by + 1) % 6)]),
        root: root.capability_root().public(),
        token: token(&root, world.key(by), &[]),
        expires: world.now().wall + Millis::from_mins(5),
        warrants: Vec::new(),
    })
}

fn proposed(world: &mut World, at: usize, subject: &[u8]) -> ContentId {
    let command = VoteCommand::Propose {
        subject: ContentId::of(subject),
        text: "count us".parse().unwrap(),
        rules: VoteRules::ordinary(),
        sealed: false,
    };
    let Ok(Reply::Voted(id)) = world.command(at, Command::Vote(command)) else {
        panic!("it was not proposed");
    };
    world.pass(Millis(3_000));
    id
}

fn voters(world: &mut World, at: usize, vote: ContentId) -> u32 {
    let Ok(Reply::Votes(votes)) = world.command(at, Command::Vote(VoteCommand::List)) else {
        panic!("no votes");
    };
    let seen = votes.votes.into_iter().find(|seen| seen.proposal == vote);
    let opening = seen.and_then(|seen| seen.opening).expect("it is open");
    let Statement::Opened(opened) = opening.certificate.statement else {
        panic!("it tells of another vote");
    };
    opened.electorate.count
}

/// The same as [`sentenced`] where one node hears of no ruling.
fn sentenced_but(world: &mut World, sort: Violation, deaf: usize) -> (ContentId, usize, usize) {
    let (accused, reporter) = world.outsiders();
    let key = world.key(accused);
    let command = CaseCommand::Report(Box::new(report(Some(key))));
    let case = world.recorded(reporter, Command::Case(command));
    world.pass(Millis(3_500));
    agree(world, case, CaseSay::Open);
    agree(world, case, found(key, sort));
    world.pass(WINDOW);
    for at in (0..6).filter(|at| *at != deaf) {
        let stage = known(world, at, case).map(|known| known.stage());
        assert_eq!(stage, Some(Stage::Final), "node {at}");
    }
    (case, accused, reporter)
}
