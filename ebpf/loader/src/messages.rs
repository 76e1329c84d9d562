//! What the helper is asked and what it answers: JSON, one object per line, one request per connection.
//!
//! Decoding is strict: an unknown word, key or a longer line is refused. Rights are not here; see [`crate::server`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use x0_ebpf_common::{TCP, UDP, event::Event, keys::address_bytes};

use crate::policy::{Gateway, Policy};

/// Longest request of the owner, bytes: 16,384 names of 128 bytes, and rules.
pub const OWNER_LINE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Longest request of anybody else, bytes.
pub const LINE_BYTES_MAX: u64 = 4 * 1024;

/// What the helper is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Put this policy in force.
    Load(Policy),
    /// Tell what is in force and what was counted.
    Status {},
    /// Tell the policy in force, as it was loaded.
    Policy {},
    /// Tell the newest refusals.
    Events {
        /// Whether to go on with those that come.
        follow: bool,
    },
    /// Tell the keyed hash of a name, so that an event about it can be recognised.
    Hash {
        /// The name.
        name: String,
    },
    /// Take the asking process under the rules of a service.
    Guard {
        /// The service.
        service: String,
    },
}

/// One line of the helper's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The policy is in force.
    Loaded {
        /// Number of metric names.
        metrics: usize,
        /// Number of services.
        services: usize,
    },
    /// What is in force.
    Status(Box<Status>),
    /// The policy in force; none before the first.
    Policy(Option<Box<Policy>>),
    /// A refusal.
    Event(Refusal),
    /// Refusals that were not sent, because they were read too slowly.
    Missed {
        /// How many.
        count: u64,
    },
    /// No more refusals.
    End {},
    /// A keyed hash.
    Hash {
        /// In hexadecimal, as events tell it.
        hash: String,
    },
    /// The asking process is guarded.
    Guarded {
        /// Its cgroup.
        cgroup: String,
    },
    /// No.
    Error {
        /// A word for programs.
        code: String,
        /// What happened.
        message: String,
        /// What to do; empty where there is nothing.
        mend: String,
    },
}

/// What is in force and what was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether a policy is in force.
    pub enforced: bool,
    /// The cgroup under which guarded processes run.
    pub cgroup: String,
    /// Whether the gate stood when the helper started.
    pub adopted: bool,
    /// User who may load policies.
    pub owner: u32,
    /// The charter that the policy was made of; none if somebody wrote it.
    #[serde(default)]
    pub charter: Option<String>,
    /// Number of metric names.
    pub metrics: usize,
    /// Ports on which names are checked.
    pub statsd_ports: Vec<u16>,
    /// Ports of other telemetry.
    pub telemetry_ports: Vec<u16>,
    /// Where telemetry may go.
    pub gateways: Vec<Gateway>,
    /// Processes under the rules of each service.
    pub services: BTreeMap<String, usize>,
    /// Datagrams of which every name was checked and on the list.
    pub checked: u64,
    /// Refusals, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Refusals told in events.
    pub delivered: u64,
    /// Refusals whose event was lost: each is itself a violation.
    pub lost: u64,
}

/// A refusal, for programs and people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// When, Unix time in milliseconds.
    pub at_ms: u64,
    /// Under whose rules; empty for a cgroup that is not in the policy.
    pub service: String,
    /// The process.
    pub pid: u32,
    /// The user.
    pub uid: u32,
    /// `tcp`, `udp` or a number.
    pub protocol: String,
    /// Address asked for; an IPv4 address in its own form.
    pub address: String,
    /// Port asked for.
    pub port: u16,
    /// The socket's own port, 0 where it is not known.
    pub local_port: u16,
    /// Length of the payload, bytes, 0 where it is not known.
    pub payload_bytes: u16,
    /// Why, as a word.
    pub reason: String,
    /// Why, as a sentence.
    pub words: String,
    /// Keyed hash of the refused name, in hexadecimal; empty where it is not about a name.
    pub name_hash: String,
}

impl Refusal {
    /// Tells an event of the kernel.
    pub fn of(event: &Event, service: Option<&str>, at_ms: u64) -> Self {
        let address = std::net::Ipv6Addr::from(address_bytes(event.address));
        let name_hash = match event.name_hash {
            0 => String::new(),
            hash => hash_text(hash),
        };
        Self {
            at_ms,
            service: service.unwrap_or_default().to_owned(),
            pid: event.pid,
            uid: event.uid,
            protocol: match event.protocol {
                TCP => "tcp".to_owned(),
                UDP => "udp".to_owned(),
                number => number.to_string(),
            },
            address: address.to_canonical().to_string(),
            port: event.port,
            local_port: event.local_port,
            payload_bytes: event.payload_bytes,
            reason: event.reason.word().to_owned(),
            words: event.reason.text().to_owned(),
            name_hash,
        }
    }
}

/// Writes a keyed hash.
pub fn hash_text(hash: u64) -> String {
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_are_read_strictly() {
        for text in [
            r#"{"status":{}}"#,
            r#"{"policy":{}}"#,
            r#"{"events":{"follow":true}}"#,
            r#"{"guard":{"service":"exporter"}}"#,
        ] {
            let request: Request = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&request).unwrap(), text);
        }
        for text in [
            r#"{"status":{"all":true}}"#,
            r#"{"guard":{"service":"a","uid":0}}"#,
            r#"{"run":{"command":"sh"}}"#,
            r#"{"status":{}} {"status":{}}"#,
            r#"{"guard":{"service":"a"},"status":{}}"#,
            "status",
        ] {
            assert!(serde_json::from_str::<Request>(text).is_err(), "{text}");
        }
    }

    /// A request with everything in it, for changing bytes of.
    const LOAD: &str = r#"{"load":{"metrics":["peers.count"],"statsd_ports":[8125],"telemetry_ports":[9090],"gateways":
        [{"address":"::1","port":8125,"protocol":"udp"}],"services":{"a":{"users":[7],"egress":[{"to":"2001:db8::/32",
        "ports":[443],"protocol":"tcp"}],"listen":[{"port":9100,"protocol":"tcp"}]},"node":{"node":true}}}}"#;

    proptest! {
        #[test]
        fn bytes_of_others_do_no_harm_and_what_is_accepted_reads_back(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            noise in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut line = LOAD.as_bytes().to_vec();
            for (place, byte) in changes {
                let place = place.index(line.len());
                line[place] = byte;
            }
            for bytes in [line, noise] {
                Event::from_bytes(&bytes);
                Policy::from_json(&bytes).ok();
                let Ok(Request::Load(policy)) = serde_json::from_slice(&bytes) else {
                    continue;
                };
                if let Ok(checked) = policy.check() {
                    let text = serde_json::to_vec(checked.policy()).unwrap();
                    prop_assert_eq!(Policy::from_json(&text).unwrap(), checked);
                }
            }
        }
    }
}
