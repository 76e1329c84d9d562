//! The invite string: everything a newcomer needs in one word.
//!
//! `x0invite1` followed by lower-case base32 of DAG-CBOR: mesh id, invite record, one-time secret,
//! addresses of members. Whoever holds the string can enter once, until it expires.

use core::{fmt, str::FromStr};

use data_encoding::Specification;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use x0_crypto::{ContentId, Identity, PublicKey, Signature};
use x0_net::Multiaddr;
use x0_protocol::wire::Join;
use zeroize::Zeroizing;

const PREFIX: &str = "x0invite1";
/// Most addresses an invite names.
pub const ADDRESSES_MAX: usize = 8;
/// Longest invite, characters; a QR code holds up to 4,296.
const LENGTH_MAX: usize = 4_000;

/// An invite as it is handed over.
#[derive(Clone)]
pub struct InviteLink {
    /// The mesh it leads to.
    pub mesh: ContentId,
    /// The invite record in that mesh.
    pub invite: ContentId,
    /// Secret of the one-time key.
    pub secret: Zeroizing<[u8; 32]>,
    /// Addresses of members, each ending in `/p2p/ID`.
    pub addresses: Vec<Multiaddr>,
}

/// Why a text is no invite.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInvite {
    /// It does not start like one.
    #[error("an invite starts with \"x0invite1\": copy the whole word, or scan its QR code")]
    NotAnInvite,
    /// It is cut off or mistyped.
    #[error("the invite is incomplete or mistyped ({0}): ask for it again and copy the whole word")]
    Damaged(String),
    /// It names too many or too few addresses.
    #[error("the invite names {0} addresses, 1 to {ADDRESSES_MAX} are allowed: ask for a new one")]
    Addresses(usize),
    /// An address is none.
    #[error("the invite names an address that cannot be dialled: {0}")]
    BadAddress(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packed {
    a: Vec<String>,
    c: ByteBuf,
    i: ContentId,
    m: ContentId,
    s: ByteBuf,
}

impl InviteLink {
    /// Signs a newcomer's entry with the one-time key; returns its public half and the proof.
    pub fn prove(&self, newcomer: &PublicKey) -> (PublicKey, Signature) {
        let key = Identity::from_seed(self.secret.clone());
        let message = Join::proof_message(&self.mesh, &self.invite, newcomer);
        (
            key.public(),
            key.sign(x0_crypto::Namespace::Invite, &message),
        )
    }

    fn check(&self) -> ByteBuf {
        let addresses: Vec<_> = self.addresses.iter().map(Multiaddr::to_string).collect();
        let parts = (
            self.mesh,
            self.invite,
            ByteBuf::from(self.secret.as_slice()),
            addresses,
        );
        let digest = ContentId::of(&serde_json::to_vec(&parts).unwrap_or_default());
        ByteBuf::from(&digest.digest()[..4])
    }
}

impl fmt::Display for InviteLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packed = Packed {
            a: self.addresses.iter().map(Multiaddr::to_string).collect(),
            c: self.check(),
            i: self.invite,
            m: self.mesh,
            s: ByteBuf::from(self.secret.as_slice()),
        };
        let bytes = serde_ipld_dagcbor::to_vec(&packed).map_err(|_| fmt::Error)?;
        write!(f, "{PREFIX}{}", base32().encode(&bytes))
    }
}

impl FromStr for InviteLink {
    type Err = InvalidInvite;

    fn from_str(text: &str) -> Result<Self, InvalidInvite> {
        let text: String = text
            .split_whitespace()
            .collect::<String>()
            .to_ascii_lowercase();
        let word = text
            .strip_prefix(PREFIX)
            .ok_or(InvalidInvite::NotAnInvite)?;
        if word.len() > LENGTH_MAX {
            return Err(InvalidInvite::Damaged("it is too long".to_owned()));
        }
        let damaged = |why: &dyn fmt::Display| InvalidInvite::Damaged(why.to_string());
        let bytes = base32()
            .decode(word.as_bytes())
            .map_err(|why| damaged(&why))?;
        let packed: Packed =
            serde_ipld_dagcbor::from_slice(&bytes).map_err(|_| damaged(&"a part is missing"))?;
        if !(1..=ADDRESSES_MAX).contains(&packed.a.len()) {
            return Err(InvalidInvite::Addresses(packed.a.len()));
        }
        let addresses = packed
            .a
            .iter()
            .map(|address| {
                let parsed: Option<Multiaddr> = address.parse().ok();
                let parsed = parsed.filter(|parsed| split_peer(parsed).is_some());
                parsed.ok_or_else(|| InvalidInvite::BadAddress(address.chars().take(120).collect()))
            })
            .collect::<Result<_, _>>()?;
        let secret: [u8; 32] = packed
            .s
            .as_slice()
            .try_into()
            .map_err(|_| damaged(&"its secret is too short"))?;
        let link = Self {
            mesh: packed.m,
            invite: packed.i,
            secret: Zeroizing::new(secret),
            addresses,
        };
        if link.check() != packed.c {
            return Err(damaged(&"its check sum is wrong"));
        }
        Ok(link)
    }
}

#[expect(
    clippy::expect_used,
    reason = "the alphabet is a constant of 32 different characters"
)]
pub(super) fn base32() -> data_encoding::Encoding {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    spec.encoding().expect("a constant alphabet is valid")
}

/// Splits an address that ends in `/p2p/ID` into the peer and the way to it.
pub fn split_peer(address: &Multiaddr) -> Option<(PublicKey, Multiaddr)> {
    let text = address.to_string();
    let (way, id) = text.rsplit_once("/p2p/")?;
    Some((id.parse().ok()?, way.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn link() -> InviteLink {
        let member = Identity::from_seed(Zeroizing::new([1; 32])).public();
        InviteLink {
            mesh: ContentId::of(b"mesh"),
            invite: ContentId::of(b"invite"),
            secret: Zeroizing::new([9; 32]),
            addresses: vec![
                format!("/ip4/127.0.0.1/tcp/4700/p2p/{member}")
                    .parse()
                    .unwrap(),
            ],
        }
    }

    #[test]
    fn an_invite_survives_being_written_and_read_even_wrapped_over_lines() {
        let text = link().to_string();
        let (head, tail) = text.split_at(40);
        let read: InviteLink = format!("  {head}\n {tail}\n").parse().unwrap();
        assert_eq!(read.to_string(), text);
    }

    #[test]
    fn an_invite_in_capitals_reads_the_same_since_qr_codes_prefer_them() {
        let text = link().to_string();
        let read: InviteLink = text.to_uppercase().parse().unwrap();
        assert_eq!(read.to_string(), text);
    }

    // A change of this word is a change of the format: invites in people's hands stop working.
    #[test]
    fn the_format_is_pinned() {
        assert_eq!(
            link().to_string(),
            "x0invite1uvqwdalykaxws4buf4ytenzogaxdalrrf52gg4bpgq3tambpoazhalzrgjcdgs3pn5luwojzkzxvm6c\
             oiu3vq6tzij3vqrl2k43xq2clg5dxa5rygvzdsrrtkyzwm6klknkuwucigvqwgrdchxnimylj3avfqjiaafyreic\
             qct426otij7owjj3vyhcmkmxom2y3s3fvnmoqefyneje3m5spovqw3wbklasqaalrciqngdfhu6rsx5lxfxc6wkr\
             oppjvon7p66k225hsi6ntlfywwwnl36tbonmcacijbeeqscijbeeqscijbeeqscijbeeqscijbeeqscijbeeqsci\
             j"
        );
    }

    proptest! {
        #[test]
        fn any_changed_character_is_noticed(at in 9usize..200, with in "[a-z2-7]") {
            let text = link().to_string();
            let at = at.min(text.len() - 1);
            let mut changed = text.clone();
            changed.replace_range(at..=at, &with);
            prop_assume!(changed != text);
            prop_assert!(changed.parse::<InviteLink>().is_err());
        }

        #[test]
        fn hostile_text_never_panics(text in ".{0,200}") {
            let word = format!("{PREFIX}{text}");
            prop_assert!(word.parse::<InviteLink>().is_err());
        }
    }
}
