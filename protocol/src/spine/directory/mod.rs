//! Who is a member, since when, through whom.
//!
//! The directory is a function of the *set* of directory records: whatever order they arrive in, two
//! peers with the same records hold the same directory. Where two records compete (two joins on one
//! invite) the one with the lower id wins, at every peer.
//!
//! It is structurally shared: a `Base`, the certified state so far, stands once in memory for all
//! peers of a simulation, and each peer adds an `Overlay` of what came since. Overlays that came out
//! equal can be shared too, see [`Directory::share`]. In a node both belong to one peer.
//!
//! It does not decide who may link (see `links`) nor what members may do.

mod member;
mod overlay;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use member::{Member, Standing};
use x0_crypto::{ContentId, PublicKey, capability::RootKey};

use self::overlay::{Door, Overlay};
use super::committee::Roll;
use crate::{
    charter::violation::{Barred, Sentence},
    core::{
        limits::INVITE_LIFE_MAX,
        reject::RejectReason,
        rng::Rng,
        time::{Millis, Wall},
    },
    wire::{
        Body, Genesis, Invite, Join, MemberFacts, Pinned, Record, Region, Targets, encode_entry,
    },
};

/// Most bits of a key by which a base is cut into parts: a table of 4 MiB.
const PREFIX_BITS_MAX: u32 = 20;

/// The certified state of the directory up to some point, in order of key.
#[derive(Debug)]
pub struct Base {
    members: Vec<Member>,
    active: u32,
    /// The active ones as the committee counts them.
    facts: Arc<BTreeMap<PublicKey, MemberFacts>>,
    /// Where the members begin whose key starts with certain bits: as keys are spread evenly, about one does.
    starts: Vec<u32>,
    prefix_bits: u32,
    /// Those who count once all are of age, if they were counted ahead, and since when the youngest is a member.
    counted: Option<(Arc<Roll>, Wall)>,
}

impl Base {
    /// Makes a base of these members; of two entries for one key the first stays.
    pub fn new(mut members: Vec<Member>) -> Self {
        members.sort_by_key(|member| member.key);
        members.dedup_by_key(|member| member.key);
        let active = members.iter().filter(|member| member.is_active()).count();
        let prefix_bits = members
            .len()
            .checked_ilog2()
            .unwrap_or(0)
            .clamp(1, PREFIX_BITS_MAX);
        let starts = (0..=1_usize << prefix_bits)
            .map(|bits| {
                let before = |member: &Member| prefix(&member.key, prefix_bits) < bits;
                u32::try_from(members.partition_point(before)).unwrap_or(u32::MAX)
            })
            .collect();
        let mut base = Self {
            active: u32::try_from(active).unwrap_or(u32::MAX),
            members,
            facts: Arc::default(),
            starts,
            prefix_bits,
            counted: None,
        };
        base.facts = Arc::new(base.first_facts());
        base
    }

    /// Counts the members ahead, for all peers that share this base: each would find the same for itself, and among
    /// ten thousand of them that is most of what a halt costs a simulation.
    #[must_use]
    pub fn counted_ahead(mut self) -> Self {
        let aging = self.facts.values().filter(|facts| !facts.founder);
        let youngest = aging.map(|facts| facts.since).max().unwrap_or_default();
        let facts = self.facts.iter().map(|(key, facts)| (*key, facts.clone()));
        let roll = Roll::counted(facts, Millis(0), Wall(u64::MAX));
        self.counted = Some((roll, youngest));
        self
    }

    fn first_facts(&self) -> BTreeMap<PublicKey, MemberFacts> {
        let active = self.members.iter().filter(|member| member.is_active());
        let facts = active.map(|member| {
            let head = subtree(member.key, |key| self.find(key)?.invited_by);
            (member.key, member.facts(head))
        });
        facts.collect()
    }

    fn find(&self, key: &PublicKey) -> Option<&Member> {
        let bits = prefix(key, self.prefix_bits);
        let bounds = self.starts.get(bits..bits + 2)?;
        let members = self.members.get(bounds[0] as usize..bounds[1] as usize)?;
        let place = members
            .binary_search_by_key(key, |member| member.key)
            .ok()?;
        members.get(place)
    }
}

/// Walks from a member to the head of its subtree; `inviter` says by whose invite somebody came, founders by none.
fn subtree(key: PublicKey, inviter: impl Fn(&PublicKey) -> Option<PublicKey>) -> PublicKey {
    let mut path = BTreeSet::from([key]);
    let mut at = key;
    while let Some(by) = inviter(&at) {
        if inviter(&by).is_none() {
            return at;
        }
        if !path.insert(by) {
            return path.first().copied().unwrap_or(at);
        }
        at = by;
    }
    at
}

/// Returns the first bits of a key.
fn prefix(key: &PublicKey, bits: u32) -> usize {
    let [a, b, c, d, ..] = *key.bytes();
    (u32::from_be_bytes([a, b, c, d]) >> (u32::BITS - bits)) as usize
}

/// What applying a record changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing anyone must hear of.
    Nothing,
    /// A member is in.
    Joined(PublicKey),
    /// A member is out.
    Gone(PublicKey),
    /// Of two joins on one invite this one counts now, and the other does not.
    Replaced {
        /// Who is in.
        joined: PublicKey,
        /// Who is out.
        gone: PublicKey,
    },
}

/// Overlays that several peers of one process share, by the set of records they hold.
#[derive(Debug, Default)]
pub struct SharedOverlays(BTreeMap<[u8; 32], Arc<Overlay>>);

/// The members of a mesh as one peer knows them.
#[derive(Clone, Debug)]
pub struct Directory {
    mesh: ContentId,
    genesis: Arc<Genesis>,
    base: Arc<Base>,
    overlay: Arc<Overlay>,
}

impl Directory {
    /// Starts from a genesis and its founders.
    pub fn new(mesh: ContentId, genesis: Arc<Genesis>, founded: Wall) -> Self {
        let founders = genesis
            .founders
            .iter()
            .map(|founder| Member {
                key: founder.key,
                root: founder.root,
                commitment: founder.commitment,
                region: founder.region.clone(),
                since: founded,
                invited_by: None,
                entry: mesh,
                entry_seq: 0,
                standing: Standing::Active,
            })
            .collect();
        Self::with_base(mesh, genesis, Arc::new(Base::new(founders)))
    }

    /// Starts from a genesis and a certified state that came since.
    pub fn with_base(mesh: ContentId, genesis: Arc<Genesis>, base: Arc<Base>) -> Self {
        Self {
            mesh,
            genesis,
            base,
            overlay: Arc::default(),
        }
    }

    /// Returns the mesh's id.
    pub const fn mesh(&self) -> ContentId {
        self.mesh
    }

    /// Returns the genesis.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Finds whoever is or was a member.
    pub fn member(&self, key: &PublicKey) -> Option<&Member> {
        self.overlay
            .members
            .get(key)
            .or_else(|| self.base.find(key))
    }

    /// Returns what bars a key from something at a moment of mesh time, by verdicts.
    pub fn barred(&self, key: &PublicKey, time: Wall) -> Option<Barred> {
        self.overlay.sentences.barred(key, time)
    }

    /// Tells whether a key is suspended at a moment of mesh time, or removed by a verdict.
    pub fn is_out(&self, key: &PublicKey, time: Wall) -> bool {
        self.overlay.sentences.is_out(key, time)
    }

    /// Iterates over the sentences known: whose, in which case, what.
    pub fn sentences(&self) -> impl Iterator<Item = (PublicKey, ContentId, Sentence)> {
        self.overlay.sentences.iter()
    }

    /// Takes a sentence of a final verdict, with the span of the suspension and the time of the verdict by the clocks of
    /// records. Whoever came in by an invite from that span is out again.
    pub fn sentence(
        &mut self,
        (accused, case, sentence): (PublicKey, ContentId, Sentence),
        span: (Wall, Wall),
        time: Wall,
    ) -> Vec<Change> {
        let overlay = Arc::make_mut(&mut self.overlay);
        if !overlay.sentences.pass(accused, case, sentence) {
            return Vec::new();
        }
        let name = ContentId::of(&encode_entry(&(accused, case, sentence)));
        overlay.note_applied(&name);
        let mut changes = Vec::new();
        if sentence.suspended_until.is_some() {
            overlay.suspensions.insert((accused, case), span);
            let doors = self.overlay.doors.values();
            let void = doors.filter(|door| door.by == accused && self.overlay.is_void(door));
            let entered: Vec<_> = void.filter_map(|door| door.entered).collect();
            for (entry, who) in entered {
                let came_so = self
                    .member(&who)
                    .is_some_and(|m| m.entry == entry && m.is_active());
                if came_so {
                    self.end(&who, Standing::Displaced, time);
                    changes.push(Change::Gone(who));
                }
            }
        }
        if sentence.removed && self.is_active(&accused) {
            self.end(&accused, Standing::Removed, time);
            changes.push(Change::Gone(accused));
        }
        changes
    }

    fn is_sentenced_to_go(&self, key: &PublicKey) -> bool {
        self.overlay
            .sentences
            .of(key)
            .any(|(_, sentence)| sentence.removed)
    }

    /// Tells whether `key` is an active member.
    pub fn is_active(&self, key: &PublicKey) -> bool {
        self.member(key).is_some_and(Member::is_active)
    }

    /// Counts the active members.
    pub fn active_count(&self) -> u32 {
        self.base
            .active
            .saturating_add_signed(self.overlay.active_delta)
    }

    /// Iterates over everybody who is or was a member, in order of key within base and overlay.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        let base = self.base.members.iter();
        base.filter(|member| !self.overlay.members.contains_key(&member.key))
            .chain(self.overlay.members.values())
    }

    /// Returns the checkpoint that the invite names by which a member came in, if it names one.
    pub fn pinned(&self, key: &PublicKey) -> Option<Pinned> {
        let entry = self.member(key)?.entry;
        let doors = self.overlay.doors.values();
        let mut doors = doors.filter(|door| door.entered.is_some_and(|(by, _)| by == entry));
        doors.next()?.checkpoint
    }

    /// Returns those who are no members any more, with the time of the record that ended it, the last to go first.
    pub fn gone(&self) -> Vec<(&Member, Wall)> {
        let ended = self.overlay.ended.iter();
        let gone = ended.filter_map(|(key, time)| Some((self.member(key)?, *time)));
        let mut gone: Vec<_> = gone.filter(|(member, _)| !member.is_active()).collect();
        gone.sort_by_key(|(member, time)| (std::cmp::Reverse(*time), member.key));
        gone
    }

    /// Returns the members that this directory began with, as the committee counts them.
    pub fn first_members(&self) -> &Arc<BTreeMap<PublicKey, MemberFacts>> {
        &self.base.facts
    }

    /// Returns those of the active members who count at a moment of mesh time.
    pub fn roll(&self, time: Wall) -> Arc<Roll> {
        let age = self.genesis.parameters.member_age;
        let is_as_founded = self.overlay.members.is_empty() && self.overlay.sentences.is_empty();
        if let Some((roll, youngest)) = self.base.counted.as_ref().filter(|_| is_as_founded)
            && *youngest + age <= time
        {
            return roll.clone();
        }
        let active = self.members().filter(|member| member.is_active());
        let active = active.filter(|member| !self.is_out(&member.key, time));
        let facts = active.map(|member| (member.key, member.facts(self.subtree_of(&member.key))));
        Roll::counted(facts, age, time)
    }

    /// Draws an active member at random; `None` if a few tries hit nobody.
    pub fn draw(&self, rng: &mut Rng) -> Option<&Member> {
        const TRIES: u32 = 32;
        let (base, overlay) = (&self.base.members, &self.overlay.members);
        let slots = base.len().saturating_add(overlay.len());
        (0..TRIES).find_map(|_| {
            let slot = usize::try_from(rng.below(slots as u64)).ok()?;
            let key = match base.get(slot) {
                Some(member) => member.key,
                None => *overlay.keys().nth(slot.checked_sub(base.len())?)?,
            };
            self.member(&key).filter(|member| member.is_active())
        })
    }

    /// Finds the active member who grants under `root`.
    pub fn owner_of_root(&self, root: &RootKey) -> Option<&Member> {
        self.members().find(|member| member.root == *root)
    }

    /// Tells whether `key` is among an act's targets.
    pub fn is_target(&self, targets: &Targets, key: &PublicKey) -> bool {
        match targets {
            Targets::Nodes(nodes) => nodes.binary_search(key).is_ok(),
            Targets::Region(region) => self
                .member(key)
                .is_some_and(|member| member.region.as_ref() == Some(region)),
            Targets::All => true,
        }
    }

    /// Returns who is at the head of the first-level invite subtree that a member stands in: a founder, or whom a
    /// founder invited. Members who invited each other in a circle stand in one subtree.
    pub fn subtree_of(&self, key: &PublicKey) -> PublicKey {
        subtree(*key, |key| self.member(key)?.invited_by)
    }

    /// Iterates over the active members among an act's targets.
    pub fn active_targets<'a>(
        &'a self,
        targets: &'a Targets,
    ) -> Box<dyn Iterator<Item = &'a PublicKey> + 'a> {
        match targets {
            Targets::Nodes(nodes) => Box::new(nodes.iter().filter(|node| self.is_active(node))),
            Targets::Region(region) => Box::new(
                self.members()
                    .filter(move |m| m.is_active() && m.region.as_ref() == Some(region))
                    .map(|member| &member.key),
            ),
            Targets::All => Box::new(
                self.members()
                    .filter(|m| m.is_active())
                    .map(|member| &member.key),
            ),
        }
    }

    /// Counts the nodes an act would touch; named strangers count too, so that nothing is won by them.
    pub fn blast_radius(&self, targets: &Targets) -> u32 {
        match targets {
            Targets::Nodes(nodes) => u32::try_from(nodes.len()).unwrap_or(u32::MAX),
            Targets::Region(region) => {
                let inside = self
                    .members()
                    .filter(|member| member.is_active() && member.region.as_ref() == Some(region))
                    .count();
                u32::try_from(inside).unwrap_or(u32::MAX)
            }
            Targets::All => self.active_count(),
        }
    }

    /// Returns how many nodes an act may touch with a token alone, before it is a mass action.
    pub fn token_reach(&self) -> u32 {
        let parameters = &self.genesis.parameters;
        let share = parameters.mass_action_share.nodes_of(self.active_count());
        share.max(parameters.mass_action_floor)
    }

    /// Returns who entered through an invite, if anybody did.
    pub fn entered_by(&self, invite: &ContentId) -> Option<PublicKey> {
        let door = self.overlay.doors.get(invite)?;
        door.entered.map(|(_, newcomer)| newcomer)
    }

    /// Returns how many seats must state a removal: two thirds and one.
    pub fn removal_quorum(&self) -> u32 {
        let seats = u32::try_from(self.genesis.seats.len()).unwrap_or(u32::MAX);
        seats.saturating_mul(2) / 3 + 1
    }

    /// Tells whether `region` may be picked.
    pub fn has_region(&self, region: &Region) -> bool {
        self.genesis
            .parameters
            .regions
            .binary_search(region)
            .is_ok()
    }

    /// Applies a directory record.
    ///
    /// # Errors
    ///
    /// Returns why it has no effect: its author may not write it, or something it rests on is not
    /// known here yet ([`RejectReason::Missing`], [`RejectReason::NotAMember`]).
    pub fn apply(&mut self, record: &Record) -> Result<Change, RejectReason> {
        let change = match record.body() {
            Body::Invite(invite) => self.open_door(record, invite)?,
            Body::Join(join) => self.enter(record, join)?,
            Body::Leave(_) => self.leave(record)?,
            Body::Removal(removal) => self.state_removal(record, removal.member)?,
            Body::Genesis(_)
            | Body::Merge(_)
            | Body::Capability(_)
            | Body::Revocation(_)
            | Body::Act(_)
            | Body::Alert(_)
            | Body::Keys(_)
            | Body::Checkpoint(_)
            | Body::HandOver(_)
            | Body::Recovery(_)
            | Body::Halt(_)
            | Body::Jury(_)
            | Body::Charter(_)
            | Body::Erasure(_)
            | Body::Erased { .. }
            | Body::Ruling(_)
            | Body::Report(_)
            | Body::SealedReport(_)
            | Body::CaseWord(_)
            | Body::Appeal(_)
            | Body::Claim(_)
            | Body::Vote(_)
            | Body::AuditRound(_)
            | Body::AuditReport(_)
            | Body::Sublime(_)
            | Body::Unknown(..) => return Ok(Change::Nothing),
        };
        Arc::make_mut(&mut self.overlay).note_applied(&record.id());
        Ok(change)
    }

    /// Shares the overlay with every other peer of the process that holds the same records.
    pub fn share(&mut self, shared: &mut SharedOverlays) {
        let known = shared
            .0
            .entry(self.overlay.applied)
            .or_insert_with(|| self.overlay.clone());
        self.overlay = known.clone();
    }

    fn ever_member(&self, key: &PublicKey) -> Result<&Member, RejectReason> {
        self.member(key).ok_or(RejectReason::NotAMember(*key))
    }

    fn open_door(&mut self, record: &Record, invite: &Invite) -> Result<Change, RejectReason> {
        self.ever_member(&record.author())?;
        if invite.expires > record.header().time + INVITE_LIFE_MAX {
            return Err(RejectReason::NotEntitled(
                "an invite stays open for 30 days at most",
            ));
        }
        let door = Door {
            key: invite.key,
            expires: invite.expires,
            by: record.author(),
            opened: record.header().time,
            checkpoint: invite.checkpoint,
            entered: None,
        };
        Arc::make_mut(&mut self.overlay)
            .doors
            .insert(record.id(), door);
        Ok(Change::Nothing)
    }

    fn enter(&mut self, record: &Record, join: &Join) -> Result<Change, RejectReason> {
        let newcomer = record.author();
        let Some(door) = self.overlay.doors.get(&join.invite) else {
            return Err(RejectReason::Missing(join.invite));
        };
        if door.key != join.key {
            return Err(RejectReason::InviteRefused(
                "the join names another one-time key",
            ));
        }
        if record.header().time > door.expires {
            return Err(RejectReason::InviteRefused("it has expired"));
        }
        if join
            .region
            .as_ref()
            .is_some_and(|region| !self.has_region(region))
        {
            return Err(RejectReason::InviteRefused(
                "the region is not in the genesis list",
            ));
        }
        let (inviter, earlier) = (door.by, door.entered);
        let door = *door;
        let mut member = Member {
            key: newcomer,
            root: join.root,
            commitment: join.commitment,
            region: join.region.clone(),
            since: record.header().time,
            invited_by: Some(inviter),
            entry: record.id(),
            entry_seq: record.header().seq,
            standing: Standing::Displaced,
        };
        let known = self
            .member(&newcomer)
            .map(|member| (member.entry_seq, member.standing));
        let is_void = self.overlay.is_void(&door);
        if is_void || earlier.is_some_and(|(entry, _)| entry <= record.id()) {
            if known.is_none() {
                self.put(member);
            }
            return Ok(Change::Nothing);
        }
        if let Some(door) = Arc::make_mut(&mut self.overlay).doors.get_mut(&join.invite) {
            door.entered = Some((record.id(), newcomer));
        }
        let time = record.header().time;
        let displaced = earlier.and_then(|(entry, loser)| self.displace(entry, loser, time));
        let is_newest = known.is_none_or(|(entry_seq, standing)| {
            entry_seq < member.entry_seq || standing == Standing::Displaced
        });
        if !is_newest {
            return Ok(displaced.map_or(Change::Nothing, Change::Gone));
        }
        member.standing = self.standing_of(&newcomer, member.entry_seq);
        let is_in = member.is_active();
        self.put(member);
        Ok(match (is_in, displaced) {
            (true, Some(gone)) => Change::Replaced {
                joined: newcomer,
                gone,
            },
            (true, None) => Change::Joined(newcomer),
            (false, Some(gone)) => Change::Gone(gone),
            (false, None) => Change::Nothing,
        })
    }

    fn displace(&mut self, entry: ContentId, loser: PublicKey, time: Wall) -> Option<PublicKey> {
        let counted = self
            .member(&loser)
            .is_some_and(|m| m.entry == entry && m.is_active());
        counted.then(|| self.end(&loser, Standing::Displaced, time))?;
        Some(loser)
    }

    fn standing_of(&self, key: &PublicKey, entry_seq: u64) -> Standing {
        if self.removal_statements(key) >= self.removal_quorum() || self.is_sentenced_to_go(key) {
            return Standing::Removed;
        }
        match self.overlay.leaves.get(key) {
            Some(leave_seq) if *leave_seq >= entry_seq => Standing::Left,
            Some(_) | None => Standing::Active,
        }
    }

    fn leave(&mut self, record: &Record) -> Result<Change, RejectReason> {
        let member = self.ever_member(&record.author())?;
        let (key, entry_seq) = (member.key, member.entry_seq);
        let seq = record.header().seq;
        let overlay = Arc::make_mut(&mut self.overlay);
        let last = overlay.leaves.entry(key).or_insert(seq);
        *last = seq.max(*last);
        if seq >= entry_seq && self.is_active(&key) {
            self.end(&key, Standing::Left, record.header().time);
            return Ok(Change::Gone(key));
        }
        Ok(Change::Nothing)
    }

    fn state_removal(
        &mut self,
        record: &Record,
        member: PublicKey,
    ) -> Result<Change, RejectReason> {
        if self.genesis.seats.binary_search(&record.author()).is_err() {
            return Err(RejectReason::NotEntitled("only a seat may state a removal"));
        }
        let overlay = Arc::make_mut(&mut self.overlay);
        overlay
            .removals
            .entry(member)
            .or_default()
            .insert(record.author());
        if self.removal_statements(&member) >= self.removal_quorum() && self.is_active(&member) {
            self.end(&member, Standing::Removed, record.header().time);
            return Ok(Change::Gone(member));
        }
        Ok(Change::Nothing)
    }

    fn removal_statements(&self, member: &PublicKey) -> u32 {
        let seats = self
            .overlay
            .removals
            .get(member)
            .map_or(0, |seats| seats.len());
        u32::try_from(seats).unwrap_or(u32::MAX)
    }

    fn put(&mut self, member: Member) {
        let was = i32::from(self.is_active(&member.key));
        let is = i32::from(member.is_active());
        let overlay = Arc::make_mut(&mut self.overlay);
        overlay.active_delta += is - was;
        overlay.members.insert(member.key, member);
    }

    /// Takes note that somebody is no member any more, since a record of this time.
    fn end(&mut self, key: &PublicKey, standing: Standing, time: Wall) {
        if let Some(member) = self.member(key) {
            self.put(Member {
                standing,
                ..member.clone()
            });
            Arc::make_mut(&mut self.overlay).ended.insert(*key, time);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use x0_crypto::Identity;

    use super::*;

    fn member(number: u8, since: Wall, invited_by: Option<PublicKey>) -> Member {
        let identity = Identity::from_seed([number; 32].into());
        Member {
            key: identity.public(),
            root: identity.capability_root().public(),
            commitment: identity.membership_commitment(),
            region: None,
            since,
            invited_by,
            entry: ContentId::from_digest([number; 32]),
            entry_seq: 0,
            standing: Standing::Active,
        }
    }

    fn directory(base: Base) -> Directory {
        let genesis = Genesis {
            name: "counted".parse().unwrap(),
            founders: Vec::new(),
            seats: Vec::new(),
            roots: Vec::new(),
            parameters: crate::wire::Parameters::default(),
        };
        let mesh = ContentId::from_digest([9; 32]);
        Directory::with_base(mesh, Arc::new(genesis), Arc::new(base))
    }

    #[test]
    fn who_counts_is_the_same_whether_it_was_counted_ahead_or_not() {
        let founder = member(1, Wall(0), None);
        let invited = member(2, Wall(5_000), Some(founder.key));
        let members = vec![founder, invited.clone()];
        let mut plain = directory(Base::new(members.clone()));
        let mut ahead = directory(Base::new(members).counted_ahead());
        let of_age = Wall(5_000) + plain.genesis().parameters.member_age;
        let counts = |of: &Directory, time| of.roll(time).electorate();

        for (time, count) in [(Wall(of_age.0 - 1), 1), (of_age, 2)] {
            assert_eq!(counts(&plain, time).count, count);
            assert_eq!(counts(&plain, time), counts(&ahead, time));
        }
        for directory in [&mut plain, &mut ahead] {
            directory.end(&invited.key, Standing::Left, of_age);
        }
        assert_eq!(counts(&plain, of_age).count, 1);
        assert_eq!(counts(&plain, of_age), counts(&ahead, of_age));
    }
}
