//! `x0 sublime get`: puts an item's key together from what a vote had released, fetches its content and opens it.
//!
//! The content is written beside the file that is asked for, under a name ending in `.part`, and takes its place when it is
//! whole. An interrupted run begins anew: what it left is overwritten.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;
use x0_crypto::{
    ContentId,
    committee::CommitteeKey,
    sublime::{HybridSecret, ItemKeys, Layout},
};
use x0_protocol::{
    sublime::{
        content::{Links, Place, TreeBlock},
        opening::{self, Asked},
    },
    wire::{Body, Manifest, Release, SublimeBody, decode_record},
};
use x0_tiers::{Block, Cid};
use zeroize::Zeroizing;

use super::{
    super::{Context, client::Client, error::CliError, output::bytes},
    bar, key_path, on_file,
    put::{ABOUT, About, decoded, parse},
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
    bad: Vec<String>,
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
    let key_path = key_path(context, &args.request.to_string())?;
    let secret = read_key(&key_path)?;
    let path = format!("/v1/sublime/requests/{}", args.request);
    let view: ReleasedView = client.get(&path).await?;
    if view.request.item != args.item.to_string() {
        let text = format!(
            "the request is for item {}, not for {}",
            view.request.item, args.item
        );
        return Err(CliError::Usage(text));
    }
    let manifest = manifest(&client, &args.item).await?;
    let item = parse("item's key", &view.item.key)?;
    let opened = open(&args, &view, &manifest, &secret)?;
    let keys = ItemKeys::derive(
        &opened.secret,
        &opened.second,
        x0_crypto::PublicKey::bytes(&item),
    );
    let about = keys.metadata.open(ABOUT, &manifest.about);
    let about = about.map_err(|error| CliError::Failed(error.to_string()))?;
    let about: About = serde_json::from_slice(&about).map_err(|fault| {
        CliError::Failed(format!(
            "what is said about the item cannot be read: {fault}"
        ))
    })?;
    let layout = Layout::of(about.bytes).map_err(|error| CliError::Failed(error.to_string()))?;
    if u64::from(layout.chunks()) != manifest.chunks {
        let text = "the item says of itself that it has another length than its content: it was put by a faulty program";
        return Err(CliError::Failed(text.to_owned()));
    }
    let part = part_of(out);
    let bar = bar(context.output, about.bytes, "opening");
    let mut reading = Reading {
        client: &client,
        keys: &keys,
        layout,
        bytes: about.bytes,
        next: 0,
        file: create(&part)?,
        path: &part,
        bar: &bar,
    };
    let read = reading.tree(&manifest).await;
    bar.finish_and_clear();
    if let Err(error) = read.and_then(|()| reading.finish(out)) {
        fs::remove_file(&part).ok();
        return Err(error);
    }
    if !args.keep_key {
        wipe(&key_path).map_err(|cause| on_file(&key_path, &cause))?;
    }
    let got = Got {
        title: about.title,
        name: about.name,
        bytes: about.bytes,
        out: out.display().to_string(),
        bad: opened.bad.iter().map(ToString::to_string).collect(),
    };
    context.output.show(&got, |got| {
        let mut text = format!(
            "{} ({}, {}) is in {}",
            got.title,
            got.name,
            bytes(got.bytes),
            got.out
        );
        for node in &got.bad {
            text.push_str(&format!(
                "\n{node} sent a part that is not what it should be"
            ));
        }
        text
    })
}

fn open(
    args: &GetArgs,
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
    let asked = Asked {
        mesh: &mesh,
        request: &args.request,
        item: &item,
        manifest,
        committee: &committee,
    };
    opening::open(asked, secret, &parts).map_err(|not_yet| {
        let stands = match view.request.standing.as_str() {
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
    path: &'a Path,
    bar: &'a ProgressBar,
}

impl Reading<'_> {
    /// Reads the whole tree in order; of each level no more than one block is kept.
    async fn tree(&mut self, manifest: &Manifest) -> Result<(), CliError> {
        let mut stack = vec![(manifest.content, Place::root(manifest.chunks))];
        while let Some((root, place)) = stack.pop() {
            let block = self.fetch(&[root.into()]).await?;
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
                    for batch in chunks.chunks(BATCH) {
                        let cids: Vec<Cid> = batch.iter().map(|chunk| (*chunk).into()).collect();
                        let blocks = self.fetch(&cids).await?;
                        blocks.iter().try_for_each(|block| self.chunk(block))?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn fetch(&self, cids: &[Cid]) -> Result<Vec<Block>, CliError> {
        let body = FetchBody {
            cids: cids.iter().map(ToString::to_string).collect(),
        };
        let frames = self.client.fetch("/v1/sublime/blocks/fetch", &body).await?;
        let blocks =
            frames::read(frames).map_err(|error| CliError::BadAnswer(error.to_string()))?;
        match blocks.iter().map(Block::cid).eq(cids) {
            true => Ok(blocks),
            false => Err(CliError::BadAnswer(
                "it gave other blocks than were asked for".to_owned(),
            )),
        }
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

    /// Puts the file in its place, if all of it is there.
    fn finish(&self, out: &Path) -> Result<(), CliError> {
        if self.next != self.layout.chunks() {
            return Err(CliError::Failed("the content ends too early".to_owned()));
        }
        let synced = self.file.sync_all();
        let placed = synced.and_then(|()| fs::hard_link(self.path, out));
        let placed = placed.and_then(|()| fs::remove_file(self.path));
        placed.map_err(|cause| on_file(out, &cause))
    }
}

fn part_of(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    out.with_file_name(name)
}

fn create(path: &Path) -> Result<File, CliError> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    file.map_err(|cause| on_file(path, &cause))
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
