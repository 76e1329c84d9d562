//! An act as detection sees it: what it changes, whom it touches, when it says it was written.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use x0_crypto::{
    ContentId, PublicKey,
    capability::{RevocationId, RootKey},
};

use crate::{
    core::time::Wall,
    spine::directory::Directory,
    wire::{Act, Body, Change, PolicyName, Record, Region, Targets, Verified},
};

/// Names what an act changes, whoever asks for it and whatever version it starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeDigest([u8; 32]);

impl ChangeDigest {
    /// Names the setting of a policy to a value.
    pub fn of_policy(policy: &PolicyName, value: u64) -> Self {
        let digest = Sha256::new()
            .chain_update(b"x0/change/1\0")
            .chain_update(value.to_be_bytes())
            .chain_update(policy.as_str().as_bytes())
            .finalize();
        Self(digest.into())
    }

    /// Returns the 32 bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The nodes an act touches, with the counts of whoever looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// These nodes, in order of key, each once.
    Nodes(Arc<[PublicKey]>),
    /// Every active member of a region.
    Region {
        /// Which region.
        region: Region,
        /// Its active members.
        nodes: u32,
    },
    /// Every active member.
    All {
        /// The active members.
        nodes: u32,
    },
}

impl Touched {
    /// Takes named nodes in any order.
    pub fn nodes(mut keys: Vec<PublicKey>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        Self::Nodes(keys.into())
    }

    /// Returns how many nodes are touched.
    pub fn count(&self) -> u32 {
        match self {
            Self::Nodes(keys) => u32::try_from(keys.len()).unwrap_or(u32::MAX),
            Self::Region { nodes, .. } | Self::All { nodes } => *nodes,
        }
    }

    fn of(targets: &Targets, directory: &Directory) -> Self {
        match targets {
            Targets::Nodes(keys) => Self::nodes(keys.clone()),
            Targets::Region(region) => Self::Region {
                region: region.clone(),
                nodes: directory.blast_radius(targets),
            },
            Targets::All => Self::All {
                nodes: directory.blast_radius(targets),
            },
        }
    }
}

/// What an act rests on, as far as detection is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// A verified vote certificate or lease, or a lapse or roll-back to what ran before: openly decided. It is never
    /// silent and no mass change, and counts to the learned rate only.
    Certified,
    /// A token alone, under a root that this node accepts: counts to every pattern.
    Plain,
    /// No target follows it, whatever its token says: its root is not accepted here, or it uses the token of
    /// somebody else. It counts to the burst and the learned rate. Were it to count to the critical patterns, anyone
    /// could have somebody else's root frozen with a copied token, or halt the mesh with acts nobody would follow.
    Barred,
}

/// One act, as the patterns need it.
///
/// Everything but [`Observed::seen`] follows from the signed record and the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The act's record.
    pub act: ContentId,
    /// Who wrote it.
    pub agent: PublicKey,
    /// The delegation root of its token.
    pub root: RootKey,
    /// The last block of its token: whatever is derived from the token contains it.
    pub token: RevocationId,
    /// What it changes.
    pub change: ChangeDigest,
    /// Whom it touches.
    pub targets: Touched,
    /// The date its author signed.
    pub time: Wall,
    /// Mesh time when this node saw it: says what is too old to look at, never what is found.
    pub seen: Wall,
    /// What it rests on.
    pub standing: Standing,
}

impl Observed {
    /// Reads an act's record; `None` if it is no act, or one that touches its author's own node only.
    ///
    /// The caller says what the act rests on, having verified its warrants and looked up its root. A token that names
    /// another holder than the author bars the act whatever the caller says.
    pub fn of_record(
        record: &Verified<Record>,
        directory: &Directory,
        standing: Standing,
        seen: Wall,
    ) -> Option<Self> {
        let capability = record.capability()?;
        let (id, author, time) = {
            let record = record.value();
            (record.id(), record.author(), record.header().time)
        };
        let Body::Act(act) = record.value().body() else {
            return None;
        };
        let change = change_of(act)?;
        if matches!(&act.targets, Targets::Nodes(nodes) if nodes.as_slice() == [author]) {
            return None;
        }
        let is_holder = *capability.holder() == author;
        Some(Self {
            act: id,
            agent: author,
            root: act.root,
            token: *capability.revocation_ids().last()?,
            change,
            targets: Touched::of(&act.targets, directory),
            time,
            seen,
            standing: if is_holder {
                standing
            } else {
                Standing::Barred
            },
        })
    }

    /// Returns where the act stands among others: by date, then by id.
    pub(super) const fn place(&self) -> (Wall, ContentId) {
        (self.time, self.act)
    }
}

fn change_of(act: &Act) -> Option<ChangeDigest> {
    match &act.change {
        Change::SetPolicy { policy, value, .. } => Some(ChangeDigest::of_policy(policy, *value)),
        Change::Link { .. } | Change::Unlink { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use x0_crypto::{
        Identity,
        capability::{Grant, Token},
    };
    use zeroize::Zeroizing;

    use super::*;
    use crate::{
        core::time::Millis,
        wire::{Draft, Founder, Genesis, Parameters},
    };

    const START: Wall = Wall(1_700_000_000_000);

    #[test]
    fn an_act_is_read_as_its_record_says_it() {
        let targets = Targets::Nodes(ordered([identity(2).public(), identity(3).public()]));
        let record = written(&identity(1), set(5), targets, &identity(1));

        let seen = observed(&record).unwrap();

        assert_eq!((seen.act, seen.time), (record.value().id(), START));
        assert_eq!(
            (seen.agent, seen.targets.count()),
            (identity(1).public(), 2)
        );
        assert_eq!(seen.standing, Standing::Plain);
        let everyone = written(&identity(1), set(5), Targets::All, &identity(1));
        let everyone = observed(&everyone).unwrap();
        assert_eq!(everyone.targets, Touched::All { nodes: 3 });
        assert_eq!(everyone.change, seen.change);
        let other = written(&identity(1), set(6), Targets::All, &identity(1));
        assert_ne!(observed(&other).unwrap().change, seen.change);
    }

    #[test]
    fn a_copied_token_bars_the_act_of_whoever_copied_it() {
        let copied = written(&identity(2), set(5), Targets::All, &identity(1));
        assert_eq!(observed(&copied).unwrap().standing, Standing::Barred);
    }

    #[test]
    fn what_touches_its_author_only_is_not_looked_at() {
        let own = Targets::Nodes(vec![identity(1).public()]);
        assert_eq!(
            observed(&written(&identity(1), set(5), own, &identity(1))),
            None
        );
        let peer = identity(2).public();
        let link = written(
            &identity(1),
            Change::Link { peer },
            Targets::All,
            &identity(1),
        );
        assert_eq!(observed(&link), None);
    }

    fn observed(record: &Verified<Record>) -> Option<Observed> {
        Observed::of_record(record, &directory(), Standing::Plain, START)
    }

    fn set(value: u64) -> Change {
        Change::SetPolicy {
            policy: "links.target".parse().unwrap(),
            value,
            from_version: value,
        }
    }

    /// An act by an author with a token that names a holder, under that holder's own root.
    fn written(
        author: &Identity,
        change: Change,
        targets: Targets,
        holder: &Identity,
    ) -> Verified<Record> {
        let root = holder.capability_root();
        let grant = Grant {
            holder: holder.public(),
            actions: [change.action()].into(),
            caveats: Vec::new(),
        };
        let act = Act {
            change,
            targets,
            root: root.public(),
            token: Token::grant_seeded(&root, &grant, &[7; 32]).unwrap(),
            expires: START + Millis::from_mins(5),
            warrants: Vec::new(),
        };
        let mesh = Some(ContentId::of(b"mesh"));
        Draft::new(
            mesh,
            author.public(),
            (0, None),
            START,
            [1; 16],
            Body::Act(act),
        )
        .sign(author)
        .unwrap()
    }

    fn directory() -> Directory {
        let mut founders: Vec<_> = (1..4).map(identity).collect();
        founders.sort_by_key(Identity::public);
        let genesis = Genesis {
            name: "test".parse().unwrap(),
            seats: vec![founders[0].public()],
            roots: Vec::new(),
            parameters: Parameters::default(),
            founders: founders
                .iter()
                .map(|it| Founder {
                    key: it.public(),
                    root: it.capability_root().public(),
                    commitment: it.membership_commitment(),
                    region: None,
                })
                .collect(),
        };
        Directory::new(ContentId::of(b"mesh"), Arc::new(genesis), START)
    }

    fn ordered<const N: usize>(mut keys: [PublicKey; N]) -> Vec<PublicKey> {
        keys.sort_unstable();
        keys.to_vec()
    }

    fn identity(number: u8) -> Identity {
        Identity::from_seed(Zeroizing::new([number; 32]))
    }
}
