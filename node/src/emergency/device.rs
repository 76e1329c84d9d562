//! The way of a call, on a device that belongs to nobody: finds a node, asks, waits, gathers shares, opens.
//!
//! The device keeps going on whatever nodes do: one that does not answer, lies, or goes away is left for another one, and shares
//! are taken from whichever node has them. Nothing here writes to a disk or a log. How the world is reached is a [`Dial`]; the
//! program dials by Tor alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    io::{self, Write},
    pin::Pin,
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt as _, stream::FuturesUnordered};
use serde::Deserialize;
use tokio::time::{sleep, timeout};
use x0_crypto::{
    ChunkId, ContentId, Identity, OnionAddress, PublicKey,
    sublime::{CardSeed, HybridSecret, ItemKeys, Layout},
};
use x0_protocol::{
    Wall,
    core::limits::{CHUNKS_ASKED_MAX, EMERGENCY_FRAME_BYTES_MAX},
    sublime::{
        calling::{self, Called, Gathering, Learnt, OnCard, Part},
        content::{Links, Place, TreeBlock},
    },
    wire::{
        CallStage, CallStanding, CardPage, EmergencyAnswer, EmergencyAsk, HelloShown, Reason,
        Release,
    },
};
use zeroize::Zeroizing;

use super::line::{self, Line};
use crate::sublime::ABOUT;

/// Head start of each node over the next, when a device looks for the first that answers.
const HEAD_START: Duration = Duration::from_secs(4);
/// How long a node may take to be reached.
const PATIENCE: Duration = Duration::from_secs(75);
/// How long it may take to answer: it fetches content from others for 30 s at most, and the way has its own delays.
const ANSWER_PATIENCE: Duration = Duration::from_secs(45);
/// How long it may take to say how a call stands, which it knows; a node that is gone is not told from one that is slow.
const LOOK_PATIENCE: Duration = Duration::from_secs(12);
/// Time between two looks at how a call stands; half as much again is added at random, so that looks keep no beat.
const LOOK_EVERY: Duration = Duration::from_millis(2_000);
/// Nodes that are asked for shares at a time.
const ASKED_AT_ONCE: usize = 16;
/// Time after which a node that had nothing, or was not reached, is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(20);
/// Nodes that a device remembers.
const NODES_MAX: usize = 128;
/// How long a node may not know of a call that another has taken, before the call is made there as well.
const SPREAD_MAX: Duration = Duration::from_secs(30);

/// A connection on its way, or why there is none.
pub type Dialling<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Line>, String>> + Send + 'a>>;

/// How nodes are reached.
pub trait Dial: Send + Sync {
    /// Opens a connection to a node's onion service, apart from all others.
    fn dial(&self, node: OnionAddress) -> Dialling<'_>;
}

/// What a device tells the person who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A node was not reached, or did not answer.
    NotReached {
        /// Where.
        node: OnionAddress,
        /// Why.
        why: String,
    },
    /// A node said something that is not so.
    NotBelieved {
        /// Where.
        node: OnionAddress,
        /// What.
        why: String,
    },
    /// A node has said what there is to know.
    Learnt {
        /// Where.
        node: OnionAddress,
        /// Jurors of the day.
        jury: usize,
        /// Nodes known.
        nodes: usize,
    },
    /// The jury is asked.
    Called {
        /// Which node has passed the call on.
        node: OnionAddress,
        /// The call.
        call: ContentId,
    },
    /// How the call stands.
    Stands {
        /// How far it is.
        stage: CallStage,
        /// Jurors.
        jury: u32,
        /// Of them said yes.
        yes: u32,
        /// Of them said no.
        no: u32,
    },
    /// A good share has come.
    Share {
        /// How many there are.
        shares: usize,
        /// How many it takes.
        needed: u8,
    },
    /// A guardian's node has sent a share that is none.
    BadShare {
        /// Whose.
        guardian: PublicKey,
    },
    /// So much of the content is here.
    Content {
        /// Bytes written.
        bytes: u64,
        /// Of so many.
        of: u64,
    },
}

/// Why a device comes to nothing.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No node of the card answers.
    #[error(
        "none of the {0} nodes on the card was reached. Check that Tor works here, and try again; if the addresses have rotted, \
         only whoever put the item can print a card with newer ones"
    )]
    NobodyAnswers(usize),
    /// The words are not those of the card's item.
    #[error(
        "the words do not belong to this card: look at each word again, and whether words and card are of one print"
    )]
    OtherCard,
    /// No jury serves.
    #[error(
        "no jury serves in that mesh today, so that nobody can say yes. Try again tomorrow; jurors are drawn a day ahead"
    )]
    NoJury,
    /// No node takes the call.
    #[error("no node has taken the call: {0}")]
    NotTaken(String),
    /// The jury has said no.
    #[error("the jury has said no, which is final for this call")]
    Denied,
    /// The card was revoked.
    #[error(
        "whoever put the item has revoked its card, and nothing opens it any more in an emergency"
    )]
    Revoked,
    /// It has taken too long.
    #[error("the call has grown too old: make another one")]
    Over,
    /// The content is not what it should be.
    #[error("the content cannot be opened: {0}")]
    Content(String),
    /// It cannot be written.
    #[error("the content cannot be written: {0}")]
    Write(#[from] io::Error),
    /// Nothing can be drawn at random.
    #[error("the operating system gave no random bytes: {0}")]
    NoRandomness(#[from] getrandom::Error),
}

/// What an item's sealed description says of it, as far as a device needs it.
#[derive(Clone, Debug, Deserialize)]
pub struct About {
    /// The title.
    pub title: String,
    /// The true length, bytes.
    pub bytes: u64,
}

/// A device with a card.
pub struct Device<'a> {
    dial: &'a dyn Dial,
    page: &'a CardPage,
    seed: &'a CardSeed,
    signer: Identity,
    tell: &'a (dyn Fn(Told) + Sync),
    /// Nodes known, those on the card first.
    nodes: Vec<OnionAddress>,
}

/// A node that has answered, and what it said.
struct Met {
    node: OnionAddress,
    line: Box<dyn Line>,
    learnt: Learnt,
}

impl<'a> Device<'a> {
    /// Makes one. What it has to tell goes to `tell`.
    pub fn new(
        dial: &'a dyn Dial,
        page: &'a CardPage,
        seed: &'a CardSeed,
        tell: &'a (dyn Fn(Told) + Sync),
    ) -> Self {
        Self {
            dial,
            page,
            seed,
            signer: seed.signer(),
            tell,
            nodes: page.onions.as_slice().to_vec(),
        }
    }

    const fn on_card(&self) -> OnCard<'_> {
        OnCard {
            mesh: &self.page.mesh,
            item: &self.page.item,
            card: &self.page.key,
        }
    }

    /// Goes the whole way; writes the content to `out` and returns what is said about it.
    ///
    /// # Errors
    ///
    /// Returns why it came to nothing.
    pub async fn open(
        &mut self,
        reason: &Reason,
        now: Wall,
        out: &mut (dyn Write + Send),
    ) -> Result<About, DeviceError> {
        if self.signer.public() != self.page.key {
            return Err(DeviceError::OtherCard);
        }
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice())?;
        let met = self.meet().await?;
        let Met { node, learnt, line } = met;
        let jury = learnt.jury.clone().filter(|jury| !jury.is_empty());
        let jury = jury.ok_or(DeviceError::NoJury)?;
        // A jury of a committee that the card does not know learns nothing of why.
        let readers: &[PublicKey] = if learnt.is_known_committee {
            &jury
        } else {
            &[]
        };
        let by = (self.on_card(), &self.signer);
        let called = calling::call(by, (readers, reason), now, &seed);
        let called = called.ok_or_else(|| DeviceError::NotTaken("it cannot be made".to_owned()))?;
        let mut way = Way::new(node, line);
        self.call(&called, &mut way).await?;
        let keys = self.gather(&called, &learnt, &mut way).await?;
        drop(called);
        self.fetch(&learnt, &keys, &mut way, out).await
    }

    /// Finds a node that answers and is believed: one after the other is tried, each with a head start over the next.
    async fn meet(&mut self) -> Result<Met, DeviceError> {
        let count = self.nodes.len();
        let mut tries: FuturesUnordered<_> = self
            .nodes
            .iter()
            .enumerate()
            .map(|(place, node)| {
                let this = &*self;
                async move {
                    sleep(HEAD_START * u32::try_from(place).unwrap_or(u32::MAX)).await;
                    (*node, this.hello(*node).await)
                }
            })
            .collect();
        let mut is_other_card = false;
        while let Some((node, met)) = tries.next().await {
            match met {
                Ok((line, hello)) => match calling::learn(self.on_card(), hello) {
                    Ok(learnt) => {
                        drop(tries);
                        self.remember(&learnt.onions);
                        (self.tell)(Told::Learnt {
                            node,
                            jury: learnt.jury.as_ref().map_or(0, Vec::len),
                            nodes: self.nodes.len(),
                        });
                        return Ok(Met { node, line, learnt });
                    }
                    Err(why) => {
                        is_other_card |= why == calling::NotBelieved::OtherCard;
                        let why = why.to_string();
                        (self.tell)(Told::NotBelieved { node, why });
                    }
                },
                Err(why) => (self.tell)(Told::NotReached { node, why }),
            }
        }
        Err(match is_other_card {
            true => DeviceError::OtherCard,
            false => DeviceError::NobodyAnswers(count),
        })
    }

    fn remember(&mut self, onions: &[OnionAddress]) {
        for onion in onions {
            if self.nodes.len() < NODES_MAX && !self.nodes.contains(onion) {
                self.nodes.push(*onion);
            }
        }
    }

    async fn hello(&self, node: OnionAddress) -> Result<(Box<dyn Line>, HelloShown), String> {
        let mut line = reach(self.dial, node).await?;
        let item = self.page.item;
        let answer = ask(&mut *line, &EmergencyAsk::Hello { item }, ANSWER_PATIENCE).await?;
        let EmergencyAnswer::Hello(hello) = answer else {
            return Err(said(&answer));
        };
        Ok((line, *hello))
    }

    /// Has a node say the call to all: the one that was met, else any other.
    async fn call(&self, called: &Called, way: &mut Way) -> Result<(), DeviceError> {
        let mut why = String::new();
        let others = self.nodes.iter().filter(|node| **node != way.node);
        let order: Vec<_> = [way.node].into_iter().chain(others.copied()).collect();
        for node in order {
            match self.call_at(called, node, way).await {
                Ok(()) => {
                    let call = called.record.id();
                    (self.tell)(Told::Called { node, call });
                    return Ok(());
                }
                Err(cause) => {
                    (self.tell)(Told::NotReached {
                        node,
                        why: cause.clone(),
                    });
                    why = cause;
                }
            }
        }
        Err(DeviceError::NotTaken(why))
    }

    async fn call_at(
        &self,
        called: &Called,
        node: OnionAddress,
        way: &mut Way,
    ) -> Result<(), String> {
        way.go(self.dial, node).await?;
        let record = called.record.bytes().to_vec().into();
        let answer = way.ask(&EmergencyAsk::Call { record }).await?;
        let EmergencyAnswer::Taken { .. } = answer else {
            return Err(said(&answer));
        };
        Ok(())
    }

    /// Follows the call until enough shares are here.
    async fn gather(
        &mut self,
        called: &Called,
        learnt: &Learnt,
        way: &mut Way,
    ) -> Result<ItemKeys, DeviceError> {
        let call = called.record.id();
        let mut gathering = Gathering::new(self.page.mesh, call, learnt.sharing.clone());
        let mut shown = None;
        let mut asked: BTreeMap<OnionAddress, Instant> = BTreeMap::new();
        let mut unknown_since = None;
        let mut named = BTreeSet::new();
        loop {
            let standing = match way.standing(call).await {
                Ok(standing) => standing,
                Err(why) => {
                    (self.tell)(Told::NotReached {
                        node: way.node,
                        why,
                    });
                    self.go_on_elsewhere(way).await;
                    sleep(jittered(LOOK_EVERY)).await;
                    continue;
                }
            };
            let CallStanding {
                stage,
                jury,
                yes,
                no,
                parts,
            } = standing;
            if stage == CallStage::Unknown {
                // The node that has taken the call may be gone before it was said to others.
                let since = *unknown_since.get_or_insert_with(Instant::now);
                if since.elapsed() > SPREAD_MAX {
                    self.call(called, way).await?;
                    unknown_since = None;
                }
            } else {
                unknown_since = None;
            }
            let now = Told::Stands {
                stage,
                jury,
                yes,
                no,
            };
            if shown.as_ref() != Some(&now) {
                (self.tell)(now.clone());
                shown = Some(now);
            }
            match stage {
                CallStage::Denied => return Err(DeviceError::Denied),
                CallStage::Revoked => return Err(DeviceError::Revoked),
                CallStage::Over => return Err(DeviceError::Over),
                CallStage::Unknown | CallStage::Open | CallStage::Veto { .. } => {}
                CallStage::Granted => {
                    let secret = &called.secret;
                    self.take(&mut gathering, secret, &parts, &mut named);
                    let due = self.due(way.node, &asked);
                    let mut answers = self.ask_others(call, &due);
                    while gathering.shares() < usize::from(gathering.needed())
                        && let Some((node, parts)) = answers.next().await
                    {
                        asked.insert(node, Instant::now());
                        self.take(&mut gathering, secret, &parts, &mut named);
                    }
                    drop(answers);
                    let second = self.seed.second(&learnt.key);
                    if let Some(keys) = gathering.open(&learnt.key, &second) {
                        return Ok(keys);
                    }
                    self.follow_sharing(&mut gathering, way).await;
                }
            }
            sleep(jittered(LOOK_EVERY)).await;
        }
    }

    fn take(
        &self,
        gathering: &mut Gathering,
        secret: &HybridSecret,
        parts: &[(PublicKey, Release)],
        named: &mut BTreeSet<PublicKey>,
    ) {
        for (from, release) in parts {
            match gathering.take(secret, from, release) {
                Part::Good => (self.tell)(Told::Share {
                    shares: gathering.shares(),
                    needed: gathering.needed(),
                }),
                Part::Bad if named.insert(*from) => {
                    (self.tell)(Told::BadShare { guardian: *from });
                }
                Part::Bad | Part::Before => {}
            }
        }
    }

    /// Returns the nodes that were not asked of late for what they have.
    fn due(
        &self,
        present: OnionAddress,
        asked: &BTreeMap<OnionAddress, Instant>,
    ) -> Vec<OnionAddress> {
        let is_due = |node: &&OnionAddress| {
            **node != present && asked.get(*node).is_none_or(|at| at.elapsed() > ASK_AGAIN)
        };
        let due = self.nodes.iter().filter(is_due);
        due.take(ASKED_AT_ONCE).copied().collect()
    }

    /// Asks nodes at once for what they have, each over circuits of its own; those that are gone hold nobody up.
    fn ask_others<'d>(
        &'d self,
        call: ContentId,
        nodes: &'d [OnionAddress],
    ) -> impl Stream<Item = (OnionAddress, Vec<(PublicKey, Release)>)> + Unpin + 'd {
        let asks = nodes.iter().map(move |node| {
            Box::pin(async move {
                let mut way = Way::to(*node);
                let reached = way.go(self.dial, *node).await;
                let standing = match reached {
                    Ok(()) => way.standing(call).await,
                    Err(why) => Err(why),
                };
                (
                    *node,
                    standing.map_or_else(|_| Vec::new(), |standing| standing.parts),
                )
            })
        });
        asks.collect::<FuturesUnordered<_>>()
    }

    /// Learns how the item is shared by now: guardians may have changed since the call.
    async fn follow_sharing(&self, gathering: &mut Gathering, way: &mut Way) {
        let item = self.page.item;
        let Ok(EmergencyAnswer::Hello(hello)) = way.ask(&EmergencyAsk::Hello { item }).await else {
            return;
        };
        if let Ok(learnt) = calling::learn(self.on_card(), *hello) {
            gathering.follow(&learnt.sharing);
        }
    }

    /// Goes on with the next node that is reached: one after the other is tried, each with a head start over the next.
    async fn go_on_elsewhere(&self, way: &mut Way) {
        let at = self.nodes.iter().position(|node| *node == way.node);
        let after = at.map_or(0, |at| at + 1);
        let order = self.nodes.iter().cycle().skip(after).take(self.nodes.len());
        let tries = order.zip(0..).map(|(node, place)| async move {
            sleep(HEAD_START * place).await;
            (*node, reach(self.dial, *node).await)
        });
        let mut tries: FuturesUnordered<_> = tries.collect();
        while let Some((node, reached)) = tries.next().await {
            match reached {
                Ok(line) => {
                    *way = Way::new(node, line);
                    return;
                }
                Err(why) => (self.tell)(Told::NotReached { node, why }),
            }
        }
    }

    /// Fetches the content and opens it, chunk by chunk.
    async fn fetch(
        &self,
        learnt: &Learnt,
        keys: &ItemKeys,
        way: &mut Way,
        out: &mut (dyn Write + Send),
    ) -> Result<About, DeviceError> {
        let wrong = |why: String| DeviceError::Content(why);
        let manifest = &learnt.manifest;
        let about = keys.metadata.open(ABOUT, &manifest.about);
        let about = about.map_err(|error| wrong(error.to_string()))?;
        let about: About =
            serde_json::from_slice(&about).map_err(|error| wrong(error.to_string()))?;
        let layout = Layout::of(about.bytes).map_err(|error| wrong(error.to_string()))?;
        let mut writing = Writing {
            keys,
            layout,
            left: about.bytes,
            next: 0,
            out,
        };
        let mut stack = vec![(manifest.content, Place::root(manifest.chunks))];
        while let Some((block, place)) = stack.pop() {
            let item = self.page.item;
            let is_it = |bytes: &[u8]| ContentId::of(bytes) == block;
            let ask = EmergencyAsk::Links { item, block };
            let got = self
                .blocks(way, &ask, |got| got.len() == 1 && is_it(&got[0]))
                .await?;
            let tree = TreeBlock::read(&got[0], place).map_err(|error| wrong(error.to_string()))?;
            match tree.links() {
                Links::Blocks(_) => {
                    let below: Vec<_> = tree.below().collect();
                    stack.extend(below.into_iter().rev());
                }
                Links::Chunks(chunks) => {
                    for batch in chunks.chunks(CHUNKS_ASKED_MAX) {
                        let chunks = batch.to_vec();
                        let ask = EmergencyAsk::Chunks { item, chunks };
                        let are_they = |got: &[Vec<u8>]| {
                            let names = got.iter().map(|bytes| ChunkId::of(bytes));
                            names.eq(batch.iter().copied())
                        };
                        for chunk in self.blocks(way, &ask, are_they).await? {
                            writing.chunk(chunk)?;
                        }
                        (self.tell)(Told::Content {
                            bytes: about.bytes - writing.left,
                            of: about.bytes,
                        });
                    }
                }
            }
        }
        writing.finish()?;
        Ok(about)
    }

    /// Gets blocks from whichever node has them, the present one first.
    async fn blocks(
        &self,
        way: &mut Way,
        ask: &EmergencyAsk,
        are_they: impl Fn(&[Vec<u8>]) -> bool,
    ) -> Result<Vec<Vec<u8>>, DeviceError> {
        let mut why = String::new();
        for _ in 0..=self.nodes.len() {
            match way.ask(ask).await {
                Ok(EmergencyAnswer::Blocks(blocks)) => {
                    let blocks: Vec<_> = blocks.into_iter().map(|block| block.into_vec()).collect();
                    if are_they(&blocks) {
                        return Ok(blocks);
                    }
                    why = "a node gave other blocks than were asked for".to_owned();
                    let node = way.node;
                    (self.tell)(Told::NotBelieved {
                        node,
                        why: why.clone(),
                    });
                }
                Ok(other) => why = said(&other),
                Err(cause) => why = cause,
            }
            self.go_on_elsewhere(way).await;
        }
        Err(DeviceError::Content(why))
    }
}

/// The connection that a device goes on with.
struct Way {
    node: OnionAddress,
    line: Option<Box<dyn Line>>,
}

impl Way {
    fn new(node: OnionAddress, line: Box<dyn Line>) -> Self {
        Self {
            node,
            line: Some(line),
        }
    }

    const fn to(node: OnionAddress) -> Self {
        Self { node, line: None }
    }

    /// Goes over to a node, if this is not the way to it already.
    async fn go(&mut self, dial: &dyn Dial, node: OnionAddress) -> Result<(), String> {
        if self.node == node && self.line.is_some() {
            return Ok(());
        }
        let line = reach(dial, node).await?;
        *self = Self::new(node, line);
        Ok(())
    }

    /// Asks; a connection that fails is let go of.
    async fn ask(&mut self, what: &EmergencyAsk) -> Result<EmergencyAnswer, String> {
        let Some(line) = &mut self.line else {
            return Err("the connection is lost".to_owned());
        };
        let patience = match what {
            EmergencyAsk::Standing { .. } => LOOK_PATIENCE,
            EmergencyAsk::Hello { .. }
            | EmergencyAsk::Call { .. }
            | EmergencyAsk::Links { .. }
            | EmergencyAsk::Chunks { .. } => ANSWER_PATIENCE,
        };
        let answer = ask(&mut **line, what, patience).await;
        if answer.is_err() {
            self.line = None;
        }
        answer
    }

    async fn standing(&mut self, call: ContentId) -> Result<CallStanding, String> {
        let answer = self.ask(&EmergencyAsk::Standing { call }).await?;
        let EmergencyAnswer::Standing(standing) = answer else {
            return Err(said(&answer));
        };
        Ok(*standing)
    }
}

async fn reach(dial: &dyn Dial, node: OnionAddress) -> Result<Box<dyn Line>, String> {
    let reached = timeout(PATIENCE, dial.dial(node)).await;
    reached.map_err(|_| "it is not reached in time".to_owned())?
}

async fn ask(
    line: &mut dyn Line,
    ask: &EmergencyAsk,
    patience: Duration,
) -> Result<EmergencyAnswer, String> {
    let asking = async {
        line::send(line, &ask.encode()).await?;
        line::receive(line, EMERGENCY_FRAME_BYTES_MAX).await
    };
    let answer = timeout(patience, asking).await;
    let answer = answer.map_err(|_| "it does not answer in time".to_owned())?;
    let answer = answer.map_err(|cause| cause.to_string())?;
    let answer = answer.ok_or_else(|| "it has hung up".to_owned())?;
    EmergencyAnswer::decode(&answer).map_err(|error| error.to_string())
}

/// Says what an answer is that was not asked for.
fn said(answer: &EmergencyAnswer) -> String {
    match answer {
        EmergencyAnswer::Refused { why } => why.to_string(),
        EmergencyAnswer::Hello(_)
        | EmergencyAnswer::Taken { .. }
        | EmergencyAnswer::Standing(_)
        | EmergencyAnswer::Blocks(_) => "it answered something else than was asked".to_owned(),
    }
}

/// Draws a time from this one to half as much again.
fn jittered(time: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness looks keep a beat, which is better than none.
    getrandom::fill(&mut byte).ok();
    time + time * u32::from(byte[0]) / 512
}

/// Content on its way out.
struct Writing<'a> {
    keys: &'a ItemKeys,
    layout: Layout,
    left: u64,
    next: u32,
    out: &'a mut (dyn Write + Send),
}

impl Writing<'_> {
    fn chunk(&mut self, sealed: Vec<u8>) -> Result<(), DeviceError> {
        let wrong = |why: String| DeviceError::Content(why);
        let chunk = self.layout.chunk(self.next);
        let chunk = chunk.ok_or_else(|| wrong("it has too many chunks".to_owned()))?;
        let mut sealed = Zeroizing::new(sealed);
        let opened = self.keys.content.open(chunk, &mut sealed);
        let opened = opened.map_err(|error| wrong(error.to_string()))?;
        let count = usize::try_from(self.left).map_or(opened.len(), |left| left.min(opened.len()));
        self.out.write_all(&opened[..count])?;
        self.left -= count as u64;
        self.next += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), DeviceError> {
        self.out.flush()?;
        match self.next == self.layout.chunks() {
            true => Ok(()),
            false => Err(DeviceError::Content("it ends too early".to_owned())),
        }
    }
}
