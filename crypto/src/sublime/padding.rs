//! Lengths that tell little about what was encrypted.
//!
//! Content is filled up with zeros to the next length whose binary form has only as many significant digits as its
//! exponent has digits (Padmé: Nikitin, Barman, Lueks, Underwood, Hubaux, Ford, "Reducing Metadata Leakage from
//! Encrypted Files and Communication with PURBs", PETS 2019, section 4). So lengths up to `M` take only
//! O(log M) values of O(log log M) digits each, for less than 12 % of padding. Below a floor all lengths are alike.
//!
//! The true length is told inside the sealed metadata.

/// Shortest padded content: anything up to a page of text looks alike, for at most 4 KiB.
pub const PADDED_BYTES_MIN: u64 = 4096;

/// Returns the length to which content of so many bytes is padded.
///
/// It is never shorter, rises with the length, leaves a padded length as it is, and is at most `u64::MAX`.
pub const fn padded_len(bytes: u64) -> u64 {
    if bytes <= PADDED_BYTES_MIN {
        return PADDED_BYTES_MIN;
    }
    let exponent = bytes.ilog2();
    let digits = exponent.ilog2() + 1;
    let below = (1 << (exponent - digits)) - 1;
    match bytes.checked_add(below) {
        Some(above) => above & !below,
        None => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_of_the_paper_are_met_and_short_ones_are_alike() {
        // Written down from the definition: 13 bits of exponent 12 keep 4 digits, so steps of 2⁸, and so on.
        for (bytes, padded) in [
            (0, 4096),
            (4096, 4096),
            (4097, 4352),
            (4352, 4352),
            (8191, 8192),
            (8193, 8704),
            (65_537, 67_584),
            (1_000_000, 1_015_808),
            (u64::MAX, u64::MAX),
        ] {
            assert_eq!(padded_len(bytes), padded, "{bytes}");
        }
    }

    #[test]
    fn few_lengths_remain_up_to_a_gibibyte() {
        let mut lengths = 0;
        let mut at = 0;
        while at < 1 << 30 {
            lengths += 1;
            at = padded_len(at) + 1;
        }
        // The floor, then 2⁴ for each exponent from 12 to 15 and 2⁵ from 16 to 29.
        assert_eq!(lengths, 1 + 4 * 16 + 14 * 32);
    }

    proptest! {
        #[test]
        fn padding_never_shortens_and_costs_less_than_12_percent(bytes in PADDED_BYTES_MIN..1 << 60, shift in 0_u32..48) {
            let bytes = (bytes >> shift).max(PADDED_BYTES_MIN);
            let padded = padded_len(bytes);
            prop_assert!(padded >= bytes);
            prop_assert!(u128::from(padded - bytes) * 100 < u128::from(bytes) * 12);
        }

        #[test]
        fn padding_a_padded_length_changes_nothing(bytes: u64, shift in 0_u32..64) {
            let padded = padded_len(bytes >> shift);
            prop_assert_eq!(padded_len(padded), padded);
        }

        #[test]
        fn a_longer_content_is_never_padded_to_less(one: u64, other: u64, shift in 0_u32..64) {
            let (one, other) = (one >> shift, other >> shift);
            let (short, long) = (one.min(other), one.max(other));
            prop_assert!(padded_len(short) <= padded_len(long));
        }
    }
}
