//! What the dashboard's pages are made of: the node behind this API.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;
use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    Command, Now, Reply,
    charter::Charter,
    core::{sublime::SublimeCommand, vote::VoteCommand},
    spine::audit::Entry,
    wire::Choice,
};

use super::{ApiState, charter::own_audit};
use crate::{
    charter::helper::Watcher,
    dashboard::{
        ContentHeld, Contradictions, Enforcement, Followed, Gathered, GuardLog, Guarding, Happened,
        Source,
    },
    identity,
};

/// For how long a look at the sealed content on the disk is good: it goes through the lengths of all its blocks.
const CONTENT_GOOD_FOR: Duration = Duration::from_secs(10);

/// What a look at the sealed content on the disk found, and when that was.
type Looked = (Instant, Result<ContentHeld, String>);

/// The node as the dashboard sees it.
#[derive(Clone)]
pub(super) struct Pages {
    api: Arc<ApiState>,
    helper: Watcher,
    contradictions: Arc<Mutex<Followed<Contradictions>>>,
    guard_log: Arc<Mutex<Followed<GuardLog>>>,
    content: Arc<Mutex<Option<Looked>>>,
}

impl Pages {
    /// Shows a node.
    pub(super) fn of(api: Arc<ApiState>) -> Self {
        Self {
            api,
            helper: Watcher::default(),
            contradictions: Arc::default(),
            guard_log: Arc::default(),
            content: Arc::default(),
        }
    }

    /// Gathers what was added to the audit log since the last time.
    async fn followed<T: Gathered>(&self, of: &Arc<Mutex<Followed<T>>>) -> Result<T, String> {
        let mut found = Arc::clone(of).lock_owned().await;
        let store = self.api.node.store();
        off_the_threads(move || {
            let followed = found.follow(|from, count_max| store.audit_entries(from, count_max));
            followed.map(|()| found.found().clone())
        })
        .await
        .map_err(|fault| fault.to_string())
    }

    /// Looks at the sealed content on the disk, unless that was done a moment ago.
    async fn content(&self) -> Result<ContentHeld, String> {
        let mut last = self.content.lock().await;
        if let Some((at, content)) = &*last
            && at.elapsed() < CONTENT_GOOD_FOR
        {
            return content.clone();
        }
        let stats = self.api.keeper.ipfs().stats().await;
        let content = match stats {
            Ok(stats) => Ok(ContentHeld {
                bytes: stats.held.bytes,
                peers: stats.traffic.peers,
            }),
            Err(fault) => Err(fault.to_string()),
        };
        *last = Some((Instant::now(), content.clone()));
        content
    }
}

/// Does what waits for the disk where nothing else waits for it.
async fn off_the_threads<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
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

    async fn cast(&self, proposal: ContentId, yes: bool) -> Result<(), String> {
        let choice = match yes {
            true => Choice::Yes,
            false => Choice::No,
        };
        let command = Command::Vote(VoteCommand::Cast { proposal, choice });
        let answer = self.api.node.command(command).await;
        answer.map(|_| ()).map_err(|fault| fault.to_string())
    }

    async fn answer_invitation(&self, of: PublicKey, accepts: bool) -> Result<(), String> {
        let command = match accepts {
            true => SublimeCommand::Accept(Some(of)),
            false => SublimeCommand::Decline(of),
        };
        let answer = self.api.node.command(Command::Sublime(command)).await;
        answer.map(|_| ()).map_err(|fault| fault.to_string())
    }

    fn begin_drill(&self) {
        self.api.keeper.begin_drill();
    }

    async fn audit_entries(&self, from: u64, count_max: usize) -> Result<Vec<Entry>, String> {
        let store = self.api.node.store();
        let entries = off_the_threads(move || store.audit_entries(from, count_max)).await;
        entries.map_err(|fault| fault.to_string())
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
        self.followed(&self.contradictions).await
    }

    async fn guarding(&self) -> Result<Guarding, String> {
        let dir = self.api.config.borrow().data_dir.clone();
        Ok(Guarding {
            log: self.followed(&self.guard_log).await?,
            content: self.content().await,
            needs_passphrase: off_the_threads(move || identity::is_sealed(&dir).ok()).await,
            drills: self.api.keeper.drills(),
        })
    }

    fn happened(&self) -> Vec<Happened> {
        self.api.feed.newest()
    }

    fn now(&self) -> Now {
        self.api.node.now()
    }
}
