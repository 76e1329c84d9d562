//! The identity file, plain or sealed, and sealed bytes by themselves.

#![no_main]

use libfuzzer_sys::fuzz_target;
use x0_crypto::{Identity, IdentityFileError, open};

const MAGIC: &[u8] = b"x0seal\x01";
/// What opening may cost here: Argon2 memory in KiB, passes, lanes. More is allowed, but slow.
const COST_MAX: [u32; 3] = [64, 2, 2];

fuzz_target!(|data: &[u8]| {
    match Identity::from_file_bytes(data, None) {
        Ok(identity) => {
            let written = identity
                .to_file_bytes(None)
                .expect("a plain file needs no memory");
            let again = Identity::from_file_bytes(&written, None).expect("what we write reads");
            assert_eq!(again.public(), identity.public());
        }
        Err(error) => {
            let is_sealed = matches!(error, IdentityFileError::NeedsPassphrase { .. });
            assert!(is_sealed || !error.to_string().is_empty());
        }
    }
    let sealed = [MAGIC, data].concat();
    if is_cheap(data) {
        open(&sealed, "passphrase").ok();
    }
    open(data, "").ok();
});

fn is_cheap(after_magic: &[u8]) -> bool {
    let numbers = after_magic.chunks_exact(4).map(|bytes| {
        let bytes: [u8; 4] = bytes.try_into().expect("4 bytes");
        u32::from_be_bytes(bytes)
    });
    numbers.zip(COST_MAX).all(|(cost, max)| cost <= max)
}
