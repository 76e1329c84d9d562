//! A charter as a chain holds it: the image of the contract, made of the one compiled form.

use x0_protocol::charter::Compiled;

use crate::chain::{
    error::ChainError,
    image::{CharterImage, ListedMetric},
};

/// Returns the image of a charter.
///
/// # Errors
///
/// Returns what of the charter the contract would refuse.
pub fn image(charter: &Compiled) -> Result<CharterImage, ChainError> {
    let metrics = charter.names.iter().map(|one| ListedMetric {
        name: one.name.clone(),
        retention_days: one.retention_days.into(),
        consent: one.consent,
        cohort_min: one.cohort_min.into(),
    });
    let prefixes = charter.blocked_prefixes.iter().map(|one| format!("{one}*"));
    let image = CharterImage {
        number: charter.number,
        cid: charter.charter.to_string(),
        metrics: metrics.collect(),
        blocked: charter
            .blocked_names
            .iter()
            .cloned()
            .chain(prefixes)
            .collect(),
    };
    image.checked()
}
