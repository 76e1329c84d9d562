//! Threads that run shards side by side, one window at a time.
//!
//! A shard is lent to its thread for the window and given back; the first shard runs on the calling
//! thread. With one shard there is no thread at all.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
};

use super::{Shared, shard::Shard};
use crate::time::Time;

struct Task {
    shared: Arc<Shared>,
    shard: Box<Shard>,
    until: Time,
}

struct Worker {
    /// Taken away to end the thread.
    tasks: Option<Sender<Task>>,
    done: Receiver<Box<Shard>>,
    thread: Option<JoinHandle<()>>,
}

/// The threads of a world.
pub(super) struct Workers(Vec<Worker>);

impl Workers {
    /// Starts a thread for every shard but the first.
    pub(super) fn new(shards: usize) -> Self {
        Self((1..shards).map(|_| Worker::start()).collect())
    }

    /// Lets all shards run up to a moment.
    ///
    /// # Panics
    ///
    /// Panics if a shard did.
    pub(super) fn run(&self, shared: &Arc<Shared>, shards: &mut Vec<Box<Shard>>, until: Time) {
        let mut lent = shards.drain(1..).collect::<Vec<_>>().into_iter();
        for (worker, shard) in self.0.iter().zip(lent.by_ref()) {
            let task = Task {
                shared: Arc::clone(shared),
                shard,
                until,
            };
            let is_sent = worker
                .tasks
                .as_ref()
                .is_some_and(|tasks| tasks.send(task).is_ok());
            assert!(is_sent, "a shard's thread panicked");
        }
        for shard in shards.iter_mut() {
            shard.run(shared, until);
        }
        for worker in &self.0 {
            let Ok(shard) = worker.done.recv() else {
                panic!("a shard's thread panicked")
            };
            shards.push(shard);
        }
    }
}

impl Worker {
    fn start() -> Self {
        let (tasks, to_do) = channel::<Task>();
        let (finished, done) = channel();
        let thread = thread::spawn(move || {
            for Task {
                shared,
                mut shard,
                until,
            } in to_do
            {
                shard.run(&shared, until);
                drop(shared);
                if finished.send(shard).is_err() {
                    return;
                }
            }
        });
        Self {
            tasks: Some(tasks),
            done,
            thread: Some(thread),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.tasks = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported by the window it happened in.
            let _ = thread.join();
        }
    }
}
