//! Anomalies in the acts a node sees: one point deciding for many, too fast, in silence.
//!
//! A [`Detector`] watches every act that reaches the node and tells a [`Finding`] together with its [`Evidence`].
//! The evidence names signed act records and nothing else that counts: [`recheck`] recomputes the finding from
//! those records alone, at any node, in any order of arrival. So nobody is asked to believe an alert.
//!
//! Windows go by the dates the agents signed, never by when an act arrived here. An agent may lie about its dates,
//! but only as far as targets still execute the act: [`CLOCK_SKEW_MAX`](crate::core::limits::CLOCK_SKEW_MAX) ahead,
//! [`ACT_LIFE_MAX`](crate::core::limits::ACT_LIFE_MAX) behind. Acts outside the dates a window can still hold are
//! not looked at.
//!
//! What counts is said by the act's [`Standing`]. Acts under a certificate, a lease, a lapse or a roll-back are
//! never *silent* and never a *mass change*; they count to the learned rate only.
//!
//! It freezes and halts nothing: that is `spine::halt`. It does not verify warrants or judge acts either.

mod alert;
mod cover;
mod detector;
mod evidence;
mod finding;
mod identical;
mod observed;
mod rate;
mod reach;

#[cfg(test)]
mod tests;

pub use self::{
    alert::Alert,
    detector::Detector,
    evidence::{Evidence, NotAFinding, recheck},
    finding::{
        BURST_ACTS, BURST_WINDOW, Finding, IDENTICAL_ACTS, IDENTICAL_NODES_MIN, IDENTICAL_SHARE,
        IDENTICAL_WINDOW, MASS_WINDOW, Pattern, Severity,
    },
    observed::{ChangeDigest, Observed, Standing, Touched},
    rate::Usual,
};
