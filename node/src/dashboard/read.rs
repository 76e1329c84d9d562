//! The questions pages put to the node, each with the type of its answer.

use x0_crypto::PublicKey;
use x0_protocol::{
    Command, Reply,
    anti_meave::{consents::ConsentView, proposals::ProposalView},
    core::command::{ActView, AuditHeads, CapabilityView, LinkView, PolicyView, Status},
    spine::directory::Member,
};

use super::Source;

/// Why a page cannot be shown, in the node's words.
#[derive(Debug)]
pub(super) struct Trouble(pub(super) String);

macro_rules! question {
    ($name:ident, $command:ident, $answer:ty) => {
        #[doc = concat!("Asks for `", stringify!($command), "`.")]
        pub(super) async fn $name<S: Source>(source: &S) -> Result<$answer, Trouble> {
            match source.ask(Command::$command).await.map_err(Trouble)? {
                Reply::$command(answer) => Ok(answer),
                other => Err(Trouble(format!(
                    "the node answered {} with {other:?}: report this as a fault of x0",
                    stringify!($command)
                ))),
            }
        }
    };
}

question!(status, Status, Box<Status>);
question!(links, Links, Vec<LinkView>);
question!(members, Members, Vec<Member>);
question!(capabilities, Capabilities, Vec<CapabilityView>);
question!(acts, Acts, Vec<ActView>);
question!(proposals, Proposals, Vec<ProposalView>);
question!(consents, Consents, Vec<ConsentView>);
question!(policies, Policies, Vec<PolicyView>);
question!(audit_heads, AuditHeads, AuditHeads);

/// Finds the link to a peer.
pub(super) fn link_to<'a>(links: &'a [LinkView], peer: &PublicKey) -> Option<&'a LinkView> {
    links.iter().find(|link| link.peer == *peer)
}
