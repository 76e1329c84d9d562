//! The node beside the charter in the kernel: real programs, a real helper, guarded senders. Takes root, which
//! `scripts/test.sh root` has or says that it has not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod conformance;
mod following;
mod node;
#[path = "../../../ebpf/loader/tests/root/probe.rs"]
#[allow(
    dead_code,
    reason = "the tests of the helper itself use more of it than these"
)]
mod probe;

use std::path::{Path, PathBuf};

/// Returns the helper as it was built: it lies beside `x0`.
fn helper() -> PathBuf {
    let helper = Path::new(env!("CARGO_BIN_EXE_x0")).with_file_name("x0-probe");
    assert!(
        helper.exists(),
        "{} is missing; build it: cargo build --workspace",
        helper.display()
    );
    helper
}
