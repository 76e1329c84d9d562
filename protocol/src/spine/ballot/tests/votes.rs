//! What counts in a vote, and when it is over.

use proptest::prelude::*;
use x0_crypto::committee::{
    Ceremony, CeremonyPlan, CommitteeKey, Dealer, GroupKey, KeyShare, Logs, Player, Purpose,
    ThresholdSignature,
};

use super::*;
use crate::core::limits::VOTE_SEQ_MAX;

#[test]
fn a_vote_passes_after_window_lists_certificate_and_challenge() {
    let mut vote = Held::changeable(10);
    vote.take(minute(1), (0..4).map(|voter| ballot(voter, Choice::Yes)));
    vote.take(
        minute(2),
        [ballot(4, Choice::No), ballot(5, Choice::Abstain)],
    );
    let close = minute(72 * HOUR);
    assert_eq!(
        (vote.poll.close(), vote.poll.deadline()),
        (close, Some(close))
    );
    assert_eq!(vote.poll.on_time(minute(72 * HOUR - 1)), None);
    assert_eq!(
        vote.poll.on_time(close),
        Some(Event::Closed { early: false })
    );

    let taken = vote.lists(after(close, 1), (0..4).map(|number| list(number, &[])));
    assert_eq!(vote.counted(), [4, 1, 1, 6]);
    let statement = *vote.poll.statement().unwrap();
    assert_eq!(taken.events, [Event::Tallied(Box::new(statement))]);

    let until = after(close, 2 + 24 * HOUR);
    assert_eq!(
        vote.poll.certified(after(close, 2)),
        Some(Event::Certified { until })
    );
    assert_eq!(vote.poll.on_time(after(close, 1 + 24 * HOUR)), None);
    let effective = vote.poll.on_time(until);
    assert_eq!(effective, Some(Event::Effective(Outcome::Passed)));
    assert_eq!(vote.poll.on_time(until), None);
}

#[test]
fn a_vote_without_quorum_fails() {
    let mut vote = Held::changeable(100);
    vote.take(minute(1), (0..19).map(|voter| ballot(voter, Choice::Yes)));
    assert_eq!(vote.close(), [19, 0, 0, 19]);
    let close = vote.poll.close();
    vote.poll.certified(close);
    assert_eq!(
        vote.poll.on_time(after(close, 24 * HOUR)),
        Some(Event::Failed)
    );
    assert_eq!(vote.poll.phase(), &Phase::Failed);
}

#[test]
fn strangers_other_proposals_and_early_ballots_do_not_count() {
    let mut vote = Held::ordinary(10);
    let elsewhere = Ballot::sign(&MESH, &member(1), MESH, 0, Vote::Open(Choice::Yes));
    let taken = vote.take(minute(1), [ballot(10, Choice::Yes), elsewhere]);
    let mut why: Vec<_> = taken.refused.iter().map(|(_, why)| *why).collect();
    why.sort_by_key(|why| *why == Refused::NoVote);
    assert_eq!(why, [Refused::OtherProposal, Refused::NoVote]);

    let before = Wall(OPENED.0 - 1);
    let taken = vote.take(before, [ballot(1, Choice::Yes)]);
    assert!(matches!(taken.refused[..], [(_, Refused::NotNow { .. })]));
    assert_eq!(vote.poll.sums(), Sums::default());
}

#[test]
fn a_ballot_after_the_close_counts_only_if_more_seats_list_it_than_may_be_hostile() {
    let mut vote = Held::ordinary(4);
    vote.take(minute(1), [ballot(0, Choice::Yes)]);
    let close = vote.poll.close();
    let (listed, by_one_seat) = (ballot(1, Choice::No), ballot(2, Choice::No));
    vote.take(close, [listed.clone(), by_one_seat.clone()]);
    let lists = [
        list(0, &[&listed, &by_one_seat]),
        list(1, &[&listed]),
        list(2, &[]),
        list(3, &[]),
    ];
    vote.lists(after(close, 1), lists);

    assert_eq!(vote.counted(), [1, 1, 0, 2]);
    assert_eq!(vote.poll.late().collect::<Vec<_>>(), [&key(2)]);
    let taken = vote.take(after(close, 2), [ballot(3, Choice::No)]);
    assert!(matches!(taken.refused[..], [(_, Refused::NotNow { .. })]));
}

#[test]
fn receipts_from_before_the_close_speak_for_a_ballot_that_lists_do_not_hold() {
    let mut vote = Held::ordinary(4);
    let close = vote.poll.close();
    let (vouched, late) = (ballot(1, Choice::No), ballot(2, Choice::No));
    let receipt = |of: &Verified<Ballot>, by: u16, at| {
        Receipt::sign(&MESH, &seat(by), PROPOSAL, of.value().id(), at)
    };
    let batch = Batch {
        ballots: vec![vouched.clone(), late.clone()],
        receipts: vec![
            receipt(&vouched, 0, minute(5)),
            receipt(&vouched, 1, minute(5)),
            receipt(&late, 0, minute(5)),
            receipt(&late, 1, close),
        ],
        ..Batch::default()
    };
    vote.block(close, batch);
    vote.lists(close, (0..4).map(|number| list(number, &[])));
    assert_eq!(vote.counted(), [0, 1, 0, 1]);
}

#[test]
fn a_voter_cannot_crowd_out_the_change_for_which_it_has_receipts() {
    let mut vote = Held::changeable(4);
    let close = vote.poll.close();
    vote.take(
        close,
        (1..=VOTE_SEQ_MAX).map(|seq| changed(1, seq, Choice::No)),
    );
    let last = changed(1, VOTE_SEQ_MAX, Choice::Yes);
    let first = changed(1, 0, Choice::Yes);
    vote.take(after(close, 1), [first.clone(), last]);
    assert!(vote.poll.is_held(first.value()) && vote.poll.lacks_word(first.value()));
    vote.lists(after(close, 2), [list(0, &[&first]), list(1, &[&first])]);
    assert!(!vote.poll.lacks_word(first.value()));
    vote.lists(after(close, 2), [list(2, &[&first]), list(3, &[&first])]);
    assert_eq!(vote.counted(), [1, 0, 0, 1]);
}

#[test]
fn what_enough_seats_list_is_waited_for() {
    let mut vote = Held::ordinary(4);
    let close = vote.poll.close();
    let listed = ballot(1, Choice::No);
    vote.lists(close, (0..4).map(|number| list(number, &[&listed])));
    assert!(vote.poll.statement().is_none());
    vote.take(after(close, 5), [listed]);
    assert_eq!(vote.counted(), [0, 1, 0, 1]);

    let mut lost = Held::ordinary(4);
    let gone = ballot(1, Choice::No);
    lost.lists(close, (0..4).map(|number| list(number, &[&gone])));
    assert_eq!(lost.poll.on_time(after(close, 59)), None);
    lost.poll.on_time(after(close, 60));
    assert_eq!(lost.counted(), [0, 0, 0, 0]);
}

#[test]
fn a_vote_goes_on_after_it_was_written_down_and_read_back() {
    let mut vote = Held::changeable(6);
    vote.delegate(minute(0), 3, 0, Some(0));
    vote.take(minute(1), [ballot(0, Choice::Yes), ballot(1, Choice::No)]);
    vote.take(minute(2), [ballot(2, Choice::No), ballot(2, Choice::Yes)]);
    let close = vote.poll.close();
    let late = ballot(4, Choice::Abstain);
    vote.take(close, [late.clone()]);
    vote.lists(close, [list(0, &[&late]), list(1, &[&late])]);
    let bytes = crate::wire::encode_entry(&(&vote.poll, &vote.delegations));
    let (poll, delegations) = crate::wire::decode_own(&bytes).unwrap();
    assert_eq!((&vote.poll, &vote.delegations), (&poll, &delegations));
    (vote.poll, vote.delegations) = (poll, delegations);
    vote.lists(close, [list(2, &[]), list(3, &[])]);
    assert_eq!(vote.counted(), [2, 1, 1, 5]);
}

#[test]
fn nothing_is_counted_before_a_quorum_of_seats_has_listed() {
    let mut vote = Held::ordinary(4);
    let close = vote.poll.close();
    vote.lists(close, [list(0, &[]), list(1, &[])]);
    assert_eq!(vote.poll.on_time(after(close, 30)), None);
    vote.lists(after(close, 31), [list(2, &[])]);
    assert!(vote.poll.statement().is_some());

    let mut stalled = Held::ordinary(4);
    stalled.lists(close, [list(0, &[]), list(1, &[])]);
    let stall = after(close, 30 + 7 * 24 * HOUR);
    let voided = stalled.poll.on_time(stall);
    assert_eq!(voided, Some(Event::Voided(VoidReason::NoLists)));
}

#[test]
fn a_list_is_taken_from_seats_only_in_order_and_once() {
    let mut vote = Held::ordinary(4);
    let close = vote.poll.close();
    let part =
        |who: &Identity, part, ids| BallotList::sign(&MESH, who, PROPOSAL, (part, false), ids);
    let too_many = (0..17_u8).map(|n| ContentId::of(&[n])).collect();
    let taken = vote.lists(
        close,
        [
            part(&member(1), 0, Vec::new()),
            part(&seat(0), 1, Vec::new()),
            part(&seat(1), 0, too_many),
            list(2, &[]),
        ],
    );
    let mut refused = taken.refused;
    refused.sort();
    let mut expected = vec![
        (key(1), Refused::NoVote),
        (seat(0).public(), Refused::OutOfOrder),
        (seat(1).public(), Refused::TooMany),
    ];
    expected.sort();
    assert_eq!(refused, expected);
    let again = vote.lists(close, [list(2, &[])]);
    assert_eq!(again.refused, [(seat(2).public(), Refused::OutOfOrder)]);
}

#[test]
fn two_different_ballots_with_one_number_void_the_voter() {
    for split in [false, true] {
        let mut vote = Held::ordinary(10);
        let (yes, no) = (ballot(0, Choice::Yes), ballot(0, Choice::No));
        if split {
            vote.take(minute(1), [yes]);
            vote.take(minute(2), [no]);
        } else {
            vote.take(minute(1), [yes, no]);
        }
        let third = vote.take(minute(3), [ballot(0, Choice::Abstain)]);
        assert_eq!(third.refused, [(key(0), Refused::Double)]);
        assert_eq!(vote.poll.doubles().count(), 1);
        assert_eq!(vote.close(), [0, 0, 0, 1]);
        assert_eq!(vote.poll.statement().unwrap().outcome, Outcome::NoQuorum);
    }
}

#[test]
fn the_same_ballot_again_is_no_double() {
    let mut vote = Held::ordinary(10);
    let taken = vote.take(minute(1), [ballot(0, Choice::Yes), ballot(0, Choice::Yes)]);
    assert_eq!(taken.refused, [(key(0), Refused::Stale)]);
    assert_eq!(vote.close(), [1, 0, 0, 1]);
}

#[test]
fn nobody_can_void_a_ballot_after_the_close() {
    let mut vote = Held::ordinary(10);
    vote.take(minute(1), [ballot(0, Choice::Yes)]);
    let close = vote.poll.close();
    let afterthought = ballot(0, Choice::No);
    let (a, b) = (ballot(1, Choice::Yes), ballot(1, Choice::No));
    vote.take(close, [afterthought.clone(), a.clone(), b.clone()]);
    vote.lists(close, (0..4).map(|n| list(n, &[&afterthought, &a, &b])));
    // The second voter has no ballot from before the close, and signed two.
    assert_eq!(vote.counted(), [1, 0, 0, 2]);
}

#[test]
fn a_higher_number_replaces_a_ballot_only_where_ballots_can_change() {
    let mut fixed = Held::ordinary(10);
    fixed.take(minute(1), [ballot(0, Choice::Yes)]);
    let taken = fixed.take(minute(2), [changed(0, 1, Choice::No)]);
    assert_eq!(taken.refused, [(key(0), Refused::NotChangeable)]);
    assert_eq!(fixed.close(), [1, 0, 0, 1]);

    let mut vote = Held::changeable(10);
    vote.take(minute(1), [ballot(0, Choice::Yes)]);
    vote.take(minute(2), [changed(0, 2, Choice::No)]);
    let stale = vote.take(minute(3), [changed(0, 1, Choice::Abstain)]);
    assert_eq!(stale.refused, [(key(0), Refused::Stale)]);
    assert_eq!(vote.close(), [0, 1, 0, 1]);
}

#[test]
fn a_delegate_speaks_for_those_who_had_delegated_before_and_did_not_vote() {
    let mut vote = Held::changeable(10);
    vote.delegate(minute(1), 1, 0, Some(0));
    vote.delegate(minute(1), 2, 0, Some(0));
    // A chain: 3 names 1, who names 0.
    vote.delegate(minute(1), 3, 0, Some(1));
    vote.take(minute(2), [ballot(0, Choice::Yes)]);
    vote.delegate(minute(3), 4, 0, Some(0));
    // Revoked too late to matter; voting itself is not.
    vote.delegate(minute(3), 1, 1, None);
    vote.take(minute(4), [ballot(2, Choice::No)]);
    assert_eq!(vote.close(), [2, 1, 0, 3]);
}

#[test]
fn delegators_follow_their_delegates_changes() {
    let mut vote = Held::changeable(10);
    vote.delegate(minute(1), 1, 0, Some(0));
    vote.take(minute(2), [ballot(0, Choice::Yes)]);
    vote.take(minute(3), [changed(0, 1, Choice::No)]);
    assert_eq!(vote.close(), [0, 2, 0, 2]);
}

#[test]
fn where_first_ballots_are_final_so_is_the_delegates() {
    let mut vote = Held::ordinary(20);
    vote.delegate(minute(1), 1, 0, Some(0));
    vote.delegate(minute(1), 2, 0, Some(0));
    // In the same block as the delegate: the own ballot goes first.
    vote.take(minute(2), [ballot(0, Choice::Yes), ballot(2, Choice::No)]);
    let taken = vote.take(minute(3), [ballot(1, Choice::No)]);
    assert_eq!(taken.refused, [(key(1), Refused::Represented)]);
    assert_eq!(vote.poll.sums().cast(), 3);
    // The delegate makes itself void, and the ballot in reserve counts.
    vote.take(minute(4), [ballot(0, Choice::Abstain)]);
    assert_eq!(vote.close(), [0, 2, 0, 3]);
}

#[test]
fn a_listed_ballot_speaks_for_those_who_had_delegated_before_the_close() {
    let mut vote = Held::ordinary(10);
    vote.delegate(minute(1), 1, 0, Some(0));
    let close = vote.poll.close();
    vote.delegate(close, 2, 0, Some(0));
    let yes = ballot(0, Choice::Yes);
    vote.take(after(close, 1), [yes.clone()]);
    vote.lists(after(close, 1), (0..4).map(|number| list(number, &[&yes])));
    assert_eq!(vote.counted(), [2, 0, 0, 2]);
}

#[test]
fn a_late_quorum_moves_the_close_once() {
    let mut vote = Held::changeable(10);
    let late = vote.take(
        minute(48 * HOUR),
        (0..2).map(|voter| ballot(voter, Choice::Yes)),
    );
    let close = minute(96 * HOUR);
    assert_eq!(late.events, [Event::Extended { close }]);
    let more = vote.take(
        minute(95 * HOUR),
        (2..6).map(|voter| ballot(voter, Choice::Yes)),
    );
    assert_eq!((more.events, vote.poll.close()), (Vec::new(), close));

    let mut early = Held::changeable(10);
    let before = minute(48 * HOUR - 1);
    early.take(before, (0..2).map(|voter| ballot(voter, Choice::Yes)));
    early.take(
        minute(71 * HOUR),
        (2..6).map(|voter| ballot(voter, Choice::Yes)),
    );
    assert_eq!(early.poll.close(), minute(72 * HOUR));
}

#[test]
fn a_late_quorum_of_an_emergency_moves_the_close_40_minutes() {
    let mut vote = Held::with(21, |draft| *draft = TermsDraft::emergency(draft.electorate));
    let taken = vote.take(minute(80), (0..5).map(|voter| ballot(voter, Choice::Yes)));
    let close = minute(160);
    assert_eq!(taken.events, [Event::Extended { close }]);
}

#[test]
fn a_vote_closes_early_once_nothing_can_change_it() {
    let mut vote = Held::ordinary(9);
    vote.delegate(minute(0), 4, 0, Some(0));
    assert!(
        vote.take(minute(1), (1..4).map(|voter| ballot(voter, Choice::Yes)))
            .events
            .is_empty()
    );
    // Delegated or not: until the delegate has voted, its members may still vote as they like.
    assert!(
        vote.take(minute(2), [ballot(8, Choice::No)])
            .events
            .is_empty()
    );
    let taken = vote.take(minute(3), [ballot(0, Choice::Yes)]);
    assert_eq!(taken.events, [Event::Closed { early: true }]);
    assert_eq!(vote.poll.close(), minute(3));
    vote.lists(minute(4), (0..4).map(|number| list(number, &[])));
    assert_eq!(vote.counted(), [5, 1, 0, 6]);
}

#[test]
fn changeable_and_sealed_votes_run_to_the_end() {
    let mut vote = Held::changeable(4);
    let all = vote.take(minute(1), (0..4).map(|voter| ballot(voter, Choice::Yes)));
    assert_eq!((all.events, vote.poll.phase()), (Vec::new(), &Phase::Open));

    let committee = Committee::new();
    let key = committee.key();
    let mut vote = Held::with(4, |draft| {
        draft.secrecy = Secrecy::Sealed { key: key.clone() }
    });
    let all = vote.take(
        minute(1),
        (0..4).map(|voter| committee.ballot(voter, Choice::Yes)),
    );
    assert_eq!((all.events, vote.poll.phase()), (Vec::new(), &Phase::Open));
}

#[test]
fn sealed_choices_count_once_the_committee_has_opened_them() {
    let committee = Committee::new();
    let key_ = committee.key();
    let mut vote = Held::with(10, |draft| {
        draft.secrecy = Secrecy::Sealed { key: key_.clone() }
    });
    vote.delegate(minute(0), 5, 0, Some(0));
    vote.delegate(minute(0), 6, 0, Some(2));
    let (yes, no) = (
        committee.ballot(0, Choice::Yes),
        committee.ballot(1, Choice::No),
    );
    let copied = yes.value().vote.clone();
    let copy = Ballot::sign(&MESH, &member(2), PROPOSAL, 0, copied);
    let open = ballot(3, Choice::Yes);
    let taken = vote.take(minute(1), [yes, no, copy, open]);
    assert_eq!(taken.refused, [(key(3), Refused::OtherForm)]);
    // Nobody can see a result yet.
    assert_eq!(vote.poll.sums().cast(), 0);

    let close = vote.poll.close();
    let taken = vote.lists(close, (0..4).map(|number| list(number, &[])));
    let mut voters: Vec<_> = (0..3).map(key).collect();
    voters.sort_unstable();
    assert_eq!(taken.events.last(), Some(&Event::ToOpen(voters)));
    let mut openings: Vec<_> = (0..3).map(|voter| committee.opening(voter)).collect();
    openings.push(committee.opening(3));
    let taken = vote.block(
        after(close, 1),
        Batch {
            openings,
            ..Batch::default()
        },
    );
    assert_eq!(taken.refused, [(key(3), Refused::OpensNothing)]);
    assert_eq!(taken.events.first(), Some(&Event::Unopened(key(2))));
    // The copy does not open, and speaks for nobody.
    assert_eq!(vote.counted(), [2, 1, 0, 4]);
    assert_eq!(vote.poll.unopened().collect::<Vec<_>>(), [&key(2)]);
    let recounted = recount(&vote.poll.basis(&vote.roll), vote.poll.leaves());
    assert_eq!(recounted, Ok(vote.poll.statement().unwrap().tally));
}

#[test]
fn a_sealed_vote_that_is_not_opened_is_void() {
    let committee = Committee::new();
    let key = committee.key();
    let mut vote = Held::with(4, |draft| {
        draft.secrecy = Secrecy::Sealed { key: key.clone() }
    });
    vote.take(minute(1), [committee.ballot(0, Choice::Yes)]);
    let close = vote.poll.close();
    vote.lists(close, (0..4).map(|number| list(number, &[])));
    let voided = vote.poll.on_time(after(close, 24 * HOUR));
    assert_eq!(voided, Some(Event::Voided(VoidReason::NotOpened)));
}

#[test]
fn a_tally_without_a_certificate_is_void_in_the_end() {
    let mut vote = Held::ordinary(4);
    vote.close();
    let stall = after(vote.poll.close(), 7 * 24 * HOUR);
    let voided = vote.poll.on_time(stall);
    assert_eq!(voided, Some(Event::Voided(VoidReason::NoCertificate)));
}

/// Members of the votes that are drawn at random.
const MEMBERS: u16 = 12;

#[derive(Clone, Debug)]
struct Plan {
    delegates: Vec<Option<u16>>,
    /// By member: the block in which it votes first and later, and how.
    ballots: Vec<Vec<(usize, Choice)>>,
}

fn choices() -> impl Strategy<Value = Choice> {
    prop_oneof![Just(Choice::Yes), Just(Choice::No), Just(Choice::Abstain)]
}

fn plans(most: usize) -> impl Strategy<Value = Plan> {
    let members = usize::from(MEMBERS);
    let delegates = prop::collection::vec(prop::option::of(0..MEMBERS), members);
    let ballots = prop::collection::vec(
        prop::collection::vec((0_usize..4, choices()), 0..=most),
        members,
    );
    (delegates, ballots).prop_map(|(mut delegates, mut ballots)| {
        for (member, delegate) in (0..).zip(&mut delegates) {
            delegate.take_if(|delegate| *delegate == member);
        }
        for ballots in &mut ballots {
            ballots.sort_by_key(|(block, _)| *block);
        }
        Plan { delegates, ballots }
    })
}

fn run(plan: &Plan, mut vote: Held) -> [u64; 3] {
    for (member, delegate) in (0..).zip(&plan.delegates) {
        vote.delegate(minute(0), member, 0, *delegate);
    }
    for block in 0..4 {
        let of = |(voter, ballots): (u16, &Vec<(usize, Choice)>)| {
            let ballots = (0..).zip(ballots).filter(|(_, (at, _))| *at == block);
            let sign = |(seq, (_, choice)): (u32, &(usize, Choice))| changed(voter, seq, *choice);
            ballots.map(sign).collect::<Vec<_>>()
        };
        let ballots: Vec<_> = (0..).zip(&plan.ballots).flat_map(of).collect();
        vote.take(minute(1 + block as u64), ballots);
    }
    let [yes, no, abstain, _] = vote.close();
    [yes, no, abstain]
}

fn sums(counted: impl IntoIterator<Item = Choice>) -> [u64; 3] {
    let mut sums = [0; 3];
    for choice in counted {
        sums[choice as usize] += 1;
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_changeable_vote_counts_last_ballots_and_else_delegates(plan in plans(3)) {
        let last = |member: usize| plan.ballots[member].last().map(|(_, choice)| *choice);
        let counted = (0..usize::from(MEMBERS)).filter_map(|member| {
            last(member).or_else(|| last(usize::from(plan.delegates[member]?)))
        });
        prop_assert_eq!(run(&plan, Held::changeable(200)), sums(counted));
    }

    #[test]
    fn a_final_vote_counts_whoever_comes_first_member_or_delegate(plan in plans(1)) {
        let mut decided = std::collections::BTreeMap::new();
        for block in 0..4 {
            let voters = (0..).zip(&plan.ballots).filter_map(|(voter, ballots)| {
                let (at, choice) = ballots.first()?;
                (*at == block && !decided.contains_key(&voter)).then_some((voter, *choice))
            });
            let voters: Vec<(u16, Choice)> = voters.collect();
            decided.extend(voters.iter().copied());
            for (voter, choice) in voters {
                for (member, delegate) in (0..).zip(&plan.delegates) {
                    if *delegate == Some(voter) {
                        decided.entry(member).or_insert(choice);
                    }
                }
            }
        }
        prop_assert_eq!(run(&plan, Held::ordinary(200)), sums(decided.into_values()));
    }

    #[test]
    fn the_order_inside_a_block_does_not_matter(
        block in prop::collection::vec((0..6_u16, 0..3_u32, choices()), 1..14),
        late in prop::collection::vec((0..8_u16, 0..3_u32, choices()), 0..8),
        turn: usize, changeable: bool,
    ) {
        let run = |turn: usize| {
            let mut vote = if changeable { Held::changeable(20) } else { Held::ordinary(20) };
            vote.delegate(minute(0), 6, 0, Some(1));
            let signed = |all: &[(u16, u32, Choice)]| {
                let all = all.iter().map(|(voter, seq, choice)| changed(*voter, *seq, *choice));
                let mut all: Vec<_> = all.collect();
                let turn = turn % all.len().max(1);
                all.rotate_left(turn);
                if turn % 2 == 1 {
                    all.reverse();
                }
                all
            };
            vote.take(minute(1), signed(&block));
            let close = vote.poll.close();
            let late = signed(&late);
            vote.take(close, late.clone());
            vote.lists(close, (0..4).map(|number| list(number, &late.iter().collect::<Vec<_>>())));
            vote.poll
        };
        prop_assert_eq!(run(0), run(turn));
    }
}

/// A committee that can open what is sealed to it.
struct Committee {
    group: GroupKey,
    shares: Vec<KeyShare>,
}

impl Committee {
    fn new() -> Self {
        let seats: Vec<_> = (0..4).map(seat).collect();
        let keys: Vec<_> = seats.iter().map(Identity::public).collect();
        let plan = CeremonyPlan {
            mesh: MESH,
            epoch: 0,
            purpose: Purpose::Decryption,
            dealers: keys.clone(),
            players: keys,
            previous: None,
        };
        let ceremony = Ceremony::new(plan).unwrap();
        let player = |seat: &Identity| Player::new(&ceremony, seat).unwrap();
        let mut players: Vec<_> = seats.iter().map(player).collect();
        let mut logs = Logs::new(&ceremony);
        for dealer in &seats {
            let mut dealt = Dealer::start(&ceremony, dealer, None, &[5; 32]).unwrap();
            for (seat, player) in seats.iter().zip(&mut players) {
                let mut dealings = dealt.dealings.iter();
                let (_, dealing) = dealings.find(|(to, _)| *to == seat.public()).unwrap();
                let ack = player.take_dealing(&dealer.public(), &dealt.commitment, dealing);
                dealt
                    .dealer
                    .take_ack(&seat.public(), &ack.unwrap())
                    .unwrap();
            }
            logs.add(&dealt.dealer.finish()).unwrap();
        }
        let group = logs.observe().unwrap().group;
        let shares = players
            .into_iter()
            .map(|player| player.finish(&logs).unwrap().1);
        Self {
            group,
            shares: shares.collect(),
        }
    }

    fn key(&self) -> Box<CommitteeKey> {
        Box::new(self.group.public())
    }

    fn ballot(&self, voter: u16, choice: Choice) -> Verified<Ballot> {
        let seed = [u8::try_from(voter).unwrap(); 32];
        let place = (&MESH, &PROPOSAL);
        let sealed = sealed::seal(&self.key(), place, &key(voter), choice, &seed).unwrap();
        Ballot::sign(&MESH, &member(voter), PROPOSAL, 0, Vote::Sealed(sealed))
    }

    fn opening(&self, voter: u16) -> Opening {
        Opening {
            voter: key(voter),
            signature: self.sign(&sealed::label(&MESH, &PROPOSAL, &key(voter))),
        }
    }

    fn sign(&self, message: &[u8]) -> ThresholdSignature {
        let parts = self.shares.iter();
        let parts: Vec<_> = parts
            .map(|share| (share.seat(), share.sign(message)))
            .collect();
        self.group.combine(message, &parts).unwrap()
    }
}
