//! Natural numbers of any size, as far as counting juries needs them.
//!
//! A hypergeometric probability of a pool of 100,000 has terms of 600 bits; rounding them would make the printed
//! table depend on the machine. A crate for large integers would be used for these five operations alone.

use core::cmp::Ordering;

/// A natural number: digits to the base 2³², lowest first, no zero at the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Natural(Vec<u32>);

impl Natural {
    pub(super) fn new(value: u32) -> Self {
        Self(vec![value]).trimmed()
    }

    /// Returns in how many ways `k` of `n` can be chosen.
    pub(super) fn binomial(n: u32, k: u32) -> Self {
        if k > n {
            return Self::new(0);
        }
        // After step i the product is the number of ways to choose i + 1, so that each division is exact.
        (0..k.min(n - k)).fold(Self::new(1), |ways, i| ways.times(n - i).divided(i + 1))
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        let mut carry = 0_u64;
        let mut digits = Vec::new();
        for place in 0..self.0.len().max(other.0.len()) {
            let digit = |number: &Self| u64::from(number.0.get(place).copied().unwrap_or(0));
            carry += digit(self) + digit(other);
            digits.push(low(carry));
            carry >>= 32;
        }
        digits.push(low(carry));
        Self(digits).trimmed()
    }

    pub(super) fn times(&self, factor: u32) -> Self {
        let mut carry = 0_u64;
        let mut digits = Vec::with_capacity(self.0.len() + 1);
        for digit in &self.0 {
            carry += u64::from(*digit) * u64::from(factor);
            digits.push(low(carry));
            carry >>= 32;
        }
        digits.push(low(carry));
        Self(digits).trimmed()
    }

    pub(super) fn product(&self, other: &Self) -> Self {
        let shifted = |(place, digit): (usize, &u32)| {
            let mut digits = vec![0; place];
            digits.extend(self.times(*digit).0);
            Self(digits).trimmed()
        };
        let parts = other.0.iter().enumerate().map(shifted);
        parts.fold(Self::new(0), |sum, part| sum.plus(&part))
    }

    /// Divides by a number other than 0, rounding down.
    fn divided(&self, divisor: u32) -> Self {
        let mut rest = 0_u64;
        let mut digits = self.0.clone();
        for digit in digits.iter_mut().rev() {
            rest = rest << 32 | u64::from(*digit);
            *digit = low(rest / u64::from(divisor));
            rest %= u64::from(divisor);
        }
        Self(digits).trimmed()
    }

    fn trimmed(mut self) -> Self {
        while self.0.pop_if(|top| *top == 0).is_some() {}
        self
    }
}

impl Ord for Natural {
    fn cmp(&self, other: &Self) -> Ordering {
        let digits = |number: &Self| number.0.iter().rev().copied().collect::<Vec<_>>();
        let by_length = self.0.len().cmp(&other.0.len());
        by_length.then_with(|| digits(self).cmp(&digits(other)))
    }
}

impl PartialOrd for Natural {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

const fn low(value: u64) -> u32 {
    (value & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn natural(value: u128) -> Natural {
        let digit = |place: u32| low((value >> (32 * place)) as u64);
        Natural((0..4).map(digit).collect()).trimmed()
    }

    #[test]
    fn a_binomial_is_the_number_of_subsets() {
        assert_eq!(Natural::binomial(5, 2), Natural::new(10));
        assert_eq!(Natural::binomial(5, 0), Natural::new(1));
        assert_eq!(Natural::binomial(2, 5), Natural::new(0));
        assert_eq!(
            Natural::binomial(100, 50),
            natural(100_891_344_545_564_193_334_812_497_256)
        );
        let sum = (0..=200).fold(Natural::new(0), |sum, k| {
            sum.plus(&Natural::binomial(200, k))
        });
        let power = (0..200).fold(Natural::new(1), |power, _| power.times(2));
        assert_eq!(sum, power);
    }

    proptest! {
        #[test]
        fn agrees_with_integers_of_the_machine(a: u64, b: u64, c: u32, d in 1u32..) {
            let (wide_a, wide_b) = (u128::from(a), u128::from(b));
            let (x, y) = (natural(wide_a), natural(wide_b));
            prop_assert_eq!(x.plus(&y), natural(wide_a + wide_b));
            prop_assert_eq!(x.product(&y), natural(wide_a * wide_b));
            prop_assert_eq!(x.times(c), natural(wide_a * u128::from(c)));
            prop_assert_eq!(x.divided(d), natural(wide_a / u128::from(d)));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        }
    }
}
