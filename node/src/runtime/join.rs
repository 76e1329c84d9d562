//! Joining a mesh through an invite: knock at every address, keep the first door that opens.
//!
//! The newcomer's own join record is its first; it is shown with the greeting. Whoever takes it answers
//! with the genesis, which must hash to the mesh id of the invite: no door can lead into another mesh.

use std::{collections::BTreeMap, path::Path, time::Duration};

use tracing::debug;
use x0_crypto::{Identity, PublicKey};
use x0_net::{Multiaddr, NetError, NetEvent, PeerKey, Protocol, RequestId};
use x0_protocol::{
    Write,
    core::reject::RejectReason,
    wire::{
        Body, Draft, Hello, Join, Record, Refused, Region, Request, Response, Verified,
        VersionRange,
    },
};

use super::{
    NetworkSettings,
    invite::{InviteLink, split_peer},
    net_config,
};
use crate::store::{self, RocksStore, StoreError, StoreOptions};

/// How long all addresses together may take.
const PATIENCE: Duration = Duration::from_secs(45);
/// How often a door that does not know the invite yet is knocked at again.
const KNOCK_AGAIN: Duration = Duration::from_secs(2);

/// What happens while joining.
#[derive(Clone, Debug)]
pub enum JoinStep {
    /// An address is being dialled.
    Dialling(Multiaddr),
    /// A member answered and is shown the invite.
    Knocking(PublicKey),
    /// An address gave no way in.
    Failed(Multiaddr, String),
    /// The door is open.
    Welcomed(PublicKey),
}

/// Why joining failed.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// No address led in.
    #[error(
        "nobody let this node in. Tried:{}\nWhat to do: check that this device is online; ask whether \
         the inviting node is running and reachable from outside; ask for a new invite if this one is old",
        .tried.iter().map(|(address, why)| format!("\n  {address}\n    {why}")).collect::<String>()
    )]
    NobodyAnswered {
        /// Every address and what came of it.
        tried: Vec<(Multiaddr, String)>,
    },
    /// The join record cannot be made.
    #[error("the join cannot be written: {0}")]
    Record(#[from] RejectReason),
    /// The network side cannot start.
    #[error(transparent)]
    Network(#[from] NetError),
    /// The store cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    NoRandomness(#[from] getrandom::Error),
}

/// The outcome of joining: the store holds the mesh, and the node can be started.
pub struct Joined {
    /// The store, with the genesis and the own join.
    pub store: RocksStore,
    /// Who opened the door.
    pub by: PublicKey,
    /// Addresses at which members were named by the invite; good to dial first.
    pub addresses: Vec<Multiaddr>,
}

/// Joins the mesh an invite leads to and makes the store that begins with it.
///
/// # Errors
///
/// Returns every address tried and what came of it, or what failed here.
pub async fn join(
    data_dir: &Path,
    options: StoreOptions,
    identity: &Identity,
    invite: &InviteLink,
    region: Option<Region>,
    network: &NetworkSettings,
    mut progress: impl FnMut(JoinStep),
) -> Result<Joined, JoinError> {
    store::expect_none(data_dir)?;
    let entry = join_record(identity, invite, region)?;
    let mut knocking = Knocking::start(identity, invite, &entry, network, &mut progress).await?;
    let result = tokio::time::timeout(PATIENCE, knocking.run(&mut progress)).await;
    knocking.net.shutdown().await;
    let Ok(Some((by, genesis))) = result else {
        return Err(JoinError::NobodyAnswered {
            tried: knocking.tried(),
        });
    };
    // Who is named in the genesis is a member from the beginning: it needs no entry, and the invite stays good.
    let first = match is_founder(&genesis, &identity.public()) {
        true => Vec::new(),
        false => vec![Write::Record(entry)],
    };
    let store = RocksStore::create(data_dir, identity.public(), &genesis, &first, options)?;
    Ok(Joined {
        store,
        by,
        addresses: invite.addresses.clone(),
    })
}

fn is_founder(genesis: &Verified<Record>, key: &PublicKey) -> bool {
    let Body::Genesis(genesis) = genesis.value().body() else {
        return false;
    };
    genesis.founders.iter().any(|founder| founder.key == *key)
}

fn join_record(
    identity: &Identity,
    invite: &InviteLink,
    region: Option<Region>,
) -> Result<Verified<Record>, JoinError> {
    let (key, proof) = invite.prove(&identity.public());
    let body = Body::Join(Join {
        invite: invite.invite,
        key,
        proof,
        root: identity.capability_root().public(),
        commitment: identity.membership_commitment(),
        region,
    });
    let mut salt = [0; 16];
    getrandom::fill(&mut salt)?;
    let mesh = Some(invite.mesh);
    let draft = Draft::new(
        mesh,
        identity.public(),
        (0, None),
        super::wall(),
        salt,
        body,
    );
    Ok(draft.sign(identity)?)
}

/// The doors of an invite and what came of each.
struct Knocking {
    net: x0_net::NetHandle,
    events: x0_net::NetEvents,
    doors: BTreeMap<PublicKey, Door>,
    hello: Vec<u8>,
    mesh: x0_crypto::ContentId,
    asked: BTreeMap<u64, PublicKey>,
    next: u64,
}

struct Door {
    addresses: Vec<Multiaddr>,
    state: DoorState,
}

enum DoorState {
    Waiting,
    KnockAgain,
    Shut(String),
}

impl Knocking {
    async fn start(
        identity: &Identity,
        invite: &InviteLink,
        entry: &Verified<Record>,
        network: &NetworkSettings,
        progress: &mut impl FnMut(JoinStep),
    ) -> Result<Self, JoinError> {
        let outward = NetworkSettings {
            listen: Vec::new(),
            ..network.clone()
        };
        let (net, events) = x0_net::spawn(net_config(identity, &invite.mesh, &outward)?)?;
        let hello = Request::Hello(Hello {
            versions: VersionRange::OURS,
            mesh: invite.mesh,
            join: Some(entry.to_unverified()),
        });
        let mut doors: BTreeMap<PublicKey, Door> = BTreeMap::new();
        for address in &invite.addresses {
            let Some((peer, way)) = split_peer(address) else {
                continue;
            };
            progress(JoinStep::Dialling(address.clone()));
            let door = doors.entry(peer).or_insert_with(|| Door {
                addresses: Vec::new(),
                state: DoorState::Waiting,
            });
            door.addresses.push(way);
        }
        for (peer, door) in &doors {
            net.dial(PeerKey(*peer.bytes()), door.addresses.clone())
                .await
                .ok();
        }
        let hello = hello.encode();
        let mesh = invite.mesh;
        Ok(Self {
            net,
            events,
            doors,
            hello,
            mesh,
            asked: BTreeMap::new(),
            next: 0,
        })
    }

    async fn run(
        &mut self,
        progress: &mut impl FnMut(JoinStep),
    ) -> Option<(PublicKey, Verified<Record>)> {
        let mut again = tokio::time::interval(KNOCK_AGAIN);
        loop {
            let event = tokio::select! {
                event = self.events.next() => event?,
                _ = again.tick() => {
                    self.knock_again().await;
                    continue;
                }
            };
            match event {
                NetEvent::LinkUp { peer, .. } => {
                    if let Ok(peer) = PublicKey::from_bytes(&peer.0) {
                        progress(JoinStep::Knocking(peer));
                        self.knock(peer).await;
                    }
                }
                NetEvent::DialFailed { peer, error, .. } => {
                    if let Ok(peer) = PublicKey::from_bytes(&peer.0) {
                        self.shut(peer, error.to_string(), progress);
                    }
                }
                NetEvent::Response { id, result, .. } => {
                    let Some(peer) = self.asked.remove(&id.0) else {
                        continue;
                    };
                    match result.map(|bytes| Response::decode(&bytes)) {
                        Ok(Ok(response)) => {
                            if let Some(genesis) = self.answered(peer, response, progress) {
                                progress(JoinStep::Welcomed(peer));
                                return Some((peer, genesis));
                            }
                        }
                        Ok(Err(cause)) => self.shut(peer, cause.to_string(), progress),
                        Err(cause) => self.shut(peer, cause.to_string(), progress),
                    }
                }
                other @ (NetEvent::Message { .. }
                | NetEvent::Request { .. }
                | NetEvent::LinkDown { .. }
                | NetEvent::Listening(_)
                | NetEvent::External(_)
                | NetEvent::Discovered { .. }
                | NetEvent::ListenFailed { .. }) => debug!(?other, "while joining"),
            }
            if self
                .doors
                .values()
                .all(|door| matches!(door.state, DoorState::Shut(_)))
            {
                return None;
            }
        }
    }

    fn answered(
        &mut self,
        peer: PublicKey,
        response: Response,
        progress: &mut impl FnMut(JoinStep),
    ) -> Option<Verified<Record>> {
        match response {
            Response::Welcome(welcome) => {
                let genesis = welcome.genesis.and_then(|genesis| genesis.verify().ok());
                let genesis = genesis.filter(|genesis| genesis.value().id() == self.mesh);
                if genesis.is_none() {
                    let why = "it showed a genesis that is not the one of the invite".to_owned();
                    self.shut(peer, why, progress);
                }
                genesis
            }
            Response::Refused(Refused::UnknownInvite) => {
                if let Some(door) = self.doors.get_mut(&peer) {
                    door.state = DoorState::KnockAgain;
                }
                None
            }
            Response::Refused(refused) => {
                self.shut(peer, refused.to_string(), progress);
                None
            }
            Response::Reconcile(_)
            | Response::Records(_)
            | Response::Consistency(_)
            | Response::Noted
            | Response::Height(_)
            | Response::Blocks(_)
            | Response::State { .. }
            | Response::Acknowledged(_)
            | Response::Signed(_)
            | Response::Admitted(_)
            | Response::Consent(_)
            | Response::Vote(_)
            | Response::Account(_)
            | Response::Rotation(_)
            | Response::Audit(_)
            | Response::Countersigned(_)
            | Response::Public(_) => {
                self.shut(
                    peer,
                    "it gave an answer that does not fit".to_owned(),
                    progress,
                );
                None
            }
        }
    }

    async fn knock(&mut self, peer: PublicKey) {
        self.next += 1;
        self.asked.insert(self.next, peer);
        let (id, hello) = (RequestId(self.next), self.hello.clone());
        let key = PeerKey(*peer.bytes());
        self.net.request(key, Protocol::Hello, id, hello).await.ok();
    }

    async fn knock_again(&mut self) {
        let waiting: Vec<_> = self
            .doors
            .iter()
            .filter(|(_, door)| matches!(door.state, DoorState::KnockAgain))
            .map(|(peer, _)| *peer)
            .collect();
        for peer in waiting {
            self.knock(peer).await;
        }
    }

    fn shut(&mut self, peer: PublicKey, why: String, progress: &mut impl FnMut(JoinStep)) {
        let Some(door) = self.doors.get_mut(&peer) else {
            return;
        };
        for address in &door.addresses {
            progress(JoinStep::Failed(address.clone(), why.clone()));
        }
        door.state = DoorState::Shut(why);
    }

    fn tried(&self) -> Vec<(Multiaddr, String)> {
        let doors = self.doors.values();
        doors
            .flat_map(|door| {
                let why = match &door.state {
                    DoorState::Waiting => "no answer in time".to_owned(),
                    DoorState::KnockAgain => "it does not know the invite".to_owned(),
                    DoorState::Shut(why) => why.clone(),
                };
                door.addresses
                    .iter()
                    .map(move |address| (address.clone(), why.clone()))
            })
            .collect()
    }
}
