//! `x0 sublime put`: seals a file, hands its blocks to the node, its key to guardians and committee, makes it known, and waits until
//! enough nodes hold it.

use std::{
    collections::BTreeSet,
    fs::{File, Metadata},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use clap::Args;
use data_encoding::BASE64;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use x0_crypto::{
    ChunkId, ContentId, Identity, PublicKey,
    sublime::{Chunk, ItemKeys, ItemParts, Layout},
};
use x0_protocol::{
    Wall,
    sublime::{
        content::TreeBuilder,
        putting::{is_safe, prepare},
    },
    wire::{Body, Draft as RecordDraft, Forget, Manifest, SublimeBody},
};
use zeroize::Zeroizing;

use super::{
    super::{Context, client::Client, error::CliError, output::bytes},
    answers::{parse, read_drawn, read_guardians},
    bar,
    draft::Draft,
    forget_path, on_file, own_dir, random,
    replacing::{self, Replacing},
    safety::{Safety, how_safe, wait, warn_of_accounts},
    uploads::{BATCH, ON_THE_WAY, Uploads, store},
};
use crate::{
    api::{
        keeping::{WishBody, WishView},
        sublime::{
            DealBody, DealtShare, DealtView, DrawBody, DrawnView as DrawnBody, ManifestBody,
        },
        view::RecordedView,
    },
    identity,
    sublime::{
        Policy,
        frames::{self, BATCH_BYTES_MAX},
        unix_ms,
    },
};

/// What the manifest's description is bound to.
pub(super) const ABOUT: &[u8] = b"x0/sublime/about/1";

/// Put a file: it is sealed here, its key is shared among guardians, and nobody opens it without a vote
#[derive(Debug, Args)]
#[command(
    after_help = "The file is sealed by this program with a key that it forgets: guardians share one part, the committee can \
                  open the other, and both only after a vote of all members about one request for it. YOU CANNOT OPEN IT ALONE \
                  AFTERWARDS, so keep the file if you need it. Nothing can be put while fewer than three other members serve \
                  as guardians.\n\n\
                  WHERE IT IS KEPT. Guardians' nodes keep the sealed content in any case, all of it each. With \
                  `--policy mesh+arweave` it is stored on Arweave as well: there it stays FOR EVER. Nobody can take it \
                  back, not you and not the mesh; whoever gets hold of the key, in however many years, reads it. What is \
                  there is sealed, but that it is there, how long it is, when it came and who paid is public. Sia \
                  (`mesh+sia`) keeps it as long as the account pays. Both need an account in this node's settings \
                  ([sublime.arweave], [sublime.sia]); without one the mesh alone keeps the item, and this says so.\n\n\
                  It ends when enough nodes hold the content, each asked for pieces of it drawn at random, or says that \
                  the item is not safe yet; keep the file until it is. `x0 sublime show ITEM` tells.\n\n\
                  If it breaks off, the same command goes on where it was.\n\n\
                  INSTEAD OF ANOTHER. Where a guardian cannot be trusted any more, `--replaces ITEM` puts the file anew, under a new \
                  key and with new guardians, and has the old item forgotten as soon as the new one is safe, and never before. \
                  It runs where the old item was put.\n\n\
                  Examples:\n  x0 sublime put archive.tar --title 'The archive of 2026'\n  x0 --json sublime put map.pdf\n  \
                  x0 sublime put map.pdf --policy mesh+arweave\n  x0 sublime put map.pdf --replaces bafyrei…"
)]
pub(in crate::cli) struct PutArgs {
    /// The file
    file: PathBuf,
    /// What it is, for whoever opens it; sealed with the content [default: the name of the file]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Where it is kept
    #[arg(long, value_enum, default_value_t = Policy::Mesh)]
    policy: Policy,
    /// End as soon as the item is known, without waiting until enough nodes hold it
    #[arg(long)]
    no_wait: bool,
    /// Put it in place of an item of yours, which is forgotten once this one is safe
    #[arg(long, value_name = "ITEM", conflicts_with = "no_wait")]
    replaces: Option<ContentId>,
}

impl PutArgs {
    /// Returns the file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }
}

/// What was put.
#[derive(Serialize)]
struct PutView {
    #[serde(flatten)]
    safety: Safety,
    content: String,
    bytes: u64,
    shares_needed: u8,
    guardians: usize,
    of: u8,
    subtrees: usize,
}

/// What is said about an item, sealed with it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct About {
    /// What it is.
    pub(super) title: String,
    /// The name of the file.
    pub(super) name: String,
    /// Its length.
    pub(super) bytes: u64,
    /// Who was handed a share.
    pub(super) guardians: Vec<String>,
    /// The item that it takes the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) replaces: Option<String>,
}

/// An item as it is being put.
struct Putting {
    client: Client,
    file: File,
    bytes: u64,
    layout: Layout,
    parts: ItemParts,
    keys: ItemKeys,
    signer: Identity,
}

/// Why a pass over the file ended early.
enum Broken {
    /// The file is not what it was when this draft began.
    Changed,
    Failed(CliError),
}

impl From<CliError> for Broken {
    fn from(error: CliError) -> Self {
        Self::Failed(error)
    }
}

pub(super) async fn put(context: &Context, args: PutArgs) -> Result<(), CliError> {
    if let Some(old) = &args.replaces {
        return replacing::replace(context, &args, old).await;
    }
    let client = context.client()?;
    let mut put = put_anew(context, &args, None).await?;
    if !args.no_wait {
        wait(context, &client, &mut put.safety).await?;
    }
    context.output.show(&put, |put| {
        let safety = &put.safety;
        format!("{}\n\n{}", what_was_put(put), how_safe(safety))
    })
}

/// Puts a file in place of an item, and returns what is known of how safe that is.
pub(super) async fn put_instead(
    context: &Context,
    args: &PutArgs,
    replacing: &Replacing,
) -> Result<Safety, CliError> {
    let put = put_anew(context, args, Some(replacing)).await?;
    Ok(put.safety)
}

fn what_was_put(put: &PutView) -> String {
    let mut text = format!(
        "item {}\n\n{} are sealed. Any {} of the {} guardians who keep a share can open it together with the \
         committee, once a vote has granted a request; nobody else, and not you alone.",
        put.safety.item,
        bytes(put.bytes),
        put.shares_needed,
        put.guardians
    );
    if put.subtrees < put.guardians {
        text.push_str(&format!(
            "\nThe guardians came in through {} first-level invites only: whoever stands behind one of these may \
             hold several shares.",
            put.subtrees
        ));
    }
    text
}

/// Seals a file, hands its key over and makes it known.
async fn put_anew(
    context: &Context,
    args: &PutArgs,
    replacing: Option<&Replacing>,
) -> Result<PutView, CliError> {
    let path = &args.file;
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let name = name.ok_or_else(|| CliError::Usage(format!("{} names no file", path.display())))?;
    let dir = own_dir(context, "puts")?;
    warn_of_accounts(context, args.policy).await?;
    loop {
        let file = File::open(path).map_err(|cause| on_file(path, &cause))?;
        let found = file.metadata().map_err(|cause| on_file(path, &cause))?;
        if !found.is_file() {
            let text = format!(
                "{} is no file: pack a folder first, with tar for example",
                path.display()
            );
            return Err(CliError::Usage(text));
        }
        let mut fresh = Zeroizing::new([0; 32]);
        random(&mut fresh)?;
        let draft = Draft::open(&dir, &found, fresh);
        let mut draft = draft.map_err(|cause| on_file(&dir, &cause))?;
        let putting = Putting::new(context.client()?, file, &found, draft.seed())?;
        // Asked first, so that nobody seals for an hour what nobody would guard.
        putting.draw().await?;
        let bar = bar(context.output, putting.bytes, "sealing");
        let laid_out = putting.lay_out(path, &mut draft, &bar).await;
        bar.finish_and_clear();
        let (content, chunks) = match laid_out {
            Ok(laid_out) => laid_out,
            Err(Broken::Failed(error)) => return Err(error),
            Err(Broken::Changed) => {
                context.output.note(
                    "The file has changed since this put began: it is sealed anew, with a new key.",
                );
                draft.wipe().map_err(|cause| on_file(&dir, &cause))?;
                continue;
            }
        };
        let title = args.title.clone().unwrap_or_else(|| name.clone());
        let about = About {
            title,
            name,
            bytes: putting.bytes,
            guardians: Vec::new(),
            replaces: replacing.map(|replacing| replacing.old().to_owned()),
        };
        let laid_out = (content, chunks);
        let handed = (args.policy, replacing);
        let put = putting.hand_over(context, laid_out, about, draft.seed(), handed);
        let put = put.await?;
        draft.wipe().map_err(|cause| on_file(&dir, &cause))?;
        return Ok(put);
    }
}

/// Overwrites the draft of a file whose item is known already: a crash may have left it.
pub(super) fn wipe_left(context: &Context, path: &Path, item: &str) -> Result<(), CliError> {
    let dir = own_dir(context, "puts")?;
    let Ok(found) = std::fs::metadata(path) else {
        return Ok(());
    };
    let draft = Draft::find(&dir, &found).map_err(|cause| on_file(&dir, &cause))?;
    let Some(draft) = draft else { return Ok(()) };
    let parts = ItemParts::draw(draft.seed(), b"");
    let signer = Identity::from_seed(parts.signing_seed.clone());
    if signer.public().to_string() != item {
        return Ok(());
    }
    draft.wipe().map_err(|cause| on_file(&dir, &cause))
}

/// Reads a chunk of a file of so many bytes, and seals it.
///
/// # Errors
///
/// Returns that the file cannot be read, or has not so many bytes.
pub(super) fn seal_chunk(
    keys: &ItemKeys,
    (file, path): (&File, &Path),
    bytes: u64,
    chunk: Chunk,
) -> Result<Vec<u8>, CliError> {
    let mut buffer = vec![0; chunk.sealed_bytes()];
    let left = bytes.saturating_sub(chunk.offset());
    let count = usize::try_from(left).map_or(chunk.bytes(), |left| left.min(chunk.bytes()));
    let read = file.read_exact_at(&mut buffer[..count], chunk.offset());
    read.map_err(|cause| on_file(path, &cause))?;
    let sealed = keys.content.seal(chunk, &mut buffer);
    sealed.map_err(|error| CliError::Failed(error.to_string()))?;
    Ok(buffer)
}

impl Putting {
    fn new(
        client: Client,
        file: File,
        found: &Metadata,
        seed: &[u8; 32],
    ) -> Result<Self, CliError> {
        let bytes = found.len();
        let layout = Layout::of(bytes).map_err(|error| CliError::Usage(error.to_string()))?;
        let parts = ItemParts::draw(seed, b"");
        let signer = Identity::from_seed(parts.signing_seed.clone());
        let keys = ItemKeys::derive(&parts.secret, &parts.second, signer.public().bytes());
        Ok(Self {
            client,
            file,
            bytes,
            layout,
            parts,
            keys,
            signer,
        })
    }

    async fn draw(&self) -> Result<DrawnBody, CliError> {
        let body = DrawBody {
            key: self.signer.public(),
        };
        self.client.post("/v1/sublime/draw", &body).await
    }

    /// Seals the file chunk by chunk and has the node store it; returns the root and the number of chunks.
    async fn lay_out(
        &self,
        path: &Path,
        draft: &mut Draft,
        bar: &ProgressBar,
    ) -> Result<(ContentId, u64), Broken> {
        let mut tree = TreeBuilder::default();
        let known = draft.sealed().to_vec();
        // Of what was noted the last batches may not have arrived.
        let arrived = known.len().saturating_sub(ON_THE_WAY * BATCH);
        let mut uploads = Uploads::new(self.client.clone());
        let mut frames = Vec::with_capacity(BATCH_BYTES_MAX);
        let mut batch = Vec::new();
        for index in 0..self.layout.chunks() {
            let Some(chunk) = self.layout.chunk(index) else {
                break;
            };
            let sealed = seal_chunk(&self.keys, (&self.file, path), self.bytes, chunk)?;
            let id = ChunkId::of(&sealed);
            let place = index as usize;
            match known.get(place) {
                Some(before) if *before != id => return Err(Broken::Changed),
                Some(_) => {}
                None => batch.push(id),
            }
            if place >= arrived {
                frames::push(&mut frames, &id.into(), &sealed);
            }
            let blocks = tree
                .push(id)
                .map_err(|error| CliError::Usage(error.to_string()))?;
            for block in blocks {
                frames::push(&mut frames, &block.id.into(), &block.bytes);
            }
            if place % BATCH == BATCH - 1 {
                store(path, draft, &mut uploads, (&mut batch, &mut frames)).await?;
            }
            bar.set_position((chunk.offset() + chunk.bytes() as u64).min(self.bytes));
        }
        let chunks = tree.chunks();
        let (root, blocks) = tree.finish().ok_or_else(|| {
            CliError::Failed("a file of no bytes still has a chunk, and this has none".to_owned())
        })?;
        for block in blocks {
            frames::push(&mut frames, &block.id.into(), &block.bytes);
        }
        store(path, draft, &mut uploads, (&mut batch, &mut frames)).await?;
        uploads.until_left(0).await?;
        Ok((root, chunks))
    }

    /// Hands the key over to guardians and committee, and makes the item known.
    async fn hand_over(
        &self,
        context: &Context,
        (content, chunks): (ContentId, u64),
        mut about: About,
        seed: &[u8; 32],
        (policy, replacing): (Policy, Option<&Replacing>),
    ) -> Result<PutView, CliError> {
        let drawn = self.draw().await?;
        let subtrees = drawn.subtrees;
        let mut drawn_view = read_drawn(&drawn)?;
        let mut stand_ins = read_guardians(&drawn.stand_ins)?.into_iter();
        let item = self.signer.public();
        let mut kept: BTreeSet<PublicKey> = BTreeSet::new();
        let prepared = loop {
            let prepared = prepare(&self.parts, &self.signer, &drawn_view, seed);
            let prepared = prepared.map_err(|error| CliError::Failed(error.to_string()))?;
            let left = prepared.asks.iter();
            let left: Vec<_> = left
                .filter(|(guardian, _)| !kept.contains(guardian))
                .map(|(guardian, ask)| DealtShare {
                    guardian: *guardian,
                    ask: BASE64.encode(&ask.encode()),
                })
                .collect();
            let body = DealBody { shares: left };
            let dealt: DealtView = self.client.post("/v1/sublime/shares", &body).await?;
            for guardian in &dealt.kept {
                kept.insert(parse("guardian", guardian)?);
            }
            let mut replaced = false;
            for refused in &dealt.not {
                context.output.note(&format!(
                    "{} keeps no share: {}",
                    refused.guardian, refused.why
                ));
                let guardian: PublicKey = parse("guardian", &refused.guardian)?;
                let place = drawn_view
                    .guardians
                    .iter()
                    .position(|(known, _)| *known == guardian);
                if let (Some(place), Some(next)) = (place, stand_ins.next()) {
                    drawn_view.guardians[place] = next;
                    replaced = true;
                }
            }
            if !replaced {
                break prepared;
            }
        };
        let of = drawn_view.access.shares();
        if !is_safe(kept.len(), drawn_view.access) {
            return Err(CliError::Failed(format!(
                "only {} of {of} guardians keep their share, so that the item is not safe and was not made known. The content is \
                 sealed on this node: run the same command again when more guardians can be reached",
                kept.len()
            )));
        }
        about.guardians = kept.iter().map(ToString::to_string).collect();
        let sealed = serde_json::to_vec(&about)
            .map_err(|fault| CliError::Failed(fault.to_string()))
            .and_then(|about| {
                let sealed = self.keys.metadata.seal(ABOUT, &about);
                sealed.map_err(|error| CliError::Usage(error.to_string()))
            })?;
        let mut manifest = Manifest {
            content,
            chunks,
            about: sealed.into(),
            second: prepared.second,
            sharing: prepared.sharing,
            nonce: 0,
        };
        manifest.find_nonce(&drawn_view.mesh, &item);
        // Before the item is known, so that nothing that happens in between makes the node forget it.
        let wish = WishBody { content, policy };
        let wished: WishView = self.client.post("/v1/sublime/policies", &wish).await?;
        self.keep_forget(context, &drawn_view.mesh)?;
        if let Some(replacing) = replacing {
            replacing.begin(&item)?;
        }
        let known = self.make_known(&drawn_view.mesh, manifest).await?;
        Ok(PutView {
            safety: Safety::of(known.id, policy, wished.without),
            content: content.to_string(),
            bytes: self.bytes,
            shares_needed: drawn_view.access.threshold(),
            guardians: kept.len(),
            of: drawn_view.access.shares(),
            subtrees,
        })
    }

    /// Keeps the word by which the item can be forgotten, before anybody knows the item: its key is gone afterwards.
    fn keep_forget(&self, context: &Context, mesh: &ContentId) -> Result<(), CliError> {
        let path = forget_path(context, &self.signer.public().to_string())?;
        let word = Forget::sign(&self.signer, mesh).encode();
        identity::write_over(&path, &word).map_err(|error| CliError::Failed(error.to_string()))
    }

    async fn make_known(
        &self,
        mesh: &ContentId,
        manifest: Manifest,
    ) -> Result<RecordedView, CliError> {
        let now = unix_ms();
        let mut salt = Zeroizing::new([0; 32]);
        random(&mut salt)?;
        let [salt @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *salt;
        let body = Body::Sublime(SublimeBody::Manifest(Box::new(manifest)));
        let place = (0, None);
        let author = self.signer.public();
        let record = RecordDraft::new(Some(*mesh), author, place, Wall(now), salt, body);
        let record = record.sign(&self.signer);
        let record = record.map_err(|error| CliError::Failed(error.to_string()))?;
        let body = ManifestBody {
            record: BASE64.encode(record.value().bytes()),
        };
        self.client.post("/v1/sublime/items", &body).await
    }
}
