//! What the dashboard's pages are made of: the node behind this API.

use std::sync::Arc;

use x0_crypto::ContentId;
use x0_protocol::{Command, Now, Reply, spine::audit::Entry};

use super::ApiState;
use crate::dashboard::{Happened, Source};

/// The node as the dashboard sees it.
#[derive(Clone)]
pub(super) struct Pages(pub(super) Arc<ApiState>);

impl Source for Pages {
    async fn ask(&self, question: Command) -> Result<Reply, String> {
        let answer = self.0.node.command(question).await;
        answer.map_err(|fault| fault.to_string())
    }

    async fn cosign(&self, act: ContentId, approve: bool) -> Result<(), String> {
        let answer = self.0.node.command(Command::Cosign { act, approve }).await;
        answer.map(|_| ()).map_err(|fault| fault.to_string())
    }

    async fn audit_entries(&self, from: u64, count_max: usize) -> Result<Vec<Entry>, String> {
        let store = self.0.node.store();
        let read = tokio::task::spawn_blocking(move || store.audit_entries(from, count_max));
        match read.await {
            Ok(entries) => entries.map_err(|fault| fault.to_string()),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    fn happened(&self) -> Vec<Happened> {
        self.0.feed.newest()
    }

    fn now(&self) -> Now {
        self.0.node.now()
    }
}
