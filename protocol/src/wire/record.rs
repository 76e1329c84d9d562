//! The signed record: header, salted body, signature.
//!
//! A record's id is the content id of its header, a DAG-CBOR block of its own. The header commits to
//! the body by `SHA-256("x0/body/1\0" ‖ salt ‖ body)`; once body and salt are erased, the header that
//! stays in the author's chain says nothing about what they were. The signature covers the id, so a
//! second signature over the same header is the same record and not a fork.
//!
//! The way of a record from outside: bytes, [`decode_record`] → [`Unverified`], a check of the
//! signature → [`Verified`]. Own records: [`Draft`], signed → [`Verified`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use sha2::{Digest, Sha256};
use x0_crypto::{
    ContentId, Identity, Namespace, PublicKey, Signature, Signed, capability::Capability, verify,
    verify_batch,
};

use super::{
    Body, DecodeError, Join, Kind, SublimeBody, WIRE_VERSION,
    codec::{decode, encode},
};
use crate::core::{limits::RECORD_BYTES_MAX, reject::RejectReason, time::Wall};

/// The chained, signed part of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The wire version the record was written in.
    pub version: u16,
    /// The mesh it belongs to: the id of its genesis record, `None` in that record itself.
    pub mesh: Option<ContentId>,
    /// Who signed it.
    pub author: PublicKey,
    /// Its place in the author's chain, from 0.
    pub seq: u64,
    /// The author's record before it; `None` exactly at place 0.
    pub prev: Option<ContentId>,
    /// The author's claim of when, milliseconds since the Unix epoch.
    pub time: Wall,
    /// What the body is.
    pub kind: Kind,
    /// Commitment to salt and body.
    #[serde(with = "serde_bytes")]
    pub body: [u8; 32],
}

/// A whole record has body and salt; the husk of one names the record that had them erased instead.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<ByteBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    erased_by: Option<ContentId>,
    #[serde(with = "serde_bytes")]
    header: Vec<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt: Option<ByteArray<16>>,
    signature: Signature,
}

/// What an index keeps of a record, also when the record itself is on disk only.
#[derive(Debug)]
pub struct Place {
    /// The record's id.
    pub id: ContentId,
    /// Who signed it, and its place in that author's chain.
    pub at: (PublicKey, u64),
    /// The author's claim of when.
    pub time: Wall,
    /// What the body is.
    pub kind: Kind,
}

impl Place {
    fn of(id: ContentId, header: &Header) -> Arc<Self> {
        Arc::new(Self {
            id,
            at: (header.author, header.seq),
            time: header.time,
            kind: header.kind,
        })
    }
}

#[derive(Debug)]
struct Inner {
    place: Arc<Place>,
    header: Header,
    body: Body,
    signature: Signature,
    bytes: Box<[u8]>,
}

/// A decoded record; cheap to clone, its contents are shared.
#[derive(Clone, Debug)]
pub struct Record(Arc<Inner>);

impl Record {
    /// Returns the content id of the header, which names the record.
    pub fn id(&self) -> ContentId {
        self.0.place.id
    }

    /// Returns what an index keeps of the record.
    pub fn place(&self) -> &Arc<Place> {
        &self.0.place
    }

    /// Returns the chained part.
    pub fn header(&self) -> &Header {
        &self.0.header
    }

    /// Returns what the record says.
    pub fn body(&self) -> &Body {
        &self.0.body
    }

    /// Returns who signed the record.
    pub fn author(&self) -> PublicKey {
        self.0.header.author
    }

    /// Returns the signature over the id.
    pub fn signature(&self) -> Signature {
        self.0.signature
    }

    /// Returns the encoding that travels and is stored.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// Tells whether what the record said is erased.
    pub fn is_husk(&self) -> bool {
        matches!(self.body(), Body::Erased { .. })
    }

    /// Returns what is left of the record once its author's record `by` has had it erased: header and signature.
    #[must_use]
    pub fn husk(&self, by: ContentId) -> Self {
        if self.is_husk() {
            return self.clone();
        }
        let envelope = Envelope {
            body: None,
            erased_by: Some(by),
            header: encode(self.header()),
            salt: None,
            signature: self.signature(),
        };
        let kind = self.header().kind;
        Self(Arc::new(Inner {
            place: self.0.place.clone(),
            header: self.0.header.clone(),
            body: Body::Erased { kind, by },
            signature: self.0.signature,
            bytes: encode(&envelope).into(),
        }))
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Record {}

fn commit(salt: &[u8; 16], body: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"x0/body/1\0")
        .chain_update(salt)
        .chain_update(body)
        .finalize()
        .into()
}

/// Decodes a record from outside.
///
/// # Errors
///
/// Returns what is wrong with the bytes: too long, malformed, not canonical, of a newer version, out
/// of bounds, or a body that is not the one committed to.
pub fn decode_record(bytes: &[u8]) -> Result<Unverified<Record>, DecodeError> {
    let envelope: Envelope = decode("record", bytes, RECORD_BYTES_MAX)?;
    let header: Header = decode("record header", &envelope.header, RECORD_BYTES_MAX)?;
    if header.version > WIRE_VERSION {
        return Err(DecodeError::NewerVersion {
            what: "record",
            version: header.version,
            max: WIRE_VERSION,
        });
    }
    if header.version == 0 {
        return Err(DecodeError::bounds(
            "record header",
            "version",
            "starts at 1",
        ));
    }
    if header.prev.is_none() != (header.seq == 0) {
        return Err(DecodeError::bounds(
            "record header",
            "prev",
            "is absent exactly at place 0",
        ));
    }
    if header.mesh.is_none() != (header.kind == Kind::GENESIS) {
        return Err(DecodeError::bounds(
            "record header",
            "mesh",
            "is absent exactly in a genesis",
        ));
    }
    let body = match (&envelope.body, &envelope.salt, envelope.erased_by) {
        (Some(body), Some(salt), None) => {
            if commit(salt, body) != header.body {
                return Err(DecodeError::BodyMismatch);
            }
            Body::decode(header.kind, body)?
        }
        (None, None, Some(by)) if header.kind.is_erasable() => Body::Erased {
            kind: header.kind,
            by,
        },
        (None, None, Some(_)) => {
            let why = "is not among those that can be erased";
            return Err(DecodeError::bounds("record header", "kind", why));
        }
        _ => {
            let why = "stands with a salt, or an erasure in place of both";
            return Err(DecodeError::bounds("record", "body", why));
        }
    };
    Ok(Unverified(Record(Arc::new(Inner {
        place: Place::of(ContentId::of(&envelope.header), &header),
        header,
        body,
        signature: envelope.signature,
        bytes: bytes.into(),
    }))))
}

/// Something from outside that nobody has checked.
#[derive(Clone, Debug)]
pub struct Unverified<T>(T);

impl<T> Unverified<T> {
    pub(crate) fn into_inner(self) -> T {
        self.0
    }

    pub(crate) const fn from_wire(value: T) -> Self {
        Self(value)
    }

    /// Looks at the value before it is checked, to bound, deduplicate and route it.
    pub const fn peek(&self) -> &T {
        &self.0
    }
}

/// Something whose signature holds, and whose capability token, if it carries one, is genuine.
#[derive(Clone, Debug)]
pub struct Verified<T> {
    value: T,
    capability: Option<Arc<Capability>>,
}

impl Verified<Record> {
    /// Returns what is left of the record once its author's record `by` has had it erased.
    #[must_use]
    pub fn husk(&self, by: ContentId) -> Self {
        Self::attest(self.value.husk(by))
    }

    /// Returns the record as another peer would have to take it: unverified.
    pub fn to_unverified(&self) -> Unverified<Record> {
        Unverified(self.value.clone())
    }
}

impl<T> Verified<T> {
    /// Attests a value whose every signature was found good.
    pub(super) const fn attest(value: T) -> Self {
        Self {
            value,
            capability: None,
        }
    }

    /// Attests a value whose every signature was found good, with the token it carries.
    pub(super) fn attest_with(value: T, capability: Capability) -> Self {
        Self {
            value,
            capability: Some(Arc::new(capability)),
        }
    }

    /// Returns the checked value.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// Returns the understood capability token the value carries.
    pub const fn capability(&self) -> Option<&Arc<Capability>> {
        self.capability.as_ref()
    }
}

impl Unverified<Record> {
    /// Checks the signature and, where the body carries a capability token, the token.
    ///
    /// # Errors
    ///
    /// Returns why the record must be rejected.
    pub fn verify(self) -> Result<Verified<Record>, RejectReason> {
        let record = self.0;
        verify(
            &record.author(),
            Namespace::Record,
            record.id().digest(),
            &record.signature(),
        )
        .map_err(|_| RejectReason::BadSignature)?;
        Verified::with_proofs(record)
    }

    /// Checks many records at once, faster than one by one; each gets its own answer, in order.
    pub fn verify_all(records: Vec<Self>) -> Vec<Result<Verified<Record>, RejectReason>> {
        let ids: Vec<ContentId> = records.iter().map(|record| record.0.id()).collect();
        let batch: Vec<Signed<'_>> = records
            .iter()
            .zip(&ids)
            .map(|(record, id)| Signed {
                key: record.0.author(),
                namespace: Namespace::Record,
                message: id.digest(),
                signature: record.0.signature(),
            })
            .collect();
        let bad = verify_batch(&batch)
            .err()
            .map(|bad| bad.indices)
            .unwrap_or_default();
        records
            .into_iter()
            .enumerate()
            .map(|(index, record)| {
                if bad.contains(&index) {
                    return Err(RejectReason::BadSignature);
                }
                Verified::with_proofs(record.0)
            })
            .collect()
    }
}

impl Verified<Record> {
    /// Reads a record back from the own store, where only verified records were put.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the bytes; a store that answers so is damaged.
    pub fn from_own_store(bytes: &[u8]) -> Result<Self, StoredRecordError> {
        let record = decode_record(bytes)?.into_inner();
        Ok(Self::with_proofs(record)?)
    }

    /// Attests a record whose signature was found good, once the proofs in its body hold as well.
    fn with_proofs(record: Record) -> Result<Self, RejectReason> {
        if let (Body::Join(join), Some(mesh)) = (record.body(), record.header().mesh) {
            let message = Join::proof_message(&mesh, &join.invite, &record.author());
            verify(&join.key, Namespace::Invite, &message, &join.proof)
                .map_err(|_| RejectReason::InviteRefused("its one-time secret was not shown"))?;
        }
        let token = match record.body() {
            Body::Capability(grant) => Some((&grant.token, &grant.root)),
            Body::Act(act) => Some((&act.token, &act.root)),
            Body::Genesis(_)
            | Body::Invite(_)
            | Body::Join(_)
            | Body::Leave(_)
            | Body::Removal(_)
            | Body::Revocation(_)
            | Body::Merge(_)
            | Body::Alert(_)
            | Body::Keys(_)
            | Body::Checkpoint(_)
            | Body::HandOver(_)
            | Body::Recovery(_)
            | Body::Halt(_)
            | Body::Jury(_)
            | Body::Charter(_)
            | Body::Ruling(_)
            | Body::Report(_)
            | Body::SealedReport(_)
            | Body::CaseWord(_)
            | Body::Appeal(_)
            | Body::Claim(_)
            | Body::AuditRound(_)
            | Body::AuditReport(_)
            | Body::Sublime(_)
            | Body::Vote(_)
            | Body::Erasure(_)
            | Body::Erased { .. }
            | Body::Unknown(..) => None,
        };
        if let Body::Keys(named) = record.body() {
            named.decided.to_unverified().verify()?;
        }
        if let (Body::SealedReport(report), Some(mesh)) = (record.body(), record.header().mesh) {
            report.check_carried(&mesh, &record)?;
        }
        if let (Body::Sublime(SublimeBody::Manifest(manifest)), Some(mesh)) =
            (record.body(), record.header().mesh)
        {
            manifest.check_carried(&mesh, &record)?;
        }
        if let (Body::Sublime(SublimeBody::Call(call)), Some(mesh)) =
            (record.body(), record.header().mesh)
        {
            call.check_carried(&mesh, &record)?;
        }
        if let Body::Claim(claim) = record.body() {
            claim.check_carried(&record)?;
        }
        if let (Body::Jury(word), Some(mesh)) = (record.body(), record.header().mesh) {
            word.verify(&mesh, &record.author())?;
        }
        if let (Body::AuditReport(report), Some(mesh)) = (record.body(), record.header().mesh) {
            report.verify(&mesh, &record.author())?;
        }
        let capability = match token {
            Some((token, root)) => {
                let capability = token.verify(root).map_err(RejectReason::BadToken)?;
                Some(Arc::new(capability))
            }
            None => None,
        };
        Ok(Self {
            value: record,
            capability,
        })
    }
}

/// Why a record in the own store cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoredRecordError {
    /// The bytes do not decode.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The record carries a token that does not verify.
    #[error(transparent)]
    Rejected(#[from] RejectReason),
}

/// A record of the own node before it is signed.
#[derive(Clone, Debug)]
pub struct Draft {
    header: Header,
    salt: [u8; 16],
    body: Body,
}

impl Draft {
    /// Writes a record at a place in the author's chain.
    pub fn new(
        mesh: Option<ContentId>,
        author: PublicKey,
        at: (u64, Option<ContentId>),
        time: Wall,
        salt: [u8; 16],
        body: Body,
    ) -> Self {
        let (seq, prev) = at;
        let encoded = body.encode();
        let header = Header {
            version: WIRE_VERSION,
            mesh,
            author,
            seq,
            prev,
            time,
            kind: body.kind(),
            body: commit(&salt, &encoded),
        };
        Self { header, salt, body }
    }

    /// Returns what the record will say.
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// Signs the record with the author's identity.
    ///
    /// # Errors
    ///
    /// Returns [`RejectReason::BadSignature`] if the identity is not the author's, a token error if
    /// the body carries a token that does not verify, and a size error if the record is too long.
    pub fn sign(self, identity: &Identity) -> Result<Verified<Record>, RejectReason> {
        if identity.public() != self.header.author {
            return Err(RejectReason::BadSignature);
        }
        let header_bytes = encode(&self.header);
        let id = ContentId::of(&header_bytes);
        let signature = identity.sign(Namespace::Record, id.digest());
        let bytes = encode(&Envelope {
            body: Some(ByteBuf::from(self.body.encode())),
            erased_by: None,
            header: header_bytes,
            salt: Some(ByteArray::new(self.salt)),
            signature,
        });
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(RejectReason::TooLong { len: bytes.len() });
        }
        Verified::with_proofs(Record(Arc::new(Inner {
            place: Place::of(id, &self.header),
            header: self.header,
            body: self.body,
            signature,
            bytes: bytes.into(),
        })))
    }
}
