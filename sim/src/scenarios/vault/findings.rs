//! What the life of items set out to show, and whether it was so.

use std::collections::BTreeSet;

use x0_crypto::{
    PublicKey,
    sublime::{ItemKeys, combine},
};
use x0_protocol::{
    Command,
    core::sublime::SublimeCommand,
    sublime::opening,
    wire::{Body, Manifest, Record, RotationNotice, RotationShared, Sharing, SublimeBody},
};

use super::{ABOUT, Asked, Fate, Item, Life, shares_of};
use crate::{
    properties::Finding,
    time::Span,
    world::{Checked, World},
};

/// Time between two looks at what was released for a request.
const LOOK_EVERY: Span = Span::from_secs(5);

fn finding(property: Option<u8>, name: &str, holds: bool, detail: String) -> Finding {
    Finding {
        property,
        name: name.to_owned(),
        holds,
        detail,
    }
}

fn manifest<'a>(world: &'a World, node: u32, item: &Item) -> Option<&'a Manifest> {
    let Body::Sublime(SublimeBody::Manifest(manifest)) = world.record(node, &item.id?)?.body()
    else {
        return None;
    };
    Some(manifest)
}

fn rotation(record: &Record) -> Option<&RotationNotice> {
    let Body::Sublime(SublimeBody::Rotation(notice)) = record.body() else {
        return None;
    };
    Some(notice)
}

/// Returns the newest sharing of an item that a node has a certificate of, by the records on its disk and the keys of the
/// committee alone.
fn newest(
    world: &World,
    checked: &mut Checked,
    node: u32,
    key: &PublicKey,
) -> Option<RotationShared> {
    let records = world.stored(node).iter();
    let notices = records.filter_map(|record| rotation(record.value()));
    let of_item = notices.filter(|notice| {
        let stated = notice.stated();
        stated.is_some_and(|stated| stated.item == *key) && notice.shared.is_some()
    });
    let certified = of_item.filter(|notice| checked.holds(world, node, &notice.certificate));
    certified
        .filter_map(|notice| notice.shared.clone())
        .max_by_key(|shared| shared.sharing.epoch)
}

impl Asked {
    /// Asks its node what was released, and opens it if it can.
    pub(super) fn look(&mut self, world: &mut World, item: &Item) {
        let Some(request) = self.id else { return };
        if let Some((at, command)) = self.shown {
            self.open(world, item, command);
            if world.now() < at + LOOK_EVERY || self.opened.is_some() {
                return;
            }
        }
        let command = Command::Sublime(SublimeCommand::Released(request));
        self.shown = Some((world.now(), world.command(self.by, command)));
    }

    fn open(&mut self, world: &World, item: &Item, command: x0_protocol::CommandId) {
        let (Some(request), Some(view)) = (self.id, world.released(command)) else {
            return;
        };
        self.parts = self.parts.max(view.parts.len());
        self.standing = view.request.standing.name();
        let Some(manifest) = manifest(world, self.by, item) else {
            return;
        };
        let key = item.key(world);
        let asked = opening::Asked {
            mesh: &view.mesh,
            request: &request,
            item: &key,
            sharing: &view.sharing,
            second: &manifest.second,
            committee: &view.committee,
        };
        let Ok(opened) = opening::open(asked, &self.secret(world), &view.parts) else {
            return;
        };
        let keys = ItemKeys::derive(&opened.secret, &opened.second, key.bytes());
        let about = keys.metadata.open(ABOUT, &manifest.about);
        self.opened = about.ok().map(|about| about.to_vec());
    }
}

impl Life {
    /// Whoever was granted an item reads it; for all other requests nothing was released at all.
    pub(super) fn requests_ended(&self) -> Finding {
        let mut opened = 0;
        let mut fault = None;
        for asked in &self.asked {
            let item = &self.items[asked.item];
            let fate = asked.fate;
            match (&asked.opened, asked.fate) {
                (Some(title), Fate::Granted) if *title == item.title() => opened += 1,
                (None, Fate::Denied | Fate::Forgotten) if asked.parts == 0 => {}
                (read, _) => {
                    let read = read.is_some();
                    let text = format!(
                        "request {} ({fate:?}, made: {}, voted: {}, {}): {} parts, opened: {read}",
                        asked.number,
                        asked.id.is_some(),
                        asked.vote.is_some(),
                        asked.standing,
                        asked.parts
                    );
                    fault = fault.or(Some(text));
                }
            }
        }
        finding(
            None,
            "what was granted opens for who asked, and for nothing else is anything released",
            fault.is_none() && opened > 0,
            fault.unwrap_or_else(|| {
                format!("{} requests, {opened} granted and opened", self.asked.len())
            }),
        )
    }

    /// Every item was dealt on once its shares were six months old, and every node knows by a certificate.
    pub(super) fn dealt_on(&self, world: &World) -> Finding {
        let mut epochs = Vec::new();
        let (mut fault, mut checked) = (None, Checked::default());
        for item in &self.items {
            let key = item.key(world);
            let of_nodes = (0..world.nodes()).map(|node| {
                let newest = newest(world, &mut checked, node, &key);
                newest.map_or(0, |shared| shared.sharing.epoch)
            });
            let (least, most) = of_nodes.fold((u32::MAX, 0), |(least, most), epoch| {
                (least.min(epoch), most.max(epoch))
            });
            epochs.push(most);
            if item.id.is_none() || least == 0 || least != most {
                fault = fault.or(Some(format!(
                    "item {}: put {}, epochs {least} to {most}",
                    item.number,
                    item.id.is_some()
                )));
            }
        }
        let twice = epochs.iter().filter(|epoch| **epoch > 1).count();
        finding(
            None,
            "every item was dealt on, and every node has the certificate of the same sharing",
            fault.is_none(),
            fault.unwrap_or_else(|| {
                format!("{} items, {twice} of them more than once", epochs.len())
            }),
        )
    }

    /// No node keeps a share of an epoch that is over, and enough keep one of that in force.
    pub(super) fn no_old_shares(&self, world: &World) -> Finding {
        let (mut kept, mut least, mut fault) = (0, usize::MAX, None);
        let mut checked = Checked::default();
        for item in &self.items {
            let key = item.key(world);
            let mut of_item = 0;
            for node in 0..world.nodes() {
                let Some(sublime) = world.sublime(node).filter(|kept| !kept.shares.is_empty())
                else {
                    continue;
                };
                let in_force = newest(world, &mut checked, node, &key);
                let in_force = in_force.map_or(0, |shared| shared.sharing.epoch);
                for share in sublime.shares.iter().filter(|share| share.item == key) {
                    let opens = world.open_share(node, share).is_some();
                    if share.epoch != in_force || !opens {
                        let epoch = share.epoch;
                        fault = fault.or(Some(format!(
                            "node {node} keeps a share of epoch {epoch} of item {}, {in_force} is in force; it opens: {opens}",
                            item.number
                        )));
                    }
                    of_item += 1;
                }
            }
            kept += of_item;
            least = least.min(of_item);
        }
        let enough = (0..self.items.len()).all(|item| self.threshold(world, item) <= least);
        finding(
            None,
            "only shares of the sharing in force are kept, and enough of each item",
            fault.is_none() && enough,
            fault.unwrap_or_else(|| format!("{kept} shares, of no item fewer than {least}")),
        )
    }

    /// Property 6: what a thief has gathered over the epochs, always one share too few, gives no secret under any sharing.
    pub(super) fn thefts_open_nothing(&self, world: &World) -> Finding {
        let mut fault = None;
        let mut epochs = BTreeSet::new();
        let mut gathered = 0;
        for item in self.thefts.iter().map(|theft| theft.item) {
            let thefts = self.thefts.iter().filter(|theft| theft.item == item);
            let shares: Vec<_> = thefts.flat_map(shares_of).collect();
            gathered = shares.len();
            let first =
                manifest(world, 0, &self.items[item]).map(|manifest| manifest.sharing.clone());
            let key = self.items[item].key(world);
            let records = world.stored(0).iter();
            let notices = records.filter_map(|record| {
                let notice = rotation(record.value())?;
                let is_its = notice.stated().is_some_and(|stated| stated.item == key);
                let shared = notice.shared.as_ref().filter(|_| is_its)?;
                Some(shared.sharing.clone())
            });
            let sharings: Vec<Sharing> = first.into_iter().chain(notices).collect();
            for sharing in sharings {
                epochs.insert(sharing.epoch);
                if combine(&sharing.commitments, &shares).is_ok() {
                    fault = Some(format!(
                        "{gathered} stolen shares combine in epoch {}",
                        sharing.epoch
                    ));
                }
            }
        }
        let when: Vec<_> = self
            .thefts
            .iter()
            .map(|theft| theft.at.0 / 1_000_000)
            .collect();
        finding(
            Some(6),
            "fewer shares of each epoch than it takes give no secret",
            fault.is_none() && gathered > 2,
            fault.unwrap_or_else(|| {
                format!(
                    "{gathered} shares taken at {when:?} s, tried under {} sharings",
                    epochs.len()
                )
            }),
        )
    }
}
