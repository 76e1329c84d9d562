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
    wire::{
        Body, CardRevoked, Draft as RecordDraft, Forget, Manifest, SublimeBody, TrusteesRevoked,
    },
};
use zeroize::Zeroizing;

use super::{
    super::{Context, client::Client, error::CliError},
    answers::{parse, read_drawn, read_guardians},
    bar,
    card::{NewCard, NewCardArgs},
    draft::{Draft, Seeds},
    forget_path, on_file,
    outcome::{self, PutView},
    own_dir, random,
    replacing::{self, Replacing},
    revoke_path,
    safety::{Safety, wait, warn_of_accounts},
    trustees::{Trusted, TrusteeArgs, trustees_path},
    unfinished::{make_card_of, on_draft, parts_of, tell_others},
    uploads::{BATCH, ON_THE_WAY, Uploads, store},
};
use crate::{
    api::{
        keeping::{WishBody, WishView},
        sublime::{
            DealBody, DealtShare, DealtView, DrawBody, DrawnView as DrawnBody, ItemView,
            ManifestBody, SublimeView,
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

pub(super) use crate::sublime::ABOUT;

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
                  A RECOVERY CARD (`--card FILE`) is a sheet of paper: 24 words and a page. Whoever has it can call for the item in an \
                  emergency by `x0 emergency request`, from any computer and over Tor; the jury of the day decides, within hours \
                  and without the committee. The card alone opens nothing, and it is made now or never. `x0 sublime card \
                  check` looks after it, `x0 sublime card revoke` ends it.\n\n\
                  TRUSTEES (`--trustee MEMBER`, three or more) let you in again, should you lose every device: you ask by \
                  `x0 sublime recover` from a new one, they know you by your voice, and once enough of them have attested and the \
                  waiting time is over the item opens for you without a vote. As many of them as it takes can do so without you: \
                  what protects you is the waiting time, in which `x0 sublime recoveries cancel` on this node stops it, so look \
                  at `x0 sublime recoveries`. They are named now or never, and nobody reads their names out of the item.\n\n\
                  If it breaks off, the same command goes on where it was. Several files can lie like this: each goes on by \
                  itself, found by where it is and how it stands; a file that was changed or moved meanwhile is sealed anew, and \
                  so is one that is put with a card where it was put without, or the other way round. What nobody goes on with \
                  for 30 days is wiped.\n\n\
                  INSTEAD OF ANOTHER. Where a guardian cannot be trusted any more, `--replaces ITEM` puts the file anew, under a new \
                  key and with new guardians, and has the old item forgotten as soon as the new one is safe, and never before. \
                  It runs where the old item was put. A card of the old item opens nothing afterwards: give --card to make one \
                  of the new.\n\n\
                  Examples:\n  x0 sublime put archive.tar --title 'The archive of 2026'\n  x0 --json sublime put map.pdf\n  \
                  x0 sublime put map.pdf --policy mesh+arweave\n  x0 sublime put map.pdf --replaces bafyrei…\n  \
                  x0 sublime put map.pdf --card card.txt --card-label 'Where the wells are' --card-policy 'Whoever is in danger'\n  \
                  x0 sublime put map.pdf --trustee x0… --trustee x0… --trustee x0…"
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
    #[command(flatten)]
    card: NewCardArgs,
    #[command(flatten)]
    trustees: TrusteeArgs,
}

impl PutArgs {
    /// Returns the file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Returns whether it gets a recovery card, and which.
    pub(super) const fn card(&self) -> &NewCardArgs {
        &self.card
    }
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
    context.output.show(&put, outcome::text)
}

/// Seals a file, hands its key over and makes it known.
pub(super) async fn put_anew(
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
    let card = args.card.plan(context).await?;
    let trusted = args.trustees.plan(context).await?;
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
        let draft = Draft::open(&dir, &found, Seeds::draw(card.is_some())?);
        let mut draft = draft.map_err(|cause| on_draft(&dir, path, cause))?;
        tell_others(context, &draft).map_err(|cause| on_file(&dir, &cause))?;
        let putting = Putting::new(context.client()?, file, &found, &draft)?;
        if draft.is_taken_up()
            && let Some(item) = putting.known().await?
        {
            // What takes the place of another says so in its seal; and the other may be this very item.
            if replacing.is_some() || item.forgotten {
                draft.wipe().map_err(|cause| on_file(&dir, &cause))?;
                continue;
            }
            context
                .output
                .note("This put broke off after the item was made known: nothing is sealed again.");
            let made = match &card {
                Some(card) => make_card_of(context, &item, (&draft, card)).await?,
                None => None,
            };
            draft.wipe().map_err(|cause| on_file(&dir, &cause))?;
            return Ok(PutView::of_known(item, putting.bytes, args.policy, made));
        }
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
        let made_of = (&draft, card.as_ref(), trusted.as_ref());
        let handed = (args.policy, replacing);
        let put = putting.hand_over(context, laid_out, about, made_of, handed);
        let put = put.await?;
        draft.wipe().map_err(|cause| on_file(&dir, &cause))?;
        return Ok(put);
    }
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
    fn new(client: Client, file: File, found: &Metadata, draft: &Draft) -> Result<Self, CliError> {
        let bytes = found.len();
        let layout = Layout::of(bytes).map_err(|error| CliError::Usage(error.to_string()))?;
        let parts = parts_of(draft);
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

    /// Finds the item, if it was made known already.
    async fn known(&self) -> Result<Option<ItemView>, CliError> {
        let key = self.signer.public().to_string();
        let view: SublimeView = self.client.get("/v1/sublime").await?;
        Ok(view.items.into_iter().find(|item| item.key == key))
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
        (draft, card, trusted): (&Draft, Option<&NewCard>, Option<&Trusted>),
        (policy, replacing): (Policy, Option<&Replacing>),
    ) -> Result<PutView, CliError> {
        let drawn = self.draw().await?;
        let subtrees = drawn.subtrees;
        let mut drawn_view = read_drawn(&drawn)?;
        let mut stand_ins = read_guardians(&drawn.stand_ins)?.into_iter();
        let item = self.signer.public();
        let mut kept: BTreeSet<PublicKey> = BTreeSet::new();
        let prepared = loop {
            let prepared = prepare(&self.parts, &self.signer, &drawn_view, draft.seed());
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
        let card_seed = draft.card();
        let card = card.zip(card_seed.as_ref());
        let terms = card.map(|(card, seed)| card.terms(seed, drawn_view.committee_name));
        let trustees = trusted.map(|trusted| {
            let terms = trusted.terms((&drawn_view.mesh, &item), draft.seed());
            terms.map(Box::new)
        });
        let mut manifest = Manifest {
            content,
            chunks,
            about: sealed.into(),
            second: prepared.second,
            sharing: prepared.sharing,
            card: terms.map(Box::new),
            trustees: trustees.transpose()?,
            nonce: 0,
        };
        manifest.find_nonce(&drawn_view.mesh, &item);
        // Before the item is known, so that nothing that happens in between makes the node forget it.
        let wish = WishBody { content, policy };
        let wished: WishView = self.client.post("/v1/sublime/policies", &wish).await?;
        let has = (card.is_some(), trusted.is_some());
        self.keep_words(context, &drawn_view.mesh, has)?;
        if let Some(replacing) = replacing {
            replacing.begin(&item)?;
        }
        let known = self.make_known(&drawn_view.mesh, manifest).await?;
        let made = match card {
            Some((card, seed)) => {
                let item = (drawn_view.mesh, parse("item", &known.id)?);
                Some(card.make(context, item, seed)?)
            }
            None => None,
        };
        Ok(PutView {
            safety: Safety::of(known.id, policy, wished.without),
            content: content.to_string(),
            bytes: self.bytes,
            shares_needed: drawn_view.access.threshold(),
            guardians: kept.len(),
            of: drawn_view.access.shares(),
            subtrees,
            card: made,
        })
    }

    /// Keeps the words by which the item can be forgotten, its card and its trustees revoked, before anybody knows the item: its key is gone
    /// afterwards.
    fn keep_words(
        &self,
        context: &Context,
        mesh: &ContentId,
        (has_card, has_trustees): (bool, bool),
    ) -> Result<(), CliError> {
        let key = self.signer.public().to_string();
        let write = |path: &Path, word: &[u8]| {
            let written = identity::write_over(path, word);
            written.map_err(|error| CliError::Failed(error.to_string()))
        };
        let word = Forget::sign(&self.signer, mesh).encode();
        write(&forget_path(context, &key)?, &word)?;
        if has_card {
            let word = CardRevoked::sign(&self.signer, mesh).encode();
            write(&revoke_path(context, &key)?, &word)?;
        }
        if has_trustees {
            let word = TrusteesRevoked::sign(&self.signer, mesh).encode();
            write(&trustees_path(context, &key)?, &word)?;
        }
        Ok(())
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
