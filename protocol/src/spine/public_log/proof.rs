//! A proof by itself: that an entry stands in a log, as anybody checks it who is given it, without asking anyone.
//!
//! The log is a node's own audit log, under a head that the node signed, or the public log, under a checkpoint that the
//! committee certified. A proof of the public log carries what names the committee's keys, from the genesis on, so that
//! all of it rests on the mesh's id: whoever knows that trusts nobody else. That of a node's log rests on the node's key.
//! A proof may lead on from an earlier head, which whoever checks it may hold.

use thiserror::Error;
use x0_crypto::{ContentId, PublicKey};

use crate::{
    spine::{
        audit::{
            self,
            countersigned::{Countersigned, NotCountersigned},
            tree::{ConsistencyProof, InclusionProof, ProofError, leaf_hash},
        },
        committee::Unchecked,
        halt::{trusted, verified},
    },
    wire::{
        Body, Certificate, CountersignedHead, DecodeError, LogHead, PublicEntry, PublicHead,
        Record, Unverified,
    },
};

/// The proof that an entry stands in a log, as it is read.
#[derive(Clone, Debug)]
pub struct AuditProof {
    /// The mesh.
    pub mesh: ContentId,
    /// The entry's place, from 0.
    pub index: u64,
    /// The entry, encoded.
    pub entry: Vec<u8>,
    /// The way to the root.
    pub inclusion: InclusionProof,
    /// An earlier head that the log extends, and the proof that it does.
    pub earlier: Option<(PublicHead, ConsistencyProof)>,
    /// Whose log, and its head.
    pub head: ProofHead,
}

/// The head of the log in which an entry stands.
#[derive(Clone, Debug)]
pub enum ProofHead {
    /// Of a node's own audit log.
    Node(LogHead),
    /// Of a node's own audit log, and countersigned by drawn witnesses.
    Countersigned {
        /// The head.
        head: Box<CountersignedHead>,
        /// The mesh's genesis.
        genesis: Box<Unverified<Record>>,
        /// The records that name the committee's keys.
        epochs: Vec<Unverified<Record>>,
    },
    /// Of the public log.
    Public {
        /// The checkpoint.
        certificate: Box<Certificate>,
        /// The mesh's genesis.
        genesis: Box<Unverified<Record>>,
        /// The records that name the committee's keys.
        epochs: Vec<Unverified<Record>>,
    },
}

/// What is known of a log before a proof about it is read; nothing is needed.
#[derive(Clone, Copy, Debug, Default)]
pub struct KnownLog {
    /// The mesh.
    pub mesh: Option<ContentId>,
    /// Whose log it is to be, if it is to be that of a node.
    pub node: Option<PublicKey>,
    /// An earlier head that must be the beginning of the log.
    pub head: Option<PublicHead>,
}

/// What a proof has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownByProof {
    /// The entry.
    pub entry: ProvenEntry,
    /// The head under which it stands.
    pub head: PublicHead,
    /// Whose key stands for the head: the node's, or none for the committee's.
    pub node: Option<PublicKey>,
    /// Which witnesses stand for it besides, if it is that of a node's log.
    pub countersigned: Option<Countersigned>,
    /// Whether the head that was known before is shown to be the beginning of this log.
    pub follows_known: bool,
}

/// An entry that stands in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProvenEntry {
    /// Of a node's own audit log.
    Node(audit::Entry),
    /// Of the public log.
    Public(PublicEntry),
}

/// Why a proof proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProofFault {
    /// It is about another mesh.
    #[error("the proof is of the mesh {found}, and {known} is known: it is about something else")]
    OtherMesh {
        /// The mesh that the proof names.
        found: ContentId,
        /// The mesh that was to be expected.
        known: ContentId,
    },
    /// It is about another node's log.
    #[error("the proof is not of the log that was to be expected: it is {0}")]
    OtherLog(String),
    /// The signature under the head does not hold.
    #[error(
        "the signature under the head of the log does not hold: the head was altered, or never signed"
    )]
    BadSignature,
    /// The witnesses do not stand for the head.
    #[error("the head is not countersigned as the proof says: {0}")]
    NotCountersigned(#[from] NotCountersigned),
    /// The head is none of the public log.
    #[error("the committee's certificate is no checkpoint, and so no head of the public log")]
    NoHead,
    /// The genesis does not hold, or is that of another mesh.
    #[error("the genesis in the proof is not that of its mesh: {0}")]
    BadGenesis(String),
    /// A record that is to name the committee's keys does not hold.
    #[error("what names the committee's keys does not hold: {0}")]
    BadKeys(String),
    /// The keys of the certificate do not follow from the records.
    #[error("the records in the proof do not lead to the keys of the committee's epoch {epoch}")]
    NoKeys {
        /// The epoch of the certificate.
        epoch: u64,
    },
    /// The entry cannot be read.
    #[error("the entry cannot be read: {0}")]
    BadEntry(#[from] DecodeError),
    /// The entry is not shown to stand in the log.
    #[error("the entry is not shown to stand in the log: {0}")]
    NotIncluded(ProofError),
    /// The log is not shown to extend the earlier head.
    #[error("the log is not shown to extend the earlier head: {0}")]
    NotGrown(ProofError),
    /// The head known before is not the one that the proof leads on from.
    #[error(
        "the proof does not lead on from the head of {size} entries that is known: ask for one with `--since {size}`"
    )]
    NotFromKnown {
        /// Entries in the known head.
        size: u64,
    },
    /// The head known before has as many entries and another root.
    #[error(
        "the log was shown differently before: the head that is known has {size} entries as well, and another root; keep \
         both, they are proof"
    )]
    Contradiction {
        /// Entries in both heads.
        size: u64,
    },
}

impl AuditProof {
    /// Checks all of the proof against what is known.
    ///
    /// # Errors
    ///
    /// Returns the first thing that does not hold.
    pub fn check(self, known: &KnownLog) -> Result<ShownByProof, ProofFault> {
        if let Some(mesh) = known.mesh.filter(|mesh| *mesh != self.mesh) {
            return Err(ProofFault::OtherMesh {
                found: self.mesh,
                known: mesh,
            });
        }
        let countersigned = self.head.countersigned(&self.mesh)?;
        let (head, node) = self.head.check(&self.mesh, known)?;
        let entry = match node {
            Some(_) => ProvenEntry::Node(audit::Entry::decode(&self.entry)?),
            None => ProvenEntry::Public(PublicEntry::decode(&self.entry)?),
        };
        let leaf = leaf_hash(&self.entry);
        let stands = self
            .inclusion
            .verify(leaf, self.index, head.size, head.root);
        stands.map_err(ProofFault::NotIncluded)?;
        if let Some((old, growth)) = &self.earlier {
            let grown = growth.verify(old.size, old.root, head.size, head.root);
            grown.map_err(ProofFault::NotGrown)?;
        }
        let earlier = self.earlier.map(|(old, _)| old);
        Ok(ShownByProof {
            entry,
            head,
            node,
            countersigned,
            follows_known: follows(known.head, head, earlier)?,
        })
    }
}

/// Tells whether a head that is known is the beginning of a log with this head, which leads on from another.
fn follows(
    known: Option<PublicHead>,
    head: PublicHead,
    earlier: Option<PublicHead>,
) -> Result<bool, ProofFault> {
    let Some(known) = known else {
        return Ok(false);
    };
    let size = known.size;
    let same = [Some(head), earlier].into_iter().flatten();
    let mut same = same.filter(|other| other.size == size);
    match same.next() {
        Some(other) if other.root == known.root => Ok(true),
        Some(_) => Err(ProofFault::Contradiction { size }),
        None => Err(ProofFault::NotFromKnown { size }),
    }
}

impl ProofHead {
    /// Checks the draw and the signatures of witnesses, if there are any; the rest is for [`ProofHead::check`].
    fn countersigned(&self, mesh: &ContentId) -> Result<Option<Countersigned>, ProofFault> {
        match self {
            Self::Countersigned { head, .. } => Ok(Some(head.check(mesh)?)),
            Self::Node(_) | Self::Public { .. } => Ok(None),
        }
    }

    /// Checks who stands for the head, and returns it.
    fn check(
        self,
        mesh: &ContentId,
        known: &KnownLog,
    ) -> Result<(PublicHead, Option<PublicKey>), ProofFault> {
        match self {
            Self::Node(head) => check_node(&head, known),
            Self::Countersigned {
                head,
                genesis,
                epochs,
            } => {
                check_certificate(mesh, &head.certificate, *genesis, epochs)?;
                check_node(&head.head, known)
            }
            Self::Public { .. } if known.node.is_some() => {
                Err(ProofFault::OtherLog("the public log".to_owned()))
            }
            Self::Public {
                certificate,
                genesis,
                epochs,
            } => {
                let head = certificate
                    .statement
                    .public_head()
                    .ok_or(ProofFault::NoHead)?;
                check_certificate(mesh, &certificate, *genesis, epochs)?;
                Ok((head, None))
            }
        }
    }
}

/// Checks that a node has signed a head of its log.
fn check_node(
    head: &LogHead,
    known: &KnownLog,
) -> Result<(PublicHead, Option<PublicKey>), ProofFault> {
    head.verify().map_err(|_| ProofFault::BadSignature)?;
    if known.node.is_some_and(|node| node != head.author) {
        return Err(ProofFault::OtherLog(format!("that of {}", head.author)));
    }
    let (size, root) = (head.size, head.root);
    Ok((PublicHead { size, root }, Some(head.author)))
}

/// Checks a certificate with the keys that follow from the genesis and the records.
fn check_certificate(
    mesh: &ContentId,
    certificate: &Certificate,
    genesis: Unverified<Record>,
    epochs: Vec<Unverified<Record>>,
) -> Result<(), ProofFault> {
    if genesis.peek().id() != *mesh {
        let why = format!("its id is {}", genesis.peek().id());
        return Err(ProofFault::BadGenesis(why));
    }
    let genesis = genesis.verify();
    let genesis = genesis.map_err(|why| ProofFault::BadGenesis(why.to_string()))?;
    let Body::Genesis(founding) = genesis.value().body() else {
        let why = "it is another sort of record".to_owned();
        return Err(ProofFault::BadGenesis(why));
    };
    let mut faults = Vec::new();
    let records = verified(epochs, mesh, &mut faults);
    if let Some(why) = faults.pop() {
        return Err(ProofFault::BadKeys(why));
    }
    let trust = trusted(mesh, founding, &records);
    let question = trust.question(mesh, certificate).map_err(|why| match why {
        Unchecked::Unknown | Unchecked::Void => ProofFault::NoKeys {
            epoch: certificate.epoch,
        },
    })?;
    question
        .holds()
        .then_some(())
        .ok_or(ProofFault::BadSignature)
}
