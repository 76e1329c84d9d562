//! What a member's device does when the committee cannot be reached any more.
//!
//! - [`card`]: the recovery card on paper: how it is written, and how its page is read again.

pub mod card;
