//! Overrides on this node: what they take the place of, how they lapse, and what a seat says of them.

use x0_crypto::ContentId;

use super::{AfterPersist, Peer, Purpose, WordFor, publishing::Public};
use crate::{
    anti_meave::{
        overrides::{OverrideHere, OverrideWrite},
        warrants::Overriding,
    },
    core::{
        effect::{Effect, Outbox, Write},
        event::Event,
        limits::OVERRIDE_NOTICE_MAX,
        reject::ActRefusal,
        time::{Millis, Now},
    },
    spine::audit::What,
    wire::{Body, Change, Policy, Record, Verified, Warrants, Word},
};

/// Time after which a seat looks again for overrides that were told to all.
const LOOK_AGAIN: Millis = Millis::from_secs(1);

impl Peer {
    /// Returns the time in which an override must be told to all, as the charter in force says, mesh time.
    pub(super) fn override_notice(&self) -> Millis {
        let charter = self.charter();
        charter.map_or(OVERRIDE_NOTICE_MAX, |charter| {
            let minutes = charter.text().windows.override_notice_minutes;
            Millis(minutes.saturating_mul(60_000)).min(OVERRIDE_NOTICE_MAX)
        })
    }

    /// Checks that an override is told to all as soon as the charter in force asks for.
    ///
    /// # Errors
    ///
    /// Returns that it takes its time.
    pub(super) fn check_told_in_time(
        &self,
        overriding: Option<&Overriding>,
    ) -> Result<(), ActRefusal> {
        let Some(overriding) = overriding else {
            return Ok(());
        };
        let (asked, most) = (
            Millis(overriding.until.0.saturating_sub(overriding.since.0)),
            self.override_notice(),
        );
        if asked <= most {
            return Ok(());
        }
        Err(ActRefusal::BadOverride(format!(
            "it is to be told to all within {} minutes, and the charter in force gives {}: propose it anew",
            asked.0 / 60_000,
            most.0 / 60_000
        )))
    }

    /// Notes what an override takes the place of on this node; `None` if the act is none, or was told to all already.
    pub(super) fn note_override(
        &mut self,
        now: Now,
        record: &Verified<Record>,
        change: &Change,
    ) -> Option<Write> {
        let Body::Act(act) = record.value().body() else {
            return None;
        };
        let proof = Warrants::of(act).ok()?.emergency?;
        let told = proof.entry.overriding()?;
        let left = told.until.0.saturating_sub(self.mesh_time(now).0);
        let left = Millis(left.div_ceil(self.time_scale().max(1)));
        let names = (told.act, record.value().id());
        let public = self.public.get_or_insert_default();
        if public.mirror.is_broadcast(&told.act) {
            return None;
        }
        let here = OverrideHere::of(names, change, &self.policies, (told.until, left), now)?;
        public.overrides.keep(here.clone());
        Some(Write::Override(OverrideWrite::Keep(Box::new(here))))
    }

    /// Takes note that an override stays, as it was told to all in time.
    pub(super) fn settle_override(
        &mut self,
        act: &ContentId,
        told: &mut Vec<Effect>,
    ) -> Option<Write> {
        let public = self.public.as_deref_mut()?;
        let here = public.overrides.settle(act)?;
        told.push(Effect::Notify(Event::OverrideStays { act: here.record }));
        Some(Write::Override(OverrideWrite::Forget(*act)))
    }

    /// Goes back to what ran before overrides whose time is over.
    pub(super) fn lapse_overrides(&mut self, now: Now, out: &mut Outbox) {
        let none = |public: &Public| public.overrides.iter().next().is_none();
        if self.public.as_deref().is_none_or(none) {
            if let Some(public) = self.public.as_deref_mut() {
                public.lapse_at = None;
            }
            return;
        }
        let (time, scale) = (self.mesh_time(now), self.time_scale());
        let Some(public) = self.public.as_deref_mut() else {
            return;
        };
        let over = public.overrides.take_over(time, now.wall);
        let next = public.overrides.next(time, now.wall, scale);
        public.lapse_at = next.map(|left| now.mono + left.max(Millis(1)));
        for here in over {
            self.lapse(now, &here, out);
        }
    }

    fn lapse(&mut self, now: Now, here: &OverrideHere, out: &mut Outbox) {
        let (act, record) = (here.act, here.record);
        let back = here.way_back(&self.policies);
        let words = match &back {
            Some(back) => back.value().to_string(),
            None => format!(
                "{} stays as another act has set it since",
                here.policy.as_str()
            ),
        };
        let entry = self.log(
            now,
            What::Lapsed {
                act: record,
                change: words.clone(),
            },
        );
        let mut writes = vec![Write::Override(OverrideWrite::Forget(act)), entry];
        // Another override on top of this one must not bring it back when it lapses as well.
        if let Some(public) = self.public.as_deref_mut() {
            let above = public.overrides.inherit(here);
            let keep = above.map(|above| Write::Override(OverrideWrite::Keep(Box::new(above))));
            writes.extend(keep);
        }
        let told = Effect::Notify(Event::OverrideLapsed {
            act: record,
            change: words,
        });
        let Some(change) = back else {
            return self.persist(writes, AfterPersist::Effects(vec![told]), out);
        };
        if let Change::SetPolicy {
            policy,
            value,
            from_version,
        } = change.value()
        {
            let (policy, value) = (policy.clone(), *value);
            let version = from_version.saturating_add(1);
            let known: Result<Policy, _> = policy.as_str().parse();
            if let Ok(known) = known {
                self.policies.set(known, version, value);
            }
            writes.push(Write::Policy {
                policy,
                version,
                value,
            });
        }
        let purpose = Purpose::Lapse { act: record };
        self.persist(writes, AfterPersist::Execute { change, purpose }, out);
    }

    /// Says as a seat which overrides this node has as records, as they are told to all.
    pub(super) fn say_heard(&mut self, now: Now, out: &mut Outbox) {
        let Some(seat) = &self.committee else {
            return;
        };
        let unheard: Vec<_> = seat
            .log
            .state()
            .unheard(&self.config.key)
            .copied()
            .collect();
        if unheard.is_empty() {
            if let Some(public) = self.public.as_deref_mut() {
                public.look_at = None;
            }
            return;
        }
        let public = self.public.get_or_insert_default();
        if public.look_at.is_some_and(|at| at > now.mono) {
            return;
        }
        public.look_at = Some(now.mono + LOOK_AGAIN);
        let heard: Vec<_> = self
            .acts
            .overrides()
            .filter(|act| unheard.contains(act))
            .collect();
        for act in heard {
            self.sign_word(act, Word::Heard, WordFor::Heard, out);
        }
    }
}
