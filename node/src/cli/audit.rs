//! `x0 audit`: the node's own audit log, the mesh's public log, and proofs that entries stand in them.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::{ArgGroup, Args, Subcommand};
use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{spine::public_log::proof::KnownLog, wire::PublicHead};

use super::{
    Context,
    error::CliError,
    output::{Facts, Table, date},
};
use crate::api::{
    proofs::{PROOF_BYTES_MAX, ProofCheckView, ProofView, hash},
    public::PublicPageView,
    view::{AuditPage, AuditVerifyView},
};

/// Entries of the public log that are asked for at a time.
const PAGE: u64 = 256;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Show entries of the log, oldest first
    #[command(after_help = "Example:\n  x0 audit show --from 0 --limit 20")]
    Show {
        /// Start at this entry; without it, show the newest
        #[arg(long, value_name = "N")]
        from: Option<u64>,
        /// Show at most so many, up to 1000
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
    },
    Verify(VerifyArgs),
    Prove(ProveArgs),
    /// Read the public log of the mesh: what is to be seen by all, for good
    #[command(subcommand)]
    Public(PublicCommand),
}

/// Check this node's whole log, or a proof that somebody wrote
#[derive(Debug, Args)]
#[command(
    after_help = "Without a file the log is read from disk, hashed anew, and compared with the head the node speaks for. A \
                  proof is checked offline: one of the public log rests on the mesh's id, one of a node's log on the \
                  node's key. Ends with exit code 1 if anything does not hold.\n\n\
                  Examples:\n  x0 audit verify\n  x0 audit verify proof.json --mesh bafyrei…\n  \
                  x0 audit verify proof.json --node 12D3KooW… --head 17:5f3a…"
)]
pub(super) struct VerifyArgs {
    /// A proof that `x0 audit prove` wrote
    file: Option<PathBuf>,
    /// The mesh that it must be of, by its id
    #[arg(long, value_name = "ID", requires = "file")]
    mesh: Option<ContentId>,
    /// The node whose log it must be of
    #[arg(long, value_name = "KEY", requires = "file")]
    node: Option<PublicKey>,
    /// A head seen before, which the log must go on from: entries and root
    #[arg(long, value_name = "SIZE:ROOT", requires = "file")]
    head: Option<Head>,
}

/// Prove to others that an entry stands in a log
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("which").required(true).args(["entry", "public"])),
    after_help = "The proof stands by itself: the entry, the way to the root, the signed head, and for the public log \
                  what names the committee's keys. docs/audit.md describes it; `x0 audit verify FILE` checks it.\n\n\
                  Examples:\n  x0 audit prove 17 --out proof.json\n  x0 audit prove --public 4 --since 2"
)]
pub(super) struct ProveArgs {
    /// An entry of this node's own log, by its place
    entry: Option<u64>,
    /// An entry of the public log, by its place
    #[arg(long, value_name = "N")]
    public: Option<u64>,
    /// Show as well that the log goes on from a head of so many entries
    #[arg(long, value_name = "SIZE")]
    since: Option<u64>,
    /// Write it to this new file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum PublicCommand {
    /// Show entries, oldest first
    #[command(after_help = "Example:\n  x0 audit public list --from 0 --limit 20")]
    List {
        /// Start at this entry
        #[arg(long, value_name = "N", default_value_t = 0)]
        from: u64,
        /// Show at most so many, up to 256
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
    },
    /// Print the whole log as one JSON object a line, with every field
    #[command(after_help = "Example:\n  x0 audit public export > public-log.jsonl")]
    Export,
}

/// A head of a log as it is written on the command line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head(PublicHead);

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((size, root)) = text.split_once(':') else {
            return Err("write the number of entries, a colon and the root: 17:5f3a…".to_owned());
        };
        let size = size
            .parse()
            .map_err(|_| format!("{size:?} is no number of entries"))?;
        let root = hash(root)?;
        Ok(Self(PublicHead { size, root }))
    }
}

/// Answers a command about logs.
pub(super) async fn answer(context: &Context, command: AuditCommand) -> Result<(), CliError> {
    match command {
        AuditCommand::Show { from, limit } => show(context, from, limit).await,
        AuditCommand::Verify(args) => match &args.file {
            Some(file) => check(context, file, &args),
            None => verify(context).await,
        },
        AuditCommand::Prove(args) => prove(context, args).await,
        AuditCommand::Public(PublicCommand::List { from, limit }) => {
            list(context, from, limit).await
        }
        AuditCommand::Public(PublicCommand::Export) => export(context).await,
    }
}

async fn show(context: &Context, from: Option<u64>, limit: u32) -> Result<(), CliError> {
    let from = from.map(|from| format!("&from={from}")).unwrap_or_default();
    let path = format!("/v1/audit?limit={limit}{from}");
    let page: AuditPage = context.client()?.get(&path).await?;
    context.output.show(&page, |page| {
        let mut table = Table::new(["entry", "time", "what", "who", "words"]);
        for entry in &page.entries {
            table.row([
                entry.index.to_string(),
                date(entry.time_ms),
                entry.what.clone(),
                entry.who.clone().unwrap_or_default(),
                entry.words.clone(),
            ]);
        }
        if table.is_empty() {
            return format!("No entries here; the log has {}.", page.size);
        }
        table.text()
    })
}

async fn verify(context: &Context) -> Result<(), CliError> {
    let found: AuditVerifyView = context.client()?.get("/v1/audit/verify").await?;
    context.output.show(&found, |found| {
        let mut facts = Facts::default();
        facts
            .add("log", if found.intact { "intact" } else { "NOT INTACT" })
            .add(
                "entries",
                format!("{} on disk, {} spoken for", found.entries, found.size),
            )
            .add("computed root", &found.computed_root)
            .add("root", &found.root)
            .add("witnesses", found.witnesses)
            .add(
                "countersigned",
                match found.countersigned {
                    Some(by) => format!("{} entries, {by}", found.countersigned_size),
                    None => "not yet".to_owned(),
                },
            );
        format!("{}{}", facts.text(), found.words)
    })?;
    if found.intact {
        Ok(())
    } else {
        Err(CliError::Said)
    }
}

async fn prove(context: &Context, args: ProveArgs) -> Result<(), CliError> {
    let since = args.since.map(|since| format!("?since={since}"));
    let since = since.unwrap_or_default();
    let path = match (args.entry, args.public) {
        (Some(entry), _) => format!("/v1/audit/{entry}/proof{since}"),
        (None, Some(entry)) => format!("/v1/public-log/{entry}/proof{since}"),
        (None, None) => return Err(CliError::Usage("give an entry, or --public N".to_owned())),
    };
    let proof: ProofView = context.client()?.get(&path).await?;
    let text = proof.text().map_err(CliError::Failed)?;
    let Some(file) = args.out else {
        return context.output.raw(&text);
    };
    let written = fs::File::create_new(&file)
        .and_then(|mut out| out.write_all(text.as_bytes()).and_then(|()| out.sync_all()));
    written.map_err(|cause| {
        CliError::Failed(format!(
            "{} cannot be written ({cause}): name another new file",
            file.display()
        ))
    })?;
    context.output.note(&format!(
        "{} proves entry {} of {}.",
        file.display(),
        proof.index,
        proof.size
    ));
    context.output.show(&proof, |proof| proof.words.clone())
}

/// Checks a proof offline.
fn check(context: &Context, file: &Path, args: &VerifyArgs) -> Result<(), CliError> {
    let mut bytes = Vec::new();
    let most = PROOF_BYTES_MAX as u64 + 1;
    let read = fs::File::open(file).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(|cause| {
        CliError::Failed(format!(
            "{} cannot be read ({cause}): name a file that `x0 audit prove` wrote",
            file.display()
        ))
    })?;
    let proof = ProofView::read(&bytes).map_err(|why| {
        CliError::Failed(format!(
            "{} is no proof that `x0 audit prove` wrote: {why}",
            file.display()
        ))
    })?;
    let known = KnownLog {
        mesh: args.mesh,
        node: args.node,
        head: args.head.map(|head| head.0),
    };
    let checked = proof.checked(proof.check(&known));
    context
        .output
        .show(&checked, |checked| check_text(checked, args))?;
    match checked.holds {
        true => Ok(()),
        false => Err(CliError::Said),
    }
}

fn check_text(checked: &ProofCheckView, args: &VerifyArgs) -> String {
    if let Some(why) = &checked.why {
        return format!("THE PROOF DOES NOT HOLD: {why}\nBelieve nothing in it.\n");
    }
    let mut facts = Facts::default();
    facts
        .add("proof", "holds")
        .add("entry", format!("{} of {}", checked.index, checked.size))
        .add("says", &checked.words)
        .add("root", &checked.root);
    match &checked.node {
        Some(node) => facts.add("rests on the key of", node),
        None => facts.add("rests on the mesh", &checked.mesh),
    };
    if checked.node.is_some() {
        let by = match checked.countersigned {
            Some(by) => by.to_string(),
            None => "by nobody: its author may have shown others another log".to_owned(),
        };
        facts.add("head countersigned", by);
    }
    if checked.follows_known {
        facts.add("earlier head", "the log goes on from it");
    }
    let mut text = facts.text();
    let named = match &checked.node {
        Some(_) => args.node.is_some(),
        None => args.mesh.is_some(),
    };
    if !named {
        text.push_str(
            "Compare that with what you know, or name it: --mesh ID for the public log, --node KEY for a node's.\n",
        );
    }
    text
}

async fn page(context: &Context, from: u64, limit: u64) -> Result<PublicPageView, CliError> {
    let path = format!("/v1/public-log?from={from}&limit={limit}");
    context.client()?.get(&path).await
}

async fn list(context: &Context, from: u64, limit: u32) -> Result<(), CliError> {
    let page = page(context, from, limit.into()).await?;
    context.output.show(&page, |page| {
        let mut table = Table::new(["entry", "mesh time", "what", "words"]);
        for entry in &page.entries {
            table.row([
                entry.index.to_string(),
                date(entry.time_ms),
                entry.what.clone(),
                entry.words.clone(),
            ]);
        }
        if table.is_empty() {
            return format!("No entries here; the public log has {}.", page.size);
        }
        table.text()
    })
}

async fn export(context: &Context) -> Result<(), CliError> {
    let mut from = 0;
    loop {
        let page = page(context, from, PAGE).await?;
        let mut lines = String::new();
        for entry in &page.entries {
            let line = serde_json::to_string(entry);
            lines.push_str(&line.map_err(|fault| CliError::Failed(fault.to_string()))?);
            lines.push('\n');
        }
        if !lines.is_empty() {
            context.output.raw(&lines)?;
        }
        from += page.entries.len() as u64;
        if page.entries.is_empty() || from >= page.size {
            return Ok(());
        }
    }
}
