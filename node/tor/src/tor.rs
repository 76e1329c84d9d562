//! Tor as it comes up and while it is up.

use std::{
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use arti_client::{TorClient, status::BootstrapStatus};
use futures::StreamExt as _;
use tokio::time::sleep;
use tor_rtcompat::tokio::TokioRustlsRuntime;
use tracing::{debug, info};

use crate::{
    circuits::Circuits,
    error::TorError,
    lock::{self, Held},
    obstacle,
    runtime::Threads,
    service::{self, Service},
    settings::{Bridges, Settings},
};

pub(crate) type Client = TorClient<TokioRustlsRuntime>;

/// How far Tor is on its way up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Of the whole way, in percent.
    pub percent: u8,
    /// What it is at, or what it is stuck at.
    pub words: String,
}

/// Tor, up and running. It ends when this and all that came from it are dropped.
pub struct Tor {
    inner: Arc<Inner>,
}

/// What circuits and services share. The fields are dropped in this order.
pub(crate) struct Inner {
    pub(crate) client: Arc<Client>,
    pub(crate) patience: Duration,
    pub(crate) state: PathBuf,
    _threads: Threads,
    _held: Held,
}

impl Tor {
    /// Brings Tor up, telling how far it is.
    ///
    /// To be called on a runtime of tokio's. A client that is restarted on the same folders in the same process
    /// waits a moment for the one before it.
    ///
    /// # Errors
    ///
    /// Returns what is in the way, and what helps, after [`Settings::patience`] at the latest.
    pub async fn start(
        settings: Settings,
        on_progress: impl Fn(Progress),
    ) -> Result<Self, TorError> {
        let checked = settings.checked()?;
        tls_ready();
        // Dropped in the opposite order if this fails.
        let held = lock::take(&checked.state, &checked.cache).await?;
        let started = Threads::start();
        let (threads, runtime) = started.map_err(|error| TorError::Failed {
            why: format!("the system gives no threads: {error}"),
        })?;
        let creating = TorClient::with_runtime(runtime).config(checked.config);
        let created = creating.create_unbootstrapped_async().await;
        let client = created.map_err(|error| TorError::at_home(&error, checked.state.clone()))?;
        bring_up(
            &client,
            &checked.state,
            checked.bridges.as_ref(),
            checked.patience,
            on_progress,
        )
        .await?;
        info!(bridges = checked.bridges.is_some(), "Tor is up");
        let inner = Inner {
            client,
            patience: checked.patience,
            state: checked.state,
            _threads: threads,
            _held: held,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Makes circuits that share nothing with any others.
    pub fn isolated(&self) -> Circuits {
        Circuits::of(&self.inner)
    }

    /// Offers an onion service on one port. A name has the same address for as long as the folder of state is kept.
    ///
    /// The service is not reachable at once: see [`Service::status`]. One that fails is started again and again.
    ///
    /// # Errors
    ///
    /// Returns that the name is none, or that its keys cannot be read or made.
    pub async fn serve(&self, nickname: &str, port: u16) -> Result<Service, TorError> {
        service::start(&self.inner, nickname, port).await
    }
}

async fn bring_up(
    client: &Client,
    state: &Path,
    bridges: Option<&Bridges>,
    patience: Duration,
    on_progress: impl Fn(Progress),
) -> Result<(), TorError> {
    let mut events = client.bootstrap_events();
    let mut last = None;
    let mut tell = |status: &BootstrapStatus| {
        let now = Some(Progress::of(status));
        if now != last {
            last.clone_from(&now);
            now.into_iter().for_each(&on_progress);
        }
    };
    let mut coming = pin!(client.bootstrap());
    let mut deadline = pin!(sleep(patience));
    loop {
        tokio::select! {
            // What is over counts, then what is new.
            biased;
            came = &mut coming => {
                let status = client.bootstrap_status();
                tell(&status);
                let Err(error) = came else { return Ok(()) };
                let plain = TorError::at_home(&error, state.to_owned());
                let TorError::Failed { why } = plain else { return Err(plain) };
                debug!(why, "Tor gave up by itself");
                return Err(obstacle::name(&status, bridges, patience).await);
            }
            Some(status) = events.next() => tell(&status),
            () = &mut deadline => return Err(obstacle::name(&client.bootstrap_status(), bridges, patience).await),
        }
    }
}

impl Progress {
    fn of(status: &BootstrapStatus) -> Self {
        // From 0 to 100, so nothing is cut off.
        let percent = (status.as_frac().clamp(0.0, 1.0) * 100.0).round() as u8;
        Self {
            percent,
            words: status.to_string(),
        }
    }
}

/// Names ring as what TLS is made with, for the whole program; an error says that it was named before.
fn tls_ready() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
}
