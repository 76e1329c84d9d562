//! What stands for an act beyond its token: the committee's ticket, agreement of targets, drawn co-signers, approvals
//! of a drawn panel where token or level ask for them, and for one on the whole network a vote.
//!
//! Every target checks all of it itself. Signatures are checked by [`Question::check`], outside the peer's turn; what
//! they must add up to is [`Proven::suffices`].

use std::collections::BTreeSet;

use x0_crypto::{
    ContentId, PublicKey,
    capability::{Capability, Scope},
    committee::{CommitteeKey, Purpose},
};

use crate::{
    core::{reject::ActRefusal, time::Wall},
    spine::{
        beacon::{Found, check_draw},
        committee::{
            PASSES_MAX,
            panel::{cosigners_over, wanted},
            scope_of,
        },
        directory::Directory,
    },
    wire::{
        Act, Certificate, CommitteeKeys, MultiSig, OverrideProof, Said, Statement, Subject,
        Targets, Ticket, VotePassed, Warrants, Word, encode_entry,
    },
};

/// Targets that must agree to a regional act, if it has so many besides the agent.
const AGREEMENTS: u32 = 3;

/// An act's warrants, and what it takes to check them.
#[derive(Clone, Debug)]
pub struct Question {
    /// The mesh.
    pub mesh: ContentId,
    /// The act, by its digest.
    pub act: ContentId,
    /// What a vote about it would have as its subject.
    pub matter: ContentId,
    /// The agent.
    pub agent: PublicKey,
    /// The warrants.
    pub warrants: Warrants,
    /// The committee's keys.
    pub keys: CommitteeKeys,
    /// Those of the time at which the vote among the warrants was certified; none if there is no vote, or if no keys
    /// that are known may have certified it.
    pub vote_keys: Option<CommitteeKeys>,
}

/// Warrants whose every signature holds; only [`Question::check`] makes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    ticket: Ticket,
    voted: Option<VotePassed>,
    found: Found,
    said: Vec<Said>,
    overriding: Option<Overriding>,
}

/// An override that stands in the public log, as its warrant proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overriding {
    /// Its place in the public log.
    pub index: u64,
    /// Mesh time at which the committee took it up.
    pub since: Wall,
    /// Mesh time at which it lapses, unless it was told to all before.
    pub until: Wall,
}

impl Question {
    /// Names the question: the same question has the same answer everywhere.
    pub fn name(&self) -> ContentId {
        let Self {
            mesh,
            act,
            matter,
            agent,
            warrants,
            keys,
            vote_keys,
        } = self;
        let warrants = warrants.to_wire();
        let keys = (keys, vote_keys);
        ContentId::of(&encode_entry(&(mesh, act, matter, agent, warrants, keys)))
    }

    /// Checks every signature and proof among the warrants, and that they are about this act and agent.
    ///
    /// # Errors
    ///
    /// Returns what does not hold, in words.
    pub fn check(&self) -> Result<Proven, String> {
        let Some(certificate) = &self.warrants.ticket else {
            return Err("it carries no ticket of the committee".to_owned());
        };
        let ticket = self.check_ticket(certificate)?;
        let voted = match &self.warrants.vote {
            None => None,
            Some(proof) => {
                let keys = self.vote_keys.as_ref();
                let keys = keys.ok_or("its vote was certified by keys that are not known here")?;
                let passed = proof.check(&self.mesh, keys, &self.matter);
                Some(passed.map_err(|why| format!("its vote does not hold: {why}"))?)
            }
        };
        let found = match &self.warrants.draw {
            None => Found::default(),
            Some(draw) => {
                let round = Subject::Round(ticket.round + 1).message(&self.mesh, self.keys.epoch);
                let key: &CommitteeKey = self.keys.key(Purpose::Beacon);
                let value = key
                    .beacon_value(&round, &draw.signature)
                    .map_err(|_| "the committee did not sign the round of its draw".to_owned())?;
                check_draw(draw, &ticket, &value).map_err(|bad| bad.to_string())?
            }
        };
        for said in &self.warrants.said {
            if said.act != self.act {
                return Err(format!("{} speaks of another act", said.by));
            }
            said.verify(&self.mesh)
                .map_err(|_| format!("the signature of {} does not hold", said.by))?;
        }
        let overriding = self.warrants.emergency.as_deref();
        let overriding = overriding.map(|proof| self.check_override(proof));
        Ok(Proven {
            ticket,
            voted,
            found,
            said: self.warrants.said.clone(),
            overriding: overriding.transpose()?,
        })
    }

    /// Checks that the act stands in the public log as an override, under a checkpoint of the epoch in force.
    fn check_override(&self, proof: &OverrideProof) -> Result<Overriding, String> {
        let Some(told) = proof.entry.overriding() else {
            return Err("its place in the public log tells of no override".to_owned());
        };
        if told.act != self.act || told.agent != self.agent {
            return Err("its place in the public log tells of another act or agent".to_owned());
        }
        let Statement::Checkpoint(checkpoint) = proof.head.statement else {
            return Err(
                "the head of the public log is another statement of the committee".to_owned(),
            );
        };
        if proof.head.epoch != self.keys.epoch {
            return Err(
                "the head of the public log is of another epoch of the committee than its ticket"
                    .to_owned(),
            );
        }
        let message =
            Subject::Statement(proof.head.statement).message(&self.mesh, proof.head.epoch);
        self.keys
            .key(Purpose::Certificate)
            .verify(Purpose::Certificate, &message, &proof.head.signature)
            .map_err(|_| "the committee did not sign the head of the public log".to_owned())?;
        let (leaf, log) = (proof.entry.leaf(), checkpoint.log);
        let stands = proof
            .inclusion
            .verify(leaf, proof.index, log.size, log.root);
        stands.map_err(|why| format!("it is not shown to stand in the public log: {why}"))?;
        Ok(Overriding {
            index: proof.index,
            since: proof.entry.time,
            until: told.until,
        })
    }

    fn check_ticket(&self, certificate: &Certificate) -> Result<Ticket, String> {
        let Statement::Ticket(ticket) = certificate.statement else {
            return Err("its ticket is another statement of the committee".to_owned());
        };
        if ticket.act != self.act || ticket.agent != self.agent {
            return Err("its ticket is for another act or agent".to_owned());
        }
        let message =
            Subject::Statement(certificate.statement).message(&self.mesh, certificate.epoch);
        if certificate.epoch != self.keys.epoch {
            return Err("its ticket is of another epoch of the committee".to_owned());
        }
        self.keys
            .key(Purpose::Certificate)
            .verify(Purpose::Certificate, &message, &certificate.signature)
            .map_err(|_| "the committee did not sign its ticket".to_owned())?;
        Ok(ticket)
    }
}

/// How many words an act needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needed {
    /// Of its targets.
    pub agreements: u32,
    /// Of drawn co-signers.
    pub cosigners: u32,
    /// Of drawn signatories.
    pub approvals: u32,
}

/// Who has signed an act, as its warrants show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signed {
    /// Targets that agree and co-signers, each once.
    pub peers: u8,
    /// Signatories who approve, and of how many, if it has a panel.
    pub multi_sig: Option<(u8, u8)>,
}

impl Proven {
    /// Returns the ticket.
    pub const fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// Returns the vote that has approved the act, if one has.
    pub fn vote(&self) -> Option<ContentId> {
        self.voted.map(|passed| passed.proposal())
    }

    /// Returns the override that the act is, as it stands in the public log; none if it is none.
    pub const fn overriding(&self) -> Option<&Overriding> {
        self.overriding.as_ref()
    }

    /// Returns who may co-sign: as many as are needed, and those who stand in for silent ones.
    pub fn drawn(&self, directory: &Directory) -> &[PublicKey] {
        let needed = needed_cosigners(directory, &self.ticket);
        let open = needed.saturating_add(u32::from(self.ticket.passed));
        let open = usize::try_from(open).unwrap_or(usize::MAX);
        let drawn = &self.found.cosigners;
        &drawn[..open.min(drawn.len())]
    }

    /// Returns who may approve.
    pub fn signatories(&self) -> &[PublicKey] {
        &self.found.signatories
    }

    /// Tells whether somebody in the draw could stand in for a silent co-signer.
    pub fn can_pass(&self, directory: &Directory) -> bool {
        self.ticket.passed < PASSES_MAX && self.drawn(directory).len() < self.found.cosigners.len()
    }

    /// Tells whether the warrants suffice for the act under this token, and returns who has signed it.
    ///
    /// # Errors
    ///
    /// Returns what is missing or no longer holds.
    pub fn suffices(
        &self,
        directory: &Directory,
        (act, agent): (&Act, &PublicKey),
        capability: &Capability,
        time: Wall,
    ) -> Result<Signed, ActRefusal> {
        check_ticket(self, directory, (act, agent), time)?;
        let panel = check_panel(self, directory, act, capability)?;
        let needed = needed(directory, act, agent, &self.ticket);
        let drawn = self.drawn(directory);
        let signed = self.by(Word::Cosign, |by| drawn.contains(by));
        let is_other_target = |by: &PublicKey| {
            let is_target = by != agent && directory.is_target(&act.targets, by);
            is_target && directory.is_active(by) && !directory.is_out(by, time)
        };
        let agreed = self.by(Word::Agree, is_other_target);
        let subtrees: BTreeSet<_> = agreed.iter().map(|by| directory.subtree_of(by)).collect();
        let (signed_count, agreed_count) = (count(signed.len()), count(subtrees.len()));
        if agreed_count < needed.agreements {
            return Err(ActRefusal::TooFewAgree {
                agreed: agreed_count,
                needed: needed.agreements,
            });
        }
        if signed_count < needed.cosigners {
            return Err(ActRefusal::TooFewCosigned {
                signed: signed_count,
                needed: needed.cosigners,
                reach: self.ticket.reach(),
                members: self.ticket.electorate.count,
            });
        }
        let approved = count(self.approvals().len());
        if let Some(panel) = panel.filter(|panel| approved < u32::from(panel.k)) {
            return Err(ActRefusal::TooFewApprove { approved, panel });
        }
        let all: BTreeSet<_> = signed.union(&agreed).collect();
        let few = |count: u32| u8::try_from(count).unwrap_or(u8::MAX);
        Ok(Signed {
            peers: few(count(all.len())),
            multi_sig: panel.map(|panel| (few(approved), panel.n)),
        })
    }

    /// Returns the signatories of this ticket's panel who approve under it.
    fn approvals(&self) -> BTreeSet<PublicKey> {
        let ticket = self.ticket.name();
        self.by(Word::Sign { ticket }, |by| {
            self.found.signatories.contains(by)
        })
    }

    /// Tells whether drawn co-signers were needed for the act and have signed it, whatever the time is now: then it
    /// was no one point that decided, and nothing of it was silent.
    pub fn is_cosigned(&self, directory: &Directory, act: &Act) -> bool {
        let needed = needed_cosigners(directory, &self.ticket);
        let drawn = self.drawn(directory);
        let signed = count(self.by(Word::Cosign, |by| drawn.contains(by)).len());
        needed > 0 && signed >= needed && self.ticket.root == act.root
    }

    fn by(&self, word: Word, counts: impl Fn(&PublicKey) -> bool) -> BTreeSet<PublicKey> {
        let said = self.said.iter().filter(|said| said.word == word);
        said.map(|said| said.by).filter(|by| counts(by)).collect()
    }
}

/// Checks that a ticket still holds and is for an act of this reach and root, and that a vote has approved one on so
/// many nodes that it takes a vote.
///
/// # Errors
///
/// Returns what does not.
pub fn check_ticket(
    proven: &Proven,
    directory: &Directory,
    (act, agent): (&Act, &PublicKey),
    time: Wall,
) -> Result<(), ActRefusal> {
    let ticket = &proven.ticket;
    if ticket.expires <= time {
        return Err(ActRefusal::TicketExpired);
    }
    if ticket.root != act.root {
        return Err(ActRefusal::BadWarrants(
            "its ticket is for another root".to_owned(),
        ));
    }
    // A node that has just joined may be unknown to one side: a tenth more is no other act.
    let nodes = directory.blast_radius(&act.targets);
    if nodes
        > ticket
            .nodes
            .saturating_add(ticket.nodes / 10)
            .saturating_add(1)
    {
        let why = format!(
            "its ticket is for {} nodes, and it touches {nodes}",
            ticket.nodes
        );
        return Err(ActRefusal::BadWarrants(why));
    }
    if proven.overriding.is_some_and(|it| it.until <= time) {
        return Err(ActRefusal::BadOverride(
            "the time in which it must be told to all is over: it would lapse at once".to_owned(),
        ));
    }
    match scope_of(nodes) {
        Scope::Local | Scope::Regional => Ok(()),
        Scope::Network if proven.voted.is_some() || proven.overriding.is_some() => Ok(()),
        Scope::Network => Err(ActRefusal::NeedsVote {
            nodes,
            matter: act.matter(agent),
        }),
    }
}

/// Checks that a ticket asks for the panel that the token and the level of the act ask for, and returns it.
///
/// # Errors
///
/// Returns that it does not, or that no panel would do.
pub fn check_panel(
    proven: &Proven,
    directory: &Directory,
    act: &Act,
    capability: &Capability,
) -> Result<Option<MultiSig>, ActRefusal> {
    let ticket = &proven.ticket;
    // Where the seats and this node count differently, the higher level holds.
    let nodes = ticket.nodes.max(directory.blast_radius(&act.targets));
    let level = match proven.overriding {
        Some(_) => Scope::Network,
        None => scope_of(nodes),
    };
    let needed = wanted(capability, level)?;
    let asked = ticket.panel.map(|panel| panel.multi_sig);
    if asked == needed {
        return Ok(needed);
    }
    let say = |panel: Option<MultiSig>| {
        panel.map_or_else(|| "no approvals".to_owned(), |panel| panel.to_string())
    };
    Err(ActRefusal::BadWarrants(format!(
        "its ticket asks for {}, and its token and level for {}",
        say(asked),
        say(needed)
    )))
}

/// Returns how many words an act with this ticket needs.
pub fn needed(directory: &Directory, act: &Act, agent: &PublicKey, ticket: &Ticket) -> Needed {
    Needed {
        agreements: needed_agreements(directory, &act.targets, agent),
        cosigners: needed_cosigners(directory, ticket),
        approvals: ticket.panel.map_or(0, |panel| u32::from(panel.multi_sig.k)),
    }
}

fn needed_cosigners(directory: &Directory, ticket: &Ticket) -> u32 {
    let parameters = &directory.genesis().parameters;
    let members = ticket.electorate.count;
    let share = parameters.mass_action_share.nodes_of(members);
    let allowed = share.max(parameters.mass_action_floor);
    cosigners_over(&ticket.electorate, ticket.reach(), allowed)
}

/// Three targets from three invite subtrees, or as many as there are besides the agent.
fn needed_agreements(directory: &Directory, targets: &Targets, agent: &PublicKey) -> u32 {
    let mut subtrees = BTreeSet::new();
    for target in directory.active_targets(targets) {
        if target != agent {
            subtrees.insert(directory.subtree_of(target));
        }
        if count(subtrees.len()) >= AGREEMENTS {
            break;
        }
    }
    count(subtrees.len())
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
