//! When a policy that enforces the charter may be replaced by one made of the charter in force.
//!
//! A policy that names no charter was written by somebody who meant it, and is left alone for ever. Any other is the
//! charter's: it stays if it is the very one, and gives way to it otherwise.

/// What is in force where a charter is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loaded<'a, P> {
    /// Nothing.
    Nothing,
    /// A policy that names no charter.
    ByHand,
    /// A policy that was made of a charter, this one or another.
    OfCharter(&'a P),
}

/// What is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<W> {
    /// Leave it, as somebody wrote it.
    Leave,
    /// Nothing: it is the one of the charter.
    Stay,
    /// Load this.
    Load(W),
}

/// Says what is to be done; `wanted` makes what would be loaded, and `policy` looks at the policy in it.
///
/// # Errors
///
/// Returns why no policy can be made of the charter.
pub fn step<P: PartialEq, W, E>(
    loaded: Loaded<'_, P>,
    policy: impl FnOnce(&W) -> &P,
    wanted: impl FnOnce() -> Result<W, E>,
) -> Result<Step<W>, E> {
    let before = match loaded {
        Loaded::ByHand => return Ok(Step::Leave),
        Loaded::Nothing => None,
        Loaded::OfCharter(before) => Some(before),
    };
    let wanted = wanted()?;
    Ok(match before == Some(policy(&wanted)) {
        true => Step::Stay,
        false => Step::Load(wanted),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: fn() -> Result<u8, &'static str> = || Ok(7);

    fn same(policy: &u8) -> &u8 {
        policy
    }

    #[test]
    fn only_what_was_made_of_a_charter_gives_way_to_another() {
        assert_eq!(step(Loaded::Nothing, same, WANTED), Ok(Step::Load(7)));
        assert_eq!(step(Loaded::OfCharter(&6), same, WANTED), Ok(Step::Load(7)));
        assert_eq!(step(Loaded::OfCharter(&7), same, WANTED), Ok(Step::Stay));
        assert_eq!(step(Loaded::ByHand, same, WANTED), Ok(Step::Leave));
    }

    #[test]
    fn what_somebody_wrote_is_left_even_if_the_charter_cannot_be_enforced() {
        let impossible = || Err("too many ports");
        assert_eq!(step(Loaded::ByHand, same, impossible), Ok(Step::Leave));
        assert_eq!(
            step(Loaded::Nothing, same, impossible),
            Err("too many ports")
        );
    }
}
