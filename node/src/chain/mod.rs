//! The charter contract on a chain of the EVM: deployed, read, and changed by the signatures of its committee.
//!
//! - [`charter`]: the contract as it is asked; [`image`]: a charter as it is loaded there; [`violation`]: its register.
//! - [`act`]: what a committee decides, signed by its members one after the other in a file, and handed in by anybody.
//! - [`rpc`]: a chain's node; [`transaction`] and [`account`]: what is sent there, signed here, paid for and waited for.
//! - [`error`]: what can go wrong, the contract's own refusals in words.
//!
//! No node of a mesh talks to a chain: it happens when a command names a chain's node, which then learns the caller's
//! network address and what it asks. That node is not believed where it matters: transactions and acts are signed here,
//! for a chain and a contract that are named in them, and what they may cost is bounded. What it answers about the
//! contract is its word; who needs to be sure asks a node of their own.
//!
//! The contract is `node/contracts`; its interface there is what this client is generated from.

mod abi;
pub mod account;
pub mod act;
pub mod charter;
pub mod error;
pub mod image;
pub mod rpc;
pub mod transaction;
pub mod violation;
