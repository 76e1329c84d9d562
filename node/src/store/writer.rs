//! The one thread that writes: it joins the groups that wait into one batch, synced once.
//!
//! One sync costs milliseconds whatever it covers, so groups that arrive during a sync share the next one.
//! Between thread and callers stands a bounded [`Line`]. It is in one of three conditions: open; *stalled*,
//! while the disk is full or the cap reached, with the groups kept and tried again; *ended*, after an error
//! that trying again does not mend, when every group still waiting and every later one is refused.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rocksdb::{DB, WriteBatch, WriteOptions};
use tokio::sync::oneshot;
use x0_protocol::Write;

use super::{
    Receipt, StoreError, Writer, columns,
    rewrite::{self, Rewrite},
    space::Space,
};
use crate::metrics::{Gauge, Histogram, Metrics};

/// Most groups that wait; a caller with one more waits for room.
pub(super) const QUEUE_MAX: usize = 4096;

/// Most bytes of records joined into one batch: a batch stays in memory until it is written.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// How long a stalled store waits before it looks for space again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Where groups wait for the writing thread.
#[derive(Default)]
pub(super) struct Line {
    state: Mutex<State>,
    /// Something for the thread to look at.
    work: Condvar,
    /// Room for a caller's group, or the end of the line.
    room: Condvar,
}

#[derive(Default)]
struct State {
    groups: VecDeque<Group>,
    stalled: Option<StoreError>,
    ended: Option<StoreError>,
    closing: bool,
}

pub(super) struct Group {
    writes: Vec<Write>,
    record_bytes: usize,
    done: oneshot::Sender<Result<(), StoreError>>,
}

impl Group {
    fn finish(self, outcome: Result<(), StoreError>) {
        // A caller that dropped its receipt does not want to know.
        let _ = self.done.send(outcome);
    }
}

impl Line {
    pub(super) fn submit(&self, writes: Vec<Write>) -> Receipt {
        let (done, receipt) = oneshot::channel();
        let group = Group {
            record_bytes: writes.iter().map(record_bytes).sum(),
            writes,
            done,
        };
        let mut state = self.state();
        while state.groups.len() >= QUEUE_MAX && state.ended.is_none() {
            if let Some(error) = state.stalled.clone() {
                state.end(error);
                self.work.notify_all();
            } else {
                state = self
                    .room
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
        match state.ended.clone() {
            Some(error) => group.finish(Err(error)),
            None => {
                state.groups.push_back(group);
                self.work.notify_all();
            }
        }
        Receipt(receipt)
    }

    /// Returns why nothing is written at present.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        let state = self.state();
        state.ended.clone().or_else(|| state.stalled.clone())
    }

    /// Lets a stalled thread look for space at once.
    pub(super) fn nudge(&self) {
        self.work.notify_all();
    }

    /// Has the thread write what waits, if it can, and end.
    pub(super) fn close(&self) {
        self.state().closing = true;
        self.work.notify_all();
    }

    /// Takes the groups for the next batch; an empty one if none has come by a time, none when the line is closed and empty.
    pub(super) fn take(&self, until: Option<Instant>) -> Option<Vec<Group>> {
        let mut state = self.state();
        loop {
            if !state.groups.is_empty() {
                break;
            }
            if state.closing || state.ended.is_some() {
                state.end(StoreError::Closed);
                return None;
            }
            let Some(until) = until else {
                let waited = self.work.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Some(Vec::new());
            }
            let waited = self.work.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(group) = state.groups.pop_front() {
            bytes += group.record_bytes;
            if bytes > BATCH_BYTES_MAX && !taken.is_empty() {
                state.groups.push_front(group);
                break;
            }
            taken.push(group);
        }
        self.room.notify_all();
        Some(taken)
    }

    /// Waits for a better moment; false if there will be none.
    fn stall(&self, error: &StoreError) -> bool {
        let mut state = self.state();
        if state.stalled.is_none() {
            tracing::warn!(%error, "the store waits for space");
        }
        state.stalled = Some(error.clone());
        if state.closing || state.ended.is_some() {
            return false;
        }
        // A caller that waits for room decides anew now that there is none to come.
        self.room.notify_all();
        let waited = self.work.wait_timeout(state, RETRY_AFTER);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !state.closing && state.ended.is_none()
    }

    fn resume(&self) {
        if self.state().stalled.take().is_some() {
            tracing::info!("the store has space again and writes on");
        }
    }

    fn end(&self, error: StoreError) {
        self.state().end(error);
        self.room.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Refuses what waits and all that comes; the first reason stays.
    fn end(&mut self, error: StoreError) {
        let error = self.ended.get_or_insert(error).clone();
        for group in self.groups.drain(..) {
            group.finish(Err(error.clone()));
        }
    }
}

/// What the writing thread works with.
pub(super) struct Thread {
    pub(super) db: Arc<DB>,
    pub(super) line: Arc<Line>,
    pub(super) space: Arc<Space>,
    pub(super) metrics: Metrics,
    pub(super) rewrite: Rewrite,
}

impl Thread {
    pub(super) fn start(self) -> Result<JoinHandle<()>, StoreError> {
        let path = self.db.path().to_owned();
        std::thread::Builder::new()
            .name("x0-store".to_owned())
            .spawn(move || self.run())
            .map_err(|error| StoreError::io(&path, error))
    }

    fn run(mut self) {
        while let Some(groups) = self.line.take(self.rewrite.due()) {
            let outcome = self.commit(&groups);
            self.rewrite.run(&self.db);
            if let Err(error) = &outcome {
                tracing::error!(%error, "the store gives up: nothing more is written");
                self.line.end(error.clone());
            }
            for group in groups {
                group.finish(outcome.clone());
            }
        }
    }

    /// Writes a batch, waiting for space as long as the store is open.
    fn commit(&mut self, groups: &[Group]) -> Result<(), StoreError> {
        loop {
            match self.try_commit(groups) {
                Err(error @ (StoreError::Full { .. } | StoreError::Capped { .. })) => {
                    if !self.line.stall(&error) {
                        return Err(error);
                    }
                    self.space.remeasure();
                }
                outcome => {
                    self.line.resume();
                    return outcome;
                }
            }
        }
    }

    fn try_commit(&mut self, groups: &[Group]) -> Result<(), StoreError> {
        if groups.is_empty() {
            return Ok(());
        }
        self.space.room(Writer::Own)?;
        let mut batch = WriteBatch::default();
        let writes = || groups.iter().flat_map(|group| &group.writes);
        for write in writes() {
            columns::put(&self.db, &mut batch, &writes(), write)?;
        }
        let bytes = u64::try_from(batch.size_in_bytes()).unwrap_or(u64::MAX);
        let mut options = WriteOptions::default();
        options.set_sync(true);
        let start = Instant::now();
        self.db.write_opt(batch, &options).map_err(|error| {
            if is_full(&error) {
                self.space.full()
            } else {
                StoreError::rocks(self.db.path(), &error)
            }
        })?;
        self.metrics
            .observe_ms(Histogram::StoreWrite, start.elapsed());
        let erases = |write: &Write| matches!(write, Write::ForgetKeys { .. });
        if writes().any(erases) {
            rewrite::keys(&self.db)?;
        }
        for write in writes() {
            if let Write::Erase { records, .. } = write {
                self.rewrite.add(records.iter().map(|id| *id.digest()));
            }
        }
        self.space.wrote(bytes);
        self.metrics.set(Gauge::StoreBytes, self.space.size_bytes());
        Ok(())
    }
}

/// Tells whether the disk, or the user's part of it, is full. RocksDB hands the system's words on.
fn is_full(error: &rocksdb::Error) -> bool {
    let text = error.as_ref();
    text.contains("No space left on device") || text.contains("Disk quota exceeded")
}

fn record_bytes(write: &Write) -> usize {
    match write {
        Write::Record(record) => record.value().bytes().len(),
        Write::Executed(_)
        | Write::Policy { .. }
        | Write::Audit { .. }
        | Write::Witnessed(_)
        | Write::Journal { .. }
        | Write::Block { .. }
        | Write::State { .. }
        | Write::Dealing { .. }
        | Write::KeyShare { .. }
        | Write::ForgetKeys { .. }
        | Write::Erase { .. }
        | Write::Receipt(_)
        | Write::Halt(_)
        | Write::Vote(_)
        | Write::Proposal(_)
        | Write::AcceptRoot { .. }
        | Write::Public { .. }
        | Write::Override(_)
        | Write::Sublime(_) => 0,
    }
}
