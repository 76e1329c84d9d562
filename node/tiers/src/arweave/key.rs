//! The key that signs what goes to Arweave.
//!
//! Two kinds are taken. An Arweave wallet (RSA 4096, signature kind 1) signs items and also pays for transactions itself. An
//! Ethereum key (secp256k1, kind 3) signs items for bundlers and is the file that `x0 chain new-key` makes; who has no
//! wallet needs none. Ed25519 (kind 2) is left out: bundlers take it, but none sells it credit by that name. RSA is that of
//! AWS-LC, which signs in constant time and wipes what it frees; the `rsa` crate does not (RUSTSEC-2023-0071).

use std::path::Path;

use alloy_primitives::eip191_hash_message;
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKey, KeyPairComponents, PublicKeyComponents},
    signature::RSA_PSS_SHA256,
};
use data_encoding::BASE64URL_NOPAD;
use k256::ecdsa::SigningKey;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::key_file::{self, KeyError};

/// Bytes of a wallet's modulus and of its signatures: 4096 bits, the only length that ANS-104 has.
const RSA_BYTES: usize = 512;
/// What a file is to hold.
const WANTED: &str = "an Arweave wallet (a JSON Web Key of RSA with 4096 bits) or an Ethereum key of 64 hexadecimal \
                      digits, which `x0 chain new-key` makes";

/// A key and its public half. Wiped when dropped; never shown.
pub struct ArweaveKey {
    secret: Secret,
    owner: Vec<u8>,
}

enum Secret {
    Wallet(RsaKey),
    Ethereum(SigningKey),
}

/// The fields of a wallet (RFC 7518, section 6.3), borrowed from the text so that no copy is left behind.
#[derive(Deserialize)]
struct Wallet<'a> {
    kty: &'a str,
    n: &'a str,
    e: &'a str,
    d: &'a str,
    p: &'a str,
    q: &'a str,
    dp: &'a str,
    dq: &'a str,
    qi: &'a str,
}

impl ArweaveKey {
    /// Reads a key from a file that only its owner can read.
    ///
    /// # Errors
    /// [`KeyError`] by what is wrong with the file.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let text = key_file::read(path)?;
        let key = match text.trim_start().starts_with('{') {
            true => Self::from_wallet(&text),
            false => Self::from_digits(&text),
        };
        key.map_err(|why| KeyError::no_key(path, why, WANTED))
    }

    fn from_wallet(text: &str) -> Result<Self, &'static str> {
        let wallet: Wallet<'_> =
            serde_json::from_str(text).map_err(|_| "a field of the wallet is missing")?;
        if wallet.kty != "RSA" {
            return Err("it is a JSON Web Key of another kind");
        }
        let n = decoded(wallet.n)?;
        if n.len() != RSA_BYTES {
            return Err("its modulus has not 4096 bits");
        }
        let secret = RsaKey::from_components(&KeyPairComponents {
            public_key: PublicKeyComponents {
                n: n.as_slice(),
                e: decoded(wallet.e)?.as_slice(),
            },
            d: decoded(wallet.d)?.as_slice(),
            p: decoded(wallet.p)?.as_slice(),
            q: decoded(wallet.q)?.as_slice(),
            dP: decoded(wallet.dp)?.as_slice(),
            dQ: decoded(wallet.dq)?.as_slice(),
            qInv: decoded(wallet.qi)?.as_slice(),
        })
        .map_err(|_| "its numbers do not belong together")?;
        let owner = n.to_vec();
        let secret = Secret::Wallet(secret);
        Ok(Self { secret, owner })
    }

    fn from_digits(text: &str) -> Result<Self, &'static str> {
        let secret = key_file::seed(text)?;
        let secret = SigningKey::from_slice(secret.as_slice())
            .map_err(|_| "the number is none that Ethereum has")?;
        let owner = secret.verifying_key().to_encoded_point(false);
        let owner = owner.as_bytes().to_vec();
        let secret = Secret::Ethereum(secret);
        Ok(Self { secret, owner })
    }

    /// Returns the address under which Arweave knows the key: the SHA-256 of its public half, in base64url.
    pub fn address(&self) -> String {
        BASE64URL_NOPAD.encode(&Sha256::digest(&self.owner))
    }

    /// Tells whether it is a wallet, which can pay for transactions.
    pub const fn is_wallet(&self) -> bool {
        matches!(self.secret, Secret::Wallet(_))
    }

    /// Returns the kind of its signatures (ANS-104).
    pub(super) const fn signature_kind(&self) -> u16 {
        match self.secret {
            Secret::Wallet(_) => 1,
            Secret::Ethereum(_) => 3,
        }
    }

    /// Returns the public half: the modulus of a wallet, the uncompressed point of an Ethereum key.
    pub(super) fn owner(&self) -> &[u8] {
        &self.owner
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.secret {
            Secret::Wallet(key) => {
                let mut signature = vec![0; RSA_BYTES];
                key.sign(
                    &RSA_PSS_SHA256,
                    &SystemRandom::new(),
                    message,
                    &mut signature,
                )
                .map_err(|_| KeyError::NotSigned)?;
                Ok(signature)
            }
            Secret::Ethereum(key) => {
                let hash = eip191_hash_message(message);
                let signature = key
                    .sign_prehash_recoverable(hash.as_slice())
                    .map_err(|_| KeyError::NotSigned)?;
                Ok(alloy_primitives::Signature::from(signature)
                    .as_bytes()
                    .to_vec())
            }
        }
    }
}

fn decoded(text: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| "a number of it is not in base64url")
}
