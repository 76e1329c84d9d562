//! Gossip: gossipsub without authors, with scores, and with the verdicts of the application.
//!
//! Messages carry no author, number or signature of gossipsub's: records carry their own signatures
//! and are verified once, after duplicates are gone (verifying every copy in the codec costs about
//! 300 µs a delivery). The id of a message is the SHA-256 of its data.
//!
//! It goes by gossipsub's own protocol names: only those negotiate v1.2, with IDONTWANT. Meshes are kept
//! apart by the gate and by the names of topics.
//!
//! Scores count rejected messages (weight −20 on the square of their number, which decays to a
//! tenth in 10 minutes): one costs −20, two −80, three −180, below the graylist. Ignored messages
//! cost nothing. Deliveries and time in a mesh earn at most 3 points a topic, so good conduct hides
//! one bad message at most. Expected delivery rates (P3) are off: topics may be silent for hours.

use std::{collections::HashSet, net::IpAddr, sync::Arc, time::Duration};

use libp2p::gossipsub::{
    self, DataTransform, IdentTopic, MaxCountSubscriptionFilter, Message, MessageAuthenticity,
    MessageId, PeerScoreParams, PeerScoreThresholds, RawMessage, TopicHash, TopicScoreParams,
    TopicSubscriptionFilter, ValidationMode, score_parameter_decay,
};
use sha2::{Digest, Sha256};

use crate::{api::Topic, config::NetConfig, error::NetError, traffic::Counters};

/// Gossipsub with our filter on topics and our count of copies.
pub(crate) type Gossip = gossipsub::Behaviour<CopyCount, MaxCountSubscriptionFilter<MeshTopics>>;

/// Heartbeats that a message waits for its verdict.
const VERDICT_HEARTBEATS: usize = 10;
/// Heartbeats over which a message is offered to peers outside the mesh.
const OFFER_HEARTBEATS: usize = 5;
/// Topics a peer may be subscribed to; x0 has seven classes of records.
const TOPICS_PER_PEER_MAX: usize = 32;
/// Messages in one packet.
const MESSAGES_PER_PACKET_MAX: usize = 64;
/// Room for the frame around the largest message, in bytes.
const FRAME_BYTES: usize = 1024;
/// Messages over this size are announced by IDONTWANT before they are forwarded, in bytes
/// (gossipsub v1.2: below it the notice costs more than the copies it saves).
const IDONTWANT_BYTES: usize = 1000;

/// Sets gossipsub up and joins the configured topics.
pub(crate) fn build(config: &NetConfig, counters: Arc<Counters>) -> Result<Gossip, NetError> {
    let gossip = &config.gossip;
    let settings = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message: &Message| MessageId::from(Sha256::digest(&message.data).to_vec()))
        .duplicate_cache_time(gossip.duplicate_cache)
        .max_transmit_size(config.limits.message_bytes_max + FRAME_BYTES)
        .max_messages_per_rpc(Some(MESSAGES_PER_PACKET_MAX))
        .heartbeat_interval(gossip.heartbeat)
        .heartbeat_initial_delay(gossip.heartbeat)
        .history_length(VERDICT_HEARTBEATS)
        .history_gossip(OFFER_HEARTBEATS)
        .mesh_n(gossip.degree)
        .mesh_n_low(gossip.degree_low)
        .mesh_n_high(gossip.degree_high)
        .mesh_outbound_min(gossip.degree_outbound)
        .gossip_lazy(gossip.degree)
        .flood_publish(gossip.flood_publish)
        // Messages name no author, so one of our own may honestly come back by a peer that had it from
        // another. It is a duplicate then; without this its bearer would be scored as a liar.
        .allow_self_origin(true)
        .idontwant_message_size_threshold(IDONTWANT_BYTES)
        .build()
        .map_err(|error| setup(error.to_string()))?;

    let filter = MaxCountSubscriptionFilter {
        filter: MeshTopics {
            prefix: topic_prefix(&config.mesh),
        },
        max_subscribed_topics: TOPICS_PER_PEER_MAX,
        max_subscriptions_per_request: 2 * TOPICS_PER_PEER_MAX,
    };
    let mut behaviour = Gossip::new_with_subscription_filter_and_transform(
        MessageAuthenticity::Anonymous,
        settings,
        filter,
        CopyCount(counters),
    )
    .map_err(setup)?;
    behaviour
        .with_peer_score(peer_score(), score_thresholds())
        .map_err(setup)?;
    for topic in &config.topics {
        join(&mut behaviour, &config.mesh, topic)?;
    }
    Ok(behaviour)
}

/// Joins a topic and sets its scoring.
pub(crate) fn join(gossip: &mut Gossip, mesh: &str, topic: &Topic) -> Result<(), NetError> {
    let topic = wire_topic(mesh, topic);
    gossip
        .set_topic_params(topic.clone(), topic_score())
        .map_err(setup)?;
    gossip
        .subscribe(&topic)
        .map_err(|error| setup(error.to_string()))?;
    Ok(())
}

/// Returns the topic as it is named on the wire.
pub(crate) fn wire_topic(mesh: &str, topic: &Topic) -> IdentTopic {
    IdentTopic::new(format!("{}{topic}", topic_prefix(mesh)))
}

/// Returns the short name of a topic from the wire, if it is one of the mesh.
pub(crate) fn short_topic(mesh: &str, topic: &TopicHash) -> Option<Topic> {
    Topic::new(topic.as_str().strip_prefix(&topic_prefix(mesh))?).ok()
}

/// Returns the SHA-256 in a message id; ids are made by [`build`] only and always have one.
pub(crate) fn digest(id: &MessageId) -> [u8; 32] {
    <[u8; 32]>::try_from(id.0.as_slice()).unwrap_or_default()
}

fn topic_prefix(mesh: &str) -> String {
    format!("/x0/{mesh}/")
}

fn setup(reason: impl Into<String>) -> NetError {
    NetError::Setup {
        part: "gossip",
        reason: reason.into(),
    }
}

/// Weight of the squared number of rejected messages (P4).
pub(crate) const REJECT_WEIGHT: f64 = -20.0;
/// Time in which a counter decays to a tenth.
pub(crate) const SCORE_MEMORY: Duration = Duration::from_secs(600);
/// Below it, no gossip is exchanged: the second rejected message.
const GOSSIP_THRESHOLD: f64 = -40.0;
/// Below it, our own messages are not sent there.
const PUBLISH_THRESHOLD: f64 = -80.0;
/// Below it, the peer is not listened to: the third rejected message.
pub(crate) const GRAYLIST_THRESHOLD: f64 = -150.0;

fn score_thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: GOSSIP_THRESHOLD,
        publish_threshold: PUBLISH_THRESHOLD,
        graylist_threshold: GRAYLIST_THRESHOLD,
        // Peer exchange is off; addresses come from identify and Kademlia.
        accept_px_threshold: 1000.0,
        opportunistic_graft_threshold: 1.0,
    }
}

fn peer_score() -> PeerScoreParams {
    PeerScoreParams {
        topic_score_cap: 21.0,
        app_specific_weight: 0.0,
        // More than ten peers behind one address lose 5 × the square of the excess: one machine
        // cannot fill a mesh. Loopback is exempt, for meshes on one machine.
        ip_colocation_factor_weight: -5.0,
        ip_colocation_factor_threshold: 10.0,
        ip_colocation_factor_whitelist: HashSet::from([
            IpAddr::from([127, 0, 0, 1]),
            IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ]),
        // Broken promises and early re-grafts, above six in short time: an honest peer under load
        // breaks a few.
        behaviour_penalty_weight: -10.0,
        behaviour_penalty_threshold: 6.0,
        behaviour_penalty_decay: score_parameter_decay(SCORE_MEMORY),
        decay_interval: Duration::from_secs(1),
        decay_to_zero: 0.01,
        // A peer does not shed its score by reconnecting.
        retain_score: Duration::from_secs(3600),
        ..PeerScoreParams::default()
    }
}

fn topic_score() -> TopicScoreParams {
    TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 100.0,
        first_message_deliveries_weight: 0.1,
        first_message_deliveries_decay: score_parameter_decay(SCORE_MEMORY),
        first_message_deliveries_cap: 20.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: REJECT_WEIGHT,
        invalid_message_deliveries_decay: score_parameter_decay(SCORE_MEMORY),
        ..TopicScoreParams::default()
    }
}

/// Admits subscriptions to topics of the mesh only.
#[derive(Debug, Clone)]
pub(crate) struct MeshTopics {
    prefix: String,
}

impl TopicSubscriptionFilter for MeshTopics {
    fn can_subscribe(&mut self, topic: &TopicHash) -> bool {
        topic
            .as_str()
            .strip_prefix(&self.prefix)
            .is_some_and(|name| Topic::new(name).is_ok())
    }
}

/// Leaves messages as they are and counts every copy, before duplicates are dropped.
pub(crate) struct CopyCount(Arc<Counters>);

impl DataTransform for CopyCount {
    fn inbound_transform(&self, raw: RawMessage) -> std::io::Result<Message> {
        self.0.message_copies.one();
        Ok(Message {
            source: raw.source,
            data: raw.data,
            sequence_number: raw.sequence_number,
            topic: raw.topic,
        })
    }

    fn outbound_transform(&self, _: &TopicHash, data: Vec<u8>) -> std::io::Result<Vec<u8>> {
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn scoring_parameters_are_valid() {
        assert!(peer_score().validate().is_ok());
        assert!(score_thresholds().validate().is_ok());
        assert!(topic_score().validate().is_ok());
    }

    #[test]
    fn third_rejected_message_is_the_last_that_is_heard() {
        let topic = topic_score();
        let earned = topic.time_in_mesh_weight * topic.time_in_mesh_cap
            + topic.first_message_deliveries_weight * topic.first_message_deliveries_cap;
        assert!(7.0 * earned <= peer_score().topic_score_cap);

        let score = |rejected: f64| 7.0 * earned + REJECT_WEIGHT * rejected * rejected;
        assert!(
            score(1.0) >= 0.0,
            "one mistake is forgiven to a good neighbour"
        );
        assert!(score(2.0) < GOSSIP_THRESHOLD);
        assert!(score(3.0) < GRAYLIST_THRESHOLD);
    }

    #[test]
    fn topics_of_another_mesh_are_refused() {
        let mut filter = MeshTopics {
            prefix: topic_prefix("one"),
        };
        assert!(filter.can_subscribe(&TopicHash::from_raw("/x0/one/acts")));
        assert!(!filter.can_subscribe(&TopicHash::from_raw("/x0/two/acts")));
        assert!(!filter.can_subscribe(&TopicHash::from_raw("/x0/one/a/b")));
    }

    #[test]
    fn default_settings_are_accepted() {
        let mut config = NetConfig::new(Zeroizing::new([1; 32]), "m");
        config.topics = vec![Topic::new("acts").unwrap()];
        assert!(build(&config, Arc::default()).is_ok());
    }
}
