//! The one implementation of TLS for connections to web servers.

/// Names ring as what TLS is made with, once for the whole program.
///
/// To be called before a web client is made: without it a client finds no implementation and cannot be made.
pub(crate) fn ready() {
    // An error says that it was named before, which is as good.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
}
