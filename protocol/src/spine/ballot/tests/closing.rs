//! Many thousand ballots that come by the lists are taken into the count some in each block, as all at once would be.

use super::*;
use crate::{
    core::limits::{BALLOTS_MERGED_MAX, LIST_IDS_MAX},
    spine::ballot::{Event, Phase},
    wire::{decode_own, encode_entry},
};

/// Members who vote for themselves: three ballots of each are more than a block takes in its two steps after the lists.
const VOTERS: u16 = 5_600;

#[test]
fn listed_ballots_are_taken_in_some_thousands_a_block_whatever_their_order() {
    let delegators = VOTERS..VOTERS + 8;
    let mut vote = Held::changeable(VOTERS + 16);
    for member in delegators.clone() {
        vote.delegate(minute(1), member, 0, Some(0));
    }
    vote.take(minute(2), [ballot(1, Choice::No)]);

    // Last words first: what changes a ballot comes before it.
    let all_say = |seq, choice| (0..VOTERS).map(move |voter| changed(voter, seq, choice));
    let (last, middle) = (all_say(2, Choice::Yes), all_say(1, Choice::Abstain));
    let ballots: Vec<_> = last.chain(middle).chain(all_say(0, Choice::No)).collect();
    assert!(ballots.len() > 2 * BALLOTS_MERGED_MAX);
    let late = changed(VOTERS + 9, 0, Choice::No);
    let close = vote.poll.close();
    let unlisted = [late];
    for some in ballots.chunks(1_000).chain([&unlisted[..]]) {
        vote.take(close, some.to_vec());
    }
    let ids: Vec<_> = ballots.iter().map(|ballot| ballot.value().id()).collect();
    let parts = ids.chunks(LIST_IDS_MAX);
    let last = parts.len() - 1;
    for (part, ids) in parts.enumerate() {
        let place = (u32::try_from(part).unwrap(), part == last);
        let lists = (0..4)
            .map(|number| BallotList::sign(&MESH, &seat(number), PROPOSAL, place, ids.to_vec()));
        let lists: Vec<_> = lists.collect();
        vote.lists(close, lists);
    }
    assert_eq!(vote.poll.phase(), &Phase::Counting);
    assert!(
        vote.poll.is_held(ballots[0].value()),
        "not all is taken yet"
    );
    let again: Poll = decode_own(&encode_entry(&vote.poll)).unwrap();
    assert_eq!(again, vote.poll);
    vote.poll = again;

    let mut steps = (0..16).map(|_| vote.poll.on_time(close));
    let tallied = steps.find_map(|event| event);
    drop(steps);
    assert!(matches!(tallied, Some(Event::Tallied(_))));
    // Who voted before the close has changed its mind; who delegated to a new voter is spoken for; who is on no list is
    // late.
    let spoken_for = u64::try_from(delegators.len()).unwrap();
    let yes = u64::from(VOTERS) + spoken_for;
    assert_eq!(vote.counted(), [yes, 0, 0, yes]);
    let late: Vec<_> = vote.poll.late().copied().collect();
    assert_eq!(late, [key(VOTERS + 9)]);
}
