#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation
)]

mod card;
mod content;
mod decoding;
mod hybrid;
mod keys;
mod resharing;
mod sharing;

use super::*;

const SEED: [u8; 32] = [7; 32];

fn access(threshold: u8, shares: u8) -> AccessStructure {
    AccessStructure::new(threshold, shares).unwrap()
}

fn index(number: u8) -> ShareIndex {
    ShareIndex::new(number).unwrap()
}

fn secret(number: u8) -> ItemSecret {
    ItemParts::draw(&[number; 32], b"item").secret
}

fn keys() -> ItemKeys {
    let parts = ItemParts::draw(&SEED, b"item");
    ItemKeys::derive(&parts.secret, &parts.second, b"item")
}

/// Returns a copy: shares have none by themselves.
fn copy(share: &Share) -> Share {
    Share::from_bytes(share.to_bytes().as_slice()).unwrap()
}

/// Copies the shares with these indices.
fn of(dealing: &Dealing, indices: &[u8]) -> Vec<Share> {
    let share = |number: &u8| copy(&dealing.shares[usize::from(*number) - 1]);
    indices.iter().map(share).collect()
}

/// Draws as many distinct indices as are wanted, by a seed.
fn some_of(shares: u8, wanted: u8, seed: u64) -> Vec<u8> {
    let mut left: Vec<u8> = (1..=shares).collect();
    let mut state = seed;
    let mut drawn = Vec::new();
    for _ in 0..wanted {
        // Knuth's constants; any spread of choices will do.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let at = (state >> 33) as usize % left.len();
        drawn.push(left.remove(at));
    }
    drawn
}
