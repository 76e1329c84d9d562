//! What came of an attack: claims, measured quantities with their uncertainty, and what is drawn of them.

use std::fmt;

use serde::Serialize;

use super::{
    Attack, Config,
    statistics::{Interval, mean_interval, wilson},
};

/// What came of one attack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The attack.
    pub attack: &'static str,
    /// How it was carried out.
    pub config: Config,
    /// What had to be so, and whether it was.
    pub claims: Vec<Claim>,
    /// What was measured.
    pub measures: Vec<Measure>,
    /// What is drawn.
    pub plots: Vec<Plot>,
}

/// Something that had to be so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// What, in words.
    pub what: String,
    /// Whether it was.
    pub holds: bool,
    /// What was seen.
    pub detail: String,
}

/// A measured quantity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measure {
    /// Of what.
    pub what: String,
    /// In which unit; none for a share or a count.
    pub unit: &'static str,
    /// What was measured.
    pub value: f64,
    /// Where the true value lies with 95 % confidence, if chance has a part in it.
    pub interval: Option<Interval>,
    /// From how many trials.
    pub trials: u64,
    /// What an exact formula says, if there is one.
    pub exact: Option<f64>,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plot {
    /// Its file's name, without the ending.
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// The axis to the right.
    pub x: &'static str,
    /// The axis upward.
    pub y: &'static str,
    /// The lines.
    pub series: Vec<Series>,
}

/// One line of a picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// What it is.
    pub label: String,
    /// Its points, from left to right.
    pub points: Vec<Point>,
}

/// One point of a line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Upward.
    pub y: f64,
    /// Where the true value lies with 95 % confidence.
    pub interval: Option<Interval>,
}

impl Outcome {
    pub(super) fn new(attack: &dyn Attack, config: &Config) -> Self {
        Self {
            attack: attack.name(),
            config: *config,
            claims: Vec::new(),
            measures: Vec::new(),
            plots: Vec::new(),
        }
    }

    /// Tells whether everything was as it had to be.
    pub fn holds(&self) -> bool {
        self.claims.iter().all(|claim| claim.holds)
    }

    /// Claims something.
    pub(super) fn claim(
        &mut self,
        what: impl Into<String>,
        holds: bool,
        detail: impl Into<String>,
    ) {
        self.claims.push(Claim {
            what: what.into(),
            holds,
            detail: detail.into(),
        });
    }

    /// Claims that a share agrees with what a formula says: its interval of 99.9 % confidence contains it.
    pub(super) fn claim_agrees(
        &mut self,
        what: impl Into<String>,
        (hits, trials): (u64, u64),
        exact: f64,
    ) {
        let interval = super::statistics::wilson_wide(hits, trials);
        let detail = format!(
            "{hits} of {trials}; {} by the formula, {} to {} with 99.9 % confidence",
            figure(exact),
            figure(interval.low),
            figure(interval.high)
        );
        self.claim(
            what,
            interval.low <= exact && exact <= interval.high,
            detail,
        );
    }

    /// Notes a count in which chance has no part.
    pub(super) fn count(&mut self, what: impl Into<String>, value: u64, trials: u64) {
        self.note(what, "", value as f64, None, trials, None);
    }

    /// Notes a share of trials.
    pub(super) fn share(
        &mut self,
        what: impl Into<String>,
        hits: u64,
        trials: u64,
        exact: Option<f64>,
    ) {
        let value = hits as f64 / (trials.max(1) as f64);
        self.note(what, "", value, Some(wilson(hits, trials)), trials, exact);
    }

    /// Notes the mean of several values.
    pub(super) fn mean(&mut self, what: impl Into<String>, unit: &'static str, values: &[f64]) {
        let (mean, interval) = mean_interval(values, self.config.seed);
        self.note(what, unit, mean, interval, values.len() as u64, None);
    }

    fn note(
        &mut self,
        what: impl Into<String>,
        unit: &'static str,
        value: f64,
        interval: Option<Interval>,
        trials: u64,
        exact: Option<f64>,
    ) {
        self.measures.push(Measure {
            what: what.into(),
            unit,
            value,
            interval,
            trials,
            exact,
        });
    }
}

impl Point {
    /// A share of trials at a place.
    pub(super) fn share(x: f64, hits: u64, trials: u64) -> Self {
        Self {
            x,
            y: hits as f64 / (trials.max(1) as f64),
            interval: Some(wilson(hits, trials)),
        }
    }

    /// A value that is exact.
    pub(super) const fn exact(x: f64, y: f64) -> Self {
        Self {
            x,
            y,
            interval: None,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.holds() {
            "as expected"
        } else {
            "NOT AS EXPECTED"
        };
        writeln!(f, "{} · {} · {verdict}", self.attack, self.config)?;
        for claim in &self.claims {
            let mark = if claim.holds { "holds " } else { "BROKEN" };
            writeln!(f, "{mark}  {}", claim.what)?;
            writeln!(f, "        {}", claim.detail)?;
        }
        for measure in &self.measures {
            writeln!(f, "        {measure}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, figure(self.value))?;
        if !self.unit.is_empty() {
            write!(f, " {}", self.unit)?;
        }
        if let Some(Interval { low, high }) = self.interval {
            write!(f, " ({} to {})", figure(low), figure(high))?;
        }
        if let Some(exact) = self.exact {
            write!(f, ", {} by the formula", figure(exact))?;
        }
        write!(f, " [{}]", self.trials)
    }
}

/// Writes a figure with as many digits as mean something.
pub(super) fn figure(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else if value.fract() == 0.0 && value.abs() < 1e9 {
        format!("{value:.0}")
    } else if value.abs() >= 100.0 {
        format!("{value:.1}")
    } else if value.abs() >= 0.001 {
        format!("{value:.4}")
    } else {
        format!("{value:.2e}")
    }
}
