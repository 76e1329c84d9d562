//! `x0 sublime recover`, `recoveries` and `attest`: an owner who lost every device is let in by the trustees it named.

use std::{fs, io, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use data_encoding::BASE64;
use serde::Serialize;
use tokio::time::sleep;
use x0_crypto::ContentId;

use super::{
    super::{
        Context,
        client::Client,
        error::CliError,
        output::{Facts, date, printable, span},
    },
    ask_for, on_file,
    trustees::trustees_path,
};
use crate::api::{
    sublime::{
        AttestBody, ItemView, RecoveriesView, RecoveryView, RevokeTrusteesBody, SublimeView,
        TrusteesView,
    },
    view::RecordedView,
};

/// How often a recovery that is waited for is looked at.
const LOOKED_EVERY: Duration = Duration::from_secs(5);

/// Ask an item's trustees to let you in again, after you lost every device
#[derive(Debug, Args)]
#[command(
    after_help = "A key is made for this request alone and stays in this node's data directory; what is released opens with it and with \
                  nothing else. Call your trustees, or meet them, and READ THEM THE NUMBER that this shows: by it they know your \
                  request from anybody else's. Once enough have attested, the item's waiting time begins; after it guardians and \
                  seats release, and `x0 sublime get` opens the item. No vote decides about it.\n\n\
                  Examples:\n  x0 sublime recover bafyrei…\n  x0 sublime recover bafyrei… --why 'my laptop was stolen' --wait"
)]
pub(in crate::cli) struct RecoverArgs {
    /// The item
    item: ContentId,
    /// Why, in words that everybody can read
    #[arg(long, value_name = "TEXT", default_value = "I lost my devices")]
    why: String,
    /// Wait until it is decided
    #[arg(long)]
    wait: bool,
}

/// List the requests that trustees decide about
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  x0 sublime recoveries\n  x0 sublime recoveries cancel bafyrei…"
)]
pub(in crate::cli) struct RecoveriesArgs {
    #[command(subcommand)]
    command: Option<RecoveriesCommand>,
}

#[derive(Debug, Subcommand)]
enum RecoveriesCommand {
    Cancel(CancelArgs),
}

/// Revoke an item's trustees: nothing is released by their word any more, and this cannot be undone
#[derive(Debug, Args)]
#[command(
    after_help = "Runs where the item was put: the word that does it was signed with the item's key then, and stands in this node's data \
                  directory. It works in the waiting time, after enough trustees have attested; what was released before stays \
                  released. It ends every recovery of the item, for trustees who let a stranger in once are none. The item \
                  stays, and opens by a vote as before; `x0 sublime put FILE --replaces ITEM` puts it anew with others.\n\n\
                  Example:\n  x0 sublime recoveries cancel bafyrei…"
)]
struct CancelArgs {
    /// The item
    item: ContentId,
}

/// Say, as a trustee, whether a request to recover an item comes from its owner
#[derive(Debug, Args)]
#[command(
    after_help = "CHECK IT BY VOICE OR IN PERSON. Whoever sits at a stolen device, or has read your letters, can write what the owner \
                  would write. Call the owner at a number that you knew before, or meet; ask what only the two of you know; and \
                  have the number read to you: do not read it out yourself. A yes needs it. A no is final for this request and \
                  takes back a yes of yours. That you are a trustee is known to all from then on.\n\n\
                  Examples:\n  x0 sublime attest bafyrei… yes --number '0123 4567 8901 2345 6789 0123'\n  x0 sublime attest bafyrei… no"
)]
pub(in crate::cli) struct AttestArgs {
    /// The request
    request: ContentId,
    /// Whether it comes from the owner
    says: Says,
    /// The number that the owner has read to you; spaces do not matter
    #[arg(long, value_name = "NUMBER")]
    number: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Says {
    Yes,
    No,
}

/// Finds an item and its trustees.
fn trusted(view: &SublimeView, item: &ContentId) -> Result<(ItemView, TrusteesView), CliError> {
    let name = item.to_string();
    let found = view.items.iter().find(|known| known.item == name);
    let found = found.ok_or_else(|| {
        CliError::Usage(format!(
            "no item {name} is known here: `x0 sublime list` lists those known"
        ))
    })?;
    let terms = found.trustees.clone().ok_or_else(|| {
        CliError::Failed(format!(
            "the item {name} was put without trustees, and gets none afterwards: `x0 sublime request` asks for it by a vote"
        ))
    })?;
    Ok((found.clone(), terms))
}

async fn known(client: &Client) -> Result<Vec<RecoveryView>, CliError> {
    let view: RecoveriesView = client.get("/v1/sublime/recoveries").await?;
    Ok(view.recoveries)
}

async fn find(client: &Client, request: &str) -> Result<RecoveryView, CliError> {
    let mut known = known(client).await?.into_iter();
    let found = known.find(|view| view.request.request == request);
    found.ok_or_else(|| {
        CliError::Failed(format!(
            "no recovery {request} is known here: `x0 sublime recoveries` lists those known"
        ))
    })
}

/// Asks an item's trustees.
pub(super) async fn recover(context: &Context, args: RecoverArgs) -> Result<(), CliError> {
    let client = context.client()?;
    let view: SublimeView = client.get("/v1/sublime").await?;
    let (_, terms) = trusted(&view, &args.item)?;
    let request = ask_for(context, &client, (args.item, &args.why), true).await?;
    let mut view = find(&client, &request).await?;
    if args.wait {
        context.output.note(&format!(
            "request {request}\nRead this number to your trustees: {}",
            view.number
        ));
        while matches!(view.request.standing.as_str(), "undecided" | "passed") {
            sleep(LOOKED_EVERY).await;
            let now = find(&client, &request).await?;
            if (&now.yes, &now.no, now.until_ms) != (&view.yes, &view.no, view.until_ms) {
                context.output.note(&stands(&now));
            }
            view = now;
        }
    }
    context.output.show(&view, |view| {
        let name = &view.request.request;
        format!(
            "request {name}\nnumber  {}\n\nCall your trustees and read them the number; {} of {} must attest: x0 sublime attest {name} yes --number '…'\n\
             {}. Nothing opens for {} after enough have attested, so that it can be stopped where the item was put. Then: \
             x0 sublime get {} --request {name} --out FILE",
            view.number,
            terms.needed,
            terms.trustees,
            stands(view),
            span(terms.wait_secs),
            args.item
        )
    })
}

/// Says how a recovery stands.
fn stands(view: &RecoveryView) -> String {
    let said = format!(
        "{} of {} have said yes, {} no, {} are needed",
        view.yes.len(),
        view.trustees,
        view.no.len(),
        view.needed
    );
    match (view.request.standing.as_str(), view.until_ms) {
        ("undecided", _) => format!("Open: {said}"),
        ("passed", Some(until)) => format!(
            "Attested: {said}; it can be stopped until {} as this node counts",
            date(until)
        ),
        ("granted", _) => format!("Granted: {said}"),
        ("denied", _) if view.revoked => "Denied: the trustees are revoked".to_owned(),
        ("denied", _) => format!("Denied: {said}"),
        (other, _) => format!("{other}: {said}"),
    }
}

/// Lists recoveries, or stops those of an item.
pub(super) async fn recoveries(context: &Context, args: RecoveriesArgs) -> Result<(), CliError> {
    match args.command {
        Some(RecoveriesCommand::Cancel(args)) => cancel(context, args).await,
        None => list(context).await,
    }
}

async fn list(context: &Context) -> Result<(), CliError> {
    let client = context.client()?;
    let view: SublimeView = client.get("/v1/sublime").await?;
    let recoveries = known(&client).await?;
    let mut told = Vec::new();
    for recovery in &recoveries {
        let item = view.items.iter();
        let mut item = item.filter(|item| item.item == recovery.request.item);
        let key = item.next().map(|item| item.key.as_str());
        let path = key.map(|key| trustees_path(context, key)).transpose()?;
        told.push(recovery_text(
            recovery,
            path.is_some_and(|path| path.exists()),
        ));
    }
    context.output.show(&recoveries, |_| match told.is_empty() {
        true => "No recovery is known here: `x0 sublime recover ITEM` asks for one.".to_owned(),
        false => told.join("\n"),
    })
}

fn recovery_text(view: &RecoveryView, is_own: bool) -> String {
    let request = &view.request;
    let mut facts = Facts::default();
    facts
        .add("request", &request.request)
        .add("item", &request.item)
        .add("by", &request.by)
        .add("when", date(request.time_ms))
        .add("why", printable(&request.why))
        .add("stands", stands(view));
    for member in &view.yes {
        facts.add("yes", member);
    }
    for member in &view.no {
        facts.add("no", member);
    }
    let is_open = matches!(request.standing.as_str(), "undecided" | "passed");
    if view.asks_here && is_open {
        facts.add(
            "you",
            format!(
                "are a trustee. Call the owner, have the number read to you, and say: x0 sublime attest {} yes --number '…', or no",
                request.request
            ),
        );
    }
    if is_own && is_open {
        facts.add(
            "yours",
            format!(
                "is the item. If it is not you who asks: x0 sublime recoveries cancel {}",
                request.item
            ),
        );
    }
    facts.text()
}

/// What came of a trustee's word.
#[derive(Serialize)]
struct AttestedView {
    request: String,
    is_owner: bool,
    record: String,
}

/// Says, as a trustee, whether a request comes from the owner.
pub(super) async fn attest(context: &Context, args: AttestArgs) -> Result<(), CliError> {
    let client = context.client()?;
    let request = args.request.to_string();
    let view = find(&client, &request).await?;
    let is_owner = args.says == Says::Yes;
    if is_owner {
        check_number(&view, args.number.as_deref())?;
    }
    let body = AttestBody {
        request: args.request,
        is_owner,
    };
    let written: RecordedView = client.post("/v1/sublime/attestations", &body).await?;
    let attested = AttestedView {
        request,
        is_owner,
        record: written.id,
    };
    context.output.show(&attested, |attested| match attested.is_owner {
        true => "You attest that the request comes from the owner. If you find out that it does not, say so: a no takes this back."
            .to_owned(),
        false => "You say that the request does not come from the owner. That is final for it, and the other trustees see it."
            .to_owned(),
    })
}

/// Checks the number that was read to a trustee.
fn check_number(view: &RecoveryView, read: Option<&str>) -> Result<(), CliError> {
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    let Some(read) = read else {
        return Err(CliError::Usage(format!(
            "{} asks for item {}. Call its owner at a number that you knew before, or meet, and ask for the number that \
             `x0 sublime recover` showed there: it begins with {}. Then say it with --number",
            view.request.by,
            view.request.item,
            view.number.split(' ').next().unwrap_or_default()
        )));
    };
    match digits(read) == digits(&view.number) {
        true => Ok(()),
        false => Err(CliError::Failed(
            "that is not the number of this request: whoever read it to you asks by another one, or it was misheard. Have it \
             read again, and look at `x0 sublime recoveries`"
                .to_owned(),
        )),
    }
}

/// What came of revoking trustees.
#[derive(Serialize)]
struct CancelledView {
    item: String,
    record: String,
}

async fn cancel(context: &Context, args: CancelArgs) -> Result<(), CliError> {
    let client = context.client()?;
    let view: SublimeView = client.get("/v1/sublime").await?;
    let (item, _) = trusted(&view, &args.item)?;
    let path = trustees_path(context, &item.key)?;
    let word = fs::read(&path).map_err(|cause| {
        if cause.kind() != io::ErrorKind::NotFound {
            return on_file(&path, &cause);
        }
        CliError::Failed(format!(
            "{} is not there: only who put the item can revoke its trustees, on the node where it was put",
            path.display()
        ))
    })?;
    let body = RevokeTrusteesBody {
        word: BASE64.encode(&word),
    };
    let written: RecordedView = client.post("/v1/sublime/trustees/revoke", &body).await?;
    let cancelled = CancelledView {
        item: item.item,
        record: written.id,
    };
    context.output.show(&cancelled, |_| {
        "The trustees are revoked: no guardian's node that hears of it releases by their word any more. What was released before \
         stays released."
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::api::sublime::AccessView;

    fn recovery(standing: &str) -> RecoveryView {
        RecoveryView {
            request: AccessView {
                request: "bafyrequest".to_owned(),
                item: "bafyitem".to_owned(),
                by: "x0member".to_owned(),
                why: "I lost my devices".to_owned(),
                time_ms: 0,
                standing: standing.to_owned(),
                by_trustees: true,
            },
            number: "0123 4567 8901 2345 6789 0123".to_owned(),
            trustees: 3,
            needed: 2,
            yes: vec!["x0one".to_owned()],
            no: Vec::new(),
            until_ms: None,
            asks_here: true,
            revoked: false,
        }
    }

    #[test]
    fn a_yes_needs_the_number_that_the_owner_read_out() {
        let view = recovery("undecided");
        let asked = check_number(&view, None).unwrap_err().to_string();
        assert!(
            asked.contains("begins with 0123") && !asked.contains("4567"),
            "{asked}"
        );
        assert!(check_number(&view, Some("0123 4567")).is_err());
        assert!(check_number(&view, Some("0123-45678901 2345 67890123")).is_ok());
    }

    #[test]
    fn a_trustee_and_the_owner_are_told_what_to_do_as_long_as_it_is_open() {
        let open = recovery_text(&recovery("undecided"), true);
        assert!(open.contains("x0 sublime attest bafyrequest"), "{open}");
        assert!(
            open.contains("x0 sublime recoveries cancel bafyitem"),
            "{open}"
        );
        assert!(open.contains("1 of 3 have said yes"), "{open}");
        let over = recovery_text(&recovery("denied"), true);
        assert!(
            !over.contains("attest bafyrequest") && !over.contains("cancel"),
            "{over}"
        );
    }
}
