//! Votes that are held on Snapshot, the off-chain voting service of Ethereum communities: read and checked here, and
//! answered with signed messages.
//!
//! - [`message`]: what is signed, and its EIP-712 hash; [`envelope`]: a message with its signature, decoded and verified.
//! - [`hub`]: reads proposals and ballots from a hub's GraphQL and the signed envelopes from an IPFS gateway.
//! - [`check`]: what of a hub's ballots stands under a good signature, and how the choices were counted from them.
//! - [`sequencer`]: hands in own messages, signed with an [`EthereumKey`](crate::ethereum_key::EthereumKey).
//!
//! Nothing here is asked for by itself: it happens when a command names a hub, which then learns the caller's network
//! address unless a proxy stands between (`HTTPS_PROXY`, `ALL_PROXY`). The hub is not believed: a ballot counts only
//! if its envelope verifies. Weights come from the hub's look at a chain and are shown as the hub's word.

pub mod check;
pub mod envelope;
pub mod hub;
pub mod message;
pub mod sequencer;

#[cfg(test)]
mod tests;
