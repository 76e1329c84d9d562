//! `x0 act proposals` and `x0 act cosign`: own acts on their way, and those of others that want a person's word.

use clap::Args;
use x0_crypto::ContentId;

use super::{
    Context,
    error::CliError,
    output::{Facts, Table, date},
};
use crate::api::{
    consents::{ConsentView, CosignBody, ProposalView},
    view::{DoneView, TargetsView},
};

/// How long one call of the API waits for news, ms.
const WAIT_MS: u64 = 20_000;

/// Show acts that this node was drawn to co-sign or to approve, and sign or refuse one
#[derive(Debug, Args)]
#[command(
    after_help = "Without an act it lists what waits, and in which role: every co-signer must sign, and one \
                  refusal ends the act; of N signatories K must, and N-K may refuse.\n\n\
                        Examples:\n  x0 act cosign\n  x0 act cosign bafyrei… --yes"
)]
pub(super) struct CosignArgs {
    /// The act, by its digest
    act: Option<ContentId>,
    /// Sign it
    #[arg(long, requires = "act", conflicts_with = "no")]
    yes: bool,
    /// Refuse it
    #[arg(long, requires = "act")]
    no: bool,
}

pub(super) async fn cosign(context: &Context, args: CosignArgs) -> Result<(), CliError> {
    let client = context.client()?;
    if let (Some(act), true) = (args.act, args.yes || args.no) {
        let body = CosignBody { approve: args.yes };
        let done: DoneView = client.post(&format!("/v1/consents/{act}"), &body).await?;
        return context.output.show(&done, |done| done.done.clone());
    }
    let asked: Vec<ConsentView> = client.get("/v1/consents").await?;
    if let Some(act) = args.act {
        let name = act.to_string();
        let found = asked
            .into_iter()
            .find(|asked| asked.cosign && asked.act == name);
        let Some(found) = found else {
            return Err(CliError::Failed(format!(
                "this node is not asked to co-sign or approve {act}: `x0 act cosign` lists what waits"
            )));
        };
        return context.output.show(&found, consent_text);
    }
    let asked: Vec<_> = asked.into_iter().filter(|asked| asked.cosign).collect();
    context.output.show(&asked, |asked| {
        let mut table = Table::new(["act", "as", "change", "where", "answer", "asked"]);
        for asked in asked {
            let answer = match &asked.why {
                Some(why) => format!("{}: {why}", asked.answer),
                None => asked.answer.clone(),
            };
            table.row([
                asked.act.clone(),
                role(asked),
                asked.change.clone(),
                targets(&asked.targets),
                answer,
                date(asked.since_ms),
            ]);
        }
        if table.is_empty() {
            return "This node was not drawn to co-sign or approve anything.".to_owned();
        }
        table.text()
    })
}

fn consent_text(asked: &ConsentView) -> String {
    let mut facts = Facts::default();
    facts
        .add("act", &asked.act)
        .add("asked as", role(asked))
        .add("agent", &asked.agent)
        .add("change", &asked.change)
        .add("here", &asked.difference)
        .add("where", targets(&asked.targets));
    if let (Some(reach), Some(members)) = (asked.reach, asked.members) {
        facts.add("reach", format!("{reach} of {members} members that count, all acts of its root or change of 24 hours together"));
    }
    if let Some(expires) = asked.expires_ms {
        facts.add("ticket until", format!("{} mesh time", date(expires)));
    }
    facts.add("answer", &asked.answer);
    let refusal = match asked.panel {
        Some((needed, panel)) => {
            format!(
                "which ends the act once {} have",
                panel.saturating_sub(needed).saturating_add(1)
            )
        }
        None => "which ends the act".to_owned(),
    };
    format!(
        "{}\nTo sign: x0 act cosign {} --yes    To refuse, {refusal}: --no",
        facts.text(),
        asked.act
    )
}

fn role(asked: &ConsentView) -> String {
    match asked.panel {
        Some((needed, panel)) => format!("{}, {needed} of {panel} must approve", asked.role),
        None => asked.role.clone(),
    }
}

fn targets(targets: &TargetsView) -> String {
    match targets {
        TargetsView::Nodes(nodes) => match nodes.as_slice() {
            [node] => node.clone(),
            more => format!("{} named nodes", more.len()),
        },
        TargetsView::Region(region) => format!("region {region}"),
        TargetsView::All => "every member".to_owned(),
    }
}

pub(super) async fn proposals(context: &Context) -> Result<(), CliError> {
    let own: Vec<ProposalView> = context.client()?.get("/v1/proposals").await?;
    context.output.show(&own, |own| {
        let mut table = Table::new(["act", "change", "asked", "how far"]);
        for own in own {
            table.row([
                own.act.clone(),
                own.change.clone(),
                date(own.since_ms),
                own.words.clone(),
            ]);
        }
        if table.is_empty() {
            return "No act of this node is on its way.".to_owned();
        }
        table.text()
    })
}

/// Follows an own act until it is written or has failed, telling each step.
pub(super) async fn follow(context: &Context, act: &str) -> Result<ProposalView, CliError> {
    let client = context.client()?;
    let mut own: ProposalView = client.get(&format!("/v1/proposals/{act}")).await?;
    let mut told = String::new();
    while !own.is_ended() {
        if own.words != told {
            context.output.note(&own.words);
            told.clone_from(&own.words);
        }
        let known = percent(&own.words);
        own = client
            .get(&format!(
                "/v1/proposals/{act}?known={known}&wait_ms={WAIT_MS}"
            ))
            .await?;
    }
    if own.stage == "failed" {
        return Err(CliError::Failed(own.words));
    }
    Ok(own)
}

/// Writes a text so that it can stand in a query (RFC 3986, section 2.1).
pub(super) fn percent(text: &str) -> String {
    let mut query = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            query.push(char::from(byte));
        } else {
            query.push_str(&format!("%{byte:02X}"));
        }
    }
    query
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn words_stand_in_a_query_as_they_are() {
        assert_eq!(percent("0 of 3; ok"), "0%20of%203%3B%20ok");
    }
}
