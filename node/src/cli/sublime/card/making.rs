//! Making recovery cards: what is asked before an item is put, whom a card names, and how it gets on paper.
//!
//! The words exist in this program's memory and in what it writes for paper, nowhere else; what it answers to programs has
//! none of them.

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;
use x0_crypto::{ContentId, OnionAddress, PublicKey, sublime::CardSeed};
use x0_protocol::{
    Millis, Wall,
    core::limits::{CARD_ONIONS_MAX, CARD_VETO_MAX},
    wire::{CardLabel, CardPage, CardTerms, Pinned, Reason},
};

use super::super::{
    super::{Context, client::Client, error::CliError},
    answers::parse,
};
use crate::{
    api::emergency::NodesView, emergency::card::Card, identity::write_private, sublime::unix_ms,
};

/// Fewer addresses than these on a card are too few to count on one that still answers in a year.
const FEW: usize = 5;
const HOUR_MS: u64 = 3_600_000;
const VETO_HOURS_MAX: u64 = CARD_VETO_MAX.0 / HOUR_MS;

/// Whether an item gets a recovery card, and what is said on it.
#[derive(Debug, Args)]
pub(in super::super) struct NewCardArgs {
    /// Make a recovery card, and write it to a new file as text for paper: it holds a secret. `-` writes it to the terminal
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
    /// Write the card to a new file as a drawing of one page, too
    #[arg(long, value_name = "FILE", requires = "card")]
    card_svg: Option<PathBuf>,
    /// What the item is, for jurors: ALL MEMBERS can read it
    #[arg(long, value_name = "TEXT", requires = "card")]
    card_label: Option<CardLabel>,
    /// When jurors should say yes: ALL MEMBERS can read it
    #[arg(long, value_name = "TEXT", requires = "card")]
    card_policy: Option<Reason>,
    /// Hours from the moment a jury is asked in which you can still revoke the card, and nothing opens [default: 0]
    #[arg(long, value_name = "HOURS", requires = "card", value_parser = clap::value_parser!(u64).range(0..=VETO_HOURS_MAX))]
    card_veto: Option<u64>,
}

/// A recovery card that is to be made with an item.
pub(in super::super) struct NewCard {
    text_to: Paper,
    svg_to: Option<PathBuf>,
    label: CardLabel,
    policy: Reason,
    veto: Millis,
    known: KnownNodes,
}

/// Where a card is written.
enum Paper {
    Terminal,
    File(PathBuf),
}

/// What a node knows that stands on a card's page.
pub(super) struct KnownNodes {
    pub(super) view: NodesView,
    pub(super) checkpoint: Pinned,
}

/// What a card was made of; nothing of it is secret.
#[derive(Serialize)]
pub(in super::super) struct CardMade {
    /// The key that it signs with.
    key: String,
    /// How many nodes it names.
    addresses: usize,
    /// The files that hold it, words and all.
    files: Vec<PathBuf>,
}

impl NewCardArgs {
    /// Looks before anything is put whether a card can be made and written; none if none is wanted.
    pub(in super::super) async fn plan(
        &self,
        context: &Context,
    ) -> Result<Option<NewCard>, CliError> {
        let Some(text_to) = &self.card else {
            return Ok(None);
        };
        let text_to = match text_to.as_os_str() == "-" {
            true if context.output.is_json() => {
                let text = "a card has no place in an answer for programs: name a file with --card";
                return Err(CliError::Usage(text.to_owned()));
            }
            true => Paper::Terminal,
            false => Paper::File(text_to.clone()),
        };
        if let Paper::File(path) = &text_to {
            check_new(path)?;
        }
        if let Some(path) = &self.card_svg {
            check_new(path)?;
        }
        let known = KnownNodes::ask(&context.client()?).await?;
        known.warn(context);
        Ok(Some(NewCard {
            text_to,
            svg_to: self.card_svg.clone(),
            label: match &self.card_label {
                Some(label) => label.clone(),
                None => "".parse().map_err(CliError::Failed)?,
            },
            policy: match &self.card_policy {
                Some(policy) => policy.clone(),
                None => Reason::shortened(""),
            },
            veto: Millis(self.card_veto.unwrap_or_default() * HOUR_MS),
            known,
        }))
    }
}

fn check_new(path: &Path) -> Result<(), CliError> {
    match path.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => Err(CliError::Usage(format!(
            "{} exists already, and a card is written over nothing: name another file",
            path.display()
        ))),
        Err(cause) => Err(CliError::Usage(format!("{}: {cause}", path.display()))),
    }
}

impl KnownNodes {
    /// Asks which nodes are reached over Tor.
    ///
    /// # Errors
    ///
    /// Says that there is none, or that the mesh has no committee yet.
    pub(super) async fn ask(client: &Client) -> Result<Self, CliError> {
        let view: NodesView = client.get("/v1/emergency/nodes").await?;
        if view.nodes.is_empty() {
            return Err(CliError::Failed(format!(
                "no card is made, for there is nobody to call: no member has said that its node is reached over Tor. Members switch \
                 that on with `emergency.onion = true` in their settings, and start their node anew; guardians first of all. \
                 This node's own service: {}",
                view.own.status
            )));
        }
        let Some(pinned) = &view.checkpoint else {
            return Err(CliError::Failed(
                "no card is made yet: no checkpoint of the committee is known here. `x0 status` tells when there is one".to_owned(),
            ));
        };
        let checkpoint = Pinned {
            height: pinned.height,
            id: parse("checkpoint", &pinned.id)?,
        };
        Ok(Self { view, checkpoint })
    }

    /// Says plainly that a card names few nodes.
    pub(super) fn warn(&self, context: &Context) {
        let count = self.view.nodes.len();
        if count < FEW {
            context.output.note(&format!(
                "The card will name {count} of the {FEW} nodes or more that it should: if these go away, nobody is reached by it. \
                 Members switch their onion service on with `emergency.onion = true` in their settings; afterwards `x0 sublime \
                 card reissue ITEM` makes a page that names more, for the same words."
            ));
        }
    }

    /// Makes the page of a card for an item.
    pub(super) fn page(
        &self,
        (mesh, item): (ContentId, ContentId),
        key: PublicKey,
        label: CardLabel,
    ) -> Result<CardPage, CliError> {
        let onions = chosen(&self.view, &key)?;
        let onions = onions.try_into();
        Ok(CardPage {
            mesh,
            item,
            key,
            checkpoint: self.checkpoint,
            onions: onions.map_err(|error| CliError::Failed(format!("{error}")))?,
            label,
            made: Wall(unix_ms()),
        })
    }
}

/// Chooses whom a card names: one of each first-level invite subtree before a second of any, so that one person who invited
/// many does not stand behind all. Which of a subtree follows from the card's key, so that cards differ and a page made anew
/// names the same as far as they are still there. This node comes last: where its owner is in danger it goes first.
fn chosen(view: &NodesView, key: &PublicKey) -> Result<Vec<OnionAddress>, CliError> {
    let is_own = |address: &String| view.own.address.as_ref() == Some(address);
    let mut subtrees: BTreeMap<&str, Vec<(ContentId, &str)>> = BTreeMap::new();
    for node in view.nodes.iter().filter(|node| !is_own(&node.address)) {
        let place = ContentId::of(&[key.bytes().as_slice(), node.member.as_bytes()].concat());
        let subtree = subtrees.entry(&node.subtree).or_default();
        subtree.push((place, &node.address));
    }
    let mut queues: Vec<VecDeque<_>> = subtrees
        .into_values()
        .map(|mut nodes| {
            nodes.sort();
            VecDeque::from(nodes)
        })
        .collect();
    queues.sort();
    let mut chosen: Vec<&str> = Vec::new();
    while queues.iter().any(|queue| !queue.is_empty()) {
        let round = queues.iter_mut().filter_map(VecDeque::pop_front);
        chosen.extend(round.map(|(_, address)| address));
    }
    let own = view.nodes.iter().find(|node| is_own(&node.address));
    chosen.extend(own.map(|node| node.address.as_str()));
    let chosen = chosen.into_iter().take(CARD_ONIONS_MAX);
    chosen.map(|address| parse("address", address)).collect()
}

impl NewCard {
    /// Returns what the item's manifest says of the card.
    pub(in super::super) fn terms(&self, seed: &CardSeed, committee: ContentId) -> CardTerms {
        CardTerms {
            key: seed.signer().public(),
            committee,
            label: Reason::shortened(self.label.as_str()),
            policy: self.policy.clone(),
            veto: self.veto,
        }
    }

    /// Writes the card of an item that is known.
    pub(in super::super) fn make(
        &self,
        context: &Context,
        item: (ContentId, ContentId),
        seed: &CardSeed,
    ) -> Result<CardMade, CliError> {
        let key = seed.signer().public();
        let page = self.known.page(item, key, self.label.clone())?;
        let card = Card::new(&page, seed).map_err(|error| CliError::Failed(error.to_string()))?;
        let mut files = Vec::new();
        let write = |path: &PathBuf, text: &str| {
            let written = write_private(path, text.as_bytes());
            written.map_err(|error| CliError::Failed(error.to_string()))
        };
        let text = card.text();
        match &self.text_to {
            Paper::Terminal => context.output.raw(&text)?,
            Paper::File(path) => {
                write(path, &text)?;
                files.push(path.clone());
            }
        }
        if let Some(path) = &self.svg_to {
            write(path, &card.svg(false))?;
            files.push(path.clone());
        }
        Ok(CardMade {
            key: key.to_string(),
            addresses: page.onions.as_slice().len(),
            files,
        })
    }
}

impl CardMade {
    /// Tells a person what to do with the card.
    pub(in super::super) fn told(&self) -> String {
        let wherever = match self.files.is_empty() {
            true => "stands above, and nowhere else: copy it on paper now".to_owned(),
            false => {
                let files = self.files.iter().map(|path| path.display().to_string());
                let files: Vec<_> = files.collect();
                format!(
                    "is in {}: print it, compare the print word by word, and destroy the file (`shred -u`), which opens half of the item",
                    files.join(" and ")
                )
            }
        };
        format!(
            "The recovery card {wherever}. It names {} nodes. Nobody makes it again: whoever loses it puts the file anew. \
             `x0 sublime card check FILE` looks after its page, every six months.",
            self.addresses
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use x0_crypto::Identity;
    use zeroize::Zeroizing;

    use super::*;
    use crate::api::emergency::{OnionNodeView, OwnServiceView};

    fn address(node: u8) -> String {
        OnionAddress::from_key([node; 32]).to_string()
    }

    /// Nodes with the subtree of each; the first is this one.
    fn view(subtrees: &[&str]) -> NodesView {
        let nodes = (0..).zip(subtrees).map(|(node, subtree)| OnionNodeView {
            member: format!("member {node}"),
            address: address(node),
            subtree: (*subtree).to_owned(),
        });
        NodesView {
            nodes: nodes.collect(),
            own: OwnServiceView {
                address: Some(address(0)),
                status: "up".to_owned(),
                reached_secs_ago: None,
            },
            checkpoint: None,
        }
    }

    fn key(seed: u8) -> PublicKey {
        Identity::from_seed(Zeroizing::new([seed; 32])).public()
    }

    fn names(view: &NodesView, seed: u8) -> Vec<String> {
        let chosen = chosen(view, &key(seed)).unwrap();
        chosen.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_card_names_each_subtree_before_a_second_node_of_any() {
        let mut subtrees = vec!["many"; 20];
        subtrees.extend(["one", "two", "three"]);
        let view = view(&subtrees);

        for seed in 1..20 {
            let names = names(&view, seed);
            assert_eq!(names.len(), CARD_ONIONS_MAX);
            let distinct: BTreeSet<_> = names.iter().collect();
            assert_eq!(distinct.len(), names.len());
            for node in 20..23 {
                assert!(names[..4].contains(&address(node)), "{names:?}");
            }
        }
        assert_ne!(names(&view, 1), names(&view, 2), "cards differ");
        assert_eq!(names(&view, 1), names(&view, 1));
    }

    #[test]
    fn this_node_is_named_last_and_only_if_there_is_room() {
        let few = view(&["a", "a", "b"]);
        let crowded = view(&["a"; 9]);

        for seed in 1..20 {
            let names_few = names(&few, seed);
            assert_eq!(names_few.len(), 3);
            assert_eq!(names_few.last(), Some(&address(0)));
            assert!(!names(&crowded, seed).contains(&address(0)));
        }
        assert_eq!(names(&view(&["a"]), 1), [address(0)]);
    }
}
