//! What a put came to, for programs and for people.

use serde::Serialize;

use super::{
    super::output::bytes,
    card::CardMade,
    safety::{Safety, how_safe},
};
use crate::{api::sublime::ItemView, sublime::Policy};

/// What was put.
#[derive(Serialize)]
pub(super) struct PutView {
    #[serde(flatten)]
    pub(super) safety: Safety,
    pub(super) content: String,
    pub(super) bytes: u64,
    pub(super) shares_needed: u8,
    pub(super) guardians: usize,
    pub(super) of: u8,
    pub(super) subtrees: usize,
    /// The recovery card, if one was made; never its words.
    pub(super) card: Option<CardMade>,
}

impl PutView {
    /// Returns what is known of an item that was made known before.
    pub(super) fn of_known(
        item: ItemView,
        bytes: u64,
        policy: Policy,
        card: Option<CardMade>,
    ) -> Self {
        Self {
            safety: Safety::of(item.item, policy, Vec::new()),
            content: item.content,
            bytes,
            shares_needed: item.shares_needed,
            guardians: item.guardians.into(),
            of: item.guardians,
            // Who was drawn stands in the sealed description alone.
            subtrees: item.guardians.into(),
            card,
        }
    }
}

/// Tells a person what was put, and how safe it is.
pub(super) fn text(put: &PutView) -> String {
    let mut text = format!(
        "item {}\n\n{} are sealed. Any {} of the {} guardians who keep a share can open it together with the \
         committee, once a vote has granted a request; nobody else, and not you alone.",
        put.safety.item,
        bytes(put.bytes),
        put.shares_needed,
        put.guardians
    );
    if put.subtrees < put.guardians {
        text.push_str(&format!(
            "\nThe guardians came in through {} first-level invites only: whoever stands behind one of these may \
             hold several shares.",
            put.subtrees
        ));
    }
    if let Some(card) = &put.card {
        text.push_str("\n\n");
        text.push_str(&card.told());
    }
    text.push_str("\n\n");
    text.push_str(&how_safe(&put.safety));
    text
}
