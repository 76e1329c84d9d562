//! Sublime: content that survives, and opens only when it should.
//!
//! Content is encrypted by its author under a key of two parts. Guardians share the first, the committee opens the second;
//! neither can do without the other, and both wait for a vote. What is here knows no secret: it says who guards what
//! ([`draw`]), what is known of items and requests ([`known`]), what is kept for others ([`shares`]), who was asked to serve
//! ([`invitations`]), and how encrypted content lies in blocks ([`content`]).

pub mod calling;
pub mod content;
pub mod draw;
pub mod invitations;
pub mod known;
pub mod opening;
pub mod putting;
pub mod shares;
