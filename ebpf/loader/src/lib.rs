//! The charter in the kernel, user side.
//!
//! - [`policy`]: what may be sent and where to, as plain JSON, and its check;
//! - [`kernel`]: programs and maps, loaded, pinned and adopted; `tables` writes policies into them;
//! - [`server`]: the privileged helper `x0-probe`, which alone loads and writes; [`messages`] is what it understands;
//! - [`client`]: asking it; [`guard`]: running a program under the charter.
//!
//! Guaranteed: a process that came in by [`guard`] sends no StatsD line with a name off the list, and no packet off the
//! allow-list of its service, whether the helper lives or not. What is not promised stands in `THREATMODEL.md`.
//!
//! The programs themselves are built by another toolchain (`ebpf/programs`) and embedded as they were built.

pub mod client;
pub mod error;
mod feed;
pub mod guard;
pub mod kernel;
pub mod messages;
pub mod place;
pub mod policy;
pub mod server;
mod tables;
mod visitor;

pub use error::ProbeError;
pub use policy::{Checked, Policy};
