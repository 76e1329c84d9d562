//! Refusals on their way from the kernel's buffer to whoever asks: the newest are kept, and those who follow get each.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
};

use crate::messages::{Answer, Refusal};

/// Refusals kept for those who ask later.
const RECENT_MAX: usize = 1_024;

/// Refusals that wait for one slow reader; what comes on top is counted and told as missed.
const WAITING_MAX: usize = 1_024;

/// The newest refusals, and who follows.
#[derive(Default)]
pub(crate) struct Feed(Mutex<State>);

#[derive(Default)]
struct State {
    recent: VecDeque<Refusal>,
    followers: Vec<Follower>,
}

struct Follower {
    to: SyncSender<Answer>,
    missed: u64,
}

impl Feed {
    /// Keeps a refusal and hands it on. A follower that is gone is forgotten.
    pub(crate) fn tell(&self, refusal: &Refusal) {
        let mut state = self.state();
        state
            .followers
            .retain_mut(|follower| follower.tell(refusal));
        if state.recent.len() == RECENT_MAX {
            state.recent.pop_front();
        }
        state.recent.push_back(refusal.clone());
    }

    /// Returns the newest refusals, oldest first.
    pub(crate) fn recent(&self) -> Vec<Refusal> {
        self.state().recent.iter().cloned().collect()
    }

    /// Returns the newest refusals and, from exactly there on, those that come.
    pub(crate) fn follow(&self) -> (Vec<Refusal>, Receiver<Answer>) {
        let (to, from) = sync_channel(WAITING_MAX);
        let mut state = self.state();
        state.followers.push(Follower { to, missed: 0 });
        (state.recent.iter().cloned().collect(), from)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What stands inside is whole between any two statements that could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    /// Returns whether it is still there.
    fn tell(&mut self, refusal: &Refusal) -> bool {
        if self.missed > 0 {
            match self.to.try_send(Answer::Missed { count: self.missed }) {
                Ok(()) => self.missed = 0,
                Err(TrySendError::Full(_)) => {
                    self.missed += 1;
                    return true;
                }
                Err(TrySendError::Disconnected(_)) => return false,
            }
        }
        match self.to.try_send(Answer::Event(refusal.clone())) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.missed += 1;
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use x0_ebpf_common::{event::Event, reason::Reason};

    use super::*;

    fn refusal(pid: u32) -> Refusal {
        let event = Event {
            at_ns: 0,
            name_hash: 0,
            pid,
            uid: 0,
            address: [0, 0],
            cgroup: 0,
            port: 0,
            local_port: 0,
            payload_bytes: 0,
            protocol: 17,
            reason: Reason::Name,
        };
        Refusal::of(&event, None, 0)
    }

    #[test]
    fn a_slow_follower_is_told_how_many_it_missed() {
        let feed = Feed::default();
        let (_, from) = feed.follow();
        let sent = WAITING_MAX as u64 + 7;
        for pid in 0..sent {
            feed.tell(&refusal(pid as u32));
        }
        for _ in 0..2 {
            from.try_recv().unwrap();
        }
        feed.tell(&refusal(u32::MAX));

        let mut read = 2;
        let mut missed = 0;
        for answer in from.try_iter() {
            if let Answer::Missed { count } = answer {
                missed += count;
            } else {
                read += 1;
            }
        }
        assert_eq!(read + missed, sent + 1);
        assert_eq!(missed, 7);
    }

    #[test]
    fn only_the_newest_are_kept() {
        let feed = Feed::default();
        for pid in 0..=RECENT_MAX as u32 {
            feed.tell(&refusal(pid));
        }

        let recent = feed.recent();
        assert_eq!(recent.len(), RECENT_MAX);
        assert_eq!(recent.first().unwrap().pid, 1);
    }
}
