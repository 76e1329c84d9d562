//! The threads that one Tor runs on.
//!
//! arti's tasks outlive the last handle of their client, for hours if nothing happens, and with them its sockets and
//! locks. On threads of their own they end with these.

use std::io;

use tokio::runtime::{Builder, Runtime};
use tor_rtcompat::tokio::TokioRustlsRuntime;

/// How many threads: what they do is little, and one that reads a directory must not keep another from answering.
const THREADS: usize = 2;

/// Threads; dropping this ends all tasks on them.
pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    /// Starts threads, and returns them in arti's words as well.
    pub(crate) fn start() -> io::Result<(Self, TokioRustlsRuntime)> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("x0-tor")
            .enable_all()
            .build()?;
        let entered = runtime.enter();
        let of_arti = TokioRustlsRuntime::current();
        drop(entered);
        Ok((Self(Some(runtime)), of_arti?))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Waiting for them is not allowed among the tasks of another runtime.
            runtime.shutdown_background();
        }
    }
}
