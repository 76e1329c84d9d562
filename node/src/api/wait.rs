//! Waiting for news on behalf of a caller.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        watch,
    },
    time::{Instant, sleep_until},
};
use utoipa::IntoParams;
use x0_protocol::Event;

use super::ApiState;
use crate::runtime::TimedEvent;

/// Longest wait of one call, in milliseconds.
const WAIT_MS_MAX: u64 = 30_000;

/// Whether to wait for news.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitQuery {
    /// Answer when it is no longer so far, in words.
    pub(super) known: Option<String>,
    /// Wait at most so long, in milliseconds: up to 30000. Without it the answer comes at once.
    pub(super) wait_ms: Option<u64>,
}

/// One call's wait: what happened since it began, until its time is up or the node stops.
pub(super) struct Wait {
    events: broadcast::Receiver<Arc<TimedEvent>>,
    stop: watch::Receiver<bool>,
    deadline: Instant,
}

impl ApiState {
    /// Begins to wait, at most so many milliseconds and at most 30,000; none is no wait.
    ///
    /// Begin before the state is read, so that nothing falls between reading and waiting.
    pub(super) fn wait(&self, wait_ms: Option<u64>) -> Wait {
        let wait = Duration::from_millis(wait_ms.unwrap_or(0).min(WAIT_MS_MAX));
        Wait {
            events: self.node.events(),
            stop: self.stop.subscribe(),
            deadline: Instant::now() + wait,
        }
    }
}

impl Wait {
    /// Returns at the next event that matters, or when events were missed: `true`. When the time is up or the node
    /// stops: `false`.
    pub(super) async fn news(&mut self, matters: impl Fn(&Event) -> bool) -> bool {
        let events = &mut self.events;
        let news = async {
            loop {
                match events.recv().await {
                    Ok(happened) if matters(&happened.event) => return,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return,
                }
            }
        };
        tokio::select! {
            () = news => true,
            () = sleep_until(self.deadline) => false,
            _ = self.stop.wait_for(|stop| *stop) => false,
        }
    }
}
