//! An owner who lost every device is let in by people who know it: by enough of them, after a time in which it can be stopped,
//! and by nobody else.

use x0_crypto::{ContentId, Identity, sublime::HybridSecret};
use x0_protocol::{
    Command, CommandError, Millis, Reply,
    core::sublime::{AttestedView, Standing, SublimeCommand, SublimeRefusal},
    spine::audit::What,
    wire::{
        Attestation, Body, Choice, Draft, Record, SublimeBody, TrusteeSalt, TrusteeTerms,
        TrusteesRevoked, Verified, spoken_number,
    },
};
use zeroize::Zeroizing;

use super::{
    sublime::{
        ASKER, OWNER, Put, ask, asking, decide, founded, opened, parts, put_parts, released,
        standing,
    },
    world::World,
};

/// Who attests; two of the three must.
const TRUSTEES: [usize; 3] = [1, 2, 3];
/// A member who is no trustee, and guards the item.
const STRANGER: usize = 4;
/// Mesh time; a day passes in 4.3 s.
const WAIT: Millis = Millis::from_mins(24 * 60);

struct Lost {
    world: World,
    put: Put,
    /// The item's key, as it was when the item was put.
    signer: Identity,
}

impl Lost {
    fn put() -> Self {
        let mut world = founded();
        let (parts, signer) = parts(1);
        let mesh = world.genesis.value().id();
        let members = TRUSTEES.map(|at| world.key(at));
        let of = (&mesh, &signer.public());
        let terms = TrusteeTerms::name(of, &members, (2, WAIT), &[6; 32]).unwrap();
        let seed = parts.signing_seed.clone();
        let put = put_parts(
            &mut world,
            (parts, signer),
            (None, Some(Box::new(terms))),
            1,
        );
        let signer = Identity::from_seed(seed);
        Self { world, put, signer }
    }

    fn recover(&mut self, by: usize, seed: u8) -> (ContentId, HybridSecret) {
        let secret = HybridSecret::from_seed(Zeroizing::new([seed; 32]));
        let command = asking(self.put.item, &secret, true);
        let id = self.world.recorded(by, Command::Sublime(command));
        self.world.settle();
        self.rest();
        (id, secret)
    }

    fn attest(
        &mut self,
        at: usize,
        request: ContentId,
        is_owner: bool,
    ) -> Result<Reply, CommandError> {
        let said = ask(
            &mut self.world,
            at,
            SublimeCommand::Attest { request, is_owner },
        );
        self.world.settle();
        self.rest();
        said
    }

    /// Lets nodes look at what is new.
    fn rest(&mut self) {
        self.world.pass(Millis(50));
    }

    fn seen(&mut self, at: usize, request: ContentId) -> AttestedView {
        let Ok(Reply::Recoveries(views)) = ask(&mut self.world, at, SublimeCommand::Recoveries)
        else {
            panic!("nothing is listed");
        };
        let mut views = views.into_iter();
        views.find(|view| view.request.id == request).unwrap()
    }

    fn stands(&mut self, request: ContentId) -> Standing {
        standing(&mut self.world, STRANGER, request)
    }

    fn parts_of(&mut self, request: ContentId) -> usize {
        released(&mut self.world, request).parts.len()
    }

    fn opens(&mut self, request: ContentId, secret: &HybridSecret) -> bool {
        let view = released(&mut self.world, request);
        let opened = opened(&self.world, &view, &self.put, secret);
        opened.is_ok_and(|about| about == b"Where the well is")
    }

    fn revoke(&mut self, word: TrusteesRevoked) -> Result<Reply, CommandError> {
        let said = ask(&mut self.world, OWNER, SublimeCommand::RevokeTrustees(word));
        self.world.settle();
        self.rest();
        said
    }

    fn wait(&mut self) {
        self.world.pass(Millis::from_secs(6));
    }

    /// Writes what a member says with a changed program.
    fn forged(&self, at: usize, said: Attestation) -> Verified<Record> {
        let identity = &self.world.nodes[at].identity;
        let own = self.world.nodes[at].disk.records.values();
        let own = own.filter(|record| record.value().author() == identity.public());
        let newest = own
            .max_by_key(|record| record.value().header().seq)
            .unwrap();
        let place = (newest.value().header().seq + 1, Some(newest.value().id()));
        let body = Body::Sublime(SublimeBody::Attestation(said));
        let mesh = Some(self.world.genesis.value().id());
        let time = self.world.now().wall;
        let draft = Draft::new(mesh, identity.public(), place, time, [7; 16], body);
        draft.sign(identity).unwrap()
    }

    fn told(&self, at: usize, wanted: impl Fn(&What) -> bool) -> usize {
        let entries = self.world.nodes[at].disk.rest.audit.iter();
        entries.filter(|entry| wanted(&entry.what)).count()
    }
}

#[test]
fn an_item_opens_for_one_key_once_enough_trustees_attest_and_the_time_to_stop_it_is_over() {
    let mut lost = Lost::put();
    let (request, secret) = lost.recover(ASKER, 9);
    let seen = lost.seen(1, request);
    assert!(seen.asks_here, "a trustee is asked");
    assert_eq!((seen.trustees, seen.needed), (3, 2));
    assert_eq!(seen.number, spoken_number(&request));
    assert!(!lost.seen(STRANGER, request).asks_here && !lost.seen(OWNER, request).asks_here);

    lost.attest(1, request, true).unwrap();
    lost.wait();
    assert_eq!(lost.stands(request), Standing::Undecided);
    assert_eq!(
        lost.parts_of(request),
        0,
        "one of two is too few, however long it takes"
    );

    lost.attest(2, request, true).unwrap();
    assert_eq!(lost.stands(request), Standing::Passed);
    let seen = lost.seen(3, request);
    assert_eq!(seen.yes.len(), 2, "trustees see what the others say");
    assert!(seen.until.is_some());
    lost.world.pass(Millis::from_secs(3));
    assert_eq!(lost.parts_of(request), 0, "released in the time to stop it");

    lost.wait();
    assert_eq!(lost.stands(request), Standing::Granted);
    assert!(lost.opens(request, &secret));
    let thief = HybridSecret::from_seed(Zeroizing::new([8; 32]));
    assert!(!lost.opens(request, &thief));
    let attested =
        |what: &What| matches!(what, What::Attested { request: of, .. } if *of == request);
    let released =
        |what: &What| matches!(what, What::Released { request: of, .. } if *of == request);
    assert_eq!(
        (lost.told(STRANGER, attested), lost.told(STRANGER, released)),
        (1, 1)
    );
}

#[test]
fn neither_a_stranger_nor_a_trustee_twice_nor_the_asking_member_makes_up_for_a_trustee() {
    let mut lost = Lost::put();
    let (request, _) = lost.recover(TRUSTEES[2], 9);
    lost.attest(1, request, true).unwrap();

    let refused = SublimeRefusal::NotATrustee(request);
    assert_eq!(
        lost.attest(STRANGER, request, true).unwrap_err(),
        refused.clone().into()
    );
    assert_eq!(
        lost.attest(TRUSTEES[2], request, true).unwrap_err(),
        refused.into()
    );
    let before = SublimeRefusal::AttestedBefore(request);
    assert_eq!(lost.attest(1, request, true).unwrap_err(), before.into());
    // A stranger shows the salt of a trustee, which everybody has seen by now; a trustee says the same again.
    let shown = lost.world.nodes[1].disk.records.values();
    let mut shown = shown.filter_map(|record| {
        let Body::Sublime(SublimeBody::Attestation(said)) = record.value().body() else {
            return None;
        };
        Some(*said)
    });
    let copied = shown.next().unwrap();
    drop(shown);
    let made_up = Attestation {
        salt: TrusteeSalt::new([0; 32]),
        ..copied
    };
    for (at, said) in [(STRANGER, copied), (1, copied), (ASKER, made_up)] {
        let record = lost.forged(at, said);
        lost.world.gossip(at, 2, &record);
        assert!(lost.world.peer(2).knows(&record.value().id()));
    }
    lost.wait();

    assert_eq!(lost.seen(2, request).yes.len(), 1);
    assert_eq!(lost.stands(request), Standing::Undecided);
}

#[test]
fn what_is_attested_of_one_request_opens_no_other() {
    let mut lost = Lost::put();
    let (request, secret) = lost.recover(ASKER, 9);
    let (other, other_secret) = lost.recover(ASKER, 10);
    for at in [1, 2] {
        lost.attest(at, request, true).unwrap();
    }
    lost.wait();

    assert!(lost.opens(request, &secret));
    assert!(!lost.opens(request, &other_secret));
    assert_eq!(lost.stands(other), Standing::Undecided);
    assert_eq!(lost.parts_of(other), 0);
}

#[test]
fn the_item_s_key_stops_it_for_good_while_the_time_lasts() {
    let mut lost = Lost::put();
    let (request, _) = lost.recover(ASKER, 9);
    for at in [1, 2] {
        lost.attest(at, request, true).unwrap();
    }
    let mesh = lost.world.genesis.value().id();
    let stranger = Identity::from_seed(Zeroizing::new([44; 32]));
    let forged = TrusteesRevoked {
        item: lost.put.key,
        ..TrusteesRevoked::sign(&stranger, &mesh)
    };
    let refused = SublimeRefusal::NotItsKey(lost.put.key);
    assert_eq!(lost.revoke(forged).unwrap_err(), refused.into());
    assert_eq!(lost.stands(request), Standing::Passed);

    let word = TrusteesRevoked::sign(&lost.signer, &mesh);
    lost.revoke(word).unwrap();
    lost.attest(3, request, true).unwrap();
    lost.wait();

    assert_eq!(lost.stands(request), Standing::Denied);
    assert_eq!(lost.parts_of(request), 0);
    assert!(lost.seen(OWNER, request).is_revoked);
    let secret = HybridSecret::from_seed(Zeroizing::new([11; 32]));
    let again = asking(lost.put.item, &secret, true);
    let refused = SublimeRefusal::TrusteesRevoked(lost.put.item);
    assert_eq!(
        ask(&mut lost.world, ASKER, again).unwrap_err(),
        refused.into()
    );
}

#[test]
fn nodes_that_start_again_wait_no_longer_and_no_shorter() {
    let mut lost = Lost::put();
    let (request, secret) = lost.recover(ASKER, 9);
    for at in [1, 2] {
        lost.attest(at, request, true).unwrap();
    }
    let until = lost.seen(STRANGER, request).until;
    for at in 1..6 {
        lost.world.crash(at);
    }
    lost.world.pass(Millis::from_secs(2));
    for at in 1..6 {
        lost.world.boot_linked(at);
    }
    lost.rest();
    assert_eq!(lost.seen(STRANGER, request).until, until);
    assert_eq!(lost.parts_of(request), 0);
    // The trustee's node finds out anew that it is one.
    assert!(lost.seen(3, request).asks_here);

    lost.wait();
    assert!(lost.opens(request, &secret));
    lost.world.crash(ASKER);
    lost.world.boot_linked(ASKER);
    assert!(lost.opens(request, &secret), "what was released is on disk");
}

#[test]
fn a_guardian_who_was_away_waits_the_whole_time_when_it_is_back() {
    let mut lost = Lost::put();
    let (request, _) = lost.recover(ASKER, 9);
    lost.world.crash(STRANGER);
    for at in [1, 2] {
        lost.attest(at, request, true).unwrap();
    }
    lost.wait();
    assert_eq!(standing(&mut lost.world, 1, request), Standing::Granted);

    lost.world.boot_linked(STRANGER);
    lost.world.pass(Millis::from_secs(2));
    assert_eq!(lost.stands(request), Standing::Passed);
    lost.wait();
    assert_eq!(lost.stands(request), Standing::Granted);
}

#[test]
fn a_no_counts_as_no_yes_takes_one_back_and_ends_it_once_too_few_are_left() {
    let mut lost = Lost::put();
    let (request, secret) = lost.recover(ASKER, 9);
    lost.attest(1, request, true).unwrap();
    lost.attest(2, request, false).unwrap();
    lost.wait();
    assert_eq!(lost.stands(request), Standing::Undecided);
    let seen = lost.seen(3, request);
    assert_eq!(seen.no, [lost.world.key(2)], "the others see who said no");
    let before = SublimeRefusal::AttestedBefore(request);
    assert_eq!(lost.attest(2, request, true).unwrap_err(), before.into());
    lost.attest(3, request, true).unwrap();
    lost.wait();
    assert!(lost.opens(request, &secret));

    let (second, _) = lost.recover(ASKER, 10);
    lost.attest(1, second, true).unwrap();
    lost.attest(2, second, true).unwrap();
    assert_eq!(lost.stands(second), Standing::Passed);
    lost.attest(2, second, false).unwrap();
    lost.wait();
    assert_eq!(lost.stands(second), Standing::Undecided);
    // With the third it is enough again, and the time begins anew.
    lost.attest(3, second, true).unwrap();
    assert_eq!(lost.stands(second), Standing::Passed);
    lost.attest(3, second, false).unwrap();
    assert_eq!(lost.stands(second), Standing::Denied);
    lost.wait();
    assert_eq!(lost.parts_of(second), 0);
}

#[test]
fn no_vote_decides_what_trustees_do_and_no_trustee_what_a_vote_does() {
    let mut lost = Lost::put();
    let (request, _) = lost.recover(ASKER, 9);
    decide(&mut lost.world, request, Choice::Yes);
    assert_eq!(lost.stands(request), Standing::Undecided);
    assert_eq!(lost.parts_of(request), 0);

    let (by_vote, _) = super::sublime::request(&mut lost.world, lost.put.item);
    lost.rest();
    let refused = SublimeRefusal::NoSuchRecovery(by_vote);
    assert_eq!(lost.attest(1, by_vote, true).unwrap_err(), refused.into());
    let without = super::sublime::put(&mut lost.world, 7);
    let secret = HybridSecret::from_seed(Zeroizing::new([11; 32]));
    let command = asking(without.item, &secret, true);
    let refused = SublimeRefusal::NoTrustees(without.item);
    assert_eq!(
        ask(&mut lost.world, ASKER, command).unwrap_err(),
        refused.into()
    );
}
