//! `x0 init` and `x0 genesis`: what a node needs before it can run.
//!
//! Nothing that exists is overwritten: both commands add what is missing and say what was there.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;
use x0_crypto::{PublicKey, capability::ShareBp};
use x0_protocol::{
    Millis,
    core::time::TimeScale,
    wire::{MeshName, Parameters, Region},
};

use super::{Context, args::Span, error::CliError, passphrase};
use crate::{
    charter::{SHIPPED, read_file},
    config, identity,
    metrics::Metrics,
    runtime::{
        founder::FounderWord,
        genesis::{GenesisPlan, create_genesis},
    },
    store::{self, StoreOptions},
};

/// Make this node's identity and a file of settings to start from
#[derive(Debug, Args)]
#[command(after_help = "Nothing that exists is overwritten.\n\nExample:\n  x0 init --passphrase")]
pub(super) struct InitArgs {
    /// Seal the identity with a passphrase: from X0_PASSPHRASE_FILE, else systemd's credential x0-passphrase, else asked for
    #[arg(long)]
    passphrase: bool,
}

/// Found a mesh, alone or with others
#[derive(Debug, Args)]
#[command(
    after_help = "The figures are fixed for the life of the mesh. The mesh does not start by itself: `x0 run` does that.\n\n\
                  Example:\n  x0 genesis --name garden --region north --region south --my-region north"
)]
pub(super) struct GenesisArgs {
    /// Name of the mesh
    #[arg(long)]
    name: MeshName,
    /// A region that members may pick; may be repeated
    #[arg(long = "region", value_name = "REGION")]
    regions: Vec<Region>,
    /// The region this node picks, one of those given
    #[arg(long, value_name = "REGION")]
    my_region: Option<Region>,
    /// The word of another founder, from `x0 identity founder` on its device; may be repeated. Every founder
    /// holds a seat; from four on they form the committee
    #[arg(long = "founder", value_name = "WORD")]
    founders: Vec<FounderWord>,
    /// Share of the mesh above which an act is a mass action, which no token alone allows [default: 10%]
    #[arg(long, value_name = "SHARE")]
    mass_action_share: Option<ShareBp>,
    /// Nodes an act may always touch, for small meshes [default: 1]
    #[arg(long, value_name = "NODES")]
    mass_action_floor: Option<u32>,
    /// Make a TEST mesh in which so many seconds pass in one: trust nothing it decides
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    test_time_scale: Option<u32>,
    /// Make a TEST mesh in which members count in draws and shares after so long, not 30 days
    #[arg(long, value_name = "SPAN")]
    test_member_age: Option<Span>,
    /// The charter the mesh runs under, a file as `x0 charter show --shipped --yaml` writes one [default: the one
    /// that ships]
    #[arg(long, value_name = "FILE")]
    charter: Option<PathBuf>,
    /// Seal a new identity with a passphrase
    #[arg(long)]
    passphrase: bool,
}

#[derive(Serialize)]
struct Made {
    node: String,
    data_dir: PathBuf,
    config: PathBuf,
    identity_made: bool,
    config_made: bool,
}

#[derive(Serialize)]
struct Founded {
    mesh: String,
    name: String,
    node: String,
    founders: usize,
    charter: String,
    charter_number: u64,
    capability_root: String,
    data_dir: PathBuf,
}

/// Makes the identity and the file of settings.
pub(super) fn init(context: &Context, args: &InitArgs) -> Result<(), CliError> {
    let made = make(&context.data_dir, args.passphrase)?;
    let has_store = store::exists(&context.data_dir);
    context.output.show(&made, |made| {
        let identity = if made.identity_made {
            "made"
        } else {
            "was there already, kept as it is"
        };
        let config = if made.config_made {
            "made"
        } else {
            "was there already, kept as it is"
        };
        let next = if has_store {
            "Next: `x0 run` starts the node."
        } else {
            "Next: `x0 join INVITE` enters a mesh, `x0 genesis --name NAME` founds one."
        };
        format!(
            "This node is {}\nidentity  {} ({identity})\nsettings  {} ({config})\n{next}",
            made.node,
            made.data_dir.join("identity").display(),
            made.config.display(),
        )
    })
}

/// Founds a mesh.
pub(super) fn genesis(context: &Context, args: GenesisArgs) -> Result<(), CliError> {
    let data_dir = &context.data_dir;
    store::expect_none(data_dir)?;
    let mut regions = args.regions;
    regions.sort();
    regions.dedup();
    if let Some(own) = &args.my_region
        && !regions.contains(own)
    {
        return Err(CliError::Usage(format!(
            "--my-region {own} is no region of this mesh: add --region {own}"
        )));
    }
    let charter = match &args.charter {
        Some(file) => read_file(file)?,
        None => SHIPPED.clone(),
    };
    charter
        .check_carried()
        .map_err(|fault| CliError::Usage(format!("no mesh can run under this charter: {fault}")))?;
    let usual = Parameters::default();
    let parameters = Parameters {
        rules: usual.rules,
        time_scale: args.test_time_scale.map_or(usual.time_scale, TimeScale),
        regions,
        mass_action_share: args.mass_action_share.unwrap_or(usual.mass_action_share),
        mass_action_floor: args.mass_action_floor.unwrap_or(usual.mass_action_floor),
        member_age: args
            .test_member_age
            .map_or(usual.member_age, |age| Millis::from_secs(age.secs)),
        charter: Some(charter.clone()),
    };
    make(data_dir, args.passphrase)?;
    let config = context.config()?;
    let identity = passphrase::open_identity(data_dir)?;
    let founders = args.founders.len() + 1;
    let plan = GenesisPlan {
        name: args.name.clone(),
        founders: args.founders.into_iter().map(|word| word.0).collect(),
        parameters,
        region: args.my_region,
    };
    let options = StoreOptions::new(config.store.max_bytes, Metrics::new());
    let store = create_genesis(data_dir, &identity, plan, options)?;
    let founded = Founded {
        mesh: store.genesis().value().id().to_string(),
        name: args.name.to_string(),
        node: identity.public().to_string(),
        founders,
        charter: charter.id().to_string(),
        charter_number: charter.number(),
        capability_root: identity.capability_root().public().to_string(),
        data_dir: data_dir.clone(),
    };
    context.output.show(&founded, |founded| {
        let others = match founded.founders {
            1 => String::new(),
            more => format!(
                "\n{more} founders hold a seat each; the others enter by `x0 join` with any invite."
            ),
        };
        format!(
            "The mesh {} is founded: {}\nIts first member is this node, {}{others}\n\
             It runs under charter number {}, {}: `x0 charter show`\n\
             Next: `x0 run` starts it, `x0 invite` (beside it) lets others in.",
            founded.name, founded.mesh, founded.node, founded.charter_number, founded.charter,
        )
    })
}

/// Makes what is missing in a data directory.
fn make(data_dir: &Path, with_passphrase: bool) -> Result<Made, CliError> {
    let (node, identity_made) = ensure_identity(data_dir, with_passphrase)?;
    let config = data_dir.join(config::FILE);
    Ok(Made {
        node: node.to_string(),
        data_dir: data_dir.to_owned(),
        config_made: write_template(&config)?,
        config,
        identity_made,
    })
}

/// Makes the identity if there is none; tells whose it is and whether it is new.
pub(super) fn ensure_identity(
    data_dir: &Path,
    with_passphrase: bool,
) -> Result<(PublicKey, bool), CliError> {
    if let Some(owner) = identity::owner(data_dir)? {
        if with_passphrase && !identity::is_sealed(data_dir)? {
            return Err(CliError::Usage(
                "there is an identity already, without a passphrase: `x0 identity passphrase` seals it".to_owned(),
            ));
        }
        return Ok((owner, false));
    }
    let passphrase = match with_passphrase {
        true => Some(passphrase::chosen("the identity")?),
        false => None,
    };
    let passphrase = passphrase.as_ref().map(|text| text.as_str());
    Ok((identity::create(data_dir, passphrase)?.public(), true))
}

/// Writes the file of settings to start from; tells whether there was none.
pub(super) fn write_template(path: &Path) -> Result<bool, CliError> {
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let written = match file {
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(cause) => Err(cause),
        Ok(mut file) => file.write_all(config::template().as_bytes()),
    };
    written.map(|()| true).map_err(|cause| {
        CliError::Failed(format!(
            "{} cannot be written ({cause}): check that the data directory is yours and has space",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn making_twice_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let first = make(dir.path(), false).unwrap();
        fs::write(&first.config, "[log]\nfilter = \"warn\"\n").unwrap();

        let second = make(dir.path(), false).unwrap();

        assert!(first.identity_made && first.config_made);
        assert!(!second.identity_made && !second.config_made);
        assert_eq!(first.node, second.node);
        assert!(fs::read_to_string(&second.config).unwrap().contains("warn"));
    }
}
