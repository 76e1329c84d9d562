//! The seats in the state: ceremonies that make keys, and the hand-over to other seats.

use x0_crypto::{ContentId, PublicKey, committee::Purpose};

use super::{
    super::{
        Seats,
        handing::{
            Handing, HandingView, MAKING_KEYS_MAX, OpenPlan, SeatNews, TRIES_MAX, check_change,
        },
        making::{Made, Making},
    },
    State,
};
use crate::{
    core::time::Millis,
    wire::{Certificate, HandedOver, PublicWhat, SeatsPlan, Statement, Subject},
};

impl State {
    /// Returns who is to decide once the hand-over under way is done.
    pub fn incoming(&self) -> Option<&Seats> {
        self.handing.as_ref().map(|handing| &handing.seats)
    }

    /// Returns the plans that wait for approvals, by name.
    pub fn plans(&self) -> impl Iterator<Item = (&ContentId, &OpenPlan)> {
        self.plans.iter()
    }

    /// Returns how far the hand-over under way is.
    pub fn handing(&self) -> Option<HandingView> {
        self.handing.as_ref().map(|handing| HandingView {
            epoch: handing.making.epoch(),
            seats: handing.seats.keys().to_vec(),
            is_made: handing.made.is_some(),
        })
    }

    /// Returns how the keys in force were handed over; none for the first.
    pub fn handed(&self) -> Option<&HandedOver> {
        self.handed.as_deref()
    }

    /// Says why these seats cannot follow the present ones.
    ///
    /// # Errors
    ///
    /// Returns what stands against them, in words.
    pub fn check_plan(&self, plan: &SeatsPlan) -> Result<(), String> {
        let keys = self.keys.as_ref().filter(|_| self.named);
        let Some(keys) = keys else {
            return Err("the first keys are not made yet".to_owned());
        };
        if self.handing.is_some() {
            return Err("a hand-over is under way".to_owned());
        }
        if plan.epoch != keys.epoch {
            return Err(format!("epoch {} is in force by now", keys.epoch));
        }
        let seats = check_change(&self.seats, &plan.seats)?;
        let come = seats.keys().iter().filter(|key| !self.seats.contains(key));
        let mut barred = come.filter_map(|key| Some((key, self.members.barred(key, self.time)?)));
        if let Some((key, barred)) = barred.next() {
            return Err(format!("{key} can have no seat: it {barred}"));
        }
        let strangers = seats.keys().iter();
        let mut strangers = strangers.filter(|key| self.members.facts(key).is_none());
        if let Some(stranger) = strangers.next() {
            return Err(format!(
                "the committee does not know {stranger} as a member"
            ));
        }
        Ok(())
    }

    /// Ends the ceremonies that make the first keys, if it is time.
    pub(super) fn close_first(&mut self) {
        let Some(making) = &mut self.making else {
            return;
        };
        match making.close(self.time, self.scale) {
            Some(Made::Keys(keys)) => {
                let left_out = making.left_out();
                self.keys = Some(*keys);
                self.named = false;
                self.made = self.making.take();
                self.tell_left_out(left_out);
            }
            Some(Made::Failed { again }) => {
                let (epoch, left_out) = (making.epoch(), making.left_out());
                if let Some(again) = again {
                    self.numbered = again.epoch();
                    self.making = Some(*again);
                }
                self.tell_left_out(left_out);
                self.news.push(SeatNews::Failed { epoch, again: true });
            }
            None => {}
        }
    }

    /// Ends the ceremonies of a hand-over, if it is time: with keys, once more, or for good.
    pub(super) fn close_handing(&mut self) {
        let (time, scale, height) = (self.time, self.scale, self.height);
        let Some(handing) = self.handing.as_mut().filter(|h| h.made.is_none()) else {
            return;
        };
        let epoch = handing.making.epoch();
        let closed = handing.making.close(time, scale);
        let left_out = closed.as_ref().map(|_| handing.making.left_out());
        let longest = Millis(MAKING_KEYS_MAX.0.saturating_mul(scale));
        let is_over = handing.begun + longest <= time;
        match closed {
            Some(Made::Keys(keys)) => handing.made = Some((keys, height)),
            Some(Made::Failed { again: Some(again) }) if handing.tries < TRIES_MAX && !is_over => {
                handing.tries += 1;
                handing.making = *again;
                self.numbered = handing.making.epoch();
                self.news.push(SeatNews::Failed { epoch, again: true });
            }
            None if !is_over => {}
            None | Some(Made::Failed { .. }) => {
                self.handing = None;
                let again = false;
                self.news.push(SeatNews::Failed { epoch, again });
            }
        }
        self.tell_left_out(left_out.unwrap_or_default());
    }

    fn tell_left_out(&mut self, left_out: Vec<(PublicKey, String)>) {
        let named = left_out.into_iter();
        self.news
            .extend(named.map(|(who, why)| SeatNews::LeftOut { who, why }));
    }

    /// Tells whether the next keys are made: nothing is certified any more but their hand-over.
    pub(super) fn is_passing(&self) -> bool {
        let handing = self.handing.as_ref();
        handing.is_some_and(|handing| handing.made.is_some())
    }

    pub(super) fn is_handed_over_by(&self, certificate: &Certificate) -> bool {
        let (Some(keys), Some(handing)) = (&self.keys, &self.handing) else {
            return false;
        };
        let subject = Subject::Statement(certificate.statement);
        certificate.epoch == keys.epoch
            && handing.statement() == Some(certificate.statement)
            && keys
                .group(Purpose::Certificate)
                .verify(
                    &subject.message(&self.mesh, keys.epoch),
                    &certificate.signature,
                )
                .is_ok()
    }

    /// Begins a hand-over, if its ceremonies can be held.
    pub(super) fn begin_handing(&mut self, plan: &SeatsPlan) {
        let (Some(keys), Some(seats)) = (&self.keys, Seats::new(plan.seats.clone())) else {
            return;
        };
        let epoch = self.numbered + 1;
        let Some(making) = Making::hand_over(self.mesh, epoch, keys, &seats) else {
            return;
        };
        self.numbered = epoch;
        self.plans.clear();
        self.news.push(SeatNews::Begun {
            epoch,
            seats: u32::try_from(seats.len()).unwrap_or(u32::MAX),
        });
        self.handing = Some(Handing {
            seats,
            making,
            begun: self.time,
            tries: 1,
            made: None,
        });
    }

    /// Puts the next keys and seats in force: they decide and sign from the next height on.
    pub(super) fn hand_over(&mut self, certificate: Certificate) {
        let next = self.handing.as_ref().and_then(Handing::next);
        let (Some(next), Some(handing)) = (next, self.handing.take()) else {
            return;
        };
        let Some((keys, height)) = handing.made else {
            return;
        };
        self.news.push(SeatNews::HandedOver {
            epoch: keys.epoch,
            seats: u32::try_from(handing.seats.len()).unwrap_or(u32::MAX),
        });
        self.publish(PublicWhat::HandedOver {
            epoch: keys.epoch,
            seats: handing.seats.keys().to_vec(),
        });
        self.keys = Some(*keys);
        self.seats = handing.seats;
        self.polls.pass_to(self.seats.clone());
        self.made = Some(handing.making);
        self.since = height;
        self.plans.clear();
        self.handed = Some(Box::new(HandedOver { next, certificate }));
        // Tickets that still hold are signed again, so that an act does not have to be asked for anew.
        let time = self.time;
        self.tickets.retain(|_, statement| match statement {
            Statement::Ticket(ticket) => ticket.expires > time,
            Statement::Checkpoint(_)
            | Statement::HandOver(_)
            | Statement::Halt(_)
            | Statement::Opened(_)
            | Statement::Tally(_)
            | Statement::Resolved(_)
            | Statement::Jury(_)
            | Statement::Ruling(_)
            | Statement::Audits(_)
            | Statement::Rotation(_) => false,
        });
    }
}
