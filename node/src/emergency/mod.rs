//! Emergencies: a person in danger calls for an item with its recovery card, over Tor, from a device that belongs to nobody.
//!
//! - [`card`]: the recovery card on paper: how it is written, and how its page is read again.
//! - [`Desk`] answers devices on a node; [`hosting`] keeps the node's onion service up, by which they come.
//! - [`device`] is the other side: the way of a call, on the device.
//! - [`mod@line`] is how they speak, [`tor_file`] says how Tor is reached.
//!
//! Who may have what is decided in `x0_protocol`: by the jury's ballots at each guardian's node, and by what follows from the
//! card at the device.

pub mod card;
mod desk;
pub mod device;
pub mod hosting;
pub mod line;
pub mod tor_file;

pub use desk::Desk;
