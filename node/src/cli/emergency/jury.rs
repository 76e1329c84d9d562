//! `x0 emergency calls` and `x0 emergency decide`: what a juror reads of a call, and how it says yes or no.
//!
//! A ballot of a jury is said to all nodes and waits for no seat: these commands work while no committee can be reached.

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde::Serialize;
use tokio::time::sleep;
use x0_crypto::ContentId;

use super::super::{
    Context,
    client::Client,
    error::CliError,
    output::{Facts, Table, date, span},
};
use crate::api::{
    emergency::{AskedView, CallView, CallsView},
    votes::{CastBody, VotedView},
};

/// How long is waited until the own ballot is counted here.
const WAIT: Duration = Duration::from_secs(10);
/// How often is looked.
const LOOKED_EVERY: Duration = Duration::from_millis(200);

/// List the calls of people in an emergency, and what you are asked as a juror
#[derive(Debug, Args)]
#[command(
    after_help = "Somebody who holds an item's recovery card calls for the item. The jury of the day decides; you are on it if you \
                  serve (`x0 vote jury on`) and were drawn. Nobody knows who calls: you decide by what the owner wrote when the item \
                  was put, and by the reason, which jurors alone can read.\n\n\
                  Example:\n  x0 emergency calls"
)]
pub(in crate::cli) struct CallsArgs {
    /// Only those that wait for your word
    #[arg(long)]
    waiting: bool,
}

/// Say yes or no to a call, as a juror
#[derive(Debug, Args)]
#[command(
    after_help = "With yes from more than half of the jury, guardians' nodes release their shares to the device that calls, at once or \
                  after the owner's veto time; that cannot be taken back. A ballot cannot be changed.\n\n\
                  Examples:\n  x0 emergency decide bafyrei… yes\n  x0 emergency decide bafyrei… no"
)]
pub(in crate::cli) struct DecideArgs {
    /// The call
    call: ContentId,
    /// What you say
    word: WordArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WordArg {
    Yes,
    No,
}

impl WordArg {
    const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
        }
    }
}

/// What came of a juror's word.
#[derive(Serialize)]
struct Decided {
    call: String,
    vote: String,
    said: &'static str,
    /// How the call stands now; absent if the ballot was not counted here yet.
    stands: Option<CallView>,
}

/// Tells whether a call waits for the word of this node's member.
fn waits(call: &CallView, now_ms: u64) -> bool {
    let asked = call.asked.as_ref();
    let is_asked = asked
        .is_some_and(|asked| asked.is_juror && asked.ballot.is_none() && now_ms < asked.until_ms);
    is_asked && call.stage == "open"
}

pub(super) async fn calls(context: &Context, args: CallsArgs) -> Result<(), CliError> {
    let mut view: CallsView = context.client()?.get("/v1/emergency/calls").await?;
    if args.waiting {
        let now_ms = view.mesh_time_ms;
        view.calls.retain(|call| waits(call, now_ms));
    }
    context.output.show(&view, text)
}

fn text(view: &CallsView) -> String {
    if view.calls.is_empty() {
        return "No call is known here.".to_owned();
    }
    let mut table = Table::new(["call", "stands", "item", "yes", "no", "asked until", "you"]);
    for call in &view.calls {
        let CallView {
            label, item, asked, ..
        } = call;
        let count = |count: fn(&AskedView) -> usize| match asked {
            Some(asked) => count(asked).to_string(),
            None => "-".to_owned(),
        };
        let until = asked.as_ref().map(|asked| date(asked.until_ms));
        table.row([
            call.call.clone(),
            call.words.clone(),
            named(label, item),
            count(|asked| asked.yes),
            count(|asked| asked.no),
            until.unwrap_or_else(|| "no jury was asked".to_owned()),
            own(call, view.mesh_time_ms),
        ]);
    }
    let mut text = table.text();
    for call in view
        .calls
        .iter()
        .filter(|call| waits(call, view.mesh_time_ms))
    {
        text.push('\n');
        text.push_str(&question(call, view.mesh_time_ms));
    }
    text
}

/// Names an item by its owner's words, if there are any.
fn named(label: &str, item: &str) -> String {
    match label.is_empty() {
        true => item.to_owned(),
        false => label.to_owned(),
    }
}

fn own(call: &CallView, now_ms: u64) -> String {
    let Some(asked) = call.asked.as_ref().filter(|asked| asked.is_juror) else {
        return "not asked".to_owned();
    };
    match &asked.ballot {
        Some(said) => format!("said {said}"),
        None if waits(call, now_ms) => "ASKED".to_owned(),
        None => "said nothing".to_owned(),
    }
}

/// Puts the question to a juror: all that there is to decide by.
fn question(call: &CallView, now_ms: u64) -> String {
    let mut facts = Facts::default();
    facts.add("you are asked", &call.call);
    facts.add("item", named(&call.label, &call.item));
    let policy = match call.policy.is_empty() {
        true => "the owner has not said",
        false => &call.policy,
    };
    facts.add("say yes if", policy);
    let reason = match call.reason.as_deref() {
        Some("") => "the caller gives none",
        Some(reason) => reason,
        None => "it was not sealed to you, or cannot be opened: the caller counted on another jury",
    };
    facts.add("the caller says", reason);
    if let Some(asked) = &call.asked {
        let left = span(asked.until_ms.saturating_sub(now_ms) / 1_000);
        let until = date(asked.until_ms);
        facts.add("until", format!("{until} mesh time, {left} from now"));
        let AskedView {
            yes, needed, jury, ..
        } = asked;
        facts.add(
            "so far",
            format!("{yes} yes of {needed} needed, {jury} jurors"),
        );
    }
    let opens = match call.veto_secs {
        0 => "guardians' nodes release at once, for good".to_owned(),
        secs => format!(
            "guardians' nodes release {} after the jury was asked, unless the owner revokes the card before; then for good",
            span(secs)
        ),
    };
    facts.add("with enough yes", opens);
    let decide = format!("x0 emergency decide {} yes|no", call.call);
    facts.add("to decide", decide);
    facts.text()
}

pub(super) async fn decide(context: &Context, args: DecideArgs) -> Result<(), CliError> {
    let client = context.client()?;
    let view: CallsView = client.get("/v1/emergency/calls").await?;
    let name = args.call.to_string();
    let vote = open_question(&view, &name)?.vote.clone();
    let body = CastBody {
        choice: args.word.name().to_owned(),
    };
    let path = format!("/v1/votes/{vote}/ballot");
    let _: VotedView = client.post(&path, &body).await?;
    let decided = Decided {
        stands: counted(&client, &name).await?,
        call: name,
        vote,
        said: args.word.name(),
    };
    context.output.show(&decided, |decided| {
        let said = format!("You have said {}.", decided.said);
        let Some(call) = &decided.stands else {
            return format!(
                "{said} It is on its way, and this node sends it on: `x0 emergency calls` shows when it counts."
            );
        };
        let votes = call.asked.as_ref().map_or_else(String::new, |asked| {
            let AskedView {
                yes, needed, no, ..
            } = asked;
            format!(" {yes} yes of {needed} needed, {no} no.")
        });
        format!("{said}{votes} The call is {}.", call.words)
    })
}

/// Finds the question about a call that this node's member can still answer.
fn open_question<'a>(view: &'a CallsView, name: &str) -> Result<&'a AskedView, CliError> {
    let failed = |why: String| Err(CliError::Failed(why));
    let Some(call) = view.calls.iter().find(|call| call.call == name) else {
        return failed(format!(
            "no call {name} is known here: `x0 emergency calls` lists those known"
        ));
    };
    let Some(asked) = &call.asked else {
        return failed(
            "no jury was asked about this call yet: the node that the caller has reached asks it, look again in a minute"
                .to_owned(),
        );
    };
    if !asked.is_juror {
        return failed(
            "you do not sit on the jury that was asked about this call, and need not do anything: `x0 vote jury` shows the juries, \
             `x0 vote jury on` says that you serve from now on"
                .to_owned(),
        );
    }
    if let Some(said) = &asked.ballot {
        return failed(format!(
            "you have said {said} to this call already, and a ballot cannot be changed"
        ));
    }
    if call.stage != "open" {
        return failed(format!(
            "this call is decided ({}): your word changes nothing any more",
            call.words
        ));
    }
    match view.mesh_time_ms < asked.until_ms {
        true => Ok(asked),
        false => failed(format!(
            "the time to answer was over at {} mesh time: if it is still needed the caller has to call again",
            date(asked.until_ms)
        )),
    }
}

/// Waits until the own ballot is counted here, or it takes too long.
async fn counted(client: &Client, name: &str) -> Result<Option<CallView>, CliError> {
    let began = Instant::now();
    while began.elapsed() < WAIT {
        let view: CallsView = client.get("/v1/emergency/calls").await?;
        let call = view.calls.into_iter().find(|call| call.call == name);
        let said = |call: &CallView| {
            let asked = call.asked.as_ref();
            asked.is_some_and(|asked| asked.ballot.is_some())
        };
        match call {
            Some(call) if said(&call) => return Ok(Some(call)),
            Some(_) => {}
            None => return Ok(None),
        }
        sleep(LOOKED_EVERY).await;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOW_MS: u64 = 1_795_504_000_000;

    fn asked() -> AskedView {
        AskedView {
            vote: "bafyvote".to_owned(),
            since_ms: NOW_MS - 60_000,
            until_ms: NOW_MS + 7_200_000,
            jury: 7,
            needed: 4,
            yes: 1,
            no: 0,
            is_juror: true,
            ballot: None,
        }
    }

    fn view(asked: Option<AskedView>) -> CallsView {
        let call = CallView {
            call: "bafycall".to_owned(),
            item: "bafyitem".to_owned(),
            label: "Where the wells are".to_owned(),
            policy: "whoever is in danger".to_owned(),
            veto_secs: 3_600,
            time_ms: NOW_MS,
            stage: "open".to_owned(),
            words: "before the jury".to_owned(),
            veto_until_ms: None,
            asked,
            reason: Some("They are at the door\u{1b}[2J".to_owned()),
            parts: 0,
        };
        CallsView {
            calls: vec![call],
            mesh_time_ms: NOW_MS,
        }
    }

    fn refusal(view: &CallsView) -> String {
        open_question(view, "bafycall").unwrap_err().to_string()
    }

    #[test]
    fn a_juror_reads_all_that_there_is_to_decide_by_and_nothing_of_it_steers_the_terminal() {
        let text = text(&view(Some(asked())));

        for words in [
            "ASKED",
            "Where the wells are",
            "whoever is in danger",
            "They are at the door\u{fffd}[2J",
            "2 h from now",
            "1 yes of 4 needed, 7 jurors",
            "60 min after the jury was asked",
            "x0 emergency decide bafycall yes|no",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    #[test]
    fn whoever_is_not_asked_reads_of_the_call_and_of_no_reason() {
        let mut seen = view(Some(AskedView {
            is_juror: false,
            ..asked()
        }));
        seen.calls[0].reason = None;
        let text = text(&seen);
        assert!(text.contains("not asked") && text.contains("Where the wells are"));
        assert!(!text.contains("the caller says"));
    }

    #[test]
    fn the_question_is_found_and_each_reason_why_there_is_none_is_told() {
        assert_eq!(
            open_question(&view(Some(asked())), "bafycall")
                .unwrap()
                .vote,
            "bafyvote"
        );
        let none = open_question(&view(None), "bafyother").unwrap_err();
        assert!(none.to_string().contains("no call bafyother is known"));
        assert!(refusal(&view(None)).contains("no jury was asked"));
        let stranger = AskedView {
            is_juror: false,
            ..asked()
        };
        assert!(refusal(&view(Some(stranger))).contains("do not sit on the jury"));
        let said = AskedView {
            ballot: Some("no".to_owned()),
            ..asked()
        };
        assert!(refusal(&view(Some(said))).contains("have said no"));
        let mut decided = view(Some(asked()));
        decided.calls[0].stage = "granted".to_owned();
        decided.calls[0].words = "granted".to_owned();
        assert!(refusal(&decided).contains("is decided (granted)"));
        let late = AskedView {
            until_ms: NOW_MS,
            ..asked()
        };
        assert!(refusal(&view(Some(late))).contains("was over at"));
    }
}
