//! The gate as it stands: real programs in the real kernel, real senders, loopback only. Takes root, which
//! `scripts/test.sh root` has or says that it has not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod exporter;
mod gate;
mod hostile;
mod probe;
mod socket;
mod support;

/// Returns the helper as it was built.
fn helper() -> std::path::PathBuf {
    env!("CARGO_BIN_EXE_x0-probe").into()
}
