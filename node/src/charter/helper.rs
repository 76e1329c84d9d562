//! What the kernel's helper says at the moment, for a person who looks: what it enforces, and what it refused last.
//!
//! Whoever looks may look every second and in many windows, and a helper may hang. So one look is under way at a time, on
//! a thread of its own; others wait for their turn, and nobody waits longer than two seconds.

use std::{collections::VecDeque, path::PathBuf, sync::Arc, time::Duration};

use tokio::{sync::Mutex, task::spawn_blocking, time::timeout};
use x0_ebpf_loader::{
    ProbeError,
    client::Client,
    messages::{Answer, Refusal, Status},
};

/// Refusals that are shown: two screens of a desktop.
pub const REFUSALS_SHOWN: usize = 40;
/// How long whoever looks waits: a helper that is well answers within milliseconds.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// What the helper says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// What is in force and what was counted.
    pub status: Status,
    /// The newest refusals, the last first, at most [`REFUSALS_SHOWN`].
    pub refusals: Vec<Refusal>,
}

/// Looks at the helper, one look at a time.
#[derive(Clone, Debug, Default)]
pub struct Watcher(Arc<Mutex<()>>);

impl Watcher {
    /// Asks the helper at a socket.
    ///
    /// # Errors
    ///
    /// Returns why it tells nothing, in words: that none runs, that it is another's, that it does not answer.
    pub async fn look(&self, socket: PathBuf) -> Result<Seen, String> {
        self.look_for(ANSWER_MAX, socket).await
    }

    async fn look_for(&self, answer_max: Duration, socket: PathBuf) -> Result<Seen, String> {
        let turn = Arc::clone(&self.0);
        let asked = async {
            let turn = turn.lock_owned().await;
            spawn_blocking(move || {
                let seen = see(&Client::new(socket));
                drop(turn);
                seen
            })
            .await
        };
        match timeout(answer_max, asked).await {
            Ok(Ok(seen)) => seen.map_err(|fault| fault.to_string()),
            Ok(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
            Err(_) => Err(format!(
                "the kernel's helper has not answered for {} ms: look at it with `x0 charter probe status`, and start it \
                 again if it says nothing there either",
                answer_max.as_millis()
            )),
        }
    }
}

fn see(client: &Client) -> Result<Seen, ProbeError> {
    let status = client.status()?;
    let mut newest = VecDeque::new();
    client.events(false, |answer| {
        if let Answer::Event(refusal) = answer {
            newest.push_front(refusal);
            newest.truncate(REFUSALS_SHOWN);
        }
        Ok::<_, ProbeError>(())
    })?;
    Ok(Seen {
        status,
        refusals: newest.into(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn where_none_runs_it_is_said_how_to_start_one() {
        let dir = tempfile::tempdir().unwrap();

        let why = Watcher::default()
            .look(dir.path().join("probe.sock"))
            .await
            .unwrap_err();

        assert!(why.contains("probe.sock"), "{why}");
    }

    #[tokio::test]
    async fn a_helper_that_hangs_keeps_nobody_waiting_and_is_asked_once() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("probe.sock");
        // Connections are taken by the system and answered by nobody.
        let silent = UnixListener::bind(&socket).unwrap();
        let watcher = Watcher::default();

        for _ in 0..3 {
            let looked = watcher.look_for(Duration::from_millis(50), socket.clone());
            let why = looked.await.unwrap_err();
            assert!(why.contains("has not answered"), "{why}");
            assert!(watcher.0.try_lock().is_err(), "the first look is under way");
        }

        // Whoever still asks sees the end of its connection, and the turn is free again.
        silent.set_nonblocking(true).unwrap();
        let asked = std::iter::from_fn(|| silent.accept().ok()).count();
        drop(silent);
        assert!(asked <= 1, "{asked} looks at once");
        drop(watcher.0.lock().await);
    }
}
