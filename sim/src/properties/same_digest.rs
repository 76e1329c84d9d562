//! Property 12: same seed, same commit, same digest.
//!
//! A run is done twice, the second time with another number of threads; both must have the same
//! digest over all events.

use super::Finding;
use crate::digest::RunDigest;

/// Compares the digests of two runs of one scenario.
pub(crate) fn same_digest(first: (u32, RunDigest), second: (u32, RunDigest)) -> Finding {
    let holds = first.1 == second.1;
    let detail = if holds {
        format!("the same with {} and {} threads", first.0, second.0)
    } else {
        format!(
            "{} with {} threads, {} with {}",
            first.1, first.0, second.1, second.0
        )
    };
    Finding {
        property: Some(12),
        name: "same seed, same commit, same digest".to_owned(),
        holds,
        detail,
    }
}
