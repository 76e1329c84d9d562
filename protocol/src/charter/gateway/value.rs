//! What a metric is worth: a decimal number with nine places, so that adding up gives the same on every machine.

use core::fmt;

use super::refusal::ValueFault;

/// Places behind the point.
const PLACES: i32 = 9;
/// One, in parts of a billion.
const ONE: i128 = 1_000_000_000;
/// Largest whole part, either way: far beyond the bytes or nanoseconds that anything counts, and sums of millions of them
/// still fit.
const WHOLE_MAX: i128 = 1_000_000_000_000_000_000_000;
/// Most digits that count; further ones behind the point are left away.
const DIGITS_MAX: u32 = 31;

/// A value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value(i128);

impl Value {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One.
    pub const ONE: Self = Self(ONE);

    /// Makes a whole number.
    pub fn whole(number: u64) -> Self {
        Self(i128::from(number) * ONE)
    }

    /// Reads a decimal number: sign, digits, point, digits, power of ten. Places behind the ninth are left away.
    ///
    /// # Errors
    ///
    /// Returns that it is no number, or one too large.
    pub fn parse(text: &str) -> Result<Self, ValueFault> {
        let (is_negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            Some(_) | None => (false, text),
        };
        let (digits, power) = match rest.split_once(['e', 'E']) {
            Some((digits, power)) => (digits, power_of(power)?),
            None => (rest, 0),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && part.is_empty() {
            return Err(ValueFault::NotNumber);
        }
        let mut number: i128 = 0;
        let mut count = 0;
        let mut places = 0;
        for (byte, is_part) in whole
            .bytes()
            .map(|byte| (byte, false))
            .chain(part.bytes().map(|byte| (byte, true)))
        {
            if !byte.is_ascii_digit() {
                return Err(ValueFault::NotNumber);
            }
            if count == DIGITS_MAX {
                // One more digit: nothing is lost but precision behind the point.
                match is_part {
                    true => continue,
                    false => return Err(ValueFault::TooLarge),
                }
            }
            number = number * 10 + i128::from(byte - b'0');
            count += u32::from(number > 0);
            places += i32::from(is_part);
        }
        let number = scaled(number, PLACES - places + power)?;
        let signed = if is_negative { -number } else { number };
        Self(signed).bounded()
    }

    /// Adds.
    ///
    /// # Errors
    ///
    /// Returns that the sum is too large.
    pub fn plus(self, other: Self) -> Result<Self, ValueFault> {
        Self(self.0.saturating_add(other.0)).bounded()
    }

    /// Divides by a share, such as that of samples which were sent.
    ///
    /// # Errors
    ///
    /// Returns that the share is not above 0 and up to 1, or that what comes out is too large.
    pub fn over_share(self, share: Self) -> Result<Self, ValueFault> {
        if share.0 <= 0 || share.0 > ONE {
            return Err(ValueFault::BadRate);
        }
        let product = self.0.checked_mul(ONE).ok_or(ValueFault::TooLarge)?;
        Self(product / share.0).bounded()
    }

    /// Returns the mean of a sum of so many, the last place left away.
    pub fn shared_by(self, count: u64) -> Self {
        Self(self.0 / i128::from(count.max(1)))
    }

    /// Tells whether it is below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    fn bounded(self) -> Result<Self, ValueFault> {
        match self.0.abs() <= WHOLE_MAX * ONE {
            true => Ok(self),
            false => Err(ValueFault::TooLarge),
        }
    }
}

/// Reads a power of ten; one beyond every value is as good as any other.
fn power_of(text: &str) -> Result<i32, ValueFault> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ValueFault::NotNumber);
    }
    let far = if text.starts_with('-') { -1_000 } else { 1_000 };
    Ok(text
        .parse()
        .map_or(far, |power: i32| power.clamp(-1_000, 1_000)))
}

fn scaled(mut number: i128, mut power: i32) -> Result<i128, ValueFault> {
    while power > 0 && number != 0 {
        number = number.checked_mul(10).ok_or(ValueFault::TooLarge)?;
        power -= 1;
    }
    while power < 0 && number != 0 {
        number /= 10;
        power += 1;
    }
    Ok(number)
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (
            self.0.unsigned_abs() / ONE as u128,
            self.0.unsigned_abs() % ONE as u128,
        );
        let sign = if self.is_negative() { "-" } else { "" };
        match part {
            0 => write!(f, "{sign}{whole}"),
            part => {
                let digits = format!("{part:09}");
                write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for (text, value) in [
            ("7", "7"),
            ("+7", "7"),
            ("-1.5", "-1.5"),
            ("3.500000", "3.5"),
            ("1e-05", "0.00001"),
            ("1.5E3", "1500"),
            (".5", "0.5"),
            ("0.0000000009", "0"),
            ("1e9999999999999999999", "too large"),
            ("0e999", "0"),
            ("1e-9999999999999999999", "0"),
            ("1e21", "1000000000000000000000"),
            ("1e22", "too large"),
            ("123456789012345678901234567890123", "too large"),
            ("0.12345678912345678912345678912345678912", "0.123456789"),
            ("000000000000000000000000000000000000000000007", "7"),
        ] {
            let read = Value::parse(text);
            let read = read.map_or("too large".to_owned(), |read| read.to_string());
            assert_eq!(read, value, "{text}");
        }
        for text in [
            "", "-", ".", "e1", "1e", "1e+", "NaN", "+Inf", "1 ", "1_0", "0x1", "1e1.5", "--1",
        ] {
            assert_eq!(Value::parse(text), Err(ValueFault::NotNumber), "{text}");
        }
    }

    #[test]
    fn a_sampled_count_is_made_whole() {
        let sampled = |value: &str, rate: &str| {
            let rate = Value::parse(rate).unwrap();
            Value::parse(value).unwrap().over_share(rate)
        };

        assert_eq!(sampled("3", "0.1").unwrap(), Value::whole(30));
        assert_eq!(sampled("3", "1").unwrap(), Value::whole(3));
        assert_eq!(sampled("3", "0"), Err(ValueFault::BadRate));
        assert_eq!(sampled("3", "1.1"), Err(ValueFault::BadRate));
        assert_eq!(sampled("1e21", "0.000000001"), Err(ValueFault::TooLarge));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(text in "[-+]?[0-9]{0,25}(\\.[0-9]{0,12})?([eE][-+]?[0-9]{1,4})?|.{0,12}") {
            if let Ok(value) = Value::parse(&text) {
                prop_assert_eq!(Value::parse(&value.to_string()).unwrap(), value);
            }
        }
    }
}
