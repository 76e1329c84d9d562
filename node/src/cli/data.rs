//! `x0 data`: what this node holds about somebody, taken along or erased.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use x0_crypto::{ContentId, PublicKey};

use super::{
    Context,
    error::CliError,
    membership::is_meant,
    output::{Facts, Table, date},
    status::all_members,
};
use crate::{
    api::{
        capability_view::now_secs,
        data::{BlockLine, BlocksPage, DataPage, EraseBody, ErasureView},
        view::{AuditEntryView, AuditPage, RecordedView, StatusView},
    },
    data::pack::{self, Chain, Manifest, Packing, RecordLine},
};

/// Entries of the audit log read at a time.
const AUDIT_PAGE: u64 = 1_000;

#[derive(Debug, Subcommand)]
pub(super) enum DataCommand {
    /// Show what this node holds about a key, by kind, and what of it can be erased
    #[command(after_help = "Example:\n  x0 data show")]
    Show {
        /// Whose [default: this node's]
        #[arg(long, value_name = "KEY")]
        about: Option<PublicKey>,
    },
    Export(ExportArgs),
    /// Check an export: its files, signatures and chain, without a node
    #[command(after_help = "Example:\n  x0 data check my-data")]
    Check {
        /// The folder
        dir: PathBuf,
    },
    Erase(EraseArgs),
    /// Show what this node had erased, and which nodes have shown that they complied
    #[command(after_help = "Example:\n  x0 data erasures")]
    Erasures,
}

/// Write all that this node holds about a key into a new folder, in open formats
#[derive(Debug, Args)]
#[command(
    after_help = "Records are written as they travel and in DAG-JSON, with a manifest that names every file.\n\
                  The chain of own records shows by itself that none is missing. What the export does not\n\
                  hold, and who does, stands in the manifest.\n\n\
                  Examples:\n  x0 data export my-data\n  x0 data check my-data"
)]
pub(super) struct ExportArgs {
    /// The folder to make
    dir: PathBuf,
    /// Whose [default: this node's]
    #[arg(long, value_name = "KEY")]
    about: Option<PublicKey>,
}

/// Have what this node's records say erased at every node; this cannot be undone
#[derive(Debug, Args)]
#[command(
    after_help = "Acts (30 minutes after they were written) and published tokens can be erased. What the mesh\n\
                  follows from, as who is a member, stays; so do copies that somebody made, and what alerts\n\
                  hold as evidence. Of an erased record stay its header and signature, which do not tell\n\
                  what it said.\n\n\
                  Examples:\n  x0 data erase bafyrei…\n  x0 data erase --all\n  x0 data erasures"
)]
pub(super) struct EraseArgs {
    /// The records
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    records: Vec<ContentId>,
    /// All that can be erased
    #[arg(long)]
    all: bool,
    /// Do not ask whether you mean it
    #[arg(long)]
    yes: bool,
}

/// Answers a command about data.
pub(super) async fn answer(context: &Context, command: DataCommand) -> Result<(), CliError> {
    match command {
        DataCommand::Show { about } => show(context, about).await,
        DataCommand::Export(args) => export(context, &args).await,
        DataCommand::Check { dir } => check(context, &dir),
        DataCommand::Erase(args) => erase(context, args).await,
        DataCommand::Erasures => erasures(context).await,
    }
}

async fn show(context: &Context, about: Option<PublicKey>) -> Result<(), CliError> {
    let about = whose(context, about).await?;
    let records = records(context, &about).await?;
    context.output.show(&records, |records| {
        let mut table = Table::new(["record", "written", "by", "what", "can be erased"]);
        for line in records {
            let erased = match (line.erased_by, line.erasable && line.author == about) {
                (Some(_), _) => "is erased",
                (None, true) => "yes",
                (None, false) => "no",
            };
            let by = match line.author == about {
                true => "itself".to_owned(),
                false => line.author.to_string(),
            };
            table.row([
                line.id.to_string(),
                date(line.time_ms),
                by,
                line.kind.clone(),
                erased.to_owned(),
            ]);
        }
        if table.is_empty() {
            return format!("This node holds no record by or about {about}.");
        }
        table.text()
    })
}

async fn export(context: &Context, args: &ExportArgs) -> Result<(), CliError> {
    let status: StatusView = context.client()?.get("/v1/status").await?;
    let about = whose(context, args.about).await?;
    let is_own = about.to_string() == status.node;
    context
        .output
        .note(&format!("Looking through {} records", status.records));
    let records = records(context, &about).await?;
    let chain = pack::chain(&about, &records)?;
    let mut packing = Packing::begin(&args.dir)?;
    packing.file(
        pack::RECORDS,
        "records that the key wrote, or that name it",
        &records,
    )?;
    let entries = audit_entries(context, &about).await?;
    packing.file(
        "audit.jsonl",
        "entries of this node's audit log that name the key",
        &entries,
    )?;
    let blocks = blocks(context, &about).await?;
    packing.file(
        "blocks.jsonl",
        "blocks of the committee log that name the key",
        &blocks,
    )?;
    let text = about.to_string();
    let members = all_members(context).await?.into_iter();
    let members = members.map(|member| json!(member));
    let member: Vec<_> = members.filter(|it| names(it, &text)).collect();
    packing.file(
        "members.jsonl",
        "what follows of memberships that name the key",
        &member,
    )?;
    let erasures: Vec<ErasureView> = match is_own {
        true => context.client()?.get("/v1/data/erasures").await?,
        false => Vec::new(),
    };
    let receipts: Vec<_> = erasures.iter().flat_map(|it| it.receipts.clone()).collect();
    packing.file(
        pack::RECEIPTS,
        "proofs of nodes that erased what the key asked for",
        &receipts,
    )?;
    if is_own {
        for (name, what, path) in OWN {
            let found: Value = context.client()?.get(path).await?;
            packing.file(name, what, &[found])?;
        }
    }
    let manifest = packing.end(Manifest {
        version: pack::VERSION,
        mesh: status.mesh,
        about,
        node: status.node,
        time_ms: now_secs() * 1_000,
        checkpoint: status.trust.height,
        chain,
        files: Vec::new(),
        not_held: not_held(is_own),
    })?;
    told(context, &args.dir, &manifest)
}

/// What only the own node knows of itself: file, what it holds, where it is read.
const OWN: [(&str, &str, &str); 5] = [
    (
        "votes.jsonl",
        "votes known here, with this node's own ballots",
        "/v1/votes",
    ),
    (
        "proposals.jsonl",
        "this node's acts on their way",
        "/v1/proposals",
    ),
    (
        "consents.jsonl",
        "what this node was asked to agree to",
        "/v1/consents",
    ),
    (
        "capabilities.jsonl",
        "tokens known here",
        "/v1/capabilities",
    ),
    (
        "policies.jsonl",
        "settings of the mesh in force here",
        "/v1/policies",
    ),
];

fn not_held(is_own: bool) -> Vec<String> {
    let mut words = vec![
        "What other nodes wrote about the key into their own audit logs: each tells its own, to whoever may ask.".to_owned(),
        "Ballots: the seats keep them, and everybody may count them again (`x0 vote recount`); sealed ones nobody can read \
         but the committee as a whole."
            .to_owned(),
        "Copies that somebody made outside the mesh.".to_owned(),
        "The identity file and its passphrase, which no program hands out: back up the data directory.".to_owned(),
    ];
    if !is_own {
        words.push("What the key's own node alone knows of it: export there.".to_owned());
    }
    words
}

fn check(context: &Context, dir: &Path) -> Result<(), CliError> {
    let manifest = pack::check(dir)?;
    told(context, dir, &manifest)
}

fn told(context: &Context, dir: &Path, manifest: &Manifest) -> Result<(), CliError> {
    context.output.show(manifest, |manifest| {
        let Chain {
            records,
            erased,
            gaps,
            ..
        } = &manifest.chain;
        let mut facts = Facts::default();
        facts
            .add("folder", dir.display())
            .add("about", manifest.about)
            .add("mesh", &manifest.mesh)
            .add(
                "as of",
                match manifest.checkpoint {
                    Some(height) => format!("checkpoint {height}, {}", date(manifest.time_ms)),
                    None => format!(
                        "{}; the mesh has certified nothing yet",
                        date(manifest.time_ms)
                    ),
                },
            )
            .add(
                "own records",
                format!("{records}, of {erased} what they said is erased"),
            )
            .add(
                "complete",
                match gaps.is_empty() {
                    true => {
                        "yes: each record names the one before it, down to the first".to_owned()
                    }
                    false => format!("NO: {} places of the chain are missing", gaps.len()),
                },
            );
        let mut files = Table::new(["file", "lines", "what"]);
        for file in &manifest.files {
            files.row([file.name.clone(), file.lines.to_string(), file.what.clone()]);
        }
        let mut text = format!("{}{}Not in it:\n", facts.text(), files.text());
        for words in &manifest.not_held {
            text.push_str(&format!("- {words}\n"));
        }
        text
    })?;
    match manifest.chain.is_complete() {
        true => Ok(()),
        false => Err(CliError::Said),
    }
}

async fn erase(context: &Context, args: EraseArgs) -> Result<(), CliError> {
    let client = context.client()?;
    let about = whose(context, None).await?;
    let what = match args.all {
        true => {
            let records = records(context, &about).await?;
            let all = records
                .iter()
                .filter(|it| it.erasable && it.author == about);
            format!(
                "all {} records of this node that can be erased",
                all.count()
            )
        }
        false => format!("{} records of this node", args.records.len()),
    };
    let question = format!("Have what {what} say erased at every node, for good?");
    if !args.yes && !is_meant(context, &question)? {
        return Err(CliError::Failed("nothing was done".to_owned()));
    }
    let body = EraseBody {
        records: (!args.all).then_some(args.records),
    };
    let asked: RecordedView = client.post("/v1/data/erase", &body).await?;
    context.output.show(&asked, |asked| {
        format!(
            "Erased here, and asked of every node: {}.\n`x0 data erasures` shows who has complied.",
            asked.id
        )
    })
}

async fn erasures(context: &Context) -> Result<(), CliError> {
    let erasures: Vec<ErasureView> = context.client()?.get("/v1/data/erasures").await?;
    context.output.show(&erasures, |erasures| {
        let mut table = Table::new(["erasure", "asked", "records", "shown by", "all by"]);
        for erasure in erasures {
            let shown = format!("{} of {} other nodes", erasure.receipts.len(), erasure.others);
            table.row([
                erasure.id.clone(),
                date(erasure.time_ms),
                erasure.covered.to_string(),
                shown,
                date(erasure.until_ms),
            ]);
        }
        if table.is_empty() {
            return "This node has not asked for any erasure.".to_owned();
        }
        format!(
            "{}A node that has shown it holds the bodies no more, as far as its signed audit log goes; this node asks those \
             that it is linked to. What somebody copied before is beyond any proof.",
            table.text()
        )
    })
}

async fn whose(context: &Context, about: Option<PublicKey>) -> Result<PublicKey, CliError> {
    if let Some(about) = about {
        return Ok(about);
    }
    let status: StatusView = context.client()?.get("/v1/status").await?;
    let own = status.node.parse();
    own.map_err(|fault| CliError::BadAnswer(format!("its key is none: {fault}")))
}

async fn records(context: &Context, about: &PublicKey) -> Result<Vec<RecordLine>, CliError> {
    let client = context.client()?;
    let mut records = Vec::new();
    let mut next = None::<ContentId>;
    loop {
        let after = next
            .map(|next| format!("&after={next}"))
            .unwrap_or_default();
        let path = format!("/v1/data/records?about={about}{after}");
        let page: DataPage = client.get(&path).await?;
        records.extend(page.records);
        next = page.next;
        if next.is_none() {
            records.sort_by_key(|line| (line.time_ms, line.author, line.seq));
            return Ok(records);
        }
    }
}

async fn blocks(context: &Context, about: &PublicKey) -> Result<Vec<BlockLine>, CliError> {
    let client = context.client()?;
    let mut blocks = Vec::new();
    let mut next = None::<u64>;
    loop {
        let from = next.map(|from| format!("&from={from}")).unwrap_or_default();
        let path = format!("/v1/data/blocks?about={about}{from}");
        let page: BlocksPage = client.get(&path).await?;
        blocks.extend(page.blocks);
        next = page.next;
        if next.is_none() {
            return Ok(blocks);
        }
    }
}

async fn audit_entries(
    context: &Context,
    about: &PublicKey,
) -> Result<Vec<AuditEntryView>, CliError> {
    let client = context.client()?;
    let (mut entries, mut from, text) = (Vec::new(), 0, about.to_string());
    loop {
        let path = format!("/v1/audit?from={from}&limit={AUDIT_PAGE}");
        let page: AuditPage = client.get(&path).await?;
        let count = page.entries.len() as u64;
        let named = page.entries.into_iter();
        entries
            .extend(named.filter(|entry| {
                entry.who.as_deref() == Some(&text) || entry.words.contains(&text)
            }));
        from += count;
        if count == 0 || from >= page.size {
            return Ok(entries);
        }
    }
}

/// Tells whether a value names somebody anywhere.
fn names(value: &Value, text: &str) -> bool {
    match value {
        Value::String(said) => said.contains(text),
        Value::Array(items) => items.iter().any(|item| names(item, text)),
        Value::Object(fields) => fields.values().any(|field| names(field, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
