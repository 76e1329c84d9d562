#![allow(clippy::unwrap_used)]

use super::*;

fn seed(number: u8) -> Seeds {
    Seeds {
        item: Zeroizing::new([number; 32]),
        card: None,
    }
}

fn with_card(number: u8, card: u8) -> Seeds {
    Seeds {
        card: Some(Zeroizing::new([card; 32])),
        ..seed(number)
    }
}

#[test]
fn a_draft_goes_on_with_the_same_file_and_begins_anew_when_that_changes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "one").unwrap();
    let now = || fs::metadata(&file).unwrap();
    let chunk = ChunkId::of(b"chunk");
    let mut draft = Draft::open(dir.path(), &now(), seed(1)).unwrap();
    assert!(draft.sealed().is_empty());
    draft.note(&[chunk, chunk]).unwrap();
    drop(draft);

    let again = Draft::open(dir.path(), &now(), seed(2)).unwrap();
    assert_eq!(
        (**again.seed(), again.sealed()),
        ([1; 32], [chunk, chunk].as_slice())
    );
    drop(again);
    let found = Draft::find(dir.path(), &now()).unwrap().unwrap();
    assert_eq!((**found.seed(), found.sealed()), ([1; 32], &[chunk; 2][..]));
    drop(found);

    let changed = File::options().write(true).open(&file).unwrap();
    changed.set_modified(std::time::UNIX_EPOCH).unwrap();
    let other = Draft::open(dir.path(), &now(), seed(3)).unwrap();
    assert_eq!((**other.seed(), other.sealed()), ([3; 32], [].as_slice()));
}

#[test]
fn a_draft_is_found_only_where_one_may_be_used_and_none_is_begun_by_looking() {
    let dir = tempfile::tempdir().unwrap();
    let now = file(dir.path(), "one");
    assert!(Draft::find(dir.path(), &now).unwrap().is_none());
    let left = || fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left(), 1, "only the file itself");
    let draft = Draft::open(dir.path(), &now, with_card(1, 2)).unwrap();
    let refused = Draft::find(dir.path(), &now).err().unwrap();
    assert!(matches!(refused, DraftError::InUse), "{refused}");
    let path = draft.places.seed.clone();
    drop(draft);
    let found = Draft::find(dir.path(), &now).unwrap().unwrap();
    assert!(found.is_taken_up() && found.card().is_some());
    drop(found);

    fs::write(&path, [0; 64]).unwrap();

    assert!(Draft::find(dir.path(), &now).unwrap().is_none());
    assert_eq!(left(), 1, "what a crash left of an overwritten one is gone");
}

#[test]
fn a_name_that_was_cut_short_is_done_again_and_a_wiped_draft_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "one").unwrap();
    let now = fs::metadata(&file).unwrap();
    let chunk = ChunkId::of(b"chunk");
    let mut draft = Draft::open(dir.path(), &now, seed(1)).unwrap();
    draft.note(&[chunk]).unwrap();
    let path = draft.places.chunks.clone();
    drop(draft);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(&[7; 31]);
    fs::write(&path, bytes).unwrap();

    let mut draft = Draft::open(dir.path(), &now, seed(2)).unwrap();
    assert_eq!(draft.sealed(), [chunk]);
    draft.note(&[chunk]).unwrap();
    assert_eq!(fs::read(&path).unwrap().len(), 64);
    draft.wipe().unwrap();
    let left = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 1, "only the file itself is left");
}

/// Writes a file and returns how it stands.
fn file(dir: &Path, name: &str) -> Metadata {
    let path = dir.join(name);
    fs::write(&path, name).unwrap();
    fs::metadata(path).unwrap()
}

#[test]
fn of_two_puts_that_lie_interrupted_each_file_goes_on_with_its_own_wherever_it_is_named_from() {
    let dir = tempfile::tempdir().unwrap();
    let puts = dir.path().join("puts");
    fs::create_dir(&puts).unwrap();
    let [one, other] = ["one", "other"].map(|name| file(dir.path(), name));
    let [first, second] = [b"first", b"secon"].map(|bytes| ChunkId::of(bytes));
    let mut draft = Draft::open(&puts, &one, seed(1)).unwrap();
    draft.note(&[first]).unwrap();
    drop(draft);
    let mut draft = Draft::open(&puts, &other, seed(2)).unwrap();
    assert!(!draft.is_taken_up());
    draft.note(&[second, second]).unwrap();
    drop(draft);

    // The later one ends first; the other is as it was.
    let again = Draft::open(&puts, &other, seed(3)).unwrap();
    assert_eq!(
        (**again.seed(), again.sealed()),
        ([2; 32], &[second; 2][..])
    );
    again.wipe().unwrap();
    // A link to a file is that file.
    std::os::unix::fs::symlink(dir.path().join("one"), dir.path().join("link")).unwrap();
    let linked = fs::metadata(dir.path().join("link")).unwrap();
    let again = Draft::open(&puts, &linked, seed(4)).unwrap();
    assert!(again.is_taken_up());
    assert_eq!((**again.seed(), again.sealed()), ([1; 32], &[first][..]));
    drop(again);
    let anew = Draft::open(&puts, &other, seed(5)).unwrap();
    assert_eq!((**anew.seed(), anew.sealed()), ([5; 32], &[][..]));
}

#[test]
fn one_program_at_a_time_has_a_draft_and_others_may_have_those_of_other_files() {
    let dir = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| file(dir.path(), name));
    let draft = Draft::open(dir.path(), &one, seed(1)).unwrap();

    let refused = Draft::open(dir.path(), &one, seed(2)).err().unwrap();

    assert!(matches!(refused, DraftError::InUse), "{refused}");
    let beside = Draft::open(dir.path(), &other, seed(3)).unwrap();
    drop((draft, beside));
    let again = Draft::open(dir.path(), &one, seed(4)).unwrap();
    assert_eq!(**again.seed(), [1; 32]);
}

#[test]
fn a_seed_that_was_overwritten_is_never_used_even_if_a_crash_left_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let now = file(dir.path(), "one");
    let mut draft = Draft::open(dir.path(), &now, seed(1)).unwrap();
    draft.note(&[ChunkId::of(b"chunk")]).unwrap();
    let path = draft.places.seed.clone();
    drop(draft);
    for left in [&[0; 32][..], &[1; 31], &[]] {
        fs::write(&path, left).unwrap();

        let mut anew = Draft::open(dir.path(), &now, seed(2)).unwrap();

        assert_eq!((**anew.seed(), anew.sealed()), ([2; 32], &[][..]));
        assert!(!anew.is_taken_up());
        assert_eq!(fs::read(&path).unwrap(), [2; 32]);
        assert_eq!(fs::metadata(&anew.places.chunks).unwrap().len(), 0);
        anew.note(&[ChunkId::of(b"chunk")]).unwrap();
    }
}

#[test]
fn seeds_with_a_card_are_never_used_when_either_was_overwritten_or_the_file_cut_short() {
    let dir = tempfile::tempdir().unwrap();
    let now = file(dir.path(), "one");
    let mut draft = Draft::open(dir.path(), &now, with_card(1, 2)).unwrap();
    draft.note(&[ChunkId::of(b"chunk")]).unwrap();
    let path = draft.places.seed.clone();
    drop(draft);
    let both = |item, card| [[item; 32], [card; 32]].concat();
    for left in [
        both(0, 0),
        both(1, 0),
        both(0, 2),
        both(1, 2)[..63].to_vec(),
    ] {
        fs::write(&path, left).unwrap();

        let mut anew = Draft::open(dir.path(), &now, with_card(3, 4)).unwrap();

        assert_eq!((**anew.seed(), anew.sealed()), ([3; 32], &[][..]));
        assert!(!anew.is_taken_up());
        assert_eq!(fs::read(&path).unwrap(), both(3, 4));
        anew.note(&[ChunkId::of(b"chunk")]).unwrap();
    }
}

#[test]
fn drafts_that_nobody_goes_on_with_are_overwritten_after_their_time_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let [own, old, open, young] =
        ["own", "old", "open", "young"].map(|name| file(dir.path(), name));
    let begin = |of: &Metadata, number| Draft::open(dir.path(), of, seed(number)).unwrap();
    let own = begin(&own, 1);
    let forgotten = Draft::open(dir.path(), &old, with_card(2, 5)).unwrap();
    let gone = [&forgotten.places.seed, &forgotten.places.chunks].map(Clone::clone);
    // Whoever has the file open sees what the disk had.
    let mut seen = File::open(&gone[0]).unwrap();
    drop(forgotten);
    let under_way = begin(&open, 3);
    drop(begin(&young, 4));
    let later = SystemTime::now() + LIFE + Duration::from_secs(60);
    let path = dir.path().join(name_of(&young)).with_extension(CHUNKS);
    let chunks = OpenOptions::new().write(true).open(path).unwrap();
    chunks.set_modified(later).unwrap();

    let others = own.look_at_others(SystemTime::now()).unwrap();
    let (waiting, wiped) = (3, 0);
    assert_eq!(others, Others { waiting, wiped });
    let others = own.look_at_others(later).unwrap();

    let (waiting, wiped) = (1, 1);
    assert_eq!(others, Others { waiting, wiped });
    assert!(gone.iter().all(|path| !path.exists()));
    let mut left = Vec::new();
    seen.read_to_end(&mut left).unwrap();
    assert_eq!(left, [0; 64], "the card's seed as well");
    drop((own, under_way));
    for (of, number) in [(open, 3), (young, 4)] {
        assert_eq!(**begin(&of, 9).seed(), [number; 32]);
    }
}

#[test]
fn a_draft_goes_on_with_the_same_card_and_one_without_a_card_does_not_become_one_with() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "one").unwrap();
    let now = fs::metadata(&file).unwrap();
    let words = |draft: &Draft| draft.card().map(|card| card.words().to_string());
    let chunk = ChunkId::of(b"chunk");
    let mut draft = Draft::open(dir.path(), &now, with_card(1, 7)).unwrap();
    draft.note(&[chunk]).unwrap();
    let first = words(&draft).unwrap();
    drop(draft);

    let again = Draft::open(dir.path(), &now, with_card(2, 8)).unwrap();
    assert_eq!((**again.seed(), words(&again)), ([1; 32], Some(first)));
    assert_eq!(again.sealed(), [chunk]);
    drop(again);
    let without = Draft::open(dir.path(), &now, seed(3)).unwrap();
    assert_eq!((**without.seed(), words(&without)), ([3; 32], None));
    assert!(without.sealed().is_empty() && !without.is_taken_up());
    assert_eq!(fs::read(&without.places.seed).unwrap(), [3; 32]);
    drop(without);
    let other = Draft::open(dir.path(), &now, with_card(4, 9)).unwrap();
    let path = other.places.seed.clone();
    assert_eq!(fs::read(&path).unwrap(), [[4; 32], [9; 32]].concat());
    other.wipe().unwrap();
    assert!(!path.exists());
}
