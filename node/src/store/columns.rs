//! What stands in which column, and how its rows are written.
//!
//! | column | key | value |
//! |---|---|---|
//! | `records` | digest of the id, 32 bytes | the record as it travels |
//! | `executed` | digest of the act's id | empty |
//! | `policies` | name | version and value, 8 bytes each, big-endian |
//! | `audit` | index, 8 bytes big-endian | the entry, DAG-CBOR |
//! | `witnessed` | author, 32 bytes | the log head, DAG-CBOR |
//! | `roots` | root key, 32 bytes | empty |
//! | `halts` | digest of the halt's name, 32 bytes | the halt as it stands, DAG-CBOR |
//! | `journal` | place, 4 bytes big-endian | a line of the seat's journal, DAG-CBOR |
//! | `blocks` | height, 8 bytes big-endian | the block with its commit, DAG-CBOR |
//! | `keys` | `d`, ceremony, dealer (32 bytes each) | what this seat was dealt, sealed, DAG-CBOR |
//! | | `s`, purpose (1 byte), epoch (8 bytes big-endian) | the seat's share of a key, sealed |
//! | `votes` | `o`, name (32 bytes) | what this node has handed in for votes, DAG-CBOR |
//! | | `r`, ballot, seat (32 bytes each) | a receipt for an own ballot, DAG-CBOR |
//! | | `h`, vote, ballot (32 bytes each) | a ballot that this seat gave its word for, and when, DAG-CBOR |
//! | `proposals` | digest of the act, 32 bytes | an own act on its way, or how it ended, DAG-CBOR |
//! | `receipts` | erasure, node (32 bytes each) | the node's proof that it complied, DAG-CBOR |
//! | `public_log` | `e`, index (8 bytes big-endian) | an entry of the public log, DAG-CBOR |
//! | | `o`, digest of the act (32 bytes) | an override that runs here and may lapse, DAG-CBOR |
//! | `sublime` | `s`, key of the item (32 bytes) | a share kept for somebody, sealed, DAG-CBOR |
//! | `sublime` | `p`, key of the item (32 bytes) | parts of a share that is being dealt on, sealed, DAG-CBOR |
//! | | `d`, key of the item, node (32 bytes each) | that the node has destroyed its share of an own item, DAG-CBOR |
//! | | `r`, request (32 bytes), hash of the rest | what was released for an own request, and by whom, DAG-CBOR |
//! | | `g`, key of the item (32 bytes) | who guards the item, as a seat knows, DAG-CBOR |
//! | | `i`, `m` or `r`, member (32 bytes) | an invitation to serve as a guardian, made to or received from that member, DAG-CBOR |
//! | `meta` | `schema`, `genesis`, `owner` | number (4 bytes big-endian), record, public key |
//! | | `rewrite` | there is: files may still hold what was erased |
//! | | `tip`, `state` | what the committee log ends with, and what followed from it at some height, DAG-CBOR |

use std::path::Path;

use rocksdb::{ColumnFamily, DB, WriteBatch};
use serde::{Serialize, de::DeserializeOwned};
use x0_crypto::{
    ContentId, PublicKey,
    capability::RootKey,
    committee::{Purpose, SealedDealing},
};
use x0_protocol::{
    Stored, Write,
    anti_meave::{
        overrides::OverrideWrite,
        proposals::{KeptProposal, ProposalWrite},
    },
    core::limits::BLOCKS_KEPT_MAX,
    spine::{
        audit::Entry,
        ballot::{StoredVotes, VoteWrite},
        committee::{JournalLine, Tip},
        erasure::ErasureReceipt,
        halt::Halt,
    },
    sublime::shares::{ForgetReceipt, StoredSublime, SublimeWrite},
    wire::{Decided, LogHead, PolicyName, PublicEntry, Record, Verified},
};

use super::StoreError;

/// A column of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Records,
    Executed,
    Policies,
    Audit,
    Witnessed,
    Roots,
    Halts,
    Journal,
    Blocks,
    Keys,
    Votes,
    Proposals,
    Receipts,
    PublicLog,
    Sublime,
    Meta,
}

pub(super) const SCHEMA_KEY: &[u8] = b"schema";
pub(super) const GENESIS_KEY: &[u8] = b"genesis";
pub(super) const OWNER_KEY: &[u8] = b"owner";
pub(super) const TIP_KEY: &[u8] = b"tip";
pub(super) const STATE_KEY: &[u8] = b"state";
pub(super) const REWRITE_KEY: &[u8] = b"rewrite";

/// First byte of the keys of dealings, and of shares.
const DEALING: u8 = b'd';
const SHARE: u8 = b's';

/// First byte of the keys of entries of the public log, and of overrides that run here.
const ENTRY: u8 = b'e';
const OVERRIDE: u8 = b'o';

/// First byte of the keys of shares kept for others, of what was released for this node, of parts of shares that are dealt on,
/// of receipts for own items that are forgotten, of invitations to serve as a guardian, and of who guards what, as a seat knows.
const KEPT_SHARE: u8 = b's';
const RELEASED: u8 = b'r';
const PARTS: u8 = b'p';
const DESTROYED: u8 = b'd';
const INVITATION: u8 = b'i';
const GUARDS: u8 = b'g';

/// First byte of the keys of what this node has handed in for votes, of receipts for it, and of ballots held.
const OWN: u8 = b'o';
const RECEIPT: u8 = b'r';
const HELD: u8 = b'h';

impl Column {
    pub(super) const ALL: [Self; 16] = [
        Self::Records,
        Self::Executed,
        Self::Policies,
        Self::Audit,
        Self::Witnessed,
        Self::Roots,
        Self::Halts,
        Self::Journal,
        Self::Blocks,
        Self::Keys,
        Self::Votes,
        Self::Proposals,
        Self::Receipts,
        Self::PublicLog,
        Self::Sublime,
        Self::Meta,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Executed => "executed",
            Self::Policies => "policies",
            Self::Audit => "audit",
            Self::Witnessed => "witnessed",
            Self::Roots => "roots",
            Self::Halts => "halts",
            Self::Journal => "journal",
            Self::Blocks => "blocks",
            Self::Keys => "keys",
            Self::Votes => "votes",
            Self::Proposals => "proposals",
            Self::Receipts => "receipts",
            Self::PublicLog => "public_log",
            Self::Sublime => "sublime",
            Self::Meta => "meta",
        }
    }

    /// Finds the column in an open database.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the database has none of that name.
    pub(super) fn of(self, db: &DB) -> Result<&ColumnFamily, StoreError> {
        db.cf_handle(self.name()).ok_or_else(|| {
            StoreError::damaged(
                db.path(),
                format!("the column `{}` is missing", self.name()),
            )
        })
    }
}

/// Adds one write to a batch; `earlier` are all those that the batch began with.
pub(super) fn put<'a>(
    db: &DB,
    batch: &mut WriteBatch,
    earlier: &(impl Iterator<Item = &'a Write> + Clone),
    write: &Write,
) -> Result<(), StoreError> {
    match write {
        Write::Record(record) => {
            let record = record.value();
            batch.put_cf(
                Column::Records.of(db)?,
                record.id().digest(),
                record.bytes(),
            );
        }
        Write::Executed(act) => batch.put_cf(Column::Executed.of(db)?, act.digest(), []),
        Write::Policy {
            policy,
            version,
            value,
        } => {
            let numbers = [version.to_be_bytes(), value.to_be_bytes()].concat();
            batch.put_cf(Column::Policies.of(db)?, policy.as_str(), numbers);
        }
        Write::Audit { index, entry } => {
            batch.put_cf(Column::Audit.of(db)?, index.to_be_bytes(), entry.encode());
        }
        Write::Journal { first, lines } => {
            for (place, line) in (*first..).zip(lines) {
                batch.put_cf(
                    Column::Journal.of(db)?,
                    place.to_be_bytes(),
                    encoded(db, line)?,
                );
            }
        }
        Write::Block {
            decided,
            tip,
            snapshot,
        } => {
            let blocks = Column::Blocks.of(db)?;
            batch.put_cf(blocks, tip.height.to_be_bytes(), decided.encode());
            if let Some(old) = tip.height.checked_sub(BLOCKS_KEPT_MAX) {
                batch.delete_cf(blocks, old.to_be_bytes());
            }
            batch.put_cf(Column::Meta.of(db)?, TIP_KEY, encoded(db, tip)?);
            if let Some(state) = snapshot {
                batch.put_cf(Column::Meta.of(db)?, STATE_KEY, state);
            }
            end_journal(db, batch)?;
        }
        Write::State { tip, state } => {
            let after = tip.height.saturating_add(1).to_be_bytes();
            batch.delete_range_cf(Column::Blocks.of(db)?, [0; 8], after);
            batch.put_cf(Column::Meta.of(db)?, TIP_KEY, encoded(db, tip)?);
            batch.put_cf(Column::Meta.of(db)?, STATE_KEY, state);
            end_journal(db, batch)?;
        }
        Write::Dealing {
            ceremony,
            dealer,
            dealing,
        } => {
            let key = dealing_key(ceremony, dealer);
            batch.put_cf(Column::Keys.of(db)?, key, encoded(db, dealing)?);
        }
        Write::KeyShare {
            purpose,
            epoch,
            sealed,
        } => {
            batch.put_cf(Column::Keys.of(db)?, share_key(*purpose, *epoch), sealed);
        }
        Write::ForgetKeys { shares, dealings } => {
            for (purpose, epoch) in shares {
                batch.delete_cf(Column::Keys.of(db)?, share_key(*purpose, *epoch));
            }
            for (ceremony, dealer) in dealings {
                batch.delete_cf(Column::Keys.of(db)?, dealing_key(ceremony, dealer));
            }
        }
        Write::Erase { records, by } => {
            for id in records {
                put_husk(db, batch, earlier.clone(), (id, by))?;
            }
            batch.put_cf(Column::Meta.of(db)?, REWRITE_KEY, []);
        }
        Write::Receipt(receipt) => {
            let node = receipt.shown.head.author;
            let key = [&receipt.erasure.digest()[..], node.bytes()].concat();
            batch.put_cf(Column::Receipts.of(db)?, key, encoded(db, receipt)?);
        }
        Write::Vote(write) => put_vote(db, batch, write)?,
        Write::Proposal(ProposalWrite::Keep(kept)) => {
            let act = kept.admission.asked.act;
            let bytes = encoded(db, kept)?;
            batch.put_cf(Column::Proposals.of(db)?, act.digest(), bytes);
        }
        Write::Proposal(ProposalWrite::Forget(act)) => {
            batch.delete_cf(Column::Proposals.of(db)?, act.digest());
        }
        Write::Public { index, entry } => {
            let key = [&[ENTRY], &index.to_be_bytes()[..]].concat();
            batch.put_cf(Column::PublicLog.of(db)?, key, entry.encode());
        }
        Write::Override(OverrideWrite::Keep(here)) => {
            let bytes = encoded(db, here)?;
            batch.put_cf(Column::PublicLog.of(db)?, override_key(&here.act), bytes);
        }
        Write::Override(OverrideWrite::Forget(act)) => {
            batch.delete_cf(Column::PublicLog.of(db)?, override_key(act));
        }
        Write::Sublime(SublimeWrite::Share(share)) => {
            let key = [&[KEPT_SHARE], &share.item.bytes()[..]].concat();
            batch.put_cf(Column::Sublime.of(db)?, key, encoded(db, share)?);
        }
        Write::Sublime(SublimeWrite::NoShare(item)) => {
            let key = [&[KEPT_SHARE], &item.bytes()[..]].concat();
            batch.delete_cf(Column::Sublime.of(db)?, key);
        }
        Write::Sublime(SublimeWrite::Parts(parts)) => {
            let key = [&[PARTS], &parts.plan.item.bytes()[..]].concat();
            batch.put_cf(Column::Sublime.of(db)?, key, encoded(db, parts)?);
        }
        Write::Sublime(SublimeWrite::NoParts(item)) => {
            let key = [&[PARTS], &item.bytes()[..]].concat();
            batch.delete_cf(Column::Sublime.of(db)?, key);
        }
        Write::Sublime(SublimeWrite::Guards(guards)) => {
            let key = [&[GUARDS], &guards.item.bytes()[..]].concat();
            batch.put_cf(Column::Sublime.of(db)?, key, encoded(db, guards)?);
        }
        Write::Sublime(SublimeWrite::NoGuards(item)) => {
            let key = [&[GUARDS], &item.bytes()[..]].concat();
            batch.delete_cf(Column::Sublime.of(db)?, key);
        }
        Write::Sublime(SublimeWrite::Released(released)) => {
            let bytes = encoded(db, released)?;
            let request = released.1.request;
            let name = ContentId::of(&bytes);
            let key = [&[RELEASED], &request.digest()[..], &name.digest()[..]].concat();
            batch.put_cf(Column::Sublime.of(db)?, key, bytes);
        }
        Write::Sublime(SublimeWrite::Destroyed(receipt)) => {
            let ForgetReceipt { item, by, .. } = receipt;
            let key = [&[DESTROYED], &item.bytes()[..], &by.bytes()[..]].concat();
            batch.put_cf(Column::Sublime.of(db)?, key, encoded(db, receipt)?);
        }
        Write::Sublime(SublimeWrite::Invitation(invitation)) => {
            let key = invitation_key(&invitation.with, invitation.is_own);
            batch.put_cf(Column::Sublime.of(db)?, key, encoded(db, invitation)?);
        }
        Write::Sublime(SublimeWrite::NoInvitation { with, is_own }) => {
            batch.delete_cf(Column::Sublime.of(db)?, invitation_key(with, *is_own));
        }
        Write::Witnessed(head) => {
            let bytes = encoded(db, head)?;
            batch.put_cf(Column::Witnessed.of(db)?, head.author.bytes(), bytes);
        }
        Write::Halt(halt) => {
            let bytes = encoded(db, halt)?;
            batch.put_cf(Column::Halts.of(db)?, halt.id.digest(), bytes);
        }
        Write::AcceptRoot { root, accepted } => {
            let roots = Column::Roots.of(db)?;
            if *accepted {
                batch.put_cf(roots, root.bytes(), []);
            } else {
                batch.delete_cf(roots, root.bytes());
            }
        }
    }
    Ok(())
}

/// Puts what is left of an erased record in its place, whether it is on disk already or in this very batch.
fn put_husk<'a>(
    db: &DB,
    batch: &mut WriteBatch,
    mut earlier: impl Iterator<Item = &'a Write>,
    (id, by): (&ContentId, &ContentId),
) -> Result<(), StoreError> {
    let records = Column::Records.of(db)?;
    let in_batch = earlier.find_map(|write| {
        let Write::Record(record) = write else {
            return None;
        };
        (record.value().id() == *id).then(|| record.value().husk(*by))
    });
    let husk = match in_batch {
        Some(husk) => husk,
        None => {
            let stored = db.get_cf(records, id.digest());
            let stored = stored.map_err(|error| StoreError::rocks(db.path(), &error))?;
            let Some(bytes) = stored else { return Ok(()) };
            let rows = Rows { store: db.path() };
            rows.record(id.digest(), &bytes)?.value().husk(*by)
        }
    };
    batch.put_cf(records, id.digest(), husk.bytes());
    Ok(())
}

fn end_journal(db: &DB, batch: &mut WriteBatch) -> Result<(), StoreError> {
    // The end is not part of the range: five bytes lie behind every place.
    batch.delete_range_cf(
        Column::Journal.of(db)?,
        [0; 4].as_slice(),
        [u8::MAX; 5].as_slice(),
    );
    Ok(())
}

fn put_vote(db: &DB, batch: &mut WriteBatch, write: &VoteWrite) -> Result<(), StoreError> {
    let votes = Column::Votes.of(db)?;
    let key = |first: u8, parts: &[&[u8; 32]]| {
        let parts = parts.iter().flat_map(|part| part.iter());
        let key: Vec<u8> = [first].iter().chain(parts).copied().collect();
        key
    };
    // A longer key of one byte value lies behind every key that begins alike.
    let end = |mut from: Vec<u8>| {
        from.extend([u8::MAX; 33]);
        from
    };
    match write {
        VoteWrite::Held { ballot, time } => {
            let id = ballot.id();
            let key = key(HELD, &[ballot.proposal.digest(), id.digest()]);
            batch.put_cf(votes, key, encoded(db, &(ballot, time))?);
        }
        VoteWrite::Over(proposal) => {
            let from = key(HELD, &[proposal.digest()]);
            batch.delete_range_cf(votes, from.clone(), end(from));
        }
        VoteWrite::Own(item) => {
            batch.put_cf(votes, key(OWN, &[item.id().digest()]), encoded(db, item)?);
        }
        VoteWrite::Receipt(receipt) => {
            let key = key(RECEIPT, &[receipt.ballot.digest(), receipt.seat.bytes()]);
            batch.put_cf(votes, key, encoded(db, receipt)?);
        }
        VoteWrite::Done(id) => {
            batch.delete_cf(votes, key(OWN, &[id.digest()]));
            let from = key(RECEIPT, &[id.digest()]);
            batch.delete_range_cf(votes, from.clone(), end(from));
        }
    }
    Ok(())
}

fn encoded<T: Serialize>(db: &DB, value: &T) -> Result<Vec<u8>, StoreError> {
    serde_ipld_dagcbor::to_vec(value).map_err(|error| StoreError::damaged(db.path(), error))
}

fn invitation_key(with: &PublicKey, is_own: bool) -> Vec<u8> {
    let side = if is_own { b'm' } else { b'r' };
    [&[INVITATION, side], &with.bytes()[..]].concat()
}

fn override_key(act: &ContentId) -> Vec<u8> {
    [&[OVERRIDE], &act.digest()[..]].concat()
}

fn dealing_key(ceremony: &ContentId, dealer: &PublicKey) -> Vec<u8> {
    [&[DEALING], &ceremony.digest()[..], &dealer.bytes()[..]].concat()
}

fn share_key(purpose: Purpose, epoch: u64) -> Vec<u8> {
    [&[SHARE, purpose.number()], &epoch.to_be_bytes()[..]].concat()
}

/// A row of the column of keys.
pub(super) enum KeyRow {
    Dealing(ContentId, PublicKey, SealedDealing),
    Share(Purpose, u64, Vec<u8>),
}

/// Reads rows back; errors name the row.
pub(super) struct Rows<'a> {
    pub(super) store: &'a Path,
}

impl Rows<'_> {
    pub(super) fn record(&self, key: &[u8], value: &[u8]) -> Result<Verified<Record>, StoreError> {
        let id = self.content_id("record", key)?;
        let record = Verified::from_own_store(value)
            .map_err(|error| self.damaged(format_args!("record {id}: {error}")))?;
        if record.value().id() != id {
            return Err(self.damaged(format_args!("record {id} holds another")));
        }
        Ok(record)
    }

    pub(super) fn content_id(&self, what: &str, key: &[u8]) -> Result<ContentId, StoreError> {
        self.array(what, key).map(ContentId::from_digest)
    }

    pub(super) fn policy(
        &self,
        key: &[u8],
        value: &[u8],
    ) -> Result<(PolicyName, u64, u64), StoreError> {
        let name: PolicyName = String::from_utf8_lossy(key)
            .parse()
            .map_err(|error| self.damaged(error))?;
        let numbers: [u8; 16] = self.array(name.as_str(), value)?;
        let ([version, value], []) = numbers.as_chunks::<8>() else {
            return Err(self.damaged(name));
        };
        Ok((
            name,
            u64::from_be_bytes(*version),
            u64::from_be_bytes(*value),
        ))
    }

    pub(super) fn entry(&self, index: u64, key: &[u8], value: &[u8]) -> Result<Entry, StoreError> {
        if u64::from_be_bytes(self.array("audit entry", key)?) != index {
            return Err(self.damaged(format_args!("audit entry {index} is missing")));
        }
        self.decode(format_args!("audit entry {index}"), value)
    }

    pub(super) fn head(&self, value: &[u8]) -> Result<LogHead, StoreError> {
        self.decode(format_args!("a log head of another node"), value)
    }

    pub(super) fn halt(&self, value: &[u8]) -> Result<Halt, StoreError> {
        self.decode(format_args!("a halt"), value)
    }

    pub(super) fn proposal(&self, value: &[u8]) -> Result<KeptProposal, StoreError> {
        self.decode(format_args!("an own act on its way"), value)
    }

    pub(super) fn line(
        &self,
        place: u32,
        key: &[u8],
        value: &[u8],
    ) -> Result<JournalLine, StoreError> {
        if u32::from_be_bytes(self.array("journal line", key)?) != place {
            return Err(self.damaged(format_args!("journal line {place} is missing")));
        }
        self.decode(format_args!("journal line {place}"), value)
    }

    pub(super) fn tip(&self, value: &[u8]) -> Result<Tip, StoreError> {
        self.decode(format_args!("the tip of the committee log"), value)
    }

    pub(super) fn block(&self, value: &[u8]) -> Result<Decided, StoreError> {
        self.decode(format_args!("a block of the committee log"), value)
    }

    pub(super) fn key_row(&self, key: &[u8], value: &[u8]) -> Result<KeyRow, StoreError> {
        match key {
            [DEALING, place @ ..] => {
                let Some((ceremony, dealer)) = place.split_first_chunk::<32>() else {
                    return Err(self.damaged("a dealing stands under a key that is cut short"));
                };
                let dealing = self.decode(format_args!("a dealing"), value)?;
                let ceremony = ContentId::from_digest(*ceremony);
                Ok(KeyRow::Dealing(ceremony, self.owner(dealer)?, dealing))
            }
            [SHARE, purpose, epoch @ ..] => {
                let purpose = Purpose::from_number(*purpose)
                    .ok_or_else(|| self.damaged("a key share has an unknown purpose"))?;
                let epoch = u64::from_be_bytes(self.array("epoch of a key share", epoch)?);
                Ok(KeyRow::Share(purpose, epoch, value.to_vec()))
            }
            _ => Err(self.damaged("a row of the column `keys` has an unknown key")),
        }
    }

    /// Reads a row of the column of the public log into what a node starts with; entries come in order.
    pub(super) fn public_row(
        &self,
        key: &[u8],
        value: &[u8],
        stored: &mut Stored,
    ) -> Result<(), StoreError> {
        match key {
            [ENTRY, index @ ..] => {
                let next = stored.public.len() as u64;
                if u64::from_be_bytes(self.array("entry of the public log", index)?) != next {
                    let missing = format_args!("entry {next} of the public log is missing");
                    return Err(self.damaged(missing));
                }
                let entry = PublicEntry::decode(value).map_err(|error| self.damaged(error))?;
                stored.public.push(entry);
            }
            [OVERRIDE, ..] => stored
                .overrides
                .push(self.decode(format_args!("an override"), value)?),
            _ => return Err(self.damaged("a row of the column `public_log` has an unknown key")),
        }
        Ok(())
    }

    /// Reads a row of the column of Sublime into what a node starts with.
    pub(super) fn sublime_row(
        &self,
        key: &[u8],
        value: &[u8],
        sublime: &mut StoredSublime,
    ) -> Result<(), StoreError> {
        match key.first() {
            Some(&KEPT_SHARE) => sublime
                .shares
                .push(self.decode(format_args!("a share"), value)?),
            Some(&PARTS) => sublime
                .parts
                .push(self.decode(format_args!("parts of a share"), value)?),
            Some(&INVITATION) => sublime
                .invitations
                .push(self.decode(format_args!("an invitation"), value)?),
            Some(&GUARDS) => sublime
                .guards
                .push(self.decode(format_args!("who guards an item"), value)?),
            Some(&RELEASED) => sublime
                .released
                .push(self.decode(format_args!("something released"), value)?),
            Some(&DESTROYED) => sublime
                .destroyed
                .push(self.decode(format_args!("a receipt of forgetting"), value)?),
            Some(_) | None => {
                return Err(self.damaged("a row of the column `sublime` has an unknown key"));
            }
        }
        Ok(())
    }

    /// Reads a row of the column of votes into what a node starts with.
    pub(super) fn vote_row(
        &self,
        key: &[u8],
        value: &[u8],
        votes: &mut StoredVotes,
    ) -> Result<(), StoreError> {
        match key.first() {
            Some(&OWN) => votes
                .own
                .push(self.decode(format_args!("an own ballot"), value)?),
            Some(&RECEIPT) => votes
                .receipts
                .push(self.decode(format_args!("a receipt"), value)?),
            Some(&HELD) => votes
                .held
                .push(self.decode(format_args!("a ballot"), value)?),
            Some(_) | None => {
                return Err(self.damaged("a row of the column `votes` has an unknown key"));
            }
        }
        Ok(())
    }

    pub(super) fn receipt(&self, value: &[u8]) -> Result<ErasureReceipt, StoreError> {
        self.decode(format_args!("a receipt of an erasure"), value)
    }

    pub(super) fn root(&self, key: &[u8]) -> Result<RootKey, StoreError> {
        RootKey::from_bytes(self.array("root", key)?).map_err(|error| self.damaged(error))
    }

    pub(super) fn owner(&self, value: &[u8]) -> Result<PublicKey, StoreError> {
        PublicKey::from_bytes(&self.array("owner", value)?).map_err(|error| self.damaged(error))
    }

    fn decode<T: DeserializeOwned>(
        &self,
        what: std::fmt::Arguments<'_>,
        bytes: &[u8],
    ) -> Result<T, StoreError> {
        serde_ipld_dagcbor::from_slice(bytes)
            .map_err(|error| self.damaged(format_args!("{what}: {error}")))
    }

    fn array<const N: usize>(&self, what: &str, bytes: &[u8]) -> Result<[u8; N], StoreError> {
        bytes
            .try_into()
            .map_err(|_| self.damaged(format_args!("{what} has {} bytes, not {N}", bytes.len())))
    }

    pub(super) fn damaged(&self, what: impl std::fmt::Display) -> StoreError {
        StoreError::damaged(self.store, what)
    }
}
