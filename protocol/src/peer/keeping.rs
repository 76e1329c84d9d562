//! Who keeps what: guardians show it to seats, and seats have an item dealt on when one of them is a member no more.
//!
//! ```text
//! guardian   keeps a share -> shows it to each seat, some at a time, until the seat has noted it
//! seat       checks what is shown -> writes it down -> a member has gone -> what it guarded is due at once
//! ```
//!
//! Who has gone cannot be asked any more, so seats must know it before. Everybody else is told nothing: only guardians and seats
//! know who guards an item. What a seat knows is about the sharing in force; it is let go of when that is dealt on, or the item
//! is to be forgotten.

use std::collections::{BTreeMap, BTreeSet};

use x0_crypto::{ContentId, PublicKey};

use super::{AfterPersist, Asked, Peer, requests::respond, sublime::Vault};
use crate::{
    core::{
        effect::{Effect, Outbox, Write},
        ids::RequestToken,
        limits::{GUARDS_OF_SHARING_MAX, ROTATION_AGAIN, SHARES_SHOWN, SHOWING_LOOK},
        time::{Millis, Mono, Now, Wall},
    },
    spine::committee::Schedule,
    sublime::shares::{KnownGuards, SublimeWrite},
    wire::{
        Appointed, GuardianAsk, GuardianWants, Request, Response, SublimeAsk, rotation_subject,
    },
};

/// Times that the wait doubles for a seat that does not answer: up to ten minutes.
const DOUBLED_MAX: u32 = 6;

/// Who guards which items, by item.
pub(super) type Guards = BTreeMap<PublicKey, KnownGuards>;

/// What a guardian's node has still to show to seats.
#[derive(Default)]
pub(super) struct Showing {
    seats: BTreeMap<PublicKey, ToShow>,
    look_at: Option<Mono>,
}

/// What one seat has not noted yet.
struct ToShow {
    left: BTreeSet<PublicKey>,
    at: Mono,
    tries: u32,
}

impl Showing {
    /// Has it looked at what is to be shown as soon as there is time.
    pub(super) const fn look(&mut self) {
        self.look_at = Some(Mono(0));
    }

    /// Has a share of an item shown to all seats.
    pub(super) fn add(&mut self, item: PublicKey) {
        for seat in self.seats.values_mut() {
            seat.left.insert(item);
            if seat.tries == 0 {
                seat.at = Mono(0);
            }
        }
        self.look();
    }

    pub(super) const fn due(&self) -> Option<Mono> {
        self.look_at
    }

    fn noted(&mut self, seat: &PublicKey, item: &PublicKey) {
        if let Some(seat) = self.seats.get_mut(seat) {
            seat.left.remove(item);
            seat.tries = 0;
        }
    }
}

impl Peer {
    /// Shows seats what this node keeps and they have not noted.
    pub(super) fn run_showing(&mut self, now: Now, out: &mut Outbox) {
        let seats = self.seats().to_vec();
        let Some(vault) = &mut self.vault else { return };
        let Vault {
            redealing,
            shares,
            known,
            ..
        } = &mut **vault;
        let showing = &mut redealing.showing;
        if showing.look_at.is_none_or(|at| at > now.mono) {
            return;
        }
        if shares.is_empty() {
            *showing = Showing::default();
            return;
        }
        showing.seats.retain(|seat, _| seats.contains(seat));
        let mut to_show = Vec::new();
        for seat in seats {
            let of_seat = showing.seats.entry(seat).or_insert_with(|| ToShow {
                left: shares.iter().map(|share| share.item).collect(),
                at: now.mono,
                tries: 0,
            });
            if of_seat.at > now.mono {
                continue;
            }
            of_seat.left.retain(|item| shares.of(item).is_some());
            let next = of_seat.left.iter().filter(|item| known.has_key(item));
            let next: Vec<_> = next.take(SHARES_SHOWN).map(|item| (seat, *item)).collect();
            if next.is_empty() {
                of_seat.at = now.mono + SHOWING_LOOK;
                continue;
            }
            let doubled = of_seat.tries.min(DOUBLED_MAX);
            of_seat.at = now.mono + Millis(ROTATION_AGAIN.0 << doubled);
            of_seat.tries += 1;
            to_show.extend(next);
        }
        let next = showing.seats.values().map(|of_seat| of_seat.at).min();
        showing.look_at = Some(next.unwrap_or(now.mono + SHOWING_LOOK));
        for (seat, item) in to_show {
            self.show(seat, item, out);
        }
    }

    fn show(&mut self, seat: PublicKey, item: PublicKey, out: &mut Outbox) {
        let Some(ask) = self.guardian_ask(&item, GuardianWants::Keep) else {
            return;
        };
        let own = self.config.key;
        if seat != own {
            let request = Request::Sublime(Box::new(SublimeAsk::Guardian(Box::new(ask))));
            return self.ask(seat, request, Asked::Keep { seat, item }, out);
        }
        let Ok(sharing) = self.check_guardian(&own, &ask) else {
            return;
        };
        if let Some(write) = self.learn_guards(&own, &ask, sharing) {
            self.persist(vec![write], AfterPersist::Nothing, out);
        }
        if let Some(vault) = &mut self.vault {
            vault.redealing.showing.noted(&own, &item);
        }
    }

    /// Takes a seat's answer to what was shown to it.
    pub(super) fn on_shown(
        &mut self,
        seat: PublicKey,
        item: &PublicKey,
        response: Option<&Response>,
    ) {
        if let (Some(vault), Some(Response::Noted)) = (&mut self.vault, response) {
            vault.redealing.showing.noted(&seat, item);
        }
    }

    /// Notes who guards an item, as one of its guardians shows, and says so once it is on disk.
    pub(super) fn note_guard(
        &mut self,
        from: PublicKey,
        token: RequestToken,
        ask: &GuardianAsk,
        sharing: ContentId,
        out: &mut Outbox,
    ) {
        let Some(write) = self.learn_guards(&from, ask, sharing) else {
            return respond(token, Response::Noted, out);
        };
        let noted = Effect::Respond {
            token,
            response: Response::Noted,
        };
        self.persist(vec![write], AfterPersist::Effects(vec![noted]), out);
    }

    /// Takes note of who guards an item; returns what is to be stored, if it is news.
    fn learn_guards(
        &mut self,
        from: &PublicKey,
        ask: &GuardianAsk,
        sharing: ContentId,
    ) -> Option<Write> {
        let (epoch, names) = match &ask.appointed {
            Appointed::Owner(_) => (0, std::slice::from_ref(from)),
            Appointed::Plan(plan) => (plan.epoch, plan.guardians.as_slice()),
        };
        let item = ask.item;
        let vault = self.vault.get_or_insert_default();
        let known = vault
            .desk
            .guards
            .entry(item)
            .or_insert_with(|| KnownGuards {
                item,
                sharing,
                epoch,
                guardians: BTreeSet::new(),
            });
        if known.sharing != sharing {
            (known.sharing, known.epoch) = (sharing, epoch);
            known.guardians.clear();
        }
        let before = known.guardians.len();
        let room = GUARDS_OF_SHARING_MAX.saturating_sub(before);
        let unknown = names.iter().filter(|name| !known.guardians.contains(*name));
        let unknown: Vec<_> = unknown.take(room).copied().collect();
        known.guardians.extend(unknown);
        if known.guardians.len() == before {
            return None;
        }
        let known = known.clone();
        self.schedule_guards(&known);
        Some(Write::Sublime(SublimeWrite::Guards(Box::new(known))))
    }

    /// Lets go of who guards an item.
    pub(super) fn forget_guards(&mut self, item: &PublicKey, out: &mut Outbox) {
        let Some(vault) = &mut self.vault else { return };
        if vault.desk.guards.remove(item).is_some() {
            let write = Write::Sublime(SublimeWrite::NoGuards(*item));
            self.persist(vec![write], AfterPersist::Nothing, out);
        }
    }

    /// Puts what is known of all items into a schedule.
    pub(super) fn schedule_all(&mut self, out: &mut Outbox) {
        let Some(vault) = &mut self.vault else { return };
        vault.desk.schedule = Some(Schedule::default());
        let items: Vec<_> = vault.known.items().map(|(_, item)| item.key).collect();
        for item in &items {
            self.schedule(item, out);
        }
    }

    /// Puts an item into the schedule as it is shared now, if this node has one, and lets go of who guarded it before.
    pub(super) fn schedule(&mut self, item: &PublicKey, out: &mut Outbox) {
        let Some(vault) = &self.vault else { return };
        let is_forgotten = vault.known.forgotten(item).is_some();
        let newest = vault.known.shared(item).map(|(stated, _)| stated.epoch);
        let guards = vault.desk.guards.get(item);
        if guards.is_some_and(|guards| is_forgotten || newest > Some(guards.epoch)) {
            self.forget_guards(item, out);
        }
        let planned = self.planned(item);
        let Some(vault) = &mut self.vault else { return };
        let Some(schedule) = &mut vault.desk.schedule else {
            return;
        };
        let Some((sharing, since, subject)) = planned else {
            return schedule.remove(item);
        };
        schedule.put(*item, (sharing, since), subject);
        if let Some(guards) = vault.desk.guards.get(item).cloned() {
            self.schedule_guards(&guards);
        }
    }

    fn schedule_guards(&mut self, guards: &KnownGuards) {
        let Some(vault) = &mut self.vault else { return };
        let Some(schedule) = &mut vault.desk.schedule else {
            return;
        };
        let names = || guards.guardians.iter();
        schedule.guard(&guards.item, &guards.sharing, names().copied());
        let mut is_due = false;
        for gone in names().filter(|member| !self.directory.is_active(member)) {
            schedule.see_gone(*gone);
            is_due = true;
        }
        if is_due {
            vault.desk.look();
        }
    }

    /// Returns how an item is shared, since when, and what a vote about dealing it on is about; none if it is not kept.
    fn planned(&self, item: &PublicKey) -> Option<(ContentId, Wall, ContentId)> {
        let vault = self.vault.as_ref()?;
        let (_, known) = vault.known.by_key(item)?;
        if vault.known.forgotten(item).is_some() {
            return None;
        }
        let in_force = vault.known.in_force(known);
        let sharing = in_force.sharing.id();
        let subject = rotation_subject(&self.directory.mesh(), item, &sharing);
        Some((sharing, self.shared_since(&in_force), subject))
    }

    /// Has what a member guarded dealt on, as it is a member no more.
    pub(super) fn see_guardian_gone(&mut self, member: PublicKey) {
        let Some(vault) = &mut self.vault else { return };
        if let Some(schedule) = &mut vault.desk.schedule {
            schedule.see_gone(member);
            vault.desk.look();
        }
    }
}
