//! A gateway that writes down what arrives, and its neighbours.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};

pub(crate) use crate::probe::{NOBODY, Probe, STRANGER, line_of, rest_of, results};

/// A gateway on both loopback addresses, and neighbours of it.
pub(crate) struct Gateway {
    pub(crate) v4: UdpSocket,
    pub(crate) v6: UdpSocket,
    pub(crate) elsewhere: UdpSocket,
    pub(crate) port: u16,
    _tcp: [TcpListener; 2],
    pub(crate) telemetry: [TcpListener; 2],
    pub(crate) web: TcpListener,
    _web6: TcpListener,
    pub(crate) plain: UdpSocket,
    pub(crate) other: UdpSocket,
    _other_tcp: TcpListener,
}

impl Gateway {
    pub(crate) fn open() -> Self {
        for _ in 0..100 {
            if let Some(gateway) = Self::try_open() {
                return gateway;
            }
        }
        panic!("no port is free on all loopback addresses");
    }

    fn try_open() -> Option<Self> {
        let second = Ipv4Addr::new(127, 0, 0, 2);
        let v4 = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        let port = v4.local_addr().ok()?.port();
        let telemetry = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        let scrape = telemetry.local_addr().ok()?.port();
        let web = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        let web_port = web.local_addr().ok()?.port();
        let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
        let other_port = other.local_addr().ok()?.port();
        Some(Self {
            v6: UdpSocket::bind((Ipv6Addr::LOCALHOST, port)).ok()?,
            elsewhere: UdpSocket::bind((second, port)).ok()?,
            _tcp: [
                TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?,
                TcpListener::bind((Ipv6Addr::LOCALHOST, port)).ok()?,
            ],
            telemetry: [telemetry, TcpListener::bind((second, scrape)).ok()?],
            _web6: TcpListener::bind((Ipv6Addr::LOCALHOST, web_port)).ok()?,
            web,
            plain: UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?,
            _other_tcp: TcpListener::bind((Ipv4Addr::LOCALHOST, other_port)).ok()?,
            other,
            v4,
            port,
        })
    }

    /// The policy of these tests: two names, this gateway, and a service that reaches its neighbours.
    pub(crate) fn policy(&self) -> String {
        self.policy_with(&["peers.count", "msg.rate"])
    }

    pub(crate) fn policy_with(&self, names: &[&str]) -> String {
        let telemetry = self.telemetry_port();
        let gateway = |address: &str, port: u16, protocol: &str| serde_json::json!({ "address": address, "port": port, "protocol": protocol });
        serde_json::json!({
            "metrics": names,
            "statsd_ports": [self.port],
            "telemetry_ports": [telemetry],
            "gateways": [
                gateway("127.0.0.1", self.port, "udp"),
                gateway("::1", self.port, "udp"),
                gateway("127.0.0.1", telemetry, "tcp"),
            ],
            "services": {
                "exporter": {
                    "egress": [
                        { "to": "127.0.0.1", "ports": [port_of(&self.web)], "protocol": "tcp" },
                        { "to": "127.0.0.0/24", "ports": [self.plain.local_addr().unwrap().port()], "protocol": "udp" },
                    ],
                },
                "node": { "node": true },
            },
        })
        .to_string()
    }

    pub(crate) fn telemetry_port(&self) -> u16 {
        port_of(&self.telemetry[0])
    }

    /// Returns what has arrived, on the gateway and wherever else something was sent to, but for the plain port.
    pub(crate) fn arrived(&self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for socket in [&self.v4, &self.v6, &self.elsewhere, &self.other] {
            socket.set_nonblocking(true).unwrap();
            let mut bytes = vec![0; 65_536];
            while let Ok((len, _)) = socket.recv_from(&mut bytes) {
                all.push(bytes[..len].to_vec());
            }
        }
        all
    }
}

pub(crate) fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}
