//! The rules of an x0 mesh, as one pure state machine.
//!
//! A [`Peer`] is everything a participant knows and does. It has one way in, [`Peer::handle`], and
//! one way out, the [`Outbox`]; it owns no clock, no randomness, no sockets, no files and no threads.
//! A *driver* owns those: the node drives a peer with libp2p and RocksDB, the simulator drives a
//! hundred thousand of the same peers with a virtual network. A result in the simulator therefore
//! speaks about the shipped binary.
//!
//! The run loop of every driver is the same:
//!
//! 1. Turn what happened into an [`Input`] and call [`Peer::handle`] with the present [`Now`].
//! 2. Perform every [`Effect`] found in the outbox. Effects that carry an id are answered later by
//!    the input of the same id ([`Effect::Check`] by [`Input::Checked`], and so on).
//! 3. Call [`Peer::next_deadline`] and hand in [`Input::Wake`] no earlier than that.
//!
//! A driver decides nothing. If performing an effect seems to need a rule, the rule belongs here.
//!
//! Remote data is decoded ([`wire::decode_record`]) before it comes in, is `Unverified` until a
//! [`Job`] has checked its signature, and takes effect only as `Verified`. Only the step that earns
//! a type can construct it, so that skipping a step does not compile.

pub mod anti_meave;
pub mod charter;
pub mod core;
pub mod peer;
pub mod spine;
pub mod sublime;
pub mod wire;

pub use crate::core::{
    command::{Command, CommandError, Reply},
    effect::{Deadline, Effect, MessageVerdict, Outbox, Why, Write},
    event::Event,
    ids::{CommandId, JobId, MessageId, RequestId, RequestToken},
    input::Input,
    job::{Job, Verdict},
    time::{Millis, Mono, Now, Wall},
};
pub use crate::peer::{Peer, PeerConfig, Stored};
