//! Trustees of an item: who is named when it is put, and what is kept of it.

use std::{collections::BTreeSet, path::PathBuf};

use clap::Args;
use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    Millis,
    core::limits::{
        TRUSTEES_MAX, TRUSTEES_MIN, TRUSTEES_NEEDED_MIN, TRUSTEES_WAIT_MAX, TRUSTEES_WAIT_MIN,
    },
    wire::TrusteeTerms,
};

use super::{
    super::{Context, client::Client, error::CliError},
    answers::parse,
    own_dir,
};
use crate::api::view::{MembersPage, StatusView};

const HOUR_MS: u64 = 3_600_000;
const WAIT_HOURS_MIN: u64 = TRUSTEES_WAIT_MIN.0 / HOUR_MS;
const WAIT_HOURS_MAX: u64 = TRUSTEES_WAIT_MAX.0 / HOUR_MS;
/// Hours in which the owner can stop what trustees have attested, if nothing else is said.
const WAIT_HOURS: u64 = 24;

/// Whether an item gets trustees, and which.
#[derive(Debug, Args)]
pub(in crate::cli) struct TrusteeArgs {
    /// A member who attests that it is you, should you lose every device; 3 to 10 of them, each by this
    #[arg(long = "trustee", value_name = "MEMBER")]
    trustees: Vec<PublicKey>,
    /// How many of them must attest [default: more than half]
    #[arg(long, value_name = "K", requires = "trustees")]
    trustees_needed: Option<u8>,
    /// Hours from the moment enough have attested in which you can still stop it, and nothing opens [default: 24]
    #[arg(
        long, value_name = "HOURS", requires = "trustees",
        value_parser = clap::value_parser!(u64).range(WAIT_HOURS_MIN..=WAIT_HOURS_MAX)
    )]
    trustees_wait: Option<u64>,
}

/// The trustees of an item that is to be put.
pub(super) struct Trusted {
    members: Vec<PublicKey>,
    needed: u8,
    wait: Millis,
}

impl TrusteeArgs {
    /// Checks who is named.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the trustees or their number.
    pub(super) async fn plan(&self, context: &Context) -> Result<Option<Trusted>, CliError> {
        if self.trustees.is_empty() {
            return Ok(None);
        }
        let trusted = self.counted().map_err(CliError::Usage)?;
        let client = context.client()?;
        let status: StatusView = client.get("/v1/status").await?;
        let active = active(&client).await?;
        for member in &trusted.members {
            let name = member.to_string();
            if name == status.node {
                let why =
                    "you cannot be your own trustee: a trustee is there when this device is not";
                return Err(CliError::Usage(why.to_owned()));
            }
            if !active.contains(member) {
                return Err(CliError::Usage(format!(
                    "{name} is no active member: `x0 peers --members` lists them"
                )));
            }
        }
        context.output.note(
            "Tell your trustees that you have named them: nothing reaches them before somebody asks to recover the item, and \
             nobody else learns who they are until they attest.",
        );
        Ok(Some(trusted))
    }

    fn counted(&self) -> Result<Trusted, String> {
        let count = self.trustees.len();
        let members: BTreeSet<_> = self.trustees.iter().copied().collect();
        if members.len() < count {
            return Err("a trustee is named twice: each counts once".to_owned());
        }
        if !(TRUSTEES_MIN..=TRUSTEES_MAX).contains(&count) {
            return Err(format!(
                "{count} trustees are named: name {TRUSTEES_MIN} to {TRUSTEES_MAX}"
            ));
        }
        let majority = u8::try_from(count / 2 + 1).unwrap_or(u8::MAX);
        let needed = self.trustees_needed.unwrap_or(majority);
        if !(TRUSTEES_NEEDED_MIN..=count).contains(&usize::from(needed)) {
            return Err(format!(
                "{needed} of {count} trustees cannot be asked for: give --trustees-needed {TRUSTEES_NEEDED_MIN} to {count}"
            ));
        }
        Ok(Trusted {
            members: members.into_iter().collect(),
            needed,
            wait: Millis(self.trustees_wait.unwrap_or(WAIT_HOURS) * HOUR_MS),
        })
    }
}

impl Trusted {
    /// Returns what the item's manifest says of them.
    ///
    /// # Errors
    ///
    /// Returns to whom nothing can be sealed.
    pub(super) fn terms(
        &self,
        of: (&ContentId, &PublicKey),
        seed: &[u8; 32],
    ) -> Result<TrusteeTerms, CliError> {
        let terms = TrusteeTerms::name(of, &self.members, (self.needed, self.wait), seed);
        terms.map_err(|(member, cause)| {
            CliError::Failed(format!(
                "nothing can be sealed to the key of trustee {member}: {cause}"
            ))
        })
    }
}

/// Returns the active members.
async fn active(client: &Client) -> Result<BTreeSet<PublicKey>, CliError> {
    let mut members = BTreeSet::new();
    let mut path = "/v1/members?active=true".to_owned();
    loop {
        let page: MembersPage = client.get(&path).await?;
        for member in &page.members {
            members.insert(parse("member", &member.key)?);
        }
        let Some(next) = page.next else {
            return Ok(members);
        };
        path = format!("/v1/members?active=true&after={next}");
    }
}

/// Returns where the word stands by which an item's trustees can be revoked.
pub(super) fn trustees_path(context: &Context, key: &str) -> Result<PathBuf, CliError> {
    Ok(own_dir(context, "trustees")?.join(format!("{key}.word")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use x0_crypto::Identity;

    use super::*;

    fn named(count: u8, needed: Option<u8>) -> Result<Trusted, String> {
        let key = |number: u8| Identity::from_seed([number; 32].into()).public();
        TrusteeArgs {
            trustees: (1..=count).map(key).collect(),
            trustees_needed: needed,
            trustees_wait: None,
        }
        .counted()
    }

    #[test]
    fn more_than_half_must_attest_unless_another_number_is_given() {
        for (count, needed) in [(3, 2), (4, 3), (5, 3), (10, 6)] {
            let trusted = named(count, None).unwrap();
            assert_eq!((trusted.needed, trusted.wait.0), (needed, 24 * HOUR_MS));
        }
        assert_eq!(named(5, Some(2)).unwrap().needed, 2);
    }

    #[test]
    fn too_few_too_many_and_the_same_twice_are_refused() {
        assert!(named(2, None).is_err());
        assert!(named(11, None).is_err());
        assert!(named(3, Some(1)).is_err());
        assert!(named(3, Some(4)).is_err());
        let key = Identity::from_seed([1; 32].into()).public();
        let twice = TrusteeArgs {
            trustees: vec![key; 3],
            trustees_needed: None,
            trustees_wait: None,
        };
        assert!(twice.counted().is_err());
    }
}
