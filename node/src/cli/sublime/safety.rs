//! When an item that was put is safe: enough nodes hold it, and the tiers that were asked for have it.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::{
    super::{Context, client::Client, error::CliError},
    steps,
};
use crate::{
    api::{
        keeping::{CountBody, KeepingView, without},
        sublime::SublimeView,
    },
    sublime::{Count, Policy},
};

/// How often copies are counted while it is waited for them.
const COUNTED_EVERY: Duration = Duration::from_secs(1);
/// How long is waited without anything moving.
const PATIENCE: Duration = Duration::from_secs(60);

/// How safe an item is that was put.
#[derive(Serialize)]
pub(super) struct Safety {
    pub(super) item: String,
    pub(super) policy: Policy,
    /// Tiers of the policy at which this node has no account.
    pub(super) without: Vec<String>,
    /// Tiers beside the mesh that have all of it.
    pub(super) stored: Vec<String>,
    /// Copies that were counted last, how many are enough, and whether they were; none if that was not waited for.
    pub(super) copies: Option<u32>,
    pub(super) copies_needed: Option<u32>,
    pub(super) safe: Option<bool>,
}

impl Safety {
    /// Returns that of an item whose copies were not counted yet.
    pub(super) const fn of(item: String, policy: Policy, without: Vec<String>) -> Self {
        Self {
            item,
            policy,
            without,
            stored: Vec::new(),
            copies: None,
            copies_needed: None,
            safe: None,
        }
    }

    /// Tells whether enough nodes were found to hold it.
    pub(super) fn is_safe(&self) -> bool {
        self.safe == Some(true)
    }
}

/// Says beforehand which part of a policy has to wait for an account.
pub(super) async fn warn_of_accounts(context: &Context, policy: Policy) -> Result<(), CliError> {
    if policy == Policy::Mesh {
        return Ok(());
    }
    let view: SublimeView = context.client()?.get("/v1/sublime").await?;
    for tier in without(policy, &view.accounts) {
        context.output.note(&format!(
            "This node has no account with {tier} ([sublime.{tier}] in its settings): guardians' nodes alone will keep the \
             item, all of it each. It is stored there too as soon as the settings name an account and the node starts anew."
        ));
    }
    Ok(())
}

/// Waits until enough nodes hold an item and the tiers that were asked for have it, or nothing moves any more.
pub(super) async fn wait(
    context: &Context,
    client: &Client,
    put: &mut Safety,
) -> Result<(), CliError> {
    let wanted = put.policy.beyond().iter().map(|tier| tier.name());
    let wanted: Vec<_> = wanted
        .filter(|tier| !put.without.iter().any(|without| without == tier))
        .collect();
    let path = format!("/v1/sublime/items/{}/count", put.item);
    let bar = steps(context.output, 0);
    let mut seen = (0, 0, 0);
    let mut moved_at = Instant::now();
    loop {
        let counted = client.post(&path, &CountBody::default()).await;
        // What cannot be counted yet can a moment later.
        let view: Option<KeepingView> = match counted {
            Ok(view) => Some(view),
            Err(CliError::Refused(_)) => None,
            Err(error) => return Err(error),
        };
        if let Some(view) = view {
            let copies = view.copies.as_ref().map_or(0, Count::copies);
            put.stored = view.stored_ms.keys().cloned().collect();
            (put.copies, put.copies_needed, put.safe) =
                (Some(copies), Some(view.needed), view.safe);
            let is_stored = |tier: &&str| view.stored_ms.contains_key(*tier);
            let missing = wanted.iter().copied().find(|tier| !is_stored(tier));
            if view.safe == Some(true) && missing.is_none() {
                break;
            }
            let done = view.work.as_ref().map_or(0, |work| work.done);
            match (&view.work, missing) {
                (Some(work), Some(tier)) if work.what == tier => {
                    bar.set_length(work.of);
                    bar.set_position(work.done);
                    bar.set_message(format!("blocks are on {tier}"));
                }
                (_, _) => {
                    bar.set_length(u64::from(view.needed));
                    bar.set_position(u64::from(copies));
                    bar.set_message("copies counted");
                }
            }
            let now = (copies, put.stored.len(), done);
            if std::mem::replace(&mut seen, now) != now {
                moved_at = Instant::now();
            }
        }
        if moved_at.elapsed() >= PATIENCE {
            break;
        }
        tokio::time::sleep(COUNTED_EVERY).await;
    }
    bar.finish_and_clear();
    Ok(())
}

/// Says how safe an item is, and what to do until it is.
pub(super) fn how_safe(put: &Safety) -> String {
    let show = format!("`x0 sublime show {}`", put.item);
    let mut text = match (put.safe, put.copies, put.copies_needed) {
        (Some(true), Some(copies), _) => format!("Safe: {copies} other nodes hold all of it."),
        (Some(false), Some(copies), Some(needed)) => format!(
            "NOT SAFE YET: {copies} of {needed} copies. Keep the file, and this node running, until {show} says that it is safe."
        ),
        (_, _, _) => format!(
            "Its copies were not counted: {show} tells when it is safe. Keep the file until then."
        ),
    };
    for tier in put.policy.beyond().iter().map(|tier| tier.name()) {
        let is_in = |tiers: &[String]| tiers.iter().any(|one| one == tier);
        let stands = match (is_in(&put.stored), is_in(&put.without)) {
            (true, _) => format!("\nAll of it is on {tier}."),
            (false, true) => format!(
                "\nIt is not on {tier}, where this node has no account: the mesh alone keeps it."
            ),
            (false, false) => {
                format!("\nIt is not on {tier} yet: the node goes on by itself, {show} tells.")
            }
        };
        text.push_str(&stands);
    }
    text
}
