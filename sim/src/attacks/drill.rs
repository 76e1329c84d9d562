//! Attacks carried out side by side, each written down as soon as it has ended.

use std::{
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{Attack, Config, Outcome, report};
use crate::SimError;

/// Attacks to be carried out.
#[derive(Clone, Copy)]
pub struct Drill<'a> {
    /// Which.
    pub attacks: &'a [&'static dyn Attack],
    /// How.
    pub config: Config,
    /// How many at a time, from 1.
    pub threads: u32,
    /// The directory into which every outcome is written as soon as it is there.
    pub out: Option<&'a Path>,
}

/// How far a drill is.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Which attack went on.
    pub attack: &'static str,
    /// How far all attacks are together, from 0 to 1.
    pub share: f64,
    /// Whether the attack has ended, and then whether its outcome is as expected.
    pub ended: Option<bool>,
}

/// Carries out attacks and returns what came of them, in their order.
///
/// # Errors
///
/// Returns [`SimError::Write`] if an outcome cannot be written; the others are carried out all the same.
pub fn run_all(drill: Drill<'_>, tell: &(dyn Fn(Step) + Sync)) -> Result<Vec<Outcome>, SimError> {
    let Drill {
        attacks,
        config,
        threads,
        out,
    } = drill;
    let next = AtomicUsize::new(0);
    let shares = Mutex::new(vec![0.0_f64; attacks.len()]);
    let done: Mutex<Vec<(usize, Outcome)>> = Mutex::new(Vec::new());
    let failed: Mutex<Option<SimError>> = Mutex::new(None);
    let go_on = |number: usize, share: f64, ended: Option<bool>| {
        let mut shares = shares.lock().unwrap_or_else(PoisonError::into_inner);
        shares[number] = share;
        let all = shares.iter().sum::<f64>() / shares.len().max(1) as f64;
        drop(shares);
        tell(Step {
            attack: attacks[number].name(),
            share: all,
            ended,
        });
    };
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(attack) = attacks.get(number) else {
                return;
            };
            let outcome = attack.run(&config, &|share| go_on(number, share, None));
            let holds = outcome.holds();
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            done.push((number, outcome));
            done.sort_by_key(|(number, _)| *number);
            let so_far: Vec<_> = done.iter().map(|(_, outcome)| outcome.clone()).collect();
            if let Some(Err(error)) = out.map(|out| report::write_to(out, &so_far)) {
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert(error);
            }
            drop(done);
            go_on(number, 1.0, Some(holds));
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(work);
        }
    });
    if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(done.into_iter().map(|(_, outcome)| outcome).collect())
}
