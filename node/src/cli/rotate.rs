//! `x0 identity rotate`: a new key takes the place of the old one, as two members of the mesh.
//!
//! 1. The new key is staged beside the old one, and joins by an invite of the old node, in the directory
//!    `rotation`. It catches up with the old node while both run.
//! 2. The old node leaves; once the new one has seen it go, both stop.
//! 3. The files change places: the old identity and store are kept aside.
//!
//! Each step can be taken again: what a broken rotation has reached is found by what stands on disk. Tokens
//! that the old key granted or held, and a seat it had, are not carried over.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;
use tokio::time::{Instant, sleep};
use x0_crypto::{Identity, PublicKey};
use x0_protocol::{Command, Reply, anti_meave::CosignPolicy};

use super::{Context, client::Client, error::CliError, passphrase};
use crate::{
    api::{
        invites::InviteBody,
        view::{DoneView, InviteView, NetworkView, RecordedView, StatusView},
    },
    identity,
    identity::IdentityError,
    metrics::Metrics,
    runtime::{self, NetworkSettings, NodeHandle, NodeSettings, invite::InviteLink, join::join},
    store::{self, RocksStore, StoreError, StoreOptions},
};

/// Where the new node lives until it takes the place of the old one.
const PLACE: &str = "rotation";
/// A file in there which says that the old key has left.
const LEFT: &str = "left";
/// How long the invite of the old node stays open.
const INVITE_LIFE_SECS: u64 = 60 * 60;
/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether a step is done.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Exchanges the identity of a running node.
pub(super) async fn rotate(context: &Context, with_passphrase: bool) -> Result<(), CliError> {
    let data_dir = &context.data_dir;
    let old = identity::owner(data_dir)?.ok_or_else(|| {
        CliError::Failed("there is no identity to exchange: `x0 init` makes one".to_owned())
    })?;
    let place = data_dir.join(PLACE);
    let staged = stage(data_dir, &place, with_passphrase)?;
    let new = staged.public();
    let client = context.client()?;
    let is_running = client.is_running().await;
    if !place.join(LEFT).exists() {
        if !is_running {
            return Err(CliError::Failed(
                "the node is not running, and only it can let the new key in: start it with `x0 run`, then rotate"
                    .to_owned(),
            ));
        }
        hand_over(context, &client, staged, &old).await?;
    }
    if is_running {
        let _: DoneView = client.post("/v1/shutdown", &()).await?;
    }
    exchange(data_dir, &place, &old).await?;
    let view = json!({ "old": old.to_string(), "new": new.to_string() });
    context.output.show(&view, |_| {
        format!(
            "This node is now {new}; {old} has left the mesh, and its files are kept aside.\n\
             Next: `x0 run` starts it. Grant again the tokens that others need from this node."
        )
    })
}

/// Makes the new identity, or takes up the one of a rotation that broke off.
fn stage(data_dir: &Path, place: &Path, with_passphrase: bool) -> Result<Identity, CliError> {
    let passphrase = match with_passphrase {
        true => Some(passphrase::chosen("the new identity")?),
        false => None,
    };
    let passphrase = passphrase.as_ref().map(|text| text.as_str());
    match identity::stage_new(data_dir, passphrase) {
        Err(IdentityError::Exists { .. }) => Ok(identity::staged(data_dir, passphrase)?),
        staged => {
            let staged = staged?;
            // What a rotation leaves that was finished but for its clean-up.
            remove(place)?;
            Ok(staged)
        }
    }
}

/// Lets the new key in and the old one go.
async fn hand_over(
    context: &Context,
    client: &Client,
    new: Identity,
    old: &PublicKey,
) -> Result<(), CliError> {
    let config = context.config()?;
    let place = context.data_dir.join(PLACE);
    let note = |text: &str| context.output.note(text);
    let metrics = Metrics::new();
    let options = StoreOptions::new(config.store.max_bytes, metrics.clone());
    let mut network = NetworkSettings {
        connections_max: config.network.connections_max,
        ..NetworkSettings::default()
    };
    let store = match RocksStore::open(&place, new.public(), options.clone()) {
        Err(StoreError::Missing { .. }) => {
            note(&format!(
                "the new key {} joins by an invite of the old one",
                new.public()
            ));
            fs::create_dir_all(&place).map_err(|cause| failed(&place, &cause))?;
            let body = InviteBody {
                life_secs: Some(INVITE_LIFE_SECS),
                addresses: Vec::new(),
            };
            let invite: InviteView = client.post("/v1/invites", &body).await?;
            let invite: InviteLink = invite.invite.parse()?;
            join(&place, options, &new, &invite, None, &network, |_| {})
                .await?
                .store
        }
        store => store?,
    };
    let view: NetworkView = client.get("/v1/network").await?;
    let addresses = view.listen.iter().chain(&view.external);
    let addresses = addresses.map(|address| match address.contains("/p2p/") {
        true => address.parse(),
        false => format!("{address}/p2p/{old}").parse(),
    });
    network.bootstrap = addresses.filter_map(Result::ok).collect();
    let settings = NodeSettings {
        data_dir: place.clone(),
        network,
        fresh: true,
        cosign: CosignPolicy::Ask,
    };
    let node = runtime::start(settings, new, store, metrics)?;
    let handed = leave_behind(&node, client, old, &place, &note).await;
    node.shutdown().await;
    handed
}

async fn leave_behind(
    node: &NodeHandle,
    client: &Client,
    old: &PublicKey,
    place: &Path,
    note: &impl Fn(&str),
) -> Result<(), CliError> {
    note("the new key catches up with the mesh");
    let status: StatusView = client.get("/v1/status").await?;
    wait("the new key did not catch up", async || {
        match node.command(Command::Status).await {
            Ok(Reply::Status(new)) => new.ready && new.member && new.records >= status.records,
            Ok(_) | Err(_) => false,
        }
    })
    .await?;
    if status.member {
        note("the old key leaves");
        let _: RecordedView = client.post("/v1/leave", &()).await?;
    }
    wait("the old key's leave did not arrive", async || {
        match node.command(Command::Members).await {
            Ok(Reply::Members(members)) => members
                .iter()
                .any(|member| member.key == *old && !member.is_active()),
            Ok(_) | Err(_) => false,
        }
    })
    .await?;
    let mark = place.join(LEFT);
    fs::write(&mark, b"").map_err(|cause| failed(&mark, &cause))
}

async fn wait(what: &str, mut is_done: impl AsyncFnMut() -> bool) -> Result<(), CliError> {
    let end = Instant::now() + PATIENCE;
    while !is_done().await {
        if Instant::now() >= end {
            return Err(CliError::Failed(format!(
                "{what} within {} s: nothing is lost; run `x0 identity rotate` again to go on",
                PATIENCE.as_secs()
            )));
        }
        sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

/// Has the files of the old and the new node change places.
async fn exchange(data_dir: &Path, place: &Path, old: &PublicKey) -> Result<(), CliError> {
    let (from, to) = (place.join("store"), data_dir.join("store"));
    if from.exists() {
        if store::exists(data_dir) {
            set_store_aside(data_dir, old).await?;
        }
        fs::rename(&from, &to).map_err(|cause| failed(&to, &cause))?;
    }
    identity::promote(data_dir)?;
    remove(place)
}

fn remove(place: &Path) -> Result<(), CliError> {
    match fs::remove_dir_all(place) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(failed(place, &cause)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Moves the store of a node that is stopping out of the way, once it has let it go.
pub(super) async fn set_store_aside(
    data_dir: &Path,
    owner: &PublicKey,
) -> Result<PathBuf, CliError> {
    let end = Instant::now() + PATIENCE;
    loop {
        match store::set_aside(data_dir, owner) {
            Err(StoreError::InUse { .. }) if Instant::now() < end => sleep(LOOK_AGAIN).await,
            kept => return Ok(kept?),
        }
    }
}

fn failed(path: &Path, cause: &io::Error) -> CliError {
    CliError::Failed(format!(
        "{} cannot be used ({cause}): check that the data directory is yours and has space, then run \
         `x0 identity rotate` again",
        path.display()
    ))
}
