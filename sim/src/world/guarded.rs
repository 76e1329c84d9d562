//! A guarded process beside each node, the guard over it, and the gateway that takes what passes.
//!
//! Guard and gateway are told of the charter in force by the node's own peer, the gateway at once, the guard as soon as the
//! helper has written it. Whoever looks on keeps a book of its own ([`Watched`]): what the process knew that it sent, and
//! what the charter *in force at that node's peer* says about it, by its text alone. So guard, gateway and the compiled form
//! that both use are held against something that none of them made.
//!
//! What people say about consents stands on disk; all else is gone with the power.

use std::{cmp::Ordering, collections::BTreeMap};

use x0_protocol::{
    Now,
    charter::{
        Charter, Metric,
        gateway::{
            Gateway, Origin,
            consent::{Consents, Word},
            render::{Audience, Escaping},
        },
    },
};

use super::guard::Guard;
use crate::time::{Span, Time};

/// Longest time until the helper has written the charter in force into the kernel: the node hands it over as soon as it
/// is told (`charter/following.rs`), and writing a policy of the largest size takes less than this.
const FOLLOWS: Span = Span::from_millis(200);

/// Most faults that are kept in words; all are counted.
const FAULTS_KEPT: usize = 4;

/// What a guarded process sends: bytes, and the names that it means by them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// The datagram.
    pub(crate) bytes: Vec<u8>,
    /// The names in it, one for each line.
    pub(crate) names: Vec<Vec<u8>>,
    /// Whether it is a plain datagram of StatsD with values that fit; others must be refused whatever their names are.
    pub(crate) is_plain: bool,
}

/// The guarded process of a node, and what stands over it.
pub(crate) struct Guarded {
    /// None where nothing enforces in the kernel: the gateway alone does.
    guard: Option<Guard>,
    /// Another charter for the guard, and from when it is in force there.
    following: Option<(Time, Charter)>,
    gateway: Gateway,
    /// The charter that was in force before, and until when the guard may still hold it.
    former: Option<(Time, Charter)>,
}

/// What somebody saw who looked over the shoulder of a guarded process, through all lives of its node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched {
    /// Datagrams handed in.
    pub(crate) sent: u64,
    /// Datagrams that left the process.
    pub(crate) left: u64,
    /// Datagrams that left under a name of the charter before, before the guard had the new one.
    pub(crate) left_late: u64,
    /// Samples that the gateway took.
    pub(crate) taken: u64,
    /// Refusals as the process saw them: errors of its sends, and samples that the gateway refused.
    pub(crate) made: [u64; 2],
    /// The same as guard and gateway have counted them, in lives that are over.
    counted: [u64; 2],
    /// Refusals whose events were told, and lost, in lives that are over.
    told: (u64, u64),
    /// Datagrams on the new list that were refused before the guard had it.
    pub(crate) refused_early: u64,
    /// How often something passed that must not, or was refused that must pass, and the first cases in words.
    pub(crate) leaks: u64,
    pub(crate) leaked: Vec<String>,
    /// What people have said, and what the metric was declared to be then.
    said: BTreeMap<String, (bool, Metric)>,
    words: Vec<Word>,
}

impl Guarded {
    /// Starts guard and gateway under the charter in force.
    pub(super) fn start(charter: &Charter, key: Option<[u64; 2]>, watched: &Watched) -> Self {
        let consents = Consents::restore(watched.words.iter().cloned());
        Self {
            guard: key.map(|key| Guard::load(key, charter)),
            following: None,
            gateway: Gateway::new(charter.clone(), consents),
            former: None,
        }
    }

    /// Is told that another charter is in force.
    pub(super) fn amend(&mut self, now: Time, charter: &Charter) {
        let former = self.gateway.charter().clone();
        let due = now + FOLLOWS;
        self.former = Some((due, former));
        self.following = Some((due, charter.clone()));
        self.gateway.amend(charter.clone());
    }

    fn follow(&mut self, now: Time) {
        if let Some((_, charter)) = self.following.take_if(|(due, _)| *due <= now)
            && let Some(guard) = &mut self.guard
        {
            guard.enforce(&charter);
        }
    }

    /// Lets the process send a datagram; `in_force` is the charter in force at the node's peer. Returns what came of it.
    pub(super) fn send(
        &mut self,
        (at, now): (Time, Now),
        in_force: &Charter,
        sample: &Sample,
        watched: &mut Watched,
    ) -> u64 {
        self.follow(at);
        watched.sent += 1;
        let judged = self.guard.as_mut().map(|guard| guard.judge(&sample.bytes));
        if let Some(Err(reason)) = judged {
            watched.made[0] += 1;
            let is_listed = |name: &Vec<u8>| lists(in_force, name);
            if sample.is_plain && sample.names.iter().all(is_listed) {
                let first = sample.names.first().cloned().unwrap_or_default();
                match self.following {
                    Some(_) => watched.refused_early += 1,
                    None => watched.leak("was refused to the process", &first, in_force),
                }
            }
            return reason as u64;
        }
        watched.left += 1;
        let off = sample.names.iter().find(|name| !lists(in_force, name));
        if self.guard.is_some()
            && let Some(off) = off.or_else(|| sample.names.first().filter(|_| !sample.is_plain))
        {
            let former = self.former.as_ref().filter(|(until, _)| at < *until);
            let is_late = sample.is_plain
                && former.is_some_and(|(_, former)| {
                    sample
                        .names
                        .iter()
                        .all(|name| lists(former, name) || lists(in_force, name))
                });
            match is_late {
                true => watched.left_late += 1,
                false => watched.leak("left the process", off, in_force),
            }
        }
        let came = self
            .gateway
            .statsd(now.wall, &origin("statsd"), &sample.bytes);
        watched.note_taken(in_force, sample, (came.taken, came.refused));
        64 + came.taken
    }

    /// Lets the gateway fetch what an exporter shows: nothing in the kernel looks at that.
    pub(super) fn fetch(
        &mut self,
        (at, now): (Time, Now),
        in_force: &Charter,
        sample: &Sample,
        watched: &mut Watched,
    ) -> u64 {
        self.follow(at);
        let came = self
            .gateway
            .exposition(now.wall, &origin("exporter"), &sample.bytes);
        watched.note_taken(in_force, sample, (came.taken, came.refused));
        128 + came.taken
    }

    /// Lets a person say yes or no to a metric; tells whether it was taken.
    pub(super) fn say(
        &mut self,
        now: Now,
        metric: &Metric,
        given: bool,
        watched: &mut Watched,
    ) -> bool {
        let word = self
            .gateway
            .check_word(now.wall, &metric.name, "owner", given);
        let Ok(word) = word else {
            return false;
        };
        watched.words.retain(|known| known.metric != word.metric);
        watched.words.push(word.clone());
        self.gateway.take_word(word);
        let said = (given, metric.clone());
        watched.said.insert(metric.name.clone(), said);
        true
    }

    /// Reads the events of the guard, and looks through what the gateway holds.
    pub(super) fn look(&mut self, at: Time, in_force: &Charter, watched: &mut Watched) {
        self.follow(at);
        if let Some(guard) = &mut self.guard {
            guard.read_events();
        }
        let shown = self
            .gateway
            .shown(Audience::Operator, Escaping::Quotes, |_| false);
        let lines = shown.lines().filter(|line| !line.starts_with('#'));
        for line in lines {
            let quoted = line.strip_prefix("{\"");
            let end = |c: char| matches!(c, '{' | ' ' | '"');
            let name = quoted.unwrap_or(line).split(end).next();
            let name = name.unwrap_or_default().as_bytes();
            if !lists(in_force, name) || !watched.is_consented(in_force, name) {
                watched.leak("is kept at the gateway", name, in_force);
            }
        }
    }

    /// Ends with the power of the machine.
    pub(super) fn stop(self, watched: &mut Watched) {
        let counted = self.counted();
        watched.counted[0] += counted[0];
        watched.counted[1] += counted[1];
        let (delivered, lost) = self.told();
        watched.told.0 += delivered;
        watched.told.1 += lost;
    }

    fn counted(&self) -> [u64; 2] {
        let guard = self.guard.as_ref().map_or(0, Guard::refused);
        [guard, self.gateway.book().total()]
    }

    fn told(&self) -> (u64, u64) {
        self.guard.as_ref().map_or((0, 0), Guard::told)
    }

    /// Has the operator load a policy of its own: the names of another charter.
    #[cfg(test)]
    pub(crate) fn load_by_hand(&mut self, charter: &Charter) {
        if let Some(guard) = &mut self.guard {
            guard.enforce(charter);
        }
        self.following = None;
    }

    /// Has a gateway obey another charter than that in force.
    #[cfg(test)]
    pub(crate) fn obey(&mut self, charter: &Charter) {
        self.gateway.amend(charter.clone());
    }

    /// Loses a refusal that the guard has counted.
    #[cfg(test)]
    pub(crate) fn miscount(&mut self) {
        self.guard.iter_mut().for_each(Guard::miscount);
    }
}

impl Watched {
    /// Returns the refusals counted by guard and gateway, in all lives.
    pub(super) fn counted(&self, live: Option<&Guarded>) -> [u64; 2] {
        let now = live.map_or([0; 2], Guarded::counted);
        [self.counted[0] + now[0], self.counted[1] + now[1]]
    }

    /// Returns the refusals of the guard whose events were told, and lost, in all lives.
    pub(super) fn told(&self, live: Option<&Guarded>) -> (u64, u64) {
        let (delivered, lost) = live.map_or((0, 0), Guarded::told);
        (self.told.0 + delivered, self.told.1 + lost)
    }

    fn note_taken(&mut self, in_force: &Charter, sample: &Sample, (taken, refused): (u64, u64)) {
        self.taken += taken;
        self.made[1] += refused;
        let passes =
            |name: &&Vec<u8>| lists(in_force, name) && self.is_consented(in_force, name.as_slice());
        let most = match sample.is_plain {
            true => sample.names.iter().filter(passes).count() as u64,
            false => 0,
        };
        let how = match taken.cmp(&most) {
            Ordering::Equal => return,
            Ordering::Greater => "was taken by the gateway",
            Ordering::Less => "was refused by the gateway",
        };
        let name = sample.names.first().cloned().unwrap_or_default();
        self.leak(how, &name, in_force);
    }

    /// Tells whether what is collected under a name has the consent that the charter's text asks for.
    fn is_consented(&self, charter: &Charter, name: &[u8]) -> bool {
        let metric = metric_of(charter, name);
        metric.is_none_or(|metric| {
            let said = self.said.get(&metric.name);
            !metric.consent || said.is_some_and(|(given, then)| *given && then == metric)
        })
    }

    fn leak(&mut self, how: &str, name: &[u8], charter: &Charter) {
        self.leaks += 1;
        if self.leaked.len() < FAULTS_KEPT {
            let name = String::from_utf8_lossy(name);
            let number = charter.number();
            self.leaked
                .push(format!("{name:?} {how} under charter {number}"));
        }
    }
}

fn origin(source: &str) -> Origin {
    Origin {
        node: "own".to_owned(),
        source: source.to_owned(),
    }
}

/// Tells by a charter's text whether it lets something be collected under a name.
fn lists(charter: &Charter, name: &[u8]) -> bool {
    metric_of(charter, name).is_some()
}

/// Finds the metric that a charter's text exports under a name.
fn metric_of<'a>(charter: &'a Charter, name: &[u8]) -> Option<&'a Metric> {
    charter.text().metrics.iter().find(|metric| {
        let rest = name.strip_prefix(metric.name.as_bytes());
        rest.is_some_and(|rest| {
            let mut suffixes = metric.kind.suffixes().iter();
            rest.is_empty() || suffixes.any(|suffix| suffix.as_bytes() == rest)
        })
    })
}
