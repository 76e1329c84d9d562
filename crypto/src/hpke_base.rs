//! HPKE in base mode (RFC 9180) with HKDF-SHA256 and AES-256-GCM, for any key encapsulation.
//!
//! ```text
//! encapsulated key ‖ locked bytes ‖ tag (16)
//! ```

use chacha20::rand_core::CryptoRng;
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::{Deserializable as _, HpkeError, Kem, OpModeR, OpModeS, Serializable as _};
use zeroize::Zeroizing;

/// Bytes of the tag at the end.
pub(crate) const TAG_BYTES: usize = 16;

/// Seals bytes for the holder of a key.
///
/// # Errors
/// [`HpkeError`] if nothing can be encapsulated for this key.
pub(crate) fn seal<K: Kem>(
    key: &K::PublicKey,
    info: &[u8],
    plaintext: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, HpkeError> {
    let (encapsulated, locked) = hpke::single_shot_seal_with_rng::<AesGcm256, HkdfSha256, K>(
        &OpModeS::Base,
        key,
        info,
        plaintext,
        &[],
        rng,
    )?;
    let mut sealed = encapsulated.to_bytes().to_vec();
    sealed.extend_from_slice(&locked);
    Ok(sealed)
}

/// Opens what was sealed for the holder of this key.
///
/// # Errors
/// [`HpkeError`] if it was not, or under another `info`.
pub(crate) fn open<K: Kem>(
    secret: &K::PrivateKey,
    info: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
    let (encapsulated, locked) = sealed
        .split_at_checked(K::EncappedKey::size())
        .ok_or(HpkeError::OpenError)?;
    let plaintext = hpke::single_shot_open::<AesGcm256, HkdfSha256, K>(
        &OpModeR::Base,
        secret,
        &K::EncappedKey::from_bytes(encapsulated)?,
        info,
        locked,
        &[],
    );
    plaintext.map(Zeroizing::new)
}
