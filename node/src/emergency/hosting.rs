//! A node's own onion service, for devices in an emergency: kept up, announced, and tried out from outside.

use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    net::TcpListener,
    sync::watch,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tracing::{debug, info, warn};
use x0_crypto::{ContentId, OnionAddress};
use x0_protocol::{
    Command,
    core::{emergency::EmergencyCommand, limits::EMERGENCY_FRAME_BYTES_MAX},
    wire::{EmergencyAnswer, EmergencyAsk},
};
use x0_tor::{Circuits, Service, ServiceStatus, Tor};

use super::{Desk, line, tor_file::TorFile};
use crate::{config::EmergencySettings, runtime::NodeHandle, sublime::Keeper};

/// The port of the onion service.
pub const PORT: u16 = 9_173;
/// The name of the onion service among those of a data directory.
const NICKNAME: &str = "x0-emergency";
/// Folders of Tor in the data directory.
const STATE_DIR: &str = "tor/state";
const CACHE_DIR: &str = "tor/cache";
/// Pause before Tor is started again, at first and at most.
const PAUSE_FIRST: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// Time between two tries of the own service from outside: tries keep its circuits warm as well.
const TRY_EVERY: Duration = Duration::from_secs(600);
/// How long one try may take.
const TRY_PATIENCE: Duration = Duration::from_secs(90);
/// Time after which the address is said again, if it could not be said.
const SAY_AGAIN: Duration = Duration::from_secs(5);

/// How this node's onion service is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosted {
    /// Its address, once there is one.
    pub address: Option<OnionAddress>,
    /// How it is, in words.
    pub status: String,
    /// When it was last reached from outside, by way of Tor.
    pub reached: Option<Instant>,
}

/// Offers what devices need at the places of the settings; returns how the onion service is.
pub fn start(
    data_dir: &Path,
    settings: &EmergencySettings,
    node: &NodeHandle,
    keeper: &Arc<Keeper>,
) -> watch::Receiver<Hosted> {
    let desk = Arc::new(Desk::new(node.clone(), Arc::clone(keeper)));
    let (tell, seen) = watch::channel(Hosted {
        status: "off: `emergency.onion = true` switches it on".to_owned(),
        ..Hosted::default()
    });
    if let Some(address) = settings.listen {
        tokio::spawn(listen(address, Arc::clone(&desk)));
    }
    if settings.onion {
        let host = Host {
            desk,
            node: node.clone(),
            data_dir: data_dir.to_owned(),
            tor_file: settings.tor_file.clone(),
            tell,
        };
        tokio::spawn(host.keep());
    }
    seen
}

/// Takes devices that come by a Tor of the operator's own.
async fn listen(address: SocketAddr, desk: Arc<Desk>) {
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(cause) => {
            return warn!(%address, %cause, "devices in an emergency are not served there: change emergency.listen");
        }
    };
    info!(%address, "devices in an emergency are served here, for an onion service of your own");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let desk = Arc::clone(&desk);
                tokio::spawn(async move { desk.serve(stream).await });
            }
            Err(cause) => {
                debug!(%cause, "a device was not let in");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

struct Host {
    desk: Arc<Desk>,
    node: NodeHandle,
    data_dir: std::path::PathBuf,
    tor_file: Option<std::path::PathBuf>,
    tell: watch::Sender<Hosted>,
}

impl Host {
    async fn keep(self) {
        let mut pause = PAUSE_FIRST;
        loop {
            match self.host(&mut pause).await {
                Ok(()) => return,
                Err(why) => {
                    warn!(%why, again_s = pause.as_secs(), "the onion service for emergencies is not up");
                    self.tell
                        .send_modify(|hosted| hosted.status = format!("down: {why}"));
                }
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = self.node.stopped() => return,
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Brings Tor and the service up, and keeps them until the node stops.
    async fn host(&self, pause: &mut Duration) -> Result<(), String> {
        let file = TorFile::read(self.tor_file.as_deref()).map_err(|error| error.to_string())?;
        let dirs = (self.data_dir.join(STATE_DIR), self.data_dir.join(CACHE_DIR));
        let settings = file.settings(dirs.0, dirs.1);
        self.tell
            .send_modify(|hosted| hosted.status = "Tor is coming up".to_owned());
        let tor = Tor::start(settings, |progress| {
            debug!(
                percent = progress.percent,
                words = progress.words,
                "Tor is coming up"
            );
        });
        let tor = tor.await.map_err(|error| error.to_string())?;
        let service = tor.serve(NICKNAME, PORT).await;
        let mut service = service.map_err(|error| error.to_string())?;
        *pause = PAUSE_FIRST;
        let address = service.address().parse::<OnionAddress>();
        let address = address.map_err(|error| error.to_string())?;
        self.tell
            .send_modify(|hosted| hosted.address = Some(address));
        info!(%address, "the onion service for emergencies is on its way up");
        self.serve(&tor, &mut service, address).await;
        Ok(())
    }

    async fn serve(&self, tor: &Tor, service: &mut Service, address: OnionAddress) {
        let mut status = service.status();
        let mut said = false;
        let mut say_at = interval(SAY_AGAIN);
        say_at.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut try_at = interval(TRY_EVERY);
        try_at.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (tried, mut tries) = tokio::sync::mpsc::channel(1);
        loop {
            let is_up = *status.borrow_and_update() == ServiceStatus::Reachable;
            tokio::select! {
                device = service.accept() => match device {
                    Some(device) => {
                        let desk = Arc::clone(&self.desk);
                        tokio::spawn(async move { desk.serve(device).await });
                    }
                    None => return,
                },
                changed = status.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let words = match &*status.borrow() {
                        ServiceStatus::Starting => "on its way up".to_owned(),
                        ServiceStatus::Reachable => "up".to_owned(),
                        ServiceStatus::Broken(why) => format!("down: {why}"),
                    };
                    info!(status = words, "the onion service for emergencies");
                    self.tell.send_modify(|hosted| hosted.status = words);
                    try_at.reset_immediately();
                }
                _ = say_at.tick(), if is_up && !said => said = self.say(address).await,
                _ = try_at.tick(), if is_up => {
                    let (circuits, tried) = (tor.isolated(), tried.clone());
                    tokio::spawn(async move {
                        tried.send(reach(&circuits, address).await).await.ok();
                    });
                }
                Some(outcome) = tries.recv() => match outcome {
                    Ok(()) => self.tell.send_modify(|hosted| {
                        hosted.reached = Some(Instant::now());
                        hosted.status = "up, and reached from outside".to_owned();
                    }),
                    Err(why) => {
                        warn!(why, "this node's onion service was not reached by way of Tor");
                        self.tell.send_modify(|hosted| {
                            hosted.status = format!("up, but not reached from outside: {why}");
                        });
                    }
                },
                () = self.node.stopped() => return,
            }
        }
    }

    /// Says the address to all; tells whether that was done.
    async fn say(&self, address: OnionAddress) -> bool {
        let command = Command::Emergency(EmergencyCommand::Onion(Some(address)));
        let said = self.node.command(command).await;
        if let Err(cause) = &said {
            debug!(%cause, "the onion address is not said yet");
        }
        said.is_ok()
    }
}

/// Asks an onion service something that every node answers.
async fn reach(circuits: &Circuits, address: OnionAddress) -> Result<(), String> {
    let asking = async {
        let host = address.to_string();
        let line = circuits.connect(&host, PORT).await;
        let mut line = line.map_err(|error| error.to_string())?;
        let call = ContentId::of(b"nothing");
        let ask = EmergencyAsk::Standing { call }.encode();
        let sent = line::send(&mut line, &ask).await;
        sent.map_err(|error| error.to_string())?;
        let answer = line::receive(&mut line, EMERGENCY_FRAME_BYTES_MAX).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let answer = answer.ok_or("it hung up")?;
        match EmergencyAnswer::decode(&answer) {
            Ok(EmergencyAnswer::Standing(_)) => Ok(()),
            Ok(_) => Err("it answered something else".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    };
    timeout(TRY_PATIENCE, asking)
        .await
        .unwrap_or_else(|_| Err("it has not answered in time".to_owned()))
}
