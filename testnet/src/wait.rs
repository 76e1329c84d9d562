//! Waiting for something that can be looked at: until it holds, or until patience ends.
//!
//! A wait that ends in vain says what was awaited, for how long, and what was seen last.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Time between two looks: short against what people notice, long against what a look costs.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What a look found.
#[derive(Debug)]
pub enum Look<T> {
    /// It holds.
    Holds(T),
    /// Not yet; what was seen instead.
    NotYet(String),
}

/// Looks again and again until a condition holds.
///
/// # Errors
///
/// Returns what was awaited and seen last when patience ends, or the error of a look.
pub async fn until<T>(
    what: &str,
    patience: Duration,
    mut look: impl AsyncFnMut() -> Result<Look<T>>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match look()
            .await
            .with_context(|| format!("while waiting for {what}"))?
        {
            Look::Holds(found) => return Ok(found),
            Look::NotYet(seen) if Instant::now() >= deadline => {
                bail!(
                    "waited {} s in vain for {what}; seen last: {seen}",
                    patience.as_secs()
                );
            }
            Look::NotYet(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_wait_ends_as_soon_as_its_condition_holds() {
        let mut looks = 0;

        let found = until("the third look", Duration::from_secs(30), async || {
            looks += 1;
            Ok(if looks == 3 {
                Look::Holds(looks)
            } else {
                Look::NotYet(looks.to_string())
            })
        });

        assert_eq!(found.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_wait_in_vain_says_what_it_saw_last() {
        let look = async || Ok(Look::<()>::NotYet("2 of 3 nodes".to_owned()));

        let error = until("all nodes", Duration::ZERO, look)
            .await
            .unwrap_err()
            .to_string();

        assert!(
            error.contains("all nodes") && error.contains("2 of 3 nodes"),
            "{error}"
        );
    }
}
