//! What a story tells: what is done, why it matters, what was seen.
//!
//! People read it line by line as it happens; with `--json` programs get the whole as one object at the end.

use std::{
    io::{self, Write as _},
    time::Instant,
};

use anyhow::Result;
use serde::Serialize;

/// The account of one story under way.
#[derive(Debug)]
pub struct Account {
    json: bool,
    began: Instant,
    told: Told,
}

#[derive(Debug, Serialize)]
struct Told {
    journey: String,
    ok: bool,
    took_ms: u64,
    steps: Vec<Step>,
    /// What was measured, if the story measures.
    #[serde(skip_serializing_if = "Option::is_none")]
    figures: Option<serde_json::Value>,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Step {
    after_ms: u64,
    does: String,
    why: String,
    sees: Vec<String>,
}

impl Account {
    /// Begins the account of a story, for people or for programs.
    pub fn new(journey: &str, title: &str, json: bool) -> Self {
        let told = Told {
            journey: journey.to_owned(),
            ok: false,
            took_ms: 0,
            steps: Vec::new(),
            figures: None,
            error: None,
        };
        let account = Self {
            json,
            began: Instant::now(),
            told,
        };
        account.line(&format!("\n■ {journey}: {title}"));
        account
    }

    /// Says what is done now, and why it matters.
    pub fn step(&mut self, does: impl Into<String>, why: impl Into<String>) {
        let step = Step {
            after_ms: millis(self.began),
            does: does.into(),
            why: why.into(),
            sees: Vec::new(),
        };
        self.line(&format!(
            "\n{:>3}. {}\n     why: {}",
            self.told.steps.len() + 1,
            step.does,
            step.why
        ));
        self.told.steps.push(step);
    }

    /// Says what was seen of it.
    pub fn saw(&mut self, sees: impl Into<String>) {
        let sees = sees.into();
        self.line(&format!("     saw: {sees}"));
        if let Some(step) = self.told.steps.last_mut() {
            step.sees.push(sees);
        }
    }

    /// Tells programs what was measured; people are told by [`Account::saw`].
    pub fn figures(&mut self, figures: serde_json::Value) {
        self.told.figures = Some(figures);
    }

    /// Ends the account well or badly, and passes the outcome on.
    ///
    /// # Errors
    ///
    /// Returns the error it was given.
    pub fn end(mut self, outcome: Result<()>) -> Result<()> {
        self.told.took_ms = millis(self.began);
        self.told.ok = outcome.is_ok();
        self.told.error = outcome.as_ref().err().map(|error| format!("{error:#}"));
        let secs = self.told.took_ms / 1_000;
        match &outcome {
            Ok(()) => self.line(&format!(
                "\n✔ {}: all of it held, in {secs} s",
                self.told.journey
            )),
            Err(error) => self.line(&format!(
                "\n✘ {}: failed after {secs} s: {error:#}",
                self.told.journey
            )),
        }
        if self.json {
            write(&serde_json::to_string(&self.told)?);
        }
        outcome
    }

    fn line(&self, text: &str) {
        if !self.json {
            write(text);
        }
    }
}

/// Writes a line for whoever reads; if nobody does any more, nothing is lost.
pub fn write(text: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).ok();
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
