//! `x0 chain charter prepare` and `sign`: what a committee decides, as a file that its members sign.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy_primitives::Address;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;

use super::{
    Context,
    args::Span,
    chain::{KeyPlace, Place, read_act, read_image},
    error::CliError,
    output::printable,
};
use crate::{
    chain::{
        act::{Act, Decision},
        charter::Charter,
        violation::{Finding, Penalty, Violation},
    },
    web::Web,
};

/// Write down an act of the committee, for its members to sign
#[derive(Debug, Args)]
#[command(
    after_help = "The act holds for this contract, until the deadline, as the next one that is carried out: another act that comes first makes it void. To sign two at once, prepare the second with --nonce one higher.\n\nExample:\n  x0 chain charter prepare --rpc http://127.0.0.1:8545 --contract 0xC… --out stage.json stage charter.json"
)]
pub(super) struct PrepareArgs {
    #[command(flatten)]
    place: Place,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How long it can be handed in, by the chain's clock
    #[arg(long, default_value = "72h")]
    window: Span,
    /// Its number [default: the next]
    #[arg(long)]
    nonce: Option<u64>,
    #[command(subcommand)]
    decision: DecisionCommand,
}

#[derive(Debug, Subcommand)]
enum DecisionCommand {
    /// Begin to load a charter
    #[command(
        after_help = "Example:\n  x0 chain charter prepare … --out stage.json stage charter.json"
    )]
    Stage {
        /// The charter's names and rules, as JSON
        image: PathBuf,
    },
    /// Put a loaded charter in force, all of it at once
    #[command(
        after_help = "Example:\n  x0 chain charter prepare … --out activate.json activate charter.json"
    )]
    Activate {
        /// The charter's names and rules, as JSON
        image: PathBuf,
    },
    /// Pass to another committee
    #[command(
        after_help = "Example:\n  x0 chain charter prepare … --out heirs.json committee --members 0xA…,0xB…,0xD… --threshold 2"
    )]
    Committee {
        /// The addresses of its members, with commas between
        #[arg(long, value_delimiter = ',', required = true, value_name = "ADDRESSES")]
        members: Vec<Address>,
        /// How many of them decide: more than half
        #[arg(long, value_name = "K")]
        threshold: u16,
    },
    /// Enter a violation: public, and for ever
    #[command(
        after_help = "Nothing personal belongs there. Make the subject a hash of the person's or node's name with a random salt, and keep the salt with the evidence: once it is deleted, the entry leads to nobody.\n\nExample:\n  x0 chain charter prepare … --out entry.json violation --id 0x… --subject 0x… --kind silent-collection \\\n      --evidence bafy… --finding founded --ban-days 365 --fine 100000"
    )]
    Violation {
        /// Its name: 32 bytes in hexadecimal
        #[arg(long, value_name = "HASH")]
        id: String,
        /// Salted hash of who it was: 32 bytes in hexadecimal
        #[arg(long, value_name = "HASH")]
        subject: String,
        /// Its kind: a word of a to z and -
        #[arg(long)]
        kind: String,
        #[command(flatten)]
        found: Found,
    },
    /// Revise what was found, on new evidence
    #[command(
        after_help = "Example:\n  x0 chain charter prepare … --out revision.json revise --id 0x… --evidence bafy… --finding overturned"
    )]
    Revise {
        /// Which violation
        #[arg(long, value_name = "HASH")]
        id: String,
        #[command(flatten)]
        found: Found,
    },
    /// Replace the contract's code, which can then change everything
    #[command(
        after_help = "Example:\n  x0 chain charter prepare … --out upgrade.json upgrade 0xI…   (of `deploy --code-only`)"
    )]
    Upgrade {
        /// Where the new code is
        implementation: Address,
        /// What it is called with at once, in hexadecimal
        #[arg(long, default_value = "", value_name = "HEX")]
        data: String,
    },
}

/// What was found, and what follows.
#[derive(Debug, Args)]
struct Found {
    /// Content id of the evidence, which is kept elsewhere
    #[arg(long, value_name = "CID")]
    evidence: String,
    /// What was found
    #[arg(long)]
    finding: Finding,
    /// How long the subject is kept out
    #[arg(long, default_value_t = 0, value_name = "DAYS")]
    ban_days: u32,
    /// How long it stays under watch afterwards
    #[arg(long, default_value_t = 0, value_name = "DAYS")]
    probation_days: u32,
    /// What it owes, whole x0
    #[arg(long, default_value_t = 0, value_name = "X0")]
    fine: u64,
    /// Keep it out for ever
    #[arg(long)]
    removal: bool,
    /// Let it delete what it took
    #[arg(long)]
    deletion: bool,
    /// Name it to the public
    #[arg(long)]
    referral: bool,
}

/// Sign an act that was prepared, or look at it
#[derive(Debug, Args)]
#[command(
    after_help = "Needs no network. What a charter's hash stands for is checked with --image.\n\nExamples:\n  x0 chain charter sign stage.json --image charter.json\n  x0 chain charter sign heirs.json --show\n  x0 chain charter sign heirs.json --signature 0x…   (made by a wallet from the typed data in the file)"
)]
pub(super) struct SignArgs {
    /// The act; the signature is written into it
    file: PathBuf,
    /// The charter's names and rules: sign only if the act is about this very charter
    #[arg(long)]
    image: Option<PathBuf>,
    /// Show what it says and who has signed, and sign nothing
    #[arg(long)]
    show: bool,
    /// A signature that was made elsewhere, in place of one by the key
    #[arg(long, value_name = "HEX", conflicts_with_all = ["show", "key_file"])]
    signature: Option<String>,
    #[command(flatten)]
    key: KeyPlace,
}

#[derive(Serialize)]
struct ActView {
    says: String,
    deadline: u64,
    signers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    typed_data: Option<Value>,
}

pub(super) async fn prepare(
    context: &Context,
    web: &Web,
    args: PrepareArgs,
) -> Result<(), CliError> {
    let decision = args.decision.read()?;
    let rpc = args.place.rpc.open(web).await?;
    let charter = Charter::open(&rpc, args.place.contract).await?;
    let standing = charter.standing().await?;
    let nonce = args.nonce.unwrap_or(standing.acts);
    let deadline = standing.block_time.saturating_add(args.window.secs);
    let act = Act::new(
        standing.chain_id,
        charter.address(),
        nonce,
        deadline,
        decision,
    )?;
    write(&args.out, &act)?;
    let view = ActView {
        typed_data: Some(act.typed_data()),
        ..view(&act)
    };
    context.output.show(&view, |view| {
        format!(
            "{}\n{} of {} members have to sign {}: x0 chain charter sign {}",
            view.says,
            standing.threshold,
            standing.members.len(),
            args.out.display(),
            args.out.display()
        )
    })
}

pub(super) fn sign(context: &Context, args: &SignArgs) -> Result<(), CliError> {
    let mut act = read_act(&args.file)?;
    if let Some(image) = &args.image {
        let image = read_image(image)?;
        if act.decision != Decision::stage(&image) && act.decision != Decision::activate(&image) {
            return Err(CliError::Failed(format!(
                "nothing was signed: the act is about something else than this charter. It says: {}",
                printable(&act.says())
            )));
        }
    }
    if !args.show {
        match &args.signature {
            Some(signature) => act.add(signature)?,
            None => act.sign(&args.key.open(context)?)?,
        }
        write(&args.file, &act)?;
    }
    context.output.show(&view(&act), |view| {
        format!(
            "{}\nsigned by: {}",
            printable(&view.says),
            match view.signers.is_empty() {
                true => "nobody yet".to_owned(),
                false => view.signers.join(", "),
            }
        )
    })
}

fn view(act: &Act) -> ActView {
    ActView {
        says: act.says(),
        deadline: act.deadline,
        signers: act
            .signers()
            .iter()
            .map(|signer| signer.to_checksum(None))
            .collect(),
        typed_data: None,
    }
}

fn write(file: &Path, act: &Act) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(&act.to_json());
    let text = text.map_err(|fault| CliError::Failed(fault.to_string()))?;
    fs::write(file, format!("{text}\n"))
        .map_err(|cause| CliError::Failed(format!("{} cannot be written: {cause}", file.display())))
}

impl DecisionCommand {
    fn read(self) -> Result<Decision, CliError> {
        Ok(match self {
            Self::Stage { image } => Decision::stage(&read_image(&image)?),
            Self::Activate { image } => Decision::activate(&read_image(&image)?),
            Self::Committee { members, threshold } => Decision::Committee { members, threshold },
            Self::Violation {
                id,
                subject,
                kind,
                found,
            } => Decision::Violation(Box::new(Violation {
                id,
                penalty: found.penalty(),
                evidence: found.evidence,
                kind,
                subject,
                finding: found.finding,
                recorded_at: 0,
                revised_at: 0,
            })),
            Self::Revise { id, found } => Decision::Revise {
                id,
                penalty: found.penalty(),
                evidence: found.evidence,
                finding: found.finding,
            },
            Self::Upgrade {
                implementation,
                data,
            } => {
                let data = alloy_primitives::hex::decode(&data).map_err(|fault| {
                    CliError::Usage(format!("--data is to be hexadecimal digits: {fault}"))
                })?;
                Decision::Upgrade {
                    implementation,
                    data: data.into(),
                }
            }
        })
    }
}

impl Found {
    const fn penalty(&self) -> Penalty {
        Penalty {
            ban_days: self.ban_days,
            probation_days: self.probation_days,
            fine: self.fine,
            removal: self.removal,
            deletion: self.deletion,
            referral: self.referral,
        }
    }
}
