//! `x0 identity`: the key that this node is.
//!
//! Passphrases are given as `x0 run --help` says, or are asked for. A running node keeps the identity it was
//! started with, so commands that exchange it want the node stopped, or stop it themselves.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use serde_json::json;
use x0_protocol::wire::Region;

use super::{Context, error::CliError, membership, output::Facts, passphrase, rotate};
use crate::{
    api::view::{DoneView, RecordedView, StatusView},
    identity::{self, Replace},
    runtime::{founder::FounderWord, genesis},
    standby, store,
};

#[derive(Debug, Subcommand)]
pub(super) enum IdentityCommand {
    /// Show whose identity this is
    #[command(after_help = "Example:\n  x0 identity show")]
    Show,
    /// Print the word by which somebody else names this node as a founder of a mesh
    #[command(
        after_help = "Hand it to the one who runs `x0 genesis --founder WORD`; it holds no secret. Then enter by\n\
                      `x0 join` with any invite of that mesh.\n\n\
                      Example:\n  x0 identity founder --region north"
    )]
    Founder {
        /// The region this node picks, one of those the genesis will list
        #[arg(long)]
        region: Option<Region>,
    },
    /// Write a sealed copy of the identity to a new file
    #[command(
        after_help = "The passphrase of the copy is asked for; with X0_PASSPHRASE_FILE, or as a service of systemd, it is the one given there (`x0 run --help`).\n\
                      The copy holds the key only: records come back from the mesh.\n\n\
                      Example:\n  x0 identity backup /media/usb/x0-identity"
    )]
    Backup {
        /// Where to; the file must not exist
        file: PathBuf,
    },
    /// Put the identity of a backup in place
    #[command(after_help = "Example:\n  x0 identity restore /media/usb/x0-identity")]
    Restore {
        /// The backup
        file: PathBuf,
        /// If another identity is in place, keep it aside and go on as that of the backup
        #[arg(long)]
        replace: bool,
        /// Seal it with its passphrase for daily use too
        #[arg(long)]
        passphrase: bool,
    },
    /// Exchange the key: a new one enters by an invite of the old, which then leaves
    #[command(
        after_help = "The node must be running; it is stopped on the way. If it breaks off, the same command goes on.\n\
                      Capability tokens of the old key are not carried over, nor is a seat.\n\n\
                      Example:\n  x0 identity rotate && x0 run"
    )]
    Rotate {
        /// Seal the new identity with a passphrase
        #[arg(long)]
        passphrase: bool,
    },
    /// Give the identity up for good: leave the mesh, stop the node, set key and store aside
    #[command(
        after_help = "Whoever has a copy of the key can still sign with it; the mesh no longer listens.\n\n\
                      Example:\n  x0 identity revoke --yes"
    )]
    Revoke {
        /// Do not ask first
        #[arg(long)]
        yes: bool,
    },
    /// Seal the identity with a new passphrase, or with none
    #[command(after_help = "Example:\n  x0 identity passphrase")]
    Passphrase {
        /// Keep it without a passphrase from now on
        #[arg(long)]
        remove: bool,
    },
}

/// Answers a command about the identity.
pub(super) async fn answer(context: &Context, command: IdentityCommand) -> Result<(), CliError> {
    match command {
        IdentityCommand::Show => show(context),
        IdentityCommand::Founder { region } => founder(context, region),
        IdentityCommand::Backup { file } => back_up(context, &file),
        IdentityCommand::Restore {
            file,
            replace,
            passphrase,
        } => restore(context, &file, replace, passphrase).await,
        IdentityCommand::Rotate { passphrase } => rotate::rotate(context, passphrase).await,
        IdentityCommand::Revoke { yes } => revoke(context, yes).await,
        IdentityCommand::Passphrase { remove } => reseal(context, remove),
    }
}

fn show(context: &Context) -> Result<(), CliError> {
    let data_dir = &context.data_dir;
    let is_sealed = identity::is_sealed(data_dir)?;
    let owner = identity::owner(data_dir)?.map(|owner| owner.to_string());
    let root = match is_sealed {
        true => None,
        false => Some(
            identity::load(data_dir, None)?
                .capability_root()
                .public()
                .to_string(),
        ),
    };
    let view = json!({
        "node": owner,
        "sealed": is_sealed,
        "capability_root": root,
        "has_store": store::exists(data_dir),
        "data_dir": data_dir,
    });
    context.output.show(&view, |_| {
        let mut facts = Facts::default();
        facts
            .add("node", owner.as_deref().unwrap_or_default())
            .add(
                "root",
                root.as_deref()
                    .unwrap_or("(sealed; `x0 status` shows it while the node runs)"),
            )
            .add("passphrase", if is_sealed { "needed" } else { "none" })
            .add("data directory", data_dir.display());
        facts.text()
    })
}

fn founder(context: &Context, region: Option<Region>) -> Result<(), CliError> {
    let identity = passphrase::open_identity(&context.data_dir)?;
    let word = FounderWord(genesis::founder(&identity, region)).to_string();
    let view = json!({ "node": identity.public().to_string(), "founder": word });
    context.output.show(&view, |_| word.clone())
}

fn back_up(context: &Context, file: &Path) -> Result<(), CliError> {
    let identity = passphrase::open_identity(&context.data_dir)?;
    let seal = passphrase::chosen("the backup")?;
    identity::back_up(&identity, file, &seal)?;
    let view = json!({ "node": identity.public().to_string(), "backup": file });
    context.output.show(&view, |_| {
        format!(
            "Backed up {} to {}, sealed. Keep it away from this machine, and its passphrase away from it.",
            identity.public(),
            file.display()
        )
    })
}

async fn restore(
    context: &Context,
    file: &Path,
    replace: bool,
    with_passphrase: bool,
) -> Result<(), CliError> {
    expect_stopped(context).await?;
    let seal = passphrase::known("the backup")?;
    let daily = with_passphrase.then(|| seal.as_str());
    let replace = if replace {
        Replace::MoveAside
    } else {
        Replace::Never
    };
    let identity = identity::restore(&context.data_dir, file, Some(&seal), daily, replace)?;
    if !store::exists(&context.data_dir) {
        standby::restored(&context.data_dir)?;
    }
    let view = json!({ "node": identity.public().to_string(), "sealed": with_passphrase });
    context.output.show(&view, |_| {
        let next = if store::exists(&context.data_dir) {
            "Next: `x0 run` starts it."
        } else {
            "Its records are not here: `x0 join INVITE` brings them back from the mesh, with an invite of a member. A \
             seat of it may be kept elsewhere, so this node signs for none until it takes it over: `x0 committee standby`."
        };
        format!("This node is {} again.\n{next}", identity.public())
    })
}

async fn revoke(context: &Context, is_sure: bool) -> Result<(), CliError> {
    let client = context.client()?;
    let data_dir = &context.data_dir;
    if !client.is_running().await {
        return Err(CliError::Failed(
            "the node is not running, so the mesh cannot be told: start it with `x0 run`, then revoke; if the key is \
             lost, ask the holders of seats for `x0 remove`"
                .to_owned(),
        ));
    }
    let status: StatusView = client.get("/v1/status").await?;
    let question = "Give this identity up for good, and leave its mesh?";
    if !is_sure && !membership::is_meant(context, question)? {
        return Err(CliError::Failed("nothing was done".to_owned()));
    }
    let owner = identity::owner(data_dir)?
        .ok_or_else(|| CliError::Failed("there is no identity to revoke".to_owned()))?;
    let mut record = None;
    if status.member {
        let left: RecordedView = client.post("/v1/leave", &()).await?;
        record = Some(left.id);
    }
    let _: DoneView = client.post("/v1/shutdown", &()).await?;
    let store = rotate::set_store_aside(data_dir, &owner).await?;
    let from = data_dir.join("identity");
    let to = data_dir.join(format!("identity.revoked-{}", owner.short()));
    fs::rename(&from, &to).map_err(|cause| {
        CliError::Failed(format!(
            "the mesh is left, but {} could not be moved to {} ({cause}): move it yourself",
            from.display(),
            to.display()
        ))
    })?;
    let view =
        json!({ "node": owner.to_string(), "record": record, "identity": to, "store": store });
    context.output.show(&view, |_| {
        format!(
            "{owner} has left the mesh and its node is stopped.\nIts key is kept as {}, its records as {}; delete both \
             if nobody needs them.",
            to.display(),
            store.display()
        )
    })
}

fn reseal(context: &Context, remove: bool) -> Result<(), CliError> {
    let data_dir = &context.data_dir;
    let present = passphrase::present(data_dir)?;
    let new = match (remove, &present) {
        (true, _) => None,
        // The file that the variable names holds the present one.
        (false, Some(_)) => Some(passphrase::ask_twice("the identity")?),
        (false, None) => Some(passphrase::chosen("the identity")?),
    };
    identity::reseal(
        data_dir,
        present.as_ref().map(|text| text.as_str()),
        new.as_ref().map(|text| text.as_str()),
    )?;
    context
        .output
        .show(&json!({ "sealed": new.is_some() }), |_| {
            match new.is_some() {
                true => "The identity is sealed with the new passphrase.",
                false => {
                    "The identity is kept without a passphrase: whoever reads the disk has it."
                }
            }
            .to_owned()
        })
}

/// Refuses while the node runs on what would be exchanged.
async fn expect_stopped(context: &Context) -> Result<(), CliError> {
    if context.client()?.is_running().await {
        return Err(CliError::Failed(
            "the node is running with the identity in place: stop it first (Ctrl-C where it runs)"
                .to_owned(),
        ));
    }
    Ok(())
}
