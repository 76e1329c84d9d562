//! Inviting, removing and leaving: how membership changes from this node.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_crypto::{Identity, PublicKey};
use x0_net::Multiaddr;
use x0_protocol::{Command, Millis, Reply};
use zeroize::Zeroizing;

use super::{
    ApiState,
    capabilities::reason,
    capability_view::now_secs,
    error::{ApiError, ErrorBody},
    expect_reply,
    extract::Body,
    recorded,
    view::{InviteView, RecordedView},
};
use crate::runtime::invite::{ADDRESSES_MAX, InviteLink};

/// How long an invite stays open unless told otherwise: two days.
const LIFE_SECS: u64 = 48 * 60 * 60;

pub(super) fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(invite))
        .routes(routes!(remove))
        .routes(routes!(leave))
}

/// An invite to make.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InviteBody {
    /// How long it stays open: up to 30 days, two days unless told.
    pub life_secs: Option<u64>,
    /// Addresses to name in place of this node's own, each with the `/p2p/ID` of a member.
    pub addresses: Vec<String>,
}

/// Opens a door for one newcomer and returns the string that leads through it.
#[utoipa::path(
    post, path = "/v1/invites", tag = "members", request_body = InviteBody,
    responses((status = 200, body = InviteView), (status = 409, body = ErrorBody)),
    security(("api_token" = ["admin"]))
)]
async fn invite(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<InviteBody>,
) -> Result<Json<InviteView>, ApiError> {
    let addresses = match body.addresses.as_slice() {
        [] => api.own_addresses().await?,
        given => parse(given)?,
    };
    let life_secs = body.life_secs.unwrap_or(LIFE_SECS);
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(secret.as_mut_slice()).map_err(no_randomness)?;
    let key = Identity::from_seed(secret.clone()).public();
    let command = Command::Invite {
        key,
        life: Millis::from_secs(life_secs),
    };
    let expires_ms = now_secs().saturating_add(life_secs).saturating_mul(1_000);
    let reply = api.node.command(command).await?;
    let id = expect_reply!(reply, Reply::Recorded(id) => id)?;
    let local_only = addresses.iter().all(is_local);
    let texts = addresses.iter().map(ToString::to_string).collect();
    let link = InviteLink {
        mesh: api.node.mesh(),
        invite: id,
        secret,
        addresses,
    };
    Ok(Json(InviteView {
        invite: link.to_string(),
        id: id.to_string(),
        expires_ms,
        addresses: texts,
        local_only,
    }))
}

pub(super) fn no_randomness(fault: getrandom::Error) -> ApiError {
    ApiError::new(
        axum::http::StatusCode::INTERNAL_SERVER_ERROR,
        "no_randomness",
        format!("the operating system gave no random bytes ({fault})"),
        "free some file handles or memory and try again",
    )
}

fn parse(given: &[String]) -> Result<Vec<Multiaddr>, ApiError> {
    let example = "write it as /ip4/203.0.113.7/tcp/4700/p2p/12D3KooW…";
    if given.len() > ADDRESSES_MAX {
        let message = format!("{} addresses were given", given.len());
        let mend = format!("an invite names at most {ADDRESSES_MAX}");
        return Err(ApiError::bad_request(message, mend));
    }
    given
        .iter()
        .map(|text| {
            let parsed: Result<Multiaddr, _> = text.parse();
            let complete = parsed
                .ok()
                .filter(|address| crate::runtime::invite::split_peer(address).is_some());
            complete.ok_or_else(|| {
                let start: String = text.chars().take(120).collect();
                ApiError::bad_request(format!("{start:?} is no address with a peer id"), example)
            })
        })
        .collect()
}

/// Tells whether only this machine or its local network can reach an address.
fn is_local(address: &Multiaddr) -> bool {
    reach(address) < Reach::World
}

/// From how far an address can be reached, as far as it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Machine,
    LocalNetwork,
    World,
}

fn reach(address: &Multiaddr) -> Reach {
    let text = address.to_string();
    let mut parts = text.split('/').skip(1);
    let (kind, host) = (parts.next(), parts.next().unwrap_or_default());
    let ip: Option<std::net::IpAddr> = match kind {
        Some("ip4" | "ip6") => host.parse().ok(),
        Some(_) | None => None,
    };
    match ip {
        Some(ip) if ip.is_loopback() || ip.is_unspecified() => Reach::Machine,
        Some(std::net::IpAddr::V4(ip)) if ip.is_private() || ip.is_link_local() => {
            Reach::LocalNetwork
        }
        Some(std::net::IpAddr::V6(ip)) if ip.is_unique_local() || ip.is_unicast_link_local() => {
            Reach::LocalNetwork
        }
        Some(_) | None => Reach::World,
    }
}

/// A member to remove.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveBody {
    /// Who.
    #[schema(value_type = String)]
    pub member: PublicKey,
    /// Why, in words for everyone.
    pub reason: String,
}

/// States as a seat that a member be removed.
#[utoipa::path(
    post, path = "/v1/members/remove", tag = "members", request_body = RemoveBody,
    responses((status = 200, body = RecordedView), (status = 403, body = ErrorBody)),
    security(("api_token" = ["admin"]))
)]
async fn remove(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<RemoveBody>,
) -> Result<Json<RecordedView>, ApiError> {
    let command = Command::Remove {
        member: body.member,
        reason: reason(&body.reason)?,
    };
    recorded(api.node.command(command).await?)
}

/// Leaves the mesh for good: coming back needs a new invite.
#[utoipa::path(
    post, path = "/v1/leave", tag = "members",
    responses((status = 200, body = RecordedView), (status = 409, body = ErrorBody)),
    security(("api_token" = ["admin"]))
)]
async fn leave(State(api): State<Arc<ApiState>>) -> Result<Json<RecordedView>, ApiError> {
    recorded(api.node.command(Command::Leave).await?)
}

impl ApiState {
    /// Returns addresses that lead to this node, those that reach furthest first.
    async fn own_addresses(&self) -> Result<Vec<Multiaddr>, ApiError> {
        let network = self.node.network().await?;
        let own = self.node.key().to_string();
        let all = network.external.iter().chain(&network.listen);
        let mut addresses: Vec<Multiaddr> = Vec::new();
        for address in all.filter_map(|address| with_peer(address, &own)) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses.sort_by_key(|address| std::cmp::Reverse(reach(address)));
        let has_wider = addresses
            .first()
            .is_some_and(|address| reach(address) > Reach::Machine);
        if has_wider {
            addresses.retain(|address| reach(address) > Reach::Machine);
        }
        addresses.truncate(ADDRESSES_MAX);
        if addresses.is_empty() {
            return Err(ApiError::new(
                axum::http::StatusCode::CONFLICT,
                "no_address",
                "this node listens on no address that an invite could name",
                "set `network.listen` and `network.external` in the configuration, or give --address",
            ));
        }
        Ok(addresses)
    }
}

fn with_peer(address: &Multiaddr, own: &str) -> Option<Multiaddr> {
    let text = address.to_string();
    if text.contains("/ip4/0.0.0.0/") || text.contains("/ip6/::/") {
        return None;
    }
    match text.rsplit_once("/p2p/") {
        Some((_, peer)) if peer == own => Some(address.clone()),
        Some(_) | None => format!("{text}/p2p/{own}").parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn addresses_are_sorted_by_how_far_they_reach() {
        let reach_of = |text: &str| reach(&text.parse().unwrap());

        assert_eq!(reach_of("/ip4/127.0.0.1/tcp/1"), Reach::Machine);
        assert_eq!(reach_of("/ip6/::1/tcp/1"), Reach::Machine);
        assert_eq!(reach_of("/ip4/192.168.1.2/tcp/1"), Reach::LocalNetwork);
        assert_eq!(reach_of("/ip6/fd00::1/udp/1/quic-v1"), Reach::LocalNetwork);
        assert_eq!(reach_of("/ip4/203.0.113.7/tcp/1"), Reach::World);
        assert_eq!(reach_of("/dns4/example.org/tcp/1"), Reach::World);
    }

    #[test]
    fn an_address_without_a_peer_id_is_refused_with_an_example() {
        let error = parse(&["/ip4/203.0.113.7/tcp/4700".to_owned()]).unwrap_err();

        assert_eq!(error.status(), axum::http::StatusCode::BAD_REQUEST);
    }
}
