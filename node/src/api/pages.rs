//! What the dashboard's pages are made of: the node behind this API.

use std::sync::Arc;

use tokio::sync::Mutex;
use x0_crypto::ContentId;
use x0_protocol::{Command, Now, Reply, charter::Charter, spine::audit::Entry};

use super::{ApiState, charter::own_audit};
use crate::{
    charter::helper::Watcher,
    dashboard::{Contradictions, Enforcement, Happened, Source},
};

/// The node as the dashboard sees it.
#[derive(Clone)]
pub(super) struct Pages {
    api: Arc<ApiState>,
    helper: Watcher,
    contradictions: Arc<Mutex<Contradictions>>,
}

impl Pages {
    /// Shows a node.
    pub(super) fn of(api: Arc<ApiState>) -> Self {
        Self {
            api,
            helper: Watcher::default(),
            contradictions: Arc::default(),
        }
    }
}

impl Source for Pages {
    async fn ask(&self, question: Command) -> Result<Reply, String> {
        let answer = self.api.node.command(question).await;
        answer.map_err(|fault| fault.to_string())
    }

    async fn cosign(&self, act: ContentId, approve: bool) -> Result<(), String> {
        let answer = self
            .api
            .node
            .command(Command::Cosign { act, approve })
            .await;
        answer.map(|_| ()).map_err(|fault| fault.to_string())
    }

    async fn audit_entries(&self, from: u64, count_max: usize) -> Result<Vec<Entry>, String> {
        let store = self.api.node.store();
        let read = tokio::task::spawn_blocking(move || store.audit_entries(from, count_max));
        match read.await {
            Ok(entries) => entries.map_err(|fault| fault.to_string()),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    async fn enforcement(&self, charter: &Charter) -> Result<Enforcement, String> {
        let audit = own_audit(&self.api, charter).await;
        let socket = self.api.config.borrow().charter.probe_socket.clone();
        let helper = self.helper.look(socket).await;
        let kernel = self.api.kernel.borrow().clone();
        Ok(Enforcement {
            kernel,
            helper,
            gateway: self.api.gateway.overview(),
            audit,
        })
    }

    async fn contradictions(&self) -> Result<Contradictions, String> {
        let mut found = Arc::clone(&self.contradictions).lock_owned().await;
        let store = self.api.node.store();
        let read = tokio::task::spawn_blocking(move || {
            let followed = found.follow(|from, count_max| store.audit_entries(from, count_max));
            followed.map(|()| found.clone())
        });
        match read.await {
            Ok(found) => found.map_err(|fault| fault.to_string()),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    fn happened(&self) -> Vec<Happened> {
        self.api.feed.newest()
    }

    fn now(&self) -> Now {
        self.api.node.now()
    }
}
