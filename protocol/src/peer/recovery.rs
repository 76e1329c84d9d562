//! Recovery of a lost committee: the words of this node's person and of others, and the new log.

use std::{collections::BTreeMap, sync::Arc};

use x0_crypto::{ContentId, PublicKey};

use super::{Peer, refuse};
use crate::{
    core::{
        command::CommandError,
        effect::{Effect, Outbox, Write},
        event::Event,
        ids::CommandId,
        reject::RejectReason,
        time::Now,
    },
    spine::{
        committee::{
            Recovered, Roll, SeatNews, Seats, State, StoredLog, StoredWork, Tip, Unchecked, roll_at,
        },
        directory::Member,
    },
    wire::{Body, Checkpoint, MemberFacts, Placed, Record, RecoveryPlan, RecoveryWord, Verified},
};

/// Most of the last to leave that are tried, to find who counted as of a checkpoint.
const GONE_TRIED_MAX: usize = 32;
/// Most of the others that are tried besides, as one that lies about the time.
const LIARS_TRIED_MAX: usize = 32;

impl Peer {
    /// Proposes seats for a new committee, with this member's own word.
    pub(super) fn propose_recovery(
        &mut self,
        now: Now,
        id: CommandId,
        seats: Vec<PublicKey>,
        out: &mut Outbox,
    ) {
        let plan = self.checkpoint().and_then(|checkpoint| {
            let plan = RecoveryPlan::after(&checkpoint, seats);
            let fault = plan.check().err();
            if let Some(fault) = fault {
                return Err(CommandError::OutOfRange(fault.to_string()));
            }
            let mut strangers = plan
                .seats
                .iter()
                .filter(|key| !self.directory.is_active(key));
            match strangers.next() {
                Some(stranger) => Err(CommandError::NoSuchMember(*stranger)),
                None => Ok(plan),
            }
        });
        self.speak_for(now, id, plan, out);
    }

    /// Speaks for seats that another member has proposed.
    pub(super) fn sign_recovery(
        &mut self,
        now: Now,
        id: CommandId,
        plan: &ContentId,
        out: &mut Outbox,
    ) {
        let found = self.trust.recovery_plan(plan).cloned();
        let plan = found.ok_or(CommandError::NoSuchPlan(*plan));
        self.speak_for(now, id, plan, out);
    }

    fn speak_for(
        &mut self,
        now: Now,
        id: CommandId,
        plan: Result<RecoveryPlan, CommandError>,
        out: &mut Outbox,
    ) {
        let word = plan.and_then(|plan| {
            let placed = self.own_place(&self.checkpoint()?)?;
            Ok(RecoveryWord { plan, placed })
        });
        match word {
            Ok(word) => {
                let body = Body::Recovery(Box::new(word));
                match self.write_for(now, id, body, out) {
                    Ok(_) => {}
                    Err(error) => refuse(id, error, out),
                }
            }
            Err(error) => refuse(id, error, out),
        }
    }

    fn checkpoint(&self) -> Result<Checkpoint, CommandError> {
        let why = "no checkpoint of the committee is known here, so nobody can tell who counts";
        let checkpoint = self.trust.checkpoint().copied();
        checkpoint.ok_or_else(|| CommandError::OutOfRange(why.to_owned()))
    }

    /// Finds this member among those who counted as of a checkpoint.
    fn own_place(&self, checkpoint: &Checkpoint) -> Result<Placed, CommandError> {
        let roll = self.roll_of(checkpoint).ok_or_else(|| {
            let why = "this node cannot tell who counted as of the last checkpoint: records have not come yet, or more \
                       members left since than can be tried; speak from a node that knows them";
            CommandError::OutOfRange(why.to_owned())
        })?;
        let place = roll.place_of(&self.config.key);
        place.and_then(|place| roll.placed(place)).ok_or_else(|| {
            let why = "this member did not count as of the last checkpoint";
            CommandError::OutOfRange(why.to_owned())
        })
    }

    /// Returns those who counted as of a checkpoint: the members now who were not suspended then, and of those who left
    /// since the last to go.
    ///
    /// Who left when is known by the leavers' own clocks. One of them may lie about it, to hold up a recovery: so each
    /// of the others is tried besides. What is found is found for sure, as the checkpoint has the root over them.
    fn roll_of(&self, checkpoint: &Checkpoint) -> Option<Arc<Roll>> {
        let facts = |m: &Member| (m.key, m.facts(self.directory.subtree_of(&m.key)));
        let counted = |m: &&Member| m.since <= checkpoint.time;
        let age = self.directory.genesis().parameters.member_age;
        let matches = |members: &BTreeMap<PublicKey, MemberFacts>| {
            let roll = roll_at(Arc::new(members.clone()), age, checkpoint.time);
            (roll.electorate() == checkpoint.electorate).then_some(roll)
        };
        let active = self.directory.members().filter(|m| m.is_active());
        let active = active.filter(|m| !self.directory.is_out(&m.key, checkpoint.time));
        let mut members: BTreeMap<_, _> = active.filter(counted).map(facts).collect();
        let gone = self.directory.gone();
        let gone = gone.iter().map(|(member, _)| *member).filter(counted);
        let gone: Vec<_> = gone.take(GONE_TRIED_MAX).map(facts).collect();
        for at in 0..=gone.len() {
            let others = gone.iter().skip(at).take(LIARS_TRIED_MAX);
            let found = matches(&members).or_else(|| {
                others.into_iter().find_map(|(key, facts)| {
                    let mut with = members.clone();
                    with.insert(*key, facts.clone());
                    matches(&with)
                })
            });
            if found.is_some() {
                return found;
            }
            let next = gone.get(at).cloned();
            members.extend(next);
        }
        None
    }

    /// Counts a member's word for new seats; with enough of them they are seated.
    pub(super) fn hear_recovery(
        &mut self,
        now: Now,
        record: &Verified<Record>,
        word: &RecoveryWord,
        out: &mut Outbox,
    ) -> Result<(), RejectReason> {
        let mesh = self.directory.mesh();
        match self
            .trust
            .hear_recovery(&mesh, &record.value().author(), word)
        {
            Ok(false) => Ok(()),
            Ok(true) => {
                out.push(Effect::Notify(Event::Seats(SeatNews::Recovered {
                    seats: u32::try_from(word.plan.seats.len()).unwrap_or(u32::MAX),
                })));
                let work = self.committee.take().map(|seat| seat.work.kept());
                self.begin_recovered(now, work.unwrap_or_default(), out);
                Ok(())
            }
            Err(Unchecked::Unknown) => Err(RejectReason::Missing(mesh)),
            Err(Unchecked::Void) => Err(RejectReason::NotEntitled(
                "its author did not count as of the checkpoint that it names",
            )),
        }
    }

    /// Begins the log of a recovered committee, if this node has a seat of it; else keeps no log any more.
    ///
    /// `work` is what a seat of the lost committee has kept: erased once it is of no use.
    pub(super) fn begin_recovered(&mut self, now: Now, work: StoredWork, out: &mut Outbox) {
        let Some(recovered) = self.trust.recovered().cloned() else {
            return;
        };
        if let Some((tip, state)) = self.recovered_log(&recovered) {
            let write = Write::State {
                tip,
                state: state.clone(),
            };
            self.persist(vec![write], super::AfterPersist::Nothing, out);
            let log = StoredLog {
                tip: Some(tip),
                snapshot: Some(state),
                ..StoredLog::default()
            };
            self.open_log(now, (log, work), out);
        } else if let Some(duties) = work.forget() {
            self.do_duties(now, duties, out);
        }
    }

    /// Returns where the log of a recovered committee begins; none if this node has no seat of it.
    pub(super) fn recovered_log(&self, recovered: &Recovered) -> Option<(Tip, Vec<u8>)> {
        let seats = Seats::new(recovered.plan.seats.clone())?;
        if !seats.contains(&self.config.key) {
            return None;
        }
        let genesis = self.directory.genesis();
        let members = self.directory.first_members().clone();
        let mesh = self.directory.mesh();
        let public = self.public.as_deref();
        let public = public.and_then(|public| public.mirror.log_at(recovered.checkpoint.log.size));
        let public = public.unwrap_or_default();
        let parameters = &genesis.parameters;
        let state = State::recovered((mesh, public), &seats, parameters, recovered, members);
        let tip = Tip {
            height: state.height(),
            block: state.block(),
            time: state.time(),
        };
        Some((tip, state.encode()))
    }
}
