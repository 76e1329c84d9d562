//! SipHash-1-3 with a secret key, taken eight bytes at a time.
//!
//! Metric names are looked up and reported under this hash. Whoever does not know the key, which the loader draws and
//! only root can read, cannot make a second name with the hash of a listed one, and cannot tell a name from its hash.
//! One round for each word and three at the end is what hash tables of Rust, Python and Ruby use against chosen keys: no
//! sender sees a hash, and each datagram pays for it.
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
            len: zero,
        }
    }

    /// Returns how many bytes were taken; a multiple of eight.
    #[inline(always)]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Tells whether nothing was taken.
    #[inline(always)]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes the next eight bytes, the first of them lowest.
    #[inline(always)]
    pub const fn push(&mut self, word: u64) {
        self.len += 8;
        self.compress(word);
    }

    /// Takes the last bytes, fewer than eight and the first of them lowest, zeros above, and returns the hash.
    #[inline(always)]
    pub const fn finish(mut self, tail: u64, bytes: u64) -> u64 {
        self.compress(tail | (self.len + bytes) << 56);
        self.v2 ^= 0xff;
        self.round();
        self.round();
        self.round();
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }

    #[inline(always)]
    const fn compress(&mut self, word: u64) {
        self.v3 ^= word;
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
    while let Some((word, after)) = rest.split_first_chunk() {
        state.push(u64::from_le_bytes(*word));
        rest = after;
    }
    let mut tail = 0;
    let mut place = rest.len();
    while place > 0 {
        place -= 1;
        tail = tail << 8 | rest[place] as u64;
    }
    state.finish(tail, rest.len() as u64)
}
