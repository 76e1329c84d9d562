//! Proofs of log entries as files: JSON that stands by itself and is checked without any node.
//!
//! What matters stands in base64 or hexadecimal as it was signed and hashed; what is shown beside it is only for reading,
//! and must be what follows from the rest. A file has one form: [`ProofView::read`] refuses any byte that is not as
//! [`ProofView::text`] would write it. `docs/audit.md` describes the fields.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use x0_protocol::{
    core::command::{EntryProof, PublicProof},
    spine::{
        audit::{
            Entry,
            countersigned::Countersigned,
            tree::{ConsistencyProof, Hash, InclusionProof, PROOF_HASHES_MAX},
        },
        public_log::proof::{AuditProof, KnownLog, ProofHead, ProvenEntry, ShownByProof},
    },
    wire::{
        Certificate, CountersignedHead, LogHead, PublicHead, Record, Unverified, decode_record,
    },
};

use super::{public::PublicEntryView, view::AuditEntryView};

/// What a proof says it is.
const FORMAT: &str = "x0-audit-proof/1";
/// Longest proof that is read, bytes: 64 hand-overs with 31 seats each take far less.
pub const PROOF_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The proof that an entry stands in a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProofView {
    /// `x0-audit-proof/1`.
    pub format: String,
    /// `public`, or `node` for a node's own audit log.
    pub log: String,
    /// The mesh.
    pub mesh: String,
    /// The entry's place, from 0.
    pub index: u64,
    /// When, in words of the entry: mesh time, or that of the node's own clock.
    pub time_ms: u64,
    /// What the entry says, for reading.
    pub words: String,
    /// The entry as it is hashed, in base64.
    pub entry: String,
    /// Entries in the log.
    pub size: u64,
    /// The root over them, in hexadecimal.
    pub root: String,
    /// The hashes from the entry up to the root (RFC 9162, 2.1.3), in hexadecimal.
    pub inclusion: Vec<String>,
    /// The head as it was signed, in base64: the node's, with what its witnesses have signed if there is a genesis; or the
    /// committee's certificate of a checkpoint.
    pub head: String,
    /// An earlier head that the log extends.
    pub earlier: Option<EarlierView>,
    /// Of the public log, and where witnesses have countersigned: the mesh's genesis, in base64.
    pub genesis: Option<String>,
    /// Of the public log, and where witnesses have countersigned: the records that name the committee's keys, in base64.
    pub keys: Vec<String>,
}

/// An earlier head, and the proof that the log extends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlierView {
    /// Entries in it.
    pub size: u64,
    /// Its root, in hexadecimal.
    pub root: String,
    /// The hashes of the proof (RFC 9162, 2.1.4), in hexadecimal.
    pub growth: Vec<String>,
}

/// What checking a proof comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProofCheckView {
    /// Whether it holds.
    pub holds: bool,
    /// Why not.
    pub why: Option<String>,
    /// `public` or `node`.
    pub log: String,
    /// The mesh that it rests on.
    pub mesh: String,
    /// The node whose signature it rests on, if it is of a node's log.
    pub node: Option<String>,
    /// Which drawn witnesses have countersigned the head of that log, if they have.
    pub countersigned: Option<CountersignedView>,
    /// The entry's place.
    pub index: u64,
    /// What the entry says.
    pub words: String,
    /// Entries in the log.
    pub size: u64,
    /// The root over them, in hexadecimal.
    pub root: String,
    /// Whether the head that was named is shown to be the beginning of this log.
    pub follows_known: bool,
}

/// Who has countersigned the head of a node's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CountersignedView {
    /// How many witnesses have.
    pub by: u32,
    /// Of how many that were drawn.
    pub of: u32,
    /// Height of the checkpoint that drew them.
    pub height: u64,
}

impl From<Countersigned> for CountersignedView {
    fn from(countersigned: Countersigned) -> Self {
        let count = |count| u32::try_from(count).unwrap_or(u32::MAX);
        let Countersigned { by, of, height } = countersigned;
        Self {
            by: count(by),
            of: count(of),
            height,
        }
    }
}

impl fmt::Display for CountersignedView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, of, height } = self;
        write!(f, "by {by} of the {of} witnesses drawn at height {height}")
    }
}

impl ProofView {
    /// Writes down the proof of an entry of the public log.
    pub fn of_public(public: &PublicProof) -> Self {
        let PublicProof {
            proof,
            earlier,
            genesis,
            epochs,
        } = public;
        let view = PublicEntryView::new(proof.index, &proof.entry);
        let mesh = genesis.id().to_string();
        Self {
            genesis: Some(base64(genesis.bytes())),
            keys: epochs.iter().map(|record| base64(record.bytes())).collect(),
            ..Self::new(
                ("public", mesh),
                (proof.index, view.time_ms, view.words, view.bytes),
                (public.head(), &proof.inclusion, proof.head.encode()),
                earlier.as_ref(),
            )
        }
    }

    /// Writes down the proof of an entry of a node's own audit log.
    pub fn of_entry(proof: &EntryProof, entry: &Entry) -> Self {
        let view = AuditEntryView::new(proof.index, entry);
        let head = PublicHead {
            size: proof.head.size,
            root: proof.head.root,
        };
        let by = proof.countersigned.as_deref();
        let signed = by.map_or_else(|| proof.head.encode(), |by| by.head.encode());
        let keys = by.into_iter().flat_map(|by| &by.epochs);
        Self {
            genesis: by.map(|by| base64(by.genesis.bytes())),
            keys: keys.map(|record| base64(record.bytes())).collect(),
            ..Self::new(
                ("node", proof.mesh.to_string()),
                (
                    proof.index,
                    view.time_ms,
                    in_words(&view),
                    base64(&entry.encode()),
                ),
                (head, &proof.inclusion, signed),
                proof.earlier.as_ref(),
            )
        }
    }

    fn new(
        (log, mesh): (&str, String),
        (index, time_ms, words, entry): (u64, u64, String, String),
        (head, inclusion, signed): (PublicHead, &InclusionProof, Vec<u8>),
        earlier: Option<&(PublicHead, ConsistencyProof)>,
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            log: log.to_owned(),
            mesh,
            index,
            time_ms,
            words,
            entry,
            size: head.size,
            root: head.root.to_string(),
            inclusion: inclusion.hashes().iter().map(Hash::to_string).collect(),
            head: base64(&signed),
            earlier: earlier.map(|(old, growth)| EarlierView {
                size: old.size,
                root: old.root.to_string(),
                growth: growth.hashes().iter().map(Hash::to_string).collect(),
            }),
            genesis: None,
            keys: Vec::new(),
        }
    }

    /// Returns the file, as it is written and must be read.
    ///
    /// # Errors
    ///
    /// Returns why it cannot be written; there is no such reason for a proof of ours.
    pub fn text(&self) -> Result<String, String> {
        let text = serde_json::to_string_pretty(self).map_err(|why| why.to_string())?;
        Ok(text + "\n")
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Returns why it is no proof, or that it has another form than it was written in.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(format!("it is longer than {PROOF_BYTES_MAX} bytes"));
        }
        let view: Self = serde_json::from_slice(bytes).map_err(|why| why.to_string())?;
        if view.format != FORMAT {
            return Err(format!("its format is {:?}, not {FORMAT}", view.format));
        }
        if view.text()?.as_bytes() != bytes {
            return Err(
                "it was not written like this: a byte was changed, added or left out".to_owned(),
            );
        }
        Ok(view)
    }

    /// Checks all of it, offline.
    ///
    /// # Errors
    ///
    /// Returns the first thing that does not hold.
    pub fn check(&self, known: &KnownLog) -> Result<ShownByProof, String> {
        let shown = self.proof()?.check(known).map_err(|why| why.to_string())?;
        let (time_ms, words) = match &shown.entry {
            ProvenEntry::Node(entry) => {
                let view = AuditEntryView::new(self.index, entry);
                (view.time_ms, in_words(&view))
            }
            ProvenEntry::Public(entry) => {
                let view = PublicEntryView::new(self.index, entry);
                (view.time_ms, view.words)
            }
        };
        let read = (self.time_ms, self.size, &self.words, &self.root);
        let root = shown.head.root.to_string();
        if read != (time_ms, shown.head.size, &words, &root) {
            return Err("what is shown for reading is not what the signed parts say".to_owned());
        }
        Ok(shown)
    }

    /// Says what checking came to.
    pub fn checked(&self, found: Result<ShownByProof, String>) -> ProofCheckView {
        let shown = found.as_ref().ok();
        let node = shown.and_then(|shown| shown.node);
        let countersigned = shown.and_then(|shown| shown.countersigned);
        ProofCheckView {
            holds: shown.is_some(),
            log: self.log.clone(),
            mesh: self.mesh.clone(),
            node: node.map(|node| node.to_string()),
            countersigned: countersigned.map(CountersignedView::from),
            index: self.index,
            words: self.words.clone(),
            size: self.size,
            root: self.root.clone(),
            follows_known: shown.is_some_and(|shown| shown.follows_known),
            why: found.err(),
        }
    }

    fn proof(&self) -> Result<AuditProof, String> {
        let head = bytes(&self.head, "the head")?;
        let head = match self.log.as_str() {
            "node" if self.genesis.is_none() && self.keys.is_empty() => {
                ProofHead::Node(LogHead::decode(&head).map_err(|why| why.to_string())?)
            }
            "node" => {
                let head = CountersignedHead::decode(&head).map_err(|why| why.to_string())?;
                let (genesis, epochs) = self.foundation()?;
                ProofHead::Countersigned {
                    head: Box::new(head),
                    genesis,
                    epochs,
                }
            }
            "public" => {
                let certificate = Certificate::decode(&head).map_err(|why| why.to_string())?;
                let (genesis, epochs) = self.foundation()?;
                ProofHead::Public {
                    certificate: Box::new(certificate),
                    genesis,
                    epochs,
                }
            }
            other => return Err(format!("there is no log called {other:?}")),
        };
        let inclusion = hashes(&self.inclusion)?;
        let too_many = "it has more hashes than any proof";
        let earlier = self.earlier.as_ref().map(|old| {
            let head = PublicHead {
                size: old.size,
                root: hash(&old.root)?,
            };
            let growth = ConsistencyProof::from_hashes(hashes(&old.growth)?);
            Ok::<_, String>((head, growth.ok_or(too_many)?))
        });
        Ok(AuditProof {
            mesh: self
                .mesh
                .parse()
                .map_err(|why| format!("the mesh {:?} cannot be read: {why}", self.mesh))?,
            index: self.index,
            entry: bytes(&self.entry, "the entry")?,
            inclusion: InclusionProof::from_hashes(inclusion).ok_or(too_many)?,
            earlier: earlier.transpose()?,
            head,
        })
    }

    /// Reads what the committee's keys follow from.
    fn foundation(&self) -> Result<Foundation, String> {
        let genesis = self.genesis.as_deref().ok_or("the genesis is missing")?;
        let genesis = record(genesis, "the genesis")?;
        let keys = self.keys.iter();
        let epochs = keys.map(|key| record(key, "a record that names keys"));
        Ok((Box::new(genesis), epochs.collect::<Result<_, _>>()?))
    }
}

/// The genesis, and the records that name the committee's keys.
type Foundation = (Box<Unverified<Record>>, Vec<Unverified<Record>>);

/// Says in one line what an entry of an audit log tells.
fn in_words(view: &AuditEntryView) -> String {
    let about = [view.who.as_deref(), view.record.as_deref()];
    let about: Vec<_> = about.into_iter().flatten().collect();
    match about.is_empty() {
        true => format!("{}: {}", view.what, view.words),
        false => format!("{} ({}): {}", view.what, about.join(", "), view.words),
    }
}

/// Reads a root or another hash.
///
/// # Errors
///
/// Returns that it has not 32 bytes in lower hexadecimal.
pub fn hash(text: &str) -> Result<Hash, String> {
    let bytes = data_encoding::HEXLOWER.decode(text.as_bytes());
    let bytes = bytes.ok().and_then(|bytes| bytes.try_into().ok());
    bytes
        .map(Hash)
        .ok_or_else(|| format!("{text:?} is no hash: 64 lower hexadecimal digits are needed"))
}

fn hashes(texts: &[String]) -> Result<Vec<Hash>, String> {
    if texts.len() > PROOF_HASHES_MAX {
        return Err("it has more hashes than any proof".to_owned());
    }
    texts.iter().map(|text| hash(text)).collect()
}

fn record(text: &str, what: &str) -> Result<Unverified<Record>, String> {
    decode_record(&bytes(text, what)?).map_err(|why| format!("{what}: {why}"))
}

fn base64(bytes: &[u8]) -> String {
    data_encoding::BASE64.encode(bytes)
}

fn bytes(text: &str, what: &str) -> Result<Vec<u8>, String> {
    let decoded = data_encoding::BASE64.decode(text.as_bytes());
    decoded.map_err(|why| format!("{what} is no base64: {why}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use x0_crypto::{ContentId, Identity};
    use x0_protocol::{
        Wall,
        spine::audit::{AuditLog, What},
    };
    use zeroize::Zeroizing;

    use super::*;

    fn identity() -> Identity {
        Identity::from_seed(Zeroizing::new([7; 32]))
    }

    /// The proof of an entry of a log of eleven, which goes on from a head of four.
    fn proof() -> ProofView {
        let entry = |number: u64| Entry {
            time: Wall(1_700_000_000_000 + number),
            what: What::Fork {
                author: identity().public(),
                seq: number,
            },
        };
        let entries: Vec<_> = (0..11).map(entry).collect();
        let log = AuditLog::restore(entries.iter(), Vec::new());
        let (size, root) = log.head();
        let old = PublicHead {
            size: 4,
            root: log.root_at(4).unwrap(),
        };
        let proof = EntryProof {
            mesh: ContentId::of(b"mesh"),
            index: 6,
            inclusion: log.prove(6, size).unwrap(),
            head: LogHead::sign(&identity(), size, root, Wall(9)),
            countersigned: None,
            earlier: Some((old, log.prove_growth(4, size).unwrap())),
        };
        ProofView::of_entry(&proof, &entries[6])
    }

    #[test]
    fn a_proof_is_read_back_and_checked_without_a_node() {
        let text = proof().text().unwrap();
        let read = ProofView::read(text.as_bytes()).unwrap();
        assert_eq!(read, proof());
        let known = KnownLog {
            mesh: Some(ContentId::of(b"mesh")),
            node: Some(identity().public()),
            head: None,
        };
        let shown = read.check(&known).unwrap();
        let checked = read.checked(Ok(shown));
        assert!(checked.holds && checked.words.contains("place 6"));
        assert_eq!(checked.node, Some(identity().public().to_string()));
    }

    #[test]
    fn no_byte_of_a_proof_can_be_changed_unseen() {
        let text = proof().text().unwrap().into_bytes();
        let known = KnownLog {
            mesh: Some(ContentId::of(b"mesh")),
            ..KnownLog::default()
        };
        let holds = |bytes: &[u8]| {
            let read = ProofView::read(bytes);
            read.and_then(|read| read.check(&known)).is_ok()
        };
        assert!(holds(&text));
        for at in 0..text.len() {
            for bit in [0x01, 0x02, 0x20] {
                let mut altered = text.clone();
                altered[at] ^= bit;
                let part = String::from_utf8_lossy(&text[at.saturating_sub(20)..=at]).into_owned();
                assert!(
                    !holds(&altered),
                    "bit {bit:#04x} of byte {at}, after {part:?}"
                );
            }
            let mut shorter = text.clone();
            shorter.remove(at);
            assert!(!holds(&shorter), "byte {at} left out");
        }
    }

    #[test]
    fn another_mesh_another_node_and_another_head_are_named() {
        let check = |known: KnownLog| proof().check(&known).unwrap_err();
        let mesh = Some(ContentId::of(b"another"));
        let other = check(KnownLog {
            mesh,
            ..KnownLog::default()
        });
        assert!(other.contains("of the mesh"), "{other}");
        let node = Identity::from_seed(Zeroizing::new([8; 32])).public();
        let other = check(KnownLog {
            node: Some(node),
            ..KnownLog::default()
        });
        assert!(other.contains(&identity().public().to_string()), "{other}");
        let head = PublicHead {
            size: 4,
            root: Hash([0; 32]),
        };
        let other = check(KnownLog {
            head: Some(head),
            ..KnownLog::default()
        });
        assert!(other.contains("shown differently before"), "{other}");
    }
}
