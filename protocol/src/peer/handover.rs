//! The committee passing to other seats: plans and approvals of this node's person, following the log as a seat to
//! be, taking over a state, and the chain of epochs that every node follows.

use x0_crypto::{ContentId, PublicKey};

use super::{AfterPersist, Asked, Peer, Waiting, WordFor, refuse, requests::respond, seat::Seat};
use crate::{
    core::{
        command::{CommandError, CommitteeView, Reply},
        effect::{Effect, Outbox, Write},
        event::Event,
        ids::{CommandId, RequestToken},
        job::Job,
        limits::{STATE_AHEAD_MIN, STATE_PARTS_MAX},
        reject::RejectReason,
        time::Now,
    },
    spine::committee::{SeatNews, State, StoredLog, StoredWork, Unchecked},
    wire::{
        Authority, Body, Entry, HandedOver, Kind, Record, Refused, Request, Response, Said,
        SeatsPlan, Verified, Word,
    },
};

/// A state on its way from another seat.
pub(super) struct Fetching {
    /// The hash that a checkpoint certifies.
    state: ContentId,
    parts: Vec<Vec<u8>>,
}

/// Why a record of the committee's epochs has no effect.
const VOID: RejectReason =
    RejectReason::NotEntitled("the epoch that certifies it was over at that height");

impl Peer {
    /// Returns the seats in force, as far as this node knows.
    pub(super) fn seats(&self) -> &[PublicKey] {
        let genesis = || self.directory.genesis().seats.as_slice();
        self.trust.seats().unwrap_or_else(genesis)
    }

    pub(super) fn committee_view(&self) -> CommitteeView {
        let state = self.committee.as_ref().map(|seat| seat.log.state());
        CommitteeView {
            epoch: self.trust.keys().map(|keys| keys.epoch),
            seats: self.seats().to_vec(),
            plans: state.map_or_else(Vec::new, |state| {
                let plans = state.plans();
                plans.map(|(id, open)| (*id, open.clone())).collect()
            }),
            handing: state.and_then(State::handing),
            recoveries: self.trust.recoveries(),
        }
    }

    /// Proposes other seats, with this seat's own approval.
    pub(super) fn propose_seats(
        &mut self,
        id: CommandId,
        (add, remove): (&[PublicKey], &[PublicKey]),
        out: &mut Outbox,
    ) {
        let plan = self.own_state().and_then(|state| {
            let mut seats = state.seats().keys().to_vec();
            if let Some(stranger) = remove.iter().find(|key| !seats.contains(key)) {
                let why = format!("{stranger} has no seat to leave");
                return Err(CommandError::OutOfRange(why));
            }
            seats.retain(|key| !remove.contains(key));
            seats.extend(add);
            seats.sort_unstable();
            seats.dedup();
            let epoch = state.keys().map_or(0, |keys| keys.epoch);
            let plan = SeatsPlan { epoch, seats };
            state.check_plan(&plan).map_err(CommandError::OutOfRange)?;
            Ok(plan)
        });
        self.approve(id, plan, out);
    }

    /// Approves of seats that another seat has proposed.
    pub(super) fn approve_seats(&mut self, id: CommandId, plan: &ContentId, out: &mut Outbox) {
        let plan = self.own_state().and_then(|state| {
            let found = state.plans().find(|(open, _)| *open == plan);
            let found = found.ok_or(CommandError::NoSuchPlan(*plan))?;
            Ok(found.1.plan.clone())
        });
        self.approve(id, plan, out);
    }

    fn approve(&mut self, id: CommandId, plan: Result<SeatsPlan, CommandError>, out: &mut Outbox) {
        match plan {
            Ok(plan) => {
                let name = plan.id(&self.directory.mesh());
                let plan = Box::new(plan);
                self.sign_word(name, Word::Approve, WordFor::Approve { plan }, out);
                let reply = Ok(Reply::Plan(name));
                out.push(Effect::Reply { id, reply });
            }
            Err(error) => refuse(id, error, out),
        }
    }

    pub(super) fn on_approval_signed(
        &mut self,
        now: Now,
        plan: Box<SeatsPlan>,
        said: Said,
        out: &mut Outbox,
    ) {
        let by = Authority::Seat(said);
        self.offer(now, Entry::Seats { plan, by }, out);
    }

    /// Returns the state of the log, if this node has a seat.
    pub(super) fn own_state(&self) -> Result<&State, CommandError> {
        let seat = self.committee.as_ref().filter(|seat| seat.log.is_seated());
        seat.map(|seat| seat.log.state()).ok_or_else(|| {
            let names: Vec<_> = self.seats().iter().map(ToString::to_string).collect();
            CommandError::NoSeat(names.join(", "))
        })
    }

    /// Begins to follow the log, as seats speak to this node as to one of them.
    pub(super) fn follow_log(&mut self, now: Now, from: &PublicKey, out: &mut Outbox) {
        if self.committee.is_some() || !self.seats().contains(from) {
            return;
        }
        self.open_log(now, (StoredLog::default(), StoredWork::default()), out);
    }

    /// Asks for what this seat has missed: blocks, or the state if that is much less.
    pub(super) fn ask_for_log(&mut self, to: PublicKey, from: u64, out: &mut Outbox) {
        let certified = self.trust.checkpoint();
        let certified = certified.map(|checkpoint| (checkpoint.height, checkpoint.state));
        let Some(seat) = &mut self.committee else {
            return;
        };
        let far = certified.filter(|(height, _)| from + STATE_AHEAD_MIN <= *height);
        if let Some((_, state)) = far.filter(|_| !std::mem::take(&mut seat.no_state)) {
            seat.fetching = Some(Fetching {
                state,
                parts: Vec::new(),
            });
            let request = Request::State { state, part: 0 };
            return self.ask(to, request, Asked::State { to }, out);
        }
        self.ask(to, Request::Blocks { from }, Asked::Blocks, out);
    }

    pub(super) fn on_state_asked(
        &self,
        from: &PublicKey,
        token: RequestToken,
        (state, part): (ContentId, u32),
        out: &mut Outbox,
    ) {
        let log = self.log_for(from);
        let found = log.and_then(|log| log.state_part(&state, part));
        let response = match found {
            Some((parts, bytes)) => Response::State {
                parts,
                bytes: bytes.to_vec(),
            },
            None => Response::Refused(Refused::NoAnswer),
        };
        respond(token, response, out);
    }

    /// Takes a part of a state; the whole counts if it has the hash that a checkpoint certifies.
    pub(super) fn on_state_part(
        &mut self,
        now: Now,
        to: PublicKey,
        part: Option<(u32, Vec<u8>)>,
        out: &mut Outbox,
    ) {
        let Some(seat) = &mut self.committee else {
            return;
        };
        let (Some(mut fetching), Some((parts, bytes))) = (seat.fetching.take(), part) else {
            // The seat asked has another state: the next time blocks are asked for.
            seat.no_state = true;
            return;
        };
        fetching.parts.push(bytes);
        let have = u32::try_from(fetching.parts.len()).unwrap_or(u32::MAX);
        if have < parts && have < STATE_PARTS_MAX {
            let state = fetching.state;
            seat.fetching = Some(fetching);
            let request = Request::State { state, part: have };
            return self.ask(to, request, Asked::State { to }, out);
        }
        let bytes = fetching.parts.concat();
        let state = (ContentId::of(&bytes) == fetching.state).then(|| State::decode(&bytes));
        let tip = state
            .flatten()
            .and_then(|state| seat.log.adopt(state, now.mono));
        let Some(tip) = tip else {
            seat.no_state = true;
            return;
        };
        let write = Write::State { tip, state: bytes };
        self.persist(vec![write], AfterPersist::Nothing, out);
        self.see_all_members(now);
        self.ask_for_log(to, tip.height + 1, out);
    }

    /// Has a hand-over checked; the epoch begins once its certificate is found good.
    pub(super) fn check_hand_over(
        &mut self,
        record: &Verified<Record>,
        handed: &HandedOver,
        out: &mut Outbox,
    ) -> Result<(), RejectReason> {
        let mesh = self.directory.mesh();
        match self.trust.hand_over_question(&mesh, handed) {
            Ok(None) => Ok(()),
            Ok(Some(question)) => {
                let id = self.job(Waiting::HandOver(record.clone()));
                let job = Job::Certificate(Box::new(question));
                out.push(Effect::Check { id, job });
                Ok(())
            }
            Err(Unchecked::Unknown) => Err(RejectReason::Missing(mesh)),
            Err(Unchecked::Void) => {
                self.tell_forged(record.value(), out);
                Err(VOID)
            }
        }
    }

    pub(super) fn on_hand_over_checked(
        &mut self,
        now: Now,
        record: &Verified<Record>,
        holds: bool,
        out: &mut Outbox,
    ) {
        if !holds {
            return self.tell_forged(record.value(), out);
        }
        if !self.trust.hand_over(record.value()) {
            return;
        }
        let count = u32::try_from(self.seats().len()).unwrap_or(u32::MAX);
        if let Some(keys) = self.trust.keys() {
            let news = SeatNews::HandedOver {
                epoch: keys.epoch,
                seats: count,
            };
            out.push(Effect::Notify(Event::Seats(news)));
        }
        self.retire_if_out(now, out);
        // What the new epoch certifies may have come before it.
        self.retry_waiting(now, out);
    }

    /// Gives up the seat if the mesh has passed to others that this node's log does not know of yet.
    pub(super) fn retire_if_out(&mut self, now: Now, out: &mut Outbox) {
        let own = self.config.key;
        let is_in = self.seats().contains(&own);
        let known = self.trust.keys().map(|keys| keys.epoch);
        let Some(seat) = &mut self.committee else {
            return;
        };
        let epoch = seat.log.state().keys().map(|keys| keys.epoch);
        if !is_in && epoch < known {
            seat.log.retire();
            let duties = seat.work.forget();
            self.do_duties(now, duties.unwrap_or_default(), out);
        }
    }

    fn tell_forged(&self, record: &Record, out: &mut Outbox) {
        let why = "it claims a hand-over of the committee that the committee did not certify";
        out.push(Effect::Notify(Event::Rejected {
            from: record.author(),
            why: why.to_owned(),
        }));
    }

    /// Follows the chain of epochs among the records read back at a start, as far as it goes.
    pub(super) fn recall_epochs(&mut self, now: Now, records: &[Record]) {
        let mesh = self.directory.mesh();
        let mut left: Vec<_> = records.iter().collect();
        loop {
            let before = left.len();
            left.retain(|record| !self.recall_epoch(now, &mesh, record, records));
            if left.len() == before {
                return;
            }
        }
    }

    /// Takes one of them in; tells whether it is done with.
    fn recall_epoch(
        &mut self,
        now: Now,
        mesh: &ContentId,
        record: &Record,
        all: &[Record],
    ) -> bool {
        match record.body() {
            Body::Keys(_) => self.name_keys(record).is_ok(),
            Body::HandOver(handed) => match self.trust.hand_over_question(mesh, handed) {
                Ok(None) => true,
                Ok(Some(question)) => question.holds() && self.trust.hand_over(record),
                Err(_) => false,
            },
            Body::Recovery(word) => {
                // The checkpoint that it is about; the newest of all is taken up in the end.
                let found = all.iter().filter_map(|record| {
                    let (checkpoint, certificate) = record.body().checkpoint()?;
                    let is_meant = checkpoint.id() == word.plan.checkpoint;
                    is_meant.then(|| (record.author(), *certificate))
                });
                self.recall_checkpoint(now, found.collect());
                let heard = self.trust.hear_recovery(mesh, &record.author(), word);
                heard.is_ok()
            }
            Body::Genesis(_)
            | Body::Invite(_)
            | Body::Join(_)
            | Body::Leave(_)
            | Body::Removal(_)
            | Body::Merge(_)
            | Body::Capability(_)
            | Body::Revocation(_)
            | Body::Act(_)
            | Body::Alert(_)
            | Body::Halt(_)
            | Body::Jury(_)
            | Body::Charter(_)
            | Body::Erasure(_)
            | Body::Erased { .. }
            | Body::Ruling(_)
            | Body::Report(_)
            | Body::SealedReport(_)
            | Body::CaseWord(_)
            | Body::Appeal(_)
            | Body::Claim(_)
            | Body::AuditRound(_)
            | Body::AuditReport(_)
            | Body::Sublime(_)
            | Body::Vote(_)
            | Body::Checkpoint(_)
            | Body::Unknown(..) => true,
        }
    }
}

/// Finds what tells of the committee's epochs among records.
pub(super) fn epoch_records(records: &[Verified<Record>]) -> Vec<Record> {
    let is_of_epochs = |record: &&Record| {
        let kind = record.header().kind;
        matches!(
            kind,
            Kind::KEYS | Kind::HAND_OVER | Kind::RECOVERY | Kind::CHECKPOINT
        )
    };
    let records = records.iter().map(Verified::value);
    let mut found: Vec<_> = records.filter(is_of_epochs).cloned().collect();
    found.sort_by_key(|record| {
        let epoch = record.body().committee_keys().map(|keys| keys.epoch);
        let recovery = record.body().recovery();
        (epoch, recovery.map(|word| word.plan.height))
    });
    found
}

impl Seat {
    /// Returns how the keys in force were handed over, if the mesh does not know it yet and nobody is about to tell.
    pub(super) fn untold_hand_over(&mut self, known: Option<u64>) -> Option<Box<HandedOver>> {
        let handed = self.log.state().handed()?;
        let epoch = handed.next.keys.epoch;
        if Some(epoch) <= known || self.told_hand_over == Some(epoch) {
            return None;
        }
        self.told_hand_over = Some(epoch);
        Some(Box::new(handed.clone()))
    }
}
