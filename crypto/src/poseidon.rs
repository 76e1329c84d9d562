//! Poseidon over BN254's scalar field with circom's parameters, for one or two inputs.
//!
//! Round constants and matrix are drawn from the Grain LFSR, as the authors' reference script does (Grassi et
//! al., "Poseidon: A New Hash Function for Zero-Knowledge Proof Systems", USENIX Security 2021, appendices E
//! and F), once per process. The crate `light-poseidon` holds the same numbers for up to 12 inputs as one
//! generic function of 43,000 lines, which takes the compiler four minutes in every profile that uses it; that
//! the numbers are the same is proven by the commitments of `semaphore-rs`, in the tests of `membership`.

use std::sync::LazyLock;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, BigInt, BigInteger, Field, PrimeField};

/// Bits of the field's modulus.
const FIELD_BITS: usize = 254;
/// Rounds in which every element passes the S-box: half before, half after the partial ones.
const FULL_ROUNDS: usize = 8;
/// Rounds in which one element passes the S-box, for one and two inputs (paper, table 2: 128 bits).
const PARTIAL_ROUNDS: [usize; 2] = [56, 57];
static ONE_INPUT: LazyLock<Parameters<2>> = LazyLock::new(|| Parameters::draw(PARTIAL_ROUNDS[0]));
static TWO_INPUTS: LazyLock<Parameters<3>> = LazyLock::new(|| Parameters::draw(PARTIAL_ROUNDS[1]));

/// Hashes one element.
pub(crate) fn hash1(input: Fr) -> Fr {
    ONE_INPUT.permute([Fr::ZERO, input])
}

/// Hashes two elements.
pub(crate) fn hash2(left: Fr, right: Fr) -> Fr {
    TWO_INPUTS.permute([Fr::ZERO, left, right])
}

/// Round constants and matrix of a state of `T` elements.
struct Parameters<const T: usize> {
    constants: Vec<[Fr; T]>,
    matrix: [[Fr; T]; T],
}

impl<const T: usize> Parameters<T> {
    fn draw(partial_rounds: usize) -> Self {
        let mut grain = Grain::new(T, FULL_ROUNDS, partial_rounds);
        let rounds = FULL_ROUNDS + partial_rounds;
        let constants = (0..rounds)
            .map(|_| std::array::from_fn(|_| grain.element()))
            .collect();
        let columns: [Fr; T] = std::array::from_fn(|_| grain.element_reduced());
        let rows: [Fr; T] = std::array::from_fn(|_| grain.element_reduced());
        // A Cauchy matrix: no sum is zero, as the LFSR's first draw for these sizes shows.
        let matrix = columns.map(|x| rows.map(|y| (x + y).inverse().unwrap_or_default()));
        Self { constants, matrix }
    }

    /// Permutes the state and returns its first element.
    fn permute(&self, mut state: [Fr; T]) -> Fr {
        let partial = FULL_ROUNDS / 2..self.constants.len() - FULL_ROUNDS / 2;
        for (round, constants) in self.constants.iter().enumerate() {
            for (element, constant) in state.iter_mut().zip(constants) {
                *element += constant;
            }
            let through_s_box = if partial.contains(&round) { 1 } else { T };
            for element in &mut state[..through_s_box] {
                *element = s_box(*element);
            }
            state = self.matrix.map(|row| {
                row.iter()
                    .zip(&state)
                    .map(|(m, element)| *m * element)
                    .sum()
            });
        }
        state[0]
    }
}

/// Raises to the fifth power: the smallest that permutes this field.
fn s_box(element: Fr) -> Fr {
    element.square().square() * element
}

/// The self-shrinking Grain LFSR of 80 bits (paper, appendix E); bit 79 is the oldest.
struct Grain(u128);

impl Grain {
    fn new(state_elements: usize, full_rounds: usize, partial_rounds: usize) -> Self {
        // A prime field, the S-box x^alpha, and the sizes; then ones.
        let words = [
            (1, 2),
            (0, 4),
            (FIELD_BITS, 12),
            (state_elements, 12),
            (full_rounds, 10),
            (partial_rounds, 10),
            ((1 << 30) - 1, 30),
        ];
        let start = words
            .iter()
            .fold(0, |bits, (word, width)| (bits << width) | *word as u128);
        let mut grain = Self(start);
        for _ in 0..160 {
            grain.step();
        }
        grain
    }

    fn step(&mut self) -> bool {
        let feedback = [62, 51, 38, 23, 13, 0]
            .iter()
            .fold(0, |sum, tap| sum ^ (self.0 >> (79 - tap)));
        self.0 = ((self.0 << 1) | (feedback & 1)) & ((1 << 80) - 1);
        feedback & 1 == 1
    }

    /// Bits come in pairs: the second counts if the first is set.
    fn bit(&mut self) -> bool {
        loop {
            let (counts, bit) = (self.step(), self.step());
            if counts {
                return bit;
            }
        }
    }

    fn integer(&mut self) -> BigInt<4> {
        let bits: Vec<bool> = (0..FIELD_BITS).map(|_| self.bit()).collect();
        BigInt::from_bits_be(&bits)
    }

    /// Draws until the number is below the modulus.
    fn element(&mut self) -> Fr {
        loop {
            if let Some(element) = Fr::from_bigint(self.integer()) {
                return element;
            }
        }
    }

    /// Draws once and reduces by the modulus.
    fn element_reduced(&mut self) -> Fr {
        Fr::from_be_bytes_mod_order(&self.integer().to_bytes_be())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ark_ff::MontFp;

    use super::*;

    // circomlib, test/poseidoncircuit.js: [1] and [1, 2].
    #[test]
    fn hashes_are_those_of_circomlib() {
        let one: Fr = MontFp!(
            "18586133768512220936620570745912940619677854269274689475585506675881198879027"
        );
        let two: Fr =
            MontFp!("7853200120776062878684798364095072458815029376092732009249414926327459813530");

        assert_eq!(hash1(Fr::from(1)), one);
        assert_eq!(hash2(Fr::from(1), Fr::from(2)), two);
    }
}
