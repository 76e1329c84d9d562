//! A call in an emergency: decided by the jury of the day and answered by guardians, with no seat up.

use x0_crypto::{
    ContentId, Identity, OnionAddress,
    sublime::{CardSeed, ItemParts},
};
use x0_protocol::{
    Command, CommandError, Millis, Reply,
    core::{
        emergency::{CallsView, EmergencyCommand, EmergencyRefusal},
        sublime::SublimeCommand,
        vote::VoteCommand,
    },
    sublime::calling::{self, Called, Gathering, Learnt, NotBelieved, OnCard, Part},
    wire::{
        Body, CallStage, CallStanding, CardRevoked, CardTerms, Choice, HelloShown, Reason, Record,
        SublimeBody, decode_record, keys_name,
    },
};
use zeroize::Zeroizing;

use super::{
    sublime::{Put, put_parts},
    world::World,
};

/// A day passes in 43 s.
const SCALE: u32 = 2_000;
const OWNER: usize = 0;

/// Twelve members: four seats; all but the owner are guardians, and all without a seat but one serve on juries.
struct Mesh {
    world: World,
    seated: Vec<usize>,
    jurors: Vec<usize>,
    /// A member who sits on nothing: devices reach its node.
    relay: usize,
    card: CardSeed,
    put: Put,
}

fn reason() -> Reason {
    "They are at the door".parse().unwrap()
}

impl Mesh {
    fn founded(veto: Millis) -> Self {
        let mut world = World::fast_with_seats(12, 4, SCALE);
        world.pass(Millis::from_secs(20));
        let seats = world.genesis_body().seats.clone();
        let (seated, mut jurors): (Vec<_>, Vec<_>) =
            (0..12).partition(|at| seats.contains(&world.key(*at)));
        let relay = jurors.pop().unwrap();
        for at in 1..12 {
            world.recorded(at, Command::Sublime(SublimeCommand::Serve(true)));
        }
        for at in &jurors {
            let command = VoteCommand::OnCall { serves: true };
            world.command(*at, Command::Vote(command)).unwrap();
        }
        world.pass(Millis::from_secs(60));
        let card = CardSeed::from_bytes([5; 32]);
        let put = put_with_card(&mut world, relay, &card, veto);
        Self {
            world,
            seated,
            jurors,
            relay,
            card,
            put,
        }
    }

    fn mesh(&self) -> ContentId {
        self.world.genesis.value().id()
    }

    fn ask(&mut self, at: usize, command: EmergencyCommand) -> Result<Reply, CommandError> {
        self.world.command(at, Command::Emergency(command))
    }

    fn hello(&mut self, at: usize) -> HelloShown {
        let Ok(Reply::Hello(mut hello)) = self.ask(at, EmergencyCommand::Hello(self.put.item))
        else {
            panic!("no hello");
        };
        let manifest = &self.world.nodes[at].disk.records[&self.put.item];
        hello.manifest = manifest.value().bytes().to_vec().into();
        *hello
    }

    fn learn(&mut self, hello: HelloShown, card: &CardSeed) -> Result<Learnt, NotBelieved> {
        let (mesh, item, key) = (self.mesh(), self.put.item, card.signer().public());
        let on_card = OnCard {
            mesh: &mesh,
            item: &item,
            card: &key,
        };
        calling::learn(on_card, hello)
    }

    fn calls(&mut self, at: usize) -> CallsView {
        match self.ask(at, EmergencyCommand::Calls) {
            Ok(Reply::Calls(view)) => *view,
            other => panic!("no calls: {other:?}"),
        }
    }

    fn standing(&mut self, at: usize, call: ContentId) -> CallStanding {
        match self.ask(at, EmergencyCommand::Standing(call)) {
            Ok(Reply::CallStanding(standing)) => *standing,
            other => panic!("no standing: {other:?}"),
        }
    }

    /// Calls with a card, and asks the jury.
    fn call(&mut self, learnt: &Learnt, card: &Identity, seed: u8) -> Result<Called, CommandError> {
        let (mesh, item, key) = (self.mesh(), self.put.item, card.public());
        let on_card = OnCard {
            mesh: &mesh,
            item: &item,
            card: &key,
        };
        let jury = learnt.jury.clone().unwrap_or_default();
        let now = self.world.now().wall;
        let seed = Zeroizing::new([seed; 32]);
        let called = calling::call((on_card, card), (&jury, &reason()), now, &seed).unwrap();
        let record = decode_record(called.record.bytes()).unwrap();
        let relay = self.relay;
        self.ask(relay, EmergencyCommand::Call(Box::new(record)))?;
        self.ask(relay, EmergencyCommand::Convene(called.record.id()))?;
        self.world.spread(&called.record.id());
        Ok(called)
    }

    /// Has so many jurors say something about a call.
    fn decide(&mut self, call: ContentId, jurors: usize, choice: Choice) {
        for at in self.jurors.clone().into_iter().take(jurors) {
            let calls = self.calls(at).calls;
            let known = calls.into_iter().find(|known| known.id == call).unwrap();
            let asked = known.asked.unwrap();
            if asked.own.is_some() {
                continue;
            }
            let proposal = asked.proposal;
            let command = VoteCommand::Cast { proposal, choice };
            self.world.command(at, Command::Vote(command)).unwrap();
        }
        self.world.settle();
    }

    fn silence_the_committee(&mut self) {
        for at in self.seated.clone() {
            self.world.crash(at);
        }
        self.world.settle();
    }

    /// Opens what is said about the item with what the relay was handed.
    fn open(&mut self, learnt: &Learnt, called: &Called) -> Option<Vec<u8>> {
        let (mesh, id) = (self.mesh(), called.record.id());
        let standing = self.standing(self.relay, id);
        let mut gathering = Gathering::new(mesh, id, learnt.sharing.clone());
        for (from, part) in &standing.parts {
            assert_eq!(gathering.take(&called.secret, from, part), Part::Good);
        }
        let keys = gathering.open(&self.put.key, &self.card.second(&self.put.key))?;
        Some(keys.metadata.open(b"about", &self.put.about).ok()?.to_vec())
    }
}

fn put_with_card(world: &mut World, at: usize, card: &CardSeed, veto: Millis) -> Put {
    let parts = ItemParts::draw_with_card(&[1; 32], b"test", card);
    let signer = Identity::from_seed(parts.signing_seed.clone());
    let Ok(Reply::Drawn(drawn)) = world.command(
        OWNER,
        Command::Sublime(SublimeCommand::Draw(signer.public())),
    ) else {
        panic!("nobody drawn");
    };
    let mesh = world.genesis.value().id();
    let keys = *world.nodes[at]
        .disk
        .records
        .values()
        .find_map(|record| record.value().body().committee_keys())
        .unwrap();
    assert_eq!(drawn.committee_name, keys_name(&mesh, &keys));
    let terms = CardTerms {
        key: card.signer().public(),
        committee: drawn.committee_name,
        label: "Where the wells are".parse().unwrap(),
        policy: "Whoever has the card and is in danger".parse().unwrap(),
        veto,
    };
    let terms = Some(Box::new(terms));
    put_parts(world, (parts, signer), (terms, None), 1)
}

#[test]
fn guardians_answer_a_call_that_a_jury_has_passed_while_no_seat_is_up() {
    let mut mesh = Mesh::founded(Millis(0));
    let card = mesh.card.signer();
    let hello = mesh.hello(mesh.relay);
    let learnt = mesh.learn(hello, &CardSeed::from_bytes([5; 32])).unwrap();
    assert!(learnt.is_known_committee);
    let jury = learnt.jury.clone().unwrap();
    assert_eq!(jury.len(), mesh.jurors.len());

    mesh.silence_the_committee();
    let called = mesh.call(&learnt, &card, 9).unwrap();
    let id = called.record.id();
    let needed = jury.len() / 2 + 1;
    mesh.decide(id, needed - 1, Choice::Yes);
    let standing = mesh.standing(mesh.relay, id);
    assert_eq!(standing.stage, CallStage::Open);
    assert_eq!(
        (standing.yes as usize, standing.parts.len()),
        (needed - 1, 0)
    );
    assert!(mesh.open(&learnt, &called).is_none());

    // A juror's node opens the reason; the relay's, which sits on nothing, does not.
    let juror = mesh.jurors[0];
    let read = mesh.ask(juror, EmergencyCommand::Reason(id)).unwrap();
    assert!(matches!(read, Reply::Reason(Some(told)) if told == reason()));
    let relay = mesh.relay;
    let read = mesh.ask(relay, EmergencyCommand::Reason(id)).unwrap();
    assert!(matches!(read, Reply::Reason(None)));

    mesh.decide(id, needed, Choice::Yes);
    mesh.world.pass(Millis::from_secs(2));
    let standing = mesh.standing(mesh.relay, id);
    assert_eq!(standing.stage, CallStage::Granted);
    assert!(standing.parts.len() >= 3, "{}", standing.parts.len());
    let about = mesh.open(&learnt, &called).unwrap();
    assert_eq!(about, b"Where the well is");

    // A guardian that lies is named, and the others' shares do without it.
    let mut gathering = Gathering::new(mesh.mesh(), id, learnt.sharing.clone());
    let ((liar, lie), honest) = standing.parts.split_first().unwrap();
    let mut lie = lie.clone();
    lie.sealed[40] ^= 1;
    assert_eq!(gathering.take(&called.secret, liar, &lie), Part::Bad);
    for (from, part) in honest {
        assert_eq!(gathering.take(&called.secret, from, part), Part::Good);
        assert_eq!(gathering.take(&called.secret, from, part), Part::Before);
    }
    assert_eq!(gathering.bad().collect::<Vec<_>>(), [liar]);
    let second = mesh.card.second(&mesh.put.key);
    assert!(gathering.open(&mesh.put.key, &second).is_some());

    // Each guardian keeps its own part too, for a device that reaches it alone.
    let guardian = mesh.jurors[1];
    let own = mesh.standing(guardian, id).parts;
    let key = mesh.world.key(guardian);
    assert!(own.iter().all(|(from, _)| *from == key));

    // Nothing opens it but the card: another second part gives other keys.
    mesh.card = CardSeed::from_bytes([6; 32]);
    assert!(mesh.open(&learnt, &called).is_none());
}

#[test]
fn what_was_sealed_for_a_call_is_there_after_a_restart() {
    let mut mesh = Mesh::founded(Millis(0));
    let card = mesh.card.signer();
    let hello = mesh.hello(mesh.relay);
    let learnt = mesh.learn(hello, &CardSeed::from_bytes([5; 32])).unwrap();
    let called = mesh.call(&learnt, &card, 9).unwrap();
    mesh.decide(called.record.id(), mesh.jurors.len(), Choice::Yes);
    mesh.world.pass(Millis::from_secs(2));
    let before = mesh.standing(mesh.relay, called.record.id()).parts.len();
    assert!(before >= 3);
    let relay = mesh.relay;
    mesh.world.crash(relay);
    mesh.world.boot(relay, false);
    mesh.world.settle();
    assert_eq!(mesh.standing(relay, called.record.id()).parts.len(), before);
    assert!(mesh.open(&learnt, &called).is_some());
}

#[test]
fn a_jury_that_says_no_has_denied_it() {
    let mut mesh = Mesh::founded(Millis(0));
    let card = mesh.card.signer();
    let hello = mesh.hello(mesh.relay);
    let learnt = mesh.learn(hello, &CardSeed::from_bytes([5; 32])).unwrap();
    let called = mesh.call(&learnt, &card, 9).unwrap();
    mesh.decide(called.record.id(), mesh.jurors.len(), Choice::No);
    mesh.world.pass(Millis::from_secs(5));
    let standing = mesh.standing(mesh.relay, called.record.id());
    assert_eq!(standing.stage, CallStage::Denied);
    assert_eq!(standing.parts, []);
}

#[test]
fn the_owner_revokes_a_card_in_the_veto_time() {
    let mut mesh = Mesh::founded(Millis::from_mins(6 * 60));
    let card = mesh.card.signer();
    let hello = mesh.hello(mesh.relay);
    let learnt = mesh.learn(hello, &CardSeed::from_bytes([5; 32])).unwrap();
    let called = mesh.call(&learnt, &card, 9).unwrap();
    let id = called.record.id();
    mesh.decide(id, mesh.jurors.len(), Choice::Yes);
    let stage = mesh.standing(mesh.relay, id).stage;
    assert!(matches!(stage, CallStage::Veto { .. }), "{stage:?}");

    let signer = ItemParts::draw_with_card(&[1; 32], b"test", &mesh.card).signing_seed;
    let (own, stranger) = (Identity::from_seed(signer.clone()), &mesh.card.signer());
    let forged = CardRevoked {
        item: mesh.put.key,
        ..CardRevoked::sign(stranger, &mesh.mesh())
    };
    let refused = mesh.ask(OWNER, EmergencyCommand::Revoke(forged));
    let wrong = EmergencyRefusal::NotItsKey(mesh.put.key);
    assert_eq!(refused.err(), Some(wrong.into()));
    let word = CardRevoked::sign(&own, &mesh.mesh());
    mesh.world
        .recorded(OWNER, Command::Emergency(EmergencyCommand::Revoke(word)));
    mesh.world.settle();

    let Ok(Reply::Sublime(view)) = mesh
        .world
        .command(mesh.relay, Command::Sublime(SublimeCommand::Show))
    else {
        panic!("nothing shown");
    };
    assert!(view.items.iter().all(|(_, _, shared)| shared.card_revoked));
    // Past the veto time, nothing was released.
    mesh.world.pass(Millis::from_secs(15));
    let standing = mesh.standing(mesh.relay, id);
    assert_eq!(
        (standing.stage, standing.parts.len()),
        (CallStage::Revoked, 0)
    );
    let again = mesh.call(&learnt, &card, 10).err();
    let revoked = EmergencyRefusal::Revoked(mesh.put.item);
    assert_eq!(again, Some(revoked.into()));
}

#[test]
fn the_veto_time_passes_and_then_guardians_answer() {
    let mut mesh = Mesh::founded(Millis::from_mins(4 * 60));
    let card = mesh.card.signer();
    let hello = mesh.hello(mesh.relay);
    let learnt = mesh.learn(hello, &CardSeed::from_bytes([5; 32])).unwrap();
    let called = mesh.call(&learnt, &card, 9).unwrap();
    mesh.decide(called.record.id(), mesh.jurors.len(), Choice::Yes);
    assert!(mesh.open(&learnt, &called).is_none());
    mesh.world.pass(Millis::from_secs(10));
    assert!(mesh.open(&learnt, &called).is_some());
}

#[test]
fn without_the_card_nobody_calls_and_no_card_is_crowded_out() {
    let mut mesh = Mesh::founded(Millis(0));
    let hello = mesh.hello(mesh.relay);
    let stranger = CardSeed::from_bytes([8; 32]);
    let other = mesh.learn(hello.clone(), &stranger);
    assert_eq!(other.err(), Some(NotBelieved::OtherCard));
    let learnt = mesh.learn(hello, &CardSeed::from_bytes([5; 32])).unwrap();
    let refused = mesh.call(&learnt, &stranger.signer(), 1).err();
    let wrong = EmergencyRefusal::NoSuchCard(mesh.put.item);
    assert_eq!(refused, Some(wrong.into()));

    // Past the node that refuses, by gossip: many are dropped, and those that are kept grant nothing.
    let (mesh_id, item) = (mesh.mesh(), mesh.put.item);
    let key = stranger.signer().public();
    let on_card = OnCard {
        mesh: &mesh_id,
        item: &item,
        card: &key,
    };
    let now = mesh.world.now().wall;
    let flood: Vec<Record> = (0..24)
        .map(|seed| {
            let seed = Zeroizing::new([seed; 32]);
            let by = (on_card, &stranger.signer());
            calling::call(by, (&[], &reason()), now, &seed)
                .unwrap()
                .record
        })
        .collect();
    let (from, to) = (mesh.jurors[0], mesh.relay);
    for record in &flood {
        let record = decode_record(record.bytes()).unwrap().verify().unwrap();
        mesh.world.gossip(from, to, &record);
    }
    mesh.world.settle();
    let kept = mesh.world.nodes[to].disk.records.values();
    let kept = kept.filter(|record| {
        let body = record.value().body();
        matches!(body, Body::Sublime(SublimeBody::Call(_)))
    });
    assert_eq!(kept.count(), 16);
    assert_eq!(mesh.calls(to).calls.len(), 0);
    let card = mesh.card.signer();
    assert!(mesh.call(&learnt, &card, 99).is_ok());
    assert_eq!(mesh.calls(to).calls.len(), 1);
}

#[test]
fn a_node_that_lies_to_a_device_is_not_believed() {
    let mut mesh = Mesh::founded(Millis(0));
    let hello = mesh.hello(mesh.relay);
    let own = CardSeed::from_bytes([5; 32]);

    let mut other_jury = hello.clone();
    other_jury.jury.as_mut().unwrap().jury.pop();
    assert_eq!(mesh.learn(other_jury, &own).err(), Some(NotBelieved::Jury));
    let mut other_day = hello.clone();
    let drawn = &mut other_day.jury.as_mut().unwrap().drawn;
    drawn.epoch += 1;
    assert_eq!(mesh.learn(other_day, &own).err(), Some(NotBelieved::Jury));
    let mut other_item = hello.clone();
    let genesis = mesh.world.genesis.value().bytes().to_vec();
    other_item.manifest = genesis.into();
    let not = mesh.learn(other_item, &own).err();
    assert!(matches!(not, Some(NotBelieved::Manifest(_))));
    let mut other_committee = hello.clone();
    other_committee.committee.decryption = other_committee.committee.beacon;
    let learnt = mesh.learn(other_committee, &own).unwrap();
    assert!(!learnt.is_known_committee);
}

#[test]
fn members_say_where_their_nodes_are_reached_and_whoever_makes_a_card_sees_the_subtree_of_each() {
    let mut mesh = Mesh::founded(Millis(0));
    let address = |node: u8| OnionAddress::from_key([node; 32]);
    let (first, second) = (mesh.jurors[0], mesh.jurors[1]);
    for (at, node) in [(first, 1), (second, 2), (first, 3)] {
        let command = EmergencyCommand::Onion(Some(address(node)));
        mesh.world.recorded(at, Command::Emergency(command));
        mesh.world.settle();
    }
    // What is no news is not said again.
    let again = mesh.ask(first, EmergencyCommand::Onion(Some(address(3))));
    assert!(matches!(again, Ok(Reply::Done)));

    let view = mesh.calls(mesh.relay);
    let seen = |at: usize| {
        let key = mesh.world.key(at);
        let onions = view.onions.iter();
        onions
            .filter(move |onion| onion.member == key)
            .collect::<Vec<_>>()
    };
    assert_eq!(view.onions.len(), 2);
    for (at, node) in [(first, 3), (second, 2)] {
        let [onion] = seen(at)[..] else {
            panic!("one word of a member counts");
        };
        assert_eq!(onion.address, address(node));
        // Founders stand at the head of their own subtrees.
        assert_eq!(onion.subtree, onion.member);
    }
    assert!(view.checkpoint.is_some_and(|known| known.height > 0));
    let off = mesh.ask(second, EmergencyCommand::Onion(None));
    assert!(matches!(off, Ok(Reply::Recorded(_))));
    mesh.world.settle();
    assert_eq!(mesh.calls(mesh.relay).onions.len(), 1);
}
