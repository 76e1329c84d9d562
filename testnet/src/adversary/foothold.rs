//! Links to nodes of a mesh, held with the key of a member whose own node is stopped.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Result, bail, ensure};
use tokio::time::{Instant, sleep, timeout_at};
use x0_crypto::{ContentId, Identity, PublicKey};
use x0_net::{
    Multiaddr, NetConfig, NetEvent, NetEvents, NetHandle, PeerKey, Protocol, RequestId, Verdict,
};
use x0_node::runtime::invite::split_peer;
use x0_protocol::{
    core::limits::{MESSAGE_BYTES_MAX, RECORD_BYTES_MAX},
    wire::{
        Admission, Admitted, Certificate, Consent, Consented, Draw, Hello, Outcome, Request,
        Response, Role, Said, SublimeAsk, Topic, VersionRange, VoteAnswer, VoteAsk, VoteItem,
        Warrants, Welcome, decode_record,
    },
};

use super::record::HandMade;

/// Longest wait for links and for answers.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time after which is asked again what is not answered for good.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Links to members, each greeted.
pub struct Foothold {
    own: PublicKey,
    mesh: ContentId,
    net: NetHandle,
    events: NetEvents,
    members: Vec<PublicKey>,
    seen: Seen,
    asked: u64,
}

/// What came in so far.
#[derive(Default)]
struct Seen {
    linked: BTreeSet<PublicKey>,
    answers: BTreeMap<u64, Result<Response, String>>,
    outcomes: BTreeMap<(ContentId, PublicKey), Outcome>,
    troubles: Vec<String>,
}

impl Foothold {
    /// Links to the members at some addresses, each ending in `/p2p/ID`, and greets them.
    ///
    /// # Errors
    ///
    /// Returns who could not be reached, or did not welcome this key.
    pub async fn take(
        identity: &Identity,
        mesh: ContentId,
        addresses: &[Multiaddr],
    ) -> Result<Self> {
        let (net, events) = x0_net::spawn(config(identity, mesh)?)?;
        let named: Vec<_> = addresses.iter().filter_map(split_peer).collect();
        ensure!(
            named.len() == addresses.len(),
            "every address must end with /p2p/ and a peer id"
        );
        let members: Vec<PublicKey> = named.iter().map(|(member, _)| *member).collect();
        let mut foothold = Self {
            own: identity.public(),
            mesh,
            net,
            events,
            members,
            seen: Seen::default(),
            asked: 0,
        };
        let keys = foothold.members.iter().map(|member| key(*member)).collect();
        foothold.net.admit(keys).await?;
        for (member, address) in named {
            foothold.net.dial(key(member), vec![address]).await?;
        }
        let wanted = foothold.members.clone();
        foothold
            .pump("links to all members named", |seen| {
                wanted.iter().all(|member| seen.linked.contains(member))
            })
            .await?;
        let hello = Request::Hello(Hello {
            versions: VersionRange::OURS,
            mesh,
            join: None,
        });
        for (member, answer) in foothold.ask_all(Protocol::Hello, &hello).await? {
            ensure!(
                matches!(answer, Response::Welcome(_)),
                "{member} did not welcome this key: {answer:?}"
            );
        }
        Ok(foothold)
    }

    /// Finds the place after the newest record that the members know of this key.
    ///
    /// # Errors
    ///
    /// Returns that a member did not answer.
    pub async fn place(&mut self) -> Result<(u64, Option<ContentId>)> {
        let mut newest = None;
        for (_, answer) in self.ask_all(Protocol::Sync, &Request::HeadOf).await? {
            if let Response::Records(records) = answer {
                let own = records
                    .iter()
                    .map(|record| record.peek())
                    .filter(|record| record.author() == self.own);
                newest = own
                    .map(|record| (record.header().seq, record.id()))
                    .chain(newest)
                    .max();
            }
        }
        Ok(newest.map_or((0, None), |(seq, id)| (seq + 1, Some(id))))
    }

    /// Sends a record to every member linked, by gossip and by hand; returns who took note of the latter.
    ///
    /// # Errors
    ///
    /// Returns that a member did not answer.
    pub async fn send(&mut self, record: &HandMade) -> Result<Vec<PublicKey>> {
        let kind = decode_record(&record.bytes)?.peek().header().kind;
        let topic = x0_net::Topic::new(Topic::of(kind).name())?;
        // Gossip that nobody listens to yet is no loss: the record is handed over as well.
        self.net.publish(topic, record.bytes.clone()).await.ok();
        let push = Request::Push {
            records: vec![decode_record(&record.bytes)?],
        };
        let answers = self.ask_all(Protocol::Sync, &push).await?;
        Ok(answers.into_iter().map(|(member, _)| member).collect())
    }

    /// Waits until some targets have told what became of an act.
    ///
    /// # Errors
    ///
    /// Returns who did not tell.
    pub async fn outcomes(
        &mut self,
        act: ContentId,
        targets: &[PublicKey],
    ) -> Result<Vec<(PublicKey, Outcome)>> {
        let told = |seen: &Seen| {
            targets
                .iter()
                .all(|target| seen.outcomes.contains_key(&(act, *target)))
        };
        self.pump("all targets to tell what became of the act", told)
            .await?;
        let outcomes = targets.iter().filter_map(|target| {
            let outcome = self.seen.outcomes.get(&(act, *target))?;
            Some((*target, outcome.clone()))
        });
        Ok(outcomes.collect())
    }

    /// Asks the seats among the members linked to admit an act, until one hands out a ticket and the draw.
    ///
    /// # Errors
    ///
    /// Returns that it is refused, or that nobody answers with both.
    pub async fn admission(&mut self, admission: &Admission) -> Result<(Certificate, Draw)> {
        let request = Request::Admit(Box::new(admission.to_unverified()));
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            for (_, answer) in self.ask_all(Protocol::Sync, &request).await? {
                let Response::Admitted(answer) = answer else {
                    continue;
                };
                match answer {
                    Admitted::Ticket {
                        ticket,
                        draw: Some(draw),
                    } => return Ok((*ticket, *draw)),
                    Admitted::Refused { why } => bail!("not admitted: {why}"),
                    Admitted::Ticket { draw: None, .. } | Admitted::Pending => {}
                }
            }
            sleep(ASK_AGAIN).await;
        }
        bail!("no seat among the members linked admits the act and draws for it")
    }

    /// Asks targets for their agreement to an admitted act.
    ///
    /// # Errors
    ///
    /// Returns that one refuses or does not answer.
    pub async fn agreements(
        &mut self,
        admission: &Admission,
        ticket: Certificate,
        targets: &[PublicKey],
    ) -> Result<Vec<Said>> {
        let request = Request::Consent(Box::new(Consent {
            admission: admission.to_unverified(),
            warrants: Warrants {
                ticket: Some(ticket),
                ..Warrants::default()
            },
            role: Role::Target,
        }));
        let deadline = Instant::now() + PATIENCE;
        let mut said = BTreeMap::new();
        while said.len() < targets.len() && Instant::now() < deadline {
            for (target, answer) in self.ask_some(Protocol::Sync, &request, targets).await? {
                let Response::Consent(answer) = answer else {
                    continue;
                };
                match answer {
                    Consented::Said(word) => {
                        said.insert(target, word);
                    }
                    Consented::Refused { why } => bail!("{target} does not agree: {why}"),
                    Consented::Pending => {}
                }
            }
            sleep(ASK_AGAIN).await;
        }
        ensure!(said.len() == targets.len(), "not all targets agree in time");
        Ok(said.into_values().collect())
    }

    /// Hands something in for a vote: the first to the first half of the members linked, the second to the others.
    ///
    /// # Errors
    ///
    /// Returns that a member did not answer.
    pub async fn hand_in(&mut self, items: [VoteItem; 2]) -> Result<Vec<(PublicKey, VoteAnswer)>> {
        let half = self.members.len().div_ceil(2);
        let [first, second] = items.map(|item| {
            let receipts = Vec::new();
            Request::Vote(Box::new(VoteAsk::Take { item, receipts }))
        });
        let members = self.members.clone();
        let mut answers = Vec::new();
        for (request, some) in [(first, &members[..half]), (second, &members[half..])] {
            answers.extend(self.ask_some(Protocol::Sync, &request, some).await?);
        }
        let answers = answers.into_iter().filter_map(|(member, answer)| {
            let Response::Vote(answer) = answer else {
                return None;
            };
            Some((member, *answer))
        });
        Ok(answers.collect())
    }

    /// Returns the members that it is linked to.
    pub fn members(&self) -> &[PublicKey] {
        &self.members
    }

    /// Asks some members something about Sublime.
    ///
    /// # Errors
    ///
    /// Returns that a member did not answer.
    pub async fn sublime(
        &mut self,
        ask: SublimeAsk,
        members: &[PublicKey],
    ) -> Result<Vec<(PublicKey, Response)>> {
        let request = Request::Sublime(Box::new(ask));
        self.ask_some(Protocol::Sync, &request, members).await
    }

    /// Ends all links.
    pub async fn leave(self) {
        self.net.shutdown().await;
    }

    async fn ask_all(
        &mut self,
        protocol: Protocol,
        request: &Request,
    ) -> Result<Vec<(PublicKey, Response)>> {
        let members = self.members.clone();
        self.ask_some(protocol, request, &members).await
    }

    async fn ask_some(
        &mut self,
        protocol: Protocol,
        request: &Request,
        members: &[PublicKey],
    ) -> Result<Vec<(PublicKey, Response)>> {
        let mut waiting = BTreeMap::new();
        for member in members {
            self.asked += 1;
            waiting.insert(self.asked, *member);
            let id = RequestId(self.asked);
            self.net
                .request(key(*member), protocol, id, request.encode())
                .await?;
        }
        let ids: Vec<u64> = waiting.keys().copied().collect();
        self.pump("answers", |seen| {
            ids.iter().all(|id| seen.answers.contains_key(id))
        })
        .await?;
        let mut answers = Vec::new();
        for (id, member) in waiting {
            match self.seen.answers.remove(&id) {
                Some(Ok(answer)) => answers.push((member, answer)),
                Some(Err(why)) => bail!("{member} did not answer: {why}"),
                None => bail!("{member} did not answer"),
            }
        }
        Ok(answers)
    }

    /// Takes in what happens until a condition holds.
    async fn pump(&mut self, what: &str, holds: impl Fn(&Seen) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !holds(&self.seen) {
            match timeout_at(deadline, self.events.next()).await {
                Ok(Some(event)) => self.take_in(event).await?,
                Ok(None) => bail!("the swarm has stopped while waiting for {what}"),
                Err(_) => bail!(
                    "waited {} s in vain for {what}; linked to {} of {}; {}",
                    PATIENCE.as_secs(),
                    self.seen.linked.len(),
                    self.members.len(),
                    self.seen.troubles.join("; ")
                ),
            }
        }
        Ok(())
    }

    async fn take_in(&mut self, event: NetEvent) -> Result<()> {
        match event {
            NetEvent::LinkUp {
                peer,
                admitted: true,
                ..
            } => {
                self.seen.linked.extend(PublicKey::from_bytes(&peer.0));
            }
            NetEvent::LinkDown { peer, reason } => {
                self.seen.troubles.push(format!("lost {peer}: {reason:?}"));
                if let Ok(peer) = PublicKey::from_bytes(&peer.0) {
                    self.seen.linked.remove(&peer);
                }
            }
            NetEvent::DialFailed { peer, error, .. } => {
                self.seen
                    .troubles
                    .push(format!("no way to {peer}: {error}"));
            }
            NetEvent::Response { id, result, .. } => {
                let answer = result.map_err(|error| error.to_string());
                let answer = answer
                    .and_then(|bytes| Response::decode(&bytes).map_err(|error| error.to_string()));
                self.seen.answers.insert(id.0, answer);
            }
            NetEvent::Request {
                from, token, data, ..
            } => {
                if let Some(answer) = self.answer(from, &data) {
                    self.net.respond(token, answer.encode()).await?;
                }
            }
            NetEvent::Message { message, .. } => self.net.report(message, Verdict::Ignore).await?,
            NetEvent::LinkUp {
                admitted: false, ..
            }
            | NetEvent::Listening(_)
            | NetEvent::External(_)
            | NetEvent::Discovered { .. }
            | NetEvent::ListenFailed { .. } => {}
        }
        Ok(())
    }

    /// Answers as a member would where that keeps the link up; asks for anything else stay unanswered.
    fn answer(&mut self, from: PeerKey, data: &[u8]) -> Option<Response> {
        match Request::decode(data).ok()? {
            Request::Hello(hello) if hello.mesh == self.mesh => Some(Response::Welcome(Welcome {
                versions: VersionRange::OURS,
                genesis: None,
            })),
            Request::Outcome { act, outcome } => {
                let from = PublicKey::from_bytes(&from.0).ok()?;
                self.seen.outcomes.insert((act, from), outcome);
                Some(Response::Noted)
            }
            Request::Head(_) => Some(Response::Noted),
            Request::Hello(_)
            | Request::Reconcile { .. }
            | Request::Fetch { .. }
            | Request::Push { .. }
            | Request::Stem(_)
            | Request::HeadOf
            | Request::Consistency { .. }
            | Request::Seat(_)
            | Request::Blocks { .. }
            | Request::State { .. }
            | Request::Dealing { .. }
            | Request::Parts(_)
            | Request::Offer(_)
            | Request::Admit(_)
            | Request::Consent(_)
            | Request::Vote(_)
            | Request::Audit(_)
            | Request::Public(_)
            | Request::Heads(_)
            | Request::Countersign(_)
            | Request::Account(_)
            | Request::Sublime(_) => None,
        }
    }
}

/// Settings as a node has them, without listening: nobody finds the attacker, it finds them.
fn config(identity: &Identity, mesh: ContentId) -> Result<NetConfig> {
    let label = data_encoding::HEXLOWER.encode(&mesh.digest()[..16]);
    let mut config = NetConfig::new(identity.transport_seed(), label);
    let topics = Topic::ALL
        .iter()
        .map(|topic| x0_net::Topic::new(topic.name()));
    config.topics = topics.collect::<Result<_, _>>()?;
    config.nat = false;
    config.limits.message_bytes_max = RECORD_BYTES_MAX;
    config.limits.request_bytes_max = MESSAGE_BYTES_MAX;
    config.limits.response_bytes_max = MESSAGE_BYTES_MAX;
    config.limits.hello_bytes_max = RECORD_BYTES_MAX + 4 * 1024;
    Ok(config)
}

fn key(member: PublicKey) -> PeerKey {
    PeerKey(*member.bytes())
}
