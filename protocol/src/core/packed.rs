//! Packing long lists of what a node keeps for itself into one byte string.
//!
//! A hundred thousand ballots cost a general encoder half a second; laid out by hand they are copied. Every layout here
//! has one form only, so that equal values give equal bytes, and reading is total: bytes that are too short or too long
//! give nothing.

/// Most bytes set aside before the first item is read, whatever a count claims.
const ROOM_MAX: usize = 1 << 24;

/// Writes a layout.
#[derive(Debug, Default)]
pub(crate) struct Packer(Vec<u8>);

impl Packer {
    /// Starts with a count, and room for so many items of a size in bytes.
    pub(crate) fn of(count: usize, item_bytes: usize) -> Self {
        let mut packer = Self(Vec::with_capacity(count.saturating_mul(item_bytes) + 8));
        packer.u64(u64::try_from(count).unwrap_or(u64::MAX));
        packer
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    /// Writes bytes whose number the layout fixes.
    pub(crate) fn fixed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Writes bytes of any number.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.u64(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a layout.
#[derive(Debug)]
pub(crate) struct Unpacker<'a>(&'a [u8]);

impl<'a> Unpacker<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.fixed::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.fixed().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.fixed().map(u64::from_be_bytes)
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.u64()?).ok()?;
        let (first, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(first)
    }

    /// Reads a counted list to the end of the bytes, each item of at least so many.
    pub(crate) fn list<T>(
        mut self,
        item_bytes: usize,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = usize::try_from(self.u64()?).ok()?;
        if count > self.0.len() / item_bytes.max(1) {
            return None;
        }
        let mut items = Vec::with_capacity(count.min(ROOM_MAX / item_bytes.max(1)));
        for _ in 0..count {
            items.push(read(&mut self)?);
        }
        self.0.is_empty().then_some(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_cut_short_or_too_long_give_nothing() {
        let mut packer = Packer::of(2, 9);
        for value in [7_u64, 9] {
            packer.u64(value);
            packer.bytes(b"x");
        }
        let whole = packer.finish();
        let read = |bytes: &[u8]| {
            Unpacker::new(bytes).list(9, |from| Some((from.u64()?, from.bytes()?.to_vec())))
        };
        assert_eq!(
            read(&whole),
            Some(vec![(7, b"x".to_vec()), (9, b"x".to_vec())])
        );
        for len in 0..whole.len() {
            assert_eq!(read(&whole[..len]), None, "{len}");
        }
        assert_eq!(read(&[whole.as_slice(), &[0]].concat()), None);
    }
}
