//! How a browser gets in: a one-time link, exchanged for a session cookie.
//!
//! The link works once and for five minutes; the session lasts half a day, lives in memory only and ends
//! with the node. Both are 32 random bytes, of which only hashes are kept. The cookie is `HttpOnly` and
//! `SameSite=Strict`, and its name carries the node's key, because browsers do not keep the cookies of two
//! ports apart.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use x0_crypto::PublicKey;
use zeroize::Zeroizing;

use super::tokens::{hash, random_secret};

/// How long a link waits to be opened.
pub const LINK_LIFE: Duration = Duration::from_secs(5 * 60);
/// How long a session lasts.
pub const SESSION_LIFE: Duration = Duration::from_secs(12 * 60 * 60);
/// Most links and most sessions at a time; the oldest gives way.
const KEPT_MAX: usize = 32;

/// The open links and sessions of a node.
pub struct Sessions {
    cookie: String,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    links: BTreeMap<String, Instant>,
    sessions: BTreeMap<String, Instant>,
}

impl Sessions {
    /// Makes an empty set for a node.
    pub fn new(node: &PublicKey) -> Self {
        Self {
            cookie: format!("x0_{}", node.short()),
            open: Mutex::default(),
        }
    }

    /// Makes a one-time key for a link.
    ///
    /// # Errors
    ///
    /// Returns that the operating system gave no random bytes.
    pub fn link(&self, now: Instant) -> Result<Zeroizing<String>, getrandom::Error> {
        let key = random_secret("")?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        keep(&mut open.links, hash(&key), now, LINK_LIFE);
        Ok(key)
    }

    /// Exchanges a one-time key for a session, and returns the `Set-Cookie` header; `None` if the key is
    /// unknown, used or too old.
    ///
    /// # Errors
    ///
    /// Returns that the operating system gave no random bytes.
    pub fn enter(&self, key: &str, now: Instant) -> Result<Option<String>, getrandom::Error> {
        let session = random_secret("")?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let made_at = open.links.remove(&hash(key));
        if made_at.is_none_or(|at| now.saturating_duration_since(at) >= LINK_LIFE) {
            return Ok(None);
        }
        keep(&mut open.sessions, hash(&session), now, SESSION_LIFE);
        let (name, life_secs) = (&self.cookie, SESSION_LIFE.as_secs());
        let session = session.as_str();
        Ok(Some(format!(
            "{name}={session}; Path=/; Max-Age={life_secs}; HttpOnly; SameSite=Strict"
        )))
    }

    /// Looks for a running session in a `Cookie` header and returns its short name.
    pub fn find(&self, cookies: &str, now: Instant) -> Option<String> {
        let value = cookies
            .split(';')
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find(|(name, _)| *name == self.cookie)
            .map(|(_, value)| hash(value))?;
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let made_at = open.sessions.get(&value)?;
        let is_open = now.saturating_duration_since(*made_at) < SESSION_LIFE;
        is_open.then(|| value.chars().take(8).collect())
    }
}

fn keep(kept: &mut BTreeMap<String, Instant>, key: String, now: Instant, life: Duration) {
    kept.retain(|_, at| now.saturating_duration_since(*at) < life);
    if kept.len() >= KEPT_MAX {
        let oldest = kept.iter().min_by_key(|(_, at)| **at);
        if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
            kept.remove(&oldest);
        }
    }
    kept.insert(key, now);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use x0_crypto::Identity;

    use super::*;

    #[test]
    fn a_link_opens_one_session_once() {
        let (sessions, now) = (sessions(), Instant::now());
        let key = sessions.link(now).unwrap();

        let cookie = sessions.enter(&key, now).unwrap().unwrap();

        assert!(sessions.find(&as_sent(&cookie), now).is_some());
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"));
        assert_eq!(sessions.enter(&key, now).unwrap(), None);
    }

    #[test]
    fn links_and_sessions_end() {
        let (sessions, now) = (sessions(), Instant::now());
        let late = sessions.link(now).unwrap();
        let key = sessions.link(now).unwrap();
        let cookie = sessions.enter(&key, now).unwrap().unwrap();

        assert_eq!(sessions.enter(&late, now + LINK_LIFE).unwrap(), None);
        assert!(
            sessions
                .find(&as_sent(&cookie), now + SESSION_LIFE)
                .is_none()
        );
    }

    #[test]
    fn guesses_and_the_cookies_of_other_nodes_open_nothing() {
        let (sessions, now) = (sessions(), Instant::now());
        let key = sessions.link(now).unwrap();
        let cookie = sessions.enter(&key, now).unwrap().unwrap();
        let value = as_sent(&cookie).split_once('=').unwrap().1.to_owned();

        for guess in ["", "x0", "a=b; c", &format!("x0_other1={value}"), &value] {
            assert!(sessions.find(guess, now).is_none(), "{guess}");
        }
        assert_eq!(sessions.enter("", now).unwrap(), None);
    }

    #[test]
    fn the_newest_links_stay_when_there_are_too_many() {
        let (sessions, now) = (sessions(), Instant::now());
        let first = sessions.link(now).unwrap();
        let mut last = None;
        for i in 1..=KEPT_MAX {
            let at = now + Duration::from_millis(i as u64);
            last = Some(sessions.link(at).unwrap());
        }

        assert_eq!(sessions.enter(&first, now).unwrap(), None);
        assert!(sessions.enter(&last.unwrap(), now).unwrap().is_some());
    }

    fn sessions() -> Sessions {
        Sessions::new(&Identity::generate().unwrap().public())
    }

    fn as_sent(set_cookie: &str) -> String {
        set_cookie.split(';').next().unwrap().to_owned()
    }
}
