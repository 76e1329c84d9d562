//! `x0 sublime card`: looks after recovery cards: whether one still leads somewhere, a new page for old words, its end.
//!
//! Words are read from a terminal without echo or from standard input, never from the command line, which other users of the
//! machine can read. `making` is what happens when an item is put.

mod making;

use std::{
    fs,
    io::{self, IsTerminal as _, Read as _},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use data_encoding::BASE64;
use serde::Serialize;
use x0_crypto::{ContentId, PublicKey, sublime::CardSeed};
use x0_protocol::wire::{CardLabel, CardPage};
use zeroize::Zeroizing;

use self::making::KnownNodes;
pub(super) use self::making::{CardMade, NewCard, NewCardArgs};
use super::{
    super::{
        Context,
        error::CliError,
        output::{Facts, Table, date, printable},
    },
    answers::parse,
    on_file, revoke_path,
};
use crate::{
    api::{
        emergency::{NodesView, RevokeCardBody},
        sublime::{CardView, ItemView, SublimeView},
        view::{RecordedView, StatusView},
    },
    emergency::card::{page_lines, read_page, terminal_qr},
    identity::write_private,
};

/// Longest file that is read as a card, and longest input that is read as its words, bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Groups of a page in a line.
const GROUPS_A_LINE: usize = 8;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum CardCommand {
    Check(CheckArgs),
    Reissue(ReissueArgs),
    Revoke(RevokeArgs),
}

/// Check whether a recovery card still leads somewhere
#[derive(Debug, Args)]
#[command(
    after_help = "The file holds the card's page, as it was scanned or typed; the words need not be in it. The addresses are compared with \
                  those that members say now; that a node answers there is seen by `x0 emergency request` alone. Do not \
                  type the words on a machine that you do not trust with the item.\n\n\
                  Examples:\n  x0 sublime card check page.txt\n  x0 sublime card check page.txt --words"
)]
pub(in crate::cli) struct CheckArgs {
    /// The file with the page
    file: PathBuf,
    /// Ask for the words, and check that they belong to the page
    #[arg(long, conflicts_with = "words_stdin")]
    words: bool,
    /// The same, with the words from standard input
    #[arg(long)]
    words_stdin: bool,
}

/// Make a new page for a recovery card, with the addresses of now; its words stay the same
#[derive(Debug, Args)]
#[command(
    after_help = "A page is no secret to those it calls, but it says that there is a card. Keep the new page with the old words, and \
                  destroy the old page.\n\n\
                  Examples:\n  x0 sublime card reissue bafyrei…\n  x0 sublime card reissue page.txt --out page-2.txt"
)]
pub(in crate::cli) struct ReissueArgs {
    /// The item, or a file with the card's page
    #[arg(value_name = "ITEM|FILE")]
    of: String,
    /// Write the page to a new file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Revoke an item's recovery card: no call by it is answered any more, and this cannot be undone
#[derive(Debug, Args)]
#[command(
    after_help = "Runs where the item was put: the word that does it was signed with the item's key then, and stands in this node's data \
                  directory. It works in the veto time, after a jury has said yes; what was released before stays released. \
                  The item itself stays, and opens by a vote as before. Whoever has the card's words keeps one of the two parts of \
                  the item's key: put the item anew if they were seen.\n\n\
                  Example:\n  x0 sublime card revoke bafyrei…"
)]
pub(in crate::cli) struct RevokeArgs {
    /// The item
    item: ContentId,
}

/// Answers a command about recovery cards.
pub(super) async fn answer(context: &Context, command: CardCommand) -> Result<(), CliError> {
    match command {
        CardCommand::Check(args) => check(context, args).await,
        CardCommand::Reissue(args) => reissue(context, args).await,
        CardCommand::Revoke(args) => revoke(context, args).await,
    }
}

/// How a card stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    Counts,
    Revoked,
    /// The item has another card, or none.
    NotOfItem,
    /// The item is not known here.
    ItemUnknown,
}

/// An address on a card.
#[derive(Debug, Serialize)]
struct AddressView {
    address: String,
    /// The member that says now that its node is reached there.
    member: Option<String>,
}

/// What was found out about a card.
#[derive(Debug, Serialize)]
struct CheckedCard {
    item: String,
    label: String,
    made_ms: u64,
    standing: Standing,
    addresses: Vec<AddressView>,
    /// Nodes that are reached over Tor and do not stand on the card.
    others: usize,
    /// Whether the words belong to the page; absent if they were not given.
    words: Option<bool>,
}

impl CheckedCard {
    fn new(
        page: &CardPage,
        item: Option<&ItemView>,
        nodes: &NodesView,
        words: Option<bool>,
    ) -> Self {
        let addresses = page.onions.as_slice().iter().map(|onion| {
            let address = onion.to_string();
            let node = nodes.nodes.iter().find(|node| node.address == address);
            let member = node.map(|node| node.member.clone());
            AddressView { address, member }
        });
        let addresses: Vec<_> = addresses.collect();
        let named = addresses
            .iter()
            .filter(|address| address.member.is_some())
            .count();
        let key = page.key.to_string();
        let standing = match item.map(|item| item.card.as_ref()) {
            None => Standing::ItemUnknown,
            Some(Some(card)) if card.key == key && card.revoked => Standing::Revoked,
            Some(Some(card)) if card.key == key => Standing::Counts,
            Some(_) => Standing::NotOfItem,
        };
        Self {
            item: page.item.to_string(),
            label: page.label.to_string(),
            made_ms: page.made.0,
            standing,
            others: nodes.nodes.len() - named,
            addresses,
            words,
        }
    }

    fn known(&self) -> usize {
        let known = self.addresses.iter();
        known.filter(|one| one.member.is_some()).count()
    }

    /// Says why the card is of no use, if it is not.
    fn trouble(&self) -> Option<&'static str> {
        match self.standing {
            Standing::Revoked => {
                return Some(
                    "the card is revoked: no call by it is answered. Destroy it, and put the item anew with a new card",
                );
            }
            Standing::NotOfItem => {
                return Some("the item has no card with this key: nothing opens by it");
            }
            Standing::ItemUnknown => {
                return Some(
                    "the item of this card is not known here: wait until `x0 status` says that the node is ready, and check again",
                );
            }
            Standing::Counts => {}
        }
        if self.words == Some(false) {
            return Some(
                "these words are of another card than this page: find the one they belong to",
            );
        }
        match self.known() {
            0 => Some(
                "no member says any more that its node is reached at an address of this card: `x0 sublime card reissue` makes a new \
                 page for the same words",
            ),
            _ => None,
        }
    }
}

async fn check(context: &Context, args: CheckArgs) -> Result<(), CliError> {
    let page = page_in(&args.file)?;
    let words = match (args.words, args.words_stdin) {
        (false, false) => None,
        (_, true) => Some(read_words(&mut io::stdin().lock())?),
        (true, false) => Some(ask_words()?),
    };
    let words = words.map(|text| belong(&text, &page)).transpose()?;
    let client = context.client()?;
    let status: StatusView = client.get("/v1/status").await?;
    if status.mesh != page.mesh.to_string() {
        return Err(CliError::Failed(format!(
            "the card is for an item of another mesh, {}: check it at a node of that mesh",
            page.mesh
        )));
    }
    let view: SublimeView = client.get("/v1/sublime").await?;
    let nodes: NodesView = client.get("/v1/emergency/nodes").await?;
    let name = page.item.to_string();
    let item = view.items.iter().find(|item| item.item == name);
    let checked = CheckedCard::new(&page, item, &nodes, words);
    context.output.show(&checked, checked_text)?;
    match checked.trouble() {
        None => Ok(()),
        Some(why) => Err(CliError::Failed(why.to_owned())),
    }
}

fn checked_text(checked: &CheckedCard) -> String {
    let mut facts = Facts::default();
    facts.add("item", &checked.item);
    if !checked.label.is_empty() {
        facts.add("label", &checked.label);
    }
    facts.add("made", date(checked.made_ms));
    let standing = match checked.standing {
        Standing::Counts => "counts",
        Standing::Revoked => "REVOKED",
        Standing::NotOfItem => "NOT OF THIS ITEM",
        Standing::ItemUnknown => "the item is not known here",
    };
    facts.add("card", standing);
    match checked.words {
        Some(true) => facts.add("words", "belong to the page"),
        Some(false) => facts.add("words", "DO NOT belong to the page"),
        None => facts.add("words", "not looked at: --words asks for them"),
    };
    let mut table = Table::new(["address", "now"]);
    for one in &checked.addresses {
        let now = match &one.member {
            Some(member) => format!("that of {member}"),
            None => "nobody's any more".to_owned(),
        };
        table.row([one.address.clone(), now]);
    }
    let mut text = format!("{}\n{}", facts.text(), table.text());
    if checked.known() < checked.addresses.len() && checked.others > 0 {
        text.push_str(&format!(
            "\n{} nodes are reached over Tor that this card does not name: `x0 sublime card reissue {}` makes a new page.\n",
            checked.others, checked.item
        ));
    }
    text
}

/// Reads the page of a card out of a file, which may hold the words as well.
fn page_in(path: &Path) -> Result<CardPage, CliError> {
    let file = fs::File::open(path).map_err(|cause| on_file(path, &cause))?;
    let text = read_words(&mut file.take(FILE_BYTES_MAX))
        .map_err(|error| CliError::Failed(format!("{}: {error}", path.display())))?;
    read_page(&text).map_err(|error| CliError::Failed(format!("{}: {error}", path.display())))
}

/// Reads text that holds words, up to the longest there is, without leaving a copy behind.
fn read_words(from: &mut impl io::Read) -> Result<Zeroizing<String>, CliError> {
    let failed = |cause: &dyn std::fmt::Display| {
        CliError::Failed(format!("the text of a card cannot be read: {cause}"))
    };
    // Made long enough at once: what grows leaves shorter copies in memory.
    let room = usize::try_from(FILE_BYTES_MAX).unwrap_or_default() + 1;
    let mut bytes = Zeroizing::new(vec![0; room]);
    let mut filled = 0;
    while filled < room {
        match from.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(failed(&cause)),
        }
    }
    if filled == room {
        return Err(failed(&format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    let text = std::str::from_utf8(&bytes[..filled]).map_err(|_| failed(&"it is no text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn ask_words() -> Result<Zeroizing<String>, CliError> {
    let failed = |cause: io::Error| {
        CliError::Usage(format!(
            "nobody can be asked for the words ({cause}): give them on standard input, with --words-stdin"
        ))
    };
    if !io::stdin().is_terminal() {
        return Err(failed(io::Error::other("standard input is no terminal")));
    }
    let words = rpassword::prompt_password("The 24 words, in one line (they are not shown): ");
    words.map(Zeroizing::new).map_err(failed)
}

/// Tells whether words belong to a page.
fn belong(words: &str, page: &CardPage) -> Result<bool, CliError> {
    let seed = CardSeed::from_words(words).map_err(|error| CliError::Failed(error.to_string()))?;
    Ok(seed.signer().public() == page.key)
}

/// A new page for a card.
#[derive(Serialize)]
struct Reissued {
    item: String,
    /// It, as it stands on paper.
    page: String,
    addresses: Vec<String>,
}

async fn reissue(context: &Context, args: ReissueArgs) -> Result<(), CliError> {
    let client = context.client()?;
    let (item, label) = match args.of.parse::<ContentId>() {
        Ok(item) => (item, None),
        Err(_) => {
            let page = page_in(Path::new(&args.of))?;
            (page.item, Some(page.label))
        }
    };
    let view: SublimeView = client.get("/v1/sublime").await?;
    let status: StatusView = client.get("/v1/status").await?;
    let card = card_of(&view, &item.to_string())?;
    let label = match label {
        Some(label) => label,
        None => shortened(&card.label)?,
    };
    let key: PublicKey = parse("card's key", &card.key)?;
    let known = KnownNodes::ask(&client).await?;
    known.warn(context);
    let page = known.page((parse("mesh", &status.mesh)?, item), key, label)?;
    let reissued = Reissued {
        item: item.to_string(),
        page: page.to_string(),
        addresses: page
            .onions
            .as_slice()
            .iter()
            .map(ToString::to_string)
            .collect(),
    };
    let text = reissued_text(&page);
    if let Some(path) = &args.out {
        let written = write_private(path, text.as_bytes());
        written.map_err(|error| CliError::Failed(error.to_string()))?;
    }
    context
        .output
        .show(&reissued, |_| format!("{text}\n{}", terminal_qr(&page)))
}

/// Finds the card of an item, if it counts.
fn card_of<'a>(view: &'a SublimeView, item: &str) -> Result<&'a CardView, CliError> {
    let failed = |why: String| Err(CliError::Failed(why));
    let Some(found) = view.items.iter().find(|known| known.item == item) else {
        return failed(format!(
            "no item {item} is known here: `x0 sublime list` lists those known"
        ));
    };
    match &found.card {
        None => failed(format!(
            "the item {item} was put without a recovery card, and gets none afterwards: put the file anew, with --card FILE"
        )),
        Some(card) if card.revoked => failed(format!(
            "the card of the item {item} is revoked: put the file anew, with --card FILE"
        )),
        Some(card) => Ok(card),
    }
}

/// Cuts a label to what a page has room for.
fn shortened(label: &str) -> Result<CardLabel, CliError> {
    let mut end = label.len();
    loop {
        match label.get(..end).map(str::parse::<CardLabel>) {
            Some(Ok(label)) => return Ok(label),
            Some(Err(error)) if end == 0 => return Err(CliError::Failed(error)),
            Some(Err(_)) | None => end -= 1,
        }
    }
}

fn reissued_text(page: &CardPage) -> String {
    let mut text = "x0 RECOVERY CARD: NEW PAGE\n\nThe words stay as they are. Keep this page with them, and destroy the old one.\n\n".to_owned();
    let mut facts = Facts::default();
    if !page.label.as_str().is_empty() {
        facts.add("Label", printable(page.label.as_str()));
    }
    facts.add("Made", date(page.made.0)).add("Item", page.item);
    for onion in page.onions.as_slice() {
        facts.add("Call", onion);
    }
    text.push_str(&facts.text());
    text.push_str("\nPAGE\n\n");
    for line in page_lines(page, GROUPS_A_LINE) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// What came of revoking a card.
#[derive(Serialize)]
struct CardRevokedView {
    item: String,
    record: String,
}

async fn revoke(context: &Context, args: RevokeArgs) -> Result<(), CliError> {
    let client = context.client()?;
    let view: SublimeView = client.get("/v1/sublime").await?;
    let item = args.item.to_string();
    card_of(&view, &item)?;
    let key = view.items.iter().find(|known| known.item == item);
    let key = key.map(|known| known.key.clone()).unwrap_or_default();
    let path = revoke_path(context, &key)?;
    let word = fs::read(&path).map_err(|cause| {
        if cause.kind() != io::ErrorKind::NotFound {
            return on_file(&path, &cause);
        }
        CliError::Failed(format!(
            "{} is not there: only who put the item can revoke its card, on the node where it was put",
            path.display()
        ))
    })?;
    let body = RevokeCardBody {
        word: BASE64.encode(&word),
    };
    let written: RecordedView = client.post("/v1/emergency/revoke", &body).await?;
    let revoked = CardRevokedView {
        item,
        record: written.id,
    };
    context.output.show(&revoked, |_| {
        "The card is revoked: no guardian's node that hears of it answers a call by it any more. What was released before stays \
         released. Destroy the paper."
            .to_owned()
    })
}

#[cfg(test)]
mod tests;
