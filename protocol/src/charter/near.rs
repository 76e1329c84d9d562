//! What a misspelt word was meant to be.

/// Finds the candidate that a misspelt word is nearest to, if any is near.
pub fn nearest<T: AsRef<str> + Ord>(word: &str, candidates: impl Iterator<Item = T>) -> Option<T> {
    candidates
        .map(|candidate| (distance(word, candidate.as_ref()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.as_ref().len() / 3).max(2))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Longest word that is compared, characters: longer ones are no slip of the finger.
const WORD_CHARS_MAX: usize = 64;

/// Counts the single-character edits between two words (Levenshtein 1966).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().take(WORD_CHARS_MAX).enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, to) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
