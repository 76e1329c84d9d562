//! `x0 sublime get`: puts an item's key together from what a vote had released, fetches its content and opens it.
//!
//! The content is written beside the file that is asked for, under a name ending in `.part`, and takes its place when it is
//! whole. An interrupted run goes on where it was: what it left is sealed again, chunk by chunk, and kept as far as that is what
//! the item names; nothing about it is written down. The key of the request stays until the file is in its place.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    slice::Chunks,
};

use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;
use tokio::task::{JoinError, JoinHandle};
use x0_crypto::{
    ChunkId, ContentId, PublicKey,
    committee::CommitteeKey,
    sublime::{HybridSecret, ItemKeys, Layout},
};
use x0_protocol::{
    sublime::{
        content::{Links, Place, TreeBlock},
        opening::{self, Asked},
    },
    wire::{Body, Manifest, Release, Sharing, SublimeBody, decode_record},
};
use x0_tiers::{Block, Cid};
use zeroize::Zeroizing;

use super::{
    super::{Context, client::Client, error::CliError, output::bytes},
    answers::{decoded, parse},
    bar, key_path, on_file,
    put::{ABOUT, About, seal_chunk},
};
use crate::{
    api::sublime::{FetchBody, ManifestBody, ReleasedView},
    sublime::frames,
};

/// Blocks that are fetched together.
const BATCH: usize = 64;

/// Open an item that a vote has granted
#[derive(Debug, Args)]
#[command(
    after_help = "Guardians' nodes and seats release to the key of your request once the vote has passed, most within a minute. \
                  Their parts are checked and put together here, the content is fetched from whoever holds it, and opened \
                  here. The key of the request is removed once the file is written; --keep-key keeps it.\n\n\
                  If it breaks off, or Ctrl-C ends it, the same command goes on where it was: what is in FILE.part is \
                  checked and kept.\n\n\
                  Example:\n  x0 sublime get bafyrei… --request bafyrei… --out map.pdf"
)]
pub(in crate::cli) struct GetArgs {
    /// The item
    item: ContentId,
    /// The request that was granted
    #[arg(long)]
    request: ContentId,
    /// Where to; the file must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Keep the key of the request, to open the item again
    #[arg(long)]
    keep_key: bool,
}

/// What was opened.
#[derive(Serialize)]
struct Got {
    title: String,
    name: String,
    bytes: u64,
    out: String,
    /// Bytes of it that were there from a run before.
    resumed: u64,
    bad: Vec<String>,
}

/// An item whose key was put together.
pub(super) struct Unlocked {
    keys: ItemKeys,
    manifest: Manifest,
    pub(super) about: About,
    /// Whose nodes sent parts that are none.
    bad: Vec<PublicKey>,
}

pub(super) async fn get(context: &Context, args: GetArgs) -> Result<(), CliError> {
    let out = &args.out;
    if out.exists() {
        let text = format!(
            "{} is there already: name another file, or move it away",
            out.display()
        );
        return Err(CliError::Usage(text));
    }
    let client = context.client()?;
    let unlocked = unlock(context, &client, &args.item, &args.request).await?;
    let about = &unlocked.about;
    let layout = Layout::of(about.bytes).map_err(|error| CliError::Failed(error.to_string()))?;
    if u64::from(layout.chunks()) != unlocked.manifest.chunks {
        let text = "the item says of itself that it has another length than its content: it was put by a faulty program";
        return Err(CliError::Failed(text.to_owned()));
    }
    let part = part_of(out);
    let bar = bar(context.output, about.bytes, "opening");
    let (file, length) = open_part(&part)?;
    let mut reading = Reading {
        client: &client,
        keys: &unlocked.keys,
        layout,
        bytes: about.bytes,
        next: 0,
        file,
        length,
        is_resuming: length > 0,
        resumed: 0,
        settling: None,
        path: &part,
        bar: &bar,
    };
    let read = tokio::select! {
        read = reading.tree(&unlocked.manifest) => read,
        _ = tokio::signal::ctrl_c() => Err(CliError::Failed("interrupted".to_owned())),
    };
    bar.finish_and_clear();
    if let Err(error) = read.and_then(|()| reading.finish(out)) {
        context.output.note(&format!(
            "{} holds what was opened so far. The key of the request stays: the same command goes on.",
            part.display()
        ));
        return Err(error);
    }
    if !args.keep_key {
        let key_path = key_path(context, &args.request.to_string())?;
        wipe(&key_path).map_err(|cause| on_file(&key_path, &cause))?;
    }
    let got = Got {
        title: about.title.clone(),
        name: about.name.clone(),
        bytes: about.bytes,
        out: out.display().to_string(),
        resumed: reading.resumed,
        bad: unlocked.bad.iter().map(ToString::to_string).collect(),
    };
    context.output.show(&got, |got| {
        let mut text = format!(
            "{} ({}, {}) is in {}",
            got.title,
            got.name,
            bytes(got.bytes),
            got.out
        );
        if got.resumed > 0 {
            let resumed = bytes(got.resumed);
            text.push_str(&format!("\n{resumed} of it were there from before"));
        }
        for node in &got.bad {
            text.push_str(&format!(
                "\n{node} sent a part that is not what it should be"
            ));
        }
        text
    })
}

/// Tells whether the key of a request is still here.
pub(super) fn holds_key(context: &Context, request: &ContentId) -> Result<bool, CliError> {
    Ok(key_path(context, &request.to_string())?.exists())
}

/// Puts the key of an item together from what was released for a request.
pub(super) async fn unlock(
    context: &Context,
    client: &Client,
    item: &ContentId,
    request: &ContentId,
) -> Result<Unlocked, CliError> {
    let secret = read_key(&key_path(context, &request.to_string())?)?;
    let view: ReleasedView = client
        .get(&format!("/v1/sublime/requests/{request}"))
        .await?;
    if view.request.item != item.to_string() {
        let text = format!(
            "the request is for item {}, not for {item}",
            view.request.item
        );
        return Err(CliError::Usage(text));
    }
    let manifest = manifest(client, item).await?;
    let key = parse("item's key", &view.item.key)?;
    let opened = open(request, &view, &manifest, &secret)?;
    let keys = ItemKeys::derive(&opened.secret, &opened.second, PublicKey::bytes(&key));
    let about = keys.metadata.open(ABOUT, &manifest.about);
    let about = about.map_err(|error| CliError::Failed(error.to_string()))?;
    let about: About = serde_json::from_slice(&about).map_err(|fault| {
        CliError::Failed(format!(
            "what is said about the item cannot be read: {fault}"
        ))
    })?;
    Ok(Unlocked {
        keys,
        manifest,
        about,
        bad: opened.bad,
    })
}

fn open(
    request: &ContentId,
    view: &ReleasedView,
    manifest: &Manifest,
    secret: &HybridSecret,
) -> Result<opening::Opened, CliError> {
    let parts = view.parts.iter().map(|part| {
        let release = Release::decode(&decoded("released part", &part.release)?);
        let release = release.map_err(|error| CliError::BadAnswer(error.to_string()))?;
        Ok((parse("node", &part.from)?, release))
    });
    let parts = parts.collect::<Result<Vec<_>, CliError>>()?;
    let committee = CommitteeKey::from_bytes(&decoded("committee's key", &view.committee)?);
    let committee = committee.map_err(|error| CliError::BadAnswer(error.to_string()))?;
    let (mesh, item) = (
        parse("mesh", &view.mesh)?,
        parse("item's key", &view.item.key)?,
    );
    let sharing = Sharing::decode(&decoded("sharing", &view.sharing)?);
    let sharing = sharing.map_err(|error| CliError::BadAnswer(error.to_string()))?;
    let asked = Asked {
        mesh: &mesh,
        request,
        item: &item,
        sharing: &sharing,
        second: &manifest.second,
        committee: &committee,
    };
    opening::open(asked, secret, &parts).map_err(|not_yet| {
        let stands = match view.request.standing.as_str() {
            "undecided" if view.request.by_trustees => "Not enough trustees have attested",
            "passed" if view.request.by_trustees => {
                "Enough trustees have attested, and the time in which it can be stopped is not over"
            }
            "undecided" => "The vote about the request has not ended",
            "denied" => "The request was denied, which is final: ask again by a new one",
            "over" => "The request is too old: ask again by a new one",
            _ => "The request is granted",
        };
        CliError::Failed(format!("{stands}. {not_yet}"))
    })
}

async fn manifest(client: &Client, item: &ContentId) -> Result<Manifest, CliError> {
    let body: ManifestBody = client.get(&format!("/v1/sublime/items/{item}")).await?;
    let record = decode_record(&decoded("manifest", &body.record)?);
    let record = record.map_err(|error| CliError::BadAnswer(error.to_string()))?;
    let bad = |why: &str| CliError::BadAnswer(format!("the manifest of {item}: {why}"));
    let record = record.verify().map_err(|error| bad(&error.to_string()))?;
    if record.value().id() != *item {
        return Err(bad("it is of another item"));
    }
    let Body::Sublime(SublimeBody::Manifest(manifest)) = record.value().body() else {
        return Err(bad("it is another kind of record"));
    };
    Ok((**manifest).clone())
}

/// An item's content on its way into a file.
struct Reading<'a> {
    client: &'a Client,
    keys: &'a ItemKeys,
    layout: Layout,
    bytes: u64,
    next: u32,
    file: File,
    /// Bytes that the file had at the beginning.
    length: u64,
    /// Whether what is in the file was as it should be so far.
    is_resuming: bool,
    /// Bytes that were kept of what was in the file.
    resumed: u64,
    /// What is written on its way to the disk.
    settling: Option<JoinHandle<io::Result<()>>>,
    path: &'a Path,
    bar: &'a ProgressBar,
}

impl Reading<'_> {
    /// Reads the whole tree in order; of each level no more than one block is kept.
    async fn tree(&mut self, manifest: &Manifest) -> Result<(), CliError> {
        let mut stack = vec![(manifest.content, Place::root(manifest.chunks))];
        while let Some((root, place)) = stack.pop() {
            let block = fetch(self.client.clone(), vec![root.into()]).await?;
            let block = block
                .first()
                .ok_or_else(|| CliError::BadAnswer("a block is missing".to_owned()))?;
            let tree = TreeBlock::read(block.bytes(), place);
            let tree = tree.map_err(|error| CliError::Failed(error.to_string()))?;
            match tree.links() {
                Links::Blocks(_) => {
                    let below: Vec<_> = tree.below().collect();
                    stack.extend(below.into_iter().rev());
                }
                Links::Chunks(chunks) => {
                    let client = self.client;
                    let fetched = |missing: &[ChunkId]| {
                        let cids = missing.iter().map(|chunk| (*chunk).into()).collect();
                        tokio::spawn(fetch(client.clone(), cids))
                    };
                    let mut batches = chunks.chunks(BATCH);
                    let mut coming = self.missing(&mut batches)?.map(fetched);
                    while let Some(batch) = coming {
                        let blocks = batch.await.map_err(|fault| failed(&fault))??;
                        // It comes while this one is opened and written.
                        coming = self.missing(&mut batches)?.map(fetched);
                        blocks.iter().try_for_each(|block| self.chunk(block))?;
                        self.settle().await?;
                    }
                }
            }
        }
        self.settled().await
    }

    /// Returns the next chunks that the file does not have from a run before.
    fn missing<'c>(
        &mut self,
        batches: &mut Chunks<'c, ChunkId>,
    ) -> Result<Option<&'c [ChunkId]>, CliError> {
        for batch in batches {
            let missing = self.keep(batch)?;
            if !missing.is_empty() {
                return Ok(Some(missing));
            }
        }
        Ok(None)
    }

    /// Keeps the first of these chunks, as far as the file has them from a run before; returns those that are missing.
    fn keep<'c>(&mut self, chunks: &'c [ChunkId]) -> Result<&'c [ChunkId], CliError> {
        let mut missing = chunks;
        while self.is_resuming
            && let [first, rest @ ..] = missing
        {
            let chunk = self.layout.chunk(self.next);
            let chunk = chunk
                .ok_or_else(|| CliError::Failed("the content has too many chunks".to_owned()))?;
            let end = (chunk.offset() + chunk.bytes() as u64).min(self.bytes);
            let is_there = self.length >= end && {
                let sealed = seal_chunk(self.keys, (&self.file, self.path), self.bytes, chunk)?;
                ChunkId::of(&sealed) == *first
            };
            if !is_there {
                self.is_resuming = false;
                let start = chunk.offset().min(self.bytes);
                let cut = self.file.set_len(start);
                let cut = cut.and_then(|()| self.file.seek(SeekFrom::Start(start)));
                cut.map_err(|cause| on_file(self.path, &cause))?;
                break;
            }
            self.next += 1;
            self.resumed = end;
            self.bar.set_position(end);
            missing = rest;
        }
        Ok(missing)
    }

    /// Opens the next chunk and writes what of it is content.
    fn chunk(&mut self, block: &Block) -> Result<(), CliError> {
        let chunk = self.layout.chunk(self.next);
        let chunk =
            chunk.ok_or_else(|| CliError::Failed("the content has too many chunks".to_owned()))?;
        let mut buffer = Zeroizing::new(block.bytes().to_vec());
        let opened = self.keys.content.open(chunk, &mut buffer);
        let opened = opened.map_err(|error| CliError::Failed(error.to_string()))?;
        let left = self.bytes.saturating_sub(chunk.offset());
        let count = usize::try_from(left).map_or(opened.len(), |left| left.min(opened.len()));
        let written = self.file.write_all(&opened[..count]);
        written.map_err(|cause| on_file(self.path, &cause))?;
        self.next += 1;
        self.bar
            .set_position((chunk.offset() + chunk.bytes() as u64).min(self.bytes));
        Ok(())
    }

    /// Has the disk take what is written while the rest comes, so that not all is left for the end.
    async fn settle(&mut self) -> Result<(), CliError> {
        if !self.settling.as_ref().is_none_or(JoinHandle::is_finished) {
            return Ok(());
        }
        self.settled().await?;
        let file = self.file.try_clone();
        let file = file.map_err(|cause| on_file(self.path, &cause))?;
        self.settling = Some(tokio::task::spawn_blocking(move || file.sync_data()));
        Ok(())
    }

    /// Waits for the disk, which tells of a failure once.
    async fn settled(&mut self) -> Result<(), CliError> {
        if let Some(settled) = self.settling.take() {
            let settled = settled.await.map_err(|fault| failed(&fault))?;
            settled.map_err(|cause| on_file(self.path, &cause))?;
        }
        Ok(())
    }

    /// Puts the file in its place, if all of it is there.
    fn finish(&self, out: &Path) -> Result<(), CliError> {
        if self.next != self.layout.chunks() {
            return Err(CliError::Failed("the content ends too early".to_owned()));
        }
        // A run before may have been for another item, and longer.
        let cut = self.file.set_len(self.bytes);
        let synced = cut.and_then(|()| self.file.sync_all());
        let placed = synced.and_then(|()| fs::hard_link(self.path, out));
        let placed = placed.and_then(|()| fs::remove_file(self.path));
        placed.map_err(|cause| on_file(out, &cause))
    }
}

async fn fetch(client: Client, cids: Vec<Cid>) -> Result<Vec<Block>, CliError> {
    let body = FetchBody {
        cids: cids.iter().map(ToString::to_string).collect(),
    };
    let frames = client.fetch("/v1/sublime/blocks/fetch", &body).await?;
    let blocks = frames::read(frames).map_err(|error| CliError::BadAnswer(error.to_string()))?;
    match blocks.iter().map(Block::cid).eq(&cids) {
        true => Ok(blocks),
        false => Err(CliError::BadAnswer(
            "it gave other blocks than were asked for".to_owned(),
        )),
    }
}

fn failed(fault: &JoinError) -> CliError {
    CliError::Failed(fault.to_string())
}

fn part_of(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    out.with_file_name(name)
}

/// Opens the file that content is written to until it is whole, and tells how much is in it from a run before.
fn open_part(path: &Path) -> Result<(File, u64), CliError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path);
    let opened = file.and_then(|file| {
        let length = file.metadata()?.len();
        Ok((file, length))
    });
    opened.map_err(|cause| on_file(path, &cause))
}

fn read_key(path: &Path) -> Result<HybridSecret, CliError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            return Err(CliError::Failed(format!(
                "the key of this request is not in {}: it was made on another machine, or used up. Ask again by `x0 sublime request`",
                path.display()
            )));
        }
        Err(cause) => return Err(on_file(path, &cause)),
    };
    let seed = bytes
        .as_slice()
        .try_into()
        .map_err(|_| CliError::Failed(format!("{} holds no key of 32 bytes", path.display())))?;
    Ok(HybridSecret::from_seed(Zeroizing::new(seed)))
}

fn wipe(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(&[0; 32])?;
    file.sync_all()?;
    fs::remove_file(path)
}
