//! An export as files: written so that it can be checked by anybody, without the node and without trust in it.
//!
//! - `manifest.json`: whose data, as of which checkpoint, and name, size and SHA-256 of every file
//! - `records.jsonl`: each record that the key wrote or that names it, as it travels and in DAG-JSON
//! - other files, one JSON value a line: entries of this node's audit log, blocks of the committee log if it has a seat,
//!   membership, what this node keeps of its own votes and acts, receipts of erasures
//!
//! Own records are *complete* if each names the one before it down to the first: an author's chain has no gaps that could
//! be hidden. Of what others wrote about somebody there can be no such proof.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead as _, Read as _, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    spine::erasure::ErasureReceipt,
    wire::{Record, decode_record},
};

/// The form of the manifest.
pub const VERSION: u32 = 1;
/// The manifest's name.
pub const MANIFEST: &str = "manifest.json";
/// The file of records.
pub const RECORDS: &str = "records.jsonl";
/// The file of receipts.
pub const RECEIPTS: &str = "receipts.jsonl";

/// Longest manifest that is read, bytes.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a file read at a time.
const READ_BYTES: usize = 64 * 1024;

/// What an export holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The form of this file, 1.
    pub version: u32,
    /// The mesh.
    pub mesh: String,
    /// Whose data.
    pub about: PublicKey,
    /// The node that exported.
    pub node: String,
    /// When, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The certified height of the committee log up to which the node knew the mesh.
    pub checkpoint: Option<u64>,
    /// The records that the key wrote.
    pub chain: Chain,
    /// The files.
    pub files: Vec<FileEntry>,
    /// What is not in the export, and where it is.
    pub not_held: Vec<String>,
}

/// The records that somebody wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// How many.
    pub records: u64,
    /// Of how many what they said is erased.
    pub erased: u64,
    /// The last one.
    pub head: Option<ContentId>,
    /// Places in the chain at which a record is missing, or does not follow the one before.
    pub gaps: Vec<u64>,
}

impl Chain {
    /// Tells whether every record from the first to the last is there.
    pub const fn is_complete(&self) -> bool {
        self.gaps.is_empty()
    }
}

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub what: String,
    /// Lines.
    pub lines: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
}

/// A record as it stands in an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordLine {
    /// Its name.
    pub id: ContentId,
    /// Who wrote it.
    pub author: PublicKey,
    /// Its place in the author's chain.
    pub seq: u64,
    /// What it is, in words.
    pub kind: String,
    /// When, as its author says, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Whether what it says can be erased at its author's wish.
    pub erasable: bool,
    /// The record that had it erased.
    pub erased_by: Option<ContentId>,
    /// What it says, in DAG-JSON; null once erased.
    pub says: Value,
    /// The record as it travels, in base64.
    pub bytes: String,
}

/// A receipt as it stands in an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptLine {
    /// The erasure.
    pub erasure: ContentId,
    /// Who complied.
    pub node: PublicKey,
    /// When by its clock, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// How many of the records it had.
    pub records: u32,
    /// The entry of its audit log, the proof that it stands there, and the signed head: DAG-CBOR in base64.
    pub bytes: String,
}

/// Why an export does not hold.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file cannot be read or written.
    #[error("{} cannot be used ({cause}): check the path, its rights and the free space", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// What is in a file is not what the manifest or the record itself says.
    #[error("{file}: {what}: the export was changed or is damaged, make it anew")]
    Altered {
        /// The file.
        file: String,
        /// What is wrong.
        what: String,
    },
}

impl PackError {
    fn altered(file: &str, what: impl ToString) -> Self {
        Self::Altered {
            file: file.to_owned(),
            what: what.to_string(),
        }
    }
}

/// Writes an export into a new folder.
pub struct Packing {
    dir: PathBuf,
    files: Vec<FileEntry>,
}

impl Packing {
    /// Makes the folder, for nobody else to read.
    ///
    /// # Errors
    /// If it exists or cannot be made.
    pub fn begin(dir: &Path) -> Result<Self, PackError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let made = fs::DirBuilder::new().mode(0o700).create(dir);
        made.map_err(|cause| io_error(dir, cause))?;
        Ok(Self {
            dir: dir.to_owned(),
            files: Vec::new(),
        })
    }

    /// Writes a file, one value a line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn file<T: Serialize>(
        &mut self,
        name: &str,
        what: &str,
        lines: &[T],
    ) -> Result<(), PackError> {
        let path = self.dir.join(name);
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line)
                .map_err(|fault| io_error(&path, fault.into()))?;
            text.push(b'\n');
        }
        self.write(&path, &text)?;
        self.files.push(FileEntry {
            name: name.to_owned(),
            what: what.to_owned(),
            lines: lines.len() as u64,
            sha256: digest(&text),
        });
        Ok(())
    }

    /// Writes the manifest last: an export without one is not whole.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn end(self, mut manifest: Manifest) -> Result<Manifest, PackError> {
        manifest.files = self.files.clone();
        let path = self.dir.join(MANIFEST);
        let text = serde_json::to_vec_pretty(&manifest);
        let text = text.map_err(|fault| io_error(&path, fault.into()))?;
        self.write(&path, &text)?;
        Ok(manifest)
    }

    fn write(&self, path: &Path, text: &[u8]) -> Result<(), PackError> {
        let write = || {
            let mut file = fs::File::create_new(path)?;
            file.write_all(text)?;
            file.sync_all()
        };
        write().map_err(|cause| io_error(path, cause))
    }
}

/// Looks at the records of an author, in any order, for gaps in the chain.
pub fn chain(author: &PublicKey, lines: &[RecordLine]) -> Result<Chain, PackError> {
    let mut known: BTreeMap<u64, Vec<Record>> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.author == *author) {
        let record = read_record(line)?;
        known.entry(record.header().seq).or_default().push(record);
    }
    let Some((&last, heads)) = known.last_key_value() else {
        return Ok(Chain::default());
    };
    let follows = |seq: u64| {
        let Some(records) = known.get(&seq) else {
            return false;
        };
        let before = seq.checked_sub(1).and_then(|before| known.get(&before));
        let before: Vec<_> = before.into_iter().flatten().map(Record::id).collect();
        records.iter().all(|record| match record.header().prev {
            None => seq == 0,
            Some(prev) => before.contains(&prev),
        })
    };
    let all = known.values().flatten();
    Ok(Chain {
        records: all.clone().count() as u64,
        erased: all.filter(|record| record.is_husk()).count() as u64,
        head: heads.first().map(Record::id),
        gaps: (0..=last).filter(|seq| !follows(*seq)).collect(),
    })
}

/// Checks an export: every file against the manifest, every record and receipt against its signature, the chain for gaps.
///
/// # Errors
/// The first thing that does not hold.
pub fn check(dir: &Path) -> Result<Manifest, PackError> {
    let path = dir.join(MANIFEST);
    let mut text = Vec::new();
    let file = fs::File::open(&path).map_err(|cause| io_error(&path, cause))?;
    let read = file.take(MANIFEST_BYTES_MAX).read_to_end(&mut text);
    read.map_err(|cause| io_error(&path, cause))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|fault| PackError::altered(MANIFEST, fault))?;
    if manifest.version != VERSION {
        let what = format!(
            "is of form {}, this program reads {VERSION}",
            manifest.version
        );
        return Err(PackError::altered(MANIFEST, what));
    }
    for file in &manifest.files {
        check_file(dir, file)?;
    }
    let records: Vec<RecordLine> = lines(dir, RECORDS)?;
    for line in &records {
        let record = read_record(line)?;
        let is_mesh = record.header().mesh.unwrap_or_else(|| record.id());
        if is_mesh.to_string() != manifest.mesh {
            return Err(PackError::altered(
                RECORDS,
                format!("{} is of another mesh", line.id),
            ));
        }
    }
    if chain(&manifest.about, &records)? != manifest.chain {
        let what = "the chain of its records is not what the manifest says";
        return Err(PackError::altered(RECORDS, what));
    }
    for line in lines::<ReceiptLine>(dir, RECEIPTS)? {
        read_receipt(&line)?;
    }
    Ok(manifest)
}

fn check_file(dir: &Path, file: &FileEntry) -> Result<(), PackError> {
    if file.name.contains(['/', '\0']) {
        return Err(PackError::altered(MANIFEST, "names a file elsewhere"));
    }
    let path = dir.join(&file.name);
    let opened = fs::File::open(&path);
    let mut reader = opened.map_err(|cause| io_error(&path, cause))?;
    let mut hash = Sha256::new();
    let mut part = vec![0; READ_BYTES];
    loop {
        match reader
            .read(&mut part)
            .map_err(|cause| io_error(&path, cause))?
        {
            0 => break,
            len => hash.update(&part[..len]),
        }
    }
    if data_encoding::HEXLOWER.encode(&hash.finalize()) != file.sha256 {
        return Err(PackError::altered(
            &file.name,
            "is not the file that was exported",
        ));
    }
    Ok(())
}

fn lines<T: for<'a> Deserialize<'a>>(dir: &Path, name: &str) -> Result<Vec<T>, PackError> {
    let path = dir.join(name);
    let file = fs::File::open(&path).map_err(|cause| io_error(&path, cause))?;
    let lines = io::BufReader::new(file).lines();
    lines
        .map(|line| {
            let line = line.map_err(|cause| io_error(&path, cause))?;
            serde_json::from_str(&line).map_err(|fault| PackError::altered(name, fault))
        })
        .collect()
}

/// Reads the record of a line, its signature checked and the line's words compared with it.
fn read_record(line: &RecordLine) -> Result<Record, PackError> {
    let altered = |what: &str| PackError::altered(RECORDS, format!("{}: {what}", line.id));
    let bytes = data_encoding::BASE64.decode(line.bytes.as_bytes());
    let bytes = bytes.map_err(|_| altered("it is not in base64"))?;
    let record = decode_record(&bytes).map_err(|fault| altered(&fault.to_string()))?;
    let record = record
        .verify()
        .map_err(|fault| altered(&fault.to_string()))?;
    let record = record.value().clone();
    let (header, says) = (record.header(), super::said(&bytes));
    let is_same = record.id() == line.id
        && header.author == line.author
        && header.seq == line.seq
        && header.time.0 == line.time_ms
        && says == line.says;
    is_same
        .then_some(record)
        .ok_or_else(|| altered("its line does not say what the record says"))
}

/// Reads the receipt of a line, its proof checked.
fn read_receipt(line: &ReceiptLine) -> Result<ErasureReceipt, PackError> {
    let altered = |what: String| PackError::altered(RECEIPTS, format!("{}: {what}", line.node));
    let bytes = data_encoding::BASE64.decode(line.bytes.as_bytes());
    let bytes = bytes.map_err(|_| altered("it is not in base64".to_owned()))?;
    let receipt = ErasureReceipt::decode(line.erasure, &bytes);
    let receipt = receipt.map_err(|fault| altered(fault.to_string()))?;
    let said = (line.node, line.time_ms, line.records);
    let shown = receipt.complied();
    match shown.map(|(node, time, records)| (node, time.0, records)) == Some(said) {
        true => Ok(receipt),
        false => Err(altered(
            "its line does not say what the receipt says".to_owned(),
        )),
    }
}

fn io_error(path: &Path, cause: io::Error) -> PackError {
    PackError::Io {
        path: path.to_owned(),
        cause,
    }
}

fn digest(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(bytes))
}
