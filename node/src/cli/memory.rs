//! How a node gives memory back: what is large, as soon as it is let go.
//!
//! Left to itself glibc does not. The first time that a large piece is freed, it takes pieces up to that size from the heap of
//! the thread that asks from then on, up to 32 MiB, and a heap gives back its end only. Seen on nodes of 72 MiB while bodies of
//! 16 MiB were still put together whole: one that was handed 1 GiB took 275 MiB and kept 185, its guardians took 290; with a fixed
//! limit 166, 97 and 147. jemalloc and mimalloc in its place took more, up to 314 and 584. What it is now stands in docs/sublime.md.
//!
//! glibc reads the limit from the environment when a program starts. Calling it needs code that Rust cannot check, which our
//! crates forbid; therefore a node starts itself once more, with the variable set, before it has a thread or a file open.

use std::{env, ffi::OsString, os::unix::process::CommandExt as _, process::Command};

/// What glibc reads (its manual, "Memory Allocation Tunables").
const VARIABLE: &str = "GLIBC_TUNABLES";
/// Pieces from 1 MiB on are mapped and given back by themselves, blocks of content (256 KiB) are not, for that costs more than
/// to copy them; a heap of a thread keeps 1 MiB at its end; there are four heaps, whatever the number of processors.
const TUNABLES: &str = "glibc.malloc.mmap_threshold=1048576:glibc.malloc.trim_threshold=1048576:glibc.malloc.arena_max=4";

/// Starts the program once more, with the same arguments, unless somebody has set what glibc reads. Where that does not
/// work, or there is no glibc, the node runs as it is, and takes more.
pub(super) fn bound() {
    if cfg!(not(target_env = "gnu")) || env::var_os(VARIABLE).is_some() {
        return;
    }
    let Ok(program) = env::current_exe() else {
        return;
    };
    let arguments: Vec<OsString> = env::args_os().collect();
    let [name, rest @ ..] = arguments.as_slice() else {
        return;
    };
    let mut again = Command::new(program);
    again.arg0(name).args(rest).env(VARIABLE, TUNABLES);
    // It returns only if it failed.
    let _ = again.exec();
}
