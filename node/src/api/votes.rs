//! Votes: what is decided together, how far each is, and what this node hands in.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use x0_crypto::{ContentId, PublicKey, capability::ShareBp};
use x0_protocol::{
    Command, Event, Millis, Reply,
    core::vote::{self, VoteCommand, VoteRefusal},
    spine::ballot::{Case, Finality, Kind, OwnItem, OwnStage, Recounted, Sums},
    wire::{Choice, DelegationScope, Reason, Vote, VoteItem, VoteRules},
};

use super::{
    ApiState,
    error::{ApiError, ErrorBody},
    expect_reply,
    extract::{Body, Found, Queried},
    wait::WaitQuery,
};

pub(super) fn read_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(votes))
        .routes(routes!(vote))
        .routes(routes!(handed_in))
        .routes(routes!(recount))
        .routes(routes!(bundle))
        .routes(routes!(jury))
}

pub(super) fn act_routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .routes(routes!(propose))
        .routes(routes!(cast))
        .routes(routes!(delegate))
        .routes(routes!(on_call))
}

/// A vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VoteView {
    /// The vote, by the id of its proposal.
    pub vote: String,
    /// What it is about, in words.
    pub text: Option<String>,
    /// What is decided: an act by its digest, or a document by its content id.
    pub subject: Option<String>,
    /// Who proposed it.
    pub proposer: Option<String>,
    /// Whether a jury decides.
    pub emergency: bool,
    /// Whether choices are sealed until the close.
    pub sealed: bool,
    /// The jury, if one decides.
    pub jury: Vec<String>,
    /// How many can vote.
    pub voters: Option<u32>,
    /// Mesh time from which ballots count.
    pub opened_ms: Option<u64>,
    /// Mesh time at which it closes or closed, as far as this node knows.
    pub closes_ms: Option<u64>,
    /// Mesh time of this node now.
    pub mesh_time_ms: Option<u64>,
    /// `open`, `counted`, `passed`, `rejected`, `no_quorum` or `void`.
    pub stage: String,
    /// How far it is, in words.
    pub words: String,
    /// The certified count; at a seat, as long as there is none, the count as it stands.
    pub sums: Option<SumsView>,
    /// Whether the count is certified.
    pub certified: bool,
    /// The root over the counted ballots, once they are certified.
    pub root: Option<String>,
    /// The content id of the counted ballots, by which any node that has them hands them out: it names that root.
    pub bundle: Option<String>,
    /// This node's own ballot.
    pub ballot: Option<HandedInView>,
}

/// A count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SumsView {
    /// Votes for it.
    pub yes: u64,
    /// Votes against it.
    pub no: u64,
    /// Votes for neither.
    pub abstain: u64,
    /// Ballots that void each other or do not open.
    pub void: u64,
    /// Ballots whose choice is sealed.
    #[serde(default)]
    pub sealed: u64,
}

impl From<Sums> for SumsView {
    fn from(sums: Sums) -> Self {
        Self {
            yes: sums.yes,
            no: sums.no,
            abstain: sums.abstain,
            void: sums.leaves.saturating_sub(sums.cast()),
            sealed: 0,
        }
    }
}

impl SumsView {
    /// Tells of ballots that are sealed until all are counted only how many there are.
    fn sealed(sums: Sums) -> Self {
        Self {
            sealed: sums.leaves,
            ..Self::from(Sums::default())
        }
    }
}

/// Something that this node has handed to the seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HandedInView {
    /// Its name.
    pub id: String,
    /// `proposal`, `ballot`, `delegation` or `on_call`.
    pub what: String,
    /// The vote, if it is about one.
    pub vote: Option<String>,
    /// For a ballot: `yes`, `no`, `abstain` or `sealed`.
    pub choice: Option<String>,
    /// For a delegation: to whom; nobody takes it back.
    pub delegate: Option<String>,
    /// `sending`, `said`, `taken` or `refused`; what is for a jury is said to all nodes.
    pub stage: String,
    /// Seats that gave their word for it or have it in the log.
    pub seats: usize,
    /// How far it is, in words.
    pub words: String,
}

impl HandedInView {
    fn new(id: &ContentId, own: &OwnItem) -> Self {
        let (what, vote, choice, delegate) = match &own.item {
            VoteItem::Proposal(proposal) => ("proposal", Some(proposal.id()), None, None),
            VoteItem::Ballot(ballot) => {
                let choice = match &ballot.vote {
                    Vote::Open(choice) => Some(choice.name()),
                    Vote::Sealed(_) => Some("sealed"),
                };
                ("ballot", Some(ballot.proposal), choice, None)
            }
            VoteItem::Delegation(said) => {
                let vote = match said.scope {
                    DelegationScope::Standing => None,
                    DelegationScope::Proposal(vote) => Some(vote),
                };
                ("delegation", vote, None, said.delegate)
            }
            VoteItem::OnCall(_) => ("on_call", None, None, None),
        };
        let stage = match own.stage {
            OwnStage::Sending if own.said => "said",
            OwnStage::Sending => "sending",
            OwnStage::Taken => "taken",
            OwnStage::Refused(_) => "refused",
        };
        Self {
            id: id.to_string(),
            what: what.to_owned(),
            vote: vote.map(|vote| vote.to_string()),
            choice: choice.map(str::to_owned),
            delegate: delegate.map(|delegate| delegate.to_string()),
            stage: stage.to_owned(),
            seats: own.held_by(),
            words: own.words(),
        }
    }
}

impl VoteView {
    fn new(seen: &vote::VoteView, mesh_time_ms: Option<u64>) -> Self {
        let opening = seen.opening.as_ref();
        let case = seen.case.as_ref();
        let of_case = case.map(|case| &case.proposal);
        let proposal = opening.map(|opening| &opening.proposal).or(of_case);
        let stage = match (&seen.resolved, &seen.tally) {
            (Some(resolved), _) => resolved.end.name(),
            (None, _) if case.is_some_and(Case::has_passed) => "passed",
            (None, Some(_)) => "counted",
            (None, None) => "open",
        };
        let jury = opening.map(|opening| &opening.jury);
        let jury = jury.or(case.map(|case| &case.jury));
        let certified = seen.tally.map(|stated| stated.tally);
        let sealed = proposal.is_some_and(|proposal| proposal.rules.sealed_to.is_some());
        let live = seen.live.map(|sums| match sealed {
            true => SumsView::sealed(sums),
            false => sums.into(),
        });
        let sums = certified.map(|tally| tally.sums.into()).or(live);
        let ballot = seen.ballot.as_ref();
        Self {
            vote: seen.proposal.to_string(),
            text: proposal.map(|proposal| proposal.text.to_string()),
            subject: proposal.map(|proposal| proposal.subject.to_string()),
            proposer: proposal.map(|proposal| proposal.proposer.to_string()),
            emergency: proposal.is_some_and(|proposal| proposal.rules.is_emergency()),
            sealed,
            jury: jury
                .into_iter()
                .flatten()
                .map(ToString::to_string)
                .collect(),
            voters: opening
                .map(|opening| opening.opened.electorate.count)
                .or(case.map(|case| count(case.jury.len()))),
            opened_ms: opening
                .map(|opening| opening.opened.opened.0)
                .or(case.map(|case| case.asked.0)),
            closes_ms: seen.closes.map(|closes| closes.0),
            mesh_time_ms,
            stage: stage.to_owned(),
            words: seen.stage.clone(),
            sums,
            certified: certified.is_some(),
            root: certified.map(|tally| tally.root.to_string()),
            bundle: seen.tally.map(|stated| stated.bundle().to_string()),
            ballot: ballot.map(|own| HandedInView::new(&own.item.id(), own)),
        }
    }

    /// Tells whether nothing more comes of it.
    pub fn is_ended(&self) -> bool {
        self.stage != "open" && self.stage != "counted"
    }
}

/// The votes known here, and what this node has handed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VotesView {
    /// The votes, newest first.
    pub votes: Vec<VoteView>,
    /// What this node has handed in.
    pub own: Vec<HandedInView>,
}

/// The votes known here, newest first, and what this node has handed in.
#[utoipa::path(
    get, path = "/v1/votes", tag = "votes",
    responses((status = 200, body = VotesView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn votes(State(api): State<Arc<ApiState>>) -> Result<Json<VotesView>, ApiError> {
    Ok(Json(api.votes().await?))
}

/// One vote; waits for news of it if asked to.
#[utoipa::path(
    get, path = "/v1/votes/{vote}", tag = "votes",
    params(("vote" = String, Path, description = "The vote, by the id of its proposal."), WaitQuery),
    responses((status = 200, body = VoteView), (status = 404, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn vote(
    State(api): State<Arc<ApiState>>,
    Found(vote): Found<ContentId>,
    Queried(query): Queried<WaitQuery>,
) -> Result<Json<VoteView>, ApiError> {
    let name = vote.to_string();
    let known = query.known.clone();
    let seen = api.when_news(query, |all: VotesView| {
        let seen = all.votes.into_iter().find(|seen| seen.vote == name);
        let is_news = |seen: &VoteView| {
            seen.is_ended() || known.as_ref().is_none_or(|known| *known != seen.words)
        };
        seen.map(|seen| (is_news(&seen), seen))
    });
    seen.await?.map(Json).ok_or_else(|| {
        ApiError::not_found(
            format!("no vote {vote} is known here"),
            "list those that are with `x0 vote list`; a new one is known once the committee has opened it",
        )
    })
}

/// Something that this node has handed in; waits for news of it if asked to.
#[utoipa::path(
    get, path = "/v1/votes/own/{id}", tag = "votes",
    params(("id" = String, Path, description = "Its name."), WaitQuery),
    responses((status = 200, body = HandedInView), (status = 404, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn handed_in(
    State(api): State<Arc<ApiState>>,
    Found(id): Found<ContentId>,
    Queried(query): Queried<WaitQuery>,
) -> Result<Json<HandedInView>, ApiError> {
    let name = id.to_string();
    let known = query.known.clone();
    let own = api.when_news(query, |all: VotesView| {
        let own = all.own.into_iter().find(|own| own.id == name);
        let is_news = |own: &HandedInView| {
            own.stage != "sending" || known.as_ref().is_none_or(|known| *known != own.words)
        };
        own.map(|own| (is_news(&own), own))
    });
    own.await?.map(Json).ok_or_else(|| {
        ApiError::not_found(
            format!("this node has handed in nothing of the name {id}"),
            "list what it has with `x0 vote list`",
        )
    })
}

/// What a recount came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecountView {
    /// Whether it comes to what was certified.
    pub same: bool,
    /// What was found, in words.
    pub words: String,
}

/// Fetches what was counted and counts it again; a proof that the tally is false goes to all nodes.
#[utoipa::path(
    get, path = "/v1/votes/{vote}/recount", tag = "votes",
    params(("vote" = String, Path, description = "The vote, by the id of its proposal.")),
    responses((status = 200, body = RecountView), (status = 404, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn recount(
    State(api): State<Arc<ApiState>>,
    Found(vote): Found<ContentId>,
) -> Result<Json<RecountView>, ApiError> {
    let command = Command::Vote(VoteCommand::Recount(vote));
    let reply = api.node.command(command).await?;
    let found = expect_reply!(reply, Reply::Recounted(found) => found)?;
    Ok(Json(RecountView::new(&found)))
}

impl RecountView {
    /// Says what a recount came to.
    pub fn new(found: &Recounted) -> Self {
        match found {
            Recounted::Same(outcome) => Self {
                same: true,
                words: format!(
                    "every ballot holds and they add up to what was certified: {outcome}"
                ),
            },
            Recounted::False(_) => Self {
                same: false,
                words:
                    "the certified tally is false; a node that finds it so hands the proof to the \
                     seats, which void the vote if its challenge time is not over"
                        .to_owned(),
            },
            Recounted::NotPublished(why) => Self {
                same: false,
                words: format!("what is handed out is not what the seats certified: {why}"),
            },
        }
    }
}

/// Fetches what was counted, counts it again, and hands it out as a file that `x0 vote recount --file` reads.
#[utoipa::path(
    get, path = "/v1/votes/{vote}/bundle", tag = "votes",
    params(("vote" = String, Path, description = "The vote, by the id of its proposal.")),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/cbor"),
        (status = 404, body = ErrorBody)
    ),
    security(("api_token" = ["read"]))
)]
async fn bundle(
    State(api): State<Arc<ApiState>>,
    Found(vote): Found<ContentId>,
) -> Result<impl IntoResponse, ApiError> {
    let command = Command::Vote(VoteCommand::Bundle(vote));
    let reply = api.node.command(command).await?;
    let bundle = expect_reply!(reply, Reply::Bundle(bundle) => bundle)?;
    let encoded = tokio::task::spawn_blocking(move || bundle.to_bytes()).await;
    let bytes = encoded.map_err(|fault| {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "not_encoded",
            format!("the ballots could not be written out: {fault}"),
            "see the log of the node",
        )
    })?;
    Ok(([(CONTENT_TYPE, "application/cbor")], bytes))
}

/// The jury of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DayJuryView {
    /// Mesh time from which it is asked.
    pub from_ms: u64,
    /// Mesh time from which it is asked no more.
    pub until_ms: u64,
    /// Whether it is asked now.
    pub serves: bool,
    /// Whether this node's member sits on it.
    pub own: bool,
    /// The jurors.
    pub jurors: Vec<String>,
}

/// An item before a jury.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JuryItemView {
    /// The item, by the id of its proposal.
    pub vote: String,
    /// What it is about, in words.
    pub text: String,
    /// What is decided.
    pub subject: String,
    /// Mesh time from which the jury is asked.
    pub asked_ms: u64,
    /// Mesh time until which jurors are asked to answer.
    pub closes_ms: u64,
    /// How many sit on the jury.
    pub jurors: u32,
    /// How many must say yes.
    pub needed: u32,
    /// How many have said yes.
    pub yes: u32,
    /// How many have said no.
    pub no: u32,
    /// How many abstain.
    pub abstain: u32,
    /// Whether it has passed.
    pub passed: bool,
    /// Whether this node's member sits on the jury.
    pub own: bool,
    /// What it has said.
    pub ballot: Option<String>,
}

/// The juries known here, and what they were asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JuryView {
    /// Whether this member has said to serve; nothing if it has said nothing.
    pub on_call: Option<bool>,
    /// Mesh time now.
    pub mesh_time_ms: u64,
    /// The juries of days, in order of day.
    pub days: Vec<DayJuryView>,
    /// What juries were asked, the newest first.
    pub items: Vec<JuryItemView>,
}

impl JuryView {
    fn new(seen: &vote::JuryView) -> Self {
        let days = seen.days.iter().map(|day| DayJuryView {
            from_ms: day.stated.from.0,
            until_ms: day.stated.until.0,
            serves: day.stated.serves(seen.time),
            own: day.jury.contains(&seen.own),
            jurors: day.jury.iter().map(ToString::to_string).collect(),
        });
        let items = seen.cases.iter().map(|(id, case)| JuryItemView {
            vote: id.to_string(),
            text: case.proposal.text.to_string(),
            subject: case.proposal.subject.to_string(),
            asked_ms: case.asked.0,
            closes_ms: case.closes().0,
            jurors: count(case.jury.len()),
            needed: count(case.needed()),
            yes: count(case.said(Choice::Yes)),
            no: count(case.said(Choice::No)),
            abstain: count(case.said(Choice::Abstain)),
            passed: case.has_passed(),
            own: case.jury.contains(&seen.own),
            ballot: case
                .ballot_of(&seen.own)
                .and_then(|ballot| match &ballot.vote {
                    Vote::Open(choice) => Some(choice.name().to_owned()),
                    Vote::Sealed(_) => None,
                }),
        });
        Self {
            on_call: seen.on_call,
            mesh_time_ms: seen.time.0,
            days: days.collect(),
            items: items.collect(),
        }
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The juries known here, what they were asked, and whether this node serves.
#[utoipa::path(
    get, path = "/v1/votes/jury", tag = "votes",
    responses((status = 200, body = JuryView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["read"]))
)]
async fn jury(State(api): State<Arc<ApiState>>) -> Result<Json<JuryView>, ApiError> {
    let reply = api.node.command(Command::Vote(VoteCommand::Jury)).await?;
    expect_reply!(reply, Reply::Jury(seen) => Json(JuryView::new(&seen)))
}

/// A proposal of a vote.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposeVoteBody {
    /// What it is about, in words: at most 280 bytes.
    pub text: String,
    /// What is decided: an act by its digest, or a document by its content id; the text itself if left out.
    pub subject: Option<String>,
    /// Whether a jury is to decide, within hours.
    #[serde(default)]
    pub emergency: bool,
    /// The window in mesh seconds: 259200 unless told otherwise, 7200 for a jury.
    pub window_secs: Option<u64>,
    /// The share of the electorate that must take part, in per cent: 20 unless told otherwise.
    pub quorum_percent: Option<u8>,
    /// The share of the ballots that yes must exceed, in per cent: 50 unless told otherwise.
    pub threshold_percent: Option<u8>,
    /// Whether ballots can be changed.
    #[serde(default)]
    pub changeable: bool,
    /// Whether choices are to be sealed to the committee until the close; not for a jury.
    #[serde(default)]
    pub sealed: bool,
}

/// Something is on its way to the seats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VotedView {
    /// Its name: of a proposal it is the vote's.
    pub id: String,
}

/// Proposes a vote.
#[utoipa::path(
    post, path = "/v1/votes", tag = "votes", request_body = ProposeVoteBody,
    responses((status = 200, body = VotedView), (status = 422, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn propose(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<ProposeVoteBody>,
) -> Result<Json<VotedView>, ApiError> {
    if body.text.trim().is_empty() {
        return Err(out_of_range(
            "the text is empty: say what is voted on".to_owned(),
        ));
    }
    let text: Reason = body.text.parse().map_err(out_of_range)?;
    let subject = match &body.subject {
        Some(subject) => subject
            .parse()
            .map_err(|error| out_of_range(format!("the subject is no content id: {error}")))?,
        None => ContentId::of(body.text.as_bytes()),
    };
    let rules = rules(&body);
    api.hand_in(VoteCommand::Propose {
        subject,
        text,
        rules,
        sealed: body.sealed,
    })
    .await
}

fn rules(body: &ProposeVoteBody) -> VoteRules {
    let mut rules = if body.emergency {
        VoteRules::emergency()
    } else {
        VoteRules::ordinary()
    };
    if let Some(window) = body.window_secs.map(Millis::from_secs) {
        rules.kind = if body.emergency {
            Kind::Emergency { window }
        } else {
            Kind::Ordinary { window }
        };
    }
    if let Some(quorum) = body.quorum_percent {
        rules.quorum = ShareBp::from_percent(quorum);
    }
    if let Some(threshold) = body.threshold_percent {
        rules.threshold = ShareBp::from_percent(threshold);
    }
    if body.changeable {
        rules.finality = Finality::Changeable;
    }
    rules
}

/// A ballot.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CastBody {
    /// `yes`, `no` or `abstain`.
    pub choice: String,
}

/// Casts this node's ballot.
#[utoipa::path(
    post, path = "/v1/votes/{vote}/ballot", tag = "votes", request_body = CastBody,
    params(("vote" = String, Path, description = "The vote, by the id of its proposal.")),
    responses((status = 200, body = VotedView), (status = 404, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn cast(
    State(api): State<Arc<ApiState>>,
    Found(proposal): Found<ContentId>,
    Body(body): Body<CastBody>,
) -> Result<Json<VotedView>, ApiError> {
    let choices = [Choice::Yes, Choice::No, Choice::Abstain];
    let choice = choices
        .into_iter()
        .find(|choice| choice.name() == body.choice)
        .ok_or_else(|| {
            out_of_range(format!(
                "{:?} is no choice: say yes, no or abstain",
                body.choice
            ))
        })?;
    api.hand_in(VoteCommand::Cast { proposal, choice }).await
}

/// A delegation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DelegateBody {
    /// For one vote; for all until revoked if left out.
    pub vote: Option<String>,
    /// Who votes in this member's place; nobody takes the delegation back.
    pub delegate: Option<String>,
}

/// Lets another member vote in this one's place, or takes that back.
#[utoipa::path(
    post, path = "/v1/votes/delegation", tag = "votes", request_body = DelegateBody,
    responses((status = 200, body = VotedView), (status = 422, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn delegate(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<DelegateBody>,
) -> Result<Json<VotedView>, ApiError> {
    let scope = match &body.vote {
        None => DelegationScope::Standing,
        Some(vote) => DelegationScope::Proposal(
            vote.parse()
                .map_err(|error| out_of_range(format!("{vote} is no vote's id: {error}")))?,
        ),
    };
    let delegate: Option<PublicKey> = match &body.delegate {
        None => None,
        Some(key) => Some(
            key.parse()
                .map_err(|error| out_of_range(format!("{key} is no member's key: {error}")))?,
        ),
    };
    api.hand_in(VoteCommand::Delegate { scope, delegate }).await
}

/// Readiness for juries.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OnCallBody {
    /// Whether this member serves on juries from now on.
    pub serves: bool,
}

/// Says whether this member serves on juries.
#[utoipa::path(
    post, path = "/v1/votes/jury", tag = "votes", request_body = OnCallBody,
    responses((status = 200, body = VotedView), (status = 503, body = ErrorBody)),
    security(("api_token" = ["act"]))
)]
async fn on_call(
    State(api): State<Arc<ApiState>>,
    Body(body): Body<OnCallBody>,
) -> Result<Json<VotedView>, ApiError> {
    let serves = body.serves;
    api.hand_in(VoteCommand::OnCall { serves }).await
}

fn out_of_range(why: String) -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "out_of_range",
        why,
        "change the value as the message says",
    )
}

/// Says which error a refusal is, with the mend.
pub(super) const fn refused(refusal: &VoteRefusal) -> (StatusCode, &'static str, &'static str) {
    match refusal {
        VoteRefusal::NoCommittee => (
            StatusCode::CONFLICT,
            "no_committee",
            "found a mesh with four seats or more: only a committee can hold votes",
        ),
        VoteRefusal::NoKeys => (
            StatusCode::SERVICE_UNAVAILABLE,
            "no_keys",
            "wait until `x0 status` shows the committee's keys",
        ),
        VoteRefusal::NoSuchVote(_) => (
            StatusCode::NOT_FOUND,
            "no_such_vote",
            "list the votes with `x0 vote list`",
        ),
        VoteRefusal::Over(_) => (
            StatusCode::CONFLICT,
            "vote_over",
            "see what came of it with `x0 vote show`",
        ),
        VoteRefusal::NotAJuror(_) => (
            StatusCode::FORBIDDEN,
            "not_a_juror",
            "serve on juries to come with `x0 vote jury on`",
        ),
        VoteRefusal::AlreadyCast(_) | VoteRefusal::TooManyChanges => (
            StatusCode::CONFLICT,
            "already_cast",
            "see the ballot with `x0 vote show`",
        ),
        VoteRefusal::Busy | VoteRefusal::TooMany(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "try again in a moment",
        ),
        VoteRefusal::Terms(_) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "out_of_range",
            "give a value within the range the message names",
        ),
        VoteRefusal::NoDelegate(_) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "no_such_member",
            "name another active member: `x0 peers --members` lists them",
        ),
        VoteRefusal::NotCounted(_) => (
            StatusCode::CONFLICT,
            "not_counted",
            "wait for the count: `x0 vote watch` follows it",
        ),
        VoteRefusal::NotPublished(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "not_published",
            "try again when more seats are linked; act on no tally that nobody can recount",
        ),
    }
}

const fn is_about_votes(event: &Event) -> bool {
    matches!(event, Event::Vote { .. })
}

impl ApiState {
    async fn votes(&self) -> Result<VotesView, ApiError> {
        let reply = self.node.command(Command::Vote(VoteCommand::List)).await?;
        let all = expect_reply!(reply, Reply::Votes(all) => all)?;
        let reply = self.node.command(Command::Status).await?;
        let status = expect_reply!(reply, Reply::Status(status) => status)?;
        let time = status.trust.time.map(|time| time.0);
        Ok(VotesView {
            votes: all
                .votes
                .iter()
                .map(|seen| VoteView::new(seen, time))
                .collect(),
            own: all
                .own
                .iter()
                .map(|(id, own)| HandedInView::new(id, own))
                .collect(),
        })
    }

    async fn hand_in(&self, command: VoteCommand) -> Result<Json<VotedView>, ApiError> {
        let reply = self.node.command(Command::Vote(command)).await?;
        expect_reply!(reply, Reply::Voted(id) => Json(VotedView { id: id.to_string() }))
    }

    /// Looks at the votes, again with each event about one, until what is looked for has news or the time is over.
    async fn when_news<T>(
        &self,
        query: WaitQuery,
        look: impl Fn(VotesView) -> Option<(bool, T)>,
    ) -> Result<Option<T>, ApiError> {
        let mut wait = self.wait(query.wait_ms);
        loop {
            match look(self.votes().await?) {
                Some((true, found)) => return Ok(Some(found)),
                Some((false, found)) if !wait.news(is_about_votes).await => return Ok(Some(found)),
                None if !wait.news(is_about_votes).await => return Ok(None),
                Some(_) | None => {}
            }
        }
    }
}
