//! Correlation ids: every question that is answered later carries one.
//!
//! Ids made by the peer ([`JobId`], [`RequestId`]) are never reused within a process. Ids made by
//! the driver ([`CommandId`], [`RequestToken`], [`MessageId`]) are opaque to the peer and come back
//! unchanged.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);
    };
}

id! {
    /// Names one piece of local work: a check, a signature, a write, an execution.
    JobId
}
id! {
    /// Names one request this peer sent to another.
    RequestId
}
id! {
    /// Names one command of the local user, chosen by the driver.
    CommandId
}
id! {
    /// Names one request another peer sent here, chosen by the driver; the answer carries it back.
    RequestToken
}
id! {
    /// Names one gossip message awaiting its validation report, chosen by the driver.
    MessageId
}
