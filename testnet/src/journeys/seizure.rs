//! Disks are taken away: those of the owner, of guardians, of all. What opens the item is known to this story, and is looked
//! for in every file of every node; and whoever has the disks of too few guardians tries to open it with all that is on them.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use x0_crypto::sublime::{
    AccessStructure, Commitments, ItemParts, SHARE_BYTES, Share, combine, deal,
};
use x0_node::{
    identity,
    metrics::Metrics,
    share_keys::ShareKeyFiles,
    store::{RocksStore, Store as _, StoreOptions},
};
use x0_protocol::core::secret::ShareKeys as _;
use zeroize::Zeroizing;

use super::{
    vault::{self, agree_to_serve, files_under, sublime},
    vote::counts_members,
};
use crate::{account::Account, mesh::Mesh, node::Node};

/// Who puts.
const OWNER: usize = 0;
/// Guardians whose disks are taken, first two and then one more.
const TAKEN: [usize; 3] = [5, 4, 3];
/// What the file is full of.
const MARK: &[u8] = b"where we meet on the ninth";
const TITLE: &str = "Where we meet";
/// Bytes of the file.
const BYTES: usize = 3 * 1024 * 1024 + 5;

/// What is looked for, by what it is.
type Wanted = BTreeMap<String, Vec<u8>>;

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    counts_members(mesh, account).await?;
    let source = mesh.home().join("source");
    let content: Vec<u8> = MARK.iter().copied().cycle().take(BYTES).collect();
    fs::write(&source, content)?;
    let seed = begins(mesh, account, &source).await?;
    let of = puts(mesh, account, &source).await?;
    let wanted = wanted(&seed, of)?;
    is_found_nowhere(mesh, account, &wanted)?;
    opens_with_enough_only(mesh, account, (&seed, of)).await
}

/// Begins a put that nobody would guard: the seed of the item's key stands on the owner's disk until the put is done.
async fn begins(mesh: &Mesh, account: &mut Account, source: &Path) -> Result<Zeroizing<[u8; 32]>> {
    let owner = mesh.node(OWNER)?;
    account.step(
        "a put begins while nobody serves as a guardian",
        "what a put needs to go on is on the owner's disk until it is done: from it this story knows what to look for",
    );
    let put = [
        "sublime",
        "put",
        &source.display().to_string(),
        "--title",
        TITLE,
    ];
    let early = owner.run_to_end(&put).await?;
    ensure!(
        !early.status.success() && early.said.contains("serve as guardians"),
        "{}",
        early.said
    );
    let drafts = files_under(&owner.dir().join("sublime/puts"))?;
    let seeds = drafts
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "seed"));
    let seeds: Vec<_> = seeds.collect();
    ensure!(seeds.len() == 1, "{} seeds are there", seeds.len());
    let seed = Zeroizing::new(fs::read(seeds[0])?);
    let found = search(owner, &[("the seed".to_owned(), seed.to_vec())].into())?;
    ensure!(found.len() == 1, "the search does not find what is there");
    account.saw(format!("the search finds it: {}", found[0]));
    let seed = seed.as_slice().try_into().context("a seed has 32 bytes")?;
    Ok(Zeroizing::new(seed))
}

async fn puts(mesh: &Mesh, account: &mut Account, source: &Path) -> Result<AccessStructure> {
    let owner = mesh.node(OWNER)?;
    account.step(
        "five others serve, the put goes on and ends",
        "guardians keep sealed shares and the sealed content; the seed is overwritten and removed",
    );
    agree_to_serve(mesh.nodes().iter().skip(OWNER + 1), owner).await?;
    let (name, guardians) = vault::put(owner, source, TITLE).await?;
    fs::remove_file(source)?;
    let view = sublime(owner).await?;
    let item = view.items.first().context("no item is known")?;
    account.saw(format!("item {name}: {guardians} guardians keep a share"));
    Ok(AccessStructure::new(item.shares_needed, item.guardians)?)
}

/// Returns what opens the item, and what it is made of.
fn wanted(seed: &[u8; 32], of: AccessStructure) -> Result<Wanted> {
    let parts = ItemParts::draw(seed, b"");
    let mut wanted = Wanted::new();
    let mut want = |what: &str, bytes: &[u8]| wanted.insert(what.to_owned(), bytes.to_vec());
    want("the content", MARK);
    want("the title", TITLE.as_bytes());
    want("the seed", seed);
    want("the second part", parts.second.to_bytes().as_slice());
    want(
        "the key that speaks for the item",
        parts.signing_seed.as_slice(),
    );
    // A sharing that one share opens says the secret itself.
    let alone = deal(&parts.secret, AccessStructure::new(1, 1)?, seed).shares;
    want("the first part", &alone[0].to_bytes()[1..33]);
    for share in deal(&parts.secret, of, seed).shares {
        let bytes = share.to_bytes();
        let index = share.index();
        want(&format!("share {index}"), &bytes[1..33]);
        want(
            &format!("blinding of share {index}"),
            &bytes[33..SHARE_BYTES],
        );
    }
    Ok(wanted)
}

/// Returns where any of it stands.
fn search(node: &Node, wanted: &Wanted) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for path in files_under(node.dir())? {
        let bytes = fs::read(&path)?;
        for (what, wanted) in wanted {
            if bytes.windows(wanted.len()).any(|window| window == wanted) {
                found.push(format!("{what} in {}", path.display()));
            }
        }
    }
    Ok(found)
}

fn is_found_nowhere(mesh: &Mesh, account: &mut Account, wanted: &Wanted) -> Result<()> {
    account.step(
        "every file of every node is searched",
        "what holds for all disks together holds for any two guardians', the owner's, and what holds the content",
    );
    for node in mesh.nodes() {
        let found = search(node, wanted)?;
        ensure!(found.is_empty(), "{}", found.join("; "));
    }
    let what: Vec<_> = wanted.keys().map(String::as_str).collect();
    account.saw(format!("nothing of it: {}", what.join(", ")));
    Ok(())
}

async fn opens_with_enough_only(
    mesh: &mut Mesh,
    account: &mut Account,
    (seed, of): (&[u8; 32], AccessStructure),
) -> Result<()> {
    account.step(
        "disks of guardians are taken whose identities have no passphrase, one after the other",
        "with its identity in the open a disk gives up its share, as `x0 guardian serve` warns; it takes as many as were said",
    );
    let parts = ItemParts::draw(seed, b"");
    let commitments = deal(&parts.secret, of, seed).commitments;
    let mut shares = Vec::new();
    for (number, place) in TAKEN.into_iter().enumerate() {
        mesh.stop(place).await?;
        shares.extend(taken(mesh.node(place)?.dir(), &commitments)?);
        let opens = combine(&commitments, &shares).is_ok();
        let wanted = number + 1 >= usize::from(of.threshold());
        ensure!(opens == wanted, "{} disks: it opens: {opens}", number + 1);
        account.saw(match opens {
            true => format!(
                "{} disks give the first part of the key; the committee has the other",
                number + 1
            ),
            false => format!("{} of {} shares: nothing", number + 1, of.threshold()),
        });
    }
    Ok(())
}

/// Opens the shares on a disk with all that is on it.
fn taken(dir: &Path, commitments: &Commitments) -> Result<Vec<Share>> {
    let identity = Arc::new(identity::load(dir, None)?);
    let options = StoreOptions::new(u64::MAX, Metrics::new());
    let store = RocksStore::open(dir, identity.public(), options)?;
    let kept = store.load()?.sublime.shares;
    let keys = ShareKeyFiles::open(dir, identity)?;
    let shares = kept.iter().map(|share| {
        let bytes = keys.unwrap(share.key(), &share.sealed);
        let bytes = bytes.context("a share does not open with its own key")?;
        Ok(Share::from_bytes(&bytes)?)
    });
    let shares = shares.collect::<Result<Vec<_>>>()?;
    ensure!(
        shares.iter().all(|share| commitments.verify(share).is_ok()),
        "it is another item's"
    );
    Ok(shares)
}
