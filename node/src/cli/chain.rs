//! `x0 chain`: the charter contract on a chain of the EVM. Needs no running node, and asks nobody unless a chain's node
//! is named.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, hex};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    Context,
    chain_act::{PrepareArgs, SignArgs, prepare, sign},
    error::CliError,
    output::{Facts, Table, date},
};
use crate::{
    chain::{
        account::{Account, Limits, Mined},
        act::{ACT_BYTES_MAX, Act},
        charter::{Charter, Head, Standing},
        error::ChainError,
        image::{CharterImage, IMAGE_BYTES_MAX, ListedMetric, NameVerdict},
        rpc::Rpc,
        violation::Violation,
    },
    ethereum_key::EthereumKey,
    web::Web,
};

/// The file of the key, in the data directory.
const KEY_FILE: &str = "chain.key";
/// What may be paid for a gas unless more is allowed, gwei.
const FEE_GWEI_MAX: u64 = 100;

#[derive(Debug, Subcommand)]
pub(super) enum ChainCommand {
    /// Make a key to sign acts and transactions with, and print its address
    #[command(after_help = "Example:\n  x0 chain new-key")]
    NewKey(KeyPlace),
    /// Print the address that the key signs for
    #[command(after_help = "Example:\n  x0 chain address")]
    Address(KeyPlace),
    /// The charter as a contract: whitelist, blocked names, committee and violations, for all to read
    ///
    /// In order: deploy it; prepare an act, let members sign it, submit it. A charter takes two acts, stage and activate, with load between them. All that is there is public and stays for ever.
    #[command(subcommand)]
    Charter(Box<CharterCommand>),
}

#[derive(Debug, Subcommand)]
pub(super) enum CharterCommand {
    /// Put a new contract on the chain, with the committee that decides about it
    #[command(
        after_help = "Example:\n  x0 chain charter deploy --rpc http://127.0.0.1:8545 --members 0xA…,0xB…,0xC… --threshold 2"
    )]
    Deploy {
        /// The addresses of the committee, with commas between
        #[arg(
            long,
            value_delimiter = ',',
            required_unless_present = "code_only",
            value_name = "ADDRESSES"
        )]
        members: Vec<Address>,
        /// How many of them decide: more than half
        #[arg(long, required_unless_present = "code_only", value_name = "K")]
        threshold: Option<u16>,
        /// Put only this version's code there, to upgrade a contract to
        #[arg(long, conflicts_with_all = ["members", "threshold"])]
        code_only: bool,
        #[command(flatten)]
        rpc: RpcPlace,
        #[command(flatten)]
        payer: Payer,
    },
    /// Show which charter is in force, who decides, and what is entered
    #[command(
        after_help = "Example:\n  x0 chain charter status --rpc http://127.0.0.1:8545 --contract 0xC… --violations"
    )]
    Status {
        /// List the register of violations as well
        #[arg(long)]
        violations: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Print the whitelist and the blocked names in force, as JSON that `load` takes
    #[command(
        after_help = "Example:\n  x0 chain charter read --rpc http://127.0.0.1:8545 --contract 0xC… > charter.json"
    )]
    Read(Place),
    /// Ask what the charter in force says of a metric's name
    #[command(
        after_help = "Example:\n  x0 chain charter verdict latency_p99 --rpc http://127.0.0.1:8545 --contract 0xC…"
    )]
    Verdict {
        /// The name, byte for byte
        name: String,
        #[command(flatten)]
        place: Place,
    },
    Prepare(PrepareArgs),
    Sign(SignArgs),
    /// Hand in an act that enough members have signed; anybody may, who pays for it
    #[command(
        after_help = "Example:\n  x0 chain charter submit act-ada.json act-bo.json --rpc http://127.0.0.1:8545"
    )]
    Submit {
        /// The act; several copies, signed by different members, are put together
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        rpc: RpcPlace,
        #[command(flatten)]
        payer: Payer,
    },
    /// Load the whitelist that the committee has staged; anybody may, who pays for it
    ///
    /// The contract takes nothing but what was signed. It goes on where it was left.
    #[command(
        after_help = "Example:\n  x0 chain charter load charter.json --rpc http://127.0.0.1:8545 --contract 0xC…"
    )]
    Load {
        /// The charter's names and rules, as JSON
        image: PathBuf,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        payer: Payer,
    },
}

/// The chain's node. There is no default: whoever is asked learns this machine's address and what it asks.
#[derive(Debug, Args)]
pub(super) struct RpcPlace {
    /// JSON-RPC address of the chain's node: it learns your network address and what you ask; there is no default
    #[arg(long, env = "X0_CHAIN_RPC", value_name = "URL")]
    rpc: String,
    /// The chain that it has to be of
    #[arg(long, value_name = "ID")]
    chain_id: Option<u64>,
}

/// A contract on a chain.
#[derive(Debug, Args)]
pub(super) struct Place {
    #[command(flatten)]
    pub(super) rpc: RpcPlace,
    /// Address of the contract
    #[arg(long, env = "X0_CHARTER_CONTRACT", value_name = "ADDRESS")]
    pub(super) contract: Address,
}

/// The key to sign with.
#[derive(Debug, Args)]
pub(super) struct KeyPlace {
    /// File of the key: 64 hexadecimal digits, readable by its owner only [default: chain.key in the data directory]
    #[arg(long = "key", value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// Who pays, and how much at most.
#[derive(Debug, Args)]
pub(super) struct Payer {
    #[command(flatten)]
    key: KeyPlace,
    /// How much a transaction may use, gas [default: what chains allow]
    #[arg(long, value_name = "GAS")]
    gas: Option<u64>,
    /// What may be paid for a gas, gwei
    #[arg(long, value_name = "GWEI", default_value_t = FEE_GWEI_MAX)]
    fee_max: u64,
}

#[derive(Serialize)]
struct AddressView {
    address: String,
}

#[derive(Serialize)]
struct DeployedView {
    #[serde(skip_serializing_if = "Option::is_none")]
    contract: Option<String>,
    implementation: String,
    gas_used: u64,
}

#[derive(Serialize)]
struct StatusView {
    #[serde(flatten)]
    standing: Standing,
    #[serde(skip_serializing_if = "Option::is_none")]
    register: Option<Vec<Violation>>,
}

#[derive(Serialize)]
struct VerdictView {
    name: String,
    verdict: NameVerdict,
    rule: Option<ListedMetric>,
}

#[derive(Serialize)]
struct SubmittedView {
    done: String,
    transaction: String,
    block: u64,
    gas_used: u64,
}

#[derive(Serialize)]
struct LoadedView {
    number: u64,
    root: String,
    gas_used: u64,
}

pub(super) async fn answer(context: &Context, command: ChainCommand) -> Result<(), CliError> {
    match command {
        ChainCommand::NewKey(place) => {
            let path = place.path(context);
            let key = EthereumKey::create(&path)?;
            context.output.note(&format!(
                "The key is in {}. Whoever has it signs in your place: back it up.",
                path.display()
            ));
            show_address(context, &key)
        }
        ChainCommand::Address(place) => show_address(context, &place.open(context)?),
        ChainCommand::Charter(command) => charter(context, *command).await,
    }
}

async fn charter(context: &Context, command: CharterCommand) -> Result<(), CliError> {
    let web = Web::new()?;
    match command {
        CharterCommand::Deploy {
            members,
            threshold,
            code_only: _,
            rpc,
            payer,
        } => deploy(context, &rpc.open(&web).await?, &payer, &members, threshold).await,
        CharterCommand::Status { violations, place } => {
            let rpc = place.rpc.open(&web).await?;
            status(
                context,
                &Charter::open(&rpc, place.contract).await?,
                violations,
            )
            .await
        }
        CharterCommand::Read(place) => {
            let rpc = place.rpc.open(&web).await?;
            let image = Charter::open(&rpc, place.contract).await?.image().await?;
            let image = image.ok_or_else(|| {
                CliError::Failed(
                    "no charter is in force in this contract yet: prepare, load and activate one"
                        .to_owned(),
                )
            })?;
            let text = serde_json::to_string_pretty(&image);
            let text = text.map_err(|fault| CliError::Failed(fault.to_string()))?;
            context.output.show(&image, |_| text)
        }
        CharterCommand::Verdict { name, place } => {
            let rpc = place.rpc.open(&web).await?;
            verdict(context, &Charter::open(&rpc, place.contract).await?, name).await
        }
        CharterCommand::Prepare(args) => prepare(context, &web, args).await,
        CharterCommand::Sign(args) => sign(context, &args),
        CharterCommand::Submit { files, rpc, payer } => {
            submit(context, &rpc.open(&web).await?, &files, &payer).await
        }
        CharterCommand::Load {
            image,
            place,
            payer,
        } => {
            let image = read_image(&image)?;
            let rpc = place.rpc.open(&web).await?;
            load(context, &rpc, place.contract, &image, &payer).await
        }
    }
}

async fn deploy(
    context: &Context,
    rpc: &Rpc<'_>,
    payer: &Payer,
    members: &[Address],
    threshold: Option<u16>,
) -> Result<(), CliError> {
    let key = payer.key.open(context)?;
    let account = payer.account(rpc, &key);
    let view = match threshold {
        Some(threshold) => {
            let made = Charter::deploy(rpc, &account, members, threshold).await?;
            DeployedView {
                contract: Some(made.charter.to_checksum(None)),
                implementation: made.implementation.to_checksum(None),
                gas_used: made.gas_used,
            }
        }
        None => {
            let made = Charter::deploy_code(rpc, &account).await?;
            DeployedView {
                contract: None,
                implementation: made.receipt.contract.unwrap_or_default().to_checksum(None),
                gas_used: made.receipt.gas_used,
            }
        }
    };
    context.output.show(&view, |view| {
        let mut facts = Facts::default();
        if let Some(contract) = &view.contract {
            facts.add("contract", contract);
        }
        facts
            .add("code", &view.implementation)
            .add("gas used", view.gas_used);
        facts.text()
    })
}

async fn status(
    context: &Context,
    charter: &Charter<'_>,
    with_violations: bool,
) -> Result<(), CliError> {
    let register = match with_violations {
        true => Some(charter.violations().await?),
        false => None,
    };
    let view = StatusView {
        standing: charter.standing().await?,
        register,
    };
    context.output.show(&view, status_text)
}

fn status_text(view: &StatusView) -> String {
    let standing = &view.standing;
    let mut facts = Facts::default();
    facts
        .add(
            "contract",
            format!("{} on chain {}", standing.contract, standing.chain_id),
        )
        .add("code version", standing.code_version)
        .add(
            "as of",
            format!(
                "block {}, {}",
                standing.block,
                date(standing.block_time.saturating_mul(1_000))
            ),
        );
    match &standing.in_force {
        Some(head) => {
            facts
                .add(
                    "in force",
                    format!(
                        "charter {} since {}",
                        head.number,
                        date(head.since.saturating_mul(1_000))
                    ),
                )
                .add(
                    "",
                    format!(
                        "{} metrics listed, {} patterns blocked",
                        head.metrics, head.blocked
                    ),
                )
                .add("", format!("content id {}", head.cid))
                .add("", format!("root {}", head.root));
        }
        None => {
            facts.add("in force", "no charter yet: no name is listed");
        }
    }
    if let Some(head) = &standing.loading {
        facts.add("loading", loading_text(head));
    }
    facts.add(
        "decides",
        format!(
            "{} of {} members",
            standing.threshold,
            standing.members.len()
        ),
    );
    for member in &standing.members {
        facts.add("", member);
    }
    facts
        .add("acts so far", standing.acts)
        .add("violations", standing.violations);
    let mut text = facts.text();
    for violation in view.register.iter().flatten() {
        let mut entry = Facts::default();
        entry
            .add("violation", &violation.id)
            .add(
                "",
                format!("{}, {}", violation.kind, violation.finding.word()),
            )
            .add("", violation.penalty.says())
            .add("", format!("subject {}", violation.subject))
            .add("", format!("evidence {}", violation.evidence))
            .add(
                "",
                format!(
                    "entered {}",
                    date(violation.recorded_at.saturating_mul(1_000))
                ),
            );
        if violation.revised_at > 0 {
            entry.add(
                "",
                format!(
                    "revised {}",
                    date(violation.revised_at.saturating_mul(1_000))
                ),
            );
        }
        text.push('\n');
        text.push_str(&entry.text());
    }
    text
}

fn loading_text(head: &Head) -> String {
    let state = match head.is_complete {
        true => "complete, waits to be activated",
        false => "not complete: run `x0 chain charter load`",
    };
    format!(
        "charter {} with {} metrics so far, {state}",
        head.number, head.metrics
    )
}

async fn verdict(context: &Context, charter: &Charter<'_>, name: String) -> Result<(), CliError> {
    let view = VerdictView {
        verdict: charter.verdict(&name).await?,
        rule: charter.rule(&name).await?,
        name,
    };
    context.output.show(&view, |view| {
        let word = match view.verdict {
            NameVerdict::NotListed => "not listed: it may not be collected",
            NameVerdict::Allowed => "allowed",
            NameVerdict::Blocked => "blocked: it may never be collected",
        };
        let mut table = Table::new(["name", "verdict", "kept", "consent", "cohort"]);
        let rule = view
            .rule
            .as_ref()
            .filter(|_| view.verdict == NameVerdict::Allowed);
        table.row([
            view.name.clone(),
            word.to_owned(),
            rule.map_or_else(String::new, |rule| format!("{} days", rule.retention_days)),
            rule.map_or_else(String::new, |rule| {
                if rule.consent {
                    "asked first"
                } else {
                    "not needed"
                }
                .to_owned()
            }),
            rule.map_or_else(String::new, |rule| format!("{} nodes", rule.cohort_min)),
        ]);
        table.text()
    })
}

async fn submit(
    context: &Context,
    rpc: &Rpc<'_>,
    files: &[PathBuf],
    payer: &Payer,
) -> Result<(), CliError> {
    let mut acts = files.iter().map(|file| read_act(file));
    let Some(first) = acts.next() else {
        return Err(CliError::Usage("name the file of an act".to_owned()));
    };
    let mut act = first?;
    for other in acts {
        act.merge(other?)?;
    }
    rpc.require_chain(act.chain_id).await?;
    let charter = Charter::open(rpc, act.charter).await?;
    let key = payer.key.open(context)?;
    let Mined { hash, receipt } = charter.execute(&payer.account(rpc, &key), &act).await?;
    let view = SubmittedView {
        done: act.says(),
        transaction: hex::encode_prefixed(hash),
        block: receipt.block,
        gas_used: receipt.gas_used,
    };
    context.output.show(&view, |view| {
        let mut facts = Facts::default();
        facts
            .add("done", &view.done)
            .add("transaction", &view.transaction)
            .add("block", view.block)
            .add("gas used", view.gas_used);
        facts.text()
    })
}

async fn load(
    context: &Context,
    rpc: &Rpc<'_>,
    contract: Address,
    image: &CharterImage,
    payer: &Payer,
) -> Result<(), CliError> {
    let charter = Charter::open(rpc, contract).await?;
    let key = payer.key.open(context)?;
    let account = payer.account(rpc, &key);
    let gas_used = charter
        .load(&account, image, |done, all| {
            context
                .output
                .note(&format!("batch {done} of {all} is loaded"));
        })
        .await?;
    let view = LoadedView {
        number: image.number,
        root: hex::encode_prefixed(image.root()),
        gas_used,
    };
    context.output.show(&view, |view| {
        format!(
            "Charter {} is loaded ({} gas). It is in force once the committee activates it.",
            view.number, view.gas_used
        )
    })
}

impl RpcPlace {
    pub(super) async fn open<'a>(&self, web: &'a Web) -> Result<Rpc<'a>, ChainError> {
        let rpc = Rpc::new(web, &self.rpc)?;
        if let Some(wanted) = self.chain_id {
            rpc.require_chain(wanted).await?;
        }
        Ok(rpc)
    }
}

impl KeyPlace {
    fn path(&self, context: &Context) -> PathBuf {
        self.key_file
            .clone()
            .unwrap_or_else(|| context.data_dir.join(KEY_FILE))
    }

    pub(super) fn open(&self, context: &Context) -> Result<EthereumKey, CliError> {
        Ok(EthereumKey::open(&self.path(context))?)
    }
}

impl Payer {
    const fn account<'a>(&self, rpc: &'a Rpc<'a>, key: &'a EthereumKey) -> Account<'a> {
        let limits = Limits {
            gas: self.gas,
            fee_gwei_max: self.fee_max,
        };
        Account::new(rpc, key, limits)
    }
}

fn show_address(context: &Context, key: &EthereumKey) -> Result<(), CliError> {
    let view = AddressView {
        address: key.address().to_checksum(None),
    };
    context.output.show(&view, |view| view.address.clone())
}

/// Reads the image of a charter from a file.
pub(super) fn read_image(file: &Path) -> Result<CharterImage, CliError> {
    Ok(CharterImage::from_json(&read(file, IMAGE_BYTES_MAX)?)?)
}

/// Reads an act from a file.
pub(super) fn read_act(file: &Path) -> Result<Act, CliError> {
    Ok(Act::from_json(&read(file, ACT_BYTES_MAX)?)?)
}

fn read(file: &Path, bytes_max: u64) -> Result<Vec<u8>, CliError> {
    let failed =
        |cause: String| CliError::Usage(format!("{} cannot be read: {cause}", file.display()));
    let mut bytes = Vec::new();
    fs::File::open(file)
        .and_then(|opened| opened.take(bytes_max + 1).read_to_end(&mut bytes))
        .map_err(|cause| failed(cause.to_string()))?;
    match bytes.len() as u64 > bytes_max {
        true => Err(failed(format!("it has more than {bytes_max} bytes"))),
        false => Ok(bytes),
    }
}
