//! An onion service that is kept up.
//!
//! One task starts the service, takes its streams and watches it. A service that cannot be started, breaks, or is not
//! reachable for a long while is started anew with the same keys, after a pause that grows from [`PAUSE_FIRST`] to
//! [`PAUSE_MAX`] and shrinks back once it was reachable.
//!
//! Bounds: [`CIRCUITS_MAX`] clients at a time, [`STREAMS_PER_CIRCUIT`] streams of each; a stream beyond [`WAITING_MAX`]
//! that nobody takes ends its circuit. Anything but a stream to the one port ends its circuit as well.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, future::Either, stream::BoxStream};
use safelog::DisplayRedacted as _;
use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, sleep_until, timeout},
};
use tor_cell::relaycell::msg::Connected;
use tor_error::ErrorReport as _;
use tor_hsservice::{
    HsNickname, OnionServiceConfig, RendRequest, RunningOnionService, StreamRequest,
    config::OnionServiceConfigBuilder,
    status::{OnionServiceStatus, Problem},
};
use tor_proto::stream::IncomingStreamRequest;
use tracing::{debug, info};

use crate::{error::TorError, stream::Stream, tor::Inner};

/// Pause before the first new start: a network that is just coming up is there by then.
const PAUSE_FIRST: Duration = Duration::from_secs(3);
/// Longest pause between two starts.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// Longest time that a service may be on its way up: it takes some seconds, with slow guards a minute.
const UNREACHABLE_MAX: Duration = Duration::from_secs(180);
/// Longest wait for the keys' lock of a service of the same name that was just dropped.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// Time between two looks at that lock.
const LOCK_LOOK_EVERY: Duration = Duration::from_millis(100);
/// Most clients at a time; others wait until one of them leaves.
const CIRCUITS_MAX: usize = 256;
/// Most streams of one client at a time.
const STREAMS_PER_CIRCUIT: u32 = 16;
/// Most streams that are accepted or wait to be taken.
const WAITING_MAX: usize = 64;
/// Longest time for a client to be told that its stream is open.
const ACCEPT_PATIENCE: Duration = Duration::from_secs(15);

/// How a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceStatus {
    /// On its way up.
    Starting,
    /// It can be dialled.
    Reachable,
    /// It cannot be dialled, for this reason; it is started again by itself.
    Broken(String),
}

/// An onion service; dropping it ends it.
pub struct Service {
    address: String,
    incoming: mpsc::Receiver<Stream>,
    status: watch::Receiver<ServiceStatus>,
    keeper: JoinHandle<()>,
}

impl Service {
    /// Returns the address, with `.onion`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits for the next stream that somebody opens.
    pub async fn accept(&mut self) -> Option<Stream> {
        self.incoming.recv().await
    }

    /// Returns how the service is, and when that changes.
    pub fn status(&self) -> watch::Receiver<ServiceStatus> {
        self.status.clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// A service that arti runs, until it is dropped.
struct Launched {
    running: Arc<RunningOnionService>,
    clients: BoxStream<'static, RendRequest>,
}

/// What keeps a service up.
struct Keeper {
    inner: Arc<Inner>,
    config: OnionServiceConfig,
    port: u16,
    streams: mpsc::Sender<Stream>,
    status: watch::Sender<ServiceStatus>,
    pause: Duration,
}

pub(crate) async fn start(
    inner: &Arc<Inner>,
    nickname: &str,
    port: u16,
) -> Result<Service, TorError> {
    let config = config(nickname)?;
    let launched = launch_when_free(inner, &config).await?;
    let Some(id) = launched.running.onion_address() else {
        return Err(TorError::Failed {
            why: "the new service has no address".to_owned(),
        });
    };
    let (streams, incoming) = mpsc::channel(WAITING_MAX);
    let (status, seen) = watch::channel(ServiceStatus::Starting);
    let keeper = Keeper {
        inner: Arc::clone(inner),
        config,
        port,
        streams,
        status,
        pause: PAUSE_FIRST,
    };
    Ok(Service {
        address: id.display_unredacted().to_string(),
        incoming,
        status: seen,
        keeper: tokio::spawn(keeper.keep(launched)),
    })
}

fn config(nickname: &str) -> Result<OnionServiceConfig, TorError> {
    let name: HsNickname = nickname
        .parse()
        .map_err(|_| TorError::Nickname(nickname.to_owned()))?;
    let mut builder = OnionServiceConfigBuilder::default();
    builder
        .nickname(name)
        .max_concurrent_streams_per_circuit(STREAMS_PER_CIRCUIT);
    builder.build().map_err(|error| TorError::Failed {
        why: error.to_string(),
    })
}

fn launch(inner: &Inner, config: &OnionServiceConfig) -> Result<Launched, TorError> {
    let launched = inner.client.launch_onion_service(config.clone());
    let launched = launched.map_err(|error| TorError::at_home(&error, inner.state.clone()))?;
    let Some((running, clients)) = launched else {
        return Err(TorError::Failed {
            why: "the service is switched off".to_owned(),
        });
    };
    Ok(Launched {
        running,
        clients: clients.boxed(),
    })
}

/// Starts a service; one of the same name that was just dropped holds its keys a moment longer.
async fn launch_when_free(
    inner: &Inner,
    config: &OnionServiceConfig,
) -> Result<Launched, TorError> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match launch(inner, config) {
            Err(TorError::Locked { .. }) if Instant::now() < deadline => {
                sleep(LOCK_LOOK_EVERY).await
            }
            ended => return ended,
        }
    }
}

impl Keeper {
    async fn keep(mut self, first: Launched) {
        let mut launched: Result<Launched, TorError> = Ok(first);
        loop {
            let why = match launched {
                Ok(launched) => self.run(launched).await,
                Err(error) => error.to_string(),
            };
            info!(
                why,
                pause_s = self.pause.as_secs(),
                "the onion service is started anew"
            );
            self.status.send_replace(ServiceStatus::Broken(why));
            sleep(self.pause).await;
            self.pause = (self.pause * 2).min(PAUSE_MAX);
            launched = launch_when_free(&self.inner, &self.config).await;
        }
    }

    /// Takes streams until the service is broken; returns why.
    async fn run(&mut self, launched: Launched) -> String {
        let mut events = launched.running.status_events();
        let mut requests = streams_of(launched.clients);
        let mut accepting = JoinSet::new();
        let mut reachable_by = Some(Instant::now() + UNREACHABLE_MAX);
        let mut problem = None;
        loop {
            let deadline = reachable_by.unwrap_or_else(|| Instant::now() + UNREACHABLE_MAX);
            tokio::select! {
                request = requests.next() => match request {
                    Some(request) => self.take(request, &mut accepting),
                    None => return problem.unwrap_or_else(|| "it ended".to_owned()),
                },
                Some(status) = events.next() => {
                    if let Some(found) = status.current_problem() {
                        problem = Some(words(found));
                    }
                    match Health::of(&status) {
                        Health::Good => {
                            reachable_by = None;
                            self.pause = PAUSE_FIRST;
                            self.tell(ServiceStatus::Reachable);
                        }
                        Health::Coming => {
                            reachable_by.get_or_insert_with(|| Instant::now() + UNREACHABLE_MAX);
                            self.tell(problem.clone().map_or(ServiceStatus::Starting, ServiceStatus::Broken));
                        }
                        Health::Over => return problem.unwrap_or_else(|| "Tor gave it up".to_owned()),
                    }
                }
                Some(_) = accepting.join_next() => {}
                () = sleep_until(deadline), if reachable_by.is_some() => {
                    return problem.unwrap_or_else(|| "no relay has taken it in".to_owned());
                }
            }
        }
    }

    fn tell(&self, status: ServiceStatus) {
        self.status.send_if_modified(|known| {
            let changed = *known != status;
            *known = status;
            changed
        });
    }

    fn take(&self, request: StreamRequest, accepting: &mut JoinSet<()>) {
        let wanted = matches!(request.request(), IncomingStreamRequest::Begin(begin) if begin.port() == self.port);
        let room = accepting.len() < WAITING_MAX;
        if !wanted || !room {
            debug!(wanted, room, "a client of the onion service is turned away");
            request.shutdown_circuit().ok();
            return;
        }
        let streams = self.streams.clone();
        accepting.spawn(async move {
            // Whoever offers the service has dropped it, or takes streams as they come.
            let Ok(place) = streams.reserve().await else {
                return;
            };
            let accepted = timeout(ACCEPT_PATIENCE, request.accept(Connected::new_empty())).await;
            if let Ok(Ok(stream)) = accepted {
                place.send(Stream::new(stream));
            }
        });
    }
}

/// Lets clients in and returns what they ask for.
fn streams_of(clients: BoxStream<'static, RendRequest>) -> BoxStream<'static, StreamRequest> {
    let requests = clients.flat_map_unordered(CIRCUITS_MAX, |client| {
        let let_in = client.accept().map(|outcome| match outcome {
            Ok(requests) => Either::Left(requests),
            Err(error) => {
                debug!(why = %error.report(), "a client of the onion service was not met");
                Either::Right(futures::stream::empty())
            }
        });
        let_in.flatten_stream().boxed()
    });
    requests.boxed()
}

/// What arti's many states come down to.
enum Health {
    Good,
    Coming,
    Over,
}

impl Health {
    fn of(status: &OnionServiceStatus) -> Self {
        use tor_hsservice::status::State;
        let state = status.state();
        if state.is_fully_reachable() {
            Self::Good
        } else if state == State::Broken {
            Self::Over
        } else {
            // `Shutdown` too: so a new service calls itself, and one that ends ends its requests.
            Self::Coming
        }
    }
}

fn words(problem: &Problem) -> String {
    let known = if let Problem::Runtime(error) = problem {
        Some(error.report().to_string())
    } else if let Problem::DescriptorUpload(errors) = problem {
        errors
            .first()
            .map(|error| format!("no relay takes what announces it: {}", error.report()))
    } else if let Problem::Ipt(errors) = problem {
        errors
            .first()
            .map(|error| format!("no relay takes it in: {}", error.report()))
    } else {
        None
    };
    known.unwrap_or_else(|| "Tor does not say why".to_owned())
}
