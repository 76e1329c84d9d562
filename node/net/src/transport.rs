//! The transports: TCP with TLS 1.3 and yamux, QUIC, circuits through relays, names by DNS.
//!
//! libp2p-tls speaks TLS 1.3 only, and so does QUIC; there is no other encryption and no plain
//! text. The DNS resolver contacts nobody until an address with a name is dialled.

use std::{sync::Arc, time::Duration};

use libp2p::{
    PeerId, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, OptionalTransport},
        upgrade::Version,
    },
    dns, identity, quic, relay, tcp, tls, yamux,
};
use tracing::warn;

use crate::{
    config::NetConfig,
    error::NetError,
    traffic::{CountedMuxer, Counters},
};

/// A transport that authenticates and multiplexes.
pub(crate) type PeerTransport = Boxed<(PeerId, StreamMuxerBox)>;

/// How long a handshake may take: ten round trips on a bad satellite link.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Builds the transports of the configuration, and the relay client if NAT help is wanted.
pub(crate) fn build(
    config: &NetConfig,
    keypair: &identity::Keypair,
) -> Result<(PeerTransport, Option<relay::client::Behaviour>), NetError> {
    let direct = with_names(|| direct(config, keypair))?;
    if !config.nat {
        return Ok((direct, None));
    }
    let (circuits, client) = relay::client::new(keypair.public().to_peer_id());
    let circuits = circuits
        .upgrade(Version::V1Lazy)
        .authenticate(tls_config(keypair)?)
        .multiplex(yamux::Config::default())
        .timeout(HANDSHAKE_TIMEOUT);
    let either = circuits.or_transport(direct).map(|either, _| match either {
        futures::future::Either::Left((peer, muxer)) => (peer, StreamMuxerBox::new(muxer)),
        futures::future::Either::Right(done) => done,
    });
    Ok((either.boxed(), Some(client)))
}

/// Counts the bytes of a transport's streams.
pub(crate) fn counted(transport: PeerTransport, counters: Arc<Counters>) -> PeerTransport {
    transport
        .map(move |(peer, muxer), _| {
            (
                peer,
                StreamMuxerBox::new(CountedMuxer::new(muxer, Arc::clone(&counters))),
            )
        })
        .boxed()
}

fn direct(config: &NetConfig, keypair: &identity::Keypair) -> Result<PeerTransport, NetError> {
    let tls = tls_config(keypair)?;
    let tcp = config.tcp.then(|| {
        tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
            .upgrade(Version::V1Lazy)
            .authenticate(tls)
            .multiplex(yamux::Config::default())
            .timeout(HANDSHAKE_TIMEOUT)
            .boxed()
    });
    let quic = config.quic.then(|| {
        quic::tokio::Transport::new(quic::Config::new(keypair))
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
            .boxed()
    });
    let either = optional(tcp)
        .or_transport(optional(quic))
        .map(|either, _| either.into_inner());
    Ok(either.boxed())
}

fn optional(transport: Option<PeerTransport>) -> OptionalTransport<PeerTransport> {
    transport.map_or_else(OptionalTransport::none, OptionalTransport::some)
}

/// Adds name resolution by the system's settings; without such settings names cannot be dialled.
fn with_names(
    build: impl Fn() -> Result<PeerTransport, NetError>,
) -> Result<PeerTransport, NetError> {
    match dns::tokio::Transport::system(build()?) {
        Ok(named) => Ok(named.boxed()),
        Err(error) => {
            warn!(%error, "no DNS settings on this system: addresses with names cannot be dialled");
            build()
        }
    }
}

fn tls_config(keypair: &identity::Keypair) -> Result<tls::Config, NetError> {
    tls::Config::new(keypair).map_err(|error| NetError::Setup {
        part: "TLS",
        reason: error.to_string(),
    })
}
