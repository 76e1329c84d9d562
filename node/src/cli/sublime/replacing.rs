//! `x0 sublime put FILE --replaces ITEM`: a new item, under a new key and with new guardians, in place of one of this node's.
//!
//! ```text
//! key of the new item written down -> new item made known -> enough nodes hold it -> old item forgotten
//! ```
//!
//! The key stands in `sublime/replaced` of the data directory before the new item is known, so that whoever goes on after an
//! interruption finds the item and puts no second one. The word that forgets the old item is said only once the new item's shares are
//! kept by eight in ten, without which it is never made known, and enough nodes were counted to hold its content. The sealed
//! metadata of the new item names the old one; what is written down names the new one to this node alone.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use x0_crypto::{ContentId, PublicKey};

use super::{
    super::{Context, client::Client, error::CliError},
    card::CardMade,
    forget::{read_word, say, staying},
    on_file, own_dir,
    put::{PutArgs, put_anew},
    safety::{Safety, how_safe, wait},
    unfinished::end_left,
};
use crate::{
    api::{
        keeping::{KeepingView, without},
        sublime::{ItemView, SublimeView},
    },
    identity,
};

/// Where successors stand.
const SUCCESSORS: &str = "replaced";

/// What this node's user knows of an item in whose place another was put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Successor {
    /// The item.
    old: String,
    /// The key of the new one: it is known beforehand, and its name only when it is made known.
    new_key: String,
}

/// An item in whose place another is put.
pub(super) struct Replacing {
    old: String,
    path: PathBuf,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
enum Next<'a> {
    /// The new item has to be put.
    Put,
    /// It is known; the old one is there until it is safe.
    Wait(&'a ItemView),
    /// The old one is forgotten.
    Done(&'a ItemView),
}

/// Which items stand for each other, as this node has written down.
#[derive(Default)]
pub(super) struct Relatives {
    /// The item in whose place this one was put.
    pub(super) replaces: Option<String>,
    /// The item that was put in the place of this one.
    pub(super) replaced_by: Option<String>,
}

/// What came of it.
#[derive(Serialize)]
struct Replaced {
    #[serde(flatten)]
    safety: Safety,
    replaces: String,
    /// Guardians' nodes that have destroyed their share of the old item, as far as they have said so.
    destroyed: Vec<String>,
    /// How many guardians that had.
    guardians: u8,
    /// Tiers beside the mesh on which the old item's sealed content stays.
    stays_on: Vec<String>,
    /// The new item's recovery card, if one was made; never its words.
    card: Option<CardMade>,
}

impl Replacing {
    fn of(context: &Context, old: &ItemView) -> Result<Self, CliError> {
        let dir = own_dir(context, SUCCESSORS)?;
        Ok(Self {
            old: old.item.clone(),
            path: dir.join(format!("{}.json", old.key)),
        })
    }

    /// Returns the item in whose place another is put.
    pub(super) fn old(&self) -> &str {
        &self.old
    }

    /// Writes down the key of the new item, before anybody knows that item.
    pub(super) fn begin(&self, new: &PublicKey) -> Result<(), CliError> {
        let successor = Successor {
            old: self.old.clone(),
            new_key: new.to_string(),
        };
        let bytes =
            serde_json::to_vec(&successor).map_err(|fault| CliError::Failed(fault.to_string()))?;
        identity::write_over(&self.path, &bytes)
            .map_err(|error| CliError::Failed(error.to_string()))
    }
}

fn read_successor(path: &Path) -> Result<Option<Successor>, CliError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(on_file(path, &cause)),
    };
    let successor = serde_json::from_slice(&bytes);
    successor.map(Some).map_err(|fault| {
        CliError::Failed(format!(
            "{} is damaged: {fault}. `x0 sublime list` shows which items there are; remove it if the item that it speaks of has no \
             other in its place",
            path.display()
        ))
    })
}

/// Finds what is to be done next; the old item is let go of only after a wait.
fn next<'a>(
    successor: Option<&Successor>,
    old: &ItemView,
    items: &'a [ItemView],
) -> Result<Next<'a>, CliError> {
    let new =
        successor.and_then(|successor| items.iter().find(|item| item.key == successor.new_key));
    // An item never stands in the place of itself: letting go of it would let go of both.
    let new = new.filter(|new| !new.forgotten && new.key != old.key);
    match (new, old.forgotten) {
        (Some(new), false) => Ok(Next::Wait(new)),
        (Some(new), true) => Ok(Next::Done(new)),
        (None, false) => Ok(Next::Put),
        (None, true) => Err(CliError::Usage(format!(
            "{} is forgotten, and nothing known here stands in its place: put the file without --replaces",
            old.item
        ))),
    }
}

/// Puts a file in place of an item, or goes on with it, and has the item forgotten once the new one is safe.
pub(super) async fn replace(
    context: &Context,
    args: &PutArgs,
    old: &ContentId,
) -> Result<(), CliError> {
    let client = context.client()?;
    let kept: KeepingView = client.get(&format!("/v1/sublime/items/{old}")).await?;
    let stays_on = kept.beyond();
    let old = kept.item;
    // Whoever cannot have it forgotten cannot put another in its place either.
    let word = read_word(context, &old)?;
    let replacing = Replacing::of(context, &old)?;
    let view: SublimeView = client.get("/v1/sublime").await?;
    let successor = read_successor(&replacing.path)?;
    let step = next(successor.as_ref(), &old, &view.items)?;
    let (mut safety, made) = match &step {
        Next::Put => {
            let put = put_anew(context, args, Some(&replacing)).await?;
            (put.safety, put.card)
        }
        Next::Wait(new) | Next::Done(new) => {
            context.output.note(&format!(
                "{} was put in its place before: this goes on with it, and does not read the file again.",
                new.item
            ));
            let made = end_left(context, args, new).await?;
            (known(&client, &new.item).await?, made)
        }
    };
    wait(context, &client, &mut safety).await?;
    if let Some(card) = made.as_ref().filter(|_| !safety.is_safe()) {
        context.output.note(&card.told());
    }
    let destroyed = match step {
        Next::Done(_) => destroyed(&view, &old),
        Next::Put | Next::Wait(_) => {
            check_safe(&safety, &old)?;
            say(&client, &old, &word).await?
        }
    };
    let replaced = Replaced {
        safety,
        replaces: old.item,
        destroyed,
        guardians: old.guardians,
        stays_on,
        card: made,
    };
    context.output.show(&replaced, text)
}

/// Refuses to let go of an item before the one in its place is safe.
fn check_safe(new: &Safety, old: &ItemView) -> Result<(), CliError> {
    match new.is_safe() {
        true => Ok(()),
        false => Err(CliError::Failed(format!(
            "item {} is put, and {} stays as it was until that is safe. {}\nThen say the same command again: it goes on where it was",
            new.item,
            old.item,
            how_safe(new)
        ))),
    }
}

/// Returns how an item stands that was put before.
async fn known(client: &Client, item: &str) -> Result<Safety, CliError> {
    let view: KeepingView = client.get(&format!("/v1/sublime/items/{item}")).await?;
    let policy = view.policy.unwrap_or_default();
    let without = without(policy, &view.accounts);
    Ok(Safety::of(view.item.item, policy, without))
}

fn destroyed(view: &SublimeView, old: &ItemView) -> Vec<String> {
    let known = view.forgotten.iter().find(|known| known.key == old.key);
    known.map_or_else(Vec::new, |known| known.destroyed.clone())
}

fn text(replaced: &Replaced) -> String {
    let mut text = format!(
        "item {} stands in the place of {}, which is forgotten.\n\n{}\n\n",
        replaced.safety.item,
        replaced.replaces,
        how_safe(&replaced.safety)
    );
    if let Some(card) = &replaced.card {
        text.push_str(&card.told());
        text.push_str("\n\n");
    }
    text.push_str(&format!(
        "Of the old item {} of {} guardians' nodes have said that they destroyed their share; the others do so when they hear of \
         it, and `x0 sublime list` counts them. Who was granted the old item before has it. {}",
        replaced.destroyed.len(),
        replaced.guardians,
        staying(&replaced.stays_on)
    ));
    text.trim_end().to_owned()
}

/// Returns what this node has written down of an item.
///
/// # Errors
///
/// Returns that a file of it cannot be read.
pub(super) fn relatives(
    context: &Context,
    item: &ItemView,
    items: &[ItemView],
) -> Result<Relatives, CliError> {
    let dir = context.data_dir.join(super::DIR).join(SUCCESSORS);
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Relatives::default()),
        Err(cause) => return Err(on_file(&dir, &cause)),
    };
    let mut successors = Vec::new();
    for entry in entries {
        let path = entry.map_err(|cause| on_file(&dir, &cause))?.path();
        if path.extension().is_some_and(|end| end == "json") {
            successors.extend(read_successor(&path)?);
        }
    }
    Ok(relatives_by(&successors, item, items))
}

fn relatives_by(successors: &[Successor], item: &ItemView, items: &[ItemView]) -> Relatives {
    let before = successors
        .iter()
        .find(|successor| successor.new_key == item.key);
    let after = successors
        .iter()
        .find(|successor| successor.old == item.item);
    let after =
        after.and_then(|successor| items.iter().find(|known| known.key == successor.new_key));
    Relatives {
        replaces: before.map(|successor| successor.old.clone()),
        replaced_by: after.map(|after| after.item.clone()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use x0_crypto::Identity;
    use zeroize::Zeroizing;

    use super::*;
    use crate::sublime::Policy;

    fn key(number: u8) -> PublicKey {
        Identity::from_seed(Zeroizing::new([number; 32])).public()
    }

    fn item(number: u8, forgotten: bool) -> ItemView {
        ItemView {
            item: format!("item {number}"),
            key: key(number).to_string(),
            content: String::new(),
            chunks: 1,
            shares_needed: 3,
            guardians: 10,
            epoch: 0,
            shared_ms: 0,
            rotation_due_ms: 0,
            rotation_subject: String::new(),
            trustees: None,
            forgotten,
            card: None,
            time_ms: 0,
        }
    }

    fn successor(new: u8) -> Successor {
        Successor {
            old: "item 1".to_owned(),
            new_key: key(new).to_string(),
        }
    }

    #[test]
    fn an_interrupted_replacement_goes_on_with_the_item_that_is_known_and_puts_no_second_one() {
        let (old, new) = (item(1, false), item(2, false));
        let all = [old.clone(), new];
        assert_eq!(next(None, &old, &all).unwrap(), Next::Put);
        assert_eq!(
            next(Some(&successor(3)), &old, &all).unwrap(),
            Next::Put,
            "it broke off before the new item was known"
        );
        let found = next(Some(&successor(2)), &old, &all).unwrap();
        assert_eq!(found, Next::Wait(&all[1]));
        assert_eq!(
            next(Some(&successor(1)), &old, &all).unwrap(),
            Next::Put,
            "no item stands in its own place"
        );
        let gone = [old.clone(), item(2, true)];
        assert_eq!(
            next(Some(&successor(2)), &old, &gone).unwrap(),
            Next::Put,
            "what is forgotten stands for nothing"
        );
    }

    #[test]
    fn what_is_forgotten_is_replaced_no_more_and_says_by_what_it_was() {
        let old = item(1, true);
        let all = [old.clone(), item(2, false)];
        let done = next(Some(&successor(2)), &old, &all).unwrap();
        assert_eq!(done, Next::Done(&all[1]));
        let error = next(None, &old, &all).unwrap_err().to_string();
        assert!(error.contains("without --replaces"), "{error}");
    }

    #[test]
    fn an_item_is_not_let_go_of_before_the_new_one_is_counted_to_be_safe() {
        let mut new = Safety::of("item 2".to_owned(), Policy::Mesh, Vec::new());
        let old = item(1, false);
        let uncounted = check_safe(&new, &old).unwrap_err().to_string();
        assert!(uncounted.contains("item 1 stays as it was"), "{uncounted}");
        (new.safe, new.copies, new.copies_needed) = (Some(false), Some(4), Some(5));
        let few = check_safe(&new, &old).unwrap_err().to_string();
        assert!(few.contains("4 of 5 copies") && few.contains("same command again"));
        (new.safe, new.copies) = (Some(true), Some(5));
        check_safe(&new, &old).unwrap();
    }

    #[test]
    fn what_is_written_down_is_read_back_the_last_counts_and_a_damaged_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let replacing = Replacing {
            old: "item 1".to_owned(),
            path: dir.path().join("key.json"),
        };
        assert_eq!(read_successor(&replacing.path).unwrap(), None);
        replacing.begin(&key(3)).unwrap();
        replacing.begin(&key(2)).unwrap();
        assert_eq!(read_successor(&replacing.path).unwrap(), Some(successor(2)));
        fs::write(&replacing.path, "{").unwrap();
        let error = read_successor(&replacing.path).unwrap_err().to_string();
        assert!(error.contains("key.json is damaged"), "{error}");
    }

    #[test]
    fn each_of_two_items_names_the_other() {
        let (old, new) = (item(1, true), item(2, false));
        let all = [old.clone(), new.clone()];
        let successors = [successor(2)];
        let of_old = relatives_by(&successors, &old, &all);
        assert_eq!(of_old.replaced_by.as_deref(), Some("item 2"));
        assert_eq!(of_old.replaces, None);
        let of_new = relatives_by(&successors, &new, &all);
        assert_eq!(of_new.replaces.as_deref(), Some("item 1"));
        assert_eq!(of_new.replaced_by, None);
        let before = relatives_by(&successors, &old, std::slice::from_ref(&old));
        assert_eq!(before.replaced_by, None, "it is not known yet");
    }
}
