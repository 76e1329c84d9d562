//! `x0 status`, `peers`, `events` and `dashboard`: looking at the running node.

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::{
    Context,
    client::Streamed,
    daemon,
    error::CliError,
    output::{Facts, Table, date, printable, span},
};
use crate::api::{
    events::EventView,
    view::{CommitteeView, LinkView, MemberView, MembersPage, StatusView},
};

/// Members asked for at a time.
const PAGE: usize = 1_000;

/// List the open links, or all members
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  x0 peers --members")]
pub(super) struct PeersArgs {
    /// List everyone who is or was a member
    #[arg(long)]
    members: bool,
}

/// Follow what happens on the node, until Ctrl-C
#[derive(Debug, Args)]
#[command(
    after_help = "With --json: one object a line, with its id.\n\nExample:\n  x0 events --json | jq .words"
)]
pub(super) struct EventsArgs {
    /// Begin after this event's id, with what is still kept
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

/// Shows the status.
pub(super) async fn status(context: &Context) -> Result<(), CliError> {
    let status: StatusView = context.client()?.get("/v1/status").await?;
    context.output.show(&status, text)
}

/// Writes a status for people.
pub(super) fn text(status: &StatusView) -> String {
    let state = match (status.ready, status.member) {
        (true, true) => "ready",
        (false, true) => "catching up; nothing is written or executed yet",
        (_, false) => "not a member, or not yet: if this lasts, ask a member for a new invite",
    };
    let mut facts = Facts::default();
    facts
        .add("mesh", format!("{} ({})", status.name, status.mesh))
        .add("node", &status.node)
        .add("state", state);
    if let Some(words) = &status.stopped.words {
        let mark = if status.stopped.halted {
            "HALTED"
        } else {
            "stopped"
        };
        facts.add(mark, format!("{words}: x0 halt status"));
    }
    if status.stopped.frozen > 0 {
        let frozen = status.stopped.frozen;
        facts.add(
            "frozen here",
            format!("{frozen} delegation roots: x0 halt status"),
        );
    }
    facts
        .add("members", status.members)
        .add(
            "links",
            format!("{} of {} wanted", status.links, status.links_target),
        )
        .add(
            "records",
            format!("{} ({} waiting for others)", status.records, status.orphans),
        )
        .add("audit log", format!("{} entries", status.audit_size))
        .add(
            "charter",
            format!(
                "number {}, {}",
                status.charter.number, status.charter.charter
            ),
        )
        .add("running for", span(status.uptime_secs));
    if let Some(kernel) = &status.charter.kernel {
        facts.add("in the kernel", kernel);
    }
    if let Some(took) = status.last_repair_ms {
        facts.add(
            "last repair",
            format!("a lost link was replaced in {took} ms"),
        );
    }
    if let Some(committee) = &status.committee {
        facts.add("committee", committee_line(committee));
    }
    if status.trust.has_committee {
        facts.add("committee's keys", keys_line(status));
    }
    if let Some(time) = status.trust.mesh_time_ms {
        facts.add("mesh time", date(time));
    }
    if let Some(silence) = status.trust.silence_ms {
        facts.add(
            "OUT OF TOUCH",
            format!(
                "nothing was heard of the committee for {}: it is down, or this node is cut off; acts on it are refused",
                span(silence / 1_000)
            ),
        );
    }
    if let Some(height) = status.trust.behind {
        facts.add(
            "BEHIND ITS INVITE",
            format!("which names the committee's checkpoint {height}: not known here yet; acts on it are refused"),
        );
    }
    if status.trust.cosign_waiting > 0 {
        let waiting = status.trust.cosign_waiting;
        facts.add(
            "to sign",
            format!("{waiting} acts wait for you: x0 act cosign"),
        );
    }
    if status.cases.open > 0 {
        let (open, overdue) = (status.cases.open, status.cases.overdue);
        facts.add(
            "cases",
            format!("{open} reported violations, {overdue} of them overdue: x0 charter case list"),
        );
    }
    if let Some(barred) = &status.cases.barred {
        facts.add("BARRED", format!("{barred}: x0 charter case list"));
    }
    facts.add("root", &status.capability_root);
    let mut protection = Table::new(["protection in force", ""]);
    for line in &status.protection {
        protection.row([line.what.clone(), line.rule.clone()]);
    }
    format!("{}\n{}", facts.text(), protection.text())
}

fn committee_line(committee: &CommitteeView) -> String {
    let CommitteeView {
        seats,
        quorum,
        linked,
        height,
        ..
    } = committee;
    let stands = if linked < quorum {
        "; nothing is decided until more are linked"
    } else {
        ""
    };
    format!("block {height}; {linked} of {seats} seats linked, {quorum} decide{stands}")
}

fn keys_line(status: &StatusView) -> String {
    let own = match status.committee.as_ref().map(|own| own.shares) {
        Some(Some(3)) => "; this seat holds its shares",
        Some(Some(_)) => "; this seat does not hold all its shares",
        Some(None) | None => "",
    };
    match (status.trust.epoch, status.trust.electorate) {
        (None, _) => {
            "not made yet: acts on others are refused until the seats have made them".to_owned()
        }
        (Some(epoch), None) => format!("epoch {epoch}{own}"),
        (Some(epoch), Some(electorate)) => {
            format!("epoch {epoch}; {electorate} members count{own}")
        }
    }
}

/// Lists links or members.
pub(super) async fn peers(context: &Context, args: &PeersArgs) -> Result<(), CliError> {
    if args.members {
        return members(context).await;
    }
    let links: Vec<LinkView> = context.client()?.get("/v1/links").await?;
    context.output.show(&links, |links| {
        let mut table = Table::new(["peer", "dialled by", "rtt", "address"]);
        for link in links {
            let rtt = link.rtt_ms.map_or_else(String::new, |rtt| format!("{rtt} ms"));
            let by = match (link.greeted, link.dialled) {
                (false, _) => "greeting",
                (true, true) => "this node",
                (true, false) => "the peer",
            };
            let address = link.addresses.first().cloned().unwrap_or_default();
            table.row([link.peer.clone(), by.to_owned(), rtt, address]);
        }
        if table.is_empty() {
            return "No link is open. `x0 peers --members` lists the members, `x0 invite` lets one in.".to_owned();
        }
        table.text()
    })
}

/// Reads everyone who is or was a member, page by page.
pub(super) async fn all_members(context: &Context) -> Result<Vec<MemberView>, CliError> {
    let client = context.client()?;
    let mut members: Vec<MemberView> = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/v1/members?limit={PAGE}{after}");
        let page: MembersPage = client.get(&path).await?;
        members.extend(page.members);
        match page.next {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(members),
        }
    }
}

async fn members(context: &Context) -> Result<(), CliError> {
    let members = all_members(context).await?;
    context.output.show(&members, |members| {
        let mut table = Table::new(["member", "standing", "region", "since", ""]);
        for member in members {
            let mark = match (member.this_node, member.linked) {
                (true, _) => "this node",
                (false, true) => "linked",
                (false, false) => "",
            };
            table.row([
                member.key.clone(),
                member.standing.clone(),
                member.region.clone().unwrap_or_default(),
                date(member.since_ms),
                mark.to_owned(),
            ]);
        }
        table.text()
    })
}

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    #[serde(flatten)]
    event: &'a EventView,
}

/// Follows the events.
pub(super) async fn events(context: &Context, args: &EventsArgs) -> Result<(), CliError> {
    let output = context.output;
    let mut events = context.client()?.events(args.after.as_deref()).await?;
    loop {
        match events.next().await? {
            Some(Streamed::Event(id, event)) => {
                output.show(
                    &Line {
                        id: &id,
                        event: &event,
                    },
                    |_| event_text(&event),
                )?;
            }
            Some(Streamed::Lost(lost)) => {
                output.show(&json!({ "lost": lost }), |_| {
                    format!("({lost} events were missed)")
                })?;
            }
            None => {
                output.note("the node has stopped");
                return Ok(());
            }
        }
    }
}

fn event_text(event: &EventView) -> String {
    let about = event
        .peer
        .as_deref()
        .or(event.record.as_deref())
        .unwrap_or_default();
    let date = date(event.time_ms);
    printable(format!("{date}  {about}  {}", event.words).trim_end())
}

/// Prints a link to the dashboard.
pub(super) async fn dashboard(context: &Context) -> Result<(), CliError> {
    let link = daemon::dashboard_link(&context.client()?).await?;
    let life = span(link.life_secs);
    context.output.note(&format!(
        "This link lets one browser in, once, within {life}:"
    ));
    context.output.show(&link, |link| link.url.clone())
}
