//! This node's copy of the public log: what lacks is fetched from links, in pages that prove themselves, and given on.
//!
//! A node with a seat finds the newest entries in the committee's state; all others ask a link drawn at random, and
//! another one every [`PUBLIC_ASK_AGAIN`] until the copy is as long as what is certified.

use x0_crypto::PublicKey;

use super::{AfterPersist, Asked, Peer, Waiting, refuse, requests::respond};
use crate::{
    anti_meave::{Overrides, overrides::OverrideHere},
    core::{
        command::{
            CommandError, CountersignedProof, EarlierHead, EntryProof, OverrideView, PublicProof,
            PublicView, Reply,
        },
        effect::{Effect, Outbox, Write},
        event::Event,
        ids::{CommandId, RequestToken},
        limits::{PUBLIC_ASK_AGAIN, PUBLIC_PAGE_ENTRIES_MAX},
        time::{Mono, Now},
    },
    spine::{
        audit::{What, tree::ConsistencyProof},
        public_log::{Mirror, Weighed},
    },
    wire::{
        Certificate, LogHead, PublicAsk, PublicEntry, PublicHead, PublicPage, PublicWhat, Refused,
        Request, Response, Statement,
    },
};

/// What a node keeps of the public log, and of overrides that run on it.
#[derive(Default)]
pub(super) struct Public {
    pub(super) mirror: Mirror,
    pub(super) overrides: Overrides,
    /// When a link is to be asked for what lacks.
    ask_at: Option<Mono>,
    /// When the next override lapses here.
    pub(super) lapse_at: Option<Mono>,
    /// When this seat looks again for overrides that were told to all.
    pub(super) look_at: Option<Mono>,
    /// Whether two certificates were found that contradict each other.
    is_split: bool,
}

impl Public {
    /// Takes up what was kept; nothing if there was nothing.
    pub(super) fn restore(
        entries: Vec<PublicEntry>,
        overrides: Vec<OverrideHere>,
    ) -> Option<Box<Self>> {
        if entries.is_empty() && overrides.is_empty() {
            return None;
        }
        Some(Box::new(Self {
            mirror: Mirror::restore(entries),
            overrides: Overrides::restore(overrides),
            ..Self::default()
        }))
    }

    /// Returns when something is due.
    pub(super) fn due(&self) -> Option<Mono> {
        let due = [self.ask_at, self.lapse_at, self.look_at];
        due.into_iter().flatten().min()
    }
}

impl Peer {
    /// Heeds what a checkpoint says of the public log; its certificate was found good.
    pub(super) fn weigh_public(&mut self, now: Now, certificate: &Certificate, out: &mut Outbox) {
        let Statement::Checkpoint(checkpoint) = certificate.statement else {
            return;
        };
        if self.public.is_none() && checkpoint.log.is_empty() {
            return;
        }
        let public = self.public.get_or_insert_default();
        match public.mirror.weigh(certificate) {
            Weighed::Known => {}
            Weighed::Behind => public.ask_at = Some(now.mono),
            Weighed::Split(both) => self.on_two_public_logs(now, *both, out),
        }
    }

    /// Tells once, and writes down for good, that the committee has certified two logs.
    fn on_two_public_logs(
        &mut self,
        now: Now,
        (one, other): (Certificate, Certificate),
        out: &mut Outbox,
    ) {
        let public = self.public.get_or_insert_default();
        if std::mem::replace(&mut public.is_split, true) {
            return;
        }
        let (first, second) = (Box::new(one), Box::new(other));
        let entry = self.log(now, What::TwoPublicLogs { first, second });
        let told = Effect::Notify(Event::TwoPublicLogs {
            heights: (one.statement.height(), other.statement.height()),
        });
        self.persist(vec![entry], AfterPersist::Effects(vec![told]), out);
    }

    /// Takes note that two public logs were found before the last stop.
    pub(super) fn recall_two_public_logs(&mut self) {
        self.public.get_or_insert_default().is_split = true;
    }

    /// Does what is due about the public log and overrides.
    pub(super) fn run_public(&mut self, now: Now, out: &mut Outbox) {
        self.lapse_overrides(now, out);
        self.say_heard(now, out);
        let asks = |public: &Public| public.ask_at.is_some_and(|at| at <= now.mono);
        if self.public.as_deref().is_some_and(asks) {
            self.fetch_public(now, out);
        }
    }

    fn fetch_public(&mut self, now: Now, out: &mut Outbox) {
        let Some(ask) = self.wanted_public() else {
            return;
        };
        let state = self.committee.as_ref().map(|seat| seat.log.state());
        if let Some(entries) = state.and_then(|state| state.public().entries(ask.from, ask.size)) {
            let growth = ConsistencyProof::none();
            let page = PublicPage { entries, growth };
            self.on_public_page(now, None, page, out);
        }
        let Some(ask) = self.wanted_public() else {
            return;
        };
        if let Some(public) = &mut self.public {
            public.ask_at = Some(now.mono + PUBLIC_ASK_AGAIN);
        }
        let links: Vec<_> = self.links.greeted().collect();
        let pick = self.rng.below(links.len() as u64);
        if let Some(to) = usize::try_from(pick).ok().and_then(|at| links.get(at)) {
            let to = *to;
            self.ask(
                to,
                Request::Public(ask),
                Asked::Public { from: to, ask },
                out,
            );
        }
    }

    /// Returns what lacks of the certified log; nothing is asked any more if nothing does.
    fn wanted_public(&mut self) -> Option<PublicAsk> {
        let public = self.public.as_deref_mut()?;
        let wanted = public.mirror.wanted();
        if wanted.is_none() {
            public.ask_at = None;
        }
        wanted
    }

    pub(super) fn on_public_asked(&self, token: RequestToken, ask: PublicAsk, out: &mut Outbox) {
        let public = self.public.as_ref();
        let page = public.and_then(|public| public.mirror.page(ask));
        let no_answer = Response::Refused(Refused::NoAnswer);
        let response = page.map_or(no_answer, |page| Response::Public(Box::new(page)));
        respond(token, response, out);
    }

    /// Takes a link's answer. One that was overtaken is nobody's fault: what lacks now is asked for anew.
    pub(super) fn on_public_answer(
        &mut self,
        now: Now,
        (from, ask): (PublicKey, PublicAsk),
        page: PublicPage,
        out: &mut Outbox,
    ) {
        let wanted = self.wanted_public();
        if wanted == Some(ask) {
            return self.on_public_page(now, Some(from), page, out);
        }
        if let (Some(_), Some(public)) = (wanted, &mut self.public) {
            public.ask_at = Some(now.mono);
        }
    }

    /// Takes a page, of a link or of the own seat's state.
    pub(super) fn on_public_page(
        &mut self,
        now: Now,
        from: Option<PublicKey>,
        page: PublicPage,
        out: &mut Outbox,
    ) {
        let Some(public) = self.public.as_deref_mut() else {
            return;
        };
        let (first, entries) = match public.mirror.take(page) {
            Ok(taken) => taken,
            Err(error) => {
                let why = format!("its page of the public log leads elsewhere: {error}");
                let from = from.unwrap_or(self.config.key);
                return out.push(Effect::Notify(Event::Rejected { from, why }));
            }
        };
        if entries.is_empty() {
            return;
        }
        if public.mirror.wanted().is_some() {
            public.ask_at = Some(now.mono);
        }
        let mut writes = Vec::new();
        let mut told = Vec::new();
        for (index, entry) in (first..).zip(entries) {
            if let PublicWhat::Broadcast { act } = entry.what {
                writes.extend(self.settle_override(&act, &mut told));
            }
            let words = entry.what.to_string();
            told.push(Effect::Notify(Event::Public { index, words }));
            let entry = Box::new(entry);
            writes.push(Write::Public { index, entry });
        }
        self.persist(writes, AfterPersist::Effects(told), out);
    }

    /// Shows a page of the public log to the user.
    pub(super) fn public_view(&self, from: u64, count: u32) -> PublicView {
        let Some(public) = self.public.as_deref() else {
            return PublicView::default();
        };
        let entries = public.mirror.entries().iter();
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let page = entries.skip(skip).take(count.min(PUBLIC_PAGE_ENTRIES_MAX));
        PublicView {
            head: public.mirror.head(),
            certificate: public.mirror.certificate().copied(),
            wanted: public.mirror.wanted().map(|ask| ask.size),
            entries: page.cloned().collect(),
        }
    }

    /// Lists the overrides of the public log, the newest first.
    pub(super) fn override_views(&self, now: Now) -> Vec<OverrideView> {
        let time = self.mesh_time(now);
        let Some(public) = self.public.as_deref() else {
            return Vec::new();
        };
        let mirror = &public.mirror;
        let view = |(act, index): (_, u64)| {
            let place = usize::try_from(index).ok()?;
            let entry = mirror.entries().get(place)?;
            let until = entry.overriding()?.until;
            Some(OverrideView {
                index,
                entry: entry.clone(),
                is_over: until <= time,
                is_broadcast: mirror.is_broadcast(act),
                runs_here: public.overrides.iter().any(|here| here.act == *act),
            })
        };
        let mut views: Vec<_> = mirror.overrides().filter_map(view).collect();
        views.sort_by_key(|view| std::cmp::Reverse(view.index));
        views
    }

    /// Makes the proof that an entry stands in the public log, with all that it takes to check it.
    ///
    /// # Errors
    ///
    /// Returns that there is no such entry, or nothing to prove it by yet.
    pub(super) fn prove_public(
        &self,
        index: u64,
        since: EarlierHead,
    ) -> Result<PublicProof, CommandError> {
        let mirror = self.public.as_deref().map(|public| &public.mirror);
        let size = mirror.map_or(0, |mirror| mirror.head().size);
        if index >= size {
            return Err(CommandError::NoSuchEntry { index, size });
        }
        let proof = mirror.and_then(|mirror| mirror.prove(index));
        let (Some(mirror), Some(proof)) = (mirror, proof) else {
            return Err(CommandError::NotCertified);
        };
        let earlier = since.map(|old| {
            let earlier = mirror.head_at(old).zip(mirror.growth(old, size));
            earlier.ok_or(CommandError::NoSuchHead { old, size })
        });
        Ok(PublicProof {
            proof,
            earlier: earlier.transpose()?,
            genesis: self.config.genesis.value().clone(),
            epochs: self.trust.epochs().to_vec(),
        })
    }

    /// Proves an entry of the own audit log: under the newest head that is countersigned, or else under one that is signed
    /// for it.
    pub(super) fn prove_entry(
        &mut self,
        now: Now,
        command: CommandId,
        (index, since): (u64, EarlierHead),
        out: &mut Outbox,
    ) {
        let (size, root) = self.audit.head();
        if index >= size {
            let error = CommandError::NoSuchEntry { index, size };
            return refuse(command, error, out);
        }
        let countersigned = self.countersigned().map(|(own, _)| own);
        let countersigned = countersigned.filter(|own| {
            let size = own.head.size;
            index < size && since.is_none_or(|old| old <= size)
        });
        if let Some(own) = countersigned {
            let by = CountersignedProof {
                head: own.clone(),
                genesis: self.config.genesis.value().clone(),
                epochs: self.trust.epochs().to_vec(),
            };
            let head = own.head.clone();
            return self.show_entry(head, Some(Box::new(by)), (command, index, since), out);
        }
        let id = self.job(Waiting::ProveEntry {
            command,
            index,
            since,
        });
        let time = now.wall;
        out.push(Effect::SignHead {
            id,
            size,
            root,
            time,
        });
    }

    /// Shows the user that an entry stands under a head of the own log.
    pub(super) fn show_entry(
        &self,
        head: LogHead,
        countersigned: Option<Box<CountersignedProof>>,
        (command, index, since): (CommandId, u64, EarlierHead),
        out: &mut Outbox,
    ) {
        let size = head.size;
        let earlier = since.map(|old| {
            let growth = self.audit.prove_growth(old, size);
            let old_head = self
                .audit
                .root_at(old)
                .map(|root| PublicHead { size: old, root });
            let earlier = old_head.zip(growth);
            earlier.ok_or(CommandError::NoSuchHead { old, size })
        });
        let inclusion = self.audit.prove(index, size);
        let inclusion = inclusion.ok_or(CommandError::NoSuchEntry { index, size });
        let proof = earlier.transpose().and_then(|earlier| {
            Ok(EntryProof {
                mesh: self.directory.mesh(),
                index,
                inclusion: inclusion?,
                head,
                countersigned,
                earlier,
            })
        });
        let reply = proof.map(|proof| Reply::EntryProof(Box::new(proof)));
        out.push(Effect::Reply { id: command, reply });
    }
}
