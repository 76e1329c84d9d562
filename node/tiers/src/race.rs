//! Reading a block from whichever tier answers first.
//!
//! Tiers are asked one after the other with a short lead for each (as RFC 8305 has it for addresses): the next begins when
//! the one before it has failed, or after [`Pace::lead`]. The first answer that is the block wins and the others are
//! dropped, which cancels them. A tier that failed or was overtaken is asked last for a while; it is never left out, so
//! that no reading fails for want of a tier that has recovered. That a tier lacks a block is no failure of the tier.

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cid::Cid;
use futures::{
    StreamExt as _,
    stream::{FuturesUnordered, Stream},
};
use tokio::time::{Instant, sleep_until, timeout};

use crate::{Block, NotThisBlock, Tier, TierError, TierKind};

/// How often a rest doubles at most: with the default pace from half a minute to 16 minutes.
const REST_DOUBLINGS_MAX: u32 = 5;

/// How long is waited for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The lead that a tier has over the next.
    pub lead: Duration,
    /// Longest wait for a block, or for the word whether one is there.
    pub read: Duration,
    /// Longest wait until a tier has taken a block.
    pub write: Duration,
    /// How long a tier that failed is asked last; doubles with each failure in a row.
    pub rest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            // What RFC 8305 recommends between two attempts.
            lead: Duration::from_millis(250),
            // A gateway of Arweave that fetches from the network takes tens of seconds.
            read: Duration::from_secs(60),
            write: Duration::from_secs(180),
            rest: Duration::from_secs(30),
        }
    }
}

/// Several tiers, read as one.
pub struct Tiers {
    pub(crate) places: Vec<Place>,
    pub(crate) pace: Pace,
}

/// A tier and what became of it lately.
pub(crate) struct Place {
    pub(crate) tier: Arc<dyn Tier>,
    standing: Mutex<Standing>,
}

#[derive(Clone, Copy, Default)]
struct Standing {
    failures: u32,
    rests_until: Option<Instant>,
}

/// A block, and how it came.
#[derive(Debug)]
pub struct Reading {
    /// What was asked for.
    pub block: Block,
    /// Which tier gave it.
    pub from: TierKind,
    /// What other tiers had answered before.
    pub refused: Vec<TierError>,
}

/// Says why no tier gave a block.
#[derive(Debug, thiserror::Error)]
#[error("no tier gives {cid}: {}", Reasons(reasons))]
pub struct NobodyGives {
    /// Which block.
    pub cid: Cid,
    /// The reason of each tier that was asked, in the order in which they answered.
    pub reasons: Vec<TierError>,
}

struct Reasons<'a>(&'a [TierError]);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0 else {
            return f.write_str("none is left to ask; name another in the settings");
        };
        write!(f, "{first}")?;
        rest.iter().try_for_each(|reason| write!(f, "; {reason}"))
    }
}

impl Tiers {
    /// Reads from these tiers, the ones to ask first in front.
    pub fn new(tiers: Vec<Arc<dyn Tier>>, pace: Pace) -> Self {
        let place = |tier| Place {
            tier,
            standing: Mutex::default(),
        };
        Self {
            places: tiers.into_iter().map(place).collect(),
            pace,
        }
    }

    /// Fetches a block from the tier that gives it first. Dropping the future stops all that it began.
    ///
    /// # Errors
    /// [`NobodyGives`] with the reason of each tier.
    pub async fn read(&self, cid: &Cid) -> Result<Reading, NobodyGives> {
        self.read_from(cid, |_| true).await
    }

    /// Fetches a block from one of the places that may be asked.
    pub(crate) async fn read_from(
        &self,
        cid: &Cid,
        may_ask: impl Fn(usize) -> bool,
    ) -> Result<Reading, NobodyGives> {
        let mut waiting = self.order(may_ask).into_iter();
        let mut asked = Vec::new();
        let mut running = FuturesUnordered::new();
        let mut reasons = Vec::new();
        loop {
            if let Some(next) = waiting.next() {
                asked.push(next);
                running.push(self.ask(next, cid));
            }
            let lead = (waiting.len() > 0).then_some(self.pace.lead);
            match first_within(&mut running, lead).await {
                Came::Answer(place, Ok(block)) => {
                    self.overtaken(&asked, place);
                    self.places[place].stands();
                    return Ok(Reading {
                        block,
                        from: self.places[place].tier.kind(),
                        refused: reasons,
                    });
                }
                Came::Answer(place, Err(reason)) => {
                    self.failed(place, &reason);
                    asked.retain(|other| *other != place);
                    reasons.push(reason);
                }
                Came::LeadIsOver => {}
                Came::NobodyLeft => return Err(NobodyGives { cid: *cid, reasons }),
            }
        }
    }

    async fn ask(&self, place: usize, cid: &Cid) -> (usize, Result<Block, TierError>) {
        (place, self.fetch(place, cid).await)
    }

    /// Fetches a block from one tier. A tier checks what it gives; that it does is not left to it.
    pub(crate) async fn fetch(&self, place: usize, cid: &Cid) -> Result<Block, TierError> {
        let tier = &self.places[place].tier;
        let block = within(self.pace.read, tier.kind(), tier.get(cid)).await?;
        match block.cid() == cid {
            true => Ok(block),
            false => Err(TierError::Wrong {
                tier: tier.kind(),
                reason: NotThisBlock::OtherBytes(*cid),
            }),
        }
    }

    /// Returns the places to ask: those at rest last, the one whose rest ends first before the others.
    fn order(&self, may_ask: impl Fn(usize) -> bool) -> Vec<usize> {
        let now = Instant::now();
        let mut order: Vec<usize> = (0..self.places.len()).filter(|at| may_ask(*at)).collect();
        order.sort_by_key(|at| {
            self.places[*at]
                .standing()
                .rests_until
                .filter(|end| *end > now)
        });
        order
    }

    fn failed(&self, place: usize, reason: &TierError) {
        match reason {
            TierError::NotFound { .. } => {}
            TierError::Wrong { .. } | TierError::Unreachable { .. } | TierError::Refused { .. } => {
                self.places[place].rests(self.pace.rest)
            }
        }
    }

    /// Puts those that had the lead and lost it behind the winner.
    fn overtaken(&self, asked: &[usize], winner: usize) {
        let ahead = asked.iter().take_while(|place| **place != winner);
        ahead.for_each(|place| self.places[*place].rests(self.pace.rest));
    }
}

impl Place {
    fn standing(&self) -> MutexGuard<'_, Standing> {
        // Nothing is done under the lock that could leave it half changed.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rests(&self, first: Duration) {
        let mut standing = self.standing();
        let doublings = standing.failures.min(REST_DOUBLINGS_MAX);
        standing.failures = standing.failures.saturating_add(1);
        standing.rests_until = Instant::now().checked_add(first.saturating_mul(1 << doublings));
    }

    fn stands(&self) {
        *self.standing() = Standing::default();
    }
}

enum Came {
    Answer(usize, Result<Block, TierError>),
    LeadIsOver,
    NobodyLeft,
}

async fn first_within(
    running: &mut (impl Stream<Item = (usize, Result<Block, TierError>)> + Unpin),
    lead: Option<Duration>,
) -> Came {
    let answer = async {
        match running.next().await {
            Some((place, answer)) => Came::Answer(place, answer),
            None => Came::NobodyLeft,
        }
    };
    let Some(end) = lead.and_then(|lead| Instant::now().checked_add(lead)) else {
        return answer.await;
    };
    tokio::select! {
        biased;
        came = answer => came,
        () = sleep_until(end) => Came::LeadIsOver,
    }
}

/// Waits for a tier no longer than this.
pub(crate) async fn within<T>(
    limit: Duration,
    tier: TierKind,
    asked: impl Future<Output = Result<T, TierError>>,
) -> Result<T, TierError> {
    timeout(limit, asked).await.unwrap_or_else(|_| {
        Err(TierError::Unreachable {
            tier,
            reason: format!("no answer within {} s", limit.as_secs_f32()),
        })
    })
}
