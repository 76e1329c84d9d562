//! The seat of this node: what the committee log is told, and what it wants done.

use x0_crypto::PublicKey;

use super::{AfterPersist, Asked, Peer, Waiting, requests::respond};
use crate::{
    core::{
        command::CommitteeStatus,
        effect::{Effect, Outbox, Write},
        event::Event,
        ids::{JobId, RequestToken},
        job::Job,
        reject::RejectReason,
        time::{Now, Wall},
    },
    spine::committee::{CommitteeLog, Seats, StoredLog, Todo, Weighed},
    wire::{Decided, Refused, Request, Response, SeatDraft, SeatMessage, Unverified, Verified},
};

impl Peer {
    /// Takes up the committee log, if the genesis gives this node a seat of a committee.
    pub(super) fn take_seat(&mut self, now: Now, stored: StoredLog, out: &mut Outbox) {
        let Some(seats) = Seats::new(self.directory.genesis().seats.clone()) else {
            return;
        };
        if !seats.contains(&self.config.key) {
            return;
        }
        let (log, todo) = CommitteeLog::new(
            self.directory.mesh(),
            seats,
            self.config.key,
            self.founded(),
            stored,
            now.mono,
            self.clock(now),
        );
        self.committee = Some(Box::new(log));
        self.do_seat_work(todo, out);
    }

    pub(super) fn on_seat_message(
        &mut self,
        from: PublicKey,
        token: RequestToken,
        message: Box<Unverified<SeatMessage>>,
        out: &mut Outbox,
    ) {
        let Some(log) = self
            .committee
            .as_ref()
            .filter(|log| log.seats().contains(&from))
        else {
            return respond(token, Response::Refused(Refused::NoAnswer), out);
        };
        let height = log.tip().height;
        match log.weigh(message.peek()) {
            Weighed::Wanted => {
                let mesh = self.directory.mesh();
                let id = self.job(Waiting::Seat);
                let job = Job::Seat { mesh, message };
                out.push(Effect::Check { id, job });
            }
            Weighed::Unwanted => {}
            Weighed::Faulty => {
                let why = "it speaks for a seat as none would".to_owned();
                out.push(Effect::Notify(Event::Rejected { from, why }));
                return respond(token, Response::Refused(Refused::Malformed), out);
            }
        }
        respond(token, Response::Height(height), out);
    }

    pub(super) fn on_blocks_asked(
        &mut self,
        from: PublicKey,
        token: RequestToken,
        height: u64,
        out: &mut Outbox,
    ) {
        let log = self.committee.as_ref();
        if log.is_none_or(|log| !log.seats().contains(&from)) {
            return respond(token, Response::Refused(Refused::NoAnswer), out);
        }
        out.push(Effect::RespondBlocks {
            token,
            from: height,
        });
    }

    pub(super) fn on_seat_checked(
        &mut self,
        now: Now,
        message: Result<Verified<SeatMessage>, RejectReason>,
        out: &mut Outbox,
    ) {
        let clock = self.clock(now);
        let (Some(log), Ok(message)) = (&mut self.committee, message) else {
            return;
        };
        let todo = log.heard(message, now.mono, clock);
        self.do_seat_work(todo, out);
    }

    pub(super) fn check_blocks(&mut self, blocks: Vec<Unverified<Decided>>, out: &mut Outbox) {
        let id = self.job(Waiting::Blocks);
        out.push(Effect::Check {
            id,
            job: Job::Blocks(blocks),
        });
    }

    pub(super) fn on_blocks_checked(
        &mut self,
        now: Now,
        blocks: Vec<Result<Verified<Decided>, RejectReason>>,
        out: &mut Outbox,
    ) {
        for decided in blocks.into_iter().map_while(Result::ok) {
            let Some(log) = &mut self.committee else {
                return;
            };
            let todo = log.caught_up(&decided, now.mono);
            self.do_seat_work(todo, out);
        }
    }

    pub(super) fn on_height_told(
        &mut self,
        now: Now,
        seat: PublicKey,
        height: u64,
        out: &mut Outbox,
    ) {
        let Some(log) = &mut self.committee else {
            return;
        };
        let todo = log.is_told(seat, height, now.mono);
        self.do_seat_work(todo, out);
    }

    pub(super) fn sign_seat(&mut self, draft: Box<SeatDraft>, out: &mut Outbox) {
        let id = self.job(Waiting::SignSeat);
        out.push(Effect::SignSeat { id, draft });
    }

    pub(super) fn on_seat_signed(
        &mut self,
        now: Now,
        id: JobId,
        message: Verified<SeatMessage>,
        out: &mut Outbox,
    ) {
        let (Some(Waiting::SignSeat), Some(log)) = (self.waiting.remove(&id), &mut self.committee)
        else {
            return;
        };
        let todo = log.signed(message, now.mono);
        self.do_seat_work(todo, out);
    }

    pub(super) fn run_committee(&mut self, now: Now, out: &mut Outbox) {
        let clock = self.clock(now);
        let Some(log) = self.committee.as_mut().filter(|log| log.due() <= now.mono) else {
            return;
        };
        let todo = log.on_time(now.mono, clock);
        self.do_seat_work(todo, out);
    }

    pub(super) fn committee_status(&self, now: Now) -> Option<CommitteeStatus> {
        let log = self.committee.as_ref()?;
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let keys = log.seats().keys().iter();
        let linked = keys.filter(|seat| **seat == self.config.key || self.links.is_greeted(seat));
        let tip = log.tip();
        Some(CommitteeStatus {
            seats: (count(log.seats().len()), count(log.seats().quorum())),
            linked: count(linked.count()),
            height: tip.height,
            time: tip.time,
            deciding: log
                .under_way()
                .map(|(height, began)| (height, now.mono.since(began))),
        })
    }

    fn do_seat_work(&mut self, todo: Vec<Todo>, out: &mut Outbox) {
        for each in todo {
            match each {
                Todo::Sign(draft) => self.sign_seat(Box::new(draft), out),
                Todo::Note {
                    first, lines, then, ..
                } => {
                    let then = AfterPersist::SignSeat(Box::new(then));
                    self.persist(vec![Write::Journal { first, lines }], then, out);
                }
                Todo::Send(message) => self.send_to_seats(&message, out),
                Todo::Ask { seat, from } => {
                    self.ask(seat, Request::Blocks { from }, Asked::Blocks, out);
                }
                Todo::Store { decided, tip } => {
                    // A block that only dates the mesh is no news.
                    let after = match decided.block.entries.is_empty() {
                        true => AfterPersist::Nothing,
                        false => AfterPersist::Decided(tip),
                    };
                    self.persist(vec![Write::Block { decided, tip }], after, out);
                }
            }
        }
    }

    /// Sends to every linked seat. The reading of the clock, with which a height begins, goes to the others as
    /// well, so that the driver looks for a way to them.
    fn send_to_seats(&mut self, message: &SeatMessage, out: &mut Outbox) {
        let Some(log) = &self.committee else {
            return;
        };
        let is_clock = matches!(message, SeatMessage::Clock { .. });
        let own = self.config.key;
        let seats = log.seats().keys().iter().copied();
        let seats: Vec<_> = seats
            .filter(|seat| *seat != own && (is_clock || self.links.is_greeted(seat)))
            .collect();
        for to in seats {
            let message = Box::new(Unverified::from_wire(message.clone()));
            self.ask(to, Request::Seat(message), Asked::Seat { to }, out);
        }
    }

    fn founded(&self) -> Wall {
        self.config.genesis.value().header().time
    }

    /// Returns what this node's clock shows in mesh time: on a test mesh time runs faster from its founding on.
    fn clock(&self, now: Now) -> Wall {
        let founded = self.founded();
        let scale = u64::from(self.directory.genesis().parameters.time_scale.0);
        let passed = now.wall.0.saturating_sub(founded.0);
        Wall(founded.0.saturating_add(passed.saturating_mul(scale)))
    }
}
