//! Tallies that lie, and proofs of it.

use proptest::prelude::*;

use super::{
    super::{
        fraud::{Fraud, NotFraud, NotPublished, Receipted, find_fraud},
        tally::{Node, Tree},
    },
    *,
};
use crate::wire::VoteStatement;

/// A counted vote: members 0 to 8 voted, 9 to 11 delegated to 0, 12 is void.
struct Counted {
    vote: Held,
    held: Vec<Receipted>,
}

impl Counted {
    fn new() -> Self {
        let mut vote = Held::ordinary(40);
        for member in 9..12 {
            vote.delegate(minute(0), member, 0, Some(0));
        }
        let choice = |voter: u16| match voter % 3 {
            0 => Choice::Yes,
            1 => Choice::No,
            _ => Choice::Abstain,
        };
        let mut ballots: Vec<_> = (0..9).map(|voter| ballot(voter, choice(voter))).collect();
        ballots.extend([ballot(12, Choice::Yes), ballot(12, Choice::No)]);
        vote.take(minute(1), ballots.clone());
        vote.close();
        let held = ballots
            .iter()
            .map(|ballot| receipted(ballot, 0..3))
            .collect();
        Self { vote, held }
    }

    fn leaves(&self) -> Vec<Leaf> {
        self.vote.poll.leaves().to_vec()
    }

    fn statement(&self) -> TallyStatement {
        *self.vote.poll.statement().unwrap()
    }

    /// Makes the statement that leaves and tree amount to.
    fn stating(&self, root: Node) -> TallyStatement {
        let honest = self.statement();
        TallyStatement {
            tally: Tally {
                root: root.hash,
                sums: root.sums,
                ..honest.tally
            },
            outcome: self.vote.poll.terms().outcome(&root.sums),
            ..honest
        }
    }

    fn find(
        &self,
        statement: &TallyStatement,
        leaves: &[Leaf],
        tree: &Tree,
    ) -> Result<Option<Fraud>, NotPublished> {
        let basis = self.vote.poll.basis(&self.vote.roll);
        find_fraud(&basis, statement, (leaves, tree), &self.held)
    }

    fn verify(&self, fraud: &Fraud, statement: &TallyStatement) -> Result<(), NotFraud> {
        fraud.verify(&self.vote.poll.basis(&self.vote.roll), statement)
    }

    /// Finds the proof that leaves lie, and checks that it holds there, travels, and does not hold elsewhere.
    fn refuted(&self, leaves: &[Leaf]) -> Fraud {
        let tree = Tree::of(leaves);
        let statement = self.stating(tree.root());
        self.refuted_as(&statement, leaves, &tree)
    }

    fn refuted_as(&self, statement: &TallyStatement, leaves: &[Leaf], tree: &Tree) -> Fraud {
        let fraud = self.find(statement, leaves, tree).unwrap().unwrap();
        assert_eq!(self.verify(&fraud, statement), Ok(()), "{fraud:?}");
        assert!(self.verify(&fraud, &self.statement()).is_err(), "{fraud:?}");
        assert_eq!(Fraud::from_bytes(&fraud.to_bytes()).unwrap(), fraud);
        fraud
    }
}

fn receipted(ballot: &Verified<Ballot>, by: core::ops::Range<u16>) -> Receipted {
    let id = ballot.value().id();
    let receipt = |number| Receipt::sign(&MESH, &seat(number), PROPOSAL, id, minute(1));
    Receipted {
        ballot: ballot.value().clone(),
        receipts: by.map(|number| receipt(number).value().clone()).collect(),
    }
}

fn is_own(leaf: &Leaf) -> bool {
    matches!(leaf.cast, Cast::Own { .. })
}

fn is_delegated(leaf: &Leaf) -> bool {
    matches!(leaf.cast, Cast::Delegated { .. })
}

fn nth(leaves: &[Leaf], of: impl Fn(&Leaf) -> bool, which: usize) -> usize {
    let places: Vec<_> = (0..leaves.len()).filter(|at| of(&leaves[*at])).collect();
    places[which % places.len()]
}

/// Builds a tree in which one node is said to add up to something else, and everything above believes it.
fn tampered(leaves: &[Leaf], level: usize, index: usize, lie: impl Fn(&mut Sums)) -> Tree {
    let mut levels = vec![leaves.iter().map(Leaf::node).collect::<Vec<_>>()];
    loop {
        let height = levels.len() - 1;
        let last = levels.last_mut().unwrap();
        if height == level {
            let index = index % last.len();
            lie(&mut last[index].sums);
        }
        if last.len() == 1 {
            return Tree::claimed(levels);
        }
        let above = last.chunks(2).map(|pair| match pair {
            [left, right] => Node {
                hash: Node::hash_of(left, right),
                sums: left.sums.plus(&right.sums).unwrap(),
            },
            carried => carried[0],
        });
        let above = above.collect();
        levels.push(above);
    }
}

#[test]
fn an_honest_tally_recounts_and_has_no_fraud() {
    let counted = Counted::new();
    let (leaves, statement) = (counted.leaves(), counted.statement());
    let basis = counted.vote.poll.basis(&counted.vote.roll);
    assert_eq!(recount(&basis, &leaves), Ok(statement.tally));
    let found = counted.find(&statement, &leaves, &Tree::of(&leaves));
    assert_eq!(found, Ok(None));
    assert_eq!(counted.vote.counted(), [6, 3, 3, 13]);
}

#[test]
fn leaves_that_are_not_those_of_the_statement_prove_nothing() {
    let counted = Counted::new();
    let leaves = counted.leaves();
    let fewer = &leaves[1..];
    let statement = counted.statement();
    assert_eq!(
        counted.find(&statement, fewer, &Tree::of(fewer)),
        Err(NotPublished)
    );
    assert_eq!(
        counted.find(&statement, fewer, &Tree::of(&leaves)),
        Err(NotPublished)
    );
    let none = Tree::claimed(Vec::new());
    assert_eq!(counted.find(&statement, &leaves, &none), Err(NotPublished));
}

#[test]
fn a_refuted_vote_is_void_and_a_false_proof_changes_nothing() {
    let mut counted = Counted::new();
    // The poll's own statement is honest: no proof of another one touches it.
    let mut lie = counted.leaves();
    let place = nth(&lie, is_own, 0);
    lie.remove(place);
    let fraud = counted.refuted(&lie);
    let roll = counted.vote.roll.clone();
    assert!(counted.vote.poll.refute(&fraud, &roll).is_err());

    // A ballot that three seats promised to list, one of them hostile at most, and did not.
    let promised = receipted(&ballot(30, Choice::No), 0..3);
    counted.held = vec![promised];
    let leaves = counted.leaves();
    let found = counted.find(&counted.statement(), &leaves, &Tree::of(&leaves));
    let fraud = found.unwrap().unwrap();
    let voided = counted.vote.poll.refute(&fraud, &roll);
    assert_eq!(voided, Ok(Event::Voided(VoidReason::Refuted)));
    let again = counted.vote.poll.refute(&fraud, &roll);
    assert_eq!(again, Err(NotFraud::NotOpenToChallenge));
}

#[test]
fn receipts_of_too_few_seats_or_after_the_close_prove_nothing() {
    let counted = Counted::new();
    let leaves = counted.leaves();
    let left_out = |receipted: Receipted| {
        let tree = Tree::of(&leaves);
        let basis = counted.vote.poll.basis(&counted.vote.roll);
        find_fraud(&basis, &counted.statement(), (&leaves, &tree), &[receipted])
    };
    let promised = ballot(30, Choice::No);
    assert!(left_out(receipted(&promised, 0..3)).unwrap().is_some());
    assert_eq!(left_out(receipted(&promised, 0..2)), Ok(None));
    let mut twice = receipted(&promised, 0..2);
    twice.receipts.push(twice.receipts[0].clone());
    assert_eq!(left_out(twice), Ok(None));
    let mut late = receipted(&promised, 0..2);
    let (id, close) = (late.ballot.id(), counted.vote.poll.close());
    let receipt = Receipt::sign(&MESH, &seat(2), PROPOSAL, id, close);
    late.receipts.push(receipt.value().clone());
    assert_eq!(left_out(late), Ok(None));
    // Of a seat whose list was not counted: it was cut off, and has broken no promise.
    let place = seats().keys().binary_search(&key(60_002)).unwrap();
    let cut_off = TallyStatement {
        lists: 0b1111 & !(1 << place),
        ..counted.statement()
    };
    let tree = Tree::of(&leaves);
    let basis = counted.vote.poll.basis(&counted.vote.roll);
    let by_it = [receipted(&promised, 0..3)];
    assert_eq!(
        find_fraud(&basis, &cut_off, (&leaves, &tree), &by_it),
        Ok(None)
    );
    // Of a stranger, and of a voter who is void.
    assert_eq!(left_out(receipted(&ballot(40, Choice::No), 0..3)), Ok(None));
    assert_eq!(left_out(receipted(&ballot(12, Choice::No), 0..3)), Ok(None));
    // Of members who spoke themselves or, finally, through a delegate.
    assert_eq!(left_out(receipted(&ballot(1, Choice::Yes), 0..3)), Ok(None));
    assert_eq!(left_out(receipted(&ballot(9, Choice::No), 0..3)), Ok(None));
}

#[test]
fn a_later_ballot_left_out_is_fraud_where_ballots_can_change() {
    let mut vote = Held::changeable(10);
    vote.delegate(minute(0), 2, 0, Some(0));
    vote.take(minute(1), [ballot(0, Choice::Yes), ballot(1, Choice::Yes)]);
    vote.close();
    let statement = *vote.poll.statement().unwrap();
    let leaves = vote.poll.leaves().to_vec();
    let tree = Tree::of(&leaves);
    let basis = vote.poll.basis(&vote.roll);
    let left_out = |ballot| {
        let held = [receipted(&ballot, 0..3)];
        find_fraud(&basis, &statement, (&leaves, &tree), &held).unwrap()
    };
    assert!(left_out(changed(1, 1, Choice::No)).is_some());
    assert!(left_out(ballot(2, Choice::No)).is_some());
    assert_eq!(left_out(ballot(1, Choice::Yes)), None);
}

#[test]
fn a_recount_names_the_leaf_and_the_fault() {
    let counted = Counted::new();
    let mut leaves = counted.leaves();
    let place = nth(&leaves, is_own, 3);
    leaves[place].counted = None;
    let basis = counted.vote.poll.basis(&counted.vote.roll);
    let wrong = recount(&basis, &leaves).unwrap_err();
    assert_eq!((wrong.index, wrong.fault), (place, LeafFault::WrongChoice));
}

#[test]
fn statements_against_the_terms_refute_themselves() {
    let counted = Counted::new();
    let leaves = counted.leaves();
    let tree = Tree::of(&leaves);
    let lies: [fn(&mut TallyStatement); 6] = [
        |statement| statement.outcome = Outcome::Passed,
        |statement| statement.electorate.count += 1,
        |statement| statement.mesh = PROPOSAL,
        |statement| statement.closed = Wall(0),
        |statement| statement.tally.proposal = MESH,
        |statement| statement.tally.sums.leaves = 0,
    ];
    for lie in lies {
        let mut statement = counted.statement();
        lie(&mut statement);
        let fraud = counted.refuted_as(&statement, &leaves, &tree);
        assert_eq!(fraud, Fraud::AgainstTerms);
    }
}

#[test]
fn an_empty_tally_that_leaves_ballots_out_is_refuted() {
    let counted = Counted::new();
    let fraud = counted.refuted(&[]);
    assert!(matches!(fraud, Fraud::LeftOut { .. }));
    let mut one = counted.leaves();
    one.truncate(1);
    counted.refuted(&one);
}

#[test]
fn every_statement_is_signed_under_its_own_word_and_pinned() {
    let pinned = [
        ContentId::of(&ballot(1, Choice::Yes).value().to_bytes()).to_string(),
        ContentId::of(&receipted(&ballot(1, Choice::Yes), 0..1).receipts[0].to_bytes()).to_string(),
        ContentId::of(&list(0, &[&ballot(1, Choice::Yes)]).value().to_bytes()).to_string(),
        ContentId::of(&Counted::new().statement().to_bytes()).to_string(),
    ];
    assert_eq!(
        pinned,
        [
            "bafyreict4qierlhrrskx5h4yinxhgb27xka43ijqx2lugrvqhucozkxsnm",
            "bafyreib5pm5mhu65vpqsjfaroz5izqudz3bv2ybptiqx7tg7c6nyb6hlfe",
            "bafyreigll43tm2rim2f3tdj4ikpw5eat3chgdxkqg62ico2vcng6itcnii",
            "bafyreif4lfktz6qb4p22yvofh3ibl6hdpcufzroizujg6frpn5amvxuomu"
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_lie_about_a_leaf_is_refuted(kind in 0..12_u8, which: usize, other: usize) {
        let counted = Counted::new();
        let mut leaves = counted.leaves();
        let own = nth(&leaves, is_own, which);
        let delegated = nth(&leaves, is_delegated, which);
        match kind {
            0 => {
                let was = leaves[own].counted;
                let choices = [Some(Choice::Yes), Some(Choice::No), Some(Choice::Abstain), None];
                let choices = choices.into_iter().filter(|choice| *choice != was);
                leaves[own].counted = choices.cycle().nth(other % 3).unwrap();
            }
            1 => {
                let void = nth(&leaves, |leaf| matches!(leaf.cast, Cast::Double { .. }), which);
                leaves[void].counted = Some(Choice::Yes);
            }
            2 => {
                let at = which % (leaves.len() - 1);
                leaves.swap(at, at + 1);
            }
            3 => {
                let at = which % leaves.len();
                leaves.insert(at, leaves[at].clone());
            }
            4 => {
                let stranger = Leaf {
                    cast: Cast::Own {
                        ballot: ballot(100, Choice::Yes).value().clone(),
                        opening: None,
                    },
                    counted: Some(Choice::Yes),
                };
                leaves.push(stranger);
                leaves.sort_by_key(Leaf::voter);
            }
            5 => {
                let Cast::Own { ballot, .. } = &mut leaves[own].cast else { unreachable!() };
                let mut bytes = *ballot.signature.bytes();
                bytes[other % 64] ^= 1;
                ballot.signature = x0_crypto::Signature::from_bytes(bytes);
            }
            6 => {
                leaves.remove(own);
            }
            7 => {
                let voter = (0..9).find(|n| key(*n) == leaves[own].voter()).unwrap();
                let choice = leaves[own].counted.unwrap();
                let elsewhere = Ballot::sign(&MESH, &member(voter), MESH, 0, Vote::Open(choice));
                leaves[own].cast = Cast::Own {
                    ballot: elsewhere.value().clone(),
                    opening: None,
                };
            }
            8 => leaves[delegated].counted = Some(Choice::No),
            9 => {
                let Cast::Delegated { delegation } = &mut leaves[delegated].cast else {
                    unreachable!()
                };
                delegation.delegate = Some(key(3));
            }
            10 => {
                let Cast::Own { ballot, .. } = leaves[own].cast.clone() else { unreachable!() };
                leaves[own] = Leaf {
                    cast: Cast::Double {
                        first: ballot.clone(),
                        second: ballot,
                    },
                    counted: None,
                };
            }
            _ => {
                // A member says that it delegated to one who did not vote.
                let scope = DelegationScope::Standing;
                let false_ = Delegation::sign(&MESH, &member(20), scope, 0, Some(key(21)));
                leaves.push(Leaf {
                    cast: Cast::Delegated {
                        delegation: false_.value().clone(),
                    },
                    counted: Some(Choice::Yes),
                });
                leaves.sort_by_key(Leaf::voter);
            }
        }
        counted.refuted(&leaves);
    }

    #[test]
    fn every_lie_about_a_sum_is_refuted(
        level in 0..5_usize, index: usize, part in 0..4_u8, more: bool,
    ) {
        let counted = Counted::new();
        let leaves = counted.leaves();
        let lie = |sums: &mut Sums| {
            let parts = [&mut sums.yes, &mut sums.no, &mut sums.abstain, &mut sums.leaves];
            let part = parts.into_iter().nth(part.into()).unwrap();
            *part = if more || *part == 0 { *part + 1 } else { *part - 1 };
        };
        let tree = tampered(&leaves, level, index, lie);
        let statement = counted.stating(tree.root());
        counted.refuted_as(&statement, &leaves, &tree);
    }

    #[test]
    fn a_damaged_proof_never_panics(place: prop::sample::Index, byte: u8) {
        let counted = Counted::new();
        let mut leaves = counted.leaves();
        leaves.swap(2, 3);
        let fraud = counted.refuted(&leaves);
        let mut bytes = fraud.to_bytes();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if let Ok(damaged) = Fraud::from_bytes(&bytes) {
            prop_assert!(counted.verify(&damaged, &counted.statement()).is_err());
        }
    }
}
