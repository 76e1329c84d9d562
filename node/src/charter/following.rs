//! The charter in force, kept in the kernel: whenever another one comes into force the node hands it to the helper, if it is
//! the helper's owner.
//!
//! - With `charter.probe = "manual"` nothing is loaded, ever.
//! - A policy that somebody wrote, one that names no charter, is left alone: whoever loaded it meant it.
//! - What the operator adds (users, ports to serve on) comes from the settings, or stays as it was in the policy before.
//! - What fails is told in [`Standing`], in the log and in `x0_probe_behind`, and tried again until it works.
//!
//! When a policy gives way to another is the rule of [`x0_protocol::charter::following`]. A node that has not caught up loads
//! nothing: it may know an older charter than the kernel has.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        watch,
    },
    time::sleep,
};
use tracing::{debug, info, warn};
use x0_ebpf_loader::{Checked, Policy, ProbeError, client::Client};
use x0_protocol::{
    Command, Event, Reply,
    charter::{
        Charter,
        following::{Loaded, Step, step as rule},
    },
    core::command::Status,
};

use super::{in_force, kernel::policy_with};
use crate::{
    config::{CharterSettings, ProbeMode},
    metrics::{Gauge, Metrics},
    runtime::{NodeHandle, TimedEvent},
};

/// How often the helper is looked at though no charter changed: it may have been started, or given another policy.
const LOOK: Duration = Duration::from_secs(10);
/// How soon what failed is tried again, and a node that catches up is looked at.
const RETRY: Duration = Duration::from_secs(3);

/// The code by which the helper turns away whoever is not its owner.
const NOT_YOURS: &str = "not_yours";

/// How the kernel stands to the charter in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Standing {
    /// Nobody has looked yet, or the node has not caught up.
    Waiting,
    /// The operator loads policies.
    Manual,
    /// No helper answers: nothing is enforced in the kernel.
    NoHelper {
        /// What to do.
        why: String,
    },
    /// The helper is another's, who decides what it enforces.
    NotOwner {
        /// What it said.
        why: String,
    },
    /// A policy that somebody wrote is in force, and left alone.
    ByHand,
    /// The kernel enforces the charter in force.
    InForce {
        /// The charter.
        charter: String,
        /// Its number.
        number: u64,
    },
    /// It could not be loaded; it is tried again.
    Failed {
        /// The charter.
        charter: String,
        /// Its number.
        number: u64,
        /// Why not, and what to do.
        why: String,
    },
}

impl Standing {
    /// Says it in words.
    pub fn words(&self) -> String {
        match self {
            Self::Waiting => "not looked at yet: the node is catching up".to_owned(),
            Self::Manual => {
                "left to you (charter.probe is manual): x0 charter probe load".to_owned()
            }
            Self::NoHelper { .. } => {
                "not enforced: no helper answers (x0 charter probe start)".to_owned()
            }
            Self::NotOwner { why } => format!("the helper is another's: {why}"),
            Self::ByHand => "a policy that somebody wrote is in force, and left alone; \
                 `x0 charter compile --to ebpf` makes one that is followed"
                .to_owned(),
            Self::InForce { number, .. } => {
                format!("the kernel enforces number {number}, and follows")
            }
            Self::Failed { number, why, .. } => {
                format!("BEHIND: number {number} could not be loaded, trying again: {why}")
            }
        }
    }
}

/// Keeps the charter in force in the kernel until the node stops, and tells how that stands.
pub fn start(
    node: NodeHandle,
    settings: CharterSettings,
    metrics: Metrics,
) -> watch::Receiver<Standing> {
    let (told, standing) = watch::channel(Standing::Waiting);
    if settings.probe == ProbeMode::Manual {
        told.send_replace(Standing::Manual);
        return standing;
    }
    let settings = Arc::new(settings);
    tokio::spawn(async move {
        let mut events = node.events();
        loop {
            let standing = look(&node, &settings).await;
            let wait = match standing {
                Standing::Waiting | Standing::Failed { .. } => RETRY,
                Standing::Manual
                | Standing::NoHelper { .. }
                | Standing::NotOwner { .. }
                | Standing::ByHand
                | Standing::InForce { .. } => LOOK,
            };
            let is_behind = matches!(standing, Standing::Failed { .. });
            metrics.set(Gauge::ProbeBehind, u64::from(is_behind));
            if *told.borrow() != standing {
                tell(&standing);
                told.send_replace(standing);
            }
            tokio::select! {
                () = sleep(wait) => {}
                () = another_charter(&mut events) => {}
                () = node.stopped() => return,
            }
        }
    });
    standing
}

fn tell(standing: &Standing) {
    match standing {
        Standing::InForce { charter, number } => {
            info!(%charter, number, "the kernel enforces the charter in force");
        }
        Standing::Failed {
            charter,
            number,
            why,
        } => {
            warn!(%charter, number, why, "the kernel was not given the charter in force; trying again");
        }
        Standing::ByHand => {
            info!("the kernel enforces a policy that somebody wrote; it is left alone")
        }
        Standing::NotOwner { why } => info!(why, "the helper of the kernel is another's"),
        Standing::Waiting | Standing::Manual | Standing::NoHelper { .. } => {
            debug!(?standing, "the charter in the kernel");
        }
    }
}

/// Waits for a charter to come into force; for ever once the node has stopped.
async fn another_charter(events: &mut broadcast::Receiver<Arc<TimedEvent>>) {
    loop {
        match events.recv().await {
            Ok(event) if matches!(event.event, Event::Charter { .. }) => return,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

async fn look(node: &NodeHandle, settings: &Arc<CharterSettings>) -> Standing {
    let Ok(Reply::Status(status)) = node.command(Command::Status).await else {
        return Standing::Waiting;
    };
    let Status { ready, charter, .. } = *status;
    if !ready {
        return Standing::Waiting;
    }
    let charter = in_force(charter);
    let settings = Arc::clone(settings);
    // The helper is waited for on a thread of its own.
    let looked = tokio::task::spawn_blocking(move || {
        let helper = Client::new(settings.probe_socket.clone());
        keep(&helper, &charter, &settings)
    });
    looked.await.unwrap_or(Standing::Waiting)
}

fn keep(helper: &Client, charter: &Charter, settings: &CharterSettings) -> Standing {
    let (id, number) = (charter.id().to_string(), charter.number());
    let failed = |why: String| Standing::Failed {
        charter: id.clone(),
        number,
        why,
    };
    let before = match helper.policy() {
        Ok(before) => before,
        Err(ProbeError::NotRunning { .. }) => {
            let why = "start it as root: x0 charter probe start".to_owned();
            return Standing::NoHelper { why };
        }
        Err(ProbeError::Refused { code, message, .. }) if code == NOT_YOURS => {
            return Standing::NotOwner { why: message };
        }
        Err(other) => return failed(other.to_string()),
    };
    let in_force = Standing::InForce {
        charter: id.clone(),
        number,
    };
    match step(charter, settings, before.as_ref()) {
        Ok(Step::Leave) => Standing::ByHand,
        Ok(Step::Stay) => in_force,
        Ok(Step::Load(policy)) => match helper.load(&policy) {
            Ok(_) => in_force,
            Err(fault) => failed(fault.to_string()),
        },
        Err(why) => failed(why),
    }
}

/// Says what is to be done about the policy that the kernel has.
fn step(
    charter: &Charter,
    settings: &CharterSettings,
    before: Option<&Policy>,
) -> Result<Step<Checked>, String> {
    let loaded = match before {
        None => Loaded::Nothing,
        Some(before) if before.charter.is_none() => Loaded::ByHand,
        Some(before) => Loaded::OfCharter(before),
    };
    rule(loaded, Checked::policy, || {
        policy_with(charter.compiled(), settings, before)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use x0_ebpf_loader::policy::{Listen, Protocol};

    use super::*;
    use crate::charter::{SHIPPED, kernel::policy};

    fn settings() -> CharterSettings {
        CharterSettings {
            probe: ProbeMode::Follow,
            probe_socket: "/nowhere/probe.sock".into(),
            probe_users: Vec::new(),
            probe_listen: Vec::new(),
        }
    }

    fn loaded(settings: &CharterSettings, before: Option<&Policy>) -> Policy {
        match step(&SHIPPED, settings, before).unwrap() {
            Step::Load(policy) => policy.policy().clone(),
            other @ (Step::Leave | Step::Stay) => panic!("{other:?}"),
        }
    }

    #[test]
    fn where_nothing_is_in_force_the_charter_is_loaded_and_then_stays() {
        let first = loaded(&settings(), None);

        assert_eq!(first.charter, Some(SHIPPED.id().to_string()));
        assert_eq!(first, policy(SHIPPED.compiled()).unwrap());
        assert_eq!(
            step(&SHIPPED, &settings(), Some(&first)).unwrap(),
            Step::Stay
        );
    }

    #[test]
    fn a_policy_that_somebody_wrote_is_left_alone() {
        let mut written = policy(SHIPPED.compiled()).unwrap();
        written.charter = None;

        assert_eq!(
            step(&SHIPPED, &settings(), Some(&written)).unwrap(),
            Step::Leave
        );
    }

    #[test]
    fn what_the_operator_added_stays_and_the_settings_win_over_it() {
        let listen = Listen {
            port: 9_464,
            protocol: Protocol::Tcp,
        };
        let mut before = policy(SHIPPED.compiled()).unwrap();
        before.charter = Some("bafyold".to_owned());
        let app = before.services.get_mut("app").unwrap();
        (app.users, app.listen) = (vec![990], vec![listen]);

        let kept = loaded(&settings(), Some(&before));
        let mut told = settings();
        told.probe_users = vec![("app".to_owned(), 7), ("gone".to_owned(), 8)];
        let won = loaded(&told, Some(&before));

        assert_eq!(kept.services["app"].users, [990]);
        assert_eq!(kept.services["app"].listen, [listen]);
        assert_eq!(won.services["app"].users, [7]);
        assert_eq!(won.services["app"].listen, [listen]);
        assert!(!won.services.contains_key("gone"));
    }

    #[test]
    fn what_the_kernel_cannot_hold_says_where_to_look() {
        let listen = Listen {
            port: 9_464,
            protocol: Protocol::Tcp,
        };
        let mut told = settings();
        told.probe_listen = vec![("node".to_owned(), listen)];

        let why = step(&SHIPPED, &told, None).unwrap_err();

        assert!(
            why.contains("services.node") && why.contains("charter.probe_listen"),
            "{why}"
        );
    }

    #[test]
    fn without_a_helper_it_is_said_that_nothing_is_enforced() {
        let helper = Client::new("/nowhere/probe.sock".into());

        let standing = keep(&helper, &SHIPPED, &settings());

        assert!(standing.words().contains("not enforced"), "{standing:?}");
    }
}
