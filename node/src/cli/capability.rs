//! `x0 cap`: capability tokens, from their grant to their end.
//!
//! Narrowing a token and looking at it under a known root need no node. A token is printed alone on standard
//! output, so that it can be piped; what it says goes to standard error.

use clap::{Args, Subcommand};
use x0_crypto::{
    PublicKey,
    capability::{Action, Capability, Caveat, RevocationId, RootKey, Token},
};

use super::{
    Context,
    args::{Span, Text},
    error::CliError,
    output::{Facts, Table, date},
};
use crate::api::{
    capabilities::{AcceptRootBody, GrantBody, RevokeBody, TokenBody},
    capability_view::{CapabilityView, GrantedView, InspectedView, KnownCapabilityView, now_secs},
    view::{DoneView, RecordedView},
};

#[derive(Debug, Subcommand)]
pub(super) enum CapCommand {
    Grant(GrantArgs),
    Attenuate(AttenuateArgs),
    /// Explain a token: what it allows, within what limits, whether it holds
    #[command(
        after_help = "With --root no node is needed; without it the running node tries the roots it knows.\n\n\
                      Example:\n  x0 cap inspect @token.txt --root 5f3a…"
    )]
    Inspect {
        /// The token: its text, @FILE, or - for standard input
        token: Text,
        /// The root that granted it
        #[arg(long)]
        root: Option<RootKey>,
    },
    /// Make a token known to the mesh, so that its delegation is no secret
    #[command(after_help = "Example:\n  x0 cap publish @token.txt --root 5f3a…")]
    Publish {
        /// The token: its text, @FILE, or - for standard input
        token: Text,
        /// The root that granted it; without it the node tries those it knows
        #[arg(long)]
        root: Option<RootKey>,
    },
    /// Revoke tokens granted by this node, with all that was derived from them
    #[command(
        after_help = "`x0 cap inspect` shows the ids of a token.\n\nExample:\n  x0 cap revoke 1c9e… --reason \"no longer needed\""
    )]
    Revoke {
        /// Ids of the blocks to revoke
        #[arg(value_name = "ID", required = true)]
        ids: Vec<RevocationId>,
        /// Why, in words for everyone
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// List the tokens known to the mesh
    #[command(after_help = "Example:\n  x0 cap list")]
    List,
    /// Let this node take acts under a delegation root, or no longer
    #[command(after_help = "Example:\n  x0 cap accept 5f3a…\n  x0 cap accept 5f3a… --no")]
    Accept {
        /// The root
        root: RootKey,
        /// No longer
        #[arg(long)]
        no: bool,
    },
}

/// Grant a capability under this node's own root
#[derive(Debug, Args)]
#[command(
    after_help = "Give every token limits: how many nodes, and until when.\n\n\
                  Example:\n  x0 cap grant --to 12D3KooW… --action set.links.target --scope regional --nodes-le 3 --valid-for 7d"
)]
pub(super) struct GrantArgs {
    /// Who may use it [default: this node]
    #[arg(long, value_name = "KEY")]
    to: Option<PublicKey>,
    /// What for, such as set.links.target; may be repeated
    #[arg(long = "action", value_name = "NAME", required = true)]
    actions: Vec<Action>,
    #[command(flatten)]
    caveats: CaveatFlags,
    /// Make the token known to the mesh at once
    #[arg(long)]
    publish: bool,
}

/// Narrow a token, without any node
#[derive(Debug, Args)]
#[command(
    after_help = "The holder stays the same; limits can only be added.\n\n\
                  Example:\n  x0 cap attenuate @token.txt --root 5f3a… --nodes-le 1 --valid-for 1h"
)]
pub(super) struct AttenuateArgs {
    /// The token: its text, @FILE, or - for standard input
    token: Text,
    /// The root that granted it
    #[arg(long)]
    root: RootKey,
    /// Keep only this action; may be repeated
    #[arg(long = "only", value_name = "NAME")]
    only: Vec<Action>,
    #[command(flatten)]
    caveats: CaveatFlags,
}

/// The limits of a token.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct CaveatFlags {
    /// Where at most: local, regional or network
    #[arg(long)]
    scope: Option<String>,
    /// At most so many nodes at a time
    #[arg(long, value_name = "N")]
    nodes_le: Option<String>,
    /// At most this share of the mesh at a time, such as 1%
    #[arg(long, value_name = "SHARE")]
    pct_le: Option<String>,
    /// Until this date, such as 2030-12-31T00:00:00Z, or Unix seconds
    #[arg(long, value_name = "DATE")]
    valid_until: Option<String>,
    /// For so long from now on, such as 12h or 7d
    #[arg(long, value_name = "SPAN", conflicts_with = "valid_until")]
    valid_for: Option<Span>,
    /// Only with the signature of a peer
    #[arg(long)]
    peer_signature: bool,
    /// Only with a vote: any, or the one on a proposal
    #[arg(long, value_name = "CID", num_args = 0..=1, default_missing_value = "", require_equals = true)]
    dao_vote: Option<String>,
    /// Only with the approvals of K of N signatories, whom the committee's beacon draws for each act
    #[arg(long, value_name = "K-of-N")]
    multi_sig: Option<String>,
    /// Any limit as `x0 cap inspect` writes it, such as affects_nodes_le=5; may be repeated
    #[arg(long = "caveat", value_name = "LIMIT")]
    others: Vec<String>,
}

impl CaveatFlags {
    /// Returns the limits as they are written in tokens.
    fn caveats(&self, now_secs: u64) -> Result<Vec<Caveat>, CliError> {
        let mut written = Vec::new();
        let mut add = |name: &str, value: &Option<String>| {
            written.extend(value.as_ref().map(|value| format!("{name}={value}")));
        };
        let share = self
            .pct_le
            .as_ref()
            .map(|share| match share.ends_with('%') {
                true => share.clone(),
                false => format!("{share}%"),
            });
        let end = self
            .valid_for
            .map(|span| now_secs.saturating_add(span.secs).to_string());
        add("scope", &self.scope);
        add("affects_nodes_le", &self.nodes_le);
        add("affects_network_pct_le", &share);
        add("valid_until", &self.valid_until);
        add("valid_until", &end);
        add("requires_multi_sig", &self.multi_sig);
        written.extend(
            self.peer_signature
                .then(|| "requires_peer_signature".to_owned()),
        );
        written.extend(
            self.dao_vote
                .as_ref()
                .map(|proposal| match proposal.as_str() {
                    "" => "requires_dao_vote".to_owned(),
                    proposal => format!("requires_dao_vote={proposal}"),
                }),
        );
        written.extend(self.others.iter().cloned());
        let caveats = written.iter().map(|caveat| caveat.parse());
        caveats
            .collect::<Result<_, x0_crypto::capability::ParseCaveatError>>()
            .map_err(|fault| CliError::Usage(format!("the limit does not do: {fault}")))
    }
}

/// Answers a command about capabilities.
pub(super) async fn answer(context: &Context, command: CapCommand) -> Result<(), CliError> {
    match command {
        CapCommand::Grant(args) => grant(context, args).await,
        CapCommand::Attenuate(args) => attenuate(context, args),
        CapCommand::Inspect { token, root } => inspect(context, &token, root).await,
        CapCommand::Publish { token, root } => publish(context, &token, root).await,
        CapCommand::Revoke { ids, reason } => revoke(context, ids, reason).await,
        CapCommand::List => list(context).await,
        CapCommand::Accept { root, no } => accept(context, root, !no).await,
    }
}

async fn grant(context: &Context, args: GrantArgs) -> Result<(), CliError> {
    let caveats = args.caveats.caveats(now_secs())?;
    let body = GrantBody {
        holder: args.to,
        actions: args.actions,
        caveats: caveats.iter().map(Caveat::to_string).collect(),
        publish: args.publish,
    };
    let granted: GrantedView = context
        .client()?
        .post("/v1/capabilities/grant", &body)
        .await?;
    show_token(context, &granted)
}

fn attenuate(context: &Context, args: AttenuateArgs) -> Result<(), CliError> {
    let mut caveats = args.caveats.caveats(now_secs())?;
    if !args.only.is_empty() {
        caveats.push(Caveat::Actions(args.only.into_iter().collect()));
    }
    if caveats.is_empty() {
        let text =
            "no limit was given, and the token would stay as it is: give one, such as --nodes-le 1";
        return Err(CliError::Usage(text.to_owned()));
    }
    let token = args.token.token()?;
    verify(&token, &args.root)?;
    let narrowed = token
        .attenuate(&caveats)
        .map_err(|fault| CliError::Failed(format!("the token cannot be narrowed: {fault}")))?;
    let capability = verify(&narrowed, &args.root)?;
    show_token(
        context,
        &GrantedView {
            token: narrowed.to_string(),
            capability: CapabilityView::new(&capability, now_secs()),
            published: None,
        },
    )
}

fn verify(token: &Token, root: &RootKey) -> Result<Capability, CliError> {
    token.verify(root).map_err(|fault| {
        CliError::Failed(format!(
            "the token does not hold: {fault}. Copy it again, whole, and check the root"
        ))
    })
}

fn show_token(context: &Context, granted: &GrantedView) -> Result<(), CliError> {
    context
        .output
        .note(capability_text(&granted.capability).trim_end());
    if let Some(record) = &granted.published {
        context
            .output
            .note(&format!("made known to the mesh by record {record}"));
    }
    context
        .output
        .show(granted, |granted| granted.token.clone())
}

async fn inspect(context: &Context, token: &Text, root: Option<RootKey>) -> Result<(), CliError> {
    let token = token.token()?;
    let client = context.client()?;
    let offline = match &root {
        Some(root) => Some(InspectedView {
            capability: CapabilityView::new(&verify(&token, root)?, now_secs()),
            revoked: None,
            accepted: None,
        }),
        None => None,
    };
    let is_running = client.is_running().await;
    let inspected = match offline {
        Some(offline) if !is_running => offline,
        None if !is_running => {
            return Err(CliError::Usage(
                "no node is running that could know the root of the token: name it with --root"
                    .to_owned(),
            ));
        }
        Some(_) | None => {
            let body = TokenBody { token, root };
            client.post("/v1/capabilities/inspect", &body).await?
        }
    };
    context.output.show(&inspected, |inspected| {
        let mut text = capability_text(&inspected.capability);
        text.push_str(match inspected.revoked {
            Some(true) => "revoked   yes: no node takes it any more\n",
            Some(false) => "revoked   no, as far as this node knows\n",
            None => "revoked   unknown: no node was asked\n",
        });
        text.push_str(match inspected.accepted {
            Some(true) => "accepted  by this node\n",
            Some(false) => "accepted  not by this node: `x0 cap accept ROOT` changes that\n",
            None => "",
        });
        text
    })
}

async fn publish(context: &Context, token: &Text, root: Option<RootKey>) -> Result<(), CliError> {
    let body = TokenBody {
        token: token.token()?,
        root,
    };
    let published: RecordedView = context.client()?.post("/v1/capabilities", &body).await?;
    context.output.show(&published, |published| {
        format!("made known to the mesh by record {}", published.id)
    })
}

async fn revoke(context: &Context, ids: Vec<RevocationId>, reason: String) -> Result<(), CliError> {
    let body = RevokeBody { ids, reason };
    let revoked: RecordedView = context
        .client()?
        .post("/v1/capabilities/revoke", &body)
        .await?;
    context.output.show(&revoked, |revoked| {
        format!("revoked by record {}", revoked.id)
    })
}

async fn list(context: &Context) -> Result<(), CliError> {
    let known: Vec<KnownCapabilityView> = context.client()?.get("/v1/capabilities").await?;
    context.output.show(&known, |known| {
        let mut table = Table::new(["holder", "actions", "limits", "state", "id to revoke"]);
        for known in known {
            let capability = &known.capability;
            let state = match (known.revoked, capability.expired, known.accepted) {
                (true, _, _) => "revoked",
                (false, true, _) => "expired",
                (false, false, true) => "good",
                (false, false, false) => "root not accepted here",
            };
            let limits: Vec<_> = capability
                .caveats
                .iter()
                .map(|limit| limit.caveat.as_str())
                .collect();
            table.row([
                capability.holder.clone(),
                capability.actions.join(", "),
                limits.join(", "),
                state.to_owned(),
                capability
                    .revocation_ids
                    .last()
                    .cloned()
                    .unwrap_or_default(),
            ]);
        }
        if table.is_empty() {
            return "No token is known to the mesh. `x0 cap grant … --publish` makes one known."
                .to_owned();
        }
        table.text()
    })
}

async fn accept(context: &Context, root: RootKey, accepted: bool) -> Result<(), CliError> {
    let body = AcceptRootBody { root, accepted };
    let done: DoneView = context
        .client()?
        .post("/v1/capabilities/accept-root", &body)
        .await?;
    context.output.show(&done, |done| done.done.clone())
}

fn capability_text(capability: &CapabilityView) -> String {
    let mut facts = Facts::default();
    facts
        .add("root", &capability.root)
        .add("holder", &capability.holder)
        .add("allows", capability.actions.join(", "));
    for limit in &capability.caveats {
        facts.add("limit", format!("{} ({})", limit.words, limit.caveat));
    }
    match capability.expires_at_secs {
        Some(end) if capability.expired => {
            facts.add(
                "valid",
                format!("NO: it ended at {}", date(end.saturating_mul(1_000))),
            );
        }
        Some(_) => {}
        None => {
            facts.add("valid", "without end");
        }
    }
    for id in &capability.revocation_ids {
        facts.add("block id", id);
    }
    facts.text()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Flags {
        #[command(flatten)]
        caveats: CaveatFlags,
    }

    fn caveats(args: &[&str]) -> Result<Vec<String>, CliError> {
        let flags = Flags::try_parse_from(["cap"].iter().chain(args))
            .unwrap()
            .caveats;
        let caveats = flags.caveats(1_000_000_000)?;
        Ok(caveats.iter().map(Caveat::to_string).collect())
    }

    #[test]
    fn every_flag_is_the_limit_it_names() {
        let written = caveats(&[
            "--scope",
            "regional",
            "--nodes-le",
            "5",
            "--pct-le",
            "1",
            "--valid-for",
            "1d",
            "--peer-signature",
            "--dao-vote",
            "--multi-sig",
            "2-of-3",
            "--caveat",
            "affects_nodes_le=4",
        ]);

        assert_eq!(
            written.unwrap(),
            [
                "scope=regional",
                "affects_nodes_le=5",
                "affects_network_pct_le=1%",
                "valid_until=2001-09-10T01:46:40Z",
                "requires_multi_sig=2-of-3",
                "requires_peer_signature",
                "requires_dao_vote",
                "affects_nodes_le=4",
            ]
        );
    }

    #[test]
    fn a_limit_that_means_nothing_is_named() {
        for (args, part) in [
            (["--scope", "world"], "scope"),
            (["--nodes-le", "many"], "affects_nodes_le"),
            (["--pct-le", "101%"], "affects_network_pct_le"),
            (["--multi-sig", "3-of-2"], "K-of-N"),
            (["--caveat", "admin"], "admin"),
        ] {
            let error = caveats(&args).unwrap_err();
            assert!(matches!(error, CliError::Usage(_)), "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
