//! What a caller of the API is told when a call is not served: `{"error":{code,message,mend}}`.
//!
//! The code is for programs and does not change; the message says what happened and to what; the mend
//! says what to do. Every refusal of the protocol has its status, code and mend in one table here.

use axum::{
    Json,
    extract::rejection::{JsonRejection, PathRejection, QueryRejection},
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use x0_protocol::{CommandError, core::reject::ActRefusal};

use crate::{runtime::NodeError, store::StoreError};

/// A call that is not served.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    mend: String,
    retry_after_secs: Option<u64>,
}

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorView,
}

/// What went wrong, to what, and the mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorView {
    /// For programs; does not change between versions.
    pub code: String,
    /// What happened, to what.
    pub message: String,
    /// What to do.
    pub mend: String,
}

impl ApiError {
    /// Makes an error of a status, a code, what happened, and what to do.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            mend: mend.into(),
            retry_after_secs: None,
        }
    }

    /// The request says something that cannot be.
    pub fn bad_request(message: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message, mend)
    }

    /// What the request names is not known here.
    pub fn not_found(message: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message, mend)
    }

    /// The caller sends too much and may try again after a while.
    pub fn too_many(retry_after_secs: u64) -> Self {
        let message = "this caller sends more requests than the node serves it";
        let mend = format!("wait {retry_after_secs} s, then send fewer at a time");
        Self {
            retry_after_secs: Some(retry_after_secs),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                message,
                mend,
            )
        }
    }

    /// Returns the status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: ErrorView {
                code: self.code.to_owned(),
                message: self.message,
                mend: self.mend,
            },
        };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(secs) = self.retry_after_secs {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(secs));
        }
        response
    }
}

impl From<NodeError> for ApiError {
    fn from(error: NodeError) -> Self {
        let message = error.to_string();
        match error {
            NodeError::Refused(refused) => Self::from(refused),
            NodeError::Stopping => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "stopping",
                message,
                "start the node again with `x0 run`, then repeat the call",
            ),
            NodeError::Token(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "bad_grant",
                message,
                "change the actions or caveats as the message says",
            ),
            NodeError::Store(_) => store_failed(message),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        store_failed(error.to_string())
    }
}

fn store_failed(message: String) -> ApiError {
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "store_failed",
        message,
        "check the disk and the log of the node, then start it again",
    )
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        let (status, code, mend) = table(&error);
        Self::new(status, code, error.to_string(), mend)
    }
}

fn table(error: &CommandError) -> (StatusCode, &'static str, &'static str) {
    match error {
        CommandError::NotReady => (
            StatusCode::SERVICE_UNAVAILABLE,
            "not_ready",
            "try again in a few seconds; `x0 status` says when the node is ready",
        ),
        CommandError::NotAMember => (
            StatusCode::CONFLICT,
            "not_a_member",
            "ask a member for a new invite and join again",
        ),
        CommandError::Act(refusal) => (StatusCode::FORBIDDEN, "act_refused", act_mend(refusal)),
        CommandError::Token(_) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad_token",
            "look at the token with `x0 cap inspect`, or ask its granter for a new one",
        ),
        CommandError::Record(_) => (
            StatusCode::CONFLICT,
            "record_refused",
            "change what the message names and try again",
        ),
        CommandError::OutOfRange(_) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "out_of_range",
            "give a value within the range the message names",
        ),
        CommandError::NoSuchEntry { .. } | CommandError::NoSuchHead { .. } => (
            StatusCode::NOT_FOUND,
            "no_such_entry",
            "`x0 audit show` and `x0 audit public list` tell how many entries there are",
        ),
        CommandError::NotCertified => (
            StatusCode::SERVICE_UNAVAILABLE,
            "not_certified",
            "try again in a minute; `x0 status` tells whether this node is in touch with the committee",
        ),
        CommandError::NothingToCosign(_) => (
            StatusCode::NOT_FOUND,
            "nothing_to_cosign",
            "list what waits for this node with `x0 act cosign`",
        ),
        CommandError::Amendment(_) => (
            StatusCode::CONFLICT,
            "charter_refused",
            "`x0 charter diff` compares it with the one in force, `x0 charter show` shows that",
        ),
        CommandError::Erasure(_) => (
            StatusCode::CONFLICT,
            "cannot_be_erased",
            "`x0 data show` lists what is held about this node, and what of it can be erased",
        ),
        CommandError::Barred(_) => (
            StatusCode::FORBIDDEN,
            "barred",
            "wait until the sentence ends; while an announced verdict can be appealed: `x0 charter case appeal`",
        ),
        CommandError::Case(refusal) => super::cases::refused(refusal),
        CommandError::Vote(refusal) => super::votes::refused(refusal),
        CommandError::Inspection(refusal) => super::inspections::refused(refusal),
        CommandError::Sublime(refusal) => super::sublime::refused(refusal),
        CommandError::Emergency(refusal) => super::emergency::refused(refusal),
        CommandError::TooManyProposals(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_proposals",
            "wait until some have ended: `x0 act proposals` lists them",
        ),
        CommandError::NoSeat(_) => (
            StatusCode::FORBIDDEN,
            "no_seat",
            "ask the holder of a seat of the committee: `x0 committee show` lists them",
        ),
        CommandError::NoSuchPlan(_) => (
            StatusCode::NOT_FOUND,
            "no_such_plan",
            "list the plans with `x0 committee show`; a plan is void once other seats are in force",
        ),
        CommandError::NoSuchHalt(_) => (
            StatusCode::NOT_FOUND,
            "no_such_halt",
            "list the halts with `x0 halt status`",
        ),
        CommandError::NotASeat(_) => (
            StatusCode::FORBIDDEN,
            "not_a_seat",
            "ask the holder of a seat to state the removal",
        ),
        CommandError::NoSuchMember(_) => (
            StatusCode::NOT_FOUND,
            "no_such_member",
            "list the members with `x0 peers --members`",
        ),
        CommandError::NoSuchRegion(_) => (
            StatusCode::NOT_FOUND,
            "no_such_region",
            "use a region that the genesis names; `x0 peers --members` shows those in use",
        ),
        CommandError::Failed(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "failed",
            "see the log of the node for the cause, then try again",
        ),
    }
}

fn act_mend(refusal: &ActRefusal) -> &'static str {
    match refusal {
        ActRefusal::UnknownRoot(_) => {
            "use a token of a root that the mesh's genesis names, or let each target accept the root with \
             `x0 cap accept ROOT`"
        }
        ActRefusal::Token(_) => {
            "act within the token's limits (`x0 cap inspect` explains them), or ask its granter for a wider one"
        }
        ActRefusal::MassAction { .. } => {
            "name fewer targets; `x0 status` says how many a token alone may reach"
        }
        ActRefusal::NoKeys => {
            "wait until the seats are linked and have made their keys; `x0 status` tells how far they are"
        }
        ActRefusal::OutOfTouch { .. } => {
            "see with `x0 peers` whom this node is linked to, and ask somebody you know by another way whether the mesh \
             goes on; `x0 join` with an invite of theirs opens other links"
        }
        ActRefusal::BehindInvite { .. } => {
            "wait until this node has caught up; if it never does, ask who invited it whom it is linked to (`x0 peers`)"
        }
        ActRefusal::BadWarrants(_) => "propose the act again with `x0 act propose`",
        ActRefusal::NoPanel(_) => {
            "use a token that asks for a panel which can be drawn, as the message says"
        }
        ActRefusal::BadOverride(_) => {
            "give what the message names and propose it anew: `x0 override propose --help`"
        }
        ActRefusal::TicketExpired => "propose the act again: a ticket holds for 10 minutes",
        ActRefusal::TooFewAgree { .. }
        | ActRefusal::TooFewCosigned { .. }
        | ActRefusal::TooFewApprove { .. } => {
            "propose the act again, or name fewer targets; `x0 act proposals` tells who has not signed"
        }
        ActRefusal::NeedsVote { .. } => {
            "name at most 100 nodes, or have the members decide: `x0 vote propose TEXT --subject ID` with the id \
             that the message names"
        }
        ActRefusal::Stopped { .. } => {
            "wait as the message says; `x0 halt status` tells what is stopped and `x0 halt evidence` why"
        }
        ActRefusal::Expired => "propose the act again with a life of at most 10 minutes",
        ActRefusal::StaleVersion { .. } => {
            "propose the act again: it starts from the version in force now"
        }
        ActRefusal::BadChange(_) => {
            "change the value as the message says; `x0 act policies` lists what can be set"
        }
        ActRefusal::AuthorSuspended => {
            "act by another member until the fork of this node's record chain is mended"
        }
        ActRefusal::NotAMember => "join the mesh with a new invite",
        ActRefusal::CatchingUp => "try again when `x0 status` says that the node is ready",
        ActRefusal::Barred(_) => {
            "wait until the sentence ends: `x0 charter case list` shows the verdict; changes of the own node stay possible"
        }
        ActRefusal::LocalOnly => "do it on the node itself with `x0 act local`",
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let status = rejection.status();
        let (code, mend) = if status == StatusCode::PAYLOAD_TOO_LARGE {
            (
                "too_large",
                "send less in one request, or raise `api.body_bytes_max` in the settings",
            )
        } else {
            (
                "bad_request",
                "send the JSON body that /v1/openapi.json describes, with content-type application/json",
            )
        };
        Self::new(status, code, rejection.body_text(), mend)
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request(
            rejection.body_text(),
            "copy the id again, whole, from the list it came from",
        )
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(
            rejection.body_text(),
            "use the query parameters that /v1/openapi.json describes",
        )
    }
}
