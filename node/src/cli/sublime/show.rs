//! `x0 sublime show`: an item, who holds it, and whether that is enough.

use clap::Args;
use serde::Serialize;
use x0_crypto::ContentId;

use super::{
    super::{
        Context,
        client::Client,
        error::CliError,
        output::{Facts, Table, bytes, date, span},
    },
    get::{holds_key, unlock},
    replacing::{Relatives, relatives},
};
use crate::{
    api::{
        keeping::{CountBody, KeepingView},
        sublime::{CardView, SublimeView, TrusteesView},
    },
    sublime::{Beyond, Count},
};

/// Show an item: what it takes to open it, who holds it, and whether that is enough to keep it alive
#[derive(Debug, Args)]
#[command(
    after_help = "Its title is sealed with the content. It is shown only where a key to it is: from the grant of a request made here \
                  until `x0 sublime get` has opened the item, or longer with --keep-key.\n\n\
                  Copies are counted by asking the IPFS nodes of linked members, each by itself, for pieces of the content drawn \
                  at random; a node counts once. Keepers do so by themselves every few hours. --count does it now, and asks \
                  Arweave and Sia too if this node's settings name them.\n\n\
                  Examples:\n  x0 sublime show bafyrei…\n  x0 sublime show bafyrei… --count"
)]
pub(in crate::cli) struct ShowArgs {
    /// The item
    item: ContentId,
    /// Count its copies now
    #[arg(long)]
    count: bool,
}

/// An item, with its title where that can be opened.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    keeping: KeepingView,
    title: Option<String>,
    name: Option<String>,
    bytes: Option<u64>,
    /// The item in whose place this one was put: by this node, or as the item says of itself where it can be opened.
    replaces: Option<String>,
    /// The item that this node has put in the place of this one.
    replaced_by: Option<String>,
}

pub(super) async fn show(context: &Context, args: ShowArgs) -> Result<(), CliError> {
    let client = context.client()?;
    let path = format!("/v1/sublime/items/{}", args.item);
    let keeping: KeepingView = match args.count {
        true => {
            let body = CountBody { beyond: true };
            client.post(&format!("{path}/count"), &body).await?
        }
        false => client.get(&path).await?,
    };
    let shown = opened(context, &client, &args.item, keeping).await?;
    context.output.show(&shown, text)
}

/// Opens what is said about the item, if a key for it is still here.
async fn opened(
    context: &Context,
    client: &Client,
    item: &ContentId,
    keeping: KeepingView,
) -> Result<Shown, CliError> {
    let granted = keeping.requests.iter();
    let granted = granted.filter(|request| request.standing == "granted");
    let mut about = None;
    for request in granted.filter_map(|request| request.request.parse().ok()) {
        if holds_key(context, &request)? {
            let unlocked = unlock(context, client, item, &request).await;
            about = unlocked.ok().map(|unlocked| unlocked.about);
        }
        if about.is_some() {
            break;
        }
    }
    let view: SublimeView = client.get("/v1/sublime").await?;
    let Relatives {
        replaces,
        replaced_by,
    } = relatives(context, &keeping.item, &view.items)?;
    let (title, name, bytes, said) = match about {
        Some(about) => {
            let (title, name) = (Some(about.title), Some(about.name));
            (title, name, Some(about.bytes), about.replaces)
        }
        None => (None, None, None, None),
    };
    Ok(Shown {
        keeping,
        title,
        name,
        bytes,
        replaces: replaces.or(said),
        replaced_by,
    })
}

fn text(shown: &Shown) -> String {
    let view = &shown.keeping;
    let mut facts = Facts::default();
    facts.add("item", &view.item.item);
    match (&shown.title, &shown.name, shown.bytes) {
        (Some(title), Some(name), Some(length)) => {
            facts.add("title", format!("{title} ({name}, {})", bytes(length)))
        }
        (_, _, _) => facts.add(
            "title",
            "sealed with the content: whoever opens the item reads it",
        ),
    };
    facts
        .add("put", date(view.item.time_ms))
        .add(
            "size",
            format!(
                "{} chunks, {} sealed at most",
                view.item.chunks,
                bytes(view.sealed_bytes_max)
            ),
        )
        .add(
            "opens with",
            format!(
                "{} of {} guardians' shares and the committee, once a vote has granted a request",
                view.item.shares_needed, view.item.guardians
            ),
        )
        .add("content", &view.item.content);
    if view.item.forgotten {
        facts.add("forgotten", forgotten(view));
    }
    facts
        .add("copies", copies(view))
        .add("this node", own(view));
    if let Some(terms) = &view.item.card {
        facts.add("card", card(terms));
    }
    if let Some(terms) = &view.item.trustees {
        facts.add("trustees", trustees(terms));
    }
    for (tier, stands) in beyond(view) {
        facts.add(tier, stands);
    }
    if let Some(at) = view.repaired_ms {
        let blocks = view.repaired;
        facts.add(
            "repaired",
            format!("{blocks} blocks put back here so far, last {}", date(at)),
        );
    }
    if let Some(trouble) = &view.trouble {
        facts.add("trouble", trouble);
    }
    if let Some(work) = &view.work {
        facts.add(
            "at work",
            format!("{}: {} of {} blocks", work.what, work.done, work.of),
        );
    }
    if let Some(old) = &shown.replaces {
        facts.add("replaces", old);
    }
    if let Some(new) = &shown.replaced_by {
        let stands = match view.item.forgotten {
            true => "this one is forgotten",
            false => "this one stays until that is safe",
        };
        facts.add("replaced by", format!("{new}; {stands}"));
    }
    let mut text = facts.text();
    let mut requests = Table::new(["request", "stands", "by", "when", "why"]);
    for request in &view.requests {
        requests.row([
            request.request.clone(),
            request.standing.clone(),
            request.by.clone(),
            date(request.time_ms),
            request.why.clone(),
        ]);
    }
    match requests.is_empty() {
        true => text.push_str("\nNobody has asked for it."),
        false => {
            text.push('\n');
            text.push_str(&requests.text());
        }
    }
    text
}

/// Says what everybody may know of an item's recovery card.
fn card(terms: &CardView) -> String {
    let label = match terms.label.is_empty() {
        true => "without a label",
        false => &terms.label,
    };
    if terms.revoked {
        return format!("revoked ({label})");
    }
    let veto = match terms.veto_secs {
        0 => "no veto time".to_owned(),
        secs => format!("veto time {}", span(secs)),
    };
    match terms.policy.is_empty() {
        true => format!("{label}; {veto}"),
        false => format!("{label}; jurors say yes if: {}; {veto}", terms.policy),
    }
}

/// Says what everybody may know of an item's trustees.
fn trustees(terms: &TrusteesView) -> String {
    let TrusteesView {
        trustees,
        needed,
        wait_secs,
        revoked,
    } = terms;
    match revoked {
        true => "revoked".to_owned(),
        false => format!(
            "{needed} of {trustees} let the owner in again; waiting time {}",
            span(*wait_secs)
        ),
    }
}

/// Says how many guardians' nodes have destroyed their share of an item that is to be forgotten.
fn forgotten(view: &KeepingView) -> String {
    match &view.destroyed {
        Some(by) => format!(
            "{} of {} guardians' nodes have said that they destroyed their share",
            by.len(),
            view.item.guardians
        ),
        None => {
            "guardians destroy their shares; the node where it was put counts who has".to_owned()
        }
    }
}

/// Says how many copies there are, and whether they are enough.
pub(super) fn copies(view: &KeepingView) -> String {
    let Some(count) = &view.copies else {
        return format!(
            "not counted from here yet ({} are enough): --count does",
            view.needed
        );
    };
    let enough = match count.is_safe() {
        true => format!(
            "safe: {} copies, {} are enough",
            count.copies(),
            count.needed
        ),
        false => format!(
            "not safe yet: {} of {} copies",
            count.copies(),
            count.needed
        ),
    };
    format!("{enough}; {}", counted(count))
}

fn counted(count: &Count) -> String {
    let own = match (count.own, count.guards) {
        (true, true) => ", this node too",
        (true, false) => ", this node too, which does not count: it does not guard the item",
        (false, _) => "",
    };
    format!(
        "{} other nodes hold it{own}, {} lack some of it, {} did not answer, {}",
        count.others,
        count.lacking,
        count.silent,
        date(count.at_ms)
    )
}

fn own(view: &KeepingView) -> String {
    let as_what = match view.keeps.as_str() {
        "guardian" => "guards it",
        "owner" => "has put it",
        _ => "does not keep it",
    };
    match view.held {
        Some(held) => {
            let whole = match held.whole {
                true => "holds all of it",
                false => "holds a part of it",
            };
            let checked = held.checked_ms.map(|at| format!(", checked {}", date(at)));
            format!(
                "{as_what} and {whole}: {} blocks, {}{}",
                held.blocks,
                bytes(held.bytes),
                checked.unwrap_or_default()
            )
        }
        None => as_what.to_owned(),
    }
}

/// Says of each tier beside the mesh what is known of it.
fn beyond(view: &KeepingView) -> Vec<(&'static str, String)> {
    let mut told = Vec::new();
    for tier in ["arweave", "sia"] {
        let account = view.accounts.iter().find(|account| account.tier == tier);
        let wanted = view.policy.unwrap_or_default().beyond();
        let is_wanted = wanted.iter().any(|wanted| wanted.name() == tier);
        let seen = view
            .copies
            .as_ref()
            .and_then(|count| count.beyond.get(tier));
        let stored = view.stored_ms.get(tier);
        let stands = match (stored, seen, is_wanted, account) {
            (Some(at), ..) => format!("all of it, since {}", date(*at)),
            (None, Some(Beyond::Whole), ..) => "holds all of a sample".to_owned(),
            (None, Some(Beyond::Part), ..) => "holds a part of it".to_owned(),
            (None, Some(Beyond::Nothing), false, _) => "does not hold it".to_owned(),
            (None, Some(Beyond::Nothing), true, _) => "does not hold it yet".to_owned(),
            (None, Some(Beyond::Silent), ..) => "did not answer".to_owned(),
            (None, None, true, Some(account)) if account.stores => "not there yet".to_owned(),
            (None, None, true, _) => {
                format!(
                    "wanted, but this node has no account ([sublime.{tier}]): the mesh alone keeps it"
                )
            }
            (None, None, false, Some(_)) => "not asked: --count asks".to_owned(),
            (None, None, false, None) => continue,
        };
        told.push((tier, stands));
    }
    told
}
