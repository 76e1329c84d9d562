//! `x0 run`: the node in the foreground, until a signal or an order of its API stops it.
//!
//! SIGINT and SIGTERM stop it cleanly, a second one at once; SIGHUP reads the settings again, as
//! `x0 config reload` does. If the store fails the node stops by itself, and the exit code is 1.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use serde::Serialize;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tracing::{error, info};
use x0_crypto::Identity;
use x0_net::Multiaddr;

use super::{
    Context, args::Assignment, client::Client, error::CliError, output::Output, passphrase,
};
use crate::{
    api::{
        self, ApiParts, ApiState, Order,
        control::{ChangedSettingView, ReloadView},
        sockets::Sockets,
        tokens::ApiTokens,
        view::DashboardLinkView,
    },
    charter::{SHIPPED, following},
    config::{Config, Key},
    emergency::hosting,
    gateway::{self, Hub},
    metrics::Metrics,
    runtime::{self, NetworkSettings, NodeHandle, NodeSettings},
    store::{RocksStore, StoreOptions},
    sublime,
    telemetry::{self, Telemetry},
};

/// Orders of the API that may wait.
const ORDERS_WAITING: usize = 8;
/// How long open calls of the API may take to end when the node stops.
const CALLS_END: Duration = Duration::from_secs(5);
/// The exit code of a program that SIGINT ended (128 and the number of the signal).
const INTERRUPTED: i32 = 130;

/// Run the node in the foreground
#[derive(Debug, Args)]
#[command(
    after_help = "Flags win over X0_… variables, which win over x0.toml; `x0 config show` lists all settings.\n\
                  Ctrl-C stops the node cleanly, a second one at once; SIGHUP has it read its settings again.\n\n\
                  PASSPHRASE. A sealed identity is opened with the first line of the file that X0_PASSPHRASE_FILE names; \
                  without that variable, of the credential `x0-passphrase` in $CREDENTIALS_DIRECTORY, which systemd sets for a \
                  service with LoadCredentialEncrypted=x0-passphrase:FILE; without either it is asked for at the terminal. What \
                  is named and cannot be used is an error, and the next is not tried.\n\n\
                  Example:\n  x0 run --listen /ip4/0.0.0.0/tcp/4700 --http 127.0.0.1:4780"
)]
pub(super) struct RunFlags {
    /// Listen on this address; may be repeated
    #[arg(long, value_name = "ADDR")]
    listen: Vec<String>,
    /// Tell others this address of the node; may be repeated
    #[arg(long, value_name = "ADDR")]
    external: Vec<String>,
    /// Connect to this member at the start; may be repeated
    #[arg(long, value_name = "ADDR")]
    bootstrap: Vec<String>,
    /// Announce the node on the local network and look for others there
    #[arg(long)]
    lan: bool,
    /// Carry connections between members that cannot reach each other
    #[arg(long)]
    relay_server: bool,
    /// Serve API and dashboard on this loopback address; "off" serves neither
    #[arg(long, value_name = "ADDR|off")]
    http: Option<String>,
    /// Set any setting, such as log.filter=debug; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<Assignment>,
}

impl RunFlags {
    /// Returns the settings that the flags make.
    pub(super) fn settings(&self) -> Result<Vec<(Key, String)>, CliError> {
        let lists = [
            (Key::NetworkListen, &self.listen),
            (Key::NetworkExternal, &self.external),
            (Key::NetworkBootstrap, &self.bootstrap),
        ];
        let switches = [
            (Key::NetworkLan, self.lan),
            (Key::NetworkRelayServer, self.relay_server),
        ];
        let mut settings: Vec<(Key, String)> = Vec::new();
        for Assignment { name, value } in &self.settings {
            let key = Key::ALL.into_iter().find(|key| key.name() == name);
            let key = key.ok_or_else(|| {
                CliError::Usage(format!(
                    "there is no setting {name}: `x0 config show` lists all of them"
                ))
            })?;
            settings.push((key, value.clone()));
        }
        let given = lists.into_iter().filter(|(_, list)| !list.is_empty());
        settings.extend(given.map(|(key, list)| (key, list.join(","))));
        let on = switches.into_iter().filter(|(_, on)| *on);
        settings.extend(on.map(|(key, _)| (key, true.to_string())));
        settings.extend(self.http.iter().map(|http| (Key::ApiHttp, http.clone())));
        Ok(settings)
    }
}

/// Runs the node of a data directory.
pub(super) async fn run(context: &Context, flags: &RunFlags) -> Result<(), CliError> {
    let config = context.config_with(flags.settings()?)?;
    let telemetry = start_telemetry(&config).await?;
    tell_enforcement();
    let identity = passphrase::open_identity(&config.data_dir)?;
    let metrics = Metrics::new();
    let options = StoreOptions::new(config.store.max_bytes, metrics.clone());
    let store = RocksStore::open(&config.data_dir, identity.public(), options)?;
    let network = network_settings(&config);
    let parts = DaemonParts {
        config,
        telemetry,
        identity,
        store,
        metrics,
        network,
        fresh: false,
    };
    let daemon = Daemon::start(parts).await?;
    daemon.announce(context.output).await?;
    daemon.serve().await
}

/// Says plainly who holds this node to the charter: the kernel, or the node itself.
fn tell_enforcement() {
    match x0_ebpf_loader::guard::own_service() {
        Some(service) => tracing::info!(service, "the kernel enforces the charter on this node"),
        None => tracing::info!(
            "the kernel does not enforce the charter on this node, which checks itself what it sends; to have the \
             kernel do it, start it with `x0 charter guard --service node -- x0 run`"
        ),
    }
}

/// Sets up logging; off the async threads, on which the exporter of traces may not be made.
pub(super) async fn start_telemetry(config: &Config) -> Result<Telemetry, CliError> {
    let (log, traces) = (config.log.clone(), config.telemetry.clone());
    let started = tokio::task::spawn_blocking(move || telemetry::start(&log, &traces)).await;
    let started = started.map_err(|fault| CliError::Failed(fault.to_string()))?;
    started.map_err(|fault| CliError::Failed(fault.to_string()))
}

/// Returns the network side of the settings.
pub(super) fn network_settings(config: &Config) -> NetworkSettings {
    let network = &config.network;
    NetworkSettings {
        listen: network.listen.clone(),
        external: network.external.clone(),
        bootstrap: network.bootstrap.clone(),
        lan: network.lan,
        relay_server: network.relay_server,
        connections_max: network.connections_max,
    }
}

/// What a daemon is started with.
pub(super) struct DaemonParts {
    pub(super) config: Config,
    pub(super) telemetry: Telemetry,
    pub(super) identity: Identity,
    pub(super) store: RocksStore,
    pub(super) metrics: Metrics,
    pub(super) network: NetworkSettings,
    /// Whether the node's own chain is new.
    pub(super) fresh: bool,
}

/// A node with everything around it.
pub(super) struct Daemon {
    node: NodeHandle,
    api: Arc<ApiState>,
    server: JoinHandle<()>,
    orders: mpsc::Receiver<Order>,
    config: watch::Sender<Arc<Config>>,
    telemetry: Telemetry,
    loopback: Option<SocketAddr>,
    socket: PathBuf,
    signals: Signals,
}

/// Says that a node is there for its user.
#[derive(Serialize)]
struct Announcement {
    ready: bool,
    peer: String,
    mesh: String,
    api: PathBuf,
    http: Option<String>,
    dashboard: Option<String>,
}

impl Daemon {
    /// Starts the node and serves its API.
    pub(super) async fn start(parts: DaemonParts) -> Result<Self, CliError> {
        let DaemonParts {
            config,
            telemetry,
            identity,
            store,
            metrics,
            network,
            fresh,
        } = parts;
        let signals = Signals::listen()?;
        let sockets = Sockets::open(&config.api.unix_socket, config.api.http).await?;
        let (loopback, socket) = (sockets.loopback(), config.api.unix_socket.clone());
        let tokens = ApiTokens::open(&config.data_dir)?;
        let gateway = Hub::open(&config.data_dir, SHIPPED.clone(), metrics.clone());
        let gateway = Arc::new(gateway.map_err(|fault| CliError::Failed(fault.to_string()))?);
        let settings = NodeSettings {
            data_dir: config.data_dir.clone(),
            network,
            fresh,
            cosign: config.acts.cosign,
        };
        let node = runtime::start(settings, identity, store, metrics.clone())?;
        let kernel = following::start(node.clone(), config.charter.clone(), metrics);
        gateway::start(&gateway, &node, &config.gateway).await;
        let keeper = sublime::start(&config.data_dir, &config.sublime, &node).await;
        let keeper = keeper.map_err(|fault| CliError::Failed(fault.to_string()))?;
        let hosted = hosting::start(&config.data_dir, &config.emergency, &node, &keeper);
        let (give, orders) = mpsc::channel(ORDERS_WAITING);
        let (config, watched) = watch::channel(Arc::new(config));
        node.collection()
            .attach(Arc::clone(&gateway), watched.clone());
        let parts = ApiParts {
            node: node.clone(),
            tokens,
            orders: give,
            loopback,
            config: watched,
            kernel,
            gateway,
            keeper,
            hosted,
        };
        let api = ApiState::start(parts).map_err(|cause| {
            CliError::Failed(format!(
                "the operating system gave no random bytes: {cause}"
            ))
        })?;
        let server = tokio::spawn(sockets.serve(api::router(Arc::clone(&api)), Arc::clone(&api)));
        Ok(Self {
            node,
            api,
            server,
            orders,
            config,
            telemetry,
            loopback,
            socket,
            signals,
        })
    }

    /// Returns the way to the node's API.
    pub(super) fn client(&self) -> Client {
        Client::new(self.socket.clone(), None)
    }

    /// Says that the node is there, and how to reach it.
    pub(super) async fn announce(&self, output: Output) -> Result<(), CliError> {
        let announcement = Announcement {
            ready: true,
            peer: self.node.key().to_string(),
            mesh: self.node.mesh().to_string(),
            api: self.socket.clone(),
            http: self.loopback.map(|address| address.to_string()),
            dashboard: match self.loopback {
                Some(_) => Some(dashboard_link(&self.client()).await?.url),
                None => None,
            },
        };
        if output.is_json() {
            return output.show(&announcement, |_| String::new());
        }
        let Announcement {
            peer,
            mesh,
            dashboard,
            ..
        } = &announcement;
        let dashboard = dashboard.as_deref().unwrap_or("off");
        output.note(&format!(
            "ready: peer {peer}, mesh {mesh}, dashboard {dashboard}"
        ));
        Ok(())
    }

    /// Does what signals and the API ask, until the node stops.
    pub(super) async fn serve(mut self) -> Result<(), CliError> {
        let has_failed = loop {
            tokio::select! {
                asked = self.signals.next() => match asked {
                    Asked::Reload => match self.reload().await {
                        Ok(_) => {}
                        Err(fault) => error!(%fault, "the settings were not read again"),
                    },
                    Asked::Stop => break false,
                },
                order = self.orders.recv() => match order {
                    Some(Order::Reload(reply)) => {
                        reply.send(self.reload().await).ok();
                    }
                    Some(Order::Stop) | None => break false,
                },
                () = self.node.stopped() => break true,
            }
        };
        self.stop().await;
        if has_failed {
            return Err(CliError::Failed(
                "the node stopped because its store failed: see its log above, mend the disk, then start it again"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Reads the settings again and applies what can be applied.
    async fn reload(&self) -> Result<ReloadView, String> {
        let present = Arc::clone(&self.config.borrow());
        let reload = present.reload().map_err(|fault| fault.to_string())?;
        let new = reload.config;
        self.telemetry
            .set_filter(&new.log.filter)
            .map_err(|fault| fault.to_string())?;
        self.node.store().set_max_bytes(new.store.max_bytes);
        let added: Vec<Multiaddr> = new
            .network
            .bootstrap
            .iter()
            .filter(|address| !present.network.bootstrap.contains(address))
            .cloned()
            .collect();
        self.node.dial(&added).await;
        info!(
            changed = reload.changes.len(),
            "the settings were read again"
        );
        self.config.send_replace(Arc::new(new));
        Ok(ReloadView {
            changes: reload
                .changes
                .iter()
                .map(ChangedSettingView::from)
                .collect(),
        })
    }

    async fn stop(self) {
        let Self {
            node,
            api,
            server,
            telemetry,
            mut signals,
            ..
        } = self;
        let impatient = tokio::spawn(async move {
            while signals.next().await != Asked::Stop {}
            std::process::exit(INTERRUPTED);
        });
        info!("stopping");
        api.stop.send_replace(true);
        if timeout(CALLS_END, server).await.is_err() {
            info!("calls of the API that take long are cut off");
        }
        node.shutdown().await;
        tokio::task::spawn_blocking(|| telemetry.stop()).await.ok();
        impatient.abort();
    }
}

/// Asks a node for a one-time link to its dashboard.
pub(super) async fn dashboard_link(client: &Client) -> Result<DashboardLinkView, CliError> {
    client.post("/v1/dashboard-link", &()).await
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Stop,
    Reload,
}

/// The signals a node listens to.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, CliError> {
        let listen = |kind| {
            signal(kind).map_err(|cause| {
                CliError::Failed(format!(
                    "signals cannot be listened to ({cause}): free some file handles"
                ))
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Flags {
        #[command(flatten)]
        flags: RunFlags,
    }

    fn settings(args: &[&str]) -> Result<Vec<(Key, String)>, CliError> {
        let args = ["run"].iter().chain(args);
        Flags::try_parse_from(args).unwrap().flags.settings()
    }

    #[test]
    fn flags_become_settings_and_win_over_set() {
        let settings = settings(&[
            "--listen",
            "/ip4/127.0.0.1/tcp/1",
            "--listen",
            "/ip4/127.0.0.1/tcp/2",
            "--lan",
            "--http",
            "off",
            "--set",
            "api.http=127.0.0.1:1",
        ])
        .unwrap();

        let expected = [
            (Key::ApiHttp, "127.0.0.1:1"),
            (
                Key::NetworkListen,
                "/ip4/127.0.0.1/tcp/1,/ip4/127.0.0.1/tcp/2",
            ),
            (Key::NetworkLan, "true"),
            (Key::ApiHttp, "off"),
        ];
        assert_eq!(
            settings,
            expected.map(|(key, value)| (key, value.to_owned()))
        );
    }

    #[test]
    fn an_unknown_setting_is_named() {
        let error = settings(&["--set", "network.land=true"]).unwrap_err();

        assert!(error.to_string().contains("network.land"), "{error}");
    }
}
