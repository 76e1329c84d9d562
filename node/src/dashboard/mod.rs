//! The dashboard: the node and its mesh in a browser, on a phone or a desktop, in English and Russian.
//!
//! [`router`] renders twelve pages from what a [`Source`] tells, and the same pages without their frame as
//! fragments. A small script listens to the node's events and fetches the fragment of the page that is open;
//! without scripts every page works and is refreshed by reloading it. Everything a page needs comes from the
//! node itself: no request leaves for elsewhere, and the content security policy would refuse it.
//!
//! The dashboard looks, and takes four decisions: whether this node co-signs an act that it was drawn for, what its member says
//! as a juror to a call in an emergency, whether its member serves as a guardian as it was invited to, and that a guardian's
//! drill begins. Who may look and who may decide is decided before a request gets here. Names and reasons come from other
//! nodes; all text is escaped by the templates, and text of
//! others is isolated so that its writing direction cannot disguise what stands beside it.

mod about;
mod access;
mod acts;
mod amendments;
mod assets;
mod audit;
mod calls;
mod capabilities;
mod cases;
mod charter;
mod consents;
mod contradictions;
mod duties;
mod enforcement;
mod feed;
mod followed;
mod guardian;
mod guarding;
mod happenings;
mod layout;
mod ledger;
mod map;
mod overview;
mod page;
mod parts;
mod peers;
mod public;
mod read;
mod sublime;
pub(crate) mod text;
mod verdicts;

#[cfg(test)]
mod tests;

use axum::{
    Router, middleware,
    routing::{get, post},
};
use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{Command, Now, Reply, charter::Charter, spine::audit::Entry};

pub use contradictions::Contradictions;
pub use enforcement::Enforcement;
pub use feed::{EVENTS_SHOWN, Feed, Happened, News};
pub use followed::{Followed, Gathered};
pub use guarding::{ContentHeld, GuardLog, Guarding};

/// The path of the first page.
pub const HOME: &str = "/ui";

/// What the pages are made of.
pub trait Source: Clone + Send + Sync + 'static {
    /// Asks the node something; only questions are asked, never changes.
    fn ask(&self, question: Command) -> impl Future<Output = Result<Reply, String>> + Send;

    /// Co-signs an act that this node was drawn for, or refuses it, which ends it for good.
    fn cosign(
        &self,
        act: ContentId,
        approve: bool,
    ) -> impl Future<Output = Result<(), String>> + Send;

    /// Casts the ballot of this node's member, as a juror who was asked about a call in an emergency.
    fn cast(
        &self,
        proposal: ContentId,
        yes: bool,
    ) -> impl Future<Output = Result<(), String>> + Send;

    /// Has this node's member serve as a guardian, as that member has invited it to, or declines.
    fn answer_invitation(
        &self,
        of: PublicKey,
        accepts: bool,
    ) -> impl Future<Output = Result<(), String>> + Send;

    /// Begins a drill of what this node keeps as a guardian, unless one runs.
    fn begin_drill(&self);

    /// Reads entries of the node's audit log from an index on, in order.
    fn audit_entries(
        &self,
        from: u64,
        count_max: usize,
    ) -> impl Future<Output = Result<Vec<Entry>, String>> + Send;

    /// Looks at what holds this machine to a charter now.
    fn enforcement(
        &self,
        charter: &Charter,
    ) -> impl Future<Output = Result<Enforcement, String>> + Send;

    /// Returns the proofs in the node's audit log that somebody showed two different logs.
    fn contradictions(&self) -> impl Future<Output = Result<Contradictions, String>> + Send;

    /// Looks at what this machine holds as a guardian.
    fn guarding(&self) -> impl Future<Output = Result<Guarding, String>> + Send;

    /// Returns what happened lately, newest first, at most [`EVENTS_SHOWN`].
    fn happened(&self) -> Vec<Happened>;

    /// Reads the clocks by which links and records are dated.
    fn now(&self) -> Now;
}

/// Serves the pages under [`HOME`], their fragments and their assets.
pub fn router<S: Source>(source: S) -> Router {
    Router::new()
        .route(HOME, get(page::home::<S>))
        .route("/ui/{page}", get(page::show::<S>))
        .route("/ui/fragment/{page}", get(page::fragment::<S>))
        .route("/ui/cosign/{act}", post(consents::decide::<S>))
        .route("/ui/calls/{call}", post(calls::decide::<S>))
        .route(
            "/ui/guardian/invitation/{member}",
            post(duties::decide::<S>),
        )
        .route("/ui/guardian/drill", post(duties::begin_drill::<S>))
        .route("/ui/public/{index}/proof", get(public::proof::<S>))
        .route("/ui/language/{code}", get(page::language))
        .route("/ui/assets/{name}", get(assets::serve))
        .layer(middleware::map_response(assets::guard))
        .with_state(source)
}
