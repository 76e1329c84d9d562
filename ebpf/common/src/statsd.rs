//! Which bytes are a StatsD datagram: a state machine over bytes, as tables, since the kernel's verifier follows a look-up
//! where it would lose itself in branches.
//!
//! ```text
//! datagram = line *( LF line ) [ LF ]
//! line     = name ":" value "|" type [ "|@" rate ]
//! name     = 1*( any byte but ":" and LF )            looked up as it is, case and all
//! value    = [ "+" / "-" ] digits [ "." digits ] [ "e" [ "+" / "-" ] digits ]
//! type     = "c" / "g" / "h" / "d" / "s" / "ms"
//! rate     = digits [ "." digits ]
//! ```
//!
//! Names are not walked byte by byte: [`name_ends`] finds the end of one within eight bytes at once.
//!
//! Tags (`|#…`), packed values, events and service checks of other dialects are refused: they carry words of the sender's
//! choice that no whitelist of names has looked at. A set (`s`) counts numbers here, not texts.

/// Before the first byte of a line.
pub const LINE: u8 = 0;
/// Within a name.
pub const NAME: u8 = 1;
/// Behind the colon: the name is complete.
pub const VALUE: u8 = 2;
const SIGNED: u8 = 3;
const WHOLE: u8 = 4;
const POINT: u8 = 5;
const PART: u8 = 6;
const POWER: u8 = 7;
const POWER_SIGNED: u8 = 8;
const POWER_DIGITS: u8 = 9;
const TYPE: u8 = 10;
const TYPE_M: u8 = 11;
const TYPED: u8 = 12;
const RATE: u8 = 13;
const RATE_FIRST: u8 = 14;
const RATE_WHOLE: u8 = 15;
const RATE_POINT: u8 = 16;
const RATE_PART: u8 = 17;
/// Not StatsD; nothing leads out of it.
pub const BAD: u8 = 18;
const STATES: usize = 32;

/// Next state by `state << 8 | byte`.
pub static STEP: [u8; STATES * 256] = table();

/// Returns the state after one more byte.
#[inline(always)]
pub fn step(state: u8, byte: u8) -> u8 {
    let place = ((state as usize & (STATES - 1)) << 8) | byte as usize;
    STEP[place]
}

/// Where eight bytes of a name, the first lowest, end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameEnd {
    /// All eight belong to the name.
    Beyond,
    /// A colon stands behind so many of them; they are the word, zeros above.
    After(u64, u64),
    /// A line ends before the name does.
    Never,
}

/// Finds where a name ends in its next eight bytes.
///
/// The zero-byte search of "Hacker's Delight" (H. S. Warren, section 6-1): its lowest mark is always right.
#[inline(always)]
pub const fn name_ends(word: u64) -> NameEnd {
    let colon = lowest(word, b':');
    let line = lowest(word, b'\n');
    if line != 0 && (colon == 0 || line < colon) {
        return NameEnd::Never;
    }
    if colon == 0 {
        return NameEnd::Beyond;
    }
    // The mark is the top bit of the colon's byte; what lies below that byte is the name.
    let below = (colon >> 7) - 1;
    let bytes = (below & ONES).wrapping_mul(ONES) >> 56;
    NameEnd::After(bytes, word & below)
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// Marks the top bit of the lowest byte that equals the one asked for.
#[inline(always)]
const fn lowest(word: u64, byte: u8) -> u64 {
    let differs = word ^ (ONES * byte as u64);
    let marks = differs.wrapping_sub(ONES) & !differs & ONES << 7;
    marks & marks.wrapping_neg()
}

/// Tells whether a datagram may end in this state, given that it has at least one byte.
#[inline(always)]
pub const fn may_end(state: u8) -> bool {
    const ENDS: u32 = 1 << LINE | 1 << TYPED | 1 << RATE_WHOLE | 1 << RATE_PART;
    (ENDS >> (state & 31)) & 1 == 1
}

const fn table() -> [u8; STATES * 256] {
    let mut table = [BAD; STATES * 256];
    let mut state = 0;
    while state <= RATE_PART {
        let mut byte = 0;
        while byte < 256 {
            table[((state as usize) << 8) | byte] = next(state, byte as u8);
            byte += 1;
        }
        state += 1;
    }
    table
}

const fn next(state: u8, byte: u8) -> u8 {
    match (state, byte) {
        (LINE, b':' | b'\n') | (NAME, b'\n') => BAD,
        (NAME, b':') => VALUE,
        (LINE | NAME, _) => NAME,
        (VALUE, b'+' | b'-') => SIGNED,
        (VALUE | SIGNED | WHOLE, b'0'..=b'9') => WHOLE,
        (WHOLE, b'.') => POINT,
        (POINT | PART, b'0'..=b'9') => PART,
        (WHOLE | PART, b'e') => POWER,
        (POWER, b'+' | b'-') => POWER_SIGNED,
        (POWER | POWER_SIGNED | POWER_DIGITS, b'0'..=b'9') => POWER_DIGITS,
        (WHOLE | PART | POWER_DIGITS, b'|') => TYPE,
        (TYPE, b'c' | b'g' | b'h' | b'd' | b's') | (TYPE_M, b's') => TYPED,
        (TYPE, b'm') => TYPE_M,
        (TYPED, b'|') => RATE,
        (RATE, b'@') => RATE_FIRST,
        (RATE_FIRST | RATE_WHOLE, b'0'..=b'9') => RATE_WHOLE,
        (RATE_WHOLE, b'.') => RATE_POINT,
        (RATE_POINT | RATE_PART, b'0'..=b'9') => RATE_PART,
        (TYPED | RATE_WHOLE | RATE_PART, b'\n') => LINE,
        _ => BAD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_statsd(payload: &[u8]) -> bool {
        let state = payload.iter().fold(LINE, |state, byte| step(state, *byte));
        !payload.is_empty() && may_end(state)
    }

    #[test]
    fn plain_lines_are_statsd() {
        for line in [
            "peers.count:7|g",
            "a:1|c",
            "a:1|c\n",
            "a:-1.5|ms|@0.1\nb:+2|g",
            "a:1e-05|g",
            "a:1|s",
            "a:0.25|h|@1\n",
            "\u{fc}ber|mut@x#y:1|d",
        ] {
            assert!(is_statsd(line.as_bytes()), "{line:?}");
        }
    }

    #[test]
    fn whatever_could_carry_words_beside_the_name_is_not() {
        for line in [
            "",
            "\n",
            "a",
            "a:",
            ":1|c",
            "a:1",
            "a:1|",
            "a:1|m",
            "a:1|x",
            "a:one|s",
            "a:1:2|c",
            "a:1|c|#user:alice",
            "a:1|c|@",
            "a:1|c|@0.1|#t",
            "a:1|c|T1656581400",
            "a:1|c\n\n",
            "a:1|c\nb",
            "a:1|c\r\n",
            "_e{5,4}:title|text",
            "a:1|c\0user.email",
            "a:1 |c",
            "a:.5|c",
            "a:5.|c",
            "a:--1|c",
        ] {
            assert!(!is_statsd(line.as_bytes()), "{line:?}");
        }
    }

    #[test]
    fn the_end_of_a_name_is_found_wherever_it_stands() {
        let word = |text: &[u8; 8]| name_ends(u64::from_le_bytes(*text));

        assert_eq!(word(b"peers.co"), NameEnd::Beyond);
        assert_eq!(
            word(b"unt:7|g\0"),
            NameEnd::After(3, u64::from_le_bytes(*b"unt\0\0\0\0\0"))
        );
        assert_eq!(word(b":abcdefg"), NameEnd::After(0, 0));
        assert_eq!(
            word(b"abcdefg:"),
            NameEnd::After(7, u64::from_le_bytes(*b"abcdefg\0"))
        );
        assert_eq!(word(b"a:b\ncdef"), NameEnd::After(1, u64::from(b'a')));
        assert_eq!(word(b"a\nb:cdef"), NameEnd::Never);
        assert_eq!(word(b"a\nbcdefg"), NameEnd::Never);
        // Bytes one above the ones sought follow them: the search may mark those too, but never as the lowest.
        assert_eq!(word(b":;\x0b\n;;;;"), NameEnd::After(0, 0));
        assert_eq!(word(b";\x0b;\x0b;\x0b;\x0b"), NameEnd::Beyond);
        assert_eq!(
            word(b"\xff\x80\xba\x8a\0\x01\x3b:"),
            NameEnd::After(7, 0x003b_0100_8aba_80ff)
        );
    }

    #[test]
    fn nothing_leads_out_of_a_bad_state() {
        for state in BAD..STATES as u8 {
            for byte in 0..=255 {
                assert_eq!(step(state, byte), BAD);
            }
            assert!(!may_end(state));
        }
    }
}
