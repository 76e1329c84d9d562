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
    fn nothing_leads_out_of_a_bad_state() {
        for state in BAD..STATES as u8 {
            for byte in 0..=255 {
                assert_eq!(step(state, byte), BAD);
            }
            assert!(!may_end(state));
        }
    }
}
