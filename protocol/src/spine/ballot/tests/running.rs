//! The count as it stands is what a count from the beginning comes to, and a vote reads back as it was written.

use proptest::prelude::*;

use super::*;
use crate::wire::{decode_own, encode_entry};

const MEMBERS: u16 = 8;

#[derive(Clone, Debug)]
enum Said {
    Ballot(u16, u32, Choice),
    Delegation(u16, Option<u16>),
    NextBlock,
}

fn said() -> impl Strategy<Value = Said> {
    let choice = prop_oneof![Just(Choice::Yes), Just(Choice::No), Just(Choice::Abstain)];
    let ballot = (0..MEMBERS, 0..3_u32, choice);
    prop_oneof![
        4 => ballot.prop_map(|(voter, seq, choice)| Said::Ballot(voter, seq, choice)),
        2 => (0..MEMBERS, prop::option::of(0..MEMBERS)).prop_map(|(member, to)| {
            Said::Delegation(member, to.filter(|to| *to != member))
        }),
        2 => Just(Said::NextBlock),
    ]
}

/// Counts from the beginning: closes a copy of the vote with empty lists.
fn counted_anew(vote: &Held) -> Sums {
    let mut poll = vote.poll.clone();
    let lists = (0..4).map(|number| list(number, &[])).collect();
    let batch = Batch {
        lists,
        ..Batch::default()
    };
    let close = poll.close();
    poll.take(batch, &vote.delegations, &vote.roll, close);
    poll.statement().unwrap().tally.sums
}

fn reads_back<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq>(kept: &T) -> bool {
    decode_own::<T>(&encode_entry(kept)).as_ref() == Some(kept)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_count_as_it_stands_is_what_counting_anew_comes_to(
        changeable: bool,
        story in prop::collection::vec(said(), 1..40),
    ) {
        // Of so many members no outcome is settled before the close.
        let mut vote = Held::with(40, |draft| {
            if changeable {
                draft.finality = Finality::Changeable;
            }
        });
        let mut seqs = [0_u32; MEMBERS as usize];
        let (mut at, mut block) = (1, Vec::new());
        for said in story {
            match said {
                Said::Ballot(voter, seq, choice) => block.push(changed(voter, seq, choice)),
                Said::Delegation(member, delegate) => {
                    let seq = &mut seqs[usize::from(member)];
                    vote.delegate(minute(at), member, *seq, delegate);
                    *seq += 1;
                }
                Said::NextBlock => {
                    at += 1;
                    vote.take(minute(at), core::mem::take(&mut block));
                    prop_assert_eq!(vote.poll.sums(), counted_anew(&vote));
                }
            }
        }
        prop_assert!(reads_back(&vote.poll));
        prop_assert!(reads_back(&vote.delegations));

        // While the seats list, and once it is counted.
        let late: Vec<_> = (0..MEMBERS).map(|voter| changed(voter, 0, Choice::No)).collect();
        let close = vote.poll.close();
        let listed: Vec<_> = late.iter().collect();
        let lists = (0..2).map(|number| list(number, &listed)).collect();
        vote.block(close, Batch { lists, ..Batch::default() });
        vote.take(close, late.clone());
        prop_assert!(reads_back(&vote.poll));
        vote.lists(close, (2..4).map(|number| list(number, &listed)));
        let counted = vote.poll.statement().unwrap().tally.sums;
        prop_assert_eq!(vote.poll.sums(), counted);
        prop_assert!(reads_back(&vote.poll));
    }
}
