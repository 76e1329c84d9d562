//! The run loop: what happens goes into the peer, what comes out is done.
//!
//! Nothing here waits for the swarm: its queue may be full while it waits for ours. What it does not
//! take is given up as the protocol expects (a request fails, a record travels by the next catch-up).
//! A store that fails stops the node: what was not written was not acknowledged.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt, future::Future, stream::FuturesUnordered};
use tokio::sync::{broadcast, mpsc, oneshot};
use tracing::{debug, error, info, trace, warn};
use x0_crypto::{ContentId, Identity, PublicKey, committee::Keyring};
use x0_net::{
    Discovery, InboundRequest, MessageRef, Multiaddr, NetEvent, NetEvents, NetHandle, PeerKey,
    Protocol,
};
use x0_protocol::{
    Command, CommandError, CommandId, Effect, Event, Input, JobId, MessageId, MessageVerdict,
    Outbox, Peer, Reply, RequestId, RequestToken, Verdict,
    core::{
        limits::{PAGE_BLOCKS_MAX, PAGE_BYTES_MAX, PAGE_RECORDS_MAX},
        reject::RejectReason,
        secret::SecretDone,
    },
    wire::{
        Change, Decided, InspectionSigned, LogHead, Record, Refused, Request, Response, Said,
        Unverified, decode_record,
    },
};

use super::{
    Clock, NodeSettings, TimedEvent,
    address_file::AddressFile,
    control::{Control, Controls},
    invite::split_peer,
};
use crate::{
    charter::{in_force, inspection::Collection},
    metrics::Metrics,
    share_keys::ShareKeyFiles,
    store::{Store, StoreError, Writer},
};

/// Requests that may wait for a link to come up.
const REQUESTS_WAITING_MAX: usize = 256;

/// Members looked up at a time.
const LOOKUPS_MAX: usize = 64;

/// What a handle asks of the driver.
pub(super) enum Asked {
    Command {
        command: Command,
        reply: oneshot::Sender<Result<Reply, CommandError>>,
    },
    Stop {
        done: oneshot::Sender<()>,
    },
}

/// Local work that ended.
enum Finished {
    Checked(JobId, Verdict),
    Secret(JobId, SecretDone),
    Inspected(JobId, Box<InspectionSigned>),
    Persisted(JobId, Result<(), StoreError>),
}

type Work = Pin<Box<dyn Future<Output = Finished> + Send>>;

/// A request that waits for a link.
struct WaitingRequest {
    id: RequestId,
    bytes: Vec<u8>,
}

/// What only this node may know. Work with it that takes more than a moment is done beside the loop.
pub(super) struct Secrets {
    pub(super) identity: Arc<Identity>,
    pub(super) keyring: Arc<Mutex<Keyring>>,
    pub(super) share_keys: Arc<Mutex<ShareKeyFiles>>,
}

/// Everything the loop owns.
pub(super) struct Driver {
    peer: Peer,
    secrets: Secrets,
    net: NetHandle,
    controls: Controls,
    store: Arc<dyn Store>,
    metrics: Metrics,
    collection: Collection,
    events: broadcast::Sender<Arc<TimedEvent>>,
    clock: Clock,
    bootstrap: Vec<Multiaddr>,
    addresses: AddressFile,
    work: FuturesUnordered<Work>,
    commands: BTreeMap<CommandId, oneshot::Sender<Result<Reply, CommandError>>>,
    tokens: BTreeMap<RequestToken, InboundRequest>,
    messages: BTreeMap<MessageId, MessageRef>,
    awaiting_link: BTreeMap<PublicKey, Vec<WaitingRequest>>,
    looked_up: BTreeSet<PublicKey>,
    next: u64,
    failed: Option<StoreError>,
}

impl Driver {
    #[expect(
        clippy::too_many_arguments,
        reason = "one call site hands over all parts of a node"
    )]
    pub(super) fn new(
        peer: Peer,
        secrets: Secrets,
        net: NetHandle,
        store: Arc<dyn Store>,
        (metrics, collection): (Metrics, Collection),
        events: broadcast::Sender<Arc<TimedEvent>>,
        clock: Clock,
        settings: NodeSettings,
    ) -> Self {
        Self {
            peer,
            secrets,
            controls: Controls::start(net.clone()),
            net,
            store,
            metrics,
            collection,
            events,
            clock,
            bootstrap: settings.network.bootstrap,
            addresses: AddressFile::open(&settings.data_dir),
            work: FuturesUnordered::new(),
            commands: BTreeMap::new(),
            tokens: BTreeMap::new(),
            messages: BTreeMap::new(),
            awaiting_link: BTreeMap::new(),
            looked_up: BTreeSet::new(),
            next: 0,
            failed: None,
        }
    }

    /// Runs until asked to stop, or until the store or the swarm fails.
    pub(super) async fn run(
        mut self,
        mut out: Outbox,
        mut net_events: NetEvents,
        mut asked: mpsc::Receiver<Asked>,
    ) {
        for (peer, address) in self.addresses.known() {
            self.net
                .add_address(PeerKey(*peer.bytes()), address)
                .await
                .ok();
        }
        self.perform(&mut out);
        for (peer, address) in self.bootstrap.iter().filter_map(split_peer) {
            self.controls.give(Control::Dial(peer, vec![address]));
        }
        let mut stopping = None;
        while self.failed.is_none() {
            let wake = self
                .peer
                .next_deadline()
                .map(|deadline| self.clock.instant(deadline.at));
            let input = tokio::select! {
                event = net_events.next() => match event {
                    Some(event) => self.on_net(event),
                    None => break,
                },
                Some(finished) = self.work.next() => self.on_finished(finished),
                ask = asked.recv() => match ask {
                    Some(Asked::Command { command, reply }) => self.on_command(command, reply),
                    Some(Asked::Stop { done }) => {
                        stopping = Some(done);
                        break;
                    }
                    None => break,
                },
                () = sleep_until(wake) => vec![Input::Wake],
            };
            for input in input {
                self.peer.handle(self.clock.now(), input, &mut out);
                self.perform(&mut out);
            }
        }
        self.stop(stopping).await;
    }

    async fn stop(mut self, stopping: Option<oneshot::Sender<()>>) {
        if let Some(cause) = &self.failed {
            error!(%cause, "the store failed: the node stops, nothing unwritten was acknowledged");
        }
        self.addresses.save();
        self.net.shutdown().await;
        let mut out = Outbox::new();
        while let Some(finished) = self.work.next().await {
            for input in self.on_finished(finished) {
                self.peer.handle(self.clock.now(), input, &mut out);
                self.perform(&mut out);
            }
        }
        self.commands.clear();
        drop(self.store);
        if let Some(done) = stopping {
            done.send(()).ok();
        }
    }

    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn on_command(
        &mut self,
        command: Command,
        reply: oneshot::Sender<Result<Reply, CommandError>>,
    ) -> Vec<Input> {
        let id = CommandId(self.fresh());
        self.commands.insert(id, reply);
        vec![Input::Command { id, command }]
    }

    fn on_finished(&mut self, finished: Finished) -> Vec<Input> {
        match finished {
            Finished::Checked(id, verdict) => vec![Input::Checked { id, verdict }],
            Finished::Secret(id, done) => vec![Input::SecretDone { id, done }],
            Finished::Inspected(id, signed) => vec![Input::Inspected { id, signed }],
            Finished::Persisted(id, Ok(())) => vec![Input::Persisted { id }],
            Finished::Persisted(_, Err(cause)) => {
                self.failed.get_or_insert(cause);
                Vec::new()
            }
        }
    }

    fn on_net(&mut self, event: NetEvent) -> Vec<Input> {
        match event {
            NetEvent::Message {
                message,
                topic,
                from,
                data,
            } => {
                trace!(%topic, %from, bytes = data.len(), "gossip");
                self.on_message(from, message, &data).into_iter().collect()
            }
            NetEvent::Request {
                from, token, data, ..
            } => self.on_request(from, token, &data).into_iter().collect(),
            NetEvent::Response { id, from, result } => {
                let response = match result.map(|bytes| Response::decode(&bytes)) {
                    Ok(Ok(Response::Records(_))) if self.store.room(Writer::Foreign).is_err() => {
                        None
                    }
                    Ok(Ok(response)) => Some(response),
                    Ok(Err(cause)) => {
                        debug!(%from, %cause, "response that does not decode");
                        None
                    }
                    Err(cause) => {
                        debug!(%from, %cause, "request without an answer");
                        None
                    }
                };
                vec![Input::Response {
                    id: RequestId(id.0),
                    response,
                }]
            }
            NetEvent::LinkUp {
                peer,
                address,
                dialer,
                admitted,
            } => {
                debug!(%peer, %address, dialer, admitted, "link up");
                self.on_link_up(peer, address, dialer, admitted)
            }
            NetEvent::LinkDown { peer, reason } => {
                debug!(%peer, ?reason, "link down");
                let peer = public_key(peer);
                peer.into_iter()
                    .map(|peer| Input::LinkDown { peer })
                    .collect()
            }
            NetEvent::DialFailed {
                peer,
                addresses,
                error,
            } => {
                debug!(%peer, ?addresses, %error, "dial failed");
                public_key(peer).map_or_else(Vec::new, |peer| self.on_dial_failed(peer))
            }
            NetEvent::Discovered {
                peer,
                addresses,
                by,
            } => {
                trace!(%peer, ?addresses, ?by, "addresses learned");
                if let Some(peer) = public_key(peer) {
                    self.on_discovered(peer, addresses, by);
                }
                Vec::new()
            }
            NetEvent::Listening(address) => {
                info!(%address, "listening");
                Vec::new()
            }
            NetEvent::External(address) => {
                info!(%address, "reachable at");
                Vec::new()
            }
            NetEvent::ListenFailed { address, reason } => {
                warn!(%address, reason, "no longer listening");
                Vec::new()
            }
        }
    }

    fn on_message(&mut self, from: PeerKey, message: MessageRef, data: &[u8]) -> Option<Input> {
        let from = public_key(from)?;
        if self.store.room(Writer::Foreign).is_err() {
            // What a peer takes in must be written: it comes again by a later catch-up.
            self.net.try_report(message, x0_net::Verdict::Ignore).ok();
            return None;
        }
        match decode_record(data) {
            Ok(record) => {
                let id = MessageId(self.fresh());
                self.messages.insert(id, message);
                Some(Input::Gossip {
                    from,
                    message: id,
                    record,
                })
            }
            Err(cause) => {
                let reason = RejectReason::Undecodable(cause);
                let verdict = if reason.is_senders_fault() {
                    x0_net::Verdict::Reject
                } else {
                    x0_net::Verdict::Ignore
                };
                self.net.try_report(message, verdict).ok();
                self.tell(Event::Rejected {
                    from,
                    why: reason.to_string(),
                });
                None
            }
        }
    }

    fn on_request(&mut self, from: PeerKey, token: InboundRequest, data: &[u8]) -> Option<Input> {
        let from = public_key(from)?;
        match Request::decode(data) {
            Ok(Request::Push { .. } | Request::Stem(_))
                if self.store.room(Writer::Foreign).is_err() =>
            {
                self.net
                    .try_respond(token, Response::Refused(Refused::NoAnswer).encode())
                    .ok();
                None
            }
            Ok(request) => {
                let id = RequestToken(self.fresh());
                self.tokens.retain(|_, token| token.is_open());
                self.tokens.insert(id, token);
                Some(Input::Request {
                    from,
                    token: id,
                    request,
                })
            }
            Err(cause) => {
                let answer = Response::Refused(Refused::Malformed).encode();
                self.net.try_respond(token, answer).ok();
                self.tell(Event::Rejected {
                    from,
                    why: cause.to_string(),
                });
                None
            }
        }
    }

    fn on_link_up(
        &mut self,
        peer: PeerKey,
        address: Multiaddr,
        dialled: bool,
        admitted: bool,
    ) -> Vec<Input> {
        let Some(key) = public_key(peer) else {
            return Vec::new();
        };
        if dialled && admitted {
            self.addresses.learn(key, address);
        }
        self.looked_up.remove(&key);
        let mut inputs = vec![Input::LinkUp {
            peer: key,
            dialled,
            admitted,
        }];
        if admitted {
            for waiting in self.awaiting_link.remove(&key).unwrap_or_default() {
                inputs.extend(self.send_request(key, waiting.id, waiting.bytes, Protocol::Sync));
            }
        }
        inputs
    }

    fn on_dial_failed(&mut self, peer: PublicKey) -> Vec<Input> {
        if self.looked_up.len() < LOOKUPS_MAX && self.looked_up.insert(peer) {
            self.controls.give(Control::Find(peer));
        }
        let waiting = self.awaiting_link.remove(&peer).unwrap_or_default();
        let failed = waiting.into_iter().map(|w| Input::Response {
            id: w.id,
            response: None,
        });
        failed.chain([Input::DialFailed { peer }]).collect()
    }

    fn on_discovered(&mut self, peer: PublicKey, addresses: Vec<Multiaddr>, by: Discovery) {
        let is_neighbour = by == Discovery::Mdns && self.peer.directory().is_active(&peer);
        if self.looked_up.remove(&peer) || is_neighbour {
            self.controls.give(Control::Dial(peer, addresses));
        }
    }

    /// Performs the effects of one turn; those that answer at once lead to further turns.
    fn perform(&mut self, out: &mut Outbox) {
        let mut answers = Vec::new();
        loop {
            let effects: Vec<_> = out.drain().collect();
            for effect in effects {
                answers.extend(self.perform_one(effect));
            }
            if answers.is_empty() {
                break;
            }
            for input in answers.drain(..) {
                self.peer.handle(self.clock.now(), input, out);
            }
        }
    }

    fn perform_one(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Publish { topic, record } => {
                self.publish(topic.name(), record.bytes().to_vec());
                None
            }
            Effect::Report { message, verdict } => {
                let verdict = match verdict {
                    MessageVerdict::Accept => x0_net::Verdict::Accept,
                    MessageVerdict::Reject => x0_net::Verdict::Reject,
                    MessageVerdict::Ignore => x0_net::Verdict::Ignore,
                };
                if let Some(message) = self.messages.remove(&message) {
                    self.net.try_report(message, verdict).ok();
                }
                None
            }
            Effect::Request { id, to, request } => {
                let protocol = if matches!(request, Request::Hello(_)) {
                    Protocol::Hello
                } else {
                    Protocol::Sync
                };
                self.request(to, id, request.encode(), protocol)
            }
            Effect::Push { id, to, records } => {
                let records = self.page(&records)?;
                self.request(to, id, Request::Push { records }.encode(), Protocol::Sync)
            }
            Effect::Respond { token, response } => {
                self.respond(token, &response);
                None
            }
            Effect::RespondRecords { token, records } => {
                let records = self.page(&records)?;
                self.respond(token, &Response::Records(records));
                None
            }
            Effect::RespondBlocks { token, from } => {
                let blocks = self.blocks(from)?;
                self.respond(token, &Response::Blocks(blocks));
                None
            }
            Effect::Check { id, job } => {
                let run = tokio::task::spawn_blocking(move || job.run());
                self.work.push(Box::pin(async move {
                    match run.await {
                        Ok(verdict) => Finished::Checked(id, verdict),
                        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
                    }
                }));
                None
            }
            Effect::Sign { id, draft } => Some(Input::Signed {
                id,
                result: draft.sign(&self.secrets.identity),
            }),
            Effect::SignHead {
                id,
                size,
                root,
                time,
            } => {
                let head = LogHead::sign(&self.secrets.identity, size, root, time);
                Some(Input::HeadSigned { id, head })
            }
            Effect::Countersign { id, held } => {
                let one = held.sign(&self.secrets.identity);
                Some(Input::Countersigned { id, one })
            }
            Effect::SignSeat { id, draft } => {
                let mesh = self.peer.directory().mesh();
                let message = draft.sign(&mesh, &self.secrets.identity);
                Some(Input::SeatSigned { id, message })
            }
            Effect::Secret { id, task } => {
                let identity = self.secrets.identity.clone();
                let keyring = self.secrets.keyring.clone();
                let share_keys = self.secrets.share_keys.clone();
                let run = tokio::task::spawn_blocking(move || {
                    let mut keyring = keyring.lock().unwrap_or_else(PoisonError::into_inner);
                    let mut share_keys = share_keys.lock().unwrap_or_else(PoisonError::into_inner);
                    task.run(&identity, &mut keyring, &mut *share_keys)
                });
                self.work.push(Box::pin(async move {
                    match run.await {
                        Ok(done) => Finished::Secret(id, done),
                        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
                    }
                }));
                None
            }
            Effect::SignWord { id, act, word } => {
                let mesh = self.peer.directory().mesh();
                let said = Said::sign(&mesh, act, word, &self.secrets.identity);
                Some(Input::WordSigned { id, said })
            }
            Effect::SignVote { id, draft } => {
                let mesh = self.peer.directory().mesh();
                let signed = Box::new(draft.sign(&mesh, &self.secrets.identity));
                Some(Input::VoteSigned { id, signed })
            }
            Effect::Inspect { id, draft } => {
                let mesh = self.peer.directory().mesh();
                let charter = in_force(self.peer.charter().cloned());
                let identity = self.secrets.identity.clone();
                let collection = self.collection.clone();
                // The kernel's helper is waited for beside the loop.
                let run = tokio::task::spawn_blocking(move || {
                    draft.sign(&mesh, &identity, || collection.collected(&charter))
                });
                self.work.push(Box::pin(async move {
                    match run.await {
                        Ok(signed) => Finished::Inspected(id, Box::new(signed)),
                        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
                    }
                }));
                None
            }
            Effect::Persist { id, writes } => {
                let written = self.store.submit(writes);
                self.work.push(Box::pin(
                    async move { Finished::Persisted(id, written.await) },
                ));
                None
            }
            Effect::Execute { id, change } => {
                self.execute(change.value());
                Some(Input::Executed { id, result: Ok(()) })
            }
            Effect::Reply { id, reply } => {
                if let Some(waiting) = self.commands.remove(&id) {
                    waiting.send(reply).ok();
                }
                None
            }
            Effect::Notify(event) => {
                self.tell(event);
                None
            }
            Effect::Admit(peers) => {
                self.controls.give(Control::Admit(peers));
                None
            }
            Effect::Expel(peer) => {
                self.addresses.forget(&peer);
                self.controls.give(Control::Expel(peer));
                None
            }
            Effect::Disconnect(peer) => {
                self.controls.give(Control::Disconnect(peer));
                None
            }
        }
    }

    fn publish(&self, topic: &str, bytes: Vec<u8>) {
        let Ok(topic) = x0_net::Topic::new(topic) else {
            return;
        };
        if let Err(cause) = self.net.try_publish(topic, bytes) {
            warn!(%cause, "a record was not gossiped: the next catch-up carries it");
        }
    }

    fn execute(&mut self, change: &Change) {
        info!(%change, "executing");
        match change {
            Change::Link { peer } => self.controls.give(Control::Dial(*peer, Vec::new())),
            Change::Unlink { peer } => self.controls.give(Control::Disconnect(*peer)),
            Change::SetPolicy { .. } => {}
        }
    }

    fn request(
        &mut self,
        to: PublicKey,
        id: RequestId,
        bytes: Vec<u8>,
        protocol: Protocol,
    ) -> Option<Input> {
        let is_linked = self.peer.is_linked(&to);
        if is_linked || protocol == Protocol::Hello {
            return self.send_request(to, id, bytes, protocol);
        }
        let waiting: usize = self.awaiting_link.values().map(Vec::len).sum();
        if waiting >= REQUESTS_WAITING_MAX {
            return Some(Input::Response { id, response: None });
        }
        self.awaiting_link
            .entry(to)
            .or_default()
            .push(WaitingRequest { id, bytes });
        self.controls.give(Control::Dial(to, Vec::new()));
        None
    }

    fn send_request(
        &self,
        to: PublicKey,
        id: RequestId,
        bytes: Vec<u8>,
        protocol: Protocol,
    ) -> Option<Input> {
        let sent = self.net.try_request(
            PeerKey(*to.bytes()),
            protocol,
            x0_net::RequestId(id.0),
            bytes,
        );
        sent.is_err()
            .then_some(Input::Response { id, response: None })
    }

    fn respond(&mut self, token: RequestToken, response: &Response) {
        if let Some(token) = self.tokens.remove(&token) {
            self.net.try_respond(token, response.encode()).ok();
        }
    }

    /// Reads records for one message, as many as fit.
    fn page(&mut self, ids: &[ContentId]) -> Option<Vec<Unverified<Record>>> {
        let found = match self.store.records(ids) {
            Ok(found) => found,
            Err(cause) => {
                self.failed.get_or_insert(cause);
                return None;
            }
        };
        let found = found.into_iter().flatten().take(PAGE_RECORDS_MAX);
        Some(
            fitting(found)
                .flat_map(|bytes| decode_record(&bytes))
                .collect(),
        )
    }

    /// Reads blocks of the committee log for one message, as many as fit.
    fn blocks(&mut self, from: u64) -> Option<Vec<Unverified<Decided>>> {
        let found = match self.store.blocks(from, PAGE_BLOCKS_MAX) {
            Ok(found) => found,
            Err(cause) => {
                self.failed.get_or_insert(cause);
                return None;
            }
        };
        Some(
            fitting(found)
                .flat_map(|bytes| Decided::decode(&bytes))
                .collect(),
        )
    }

    fn tell(&self, event: Event) {
        match &event {
            Event::Rejected { from, why } => warn!(%from, why, "rejected"),
            Event::ForkFound { author, seq } => warn!(%author, seq, "fork found"),
            Event::SplitView { author } => warn!(%author, "an audit log was rewritten"),
            Event::TwoPublicLogs { heights } => {
                warn!(
                    first = heights.0,
                    second = heights.1,
                    "the committee has certified two public logs: `x0 audit show` has both certificates"
                );
            }
            Event::OverrideLapsed { act, change } => {
                warn!(%act, change, "an override was not told to all in time and has lapsed");
            }
            Event::OverrideStays { act } => info!(%act, "an override was told to all: it stays"),
            Event::Public { index, words } => info!(index, words, "public log"),
            Event::ShareLost { epoch, why } => {
                warn!(epoch, why, "this seat has no share of the committee's key");
            }
            Event::Seats(news) => info!(%news, "the committee"),
            Event::KeysMade { epoch, revealed } => {
                info!(epoch, revealed, "the committee has made its keys");
            }
            Event::CosignAsked {
                act,
                role,
                agent,
                change,
            } => {
                info!(%act, %role, %agent, change, "drawn for an act: `x0 act cosign` shows it");
            }
            Event::Anomaly {
                agent,
                critical: true,
                words,
            } => warn!(%agent, words, "an anomaly: its root is frozen"),
            Event::Anomaly { agent, words, .. } => {
                warn!(%agent, words, "an anomaly: somebody should look");
            }
            Event::Frozen { root, .. } => warn!(%root, "a delegation root is frozen"),
            Event::Halted {
                halt, confirmed, ..
            } => warn!(
                halt = halt.short(),
                confirmed, "the mesh is halted: `x0 halt status` tells why"
            ),
            Event::HaltEnded { halt, how } => info!(halt = halt.short(), ?how, "the halt is over"),
            Event::Vote { proposal, what } => info!(%proposal, what, "vote"),
            Event::Charter { charter, number } => {
                info!(%charter, number, "another charter is in force")
            }
            Event::ErasedAt { erasure, node } => info!(%erasure, %node, "erased there"),
            Event::Case { case, what } => info!(%case, what, "case"),
            Event::Audit { round, node, what } => {
                info!(
                    round,
                    node = node.map(|node| node.to_string()),
                    what,
                    "audit"
                );
            }
            Event::Sublime { record, kind } => debug!(%record, kind, "Sublime"),
            Event::Rotation {
                item,
                epoch,
                is_over,
            } => info!(%item, epoch, is_over, "rotation of guardians"),
            Event::BadDealer {
                item,
                epoch,
                dealer,
                by,
                is_public,
            } => warn!(%item, epoch, %dealer, %by, is_public, "a guardian deals something wrong"),
            Event::Forgot { item, by } => info!(%item, %by, "a guardian has destroyed its share"),
            Event::Invited { by } => info!(%by, "invited to serve as a guardian"),
            Event::InviteAnswered { by, serves } => {
                info!(%by, serves, "answer to an invitation to serve as a guardian");
            }
            Event::ShareNotMade { item, epoch, why } => {
                warn!(%item, epoch, why, "this node has no share after a rotation");
            }
            Event::TierPeer { peer, .. } => debug!(%peer, "it says where its IPFS node is"),
            Event::Released { request, parts } => {
                info!(%request, parts, "released for a request of this node");
            }
            Event::AccountAsked { auditor, refused } => {
                info!(%auditor, refused, "asked what this node collects");
            }
            Event::Refused { act, why } => {
                info!(act = act.map(|act| act.to_string()), why, "refused");
            }
            Event::Executed { act, change } => {
                info!(act = act.map(|act| act.to_string()), change, "executed");
            }
            Event::Linked { .. }
            | Event::Unlinked { .. }
            | Event::TurnedAway { .. }
            | Event::Joined { .. }
            | Event::Gone { .. }
            | Event::Recorded { .. }
            | Event::Outcome { .. }
            | Event::CaughtUp { .. }
            | Event::Healed { .. }
            | Event::Decided { .. }
            | Event::Proposed { .. }
            | Event::Ready { .. } => debug!(?event, "event"),
        }
        self.metrics.count(&event);
        let timed = TimedEvent {
            wall: super::wall(),
            event,
        };
        self.events.send(Arc::new(timed)).ok();
    }
}

/// Returns the first of the encodings, as many as fit one message.
fn fitting(found: impl IntoIterator<Item = Vec<u8>>) -> impl Iterator<Item = Vec<u8>> {
    let mut left = PAGE_BYTES_MAX;
    found.into_iter().map_while(move |bytes| {
        left = left.checked_sub(bytes.len())?;
        Some(bytes)
    })
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn public_key(peer: PeerKey) -> Option<PublicKey> {
    PublicKey::from_bytes(&peer.0).ok()
}
