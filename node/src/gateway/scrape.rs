//! Fetching from Prometheus exporters that the settings name.

use std::{sync::Arc, time::Duration};

use reqwest::{Client, header::ACCEPT, redirect};
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;
use x0_protocol::charter::gateway::{Origin, exposition::EXPOSITION_BYTES_MAX};

use super::Hub;
use crate::{config::Target, runtime::NodeHandle};

/// Longest wait for a whole answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// After so long a silence what an exporter said no longer holds (as Prometheus has it: "Staleness").
const STALE: Duration = Duration::from_secs(5 * 60);
/// What is asked for.
const ACCEPTED: &str =
    "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// Makes what all visits share. Redirects are not followed and no proxy is asked: only who was named is visited.
pub(super) fn client() -> reqwest::Result<Client> {
    crate::tls::ready();
    Client::builder()
        .timeout(PATIENCE)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()
}

/// Visits an exporter again and again, until the node stops.
pub(super) async fn visit(
    hub: Arc<Hub>,
    node: NodeHandle,
    client: Client,
    target: Target,
    every: Duration,
) {
    let origin = Origin {
        node: target.node.clone(),
        source: target.url.clone(),
    };
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silent = Duration::ZERO;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = node.stopped() => return,
        }
        match fetch(&client, &target.url).await {
            Ok(text) => {
                silent = Duration::ZERO;
                let taken = hub.exposition(&origin, &text);
                hub.visited(&target, Ok(taken));
            }
            Err(why) => {
                debug!(url = target.url, why, "an exporter was not read");
                silent = silent.saturating_add(every);
                if silent >= STALE {
                    hub.forget(&origin);
                }
                hub.visited(&target, Err(why));
            }
        }
    }
}

async fn fetch(client: &Client, url: &str) -> Result<Vec<u8>, String> {
    let asked = client.get(url).header(ACCEPT, ACCEPTED).send().await;
    let mut answer = asked.map_err(|fault| {
        let cause = std::error::Error::source(&fault)
            .map_or_else(|| fault.to_string(), ToString::to_string);
        format!("it does not answer ({cause}): start it, or mend gateway.targets")
    })?;
    if !answer.status().is_success() {
        return Err(format!("it answered {}: look at its log", answer.status()));
    }
    let mut text = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(part)) if text.len() + part.len() <= EXPOSITION_BYTES_MAX => {
                text.extend_from_slice(&part);
            }
            Ok(Some(_)) => {
                return Err(format!(
                    "it answers with more than {EXPOSITION_BYTES_MAX} bytes: have it tell less"
                ));
            }
            Ok(None) => return Ok(text),
            Err(fault) => return Err(format!("its answer broke off ({fault})")),
        }
    }
}
