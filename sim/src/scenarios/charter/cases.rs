//! Reported violations of a run: who is accused of what, by whom, and what the persons of the seats say to it.

use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    Command, CommandId,
    charter::violation::{Stage, Violation, receipt::Receipt, sealed},
    core::{case::CaseCommand, limits::REPORT_WORK_BITS},
    wire::{Appeal, CaseFinding, CaseSay, Report},
};

use crate::{
    random::{Purpose, Seed},
    time::{Span, Time},
    world::World,
};

/// Time after which something that came to nothing is said again: seats and their nodes may be without power.
const AGAIN: Span = Span::from_secs(20);
/// What the reporter of a violation gets, x0.
const BOUNTY_X0: u64 = 500;

/// How a case is meant to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// A verdict that nobody appeals against.
    Sentenced,
    /// A verdict that stands after an appeal.
    Upheld,
    /// A verdict that falls after an appeal.
    Overturned,
    /// There is nothing in it.
    Dismissed,
}

/// A case on its way.
pub(super) struct Case {
    pub(super) accused: u32,
    teller: u32,
    sort: Violation,
    course: Course,
    /// The number of its receipt, if it is sealed.
    sealed: Option<u32>,
    from: Time,
    reported: Option<(Time, CommandId)>,
    pub(super) id: Option<ContentId>,
    said: Option<(Stage, Time)>,
    appealed: Option<Time>,
    claimed: Option<Time>,
}

impl Case {
    /// Plans a case.
    pub(super) const fn new(
        (accused, teller): (u32, u32),
        sort: Violation,
        course: Course,
        sealed: Option<u32>,
        from: Time,
    ) -> Self {
        Self {
            accused,
            teller,
            sort,
            course,
            sealed,
            from,
            reported: None,
            id: None,
            said: None,
            appealed: None,
            claimed: None,
        }
    }

    /// Returns where it is to end.
    pub(super) const fn end(&self) -> Stage {
        match (self.course, self.sealed) {
            (Course::Sentenced | Course::Upheld, Some(_)) => Stage::Claimed,
            (Course::Sentenced | Course::Upheld, None) => Stage::Final,
            (Course::Overturned, _) => Stage::Overturned,
            (Course::Dismissed, _) => Stage::Dismissed,
        }
    }

    /// Returns how far it is where it is farthest.
    pub(super) fn stage(&self, world: &World, seats: u32) -> Option<Stage> {
        let id = self.id?;
        let known = (0..seats).filter_map(|seat| world.docket(seat)?.case(&id));
        let newest = known.max_by_key(|known| known.newest.height)?;
        Some(newest.stage())
    }

    /// Does what is due.
    pub(super) fn go_on(&mut self, world: &mut World, seats: u32) {
        if world.now() < self.from {
            return;
        }
        if self.id.is_none() {
            self.report(world);
        }
        let Some(id) = self.id else { return };
        let accused = world.key(self.accused);
        let Some(stage) = self.stage(world, seats) else {
            return;
        };
        let found = CaseSay::Find(CaseFinding {
            accused,
            sort: self.sort,
            bounty_x0: BOUNTY_X0,
        });
        let say = match (stage, self.course) {
            (Stage::Reported, Course::Dismissed) => CaseSay::Dismiss,
            (Stage::Reported, _) => CaseSay::Open,
            (Stage::Opened, _) => found,
            (Stage::Announced, Course::Upheld | Course::Overturned) => {
                return self.appeal(world, id);
            }
            (Stage::Appealed, Course::Upheld) => CaseSay::Uphold,
            (Stage::Appealed, _) => CaseSay::Overturn,
            (Stage::Final, _) => return self.claim(world, id),
            (Stage::Announced | Stage::Dismissed | Stage::Overturned | Stage::Claimed, _) => return,
        };
        let is_said = |(of, at): (Stage, Time)| of == stage && world.now() < at + AGAIN;
        if self.said.is_some_and(is_said) {
            return;
        }
        self.said = Some((stage, world.now()));
        for seat in (0..seats).filter(|seat| *seat != self.accused) {
            let Ok(why) = "it was looked at".parse() else {
                return;
            };
            let command = CaseCommand::Say { case: id, say, why };
            world.command(seat, Command::Case(command));
        }
    }

    fn report(&mut self, world: &mut World) {
        if let Some((at, command)) = self.reported {
            if let Some(Ok(Some(id))) = world.answer(command) {
                self.id = Some(id);
                return;
            }
            if world.now() < at + AGAIN {
                return;
            }
        }
        let Some(command) = self.report_command(world) else {
            return;
        };
        let id = world.command(self.teller, Command::Case(command));
        self.reported = Some((world.now(), id));
    }

    fn report_command(&self, world: &World) -> Option<CaseCommand> {
        let report = report(Some(world.key(self.accused)), self.sort)?;
        let Some(number) = self.sealed else {
            return Some(CaseCommand::Report(Box::new(report)));
        };
        let key = world.keys_of(self.teller, 1)?.decryption;
        let receipt = receipt(world.seed(), number);
        let dated = (world.wall(), REPORT_WORK_BITS);
        let record = sealed::seal(&key, &world.mesh(), &report, &receipt, dated).ok()?;
        Some(CaseCommand::Submit(Box::new(record.to_unverified())))
    }

    fn appeal(&mut self, world: &mut World, case: ContentId) {
        if self.appealed.is_some_and(|at| world.now() < at + AGAIN) {
            return;
        }
        self.appealed = Some(world.now());
        let Ok(why) = "It was another node".to_owned().try_into() else {
            return;
        };
        let appeal = CaseCommand::Appeal(Box::new(Appeal { case, why }));
        world.command(self.accused, Command::Case(appeal));
    }

    fn claim(&mut self, world: &mut World, case: ContentId) {
        let Some(number) = self.sealed else { return };
        if self.claimed.is_some_and(|at| world.now() < at + AGAIN) {
            return;
        }
        self.claimed = Some(world.now());
        let (mesh, to) = (world.mesh(), world.key(self.teller));
        let claim = receipt(world.seed(), number).claim(mesh, case, to, world.wall());
        if let Ok(claim) = claim {
            let claim = Box::new(claim.to_unverified());
            world.command(self.teller, Command::Case(CaseCommand::Submit(claim)));
        }
    }
}

/// Makes the report of a violation.
pub(super) fn report(accused: Option<PublicKey>, sort: Violation) -> Option<Report> {
    Some(Report {
        accused,
        sort,
        description: "It kept where people were.".to_owned().try_into().ok()?,
        evidence: vec![ContentId::of(b"a log of it")],
        asked: "That it ends".parse().ok()?,
    })
}

fn receipt(seed: Seed, number: u32) -> Receipt {
    Receipt::of_seed(seed.bytes(Purpose::Receipt, number).into())
}
