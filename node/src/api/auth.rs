//! Who calls, and what they may do: the layers every request passes before it reaches a handler.
//!
//! In order: the host check (a page in a browser cannot reach the node under a name of its own, nor from
//! another origin), who the caller is, how much it may send, and for each route the scope it needs.
//!
//! On the unix socket a caller is known by the user id the kernel reports: the node's own user and root may
//! do everything. Everybody else, and every caller on the loopback, needs a token (`Authorization: Bearer`)
//! or a dashboard session.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use axum::{
    extract::{ConnectInfo, DefaultBodyLimit, Request, State, connect_info::Connected},
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, COOKIE, HOST, ORIGIN},
    },
    middleware::Next,
    response::{IntoResponse, Response},
    serve::IncomingStream,
};
use tokio::net::{TcpListener, UnixListener};

use super::{ApiState, error::ApiError, rate::Rate, tokens::Scope};

/// Where a browser exchanges its one-time link; the one page that may be entered from elsewhere.
pub const ENTER_PATH: &str = "/dashboard/enter";

/// How a caller came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// By the unix socket, as this user.
    Unix {
        /// The user id that the kernel reports, if it does.
        uid: Option<u32>,
    },
    /// By the loopback.
    Tcp {
        /// The address the node listens on.
        local: SocketAddr,
    },
}

/// Names a caller for the rate limit and the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallerName {
    /// A user of this machine.
    Unix(u32),
    /// The holder of an API token, by its id.
    Token(String),
    /// A browser, by the short name of its session.
    Session(String),
    /// Somebody on this machine who has not shown who they are.
    Stranger,
    /// Everybody for whom there is no room in the table of rates.
    Crowd,
}

/// A caller and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub name: CallerName,
    /// What it may do; empty for strangers.
    pub scopes: Vec<Scope>,
}

impl Caller {
    /// Tells whether the caller may do what needs `needed`.
    pub fn may(&self, needed: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.covers(needed))
    }
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        let uid = stream.io().peer_cred().ok().map(|cred| cred.uid());
        Self::Unix { uid }
    }
}

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        // A socket that cannot tell its own address matches no host and is served nothing.
        let local = stream
            .io()
            .local_addr()
            .unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
        Self::Tcp { local }
    }
}

/// Lets through only requests that name this machine, and come from no other site.
pub(super) async fn check_host(
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let checked = match peer {
        Peer::Unix { .. } => Ok(()),
        Peer::Tcp { local } => {
            let is_entrance = request.uri().path() == ENTER_PATH;
            check_names(request.headers(), local.port(), is_entrance)
        }
    };
    match checked {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn check_names(headers: &HeaderMap, port: u16, is_entrance: bool) -> Result<(), ApiError> {
    let refuse = |what: String| {
        let mend = format!("use http://127.0.0.1:{port} and no other name for it");
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "foreign_host",
            what,
            mend,
        ))
    };
    let allowed = [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
    ];
    let text = |name| headers.get_all(name).iter().map(|value| value.to_str());
    let hosts: Vec<_> = text(HOST).collect();
    match hosts.as_slice() {
        [Ok(host)] if allowed.iter().any(|allowed| allowed == host) => {}
        _ => return refuse("the request names a host other than this machine".to_owned()),
    }
    for origin in text(ORIGIN) {
        let is_own = |origin: &str| {
            origin
                .strip_prefix("http://")
                .is_some_and(|host| allowed.iter().any(|allowed| allowed == host))
        };
        if !origin.is_ok_and(is_own) {
            return refuse("the request comes from a page of another site".to_owned());
        }
    }
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    let is_from_elsewhere = !matches!(site, None | Some(b"same-origin" | b"none"));
    if is_from_elsewhere && !is_entrance {
        return refuse("the request was started by another site".to_owned());
    }
    Ok(())
}

/// Finds out who calls, holds back whoever calls too often, and bounds what is sent.
pub(super) async fn identify(
    State(api): State<Arc<ApiState>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let now = Instant::now();
    let caller = api.caller(peer, request.headers(), now);
    let (per_second, body_bytes_max) = {
        let config = api.config.borrow();
        (config.api.rate_per_second, config.api.body_bytes_max)
    };
    let rate = match caller.name {
        CallerName::Unix(_) | CallerName::Token(_) | CallerName::Session(_) => {
            Rate::of_known(per_second)
        }
        CallerName::Stranger | CallerName::Crowd => Rate::STRANGER,
    };
    if let Err(wait) = api.limiter.admit(&caller.name, rate, now) {
        return ApiError::too_many(wait.as_secs() + 1).into_response();
    }
    request.extensions_mut().insert(caller);
    DefaultBodyLimit::max(body_bytes_max).apply(&mut request);
    next.run(request).await
}

/// Lets through only callers with the scope of the route.
pub(super) async fn require(State(needed): State<Scope>, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>();
    match caller {
        Some(caller) if caller.may(needed) => next.run(request).await,
        Some(caller) if !caller.scopes.is_empty() => {
            let message = format!("this caller lacks the scope `{needed}`");
            let mend = format!("make a token with it: `x0 api-token add NAME --scope {needed}`");
            ApiError::new(StatusCode::FORBIDDEN, "scope_missing", message, mend).into_response()
        }
        Some(_) | None => {
            let mend = format!(
                "send `Authorization: Bearer TOKEN` with a token of `x0 api-token add NAME --scope {needed}`, \
                 or open the dashboard by the link that `x0 dashboard` prints"
            );
            let message = "the caller has not shown who it is";
            ApiError::new(StatusCode::UNAUTHORIZED, "unknown_caller", message, mend).into_response()
        }
    }
}

impl ApiState {
    fn caller(&self, peer: Peer, headers: &HeaderMap, now: Instant) -> Caller {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(bearer) = text(AUTHORIZATION).and_then(|auth| auth.strip_prefix("Bearer ")) {
            return match self.tokens.find(bearer) {
                Some(token) => Caller {
                    name: CallerName::Token(token.id),
                    scopes: token.scopes,
                },
                None => STRANGER,
            };
        }
        if let Peer::Unix { uid: Some(uid) } = peer
            && is_trusted(uid)
        {
            return Caller {
                name: CallerName::Unix(uid),
                scopes: vec![Scope::Admin],
            };
        }
        if let Some(session) = text(COOKIE).and_then(|cookies| self.sessions.find(cookies, now)) {
            return Caller {
                name: CallerName::Session(session),
                scopes: vec![Scope::Dashboard],
            };
        }
        STRANGER
    }
}

const STRANGER: Caller = Caller {
    name: CallerName::Stranger,
    scopes: Vec::new(),
};

/// Tells whether a user of this machine is the node's own or root.
fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_names_of_this_machine_with_the_port_are_served() {
        for good in ["127.0.0.1:7001", "localhost:7001", "[::1]:7001"] {
            assert!(check(&[("host", good)]).is_ok(), "{good}");
        }
        for bad in [
            "evil.example:7001",
            "127.0.0.1",
            "127.0.0.1:7002",
            "localhost.evil.example:7001",
            "127.0.0.1:7001.evil.example",
            "0.0.0.0:7001",
            "",
        ] {
            assert!(check(&[("host", bad)]).is_err(), "{bad}");
        }
        assert!(check(&[]).is_err(), "no host at all");
        let two = [("host", "127.0.0.1:7001"), ("host", "evil.example")];
        assert!(check(&two).is_err(), "two hosts");
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let with = |name: &'static str, value: &'static str| {
            check(&[("host", "localhost:7001"), (name, value)])
        };

        assert!(with("origin", "http://localhost:7001").is_ok());
        assert!(with("origin", "http://127.0.0.1:7001").is_ok());
        for bad in [
            "null",
            "https://localhost:7001",
            "http://localhost:8000",
            "http://evil.example",
        ] {
            assert!(with("origin", bad).is_err(), "{bad}");
        }
        assert!(with("sec-fetch-site", "same-origin").is_ok());
        assert!(with("sec-fetch-site", "none").is_ok());
        assert!(with("sec-fetch-site", "same-site").is_err(), "another port");
        assert!(with("sec-fetch-site", "cross-site").is_err());
    }

    #[test]
    fn the_one_time_link_may_be_followed_from_elsewhere() {
        let headers = headers(&[("host", "localhost:7001"), ("sec-fetch-site", "cross-site")]);

        assert!(check_names(&headers, 7001, true).is_ok());
    }

    fn check(pairs: &[(&'static str, &str)]) -> Result<(), ApiError> {
        check_names(&headers(pairs), 7001, false)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        headers
    }
}
