//! Orders to the swarm that must not be lost: who is let in, who is shut out, whom to dial.
//!
//! The run loop must not wait for the swarm, whose queue may be full while it waits for the loop's. So
//! these go to a task of their own that may wait. Their number is bounded by what causes them:
//! directory records, approved links, look-ups.

use tokio::sync::mpsc;
use x0_crypto::PublicKey;
use x0_net::{Multiaddr, NetHandle, PeerKey};

/// An order to the swarm.
#[derive(Debug)]
pub(super) enum Control {
    Admit(Vec<PublicKey>),
    Expel(PublicKey),
    Disconnect(PublicKey),
    Dial(PublicKey, Vec<Multiaddr>),
    Find(PublicKey),
}

/// The way to the task that passes orders on.
#[derive(Clone, Debug)]
pub(super) struct Controls(mpsc::UnboundedSender<Control>);

impl Controls {
    /// Starts the task; it ends when the last sender or the swarm is gone.
    pub(super) fn start(net: NetHandle) -> Self {
        let (orders, mut queue) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(order) = queue.recv().await {
                let key = |peer: PublicKey| PeerKey(*peer.bytes());
                let taken = match order {
                    Control::Admit(peers) => net.admit(peers.into_iter().map(key).collect()).await,
                    Control::Expel(peer) => net.expel(key(peer)).await,
                    Control::Disconnect(peer) => net.disconnect(key(peer)).await,
                    Control::Dial(peer, addresses) => net.dial(key(peer), addresses).await,
                    Control::Find(peer) => net.find(key(peer)).await,
                };
                if taken.is_err() {
                    return;
                }
            }
        });
        Self(orders)
    }

    /// Gives an order; after the swarm has stopped it has no effect.
    pub(super) fn give(&self, order: Control) {
        self.0.send(order).ok();
    }
}
