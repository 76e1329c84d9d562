//! The questions pages put to the node, each with the type of its answer.

use x0_crypto::{ContentId, PublicKey};
use x0_protocol::{
    Command, Reply,
    anti_meave::{consents::ConsentView, proposals::ProposalView},
    charter::Charter,
    core::{
        case::{CaseCommand, CasesView, LedgerView},
        command::{
            ActView, AuditHeads, CapabilityView, LinkView, OverrideView, PolicyView, PublicProof,
            PublicView, Status,
        },
        emergency::{CallsView, EmergencyCommand},
        sublime::{GuardiansView, ReleasedView, SublimeCommand, SublimeView},
        vote::{VoteCommand, VotesView},
    },
    spine::directory::Member,
    wire::Reason,
};

use super::{Contradictions, Enforcement, Guarding, Source};

/// Why a page cannot be shown, in the node's words.
#[derive(Debug)]
pub(super) struct Trouble(pub(super) String);

macro_rules! question {
    ($name:ident($($given:ident: $sort:ty),*), $command:expr, $reply:ident, $answer:ty) => {
        #[doc = concat!("Asks for what `Reply::", stringify!($reply), "` holds.")]
        pub(super) async fn $name<S: Source>(source: &S, $($given: $sort),*) -> Result<$answer, Trouble> {
            match source.ask($command).await.map_err(Trouble)? {
                Reply::$reply(answer) => Ok(answer),
                other => Err(Trouble(format!(
                    "the node answered a question for {} with {other:?}: report this as a fault of x0",
                    stringify!($reply)
                ))),
            }
        }
    };
    ($name:ident, $command:ident, $answer:ty) => {
        question!($name(), Command::$command, $command, $answer);
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
question!(overrides, Overrides, Vec<OverrideView>);
question!(
    votes(),
    Command::Vote(VoteCommand::List),
    Votes,
    Box<VotesView>
);
question!(
    cases(),
    Command::Case(CaseCommand::List),
    Cases,
    Box<CasesView>
);
question!(
    ledger(),
    Command::Case(CaseCommand::Ledger),
    Ledger,
    Box<LedgerView>
);
question!(
    sublime(),
    Command::Sublime(SublimeCommand::Show),
    Sublime,
    Box<SublimeView>
);
question!(
    calls(),
    Command::Emergency(EmergencyCommand::Calls),
    Calls,
    Box<CallsView>
);
question!(reason(call: ContentId), Command::Emergency(EmergencyCommand::Reason(call)), Reason, Option<Reason>);
question!(
    guardians(),
    Command::Sublime(SublimeCommand::Guardians),
    Guardians,
    Box<GuardiansView>
);
question!(released(request: ContentId), Command::Sublime(SublimeCommand::Released(request)), Released, Box<ReleasedView>);
question!(public_log(from: u64, count: u32), Command::PublicLog { from, count }, PublicLog, Box<PublicView>);
question!(public_proof(index: u64), Command::ProvePublic { index, since: None }, PublicProof, Box<PublicProof>);

/// Looks at what holds this machine to a charter.
pub(super) async fn enforcement<S: Source>(
    source: &S,
    charter: &Charter,
) -> Result<Enforcement, Trouble> {
    source.enforcement(charter).await.map_err(Trouble)
}

/// Asks for the proofs that somebody showed two different logs.
pub(super) async fn contradictions<S: Source>(source: &S) -> Result<Contradictions, Trouble> {
    source.contradictions().await.map_err(Trouble)
}

/// Looks at what this machine holds as a guardian.
pub(super) async fn guarding<S: Source>(source: &S) -> Result<Guarding, Trouble> {
    source.guarding().await.map_err(Trouble)
}

/// Finds the link to a peer.
pub(super) fn link_to<'a>(links: &'a [LinkView], peer: &PublicKey) -> Option<&'a LinkView> {
    links.iter().find(|link| link.peer == *peer)
}
