//! The table of keys: for each its name, default, what it may be, what it does, and when a change counts.

use std::fmt;

use super::fault::Range;

/// A key of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// `network.listen`
    NetworkListen,
    /// `network.external`
    NetworkExternal,
    /// `network.bootstrap`
    NetworkBootstrap,
    /// `network.lan`
    NetworkLan,
    /// `network.relay_server`
    NetworkRelayServer,
    /// `network.connections_max`
    NetworkConnectionsMax,
    /// `api.unix_socket`
    ApiUnixSocket,
    /// `api.http`
    ApiHttp,
    /// `api.rate_per_second`
    ApiRatePerSecond,
    /// `api.body_bytes_max`
    ApiBodyBytesMax,
    /// `store.max_bytes`
    StoreMaxBytes,
    /// `acts.cosign`
    ActsCosign,
    /// `charter.probe`
    CharterProbe,
    /// `charter.probe_socket`
    CharterProbeSocket,
    /// `charter.probe_users`
    CharterProbeUsers,
    /// `charter.probe_listen`
    CharterProbeListen,
    /// `gateway.listen`
    GatewayListen,
    /// `gateway.targets`
    GatewayTargets,
    /// `gateway.scrape_secs`
    GatewayScrapeSecs,
    /// `sublime.listen`
    SublimeListen,
    /// `sublime.copies`
    SublimeCopies,
    /// `sublime.audit_secs`
    SublimeAuditSecs,
    /// `emergency.onion`
    EmergencyOnion,
    /// `emergency.tor_file`
    EmergencyTorFile,
    /// `emergency.listen`
    EmergencyListen,
    /// `sublime.arweave.gateway`
    ArweaveGateway,
    /// `sublime.arweave.proxy`
    ArweaveProxy,
    /// `sublime.arweave.key_file`
    ArweaveKeyFile,
    /// `sublime.arweave.bundler`
    ArweaveBundler,
    /// `sublime.arweave.price_max`
    ArweavePriceMax,
    /// `sublime.sia.indexer`
    SiaIndexer,
    /// `sublime.sia.key_file`
    SiaKeyFile,
    /// `log.format`
    LogFormat,
    /// `log.filter`
    LogFilter,
    /// `telemetry.otlp_endpoint`
    TelemetryOtlpEndpoint,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A list of texts; in variables and flags, separated by commas.
    List,
    /// A text.
    Text,
    /// true or false.
    Bool,
    /// A whole number.
    Number,
    /// A whole number of bytes, or a text with a unit.
    Bytes,
}

/// What the table says about a key.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) default: &'static str,
    pub(super) meaning: &'static str,
    pub(super) allowed: Range,
    /// Whether a reload changes it while the node runs.
    pub(super) live: bool,
}

impl Key {
    /// Every key, in the order of the file.
    pub const ALL: [Self; 35] = [
        Self::NetworkListen,
        Self::NetworkExternal,
        Self::NetworkBootstrap,
        Self::NetworkLan,
        Self::NetworkRelayServer,
        Self::NetworkConnectionsMax,
        Self::ApiUnixSocket,
        Self::ApiHttp,
        Self::ApiRatePerSecond,
        Self::ApiBodyBytesMax,
        Self::StoreMaxBytes,
        Self::ActsCosign,
        Self::CharterProbe,
        Self::CharterProbeSocket,
        Self::CharterProbeUsers,
        Self::CharterProbeListen,
        Self::GatewayListen,
        Self::GatewayTargets,
        Self::GatewayScrapeSecs,
        Self::SublimeListen,
        Self::SublimeCopies,
        Self::SublimeAuditSecs,
        Self::EmergencyOnion,
        Self::EmergencyTorFile,
        Self::EmergencyListen,
        Self::ArweaveGateway,
        Self::ArweaveProxy,
        Self::ArweaveKeyFile,
        Self::ArweaveBundler,
        Self::ArweavePriceMax,
        Self::SiaIndexer,
        Self::SiaKeyFile,
        Self::LogFormat,
        Self::LogFilter,
        Self::TelemetryOtlpEndpoint,
    ];

    /// Returns the name in the file: section, dot, key.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns the name of the environment variable.
    pub fn variable(self) -> String {
        format!("X0_{}", self.name().replace('.', "_").to_uppercase())
    }

    /// Returns what the key does.
    pub const fn meaning(self) -> &'static str {
        self.row().meaning
    }

    /// Returns what values it may have.
    pub fn allowed(self) -> String {
        self.row().allowed.to_string()
    }

    /// Tells whether a reload changes it while the node runs.
    pub const fn is_live(self) -> bool {
        self.row().live
    }

    pub(super) const fn row(self) -> Row {
        match self {
            Self::NetworkListen => Row {
                name: "network.listen",
                shape: Shape::List,
                default: "/ip4/0.0.0.0/tcp/4700,/ip4/0.0.0.0/udp/4700/quic-v1",
                meaning: "Addresses to listen on; an empty list makes a node that only dials.",
                allowed: Range::Words(
                    "up to 16 addresses such as /ip4/0.0.0.0/tcp/4700 or /ip6/::/udp/4700/quic-v1",
                ),
                live: false,
            },
            Self::NetworkExternal => Row {
                name: "network.external",
                shape: Shape::List,
                default: "",
                meaning: "Addresses at which others reach this node, such as those of a router that forwards a port.",
                allowed: Range::Words("up to 16 addresses such as /ip4/203.0.113.7/tcp/4700"),
                live: false,
            },
            Self::NetworkBootstrap => Row {
                name: "network.bootstrap",
                shape: Shape::List,
                default: "",
                meaning: "Members to connect to at a start, besides those the node remembers.",
                allowed: Range::Words(
                    "up to 64 addresses that end with /p2p/ and a peer id, such as /dns4/mesh.example/tcp/4700/p2p/12D3KooW…",
                ),
                live: true,
            },
            Self::NetworkLan => Row {
                name: "network.lan",
                shape: Shape::Bool,
                default: "false",
                meaning: "Whether to announce this node on the local network (mDNS) and look for others there.",
                allowed: Range::Words("true or false"),
                live: false,
            },
            Self::NetworkRelayServer => Row {
                name: "network.relay_server",
                shape: Shape::Bool,
                default: "false",
                meaning: "Whether to carry connections between members that cannot reach each other.",
                allowed: Range::Words("true or false"),
                live: false,
            },
            Self::NetworkConnectionsMax => Row {
                name: "network.connections_max",
                shape: Shape::Number,
                default: "256",
                meaning: "Most connections opened by others, and as many opened by this node.",
                allowed: Range::Numbers(8, 4096),
                live: false,
            },
            Self::ApiUnixSocket => Row {
                name: "api.unix_socket",
                shape: Shape::Text,
                default: "x0.sock",
                meaning: "The socket by which `x0` commands reach the node; relative to the data directory.",
                allowed: Range::Words("a path of at most 107 bytes"),
                live: false,
            },
            Self::ApiHttp => Row {
                name: "api.http",
                shape: Shape::Text,
                default: "127.0.0.1:0",
                meaning: "Where API and dashboard are served; port 0 lets the system choose, \"off\" serves neither.",
                allowed: Range::Words(
                    "a loopback address with a port, such as 127.0.0.1:4780, or off",
                ),
                live: false,
            },
            Self::ApiRatePerSecond => Row {
                name: "api.rate_per_second",
                shape: Shape::Number,
                default: "50",
                meaning: "Most calls in a second by one caller of the API.",
                allowed: Range::Numbers(1, 10_000),
                live: true,
            },
            Self::ApiBodyBytesMax => Row {
                name: "api.body_bytes_max",
                shape: Shape::Bytes,
                default: "1 MiB",
                meaning: "Largest body of a call to the API.",
                allowed: Range::Bytes(1 << 10, 16 << 20),
                live: true,
            },
            Self::StoreMaxBytes => Row {
                name: "store.max_bytes",
                shape: Shape::Bytes,
                default: "4 GiB",
                meaning: "Most space the store takes on disk; an eighth of it is kept for this node's own records.",
                allowed: Range::Bytes(crate::store::MAX_BYTES_MIN, 16 << 40),
                live: true,
            },
            Self::ActsCosign => Row {
                name: "acts.cosign",
                shape: Shape::Text,
                default: "ask",
                meaning: "What the node does when the committee's beacon draws it to co-sign or approve an act: ask a person, or decide alone.",
                allowed: Range::Words("ask, approve or refuse"),
                live: false,
            },
            Self::CharterProbe => Row {
                name: "charter.probe",
                shape: Shape::Text,
                default: "follow",
                meaning: "Whether the node loads each charter that comes into force into the kernel, by the helper that it owns; a policy that somebody wrote by hand is left alone.",
                allowed: Range::Words("follow or manual"),
                live: false,
            },
            Self::CharterProbeSocket => Row {
                name: "charter.probe_socket",
                shape: Shape::Text,
                default: "/run/x0-probe/probe.sock",
                meaning: "The socket on which the helper x0-probe answers.",
                allowed: Range::Words("an absolute path of at most 107 bytes"),
                live: false,
            },
            Self::CharterProbeUsers => Row {
                name: "charter.probe_users",
                shape: Shape::List,
                default: "",
                meaning: "Who may start programs under the rules of a service; services left out keep the users of the policy before.",
                allowed: Range::Words(
                    "up to 64 pairs of a service and the number of a user other than root, such as exporter=990",
                ),
                live: false,
            },
            Self::CharterProbeListen => Row {
                name: "charter.probe_listen",
                shape: Shape::List,
                default: "",
                meaning: "Ports that the programs of a service may serve on; services left out keep the ports of the policy before.",
                allowed: Range::Words(
                    "up to 64 pairs of a service and a port with its protocol, such as exporter=9100/tcp",
                ),
                live: false,
            },
            Self::GatewayListen => Row {
                name: "gateway.listen",
                shape: Shape::Text,
                default: "charter",
                meaning: "Where the node takes telemetry from programs of this machine and shows it: by UDP for StatsD, by TCP for HTTP.",
                allowed: Range::Words(
                    "charter for the gateway's address in the charter, a loopback address such as 127.0.0.1:8125, or off",
                ),
                live: false,
            },
            Self::GatewayTargets => Row {
                name: "gateway.targets",
                shape: Shape::List,
                default: "",
                meaning: "Prometheus exporters that the gateway fetches from, each with the name of the node it stands on; self is this node.",
                allowed: Range::Words(
                    "up to 64 pairs of a name and an http:// address, such as self=http://127.0.0.1:9464/metrics",
                ),
                live: false,
            },
            Self::GatewayScrapeSecs => Row {
                name: "gateway.scrape_secs",
                shape: Shape::Number,
                default: "30",
                meaning: "Time between two visits of a target, in seconds.",
                allowed: Range::Numbers(1, 3_600),
                live: false,
            },
            Self::SublimeListen => Row {
                name: "sublime.listen",
                shape: Shape::List,
                default: "/ip4/0.0.0.0/tcp/0",
                meaning: "Addresses at which the IPFS node of Sublime gives content to others; an empty list makes one that only fetches.",
                allowed: Range::Words(
                    "up to 16 addresses such as /ip4/0.0.0.0/tcp/4701 or /ip6/::/udp/4701/quic-v1",
                ),
                live: false,
            },
            Self::SublimeCopies => Row {
                name: "sublime.copies",
                shape: Shape::Number,
                default: "5",
                meaning: "How many nodes must hold an item's content before it is called safe; of an item with fewer guardians, all of them.",
                allowed: Range::Numbers(1, 32),
                live: false,
            },
            Self::SublimeAuditSecs => Row {
                name: "sublime.audit_secs",
                shape: Shape::Number,
                default: "21600",
                meaning: "Time between two audits of an item that this node keeps, in seconds: its own copy is checked, and who else holds it is counted.",
                allowed: Range::Numbers(10, 2_592_000),
                live: false,
            },
            Self::EmergencyOnion => Row {
                name: "emergency.onion",
                shape: Shape::Bool,
                default: "false",
                meaning: "Whether this node has an onion service, by which people in danger reach it with a recovery card. It brings Tor up.",
                allowed: Range::Words("true or false"),
                live: false,
            },
            Self::EmergencyTorFile => Row {
                name: "emergency.tor_file",
                shape: Shape::Text,
                default: "off",
                meaning: "How Tor is reached: bridges, a pluggable transport, or another network; relative to the data directory. Off is the public network, reached directly.",
                allowed: Range::Words("off, or a file such as tor.toml"),
                live: false,
            },
            Self::EmergencyListen => Row {
                name: "emergency.listen",
                shape: Shape::Text,
                default: "off",
                meaning: "Where people in danger are served for an onion service of your own, run by another Tor on this machine.",
                allowed: Range::Words("off, or a loopback address such as 127.0.0.1:9173"),
                live: false,
            },
            Self::ArweaveGateway => Row {
                name: "sublime.arweave.gateway",
                shape: Shape::Text,
                default: "off",
                meaning: "The gateway of Arweave that content is read from when the mesh does not give it; it learns the address of who asks, and for what.",
                allowed: Range::Words(
                    "off, an https:// address such as https://arweave.net, or an http:// address on this machine",
                ),
                live: false,
            },
            Self::ArweaveProxy => Row {
                name: "sublime.arweave.proxy",
                shape: Shape::Text,
                default: "off",
                meaning: "A proxy for all that is asked of gateway and bundler; if off, that of the environment.",
                allowed: Range::Words("off, or an address such as socks5h://127.0.0.1:9050"),
                live: false,
            },
            Self::ArweaveKeyFile => Row {
                name: "sublime.arweave.key_file",
                shape: Shape::Text,
                default: "off",
                meaning: "The key that signs and pays what this node's user has kept on Arweave, readable by its owner only; relative to the data directory. Without one this node only reads there.",
                allowed: Range::Words(
                    "off, or a file with an Arweave wallet, or for a bundler with an Ethereum key of `x0 chain new-key`",
                ),
                live: false,
            },
            Self::ArweaveBundler => Row {
                name: "sublime.arweave.bundler",
                shape: Shape::Text,
                default: "off",
                meaning: "A bundler at which the key has credit; if off, the wallet pays for a transaction for each block.",
                allowed: Range::Words(
                    "off, or the address that items are posted to, such as https://upload.ardrive.io/v1/tx",
                ),
                live: false,
            },
            Self::ArweavePriceMax => Row {
                name: "sublime.arweave.price_max",
                shape: Shape::Number,
                default: "10000000000",
                meaning: "The most that the wallet pays for one block of 256 KiB, in winston (10^-12 AR).",
                allowed: Range::Numbers(1, 1_000_000_000_000_000),
                live: false,
            },
            Self::SiaIndexer => Row {
                name: "sublime.sia.indexer",
                shape: Shape::Text,
                default: "off",
                meaning: "The indexer that holds this node's account with Sia, for a program that was built with it.",
                allowed: Range::Words("off, or an https:// address such as https://sia.storage"),
                live: false,
            },
            Self::SiaKeyFile => Row {
                name: "sublime.sia.key_file",
                shape: Shape::Text,
                default: "off",
                meaning: "The account's key, readable by its owner only; relative to the data directory.",
                allowed: Range::Words("off, or a file with 64 hexadecimal digits"),
                live: false,
            },
            Self::LogFormat => Row {
                name: "log.format",
                shape: Shape::Text,
                default: "text",
                meaning: "How log lines are written: for people, or one JSON object a line.",
                allowed: Range::Words("text or json"),
                live: false,
            },
            Self::LogFilter => Row {
                name: "log.filter",
                shape: Shape::Text,
                default: "info",
                meaning: "Which log lines are written.",
                allowed: Range::Words(
                    "error, warn, info, debug, trace or off, also by part, such as info,x0_net=debug",
                ),
                live: true,
            },
            Self::TelemetryOtlpEndpoint => Row {
                name: "telemetry.otlp_endpoint",
                shape: Shape::Text,
                default: "off",
                meaning: "Where an OpenTelemetry collector takes traces (OTLP over HTTP); nothing is sent if off.",
                allowed: Range::Words(
                    "off, or an http:// address such as http://127.0.0.1:4318; https is left to a collector on this machine",
                ),
                live: false,
            },
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl serde::Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
