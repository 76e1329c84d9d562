//! How much memory this process holds, as the operating system sees it, and in pages of which size.

use std::{env, io, os::unix::process::CommandExt, process::Command};

/// glibc's tunable that asks the kernel for huge pages (glibc manual, "Memory Allocation Tunables").
const TUNABLES: &str = "GLIBC_TUNABLES";
const HUGE_PAGES: &str = "glibc.malloc.hugetlb";

/// Has this program start anew with its heap in huge pages, which can only be asked for at a start.
///
/// Events touch nodes all over the memory: with pages of 4 KiB, address translation takes a third of a run with
/// 100,000 nodes. Returns at once when it is so already; where the C library is another one nothing changes.
///
/// # Errors
///
/// Returns that the program could not be started anew; the run is only slower then.
pub fn take_huge_pages() -> io::Result<()> {
    let given = env::var(TUNABLES).unwrap_or_default();
    if given.contains(HUGE_PAGES) {
        return Ok(());
    }
    let tunables = [given.as_str(), &format!("{HUGE_PAGES}=1")];
    let tunables = tunables.iter().filter(|one| !one.is_empty());
    let tunables = tunables.copied().collect::<Vec<_>>().join(":");
    let mut again = Command::new(env::current_exe()?);
    Err(again
        .args(env::args_os().skip(1))
        .env(TUNABLES, tunables)
        .exec())
}

/// Returns the resident memory of this process, bytes; none where the system does not tell.
pub(crate) fn resident_bytes() -> Option<u64> {
    field("VmRSS:")
}

/// Returns the most resident memory this process ever held, bytes.
pub(crate) fn resident_bytes_peak() -> Option<u64> {
    field("VmHWM:")
}

/// Reads a line such as `VmRSS: 123 kB` (proc(5)).
fn field(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_holds_some_memory_and_never_more_than_its_peak() {
        let (now, peak) = (
            super::resident_bytes().unwrap(),
            super::resident_bytes_peak().unwrap(),
        );
        assert!(now > 100_000 && now <= peak + 10_000_000, "{now} of {peak}");
    }
}
