//! The gate as it stands: real programs in the real kernel, real senders, loopback only. Takes root, which
//! `scripts/test.sh root` has or says that it has not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod exporter;
mod gate;
mod hostile;
mod socket;
mod support;
