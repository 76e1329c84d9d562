//! The committee's state alone: a log of one's own making, real keys, and every draw the protocol's.
//!
//! Seats, keys, tickets, rounds and draws are the protocol's, and so is what a target checks. What is left out is how
//! the seats come to agree on a block: here one hand writes the log, as a majority of honest seats would. So a chamber
//! shows what the rules of admission and of the draw do, and nothing about agreement, network or disks.

pub(super) mod court;
#[cfg(test)]
mod sealed;
mod votes;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use self::votes::Hall;

use x0_crypto::{
    ContentId, Identity, PublicKey,
    capability::{Caveat, Grant, Token},
    committee::{
        Keyring, PartialSignature, Purpose as KeyPurpose, Seat, ThresholdSignature, account,
        acknowledge, deal, own_share,
    },
};
use x0_protocol::{
    Millis, Wall,
    anti_meave::warrants::Question,
    spine::{
        beacon::check_draw,
        committee::{Decision, Seats, State},
        directory::Directory,
    },
    wire::{
        Act, Admission, Block, Certificate, Change, Draw, Entry, MemberChange, Override, Said,
        Statement, Subject, Targets, Ticket, Warrants,
    },
};

use crate::{
    random::{Purpose, Seed},
    world::{Founding, Keys, WALL_START, found},
};

/// Life of an act and of its ticket, real time.
const LIFE: Millis = Millis::from_mins(10);

/// A committee's state, its keys and its members.
pub(super) struct Chamber {
    keys: Keys,
    mesh: ContentId,
    directory: Directory,
    state: State,
    seats: Vec<(Identity, Keyring)>,
    time: Wall,
    rounds: BTreeMap<u64, ThresholdSignature>,
    values: u64,
}

/// An act that the committee has admitted.
#[derive(Clone)]
pub(super) struct Admitted {
    pub(super) admission: Admission,
    pub(super) ticket: Ticket,
    /// How many co-signers it takes.
    pub(super) cosigners: u32,
}

impl Chamber {
    /// Founds a mesh and lets its seats make their keys; members are of age from the first day.
    pub(super) fn new(seed: Seed, members: u32, founding: &Founding) -> Self {
        let (keys, mesh) = found(seed, members, founding);
        let id = mesh.genesis.value().id();
        let genesis = mesh.directory.genesis();
        let Some(seats) = Seats::new(genesis.seats.clone()) else {
            unreachable!("an attack founds a mesh with seats enough for a committee")
        };
        let first = mesh.directory.first_members().clone();
        let state = State::new(id, &seats, &genesis.parameters, WALL_START, first);
        let identities = (0..founding.seats).map(|seat| (keys.identity(seat), Keyring::default()));
        let mut chamber = Self {
            seats: identities.collect(),
            mesh: id,
            directory: mesh.directory,
            state,
            time: WALL_START,
            rounds: BTreeMap::new(),
            values: 0,
            keys,
        };
        chamber.make_keys();
        chamber
    }

    /// Holds the ceremonies: all seats deal, acknowledge and account, and find their shares.
    fn make_keys(&mut self) {
        let ceremonies: Vec<_> = self.state.ceremonies().cloned().collect();
        let mut entries = Vec::new();
        let mut dealt: BTreeMap<ContentId, BTreeMap<PublicKey, BTreeMap<PublicKey, _>>> =
            BTreeMap::new();
        for ceremony in &ceremonies {
            for (dealer, _) in &self.seats {
                let Ok(dealings) = deal(ceremony, dealer, None) else {
                    unreachable!("a seat deals in its own ceremony")
                };
                let dealings: BTreeMap<_, _> = dealings.into_iter().collect();
                let mut acks = BTreeMap::new();
                for (player, _) in &self.seats {
                    let dealing = &dealings[&player.public()];
                    if let Ok(ack) = acknowledge(ceremony, player, &dealer.public(), dealing) {
                        acks.insert(player.public(), ack);
                    }
                }
                let Ok(log) = account(ceremony, dealer, None, &acks) else {
                    unreachable!("every acknowledgement is good")
                };
                for (player, dealing) in dealings {
                    let of_player = dealt
                        .entry(ceremony.id())
                        .or_default()
                        .entry(player)
                        .or_default();
                    of_player.insert(dealer.public(), dealing);
                }
                entries.push(Entry::Dealt {
                    ceremony: ceremony.id(),
                    log: log.to_bytes().into(),
                });
            }
        }
        self.decide(entries);
        for ceremony in &ceremonies {
            let mut made = self.state.made();
            let Some((held, logs)) = made.find(|(held, _)| held.id() == ceremony.id()) else {
                unreachable!("all dealers' logs are in")
            };
            for (seat, keyring) in &mut self.seats {
                let share = own_share(held, seat, &dealt[&held.id()][&seat.public()], logs);
                let kept = share
                    .ok()
                    .and_then(|share| keyring.put(&self.mesh, held.epoch(), share, seat).ok());
                assert!(
                    kept.is_some(),
                    "a seat that took every dealing finds its share"
                );
            }
        }
        while let Some(due) = self.state.due() {
            self.decide(vec![due]);
        }
    }

    /// Adds a block to the log.
    fn decide(&mut self, entries: Vec<Entry>) {
        let block = Block {
            mesh: self.mesh,
            height: self.state.height() + 1,
            previous: self.mesh,
            clocks: Vec::new(),
            entries,
        };
        self.state.apply(&block, self.time);
    }

    /// Lets mesh time pass.
    pub(super) fn pass(&mut self, span: Millis) {
        self.time = self.time + span;
    }

    /// Returns mesh time.
    pub(super) const fn time(&self) -> Wall {
        self.time
    }

    /// Returns the mesh.
    pub(super) const fn mesh(&self) -> ContentId {
        self.mesh
    }

    /// Returns the directory as every node holds it.
    pub(super) const fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Makes the identity of a member.
    pub(super) fn identity(&self, node: u32) -> Identity {
        self.keys.identity(node)
    }

    /// Returns the key of a member.
    pub(super) fn key(&self, node: u32) -> PublicKey {
        self.keys.key(node)
    }

    /// Returns the number of a member.
    pub(super) fn node(&self, key: &PublicKey) -> Option<u32> {
        self.keys.node(key)
    }

    /// Returns a change that nobody has asked for before.
    pub(super) fn fresh_change(&mut self) -> Change {
        self.values += 1;
        change(self.values % 1_000 + 1)
    }

    /// Has the committee take note of members.
    pub(super) fn know(&mut self, changes: Vec<MemberChange>) {
        let mut changes = changes;
        changes.sort_by_key(|change| change.key);
        for page in changes.chunks(x0_protocol::core::limits::MEMBER_CHANGES_MAX) {
            self.decide(vec![Entry::Members(page.to_vec())]);
        }
    }

    /// Has an agent ask for an act under a root that somebody grants.
    pub(super) fn ask(
        &self,
        agent: &Identity,
        grantor: &Identity,
        change: Change,
        targets: Targets,
    ) -> Admission {
        self.ask_for(agent, grantor, change, targets, None)
    }

    /// Has an agent ask for an act, as an override if it has words for that.
    pub(super) fn ask_for(
        &self,
        agent: &Identity,
        grantor: &Identity,
        change: Change,
        targets: Targets,
        words: Option<Override>,
    ) -> Admission {
        let token = token(grantor, agent.public(), &[]);
        let act = Act {
            change,
            targets,
            root: grantor.capability_root().public(),
            token,
            expires: self.time + LIFE,
            warrants: Vec::new(),
        };
        let word = Admission::word(words.as_ref());
        let asked = Said::sign(&self.mesh, act.digest(&agent.public()), word, agent);
        Admission {
            act,
            asked,
            emergency: words.map(Box::new),
        }
    }

    /// Puts an act before the committee if honest seats let it stand in a block.
    ///
    /// # Errors
    ///
    /// Returns why it is not admitted.
    pub(super) fn admit_if_honest(&mut self, admission: Admission) -> Result<Admitted, String> {
        let entry = Entry::Admission(Box::new(admission.clone()));
        if !self.state.admits(&entry) {
            return Err("no honest seat lets it stand in a block".to_owned());
        }
        self.time = self.time + Millis(1);
        self.admit(admission)
    }

    /// Returns how many overrides the public log tells of, of its newest entries.
    pub(super) fn overrides_told(&self) -> usize {
        let log = self.state.public();
        let entries = log.entries(0, log.size()).unwrap_or_default();
        let told = entries.iter().filter(|entry| entry.overriding().is_some());
        told.count()
    }

    /// Puts an act before the committee, which admits or refuses it.
    ///
    /// # Errors
    ///
    /// Returns why it does not admit the act.
    pub(super) fn admit(&mut self, admission: Admission) -> Result<Admitted, String> {
        let act = admission.asked.act;
        self.decide(vec![Entry::Admission(Box::new(admission.clone()))]);
        let standing = self.state.standing(&act).ok_or("nothing was decided")?;
        match standing.decision {
            Decision::Admitted(ticket) => Ok(Admitted {
                admission,
                ticket,
                cosigners: standing.cosigners,
            }),
            Decision::Refused { why } => Err(why),
        }
    }

    /// Puts somebody's word about an admitted act before the committee.
    pub(super) fn say(&mut self, said: Said, draw: Option<Draw>) {
        let draw = draw.map(Box::new);
        self.decide(vec![Entry::Said { said, draw }]);
    }

    /// Returns what became of an act.
    pub(super) fn decision(&self, act: &ContentId) -> Option<Decision> {
        Some(self.state.standing(act)?.decision)
    }

    /// Returns the parts that seats sign of a subject.
    pub(super) fn parts(&self, subject: Subject, seats: &[usize]) -> Vec<(Seat, PartialSignature)> {
        let Some(keys) = self.state.keys() else {
            return Vec::new();
        };
        let message = subject.message(&self.mesh, keys.epoch);
        let group = keys.group(subject.purpose());
        let part = |seat: &usize| {
            let (identity, keyring) = &self.seats[*seat];
            let part = keyring.sign(subject.purpose(), keys.epoch, &message)?;
            Some((group.seat_of(&identity.public())?, part))
        };
        seats.iter().filter_map(part).collect()
    }

    /// Combines parts to the committee's signature; none if they are too few or bad.
    pub(super) fn combine(
        &self,
        subject: Subject,
        parts: &[(Seat, PartialSignature)],
    ) -> Option<ThresholdSignature> {
        let keys = self.state.keys()?;
        let message = subject.message(&self.mesh, keys.epoch);
        keys.group(subject.purpose()).combine(&message, parts).ok()
    }

    /// Returns how many seats it takes.
    pub(super) fn threshold(&self) -> usize {
        let keys = self.state.keys();
        keys.map_or(usize::MAX, |keys| {
            usize::from(keys.group(KeyPurpose::Beacon).threshold())
        })
    }

    /// Signs a subject with as many seats as it takes.
    fn sign(&self, subject: Subject) -> ThresholdSignature {
        let seats: Vec<_> = (0..self.threshold()).collect();
        let Some(signature) = self.combine(subject, &self.parts(subject, &seats)) else {
            unreachable!("a threshold of honest seats signs")
        };
        signature
    }

    /// Certifies a statement as if this committee were that of a mesh.
    pub(super) fn certify(&self, mesh: &ContentId, statement: Statement) -> Certificate {
        let Some(keys) = self.state.keys() else {
            unreachable!("a chamber has its keys from the beginning")
        };
        let subject = Subject::Statement(statement);
        let message = subject.message(mesh, keys.epoch);
        let group = keys.group(KeyPurpose::Certificate);
        let parts = self.seats.iter().filter_map(|(identity, keyring)| {
            let part = keyring.sign(KeyPurpose::Certificate, keys.epoch, &message)?;
            Some((group.seat_of(&identity.public())?, part))
        });
        let parts: Vec<_> = parts.collect();
        let Ok(signature) = group.combine(&message, &parts) else {
            unreachable!("all seats sign")
        };
        Certificate {
            epoch: keys.epoch,
            statement,
            signature,
        }
    }

    /// Returns the entry that names this committee's keys.
    pub(super) fn keys_entry(&self) -> Option<Entry> {
        Some(Entry::Keys(Box::new(self.state.keys()?.public())))
    }

    /// Draws co-signers for an admitted act, by the round after its ticket's.
    pub(super) fn draw(&mut self, admitted: &Admitted) -> Option<Draw> {
        let round = admitted.ticket.round + 1;
        if !self.rounds.contains_key(&round) {
            let signature = self.sign(Subject::Round(round));
            self.rounds.insert(round, signature);
        }
        let signature = self.rounds[&round];
        self.state.draw(&admitted.ticket.act, signature)
    }

    /// Returns whom a draw names, in order, as everybody finds it who repeats the draw.
    pub(super) fn drawn(&self, admitted: &Admitted, draw: &Draw) -> Vec<PublicKey> {
        let Some(keys) = self.state.keys() else {
            return Vec::new();
        };
        let (ticket, key) = (&admitted.ticket, keys.group(KeyPurpose::Beacon).public());
        let message = Subject::Round(ticket.round + 1).message(&self.mesh, keys.epoch);
        let Ok(value) = key.beacon_value(&message, &draw.signature) else {
            return Vec::new();
        };
        let found = check_draw(draw, ticket, &value).unwrap_or_default();
        found.cosigners
    }

    /// Asks a target's own check whether words suffice for an admitted act.
    ///
    /// # Errors
    ///
    /// Returns why the target refuses it.
    pub(super) fn target_takes(
        &self,
        admitted: &Admitted,
        draw: Option<Draw>,
        said: Vec<Said>,
    ) -> Result<(), String> {
        let Some(keys) = self.state.keys() else {
            return Err("there are no keys".to_owned());
        };
        let statement = Statement::Ticket(admitted.ticket);
        let question = Question {
            mesh: self.mesh,
            act: admitted.ticket.act,
            matter: admitted.admission.act.matter(&admitted.ticket.agent),
            agent: admitted.ticket.agent,
            warrants: Warrants {
                ticket: Some(Certificate {
                    epoch: keys.epoch,
                    statement,
                    signature: self.sign(Subject::Statement(statement)),
                }),
                vote: None,
                draw,
                said,
                emergency: None,
            },
            keys: keys.public(),
            vote_keys: None,
        };
        let proven = question.check()?;
        let (act, agent) = (&admitted.admission.act, admitted.ticket.agent);
        let capability = act.token.verify(&act.root).map_err(|bad| bad.to_string())?;
        let suffices = proven.suffices(&self.directory, (act, &agent), &capability, self.time);
        suffices.map(|_| ()).map_err(|refusal| refusal.to_string())
    }
}

/// Returns the change of a policy that every node knows.
pub(super) fn change(value: u64) -> Change {
    let Ok(policy) = "acts.shown".parse() else {
        unreachable!("the name is well-formed")
    };
    Change::SetPolicy {
        policy,
        value,
        from_version: 0,
    }
}

/// Grants somebody the change of that policy.
pub(super) fn token(grantor: &Identity, holder: PublicKey, caveats: &[Caveat]) -> Token {
    let grant = Grant {
        holder,
        actions: BTreeSet::from([change(1).action()]),
        caveats: caveats.to_vec(),
    };
    match Token::grant_seeded(&grantor.capability_root(), &grant, holder.bytes()) {
        Ok(token) => token,
        Err(error) => unreachable!("a grant of one action is sensible: {error}"),
    }
}

/// Names nodes as targets.
pub(super) fn targets(keys: impl IntoIterator<Item = PublicKey>) -> Targets {
    let mut keys: Vec<_> = keys.into_iter().collect();
    keys.sort_unstable();
    keys.dedup();
    Targets::Nodes(keys)
}

/// Draws which of the nodes from `first` on are hostile, in random order.
pub(super) fn draw_hostile(seed: Seed, first: u32, nodes: u32, count: u32) -> Vec<u32> {
    let mut all: Vec<u32> = (first..nodes).collect();
    seed.stream(Purpose::Workload, 7).shuffle(&mut all);
    all.truncate(count as usize);
    all
}
