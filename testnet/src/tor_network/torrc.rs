//! What relays and clients of the network are told.

use std::{path::Path, process, time::Duration};

use data_encoding::BASE64;
use time::OffsetDateTime;

use super::{Relay, Role, keys::Keys};

/// How long the random value that authorities share has been there when they start, and how long it will be.
const SHARED_SINCE: Duration = Duration::from_secs(60);
const SHARED_FOR: Duration = Duration::from_secs(20 * 3600);

/// Says what the network's authorities are, for a relay.
pub(super) fn authorities(relays: &[Relay], keys: &[Keys]) -> String {
    let lines = relays.iter().zip(keys).filter_map(|(relay, keys)| {
        let votes = keys.votes.as_ref()?;
        let (port, directory) = (relay.address.port(), relay.directory);
        Some(format!(
            "DirAuthority {} orport={port} no-v2 v3ident={votes} {directory} {}\n",
            relay.name, keys.rsa
        ))
    });
    lines.collect()
}

/// Tells a relay all.
pub(super) fn of(relay: &Relay, authorities: &str, first_votes_every: Duration) -> String {
    let own = match relay.role {
        Role::Authority => authority(relay, first_votes_every),
        Role::Relay => "ExitRelay 0\n".to_owned(),
        Role::Exit => "ExitRelay 1\nExitPolicyRejectPrivate 0\nExitPolicy accept 127.0.0.0/8:*\nExitPolicy reject *:*\n".to_owned(),
        Role::Bridge => "ExitRelay 0\nBridgeRelay 1\nBridgeDistribution none\nPublishServerDescriptor 0\n".to_owned(),
    };
    format!("{}{authorities}{own}", common(relay))
}

/// Tells a relay what it must know to make its keys: as part of a network for tests it wants some authority.
pub(super) fn without_network(relay: &Relay) -> String {
    let none = "0".repeat(40);
    format!(
        "{}DirAuthority none orport=1 v3ident={none} 127.0.0.1:1 {none}\n",
        common(relay)
    )
}

// After an hour of votes a directory holds for three. Exits, guards and directories of services are whoever wants to be.
fn common(relay: &Relay) -> String {
    let (folder, name) = (relay.folder.display(), &relay.name);
    let (ip, port, log) = (relay.address.ip(), relay.address.port(), relay.log());
    let (log, owner) = (log.display(), process::id());
    format!(
        "TestingTorNetwork 1
__OwningControllerProcess {owner}
DataDirectory {folder}
Nickname {name}
ContactInfo none@test.invalid
Log notice file {log}
SafeLogging 0
RunAsDaemon 0
ShutdownWaitLength 0
NumCPUs 1
SocksPort 0
ControlPort 0
ORPort {ip}:{port} IPv4Only
Address {ip}
OutboundBindAddress {ip}
AssumeReachable 1
DirCache 1
PathsNeededToBuildCircuits 0.67
TestingDirAuthVoteExit *
TestingDirAuthVoteHSDir *
TestingDirAuthVoteGuard *
TestingMinExitFlagThreshold 0
V3AuthNIntervalsValid 3
ServerDNSDetectHijacking 0
ServerDNSTestAddresses
ServerDNSResolvConfFile /dev/null
GeoIPFile
GeoIPv6File
"
    )
}

// Once an hour after the first: as long as a random value is expected to hold, or services never call themselves reachable.
fn authority(relay: &Relay, first_votes_every: Duration) -> String {
    format!(
        "AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
ExitRelay 0
DirPort {}
TestingV3AuthInitialVotingInterval {}
TestingV3AuthInitialVoteDelay 2
TestingV3AuthInitialDistDelay 2
V3AuthVotingInterval 3600
V3AuthVoteDelay 2
V3AuthDistDelay 2
",
        relay.directory,
        first_votes_every.as_secs()
    )
}

/// Says what the authorities' shared random value is, which takes them a day to agree on by themselves: the same for all of a
/// network.
pub(super) fn shared_random(version: &str, network: &Path) -> String {
    let value = |which: u8| {
        use sha2::{Digest as _, Sha256};
        let hash = Sha256::new()
            .chain_update([which])
            .chain_update(network.as_os_str().as_encoded_bytes());
        BASE64.encode(&hash.finalize())
    };
    let now = OffsetDateTime::now_utc();
    format!(
        "Version 1
TorVersion {version}
ValidAfter {}
ValidUntil {}
SharedRandPreviousValue 3 {}
SharedRandCurrentValue 3 {}
",
        written(now - SHARED_SINCE),
        written(now + SHARED_FOR),
        value(0),
        value(1)
    )
}

fn written(time: OffsetDateTime) -> String {
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    format!(
        "{year:04}-{:02}-{day:02} {hour:02}:{minute:02}:{second:02}",
        u8::from(month)
    )
}

/// Tells clients of the network, in arti's words. Every address counts as a network of its own, as for relays elsewhere a /16.
pub(super) fn description(relays: &[Relay], keys: &[Keys]) -> String {
    let authorities = || {
        relays
            .iter()
            .zip(keys)
            .filter(|(relay, _)| relay.role == Role::Authority)
    };
    let quoted = |words: Vec<String>| words.join(", ");
    let votes = quoted(
        authorities()
            .filter_map(|(_, keys)| Some(format!("\"{}\"", keys.votes.as_ref()?)))
            .collect(),
    );
    let at = quoted(
        authorities()
            .map(|(relay, _)| format!("[\"{}\"]", relay.directory))
            .collect(),
    );
    let caches = authorities().map(|(relay, keys)| {
        format!(
            "    {{ rsa_identity = \"{}\", ed_identity = \"{}\", orports = [\"{}\"] }},\n",
            keys.rsa, keys.ed25519, relay.address
        )
    });
    let caches: String = caches.collect();
    format!(
        "# A Tor network on this machine's loopback, for as long as it runs.
[tor_network]
authorities.v3idents = [{votes}]
authorities.uploads = [{at}]
authorities.downloads = [{at}]
authorities.votes = [{at}]
fallback_caches = [
{caches}]

[path_rules]
ipv4_subnet_family_prefix = 33
ipv6_subnet_family_prefix = 129
"
    )
}
