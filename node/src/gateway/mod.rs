//! The charter's gateway at work: sockets, clocks and a file round the rules of [`x0_protocol::charter::gateway`].
//!
//! - StatsD comes in by UDP, OTLP metrics and Prometheus remote write by HTTP, both at the gateway's address of the charter, or
//!   where `gateway.listen` says; exporters that `gateway.targets` names are visited (`scrape`).
//! - What anybody may see is shown at `/metrics` of that address; what only the operator may see, by the local API.
//! - Values stand in memory alone and are gone with the process. What people consented to is on disk ([`journal`]).
//! - Another charter is obeyed as soon as it is in force, a new address of its gateway included.
//!
//! If the address cannot be had, the node goes on without, says so and tries again. What passes is not decided here.

mod http;
pub mod journal;
pub mod otlp;
pub mod remote_write;
mod scrape;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::{broadcast::error::RecvError, watch},
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tracing::{info, warn};
use x0_protocol::{
    Command, Event, Reply, Wall,
    charter::{
        Charter,
        gateway::{
            Gateway, Origin, Taken,
            consent::{Consents, Word, WordFault},
            refusal::{Refusal, Refused},
            render::{Audience, Escaping, Withheld},
        },
    },
};

use self::{
    journal::{Journal, JournalError},
    otlp::Sample,
};
use crate::{
    charter::in_force,
    config::{GatewayPlace, GatewaySettings, OWN_NODE, Target},
    metrics::{Counter, Gauge, Metrics, TABLES},
    runtime::{NodeHandle, wall},
};

/// How soon an address that could not be had is tried again.
const RETRY: Duration = Duration::from_secs(10);
/// How often what is too old is forgotten, and the charter looked at in case an event was missed.
const LOOK: Duration = Duration::from_secs(30);
/// How long open requests may take to end when the gateway moves or the node stops.
const CALLS_END: Duration = Duration::from_secs(2);
/// Largest datagram of UDP, bytes: a longer StatsD line than is read must be seen as such.
const DATAGRAM_BYTES_MAX: usize = 65_536;
/// Tries to find a port that is free for both protocols, where any will do.
const PORT_TRIES: usize = 16;

/// What ends an exposition (OpenMetrics 1.0, section "ABNF").
const END: &str = "# EOF\n";

/// Where the gateway stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Place {
    /// It takes nothing in.
    Off,
    /// It has not tried yet.
    Opening,
    /// It takes telemetry in here.
    Open {
        /// Where.
        address: SocketAddr,
    },
    /// It cannot, and tries again.
    Failed {
        /// Where it would.
        address: SocketAddr,
        /// Why not, and what to do.
        why: String,
    },
}

/// How it stands with an exporter that is visited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visited {
    /// The exporter.
    pub target: Target,
    /// When it was visited the last time.
    pub at: Wall,
    /// What came of it.
    pub came: Result<Taken, String>,
}

/// Why a word about a collection is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SayError {
    /// The rules refuse it.
    #[error(transparent)]
    Word(#[from] WordFault),
    /// It could not be written down.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What an operator sees of the gateway at one moment.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The charter that is obeyed.
    pub charter: Charter,
    /// Where it stands.
    pub place: Place,
    /// Series that are kept.
    pub series: usize,
    /// Samples taken since the start.
    pub taken: u64,
    /// Samples refused since the start, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// The refusals that are kept, the newest first.
    pub refusals: Vec<Refused>,
    /// What is kept and not shown to everybody.
    pub withheld: Vec<Withheld>,
    /// Exporters that are visited.
    pub visited: Vec<Visited>,
}

/// The gateway, shared by all that hand in and all that look.
#[derive(Debug)]
pub struct Hub {
    state: Mutex<State>,
    metrics: Metrics,
}

#[derive(Debug)]
struct State {
    gateway: Gateway,
    journal: Journal,
    place: Place,
    visited: BTreeMap<Target, Visited>,
}

impl Hub {
    /// Opens the gateway of a data directory.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the file of consents.
    pub fn open(data_dir: &Path, charter: Charter, metrics: Metrics) -> Result<Self, JournalError> {
        let (journal, consents) = Journal::open(data_dir)?;
        Ok(Self {
            state: Mutex::new(State {
                gateway: Gateway::new(charter, consents),
                journal,
                place: Place::Off,
                visited: BTreeMap::new(),
            }),
            metrics,
        })
    }

    /// Writes what anybody may see.
    pub fn shown(&self, escaping: Escaping) -> String {
        let mut state = self.state();
        state.gateway.expire(wall());
        let text = state.gateway.shown(Audience::Anyone, escaping, |_| false);
        format!("{text}{END}")
    }

    /// Writes what the operator may see behind the node's own numbers.
    pub fn shown_behind(&self, own: &str) -> String {
        let mut state = self.state();
        state.gateway.expire(wall());
        let is_own = |metric: &str| {
            TABLES
                .iter()
                .copied()
                .flatten()
                .any(|row| row.name == metric)
        };
        let of_others = state
            .gateway
            .shown(Audience::Operator, Escaping::Underscores, is_own);
        format!("{}{of_others}{END}", own.trim_end_matches(END))
    }

    /// Looks at everything that an operator may see.
    pub fn overview(&self) -> Overview {
        let mut state = self.state();
        state.gateway.expire(wall());
        let gateway = &state.gateway;
        Overview {
            charter: gateway.charter().clone(),
            place: state.place.clone(),
            series: gateway.series(),
            taken: gateway.taken(),
            refused: gateway.book().by_reason().clone(),
            refusals: gateway.refusals(),
            withheld: gateway.withheld(),
            visited: state.visited.values().cloned().collect(),
        }
    }

    /// Returns what people have said, and the charter by which it counts.
    pub fn consents(&self) -> (Charter, Consents) {
        let state = self.state();
        (
            state.gateway.charter().clone(),
            state.gateway.consents().clone(),
        )
    }

    /// Takes what a person says about a metric, once it is on disk. Blocks while it is written.
    ///
    /// # Errors
    ///
    /// Returns why it is not taken.
    pub fn say(&self, metric: &str, person: &str, given: bool) -> Result<Word, SayError> {
        let mut state = self.state();
        let word = state.gateway.check_word(wall(), metric, person, given)?;
        state.journal.append(&word)?;
        state.gateway.take_word(word.clone());
        drop(state);
        // The name of a person has no business in a log.
        info!(
            metric,
            given, "a person said whether a metric may be collected"
        );
        Ok(word)
    }

    fn number(&self) -> u64 {
        self.state().gateway.charter().number()
    }

    fn amend(&self, charter: Charter) {
        let mut state = self.state();
        if *state.gateway.charter() != charter {
            info!(
                number = charter.number(),
                "the gateway obeys another charter"
            );
            state.gateway.amend(charter);
        }
    }

    fn expire(&self) {
        let mut state = self.state();
        state.gateway.expire(wall());
        let series = state.gateway.series() as u64;
        drop(state);
        self.metrics.set(Gauge::GatewaySeries, series);
    }

    fn place(&self, place: Place) {
        self.state().place = place;
    }

    fn statsd(&self, datagram: &[u8]) {
        let taken = self
            .state()
            .gateway
            .statsd(wall(), &own("statsd"), datagram);
        self.count(taken);
    }

    fn exposition(&self, origin: &Origin, text: &[u8]) -> Taken {
        let taken = self.state().gateway.exposition(wall(), origin, text);
        self.count(taken)
    }

    fn offers(&self, source: &str, samples: Vec<Sample>) -> Taken {
        let (names, offers): (Vec<_>, Vec<_>) = samples.into_iter().unzip();
        let samples = names.iter().map(Vec::as_slice).zip(offers);
        let taken = self.state().gateway.offers(wall(), &own(source), samples);
        self.count(taken)
    }

    fn refuse(&self, source: &str, refusal: &Refusal) {
        let taken = self
            .state()
            .gateway
            .refuse(wall(), &own(source), &[], refusal);
        self.count(taken);
    }

    fn forget(&self, origin: &Origin) {
        self.state().gateway.forget(origin);
    }

    fn visited(&self, target: &Target, came: Result<Taken, String>) {
        let visited = Visited {
            target: target.clone(),
            at: wall(),
            came,
        };
        self.state().visited.insert(target.clone(), visited);
    }

    fn count(&self, taken: Taken) -> Taken {
        self.metrics.add(Counter::GatewayTaken, taken.taken);
        self.metrics.add(Counter::GatewayRefused, taken.refused);
        taken
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of it is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns where something comes from that a program of this machine hands in.
fn own(source: &str) -> Origin {
    Origin {
        node: OWN_NODE.to_owned(),
        source: source.to_owned(),
    }
}

/// Starts the gateway beside a node; it ends with the node.
pub async fn start(hub: &Arc<Hub>, node: &NodeHandle, settings: &GatewaySettings) {
    if let Some(charter) = charter_of(node).await {
        hub.amend(charter);
    }
    let charter = hub.state().gateway.charter().clone();
    let (wanted, place) = watch::channel(address_of(settings.listen, &charter));
    if wanted.borrow().is_some() {
        hub.place(Place::Opening);
        tokio::spawn(listen(Arc::clone(hub), node.clone(), place));
    }
    tokio::spawn(follow(
        Arc::clone(hub),
        node.clone(),
        settings.listen,
        wanted,
    ));
    match scrape::client() {
        Ok(client) => {
            for target in settings.targets.clone() {
                let (hub, node, client) = (Arc::clone(hub), node.clone(), client.clone());
                let every = Duration::from_secs(settings.scrape_secs.into());
                tokio::spawn(scrape::visit(hub, node, client, target, every));
            }
        }
        Err(cause) => warn!(%cause, "no exporter can be visited"),
    }
}

async fn charter_of(node: &NodeHandle) -> Option<Charter> {
    match node.command(Command::Status).await {
        Ok(Reply::Status(status)) => Some(in_force(status.charter)),
        Ok(_) | Err(_) => None,
    }
}

fn address_of(listen: GatewayPlace, charter: &Charter) -> Option<SocketAddr> {
    let gateway = charter.text().gateway;
    match listen {
        GatewayPlace::OfCharter => Some(SocketAddr::new(gateway.address, gateway.port)),
        GatewayPlace::At(address) => Some(address),
        GatewayPlace::Off => None,
    }
}

/// Obeys each charter that comes into force, and forgets what is too old.
async fn follow(
    hub: Arc<Hub>,
    node: NodeHandle,
    listen: GatewayPlace,
    wanted: watch::Sender<Option<SocketAddr>>,
) {
    let mut events = node.events();
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            event = events.recv() => match event {
                Ok(event) if matches!(event.event, Event::Charter { .. }) => {}
                Ok(_) => continue,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            () = node.stopped() => return,
        }
        if let Some(charter) = charter_of(&node).await {
            let address = address_of(listen, &charter);
            hub.amend(charter);
            wanted.send_if_modified(|present| std::mem::replace(present, address) != address);
        }
        hub.expire();
    }
}

/// Takes telemetry in where it is wanted, until the node stops.
async fn listen(hub: Arc<Hub>, node: NodeHandle, mut wanted: watch::Receiver<Option<SocketAddr>>) {
    loop {
        let Some(address) = *wanted.borrow_and_update() else {
            return;
        };
        let (udp, tcp) = match open(address).await {
            Ok(opened) => opened,
            Err(cause) => {
                let why = format!(
                    "it cannot be listened on ({cause}): end the program that does, or set gateway.listen"
                );
                let failed = Place::Failed { address, why };
                if hub.overview().place != failed {
                    info!(%address, %cause, "the gateway takes nothing in; trying again");
                    hub.place(failed);
                }
                tokio::select! {
                    () = sleep(RETRY) => continue,
                    _ = wanted.changed() => continue,
                    () = node.stopped() => return,
                }
            }
        };
        let address = udp.local_addr().unwrap_or(address);
        info!(%address, "the gateway takes telemetry in");
        hub.place(Place::Open { address });
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(http::serve(Arc::clone(&hub), tcp, stopped));
        let has_ended = tokio::select! {
            () = statsd(&hub, &udp) => false,
            changed = wanted.changed() => changed.is_err(),
            () = node.stopped() => true,
        };
        stop.send_replace(true);
        timeout(CALLS_END, serving).await.ok();
        if has_ended {
            return;
        }
    }
}

/// Opens both sockets of an address, on one port where any will do.
async fn open(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut tries = 1;
    loop {
        let tcp = TcpListener::bind(address).await?;
        match UdpSocket::bind(tcp.local_addr()?).await {
            Ok(udp) => return Ok((udp, tcp)),
            Err(_) if address.port() == 0 && tries < PORT_TRIES => tries += 1,
            Err(cause) => return Err(cause),
        }
    }
}

/// Takes datagrams in until the socket fails.
async fn statsd(hub: &Hub, udp: &UdpSocket) {
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        match udp.recv_from(&mut datagram).await {
            Ok((length, _)) => hub.statsd(&datagram[..length]),
            Err(cause) => {
                warn!(%cause, "the gateway's socket failed; opening it anew");
                return;
            }
        }
    }
}
