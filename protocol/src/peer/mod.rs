//! The root machine: owns every part of a peer and routes between them.
//!
//! The parts never call each other. What comes in is decided in the file named for it: `ingest`
//! (records), `stemming` (sensitive ones before they are gossiped), `linking` (links, greetings, catch-up), `requests` (what
//! other peers ask), `acting` (acts, local changes, healing), `proposing` (own acts on their way), `consenting` (others' acts
//! that want a word of this node), `halting` (anomalies, freezes, halts), `pulling` (evidence after a halt), `voting` (votes of a member),
//! `jury` (what juries decide past the committee), `judging` (reported violations and what came of them),
//! `inspecting` and `auditing` (audits of what members' nodes collect, as the asked and as the auditor),
//! `sublime`, `guarding` and `releasing` (items, their guardians, and what a vote opens),
//! `attesting` (what trustees open), `inviting` and `drilling` (members asked to serve, and guardians who try what they keep),
//! `recounting` (what was counted, fetched and counted again), `polling` (votes as a seat holds them), `erasing` (what records
//! said, and receipts), `writing` (records of our own), `seat` (the committee), `handover` and `recovery` (its next seats), `publishing` (the copy of the public log), `overriding`
//! (overrides that may lapse), `commands` (the local user).
//! This file holds the state, the way in and the timers.
//!
//! A peer is in one of two conditions. Until it is *ready* it does not write records, because it may
//! have been restored from an old copy and would write a place of its chain twice; it asks its links
//! for its own newest record first. Until it has *caught up* once it executes no act.

mod acting;
mod amending;
mod attesting;
mod auditing;
mod commands;
mod consenting;
mod countersigning;
mod drilling;
mod emergency;
mod erasing;
mod guarding;
mod halting;
mod handover;
mod ingest;
mod inspecting;
mod inviting;
mod judging;
mod jury;
mod keeping;
mod linking;
mod looking;
mod overriding;
mod polling;
mod proposing;
mod publishing;
mod pulling;
mod recounting;
mod recovery;
mod redealing;
mod releasing;
mod requests;
mod rotating;
mod seat;
mod stemming;
mod sublime;
mod taking;
mod voting;
mod writing;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use x0_crypto::{
    ContentId, PublicKey,
    capability::{Capability, RootKey},
    sublime::ShareIndex,
};

use self::{
    amending::Amendments,
    auditing::AskFor,
    halting::{Halting, StoredHalting},
    handover::epoch_records,
    ingest::{Origin, newest_checkpoints},
    inspecting::Inspections,
    judging::Court,
    polling::VoteFor,
    proposing::written_acts,
    publishing::Public,
    pulling::ShowTo,
    releasing::VaultFor,
    rotating::newest_rotations,
    seat::Seat,
    sublime::Vault,
    voting::Voting,
    writing::Wanted,
};
use crate::{
    anti_meave::{
        Acts, Admittance, Approved, Capabilities, Consents, CosignPolicy, Pending, Policies,
        Proposals,
        acts::Bench,
        overrides::OverrideHere,
        proposals::{KeptProposal, OwnProposal},
    },
    core::{
        command::{CommandError, EarlierHead},
        effect::{Deadline, Effect, Outbox, Why, Write},
        event::Event,
        ids::{CommandId, JobId, RequestId, RequestToken},
        in_flight::InFlight,
        input::Input,
        job::{Finding, Verdict},
        limits::HEAD_WAIT,
        rng::Rng,
        time::{Mono, Now},
    },
    spine::{
        audit::{AuditLog, Entry, What, countersigned::Countersigning},
        ballot::StoredVotes,
        committee::{SecretFor, StoredLog, StoredWork, Tip, Trust},
        delivery::{CatchUp, Index, Orphans, Sessions, Stem},
        directory::{Directory, SharedOverlays},
        erasure::{ErasureReceipt, Erasures, Receipts},
        halt::Halt,
        healing::Healing,
        links::Links,
    },
    sublime::shares::{ShareKeyName, StoredSublime},
    wire::{
        AccountAsk, Act, AuditAsk, AuditRound, Body, Certificate, Change, Countersign, Draw,
        HeldHead, LogHead, Outcome, Override, PartAck, PolicyName, PublicAsk, PublicEntry, Reason,
        Record, ReleasedPart, Role, RotationNotice, SeatDraft, SeatsPlan, Verified, VoteDraft,
        VoteItem, VoteNotice,
    },
};

/// What a peer is given at its start and never changes.
#[derive(Clone)]
pub struct PeerConfig {
    /// The node's identity.
    pub key: PublicKey,
    /// The root under which the node grants capabilities.
    pub root: RootKey,
    /// The mesh's genesis record.
    pub genesis: Verified<Record>,
    /// The members certified so far; starts from the genesis founders if absent.
    pub directory: Option<Directory>,
    /// Peers that the user named as members, by an invite or a list of first contacts: let in until a
    /// first catch-up has told who is one.
    pub introducers: Vec<PublicKey>,
    /// The self-healing loop's capability, granted by the node's own root.
    pub healing: Option<Arc<Capability>>,
    /// Seed of all random choices; secret in a node, the scenario's in a simulation.
    pub seed: [u8; 32],
    /// Whether the chain is new, so that no other peer can know a later head of it.
    pub fresh: bool,
    /// Whether the node may sign for a seat of its identity; else that is kept elsewhere.
    pub may_sit: bool,
    /// What the node does when it is drawn to co-sign or to approve.
    pub cosign: CosignPolicy,
}

/// What a peer left in its store, read back at a start.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// All records, in any order.
    pub records: Vec<Verified<Record>>,
    /// Acts that were executed or about to be.
    pub executed: BTreeSet<ContentId>,
    /// Policies changed: name, version, value.
    pub policies: Vec<(PolicyName, u64, u64)>,
    /// The audit log's entries, in order.
    pub audit: Vec<Entry>,
    /// The newest log heads seen of others.
    pub witnessed: Vec<LogHead>,
    /// Delegation roots accepted by the node's own choice.
    pub roots: Vec<RootKey>,
    /// The halts known, those past too.
    pub halts: Vec<Halt>,
    /// The committee log, if this node has a seat.
    pub committee: StoredLog,
    /// What the seat has kept of its work.
    pub work: StoredWork,
    /// What this node has handed in for votes, and what its seat holds of them.
    pub votes: StoredVotes,
    /// Own acts on their way, and the last that ended.
    pub proposals: Vec<KeptProposal>,
    /// Others' proofs that they erased what this node asked for.
    pub receipts: Vec<ErasureReceipt>,
    /// The copy of the public log, in order.
    pub public: Vec<PublicEntry>,
    /// Overrides that run here and may lapse.
    pub overrides: Vec<OverrideHere>,
    /// Shares kept for others, and what was released for this node.
    pub sublime: StoredSublime,
}

/// What of its configuration a peer needs for good.
struct Settled {
    key: PublicKey,
    root: RootKey,
    genesis: Verified<Record>,
    healing: Option<Arc<Capability>>,
    may_sit: bool,
    cosign: CosignPolicy,
}

/// A participant of a mesh: everything it knows and does.
pub struct Peer {
    config: Settled,
    directory: Directory,
    index: Index,
    orphans: Orphans,
    links: Links,
    healing: Healing,
    capabilities: Capabilities,
    policies: Policies,
    acts: Acts,
    audit: AuditLog,
    rng: Rng,
    next_id: u64,
    waiting: InFlight<JobId, Waiting>,
    asked: InFlight<RequestId, Asked>,
    catch_up: Option<Box<CatchUp>>,
    catch_up_queue: VecDeque<PublicKey>,
    catch_up_at: Option<Mono>,
    sessions: Sessions,
    /// Only a peer that has passed a sensitive record along keeps relays.
    stem: Option<Box<Stem>>,
    chain: Chain,
    wanted: VecDeque<Wanted>,
    proposals: InFlight<CommandId, (Act, Option<Box<Override>>)>,
    own_join: Option<Verified<Record>>,
    introducers: Vec<PublicKey>,
    trust: Trust,
    own_acts: Proposals,
    consents: Consents,
    voting: Voting,
    /// Only a peer with a seat keeps the committee log.
    committee: Option<Box<Seat>>,
    /// Only a peer that has heard of an amendment keeps any.
    amendments: Option<Box<Amendments>>,
    erasures: Erasures,
    receipts: Receipts,
    /// Only a peer that has heard of a reported violation keeps any.
    court: Option<Box<Court>>,
    /// Only a peer that has heard of audits keeps any.
    inspections: Option<Box<Inspections>>,
    /// Only a peer that has seen an act keeps watch.
    halting: Option<Box<Halting>>,
    /// Only a peer of a mesh whose public log has entries keeps a copy.
    public: Option<Box<Public>>,
    /// Only a peer of a mesh with a committee has witnesses.
    countersigning: Option<Box<Countersigning>>,
    /// Only a peer that has heard of Sublime keeps anything of it.
    vault: Option<Box<Vault>>,
}

/// How far the peer knows its own chain.
struct Chain {
    head: Option<(u64, ContentId)>,
    signing: bool,
    ready: bool,
    caught_up: bool,
    asked: u8,
    witnesses: u8,
    wait_until: Option<Mono>,
}

/// Work handed out, and what it was for.
enum Waiting {
    Records(Origin),
    Head,
    LocalToken {
        change: Change,
        command: CommandId,
    },
    ProposalToken(Box<commands::Proposal>),
    Authorize {
        pending: Pending,
        admittance: Admittance,
        purpose: Purpose,
    },
    Sign(Option<CommandId>),
    SignHead,
    SignForWitnesses,
    Countersign {
        token: RequestToken,
        height: u64,
    },
    SignCountersign {
        held: HeldHead,
        answer: Option<RequestToken>,
    },
    Countersigned {
        held: HeldHead,
        one: Countersign,
    },
    Show {
        ask: Box<AuditAsk>,
        to: ShowTo,
    },
    Shown {
        node: PublicKey,
        ask: Box<AuditAsk>,
    },
    ProveEntry {
        command: CommandId,
        index: u64,
        since: EarlierHead,
    },
    Seat,
    SignSeat,
    Blocks,
    Offered,
    Combine(ContentId),
    Secret(Box<SecretFor>),
    Vault(VaultFor),
    Certificate {
        certificate: Box<Certificate>,
        live: bool,
    },
    HandOver(Verified<Record>),
    Warrants(Verified<Record>),
    Watched(Verified<Record>),
    Admitted {
        act: ContentId,
        ticket: Box<Certificate>,
        draw: Option<Box<Draw>>,
    },
    Consent {
        act: ContentId,
        role: Role,
    },
    SignWord(WordFor),
    SignVote(VoteFor),
    VoteItem(Option<RequestToken>),
    Notice(Box<VoteNotice>),
    Ask {
        token: RequestToken,
        ask: Box<AccountAsk>,
    },
    Account(RequestToken),
    SignAsk(AskFor),
    AccountSigned {
        node: PublicKey,
        purpose: AskFor,
    },
    AuditRound(Box<AuditRound>),
    Rotation(Box<RotationNotice>),
    Dealt,
    Recount(ContentId),
    Persist(AfterPersist),
    Execute {
        words: String,
        purpose: Purpose,
    },
}

/// What an authorization or execution is for.
#[derive(Clone)]
enum Purpose {
    Act(Verified<Record>),
    Local {
        command: Option<CommandId>,
        agent: PublicKey,
    },
    Propose {
        command: CommandId,
    },
    Consent {
        act: ContentId,
        role: Role,
    },
    Lapse {
        act: ContentId,
    },
}

/// What a word about an act is signed for.
enum WordFor {
    Ask {
        command: CommandId,
        act: Box<Act>,
        emergency: Option<Box<Override>>,
    },
    Approve {
        plan: Box<SeatsPlan>,
    },
    Pass,
    Consent {
        role: Role,
    },
    Heard,
}

/// What waits for a write to be safe.
enum AfterPersist {
    Nothing,
    SignSeat(Box<SeatDraft>),
    SignVote(Box<VoteDraft>, VoteFor),
    OwnVote(CommandId, Box<VoteItem>),
    Asked {
        command: CommandId,
        proposal: Box<OwnProposal>,
    },
    Decided(Tip),
    PartKept {
        item: PublicKey,
        token: Option<RequestToken>,
        ack: PartAck,
        gone: Vec<ShareKeyName>,
    },
    Effects(Vec<Effect>),
    Wrote {
        record: Verified<Record>,
        command: Option<CommandId>,
    },
    Execute {
        change: Approved<Change>,
        purpose: Purpose,
    },
}

/// What a request to another peer was for.
enum Asked {
    Hello {
        to: PublicKey,
        with_join: bool,
    },
    Reconcile,
    Fetch,
    Push,
    HeadOf,
    Head {
        to: PublicKey,
        size: u64,
    },
    Consistency {
        head: LogHead,
        old: u64,
    },
    Outcome,
    Seat {
        to: PublicKey,
    },
    Blocks,
    State {
        to: PublicKey,
    },
    Dealing {
        ceremony: ContentId,
        to: PublicKey,
    },
    Parts,
    Told,
    Admit {
        act: ContentId,
        to: PublicKey,
    },
    Consent {
        act: ContentId,
        to: PublicKey,
        role: Role,
    },
    Vote {
        id: ContentId,
        to: PublicKey,
    },
    Counted {
        proposal: ContentId,
        to: PublicKey,
    },
    Audit {
        node: PublicKey,
        ask: Box<AuditAsk>,
    },
    Public {
        from: PublicKey,
        ask: PublicAsk,
    },
    Countersign {
        held: HeldHead,
    },
    Account {
        ask: Box<AccountAsk>,
        purpose: AskFor,
    },
    Guard {
        command: CommandId,
        to: PublicKey,
    },
    Release {
        request: ContentId,
        part: ReleasedPart,
    },
    Invite {
        command: CommandId,
        to: PublicKey,
        why: Reason,
    },
    Invited {
        to: PublicKey,
    },
    Plan {
        item: PublicKey,
    },
    Keep {
        seat: PublicKey,
        item: PublicKey,
    },
    Part {
        item: PublicKey,
        index: ShareIndex,
    },
}

impl Peer {
    /// Starts a peer of a mesh from what its store holds; a new one holds nothing.
    ///
    /// # Panics
    ///
    /// If the configured genesis is another kind of record; the driver has read it as one.
    pub fn new(config: PeerConfig, stored: Stored, now: Now, out: &mut Outbox) -> Self {
        let PeerConfig {
            key,
            root,
            genesis: founding,
            directory: certified,
            introducers,
            healing,
            seed,
            fresh,
            may_sit,
            cosign,
        } = config;
        let record = founding.value();
        let Body::Genesis(genesis) = record.body() else {
            unreachable!("a peer is configured with a genesis record");
        };
        let is_certified = certified.is_some();
        let directory = certified.unwrap_or_else(|| {
            Directory::new(record.id(), Arc::new(genesis.clone()), record.header().time)
        });
        let mut index = Index::default();
        index.insert(record);
        let mut peer = Self {
            directory,
            index,
            orphans: Orphans::default(),
            links: Links::default(),
            healing: Healing::default(),
            capabilities: Capabilities::default(),
            policies: Policies::default(),
            acts: Acts::restore(stored.executed),
            audit: AuditLog::restore(stored.audit.iter(), stored.witnessed),
            rng: Rng::new(seed),
            next_id: 0,
            waiting: InFlight::default(),
            asked: InFlight::default(),
            catch_up: None,
            catch_up_queue: VecDeque::new(),
            catch_up_at: None,
            sessions: Sessions::default(),
            stem: None,
            chain: Chain {
                head: None,
                signing: false,
                ready: false,
                caught_up: false,
                asked: 0,
                witnesses: 0,
                wait_until: None,
            },
            wanted: VecDeque::new(),
            proposals: InFlight::default(),
            own_join: None,
            introducers,
            trust: Trust::default(),
            own_acts: Proposals::default(),
            consents: Consents::default(),
            voting: Voting::restore(stored.votes.own, stored.votes.receipts, now.mono),
            committee: None,
            amendments: None,
            erasures: Erasures::default(),
            receipts: Receipts::restore(stored.receipts),
            court: None,
            inspections: None,
            halting: None,
            public: Public::restore(stored.public, stored.overrides),
            countersigning: None,
            vault: Vault::restore(stored.sublime),
            config: Settled {
                key,
                root,
                genesis: founding,
                healing,
                may_sit,
                cosign,
            },
        };
        let newest = newest_checkpoints(&stored.records);
        let epochs = epoch_records(&stored.records);
        let halting = StoredHalting::of(stored.halts, &stored.records, now);
        let words: Vec<_> = stored
            .records
            .iter()
            .filter(|record| matches!(record.value().body(), Body::Jury(_)))
            .cloned()
            .collect();
        let notices: Vec<_> = stored
            .records
            .iter()
            .filter(|record| matches!(record.value().body(), Body::Vote(_)))
            .cloned()
            .collect();
        let charters: Vec<_> = stored
            .records
            .iter()
            .filter_map(|record| {
                let Body::Charter(charter) = record.value().body() else {
                    return None;
                };
                Some(charter.clone())
            })
            .collect();
        let cases: Vec<_> = stored
            .records
            .iter()
            .filter(|record| judging::is_about_a_case(record.value().header().kind))
            .cloned()
            .collect();
        let audits: Vec<_> = stored
            .records
            .iter()
            .filter(|record| inspecting::is_about_audits(record.value().header().kind))
            .cloned()
            .collect();
        let rotations = newest_rotations(&stored.records);
        let written = written_acts(&stored.records, &key, &stored.proposals);
        peer.recall(stored.records, stored.policies, stored.roots, &stored.audit);
        peer.recall_epochs(now, &epochs);
        if let Some(newest) = peer.recall_checkpoint(now, newest) {
            peer.weigh_public(now, &newest, out);
            peer.heed_epoch(now);
        }
        peer.recall_halting(now, halting, out);
        peer.recall_charters(charters);
        peer.recall_notices(now, &notices);
        peer.recall_juries(now, words, out);
        peer.heed_votes_on_halts(now, out);
        peer.take_up_charters(now, out);
        peer.recall_cases(now, &cases, out);
        peer.recall_audits(now, &audits);
        peer.recall_shares(out);
        peer.recall_rotations(&rotations, out);
        peer.recall_proposals(now, stored.proposals, &written);
        peer.start(now, fresh, is_certified, out);
        peer.take_seat(now, (stored.committee, stored.work), out);
        peer.tell_seat_of_halts(now);
        peer.plan_pulls_again(now);
        peer.recall_held(now, stored.votes.held, out);
        peer.lapse_overrides(now, out);
        peer
    }

    /// Handles one thing that happened; what is to be done about it goes to the outbox.
    ///
    /// Total: no input makes it panic, whatever a remote peer sent.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Outbox) {
        self.trust.reach(&self.reading(now));
        match input {
            Input::Gossip {
                from,
                message,
                record,
            } => {
                self.on_gossip(now, from, message, record, out);
            }
            Input::LinkUp {
                peer,
                dialled,
                admitted,
            } => {
                self.on_link_up(now, peer, dialled, admitted, out);
            }
            Input::LinkDown { peer } => self.on_link_down(now, peer, out),
            Input::DialFailed { peer } => self.healing.dial_failed(peer, now.mono),
            Input::Request {
                from,
                token,
                request,
            } => {
                self.on_request(now, from, token, request, out);
            }
            Input::Response { id, response } => self.on_response(now, id, response, out),
            Input::Command { id, command } => self.on_command(now, id, command, out),
            Input::Checked { id, verdict } => self.on_checked(now, id, verdict, out),
            Input::Signed { id, result } => self.on_signed(now, id, result, out),
            Input::HeadSigned { id, head } => self.on_head_signed(now, id, head, out),
            Input::Countersigned { id, one } => self.on_countersign_signed(id, one, out),
            Input::SeatSigned { id, message } => self.on_seat_signed(now, id, message, out),
            Input::SecretDone { id, done } => self.on_secret_done(now, id, done, out),
            Input::WordSigned { id, said } => self.on_word_signed(now, id, said, out),
            Input::VoteSigned { id, signed } => self.on_vote_signed(now, id, *signed, out),
            Input::Inspected { id, signed } => self.on_inspected(id, *signed, out),
            Input::Persisted { id } => self.on_persisted(now, id, out),
            Input::Executed { id, result } => self.on_executed(now, id, result, out),
            Input::Wake => {}
        }
        self.on_time(now, out);
    }

    /// Returns when the peer wants [`Input::Wake`], and why.
    pub fn next_deadline(&self) -> Option<Deadline> {
        let due = |at: Option<Mono>, why| at.map(|at| Deadline { at, why });
        [
            due(self.links.greet_at(), Why::Greeting),
            due(self.chain.wait_until, Why::HeadWait),
            due(self.audit.tell_at(), Why::HeadGossip),
            due(self.stem.as_ref().and_then(|stem| stem.due()), Why::Stem),
            due(self.catch_up_at, Why::CatchUp),
            due(self.healing.look_at(), Why::Healing),
            due(
                self.committee.as_ref().map(|seat| seat.due()),
                Why::Committee,
            ),
            due(self.own_acts.due(), Why::Proposal),
            due(
                self.halting.as_ref().and_then(|halting| halting.due()),
                Why::Halt,
            ),
            due(self.voting.own.due(), Why::Vote),
            due(self.charter_due(), Why::Charter),
            due(self.receipts.due(), Why::Receipts),
            due(self.audits_due(), Why::Audits),
            due(self.releases_due(), Why::Releases),
            due(self.rotations_due(), Why::Rotations),
            due(
                self.public.as_ref().and_then(|public| public.due()),
                Why::Public,
            ),
            due(
                self.countersigning.as_ref().and_then(|own| own.due()),
                Why::Countersigning,
            ),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Returns the members as this peer knows them.
    pub const fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Tells whether the record is known here.
    pub fn knows(&self, id: &ContentId) -> bool {
        self.index.contains(id)
    }

    /// Counts the records known here.
    pub fn record_count(&self) -> usize {
        self.index.len()
    }

    /// Returns the head of the own audit log.
    pub fn audit_head(&self) -> (u64, crate::spine::audit::tree::Hash) {
        self.audit.head()
    }

    /// Tells whether there is a link to `peer`, greeted or not.
    pub fn is_linked(&self, peer: &PublicKey) -> bool {
        self.links.contains(peer)
    }

    /// Tells whether the peer may write records.
    pub const fn is_ready(&self) -> bool {
        self.chain.ready
    }

    /// Shares memory with other peers of the same process that know the same members.
    pub fn share_directory(&mut self, shared: &mut SharedOverlays) {
        self.directory.share(shared);
    }

    fn on_time(&mut self, now: Now, out: &mut Outbox) {
        self.greet_waiting(now, out);
        if self.chain.wait_until.is_some_and(|at| at <= now.mono) {
            self.become_ready(now, out);
        }
        if let Some((size, root)) = self.audit.take_due(now.mono) {
            let id = self.job(Waiting::SignHead);
            out.push(Effect::SignHead {
                id,
                size,
                root,
                time: now.wall,
            });
        }
        self.run_stem(now, out);
        if self.catch_up_at.is_some_and(|at| at <= now.mono) {
            self.catch_up_round(now, out);
        }
        self.heal(now, out);
        self.run_catch_up(now, out);
        self.run_halting(now, out);
        self.run_committee(now, out);
        self.run_proposals(now, out);
        self.run_votes(now, out);
        self.wake_charter(now, out);
        self.run_receipts(now, out);
        self.run_public(now, out);
        self.run_countersigning(now, out);
        self.run_audits(now, out);
        self.run_releases(now, out);
        self.run_rotations(now, out);
    }

    fn start(&mut self, now: Now, fresh: bool, is_certified: bool, out: &mut Outbox) {
        let own = self.config.key;
        let others = self
            .directory
            .active_count()
            .saturating_sub(u32::from(self.directory.is_active(&own)));
        self.chain.head = self.index.head(&own);
        if fresh || others == 0 {
            self.chain.caught_up = true;
            self.become_ready(now, out);
        } else {
            self.chain.wait_until = Some(now.mono + HEAD_WAIT);
        }
        // Who is given a certified state is let in by its driver as well.
        if !is_certified {
            let members = self.directory.members().filter(|member| member.is_active());
            let named = self.introducers.iter().copied();
            let admitted: Vec<_> = members
                .map(|member| member.key)
                .chain(named)
                .filter(|peer| *peer != own)
                .collect();
            if !admitted.is_empty() {
                out.push(Effect::Admit(admitted));
            }
        }
        self.healing.look(now.mono);
    }

    fn bench(&self, now: Now) -> Bench<'_> {
        Bench {
            own: self.config.key,
            own_root: self.config.root,
            directory: &self.directory,
            capabilities: &self.capabilities,
            policies: &self.policies,
            now,
            time: self.mesh_time(now),
        }
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn job(&mut self, waiting: Waiting) -> JobId {
        let id = JobId(self.fresh_id());
        self.waiting.insert(id, waiting);
        id
    }

    fn persist(&mut self, writes: Vec<Write>, after: AfterPersist, out: &mut Outbox) {
        let id = self.job(Waiting::Persist(after));
        out.push(Effect::Persist { id, writes });
    }

    fn log(&mut self, now: Now, what: What) -> Write {
        let entry = Entry {
            time: now.wall,
            what,
        };
        let index = self.audit.append(now.mono, &entry);
        Write::Audit { index, entry }
    }

    fn on_checked(&mut self, now: Now, id: JobId, verdict: Verdict, out: &mut Outbox) {
        let Some(waiting) = self.waiting.remove(&id) else {
            return;
        };
        match (waiting, verdict.0) {
            (Waiting::Records(origin), Finding::Records(records)) => {
                self.on_records_checked(now, origin, records, out);
            }
            (Waiting::Head, Finding::Head(head)) => self.on_head_checked(now, head, out),
            (Waiting::Countersign { token, height }, Finding::Head(head)) => {
                self.on_countersign_checked(now, (token, height), head, out);
            }
            (Waiting::Countersigned { held, one }, Finding::Certificate(holds)) => {
                if holds {
                    self.on_countersigned(&held, one);
                }
            }
            (Waiting::Seat, Finding::Seat(message)) => self.on_seat_checked(now, *message, out),
            (Waiting::Blocks, Finding::Blocks(blocks)) => self.on_blocks_checked(now, blocks, out),
            (Waiting::LocalToken { change, command }, Finding::Token(token)) => match token {
                Ok(capability) => self.try_local(now, change, capability, Some(command), out),
                Err(error) => refuse(command, CommandError::Token(error.to_string()), out),
            },
            (Waiting::ProposalToken(proposal), Finding::Token(token)) => match token {
                Ok(capability) => self.try_proposal(now, *proposal, capability, out),
                Err(error) => {
                    refuse(
                        proposal.command,
                        CommandError::Token(error.to_string()),
                        out,
                    );
                }
            },
            (
                Waiting::Authorize {
                    pending,
                    admittance,
                    purpose,
                },
                Finding::Authorize(answer),
            ) => self.on_authorized(now, pending, (admittance, answer), purpose, out),
            (Waiting::Offered, Finding::Entry(entry)) => self.on_entry_checked(now, *entry, out),
            (Waiting::Combine(subject), Finding::Combined(result)) => {
                self.on_combined(now, subject, result, out);
            }
            (Waiting::Certificate { certificate, live }, Finding::Certificate(holds)) => {
                if holds {
                    self.trust.take(&certificate, live, &self.reading(now));
                    self.weigh_public(now, &certificate, out);
                    self.heed_epoch(now);
                    self.on_halt_certified(now, &certificate, out);
                    self.on_ruled(now, &certificate, out);
                }
            }
            (Waiting::HandOver(record), Finding::Certificate(holds)) => {
                self.on_hand_over_checked(now, &record, holds, out);
            }
            (Waiting::VoteItem(token), Finding::Vote(checked)) => {
                self.on_vote_item_checked(now, token, *checked, out);
            }
            (Waiting::Notice(notice), Finding::Certificate(holds)) => {
                if holds {
                    self.on_notice_checked(now, &notice, out);
                }
            }
            (Waiting::Ask { token, ask }, Finding::Ask(checked)) => {
                self.on_ask_checked(now, (token, ask), checked, out);
            }
            (Waiting::AccountSigned { node, purpose }, Finding::Account(account)) => {
                self.on_account_checked(now, (node, purpose), account, out);
            }
            (Waiting::AuditRound(round), Finding::Certificate(holds)) => {
                if holds {
                    self.on_audit_round_checked(now, &round, out);
                }
            }
            (Waiting::Rotation(notice), Finding::Certificate(holds)) => {
                if holds {
                    self.on_rotation_checked(now, &notice, out);
                }
            }
            (Waiting::Dealt, Finding::Dealt(dealt)) => self.on_dealt_checked(now, dealt, out),
            (Waiting::Shown { node, ask }, Finding::Shown(checked)) => {
                self.on_shown_checked(now, (node, ask), *checked, out);
            }
            (Waiting::Recount(proposal), Finding::Recounted(found)) => {
                self.on_recounted(now, proposal, *found, out);
            }
            (Waiting::Warrants(record), Finding::Warrants(checked)) => {
                self.on_warrants_checked(now, record, *checked, out);
            }
            (Waiting::Watched(record), Finding::Warrants(checked)) => {
                self.on_watched(now, &record, *checked, out);
            }
            (Waiting::Admitted { act, ticket, draw }, Finding::Warrants(checked)) => {
                let draw = draw.map(|draw| *draw);
                self.on_admitted_checked(now, act, (*ticket, draw), *checked, out);
            }
            (Waiting::Consent { act, role }, Finding::Consent(checked)) => {
                self.on_consent_checked(now, (act, role), *checked, out);
            }
            (_, _) => debug_assert!(false, "a driver answers a job with its own verdict"),
        }
    }

    fn on_persisted(&mut self, now: Now, id: JobId, out: &mut Outbox) {
        let Some(Waiting::Persist(after)) = self.waiting.remove(&id) else {
            return;
        };
        match after {
            AfterPersist::Nothing => {}
            AfterPersist::Effects(effects) => out.extend(effects),
            AfterPersist::SignSeat(draft) => self.sign_seat(draft, out),
            AfterPersist::SignVote(draft, what) => self.sign_vote(*draft, what, out),
            AfterPersist::OwnVote(command, item) => {
                self.on_own_vote_kept(now, command, *item, out);
            }
            AfterPersist::PartKept {
                item,
                token,
                ack,
                gone,
            } => self.on_part_written((item, token), ack, gone, out),
            AfterPersist::Asked { command, proposal } => {
                self.on_asked_kept(command, *proposal, out);
            }
            AfterPersist::Decided(tip) => {
                let Tip { height, time, .. } = tip;
                out.push(Effect::Notify(Event::Decided { height, time }));
            }
            AfterPersist::Wrote { record, command } => self.on_wrote(now, record, command, out),
            AfterPersist::Execute { change, purpose } => self.execute(change, purpose, out),
        }
    }

    fn recall(
        &mut self,
        records: Vec<Verified<Record>>,
        policies: Vec<(PolicyName, u64, u64)>,
        roots: Vec<RootKey>,
        audit: &[Entry],
    ) {
        for root in roots {
            self.capabilities.accept(root, true);
        }
        for (name, version, value) in policies {
            if let Ok(policy) = name.as_str().parse() {
                self.policies.set(policy, version, value);
            }
        }
        self.recall_records(records);
        for entry in audit {
            match &entry.what {
                What::Executed { act, .. } => self.acts.settle(act, Outcome::Executed),
                What::Refused { act, why, .. } => {
                    self.acts.settle(act, Outcome::Refused { why: why.clone() });
                }
                What::Local { .. }
                | What::LocalRefused { .. }
                | What::Wrote { .. }
                | What::Fork { .. }
                | What::SplitView { .. }
                | What::Erased { .. }
                | What::Lapsed { .. }
                | What::Account { .. }
                | What::AccountRefused { .. }
                | What::ShareKept { .. }
                | What::ShareDestroyed { .. }
                | What::BadDealer { .. }
                | What::TwoHeads { .. } => {}
                What::Attested { request, since, .. } => self.recall_attested(*request, *since),
                What::Released { request, .. } => self.recall_release(*request),
                What::TwoPublicLogs { .. } => self.recall_two_public_logs(),
            }
        }
    }
}

fn refuse(command: CommandId, error: CommandError, out: &mut Outbox) {
    out.push(Effect::Reply {
        id: command,
        reply: Err(error),
    });
}
