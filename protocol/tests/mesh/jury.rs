//! Juries of the day: drawn ahead by the committee, and then nobody's leave is needed.

use x0_crypto::{ContentId, Identity, PublicKey};
use x0_protocol::{
    Command, CommandError, Event, Millis, Reply,
    core::vote::{JuryView, VoteCommand, VoteRefusal},
    spine::{
        ballot::Kind,
        halt::{HaltReport, Standing},
    },
    wire::{
        Act, Body, Choice, Draft, JuryProof, NotPassed, Record, Targets, Verified, VoteProof,
        VoteRules,
    },
};

use super::world::{World, identity, set_links, token};

/// A day passes in 43 s, two hours in 3.6 s.
const SCALE: u32 = 2_000;

/// Four seats, and eight members without one, of whom all but the last serve on juries.
struct Mesh {
    world: World,
    seated: Vec<usize>,
    others: Vec<usize>,
}

impl Mesh {
    fn with_jury() -> Self {
        let mut world = World::fast_with_seats(12, 4, SCALE);
        world.pass(Millis::from_secs(20));
        let seats = world.genesis_body().seats.clone();
        let (seated, others): (Vec<_>, Vec<_>) =
            (0..12).partition(|at| seats.contains(&world.key(*at)));
        for at in &others[..7] {
            let command = VoteCommand::OnCall { serves: true };
            world.command(*at, Command::Vote(command)).unwrap();
        }
        // The draw, and the day until the jury serves.
        world.pass(Millis::from_secs(60));
        Self {
            world,
            seated,
            others,
        }
    }

    fn view(&mut self, at: usize) -> JuryView {
        match self.world.command(at, Command::Vote(VoteCommand::Jury)) {
            Ok(Reply::Jury(view)) => *view,
            other => panic!("no juries: {other:?}"),
        }
    }

    fn report(&mut self, at: usize) -> HaltReport {
        match self.world.command(at, Command::Halt) {
            Ok(Reply::Halt(report)) => *report,
            other => panic!("no report: {other:?}"),
        }
    }

    fn halted(&mut self) -> usize {
        let up: Vec<_> = (0..12)
            .filter(|at| self.world.nodes[*at].peer.is_some())
            .collect();
        let is_halted = |mesh: &mut Self, at: usize| {
            matches!(mesh.report(at).standing, Standing::Halted { .. })
        };
        up.into_iter().filter(|at| is_halted(self, *at)).count()
    }

    fn silence_the_committee(&mut self) {
        for at in self.seated.clone() {
            self.world.crash(at);
        }
        self.world.settle();
    }

    fn wake_the_committee(&mut self) {
        for at in self.seated.clone() {
            self.world.boot(at, false);
        }
        for one in 0..12 {
            for other in one + 1..12 {
                self.world.link(one, other);
            }
        }
        self.world.settle();
    }

    /// Has one node change three others by one act each, past the committee: the mesh is halted.
    fn halt(&mut self) {
        let [rogue, a, b, c, ..] = self.others[..] else {
            panic!("eight are there");
        };
        let by = identity(u8::try_from(rogue + 1).unwrap());
        for act in stroke(&self.world, &by, [a, b, c]) {
            self.world.gossip(rogue, a, &act);
        }
        self.world.pass(Millis::from_secs(10));
    }

    fn ask(&mut self, at: usize, subject: ContentId) -> Result<ContentId, CommandError> {
        let mut rules = VoteRules::emergency();
        rules.kind = Kind::Emergency {
            window: Millis::from_mins(24 * 60),
        };
        let command = VoteCommand::Propose {
            subject,
            text: "Go on: the act was meant well".parse().unwrap(),
            rules,
            sealed: false,
        };
        let reply = self.world.command(at, Command::Vote(command))?;
        let Reply::Voted(id) = reply else {
            panic!("not proposed: {reply:?}");
        };
        Ok(id)
    }

    fn cast(&mut self, at: usize, item: ContentId, choice: Choice) -> Result<Reply, CommandError> {
        let proposal = item;
        let command = VoteCommand::Cast { proposal, choice };
        self.world.command(at, Command::Vote(command))
    }
}

fn stroke(world: &World, by: &Identity, nodes: [usize; 3]) -> Vec<Verified<Record>> {
    let mesh = Some(world.genesis.value().id());
    let mut last = None;
    let acts = nodes.into_iter().zip(0..).map(|(at, seq)| {
        let time = world.now().wall;
        let body = Body::Act(Act {
            change: set_links(5),
            targets: Targets::Nodes(vec![world.key(at)]),
            root: identity(1).capability_root().public(),
            token: token(&identity(1), by.public(), &[]),
            expires: time + Millis::from_mins(10),
            warrants: Vec::new(),
        });
        let draft = Draft::new(mesh, by.public(), (seq, last), time, [7; 16], body);
        let record = draft.sign(by).unwrap();
        last = Some(record.value().id());
        record
    });
    acts.collect()
}

#[test]
fn the_jury_of_a_day_is_known_to_all_a_day_ahead_and_one_serves_at_a_time() {
    let mut mesh = Mesh::with_jury();
    let mut jurors: Vec<PublicKey> = mesh.others[..7]
        .iter()
        .map(|at| mesh.world.key(*at))
        .collect();
    jurors.sort_unstable();
    for _ in 0..3 {
        let days = mesh.view(0).days;
        for at in 0..12 {
            let view = mesh.view(at);
            assert_eq!(view.days.len(), days.len(), "node {at}");
            let serving = view.days.iter().filter(|day| day.stated.serves(view.time));
            let serving: Vec<_> = serving.collect();
            assert_eq!(serving.len(), 1, "node {at}");
            assert_eq!(serving[0].jury, jurors, "all who are on call");
            let ahead = view.days.iter().filter(|day| day.stated.from > view.time);
            assert_eq!(ahead.count(), 1, "node {at} knows the next");
        }
        mesh.world.pass(Millis::from_secs(43));
    }
}

#[test]
fn a_jury_ends_a_halt_while_no_seat_can_be_reached_and_the_committee_heeds_it_afterwards() {
    let mut mesh = Mesh::with_jury();
    mesh.halt();
    assert_eq!(mesh.halted(), 12, "the committee has halted the mesh");
    mesh.silence_the_committee();
    assert_eq!(mesh.halted(), 8);
    let (asker, outsider) = (mesh.others[6], mesh.others[7]);
    let halt = mesh.report(asker).halts[0].id;
    let subject = halt.resumption();

    let item = mesh.ask(outsider, subject).unwrap();
    mesh.world.pass(Millis(500));
    let refused = mesh.cast(outsider, item, Choice::Yes).unwrap_err();
    assert_eq!(refused, CommandError::Vote(VoteRefusal::NotAJuror(item)));
    // A node that was away when it was asked hears of it from the others.
    let away = mesh.others[5];
    mesh.world.crash(away);
    mesh.cast(mesh.others[1], item, Choice::No).unwrap();
    for at in [2, 3, 4] {
        mesh.cast(mesh.others[at], item, Choice::Yes).unwrap();
    }
    mesh.world.pass(Millis(500));
    assert_eq!(mesh.halted(), 7, "three of seven are no majority");
    let case = mesh.view(asker).cases[0].1.clone();
    assert_eq!((case.said(Choice::Yes), case.said(Choice::No)), (3, 1));
    assert_eq!((case.needed(), case.proof()), (4, None));

    mesh.world.boot(away, false);
    for other in mesh.others.clone() {
        if other != away {
            mesh.world.link(away, other);
        }
    }
    mesh.world.settle();
    mesh.world.pass(Millis::from_secs(5));
    mesh.cast(away, item, Choice::Yes).unwrap();
    mesh.world.pass(Millis(500));

    assert_eq!(mesh.halted(), 0, "four of seven have said yes");
    let proof = mesh.view(outsider).cases[0]
        .1
        .proof()
        .expect("it has passed");
    let id = mesh.world.peer(asker).directory().mesh();
    let keys = mesh.world.nodes[asker]
        .disk
        .records
        .values()
        .find_map(|record| {
            let Body::Keys(named) = record.value().body() else {
                return None;
            };
            named.keys().copied()
        });
    let check = |proof: &JuryProof| {
        let proof = VoteProof::Jury(Box::new(proof.clone()));
        proof.check(&id, &keys.unwrap(), &subject)
    };
    assert_eq!(check(&proof).map(|passed| passed.proposal()), Ok(item));
    let mut too_few = proof.clone();
    too_few.ballots.pop();
    assert!(matches!(check(&too_few), Err(NotPassed::Jury(_))));
    let mut of_others = proof.clone();
    of_others.jury.pop();
    assert_eq!(check(&of_others), Err(NotPassed::OtherJury));
    let mut another_day = proof.clone();
    another_day.proposal.made = another_day.proposal.made + Millis::from_mins(48 * 60);
    assert_eq!(check(&another_day), Err(NotPassed::OtherJury));

    // What was decided is still so after a restart, and the seats take it in when they are back.
    mesh.world.crash(asker);
    mesh.world.boot(asker, false);
    assert_eq!(mesh.halted(), 0);
    mesh.wake_the_committee();
    mesh.world.pass(Millis::from_secs(40));
    let heeded = |event: &Event| matches!(event, Event::Vote { what, .. } if what.contains("passed by 4 jurors' ballots"));
    assert!(mesh.world.heard(mesh.seated[0], heeded));
    assert_eq!(mesh.halted(), 0);
}
