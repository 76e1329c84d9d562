//! Content in chunks.

use proptest::prelude::*;

use super::*;

/// Content of three chunks, the last one short.
const LONG: u64 = 2 * CHUNK_BYTES as u64 + 1000;

fn chunk(bytes: u64, index: u32) -> Chunk {
    Layout::of(bytes).unwrap().chunk(index).unwrap()
}

/// Seals a chunk whose content is everywhere the same.
fn sealed(chunk: Chunk, fill: u8) -> Vec<u8> {
    let mut buffer = vec![fill; chunk.sealed_bytes()];
    keys().content.seal(chunk, &mut buffer).unwrap();
    buffer
}

#[test]
fn every_chunk_opens_by_itself_in_any_order() {
    let layout = Layout::of(LONG).unwrap();
    let all: Vec<Vec<u8>> = (0..layout.chunks())
        .map(|at| sealed(layout.chunk(at).unwrap(), at as u8))
        .collect();
    for at in (0..layout.chunks()).rev() {
        let mut buffer = all[at as usize].clone();
        let chunk = layout.chunk(at).unwrap();
        let content = keys();
        let opened = content.content.open(chunk, &mut buffer).unwrap();
        assert_eq!(opened.len(), chunk.bytes());
        assert!(opened.iter().all(|byte| *byte == at as u8));
    }
}

#[test]
fn a_chunk_opens_nowhere_but_at_its_place() {
    let first = chunk(LONG, 0);
    let mut buffer = sealed(first, 1);
    assert_eq!(
        keys().content.open(chunk(LONG, 1), &mut buffer),
        Err(BadChunk { index: 1 })
    );
}

#[test]
fn what_does_not_open_is_left_as_it_was() {
    let place = chunk(0, 0);
    let mut buffer = sealed(place, 1);
    buffer[0] ^= 1;
    let before = buffer.clone();
    assert!(keys().content.open(place, &mut buffer).is_err());
    assert_eq!(buffer, before);
}

#[test]
fn a_buffer_of_another_length_is_refused() {
    let place = chunk(LONG, 0);
    for bytes in [0, 15, 16, CHUNK_BYTES, SEALED_CHUNK_BYTES + 1] {
        let mut buffer = vec![0; bytes];
        assert_eq!(
            keys().content.seal(place, &mut buffer),
            Err(WrongBuffer {
                index: 0,
                expected: SEALED_CHUNK_BYTES,
                bytes
            })
        );
        assert!(keys().content.open(place, &mut buffer).is_err());
    }
}

#[test]
fn another_items_key_opens_nothing() {
    let place = chunk(0, 0);
    let parts = ItemParts::draw(&SEED, b"item");
    let other = ItemKeys::derive(&parts.secret, &parts.second, b"another");
    assert!(other.content.open(place, &mut sealed(place, 1)).is_err());
}

#[test]
fn equal_chunks_look_different_and_carry_no_mark() {
    let (first, second) = (sealed(chunk(LONG, 0), 0), sealed(chunk(LONG, 1), 0));
    let same = core::iter::zip(&first, &second).filter(|(one, other)| one == other);
    // One in 256 by chance: 1,024, with a deviation of 32.
    let same = same.count();
    assert!((800..1250).contains(&same), "{same}");
    let zeros = first.iter().filter(|byte| **byte == 0).count();
    assert!((800..1250).contains(&zeros), "{zeros}");
}

#[test]
fn content_beyond_the_most_is_refused() {
    let layout = Layout::of(CONTENT_BYTES_MAX / 2).unwrap();
    assert!(layout.chunks() <= CHUNKS_MAX);
    let bytes = CONTENT_BYTES_MAX + 1;
    let padded = padded_len(bytes);
    assert_eq!(Layout::of(bytes), Err(ContentTooLong { bytes, padded }));
    assert!(Layout::of(u64::MAX).is_err());
}

proptest! {
    #[test]
    fn a_changed_byte_anywhere_is_noticed(at: prop::sample::Index, change in 1_u8..=255) {
        let place = chunk(0, 0);
        let mut buffer = sealed(place, 9);
        let at = at.index(buffer.len());
        buffer[at] ^= change;
        prop_assert_eq!(keys().content.open(place, &mut buffer), Err(BadChunk { index: 0 }));
    }

    #[test]
    fn chunks_cover_the_padded_content_without_gap_or_overlap(bytes in 0_u64..40 * CHUNK_BYTES as u64) {
        let layout = Layout::of(bytes).unwrap();
        let chunks: Vec<Chunk> = (0..layout.chunks()).map(|at| layout.chunk(at).unwrap()).collect();
        let mut end = 0;
        for chunk in &chunks {
            prop_assert_eq!(chunk.offset(), end);
            prop_assert!(chunk.bytes() > 0 && chunk.sealed_bytes() <= SEALED_CHUNK_BYTES);
            end += chunk.bytes() as u64;
        }
        prop_assert_eq!(end, layout.padded_bytes());
        let sealed: u64 = chunks.iter().map(|chunk| chunk.sealed_bytes() as u64).sum();
        prop_assert_eq!(sealed, layout.sealed_bytes());
        prop_assert_eq!(layout.chunk(layout.chunks()), None);
        prop_assert_eq!(Layout::of(layout.padded_bytes()), Ok(layout));
    }
}
