//! Valid tokens are never refused because the machine is busy.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::capability::{Verifier, check};

/// Checks of a token seen before.
const SEEN_BEFORE: usize = 10_000;
/// Checks of the whole token: at least so many, then as many as fit into the time.
const WHOLE_AT_LEAST: usize = 1_000;
const WHOLE_AT_MOST: usize = 10_000;
const WHOLE_TIME: Duration = Duration::from_secs(6);

/// Biscuit's default limit of 1 ms of wall time fails this test.
#[test]
fn no_valid_check_is_refused_under_fourfold_overload() {
    let token = [
        "scope=regional",
        "affects_nodes_le=20",
        "valid_until=2026-12-31T00:00:00Z",
    ]
    .iter()
    .fold(token(&["affects_network_pct_le=1%"]), |token, caveat| {
        narrowed(&token, &[caveat])
    });
    let (root, act) = (root().public(), act());
    let mut verifier = Verifier::default();
    let spinning = AtomicBool::new(true);
    let spinners = 4 * std::thread::available_parallelism().unwrap().get();

    std::thread::scope(|threads| {
        for _ in 0..spinners {
            threads.spawn(|| {
                while spinning.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let _stop = StopOnDrop(&spinning);
        for i in 0..SEEN_BEFORE {
            let decision = verifier.check(&token, &root, &|_| false, &act);
            assert!(
                decision.is_ok(),
                "check {i} of a token seen before: {decision:?}"
            );
        }
        let start = Instant::now();
        for i in 0..WHOLE_AT_MOST {
            if i >= WHOLE_AT_LEAST && start.elapsed() > WHOLE_TIME {
                break;
            }
            let decision = check(&token, &root, &|_| false, &act);
            assert!(decision.is_ok(), "whole check {i}: {decision:?}");
        }
    });
}

/// Ends the spinning also when an assertion fails, so that the test fails and does not hang.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
