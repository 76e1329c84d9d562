//! SipHash-2-4 with a secret key, taken one byte at a time.
//!
//! Metric names are looked up and reported under this hash. Whoever does not know the key, which the loader draws and
//! only root can read, cannot make a second name with the hash of a listed one, and cannot tell a name from its hash.
//!
//! J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", 2012. Written here and not taken from a crate, since
//! the kernel's verifier has to follow it: no slices, no loops over lengths, state in plain words.

/// A hash in the making.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct SipHash {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
    tail: u64,
    len: u64,
}

impl SipHash {
    /// Starts a hash under a key.
    pub const fn new(key: [u64; 2]) -> Self {
        Self::new_from(key, 0)
    }

    /// Starts a hash under a key, with a zero that the kernel's verifier does not know to be one: what it knows it
    /// follows through every turn of a loop, one by one.
    #[inline(always)]
    pub const fn new_from(key: [u64; 2], zero: u64) -> Self {
        Self {
            v0: key[0] ^ 0x736f_6d65_7073_6575,
            v1: key[1] ^ 0x646f_7261_6e64_6f6d,
            v2: key[0] ^ 0x6c79_6765_6e65_7261,
            v3: key[1] ^ 0x7465_6462_7974_6573,
            tail: zero,
            len: zero,
        }
    }

    /// Returns how many bytes were taken.
    #[inline(always)]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Tells whether nothing was taken.
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes one byte.
    #[inline(always)]
    pub const fn push(&mut self, byte: u8) {
        self.tail |= (byte as u64) << ((self.len & 7) * 8);
        self.len += 1;
        if self.len & 7 == 0 {
            self.compress(self.tail);
            self.tail = 0;
        }
    }

    /// Returns the hash of all bytes taken.
    #[inline(always)]
    pub const fn finish(mut self) -> u64 {
        self.compress(self.tail | (self.len << 56));
        self.v2 ^= 0xff;
        self.round();
        self.round();
        self.round();
        self.round();
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }

    #[inline(always)]
    const fn compress(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.round();
        self.v0 ^= word;
    }

    #[inline(always)]
    const fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.rotate_left(32);
    }
}

/// Returns the hash of a whole name.
pub const fn hash(key: [u64; 2], name: &[u8]) -> u64 {
    let mut state = SipHash::new(key);
    let mut rest = name;
    while let [byte, after @ ..] = rest {
        state.push(*byte);
        rest = after;
    }
    state.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appendix A of the paper: key 00..0f, messages of 0 to 63 counted bytes; these are some of its 64 results.
    #[test]
    fn the_hash_is_that_of_the_paper() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let counted: [u8; 63] = core::array::from_fn(|place| place as u8);
        for (len, expected) in [
            (0, 0x726f_db47_dd0e_0e31_u64),
            (1, 0x74f8_39c5_93dc_67fd),
            (8, 0x93f5_f579_9a93_2462),
            (15, 0xa129_ca61_49be_45e5),
            (63, 0x958a_324c_eb06_4572),
        ] {
            assert_eq!(hash(key, &counted[..len]), expected, "{len} bytes");
        }
    }
}
