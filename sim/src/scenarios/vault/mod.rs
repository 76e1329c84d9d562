//! Members guard each other's items for some months of the mesh's own time.
//!
//! - *Items* are put one after the other, each under a key of its own; guardians are drawn among those who serve.
//! - *Requests*: of three one is granted, one denied, one never voted on; whoever asked tries to open each.
//! - *Churn*: guardians leave and others begin to serve, so that shares are dealt on before they are due.
//! - *Strike*: many guardians are out of reach while a request is granted.
//! - *Blackout*: all members of the region with most guardians are out of reach while six months end and every sharing is
//!   dealt on.
//! - *Theft*: before each rotation a thief copies the disks and the keys of as many guardians of one item as do not open it.
//!
//! Everything goes through nodes' own peers; what faults bring down is tried again.

mod findings;

use std::collections::BTreeMap;

use x0_crypto::{
    ContentId, Identity, PublicKey,
    sublime::{HybridSecret, ItemKeys, ItemParts, Share},
};
use x0_protocol::{
    Command, CommandId,
    core::{
        sublime::{DrawnView, SublimeCommand},
        time::TimeScale,
        vote::VoteCommand,
    },
    sublime::putting::{Prepared, is_safe, prepare},
    wire::{Body, Choice, Draft, Manifest, SublimeBody, VoteRules},
};
use zeroize::Zeroizing;

use super::{VaultLife, workload::Workload};
use crate::{
    properties::Finding,
    random::Purpose,
    time::{Span, Time},
    world::{Founding, World},
};

/// When life begins: after the committee has its keys and every node knows them.
const START: Time = Time(20_000_000);
/// How often something is done.
const TICK: Span = Span::from_secs(1);
/// Time between two tries of what did not work.
const AGAIN: Span = Span::from_secs(15);
/// Time after which a ballot that was not taken is cast again.
const CAST_AGAIN: Span = Span::from_secs(3);
/// When items are put, and the time between two.
const PUT_AT: Time = Time(45_000_000);
const PUT_EVERY: Span = Span::from_secs(2);
/// When requests begin, and the time between two.
const ASK_AT: Time = Time(140_000_000);
const ASK_EVERY: Span = Span::from_secs(12);
/// When guardians are on strike.
const STRIKE: (Time, Time) = (Time(200_000_000), Time(300_000_000));
/// When guardians leave and others take up service.
const CHURN_AT: Time = Time(420_000_000);
/// What is sealed of every item beside its content.
const ABOUT: &[u8] = b"about";

impl VaultLife {
    /// When the first sharings are six months old.
    fn due_at(self) -> Time {
        const SIX_MONTHS: Span = Span::from_secs(180 * 24 * 3_600);
        PUT_AT + Span(SIX_MONTHS.0 / u64::from(self.time_scale))
    }

    /// Shortest safety phase, ms: six months, and time for the last rotation and the last requests.
    pub(super) fn least_ms(self) -> u64 {
        (self.due_at() + Span::from_secs(300)).0 / 1_000
    }
}

/// Returns how the mesh is founded.
pub(super) fn founding(life: VaultLife) -> Founding {
    let mut founding = Founding {
        seats: life.seats,
        roots: life.seats,
        counted_ahead: true,
        ..Founding::default()
    };
    founding.parameters.time_scale = TimeScale(life.time_scale);
    founding
}

/// The life of items and their guardians.
pub(crate) struct Life {
    plan: VaultLife,
    ticks: u32,
    /// All nodes but the seats, in an order drawn at random: guardians first, then those who serve later, then others.
    order: Vec<u32>,
    served: BTreeMap<u32, (Time, CommandId)>,
    items: Vec<Item>,
    asked: Vec<Asked>,
    thefts: Vec<Theft>,
    struck: bool,
    dark: bool,
}

/// An item of the run.
struct Item {
    owner: u32,
    number: u32,
    step: PutStep,
    tried: Option<(Time, CommandId)>,
    id: Option<ContentId>,
}

enum PutStep {
    Draw,
    Deal(Box<(DrawnView, Option<Prepared>)>),
    Submit(Box<Draft>),
    Done,
}

/// What is to become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Granted,
    Denied,
    Forgotten,
}

/// A request of the run.
struct Asked {
    by: u32,
    item: usize,
    number: u32,
    fate: Fate,
    from: Time,
    tried: Option<(Time, CommandId)>,
    id: Option<ContentId>,
    vote: Option<ContentId>,
    cast: BTreeMap<u32, (Time, CommandId)>,
    shown: Option<(Time, CommandId)>,
    /// What whoever asked came to read, and how many parts came at most.
    opened: Option<Vec<u8>>,
    parts: usize,
    /// How the request stood at its own node when it was looked at last.
    standing: &'static str,
}

/// What a thief has taken of the guardians of one item: shares, as they opened with the keys beside them.
struct Theft {
    at: Time,
    item: usize,
    taken: Vec<(u32, Zeroizing<Vec<u8>>)>,
}

impl Item {
    fn seed(&self, world: &World) -> [u8; 32] {
        world.seed().bytes(Purpose::Item, self.number)
    }

    fn parts(&self, world: &World) -> (ItemParts, Identity) {
        let parts = ItemParts::draw(&self.seed(world), b"");
        let signer = Identity::from_seed(parts.signing_seed.clone());
        (parts, signer)
    }

    fn key(&self, world: &World) -> PublicKey {
        self.parts(world).1.public()
    }

    fn title(&self) -> Vec<u8> {
        format!("item {}", self.number).into_bytes()
    }

    fn is_idle(&self, now: Time) -> bool {
        self.tried.is_none_or(|(at, _)| now >= at + AGAIN)
    }

    /// Does the next step of putting it.
    fn go_on(&mut self, world: &mut World) {
        match &mut self.step {
            PutStep::Draw => self.draw(world),
            PutStep::Deal(_) => self.deal(world),
            PutStep::Submit(_) => self.submit(world),
            PutStep::Done => {}
        }
    }

    fn draw(&mut self, world: &mut World) {
        let drawn = self.tried.and_then(|(_, id)| world.drawn(id));
        match drawn {
            Some(view) => {
                self.step = PutStep::Deal(Box::new((view.clone(), None)));
                self.tried = None;
            }
            None if self.is_idle(world.now()) => {
                let command = SublimeCommand::Draw(self.key(world));
                let id = world.command(self.owner, Command::Sublime(command));
                self.tried = Some((world.now(), id));
            }
            None => {}
        }
    }

    fn deal(&mut self, world: &mut World) {
        let (parts, signer) = self.parts(world);
        let seed = self.seed(world);
        let title = self.title();
        let now = world.now();
        let is_idle = self.is_idle(now);
        let PutStep::Deal(deal) = &mut self.step else {
            return;
        };
        let (view, prepared) = &mut **deal;
        let kept = self.tried.and_then(|(_, id)| world.dealt(id));
        let is_kept = kept.is_some_and(|dealt| is_safe(dealt.kept.len(), view.access));
        match (is_kept, prepared.take()) {
            (true, Some(prepared)) => {
                let keys = ItemKeys::derive(&parts.secret, &parts.second, signer.public().bytes());
                let Ok(about) = keys.metadata.seal(ABOUT, &title) else {
                    return;
                };
                let mut manifest = Manifest {
                    content: ContentId::of(&title),
                    chunks: 1,
                    about: about.into(),
                    second: prepared.second,
                    sharing: prepared.sharing,
                    card: None,
                    trustees: None,
                    nonce: 0,
                };
                manifest.find_nonce(&world.mesh(), &signer.public());
                let body = Body::Sublime(SublimeBody::Manifest(Box::new(manifest)));
                let mesh = Some(world.mesh());
                let wall = world.wall();
                let draft = Draft::new(mesh, signer.public(), (0, None), wall, [7; 16], body);
                self.step = PutStep::Submit(Box::new(draft));
                self.tried = None;
            }
            (_, _) if is_idle => {
                let Ok(ready) = prepare(&parts, &signer, view, &seed) else {
                    return;
                };
                let asks = ready.asks.clone();
                *prepared = Some(ready);
                let id = world.command(self.owner, Command::Sublime(SublimeCommand::Deal(asks)));
                self.tried = Some((now, id));
            }
            (_, ready) => *prepared = ready,
        }
    }

    fn submit(&mut self, world: &mut World) {
        if let Some(Ok(Some(id))) = self.tried.and_then(|(_, id)| world.answer(id)) {
            self.id = Some(id);
            self.step = PutStep::Done;
            return;
        }
        let (_, signer) = self.parts(world);
        let is_idle = self.is_idle(world.now());
        let PutStep::Submit(draft) = &self.step else {
            return;
        };
        if !is_idle {
            return;
        }
        let Ok(record) = (**draft).clone().sign(&signer) else {
            return;
        };
        let command = SublimeCommand::Submit(Box::new(record.to_unverified()));
        let id = world.command(self.owner, Command::Sublime(command));
        self.tried = Some((world.now(), id));
    }
}

impl Asked {
    fn secret(&self, world: &World) -> HybridSecret {
        let seed = world.seed().bytes(Purpose::Request, self.number);
        HybridSecret::from_seed(Zeroizing::new(seed))
    }

    /// Asks, has members vote, and looks at what came.
    fn go_on(&mut self, world: &mut World, items: &[Item], voters: &[u32]) {
        if world.now() < self.from {
            return;
        }
        let Some(item) = items[self.item].id else {
            return;
        };
        let Some(request) = self.id else {
            return self.ask(world, item);
        };
        if self.fate == Fate::Forgotten {
            return self.look(world, &items[self.item]);
        }
        let Some(vote) = self.vote else {
            return self.propose(world, request);
        };
        let choice = match self.fate {
            Fate::Granted => Choice::Yes,
            Fate::Denied | Fate::Forgotten => Choice::No,
        };
        for voter in voters {
            // A node that had not heard of the vote refused, and is asked again.
            let is_cast = self.cast.get(voter).is_some_and(|(at, id)| {
                let answer = world.answer(*id);
                matches!(answer, Some(Ok(_))) || world.now() < *at + CAST_AGAIN
            });
            if world.is_up(*voter) && !is_cast {
                let cast = VoteCommand::Cast {
                    proposal: vote,
                    choice,
                };
                let id = world.command(*voter, Command::Vote(cast));
                self.cast.insert(*voter, (world.now(), id));
            }
        }
        self.look(world, &items[self.item]);
    }

    fn ask(&mut self, world: &mut World, item: ContentId) {
        if let Some((at, command)) = self.tried {
            if let Some(Ok(Some(id))) = world.answer(command) {
                self.id = Some(id);
                self.tried = None;
                return;
            }
            if world.now() < at + AGAIN {
                return;
            }
        }
        let Ok(why) = "the well is dry".parse() else {
            return;
        };
        let key = self.secret(world).public();
        let command = SublimeCommand::Request {
            item,
            key,
            why,
            by_trustees: false,
        };
        let id = world.command(self.by, Command::Sublime(command));
        self.tried = Some((world.now(), id));
    }

    fn propose(&mut self, world: &mut World, subject: ContentId) {
        if let Some((at, command)) = self.tried {
            self.vote = world.handed_in(command);
            if self.vote.is_some() || world.now() < at + AGAIN {
                return;
            }
        }
        let Ok(text) = "Open an item".parse() else {
            return;
        };
        let propose = VoteCommand::Propose {
            subject,
            text,
            rules: VoteRules::ordinary(),
            sealed: false,
        };
        let id = world.command(self.by, Command::Vote(propose));
        self.tried = Some((world.now(), id));
    }
}

impl Life {
    pub(crate) fn new(plan: VaultLife, world: &World) -> Self {
        let mut order: Vec<u32> = (plan.seats..world.nodes()).collect();
        let mut stream = world.seed().stream(Purpose::Workload, 1);
        stream.shuffle(&mut order);
        let count = order.len() as u32;
        let others = order[(plan.guardians + plan.leave) as usize..].to_vec();
        let items = (0..plan.items).map(|number| Item {
            owner: others[number as usize % others.len()],
            number,
            step: PutStep::Draw,
            tried: None,
            id: None,
        });
        let late = plan.due_at() + Span::from_secs(180);
        let asked = (0..plan.requests).map(|number| {
            let early = ASK_AT + Span(ASK_EVERY.0 * u64::from(number));
            // Every second request is made after the last rotation, for an item that was dealt on.
            let from = match number % 2 {
                0 => early,
                _ => late + Span(ASK_EVERY.0 / 4 * u64::from(number)),
            };
            Asked {
                by: order[(count - 1 - number % (count / 4).max(1)) as usize],
                item: (number % plan.items) as usize,
                number,
                fate: match number / 2 % 3 {
                    0 => Fate::Granted,
                    1 => Fate::Denied,
                    _ => Fate::Forgotten,
                },
                from,
                tried: None,
                id: None,
                vote: None,
                cast: BTreeMap::new(),
                shown: None,
                opened: None,
                parts: 0,
                standing: "not known",
            }
        });
        Self {
            plan,
            ticks: 0,
            served: BTreeMap::new(),
            items: items.collect(),
            asked: asked.collect(),
            thefts: Vec::new(),
            struck: false,
            dark: false,
            order,
        }
    }

    fn first(&self) -> &[u32] {
        &self.order[..self.plan.guardians as usize]
    }

    fn later(&self) -> &[u32] {
        let from = self.plan.guardians as usize;
        &self.order[from..from + self.plan.leave as usize]
    }

    /// Has members serve, and some leave while others begin.
    fn serve(&mut self, world: &mut World) {
        let now = world.now();
        let first = self.first().to_vec();
        let leaving = self.plan.leave as usize;
        let words: Vec<(u32, bool)> = match now < CHURN_AT {
            true => first.iter().map(|node| (*node, true)).collect(),
            false => {
                let leave = first[..leaving].iter().map(|node| (*node, false));
                leave
                    .chain(self.later().iter().map(|node| (*node, true)))
                    .collect()
            }
        };
        for (node, serves) in words {
            // The first word of a node that leaves is taken as another's.
            let name = if serves { node } else { node + world.nodes() };
            let said = self.served.get(&name).copied();
            let is_said = said.is_some_and(|(at, id)| {
                matches!(world.answer(id), Some(Ok(_))) || now < at + AGAIN
            });
            if !is_said && world.is_up(node) {
                let command = Command::Sublime(SublimeCommand::Serve(serves));
                let id = world.command(node, command);
                self.served.insert(name, (now, id));
            }
        }
    }

    /// Takes power from some guardians for a while, and from a whole region.
    fn disasters(&mut self, world: &mut World) {
        let now = world.now();
        let strike = self.plan.strike as usize;
        let striking = self.first().iter().rev().take(strike).copied();
        let striking: Vec<_> = striking.collect();
        let is_strike = (STRIKE.0..STRIKE.1).contains(&now);
        if is_strike != self.struck {
            self.struck = is_strike;
            set_power(world, &striking, !is_strike);
        }
        let due = self.plan.due_at();
        let is_dark = (due..due + Span::from_secs(90)).contains(&now);
        if is_dark != self.dark {
            self.dark = is_dark;
            let region = self.region(world);
            let nodes = self.order.iter().copied();
            let nodes: Vec<_> = nodes.filter(|node| world.region(*node) == region).collect();
            set_power(world, &nodes, !is_dark);
        }
    }

    /// Returns the region with most guardians of the beginning, but not with so many that too few are left for a rotation.
    fn region(&self, world: &World) -> u8 {
        let mut count: BTreeMap<u8, usize> = BTreeMap::new();
        for node in self.first() {
            *count.entry(world.region(*node)).or_default() += 1;
        }
        let few = self.first().len() * 2 / 5;
        let regions = count.into_iter().filter(|(_, count)| *count <= few);
        regions
            .max_by_key(|(region, count)| (*count, *region))
            .map_or(0, |(region, _)| region)
    }

    /// Copies the shares of as many guardians of an item as do not open it, with the keys that stand beside them.
    fn steal(&mut self, world: &World) {
        let due = self.plan.due_at();
        let times = [CHURN_AT, due, due + Span::from_secs(170)];
        let at = times[self.thefts.len() % times.len()];
        if self.thefts.len() >= times.len() || world.now() < at {
            return;
        }
        let item = 0;
        let key = self.items[item].key(world);
        let nodes = 0..world.nodes();
        let shares = nodes.filter_map(|node| {
            let shares = &world.sublime(node)?.shares;
            let kept = shares.iter().find(|share| share.item == key)?;
            Some((kept.epoch, world.open_share(node, kept)?))
        });
        let threshold = self.threshold(world, item);
        let taken: Vec<_> = shares.take(threshold.saturating_sub(1)).collect();
        self.thefts.push(Theft {
            at: world.now(),
            item,
            taken,
        });
    }

    fn threshold(&self, world: &World, item: usize) -> usize {
        let name = self.items[item].id;
        let manifest = name.and_then(|name| world.record(0, &name));
        let Some(Body::Sublime(SublimeBody::Manifest(manifest))) =
            manifest.map(x0_protocol::wire::Record::body)
        else {
            return 0;
        };
        usize::from(manifest.sharing.access().threshold())
    }
}

fn set_power(world: &mut World, nodes: &[u32], on: bool) {
    for node in nodes {
        match (on, world.is_up(*node)) {
            (true, false) => world.restart(*node),
            (false, true) => world.crash(*node),
            (true, true) | (false, false) => {}
        }
    }
}

fn shares_of(theft: &Theft) -> Vec<Share> {
    let bytes = theft.taken.iter().map(|(_, bytes)| bytes);
    bytes
        .filter_map(|bytes| Share::from_bytes(bytes).ok())
        .collect()
}

impl Workload for Life {
    fn next(&self) -> Option<Time> {
        Some(START + Span(TICK.0 * u64::from(self.ticks)))
    }

    fn act(&mut self, world: &mut World) {
        self.ticks += 1;
        self.disasters(world);
        self.serve(world);
        let due = world.now().0.saturating_sub(PUT_AT.0) / PUT_EVERY.0;
        let begun = match world.now() < PUT_AT {
            true => 0,
            false => usize::try_from(due).unwrap_or(usize::MAX).saturating_add(1),
        };
        for item in self.items.iter_mut().take(begun) {
            if world.is_up(item.owner) {
                item.go_on(world);
            }
        }
        let enough = world.nodes() as usize * 6 / 10;
        let voters: Vec<u32> = (0..world.nodes()).take(enough).collect();
        for asked in &mut self.asked {
            if world.is_up(asked.by) {
                asked.go_on(world, &self.items, &voters);
            }
        }
        self.steal(world);
    }

    fn findings(&self, world: &World) -> Vec<Finding> {
        vec![
            self.requests_ended(),
            self.dealt_on(world),
            self.no_old_shares(world),
            self.thefts_open_nothing(world),
        ]
    }
}
