//! Tor in the process itself, over arti: onion services that this node offers, and circuits to those of others.
//!
//! Nothing leaves by an exit: [`Circuits::connect`] takes the address of an onion service and nothing else. Circuits of
//! two [`Tor::isolated`] share no path that would tie what goes over one to what goes over the other. With bridges the
//! process speaks to these alone.
//!
//! [`Settings`] are checked before anything starts; [`Tor::start`] reports how far it is, gives up by itself and says in
//! [`TorError`] what to do. One process at a time uses a folder of state. Everything ends when the [`Tor`] and all that
//! came from it are dropped.
//!
//! What is said over a stream, and to whom an address belongs, is not known here.

mod circuits;
mod error;
mod lock;
mod obstacle;
mod runtime;
mod service;
mod settings;
mod stream;
mod tor;

pub use circuits::Circuits;
pub use error::TorError;
pub use service::{Service, ServiceStatus};
pub use settings::{Network, Settings, SettingsError};
pub use stream::Stream;
pub use tor::{Progress, Tor};
