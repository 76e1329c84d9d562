//! The words that grants and caveats are made of: actions, scopes, shares of the mesh.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most characters of an action's name.
const ACTION_CHARS_MAX: usize = 64;

/// Names something an agent can do, such as `routing.update`.
///
/// Names are compared exactly; there are no wildcards.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Action(String);

/// Points at the first character that does not belong in an action's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAction {
    /// There is no name.
    #[error("an action needs a name, such as routing.update")]
    Empty,
    /// The name is too long.
    #[error(
        "the action \"{start}…\" has {chars} characters; at most {ACTION_CHARS_MAX} are allowed"
    )]
    TooLong {
        /// Its beginning.
        start: String,
        /// Its length.
        chars: usize,
    },
    /// A character is not allowed where it stands.
    #[error("the action {action:?} has {found:?} at position {position}; {}", allowed(*position))]
    Character {
        /// The whole name.
        action: String,
        /// Counted in characters, from 1.
        position: usize,
        /// The character.
        found: char,
    },
}

/// How far from its author an act reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The author's own node.
    Local,
    /// Other nodes of a region, at most 100.
    Regional,
    /// Any part of the mesh.
    Network,
}

/// Reports a word that is not a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a scope; use local, regional or network")]
pub struct UnknownScope {
    /// The word.
    pub found: String,
}

/// A share of the mesh in basis points: 1 % is 100, the whole mesh 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareBp(u16);

/// Reports a text that is not a share of the mesh.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is not a share of the mesh; write 0% to 100% with at most two decimals, such as 1% or 0.5%"
)]
pub struct InvalidShare {
    /// The text.
    pub found: String,
}

impl Action {
    /// Takes a name of `[a-z][a-z0-9_.]{0,63}`.
    ///
    /// # Errors
    /// [`InvalidAction`] naming the place.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidAction> {
        let name = name.into();
        let chars = name.chars().count();
        if chars == 0 {
            return Err(InvalidAction::Empty);
        }
        if chars > ACTION_CHARS_MAX {
            return Err(InvalidAction::TooLong {
                start: name.chars().take(16).collect(),
                chars,
            });
        }
        let belongs = |(i, c): (usize, char)| match c {
            'a'..='z' => true,
            '0'..='9' | '_' | '.' => i > 0,
            _ => false,
        };
        match name.chars().enumerate().find(|&at| !belongs(at)) {
            None => Ok(Self(name)),
            Some((i, found)) => Err(InvalidAction::Character {
                position: i + 1,
                found,
                action: name,
            }),
        }
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn allowed(position: usize) -> &'static str {
    if position == 1 {
        "a name starts with a lowercase letter a-z"
    } else {
        "allowed are a-z, 0-9, \"_\" and \".\""
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Action {
    type Err = InvalidAction;

    fn from_str(name: &str) -> Result<Self, InvalidAction> {
        Self::new(name)
    }
}

impl Scope {
    /// All scopes, narrowest first.
    pub const ALL: [Self; 3] = [Self::Local, Self::Regional, Self::Network];

    /// Returns the word for this scope.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Regional => "regional",
            Self::Network => "network",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(word: &str) -> Result<Self, UnknownScope> {
        let known = Self::ALL.into_iter().find(|scope| scope.as_str() == word);
        known.ok_or_else(|| UnknownScope {
            found: word.chars().take(80).collect(),
        })
    }
}

impl ShareBp {
    /// The whole mesh.
    pub const ALL: Self = Self(10_000);

    /// Takes basis points.
    ///
    /// # Errors
    /// [`InvalidShare`] above 10,000.
    pub fn new(basis_points: u16) -> Result<Self, InvalidShare> {
        if basis_points > Self::ALL.0 {
            return Err(InvalidShare {
                found: format!("{} %", f64::from(basis_points) / 100.0),
            });
        }
        Ok(Self(basis_points))
    }

    /// Computes what share of a mesh some nodes are, rounded up, so that a limit is never passed by rounding.
    ///
    /// In a mesh of unknown size (0) any act counts as the whole mesh.
    pub fn of(nodes: u32, mesh_size: u32) -> Self {
        let whole = u64::from(Self::ALL.0);
        let share = (u64::from(nodes) * whole).checked_div(u64::from(mesh_size));
        let rest = (u64::from(nodes) * whole).checked_rem(u64::from(mesh_size));
        match (share, rest) {
            (Some(share), Some(rest)) => {
                let rounded_up = share + u64::from(rest > 0);
                Self(u16::try_from(rounded_up.min(whole)).unwrap_or(Self::ALL.0))
            }
            _ => Self::ALL,
        }
    }

    /// Makes a share of whole per cent; more than a hundred is a hundred.
    pub const fn from_percent(percent: u8) -> Self {
        let percent = if percent > 100 { 100 } else { percent };
        Self(percent as u16 * 100)
    }

    /// Computes how many nodes of a mesh this share is, rounded down.
    pub fn nodes_of(self, mesh_size: u32) -> u32 {
        let nodes = u64::from(mesh_size) * u64::from(self.0) / u64::from(Self::ALL.0);
        u32::try_from(nodes).unwrap_or(mesh_size)
    }

    /// Returns the basis points, 0 to 10,000.
    pub const fn basis_points(self) -> u16 {
        self.0
    }

    /// Writes the share as in a caveat, without a space: `0.5%`.
    pub(super) fn compact(self) -> String {
        let (percent, hundredths) = (self.0 / 100, self.0 % 100);
        match (hundredths, hundredths % 10) {
            (0, _) => format!("{percent}%"),
            (_, 0) => format!("{percent}.{}%", hundredths / 10),
            _ => format!("{percent}.{hundredths:02}%"),
        }
    }
}

impl fmt::Display for ShareBp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.compact().replace('%', " %"))
    }
}

impl FromStr for ShareBp {
    type Err = InvalidShare;

    fn from_str(text: &str) -> Result<Self, InvalidShare> {
        parse_percent(text).ok_or_else(|| InvalidShare {
            found: text.chars().take(80).collect(),
        })
    }
}

/// Reads `12%`, `12.5 %` or `0.05%` in basis points.
fn parse_percent(text: &str) -> Option<ShareBp> {
    let number = text.strip_suffix('%')?.trim_end_matches(' ');
    let (percent, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str, most: usize| {
        (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    if !digits(percent, 3) || !digits(decimals, 2) {
        return None;
    }
    let tens = if decimals.len() == 1 { 10 } else { 1 };
    let basis_points = percent.parse::<u16>().ok()? * 100 + decimals.parse::<u16>().ok()? * tens;
    ShareBp::new(basis_points).ok()
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for ShareBp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.0)
    }
}

impl<'de> Deserialize<'de> for ShareBp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u16::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_action_error_names_the_place() {
        let error = |name: &str| Action::new(name).unwrap_err().to_string();

        assert_eq!(
            error("routing update"),
            "the action \"routing update\" has ' ' at position 8; allowed are a-z, 0-9, \"_\" and \".\""
        );
        assert_eq!(
            error("1st"),
            "the action \"1st\" has '1' at position 1; a name starts with a lowercase letter a-z"
        );
        assert!(error("").contains("needs a name"));
        assert!(error(&"a".repeat(65)).contains("65 characters"));
        assert!(Action::new("a".repeat(64)).is_ok());
    }

    #[test]
    fn a_share_is_rounded_up_and_never_exceeds_the_whole() {
        let share = |nodes, mesh| ShareBp::of(nodes, mesh).basis_points();

        assert_eq!(share(10, 1000), 100);
        assert_eq!(share(1, 3), 3334);
        assert_eq!(share(1, u32::MAX), 1);
        assert_eq!(share(0, 5), 0);
        assert_eq!(share(6, 5), 10_000);
        assert_eq!(share(u32::MAX, 1), 10_000);
        assert_eq!(share(0, 0), 10_000, "a mesh of unknown size");
    }

    #[test]
    fn a_share_reads_as_people_write_it() {
        let parse = |text: &str| text.parse::<ShareBp>().map(ShareBp::basis_points);

        assert_eq!(parse("1%"), Ok(100));
        assert_eq!(parse("0.5%"), Ok(50));
        assert_eq!(parse("0.05 %"), Ok(5));
        assert_eq!(parse("100%"), Ok(10_000));
        for bad in [
            "", "%", "1", "101%", "100.01%", "-1%", "0.001%", "1.%", ".5%", "1e1%", "99999%",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(ShareBp(50).to_string(), "0.5 %");
    }

    proptest! {
        #[test]
        fn a_share_limit_in_nodes_is_the_largest_count_that_passes(limit in 0u16..=10_000, mesh in 1u32..) {
            let limit = ShareBp(limit);
            let nodes = limit.nodes_of(mesh);

            prop_assert!(ShareBp::of(nodes, mesh) <= limit);
            prop_assert!(nodes == mesh || ShareBp::of(nodes + 1, mesh) > limit);
        }

        #[test]
        fn shares_round_trip(basis_points in 0u16..=10_000) {
            let share = ShareBp(basis_points);

            prop_assert_eq!(share.to_string().parse(), Ok(share));
            prop_assert_eq!(share.compact().parse(), Ok(share));
        }

        #[test]
        fn parsing_never_panics(text: String) {
            let _ = (text.parse::<ShareBp>(), text.parse::<Action>(), text.parse::<Scope>());
        }
    }
}
