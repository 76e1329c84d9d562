//! Agreement on one block at one height: Tendermint, as the driver of the Malachite engine runs it.
//!
//! The driver is a pure state machine: verified proposals, votes and elapsed timeouts go in, what to sign, what
//! to wait for and at last the decision come out. This file fits it to the types of the mesh and takes its
//! rounds from one to the next; it does not sign, send, store or check signatures.
//!
//! Source: Buchman, Kwon, Milosevic, "The latest gossip on BFT consensus", arXiv:1807.04938.

use core::{convert::Infallible, fmt, time::Duration};
use std::sync::Arc;

use malachite::{
    NilOrVal, PolkaCertificate, PolkaSignature, Round, SignedExtension, SignedMessage, Timeout,
    TimeoutKind, Validity, VoteType,
};
use malachitebft_core_driver::{Driver, Input, Output};
use malachitebft_core_types as malachite;
use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey, Signature};

use super::seats::Seats;
use crate::wire::{Block, Phase, Proposal, Quorum, SeatVote};

/// Agreement under way at one height.
pub(super) struct Engine {
    driver: Driver<Rules>,
    seats: Seats,
    height: u64,
}

/// What the engine asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Build a block and hand it in by [`Engine::propose`].
    Build { round: u32 },
    /// Sign this proposal, send it to all and hand it in.
    Propose {
        round: u32,
        block: Arc<Block>,
        polka: Option<Quorum>,
    },
    /// Sign this vote, send it to all and hand it in.
    Vote {
        round: u32,
        phase: Phase,
        block: Option<ContentId>,
    },
    /// Wait, and hand in the timer by [`Engine::elapsed`].
    Wait(Timer),
    /// The block is decided.
    Decide { commit: Quorum, block: Arc<Block> },
}

/// Something that is waited for in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timer {
    pub(super) round: u32,
    pub(super) what: Awaited,
}

/// What a timer bounds the wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Awaited {
    /// The proposal of the round.
    Proposal,
    /// A quorum of prevotes for one thing.
    Prevotes,
    /// A quorum of precommits for one thing.
    Precommits,
}

impl Engine {
    /// Makes ready for a height; nothing happens before [`Engine::start`].
    pub(super) fn new(height: u64, seats: &Seats, own: PublicKey) -> Self {
        let driver = Driver::new(
            Rules,
            Height(height),
            SeatSet::of(seats),
            Seat(own),
            malachitebft_core_driver::ThresholdParams::default(),
        );
        Self {
            driver,
            seats: seats.clone(),
            height,
        }
    }

    /// Enters the first round.
    pub(super) fn start(&mut self) -> Vec<Step> {
        self.feed(self.new_round(0))
    }

    /// Returns the present round; `None` before the start.
    pub(super) fn round(&self) -> Option<u32> {
        self.driver.round().as_u32()
    }

    /// Takes a block built for a round in which this seat proposes.
    pub(super) fn propose(&mut self, round: u32, block: Arc<Block>) -> Vec<Step> {
        self.feed(Input::ProposeValue(Round::new(round), Value::of(block)))
    }

    /// Takes a verified proposal and whether its block may be decided.
    pub(super) fn proposal(&mut self, proposal: &Proposal, is_valid: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        let value = Value::of(Arc::new(proposal.block.clone()));
        if let Some(polka) = &proposal.polka {
            let known = self
                .driver
                .polka_certificate(Round::new(polka.round), &Name(value.id));
            if known.is_none() {
                steps = self.polka(value.id, polka);
            }
        }
        let pol_round = proposal
            .polka
            .as_ref()
            .map_or(Round::Nil, |polka| Round::new(polka.round));
        let message = Proposed {
            height: Height(self.height),
            round: Round::new(proposal.round),
            value,
            pol_round,
            seat: Seat(proposal.seat),
        };
        let signed = SignedMessage::new(message, proposal.signature);
        let validity = Validity::from_bool(is_valid);
        steps.extend(self.feed(Input::Proposal(signed, validity)));
        steps
    }

    /// Takes a verified vote.
    pub(super) fn vote(&mut self, vote: &SeatVote) -> Vec<Step> {
        self.feed(Input::Vote(self.signed(vote)))
    }

    /// Tells whether the vote is known already.
    pub(super) fn has_vote(&self, vote: &SeatVote) -> bool {
        self.driver.votes().has_vote(&self.signed(vote))
    }

    /// Takes note that a wait is over.
    pub(super) fn elapsed(&mut self, timer: Timer) -> Vec<Step> {
        if Some(timer.round) != self.round() {
            return Vec::new();
        }
        let kind = match timer.what {
            Awaited::Proposal => TimeoutKind::Propose,
            Awaited::Prevotes => TimeoutKind::Prevote,
            Awaited::Precommits => TimeoutKind::Precommit,
        };
        self.feed(Input::TimeoutElapsed(Timeout::new(
            Round::new(timer.round),
            kind,
        )))
    }

    fn polka(&mut self, block: ContentId, polka: &Quorum) -> Vec<Step> {
        let signatures = polka
            .votes
            .iter()
            .map(|(seat, signature)| PolkaSignature::new(Seat(*seat), *signature));
        self.feed(Input::PolkaCertificate(PolkaCertificate {
            height: Height(self.height),
            round: Round::new(polka.round),
            value_id: Name(block),
            polka_signatures: signatures.collect(),
        }))
    }

    fn polka_of(&self, round: Round, block: ContentId) -> Option<Quorum> {
        let certificate = self.driver.polka_certificate(round, &Name(block))?;
        let mut votes: Vec<_> = certificate
            .polka_signatures
            .iter()
            .map(|vote| (vote.address.0, vote.signature))
            .collect();
        votes.sort_unstable_by_key(|(seat, _)| *seat);
        votes.dedup_by_key(|(seat, _)| *seat);
        Some(Quorum {
            round: round.as_u32()?,
            votes,
        })
    }

    fn new_round(&self, round: u32) -> Input<Rules> {
        let proposer = *self.seats.proposer(self.height, round);
        Input::NewRound(Height(self.height), Round::new(round), Seat(proposer))
    }

    /// Feeds the driver, and again for each round it enters, until it waits for something from outside.
    fn feed(&mut self, input: Input<Rules>) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            // An input that does not fit (a height long decided, a round not begun) has no effect.
            for output in self.driver.process(input).unwrap_or_default() {
                match output {
                    Output::NewRound(_, round) => {
                        inputs.extend(round.as_u32().map(|round| self.new_round(round)));
                    }
                    Output::Propose(proposal) => {
                        steps.push(Step::Propose {
                            round: number(proposal.round),
                            polka: self.polka_of(proposal.pol_round, proposal.value.id),
                            block: proposal.value.block,
                        });
                    }
                    Output::Vote(vote) => {
                        if let (VoteType::Precommit, NilOrVal::Val(_)) = (vote.phase, &vote.value) {
                            self.driver.prune_votes_and_certificates(vote.round);
                        }
                        steps.push(Step::Vote {
                            round: number(vote.round),
                            phase: phase(vote.phase),
                            block: name(&vote.value),
                        });
                    }
                    Output::Decide(_, proposal) => {
                        let value = proposal.value;
                        let round = self.driver.decided_value().map(|(round, _)| round);
                        let round = round.unwrap_or(proposal.round);
                        steps.push(Step::Decide {
                            commit: self.commit(round, value.id),
                            block: value.block,
                        });
                    }
                    Output::ScheduleTimeout(timeout) => {
                        steps.extend(timer(timeout).map(Step::Wait))
                    }
                    Output::GetValue(_, round, _) => steps.push(Step::Build {
                        round: number(round),
                    }),
                }
            }
        }
        steps
    }

    fn commit(&self, round: Round, block: ContentId) -> Quorum {
        let mut votes: Vec<_> = self
            .driver
            .restore_precommits(round, &Name(block))
            .into_iter()
            .map(|vote| (vote.message.seat.0, vote.signature))
            .collect();
        votes.sort_unstable_by_key(|(seat, _)| *seat);
        votes.dedup_by_key(|(seat, _)| *seat);
        Quorum {
            round: number(round),
            votes,
        }
    }

    fn signed(&self, vote: &SeatVote) -> malachite::SignedVote<Rules> {
        let phase = match vote.phase {
            Phase::Prevote => VoteType::Prevote,
            Phase::Precommit => VoteType::Precommit,
        };
        let message = Vote {
            phase,
            height: Height(vote.height),
            round: Round::new(vote.round),
            value: vote
                .block
                .map_or(NilOrVal::Nil, |id| NilOrVal::Val(Name(id))),
            seat: Seat(vote.seat),
        };
        SignedMessage::new(message, vote.signature)
    }
}

fn timer(timeout: Timeout) -> Option<Timer> {
    let what = match timeout.kind {
        TimeoutKind::Propose => Awaited::Proposal,
        TimeoutKind::Prevote => Awaited::Prevotes,
        TimeoutKind::Precommit => Awaited::Precommits,
        TimeoutKind::Rebroadcast | TimeoutKind::FinalizeHeight(_) => return None,
    };
    Some(Timer {
        round: number(timeout.round),
        what,
    })
}

/// Rounds that reach this file have been entered; only one not yet begun has no number.
fn number(round: Round) -> u32 {
    round.as_u32().unwrap_or_default()
}

const fn phase(phase: VoteType) -> Phase {
    match phase {
        VoteType::Prevote => Phase::Prevote,
        VoteType::Precommit => Phase::Precommit,
    }
}

fn name(value: &NilOrVal<Name>) -> Option<ContentId> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(name) => Some(name.0),
    }
}

/// The types of the mesh in the engine's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rules;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Height(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seat(PublicKey);

/// A seat with its one vote.
type Voter = Seat;

#[derive(Clone, Debug, PartialEq, Eq)]
struct SeatSet {
    seats: Seats,
    voters: Vec<Voter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name(ContentId);

#[derive(Clone, Debug)]
struct Value {
    id: ContentId,
    block: Arc<Block>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Proposed {
    height: Height,
    round: Round,
    value: Value,
    pol_round: Round,
    seat: Seat,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Vote {
    phase: VoteType,
    height: Height,
    round: Round,
    value: NilOrVal<Name>,
    seat: Seat,
}

/// Proposals travel whole, so there are no parts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum NoPart {}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Ed25519;

/// How long to wait is decided by the log, which owns the timers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct NoTimeouts;

impl malachite::Context for Rules {
    type Address = Seat;
    type Height = Height;
    type ProposalPart = NoPart;
    type Proposal = Proposed;
    type Validator = Voter;
    type ValidatorSet = SeatSet;
    type Timeouts = NoTimeouts;
    type Value = Value;
    type Vote = Vote;
    type Extension = ();
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(&self, set: &'a SeatSet, height: Height, round: Round) -> &'a Voter {
        &set.voters[set.seats.turn(height.0, number(round))]
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: Value,
        pol_round: Round,
        seat: Seat,
    ) -> Proposed {
        Proposed {
            height,
            round,
            value,
            pol_round,
            seat,
        }
    }

    fn new_prevote(&self, height: Height, round: Round, value: NilOrVal<Name>, seat: Seat) -> Vote {
        Vote {
            phase: VoteType::Prevote,
            height,
            round,
            value,
            seat,
        }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<Name>,
        seat: Seat,
    ) -> Vote {
        Vote {
            phase: VoteType::Precommit,
            height,
            round,
            value,
            seat,
        }
    }
}

impl SeatSet {
    fn of(seats: &Seats) -> Self {
        Self {
            seats: seats.clone(),
            voters: seats.keys().iter().copied().map(Seat).collect(),
        }
    }
}

impl Value {
    fn of(block: Arc<Block>) -> Self {
        Self {
            id: block.id(),
            block,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.id.cmp(&other.id)
    }
}

impl malachite::Value for Value {
    type Id = Name;

    fn id(&self) -> Name {
        Name(self.id)
    }
}

impl malachite::Height for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

impl malachite::Address for Seat {}

impl malachite::Validator<Rules> for Voter {
    fn address(&self) -> &Seat {
        self
    }

    fn public_key(&self) -> &PublicKey {
        &self.0
    }

    fn voting_power(&self) -> malachite::VotingPower {
        1
    }
}

impl malachite::ValidatorSet<Rules> for SeatSet {
    fn count(&self) -> usize {
        self.voters.len()
    }

    fn total_voting_power(&self) -> malachite::VotingPower {
        malachite::VotingPower::try_from(self.voters.len()).unwrap_or_default()
    }

    fn get_by_address(&self, address: &Seat) -> Option<&Voter> {
        let at = self.voters.binary_search(address).ok()?;
        self.voters.get(at)
    }

    fn get_by_index(&self, index: usize) -> Option<&Voter> {
        self.voters.get(index)
    }
}

impl malachite::Proposal<Rules> for Proposed {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &Value {
        &self.value
    }

    fn take_value(self) -> Value {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Seat {
        &self.seat
    }
}

impl malachite::ProposalPart<Rules> for NoPart {
    fn is_first(&self) -> bool {
        match *self {}
    }

    fn is_last(&self) -> bool {
        match *self {}
    }
}

impl malachite::Vote<Rules> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<Name> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<Name> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.phase
    }

    fn validator_address(&self) -> &Seat {
        &self.seat
    }

    fn extension(&self) -> Option<&SignedExtension<Rules>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Rules>> {
        None
    }

    fn extend(self, _: SignedExtension<Rules>) -> Self {
        self
    }
}

impl malachite::Timeouts<Rules> for NoTimeouts {
    fn duration_for(&self, _: Timeout) -> Duration {
        Duration::ZERO
    }
}

impl malachite::SigningScheme for Ed25519 {
    type DecodingError = Infallible;
    type Signature = Signature;
    type PublicKey = PublicKey;
    type PrivateKey = ();

    fn decode_signature(_: &[u8]) -> Result<Signature, Infallible> {
        unreachable!("signatures are decoded with the messages that carry them")
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.bytes().to_vec()
    }

    fn decode_public_key(_: &[u8]) -> Result<PublicKey, Infallible> {
        unreachable!("keys are decoded with the messages that carry them")
    }

    fn encode_public_key(key: &PublicKey) -> Vec<u8> {
        key.bytes().to_vec()
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
