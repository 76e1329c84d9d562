//! A drill: this node tries by itself whether it could do what others rely on it for as a guardian.
//!
//! Each share is opened and checked by the core, which knows the commitments in force; here the content is looked at: all of it
//! has to be held, and a sample of the own copy, drawn anew, has to read well. At the end the mesh is told how many of how
//! many shares are good, once a day. Nothing is mended: `x0 sublime repair` does that for content.

use std::{
    sync::{Arc, MutexGuard, PoisonError},
    time::Instant,
};

use tracing::{info, warn};
use x0_crypto::ContentId;
use x0_protocol::{
    Command, Reply,
    core::sublime::{SublimeCommand, TriedShare},
    sublime::known::Item,
    wire::Drilled,
};
use x0_tiers::{Cid, Pin};

use super::{Keeper, sample, unix_ms};

/// What is said of an answer that does not fit.
const ANOTHER: &str = "the node answered another question: report this as a fault of x0";

/// The drill that runs, and what the last one found since this node was started.
#[derive(Clone, Debug, Default)]
pub struct Drills {
    /// How many shares are tried, and of how many; none if no drill runs. Of how many is 0 until the shares are opened.
    pub running: Option<(usize, usize)>,
    /// The last that came to its end.
    pub last: Option<Arc<DrillReport>>,
}

/// What a drill found.
#[derive(Clone, Debug)]
pub struct DrillReport {
    /// When it ended, by this node's clock.
    pub time_ms: u64,
    /// How long it took.
    pub took_ms: u64,
    /// What it found of each share, by the key of the item; or why none could be tried.
    pub shares: Result<Vec<DrilledShare>, String>,
    /// The record that tells the mesh, or why it was not told.
    pub told: Result<ContentId, String>,
}

/// What a drill found of a share and of the content that goes with it.
#[derive(Clone, Debug)]
pub struct DrilledShare {
    /// The share.
    pub share: TriedShare,
    /// What is wrong with the content, if something is; nothing is looked at if the item is not known.
    pub content: Result<(), String>,
    /// How long share and content took.
    pub took_ms: u64,
}

impl DrilledShare {
    /// Returns what is wrong, in words.
    pub fn fault(&self) -> Option<String> {
        let share = self.share.found.err().map(|fault| fault.to_string());
        share.or_else(|| self.content.clone().err())
    }

    /// Tells whether this node owes the share to others: it is of the sharing in force.
    pub fn is_owed(&self) -> bool {
        self.share.found.err().is_none_or(|fault| fault.is_owed())
    }
}

impl DrillReport {
    /// Returns how many shares are owed to others, and how many of them are good.
    pub fn count(&self) -> Drilled {
        let shares = self.shares.as_ref().map_or(&[][..], Vec::as_slice);
        count(shares)
    }
}

fn count(shares: &[DrilledShare]) -> Drilled {
    let owed = shares.iter().filter(|share| share.is_owed());
    let good = owed.clone().filter(|share| share.fault().is_none());
    let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
    Drilled {
        shares: number(owed.count()),
        good: number(good.count()),
    }
}

impl Keeper {
    /// Returns the drill that runs, and what the last one found.
    pub fn drills(&self) -> Drills {
        self.drilling().clone()
    }

    fn drilling(&self) -> MutexGuard<'_, Drills> {
        // Nothing is done under the lock that could leave it half changed.
        self.drills.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a drill, unless one runs; [`Keeper::drills`] tells how far it is.
    pub fn begin_drill(self: &Arc<Self>) {
        {
            let mut drills = self.drilling();
            if drills.running.is_some() {
                return;
            }
            drills.running = Some((0, 0));
        }
        let keeper = Arc::clone(self);
        tokio::spawn(async move {
            let report = keeper.drill().await;
            let Drilled { shares, good } = report.count();
            match (&report.shares, good == shares) {
                (Ok(_), true) => info!(shares, "drilled: every share is good"),
                (Ok(_), false) => warn!(
                    shares,
                    good, "drilled: `x0 guardian drill` tells what is wrong"
                ),
                (Err(why), _) => warn!(why, "no drill came about"),
            }
            let mut drills = keeper.drilling();
            drills.running = None;
            drills.last = Some(Arc::new(report));
        });
    }

    async fn drill(&self) -> DrillReport {
        let began = Instant::now();
        let shares = self.try_all().await;
        let told = match &shares {
            Ok(shares) => self.tell_drill(count(shares)).await,
            Err(why) => Err(why.clone()),
        };
        DrillReport {
            time_ms: unix_ms(),
            took_ms: millis(began),
            shares,
            told,
        }
    }

    async fn try_all(&self) -> Result<Vec<DrilledShare>, String> {
        let reply = self.node.command(Command::Sublime(SublimeCommand::Drill));
        let tried = match reply.await {
            Ok(Reply::Tried(tried)) => tried,
            Ok(_) => return Err(ANOTHER.to_owned()),
            Err(why) => return Err(why.to_string()),
        };
        let pins = self.ipfs.pins().await.map_err(|fault| fault.to_string())?;
        let of = tried.len();
        let mut shares = Vec::with_capacity(of);
        for share in tried {
            self.drilling().running = Some((shares.len(), of));
            let began = Instant::now();
            let content = match &share.item {
                Some((_, item)) => self.try_content(item, &pins).await,
                None => Ok(()),
            };
            shares.push(DrilledShare {
                took_ms: share.took.0.saturating_add(millis(began)),
                share,
                content,
            });
        }
        Ok(shares)
    }

    async fn try_content(&self, item: &Item, pins: &[(Cid, Pin)]) -> Result<(), String> {
        let root = Cid::from(item.content);
        let pin = pins.iter().find(|(pinned, _)| *pinned == root);
        match pin {
            Some((_, pin)) if pin.is_complete => {}
            Some((_, pin)) => {
                return Err(format!(
                    "only {} blocks of the content are here: leave the node running, or run `x0 sublime repair`",
                    pin.blocks
                ));
            }
            None => {
                return Err(
                    "the content is not here yet: leave the node running, or run `x0 sublime repair`".to_owned(),
                );
            }
        }
        let sample = sample::draw(&self.tiers, item).await;
        let sample = sample.map_err(|fault| fault.to_string())?;
        match self.is_sound(&sample).await {
            true => Ok(()),
            false => Err(
                "a part of the content is missing or damaged: `x0 sublime repair` mends it"
                    .to_owned(),
            ),
        }
    }

    async fn tell_drill(&self, said: Drilled) -> Result<ContentId, String> {
        let command = SublimeCommand::TellDrill(said);
        match self.node.command(Command::Sublime(command)).await {
            Ok(Reply::Recorded(record)) => Ok(record),
            Ok(_) => Err(ANOTHER.to_owned()),
            Err(why) => Err(why.to_string()),
        }
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use x0_crypto::{Identity, sublime::ShareIndex};
    use x0_protocol::{Millis, core::sublime::DrillFault};
    use zeroize::Zeroizing;

    use super::*;

    fn share(found: Result<(), DrillFault>, content: Result<(), &str>) -> DrilledShare {
        DrilledShare {
            share: TriedShare {
                key: Identity::from_seed(Zeroizing::new([1; 32])).public(),
                item: None,
                epoch: 0,
                index: ShareIndex::new(1).unwrap(),
                found,
                took: Millis(1),
            },
            content: content.map_err(str::to_owned),
            took_ms: 2,
        }
    }

    #[test]
    fn a_share_is_good_with_its_content_and_counts_if_it_is_of_the_sharing_in_force() {
        let shares = [
            share(Ok(()), Ok(())),
            share(Ok(()), Err("it is not here")),
            share(Err(DrillFault::Shut), Ok(())),
            share(Err(DrillFault::NotInForce), Ok(())),
            share(Err(DrillFault::NotKnown), Ok(())),
        ];
        assert_eq!(count(&shares), Drilled { shares: 3, good: 1 });
        assert_eq!(count(&[]), Drilled { shares: 0, good: 0 });
    }
}
