//! A thousand hostile files, made of the shipped one in ways that are the same on every run.

use super::{SHIPPED, read};
use crate::core::rng::Rng;

/// How many files are made.
const FILES: u64 = 1_000;

#[test]
fn a_thousand_hostile_files_are_refused_or_read_and_every_fault_lies_inside_the_file() {
    let mut rng = Rng::new([42; 32]);
    let mut refused = 0;
    for _ in 0..FILES {
        let mut file = SHIPPED.as_bytes().to_vec();
        for _ in 0..=below(&mut rng, 4) {
            mutate(&mut file, &mut rng);
        }
        let Err(unread) = read(&file) else { continue };
        refused += 1;
        let text = String::from_utf8_lossy(&file);
        let lines = text.lines().count().max(1) as u64;
        assert!(!unread.faults.is_empty());
        for fault in &unread.faults {
            assert!((1..=lines).contains(&fault.line), "{lines}: {fault:?}");
            assert!(fault.column >= 1 && !fault.what.is_empty(), "{fault:?}");
            assert!(!fault.mend.is_empty(), "{fault:?}");
            assert!(
                fault.to_string().chars().all(|c| !c.is_control()),
                "{fault:?}"
            );
        }
    }
    assert!(
        refused > FILES / 2,
        "only {refused} of {FILES} files were hostile"
    );
}

fn below(rng: &mut Rng, count: usize) -> usize {
    usize::try_from(rng.below(count as u64)).unwrap()
}

fn mutate(file: &mut Vec<u8>, rng: &mut Rng) {
    const HOSTILE: [&str; 24] = [
        "\t",
        "\0",
        "\u{202e}",
        "&a ",
        "*a ",
        "!!binary ",
        "<<: ",
        "- - - ",
        "{",
        "}",
        "[",
        "]",
        "'",
        "\"",
        ": ",
        "\n",
        "|\n",
        ">\n",
        "---\n",
        "...\n",
        "%YAML 9.9\n",
        "99999999999999999999",
        "-1",
        "\u{feff}",
    ];
    let at = below(rng, file.len());
    let lines: Vec<Vec<u8>> = file
        .split_inclusive(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    let line = below(rng, lines.len());
    match below(rng, 8) {
        0 => file.truncate(at),
        1 => {
            let with = HOSTILE[below(rng, HOSTILE.len())].as_bytes();
            file.splice(at..at, with.iter().copied());
        }
        2 => {
            if let Some(byte) = file.get_mut(at) {
                *byte = rng.below(256) as u8;
            }
        }
        3 => {
            let end = (at + 1 + below(rng, 40)).min(file.len());
            file.drain(at..end);
        }
        4 => {
            let mut without = lines;
            without.remove(line);
            *file = without.concat();
        }
        5 => {
            let mut twice = lines;
            twice.insert(line, twice[line].clone());
            *file = twice.concat();
        }
        6 => {
            let mut swapped = lines;
            let other = below(rng, swapped.len());
            swapped.swap(line, other);
            *file = swapped.concat();
        }
        _ => {
            let mut indented = lines;
            indented[line].splice(0..0, b"   ".iter().copied());
            *file = indented.concat();
        }
    }
    if file.is_empty() {
        file.push(b'x');
    }
}
