//! Who has a block, by the DHT: look-ups that run, what this node tells, and what it keeps for others.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Instant,
};

use cid::Cid;
use libp2p::{
    PeerId,
    kad::{
        self, AddProviderOk, GetProvidersOk, InboundRequest, QueryId, QueryResult, RecordKey,
        store::{MemoryStore, RecordStore as _},
    },
};
use tokio::sync::oneshot;
use tracing::debug;

/// Blocks of others whose providers are kept: 16 MiB with 20 providers of 100 bytes each.
pub(super) const KEYS_OF_OTHERS_MAX: usize = 8192;
/// Providers of one look-up; more are not needed to fetch.
const PROVIDERS_MAX: usize = 20;
/// Look-ups that run at a time for wants; other wants are looked up when their turn comes again.
const LOOKUPS_MAX: usize = 8;

type Kademlia = kad::Behaviour<MemoryStore>;
/// What came of a question to the DHT, or why it could not be asked.
pub(super) type Answer<T> = oneshot::Sender<Result<T, String>>;

/// Everything that is asked of the DHT at the moment.
#[derive(Default)]
pub(super) struct Lookups {
    asked: HashMap<QueryId, Lookup>,
    /// Blocks of which the DHT is to be told when it knows anybody.
    untold: BTreeSet<Cid>,
    /// Keys of others, and until when they are kept.
    others: BTreeMap<Vec<u8>, Option<Instant>>,
}

enum Lookup {
    Providers(BTreeSet<PeerId>, Option<Answer<Vec<PeerId>>>),
    Provide(Option<Answer<()>>),
}

impl Lookups {
    /// Asks who has a block that is wanted.
    pub(super) fn find_for_want(&mut self, kad: &mut Kademlia, cid: &Cid) {
        if self.asked.len() < LOOKUPS_MAX {
            let query = kad.get_providers(key(cid));
            self.asked
                .insert(query, Lookup::Providers(BTreeSet::new(), None));
        }
    }

    /// Asks who has a block, for a caller.
    pub(super) fn find(&mut self, kad: &mut Kademlia, cid: &Cid, answer: Answer<Vec<PeerId>>) {
        let query = kad.get_providers(key(cid));
        self.asked
            .insert(query, Lookup::Providers(BTreeSet::new(), Some(answer)));
    }

    /// Tells that this node has a block, now and every 12 hours (the library's interval) as long as it runs.
    pub(super) fn provide(&mut self, kad: &mut Kademlia, cid: &Cid, answer: Option<Answer<()>>) {
        let begun = match known_peers(kad) {
            0 => Err("the DHT knows nobody yet; connect to a peer that serves it".to_owned()),
            _ => kad
                .start_providing(key(cid))
                .map_err(|error| error.to_string()),
        };
        match (begun, answer) {
            (Ok(query), answer) => {
                self.asked.insert(query, Lookup::Provide(answer));
            }
            (Err(reason), Some(answer)) => {
                // Who asked may have gone.
                let _ = answer.send(Err(reason));
            }
            (Err(reason), None) => debug!(%cid, reason, "the DHT is not told of a block"),
        }
    }

    /// Tells it as soon as the DHT knows anybody.
    pub(super) fn provide_later(&mut self, cid: Cid) {
        self.untold.insert(cid);
    }

    /// Tells some of what is to be told.
    pub(super) fn tick(&mut self, kad: &mut Kademlia) {
        while self.asked.len() < LOOKUPS_MAX
            && known_peers(kad) > 0
            && let Some(cid) = self.untold.pop_first()
        {
            self.provide(kad, &cid, None);
        }
    }

    /// Tells it no longer; what was told lives on for two days at most.
    pub(super) fn stop_providing(&mut self, kad: &mut Kademlia, cid: &Cid) {
        self.untold.remove(cid);
        kad.stop_providing(&key(cid));
    }

    /// Takes in an event, and returns peers that are to be dialled.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "of the library's many events and results only these are asked for"
    )]
    pub(super) fn on_event(&mut self, kad: &mut Kademlia, event: kad::Event) -> Vec<PeerId> {
        match event {
            kad::Event::InboundRequest {
                request:
                    InboundRequest::AddProvider {
                        record: Some(record),
                    },
            } => self.keep(kad, record),
            kad::Event::OutboundQueryProgressed {
                id, result, step, ..
            } => return self.on_progress(kad, id, result, step.last),
            _ => (),
        }
        Vec::new()
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "results of questions that are not asked here"
    )]
    fn on_progress(
        &mut self,
        kad: &mut Kademlia,
        id: QueryId,
        result: QueryResult,
        is_last: bool,
    ) -> Vec<PeerId> {
        let mut found = Vec::new();
        let mut failure = None;
        match result {
            QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders { providers, .. })) => {
                found.extend(providers)
            }
            QueryResult::GetProviders(Ok(GetProvidersOk::FinishedWithNoAdditionalRecord {
                ..
            })) => (),
            QueryResult::GetProviders(Err(error)) => debug!(%error, "providers were not found"),
            QueryResult::StartProviding(Err(error)) => failure = Some(error.to_string()),
            QueryResult::StartProviding(Ok(AddProviderOk { .. })) => (),
            _ => return Vec::new(),
        }
        let mut is_last = is_last;
        let mut to_dial = Vec::new();
        if let Some(Lookup::Providers(known, answer)) = self.asked.get_mut(&id) {
            known.extend(found);
            if answer.is_none() {
                to_dial.extend(known.iter().copied());
            }
            if known.len() >= PROVIDERS_MAX && !is_last {
                if let Some(mut query) = kad.query_mut(&id) {
                    query.finish();
                }
                is_last = true;
            }
        }
        if is_last {
            match self.asked.remove(&id) {
                Some(Lookup::Providers(known, Some(answer))) => {
                    let _ = answer.send(Ok(known.into_iter().collect()));
                }
                Some(Lookup::Provide(Some(answer))) => {
                    let _ = answer.send(failure.map_or(Ok(()), Err));
                }
                Some(Lookup::Providers(_, None) | Lookup::Provide(None)) | None => (),
            }
        }
        to_dial
    }

    /// Keeps what another node tells, as long as there is room.
    fn keep(&mut self, kad: &mut Kademlia, record: kad::ProviderRecord) {
        let now = Instant::now();
        self.others
            .retain(|_, until| until.is_none_or(|until| until > now));
        let name = record.key.to_vec();
        if self.others.len() < KEYS_OF_OTHERS_MAX || self.others.contains_key(&name) {
            self.others.insert(name, record.expires);
            if let Err(error) = kad.store_mut().add_provider(record) {
                debug!(%error, "a provider record of another node was not kept");
            }
        }
    }
}

/// Returns how many peers of the DHT are known.
pub(super) fn known_peers(kad: &mut Kademlia) -> usize {
    kad.kbuckets().map(|bucket| bucket.num_entries()).sum()
}

/// Providers are told by the hash alone (IPFS specs, "Kademlia DHT").
fn key(cid: &Cid) -> RecordKey {
    RecordKey::from(cid.hash().to_bytes())
}
