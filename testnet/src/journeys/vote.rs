//! A vote of three days on a mesh whose clock runs fast: what counts, what does not, and that everybody can check it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use tokio::time::timeout;
use x0_node::api::votes::{
    CastBody, DelegateBody, HandedInView, ProposeVoteBody, RecountView, SumsView, VoteView,
    VotedView,
};

use crate::{
    account::Account,
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

/// Places of the founders, who hold the seats.
const SEATS: [usize; 4] = [0, 1, 2, 3];
/// The seat that is killed in the middle.
const KILLED: usize = 3;
/// Who votes how: yes, no, abstain.
const YES: [usize; 6] = [0, 1, 2, 4, 5, 6];
const NO: [usize; 3] = [7, 8, 9];
const ABSTAIN: usize = 10;
/// Who votes only when it is too late, and counts again.
const LATE: usize = 11;
/// Who lets the member at [`DELEGATE`] vote in its place.
const DELEGATING: usize = 14;
const DELEGATE: usize = 4;
/// Whose key signs two ballots.
const DOUBLE: usize = 15;
/// What must come of it: the delegation makes one yes more, and the seat that was killed says no.
const COUNTED: SumsView = SumsView {
    yes: 7,
    no: 4,
    abstain: 1,
    void: 1,
    sealed: 0,
};
/// Who votes how under seal.
const SEALED_YES: [usize; 3] = [0, 4, 6];
const SEALED_NO: [usize; 2] = [1, 7];
/// The seat that is away while the sealed ballots are opened.
const AWAY: usize = 2;
/// What must come of the sealed vote: here as well the delegation makes one yes more.
const OPENED: SumsView = SumsView {
    yes: 4,
    no: 2,
    abstain: 0,
    void: 0,
    sealed: 0,
};

/// Longest wait for the committee's keys, and for members to count.
const KEYS_PATIENCE: Duration = Duration::from_secs(120);
/// Longest wait for a step.
const STEP_PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait for the end of the vote: window, count and challenge time.
const END_PATIENCE: Duration = Duration::from_secs(120);
/// Longest time that an attack takes.
const ATTACK_PATIENCE: Duration = Duration::from_secs(45);

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    counts_members(mesh, account).await?;
    let (vote, other) = opens(mesh, account).await?;
    casts(mesh, account, &vote).await?;
    signs_twice(mesh, account, &vote).await?;
    goes_on_without_a_seat(mesh, account, &vote).await?;
    let sealed = seals(mesh, account).await?;
    is_counted(mesh, account, &vote).await?;
    comes_too_late(mesh, account, &vote).await?;
    is_recounted(mesh, account, &vote).await?;
    is_opened(mesh, account, &sealed).await?;
    ends(mesh, account, &vote, &other, &sealed).await
}

pub(super) async fn counts_members(mesh: &Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "the founders' seats make the committee's keys, and agree who the members are",
        "a vote needs one list of those who can vote, and one voice that says what was counted",
    );
    let members = u32::try_from(mesh.nodes().len())?;
    until(
        "every node to know keys and members",
        KEYS_PATIENCE,
        async || {
            let mut seen = Vec::new();
            for node in mesh.nodes() {
                let trust = node.status().await?.trust;
                seen.push((trust.epoch, trust.electorate));
            }
            let all = seen.iter().all(|known| *known == (Some(1), Some(members)));
            Ok(match all {
                true => Look::Holds(()),
                false => Look::NotYet(format!("{seen:?}")),
            })
        },
    )
    .await?;
    account.saw(format!("{members} members count"));
    Ok(())
}

/// Opens two votes: one that passes, and one in which too few will take part.
async fn opens(mesh: &Mesh, account: &mut Account) -> Result<(String, String)> {
    let proposer = mesh.node(5)?;
    account.step(
        format!(
            "{} proposes a vote of 72 hours; {} lets {} vote in its place",
            proposer.name(),
            mesh.node(DELEGATING)?.name(),
            mesh.node(DELEGATE)?.name()
        ),
        "any member can ask all others; who cannot take part can name somebody who does",
    );
    let body = DelegateBody {
        vote: None,
        delegate: Some(mesh.node(DELEGATE)?.key()?.to_string()),
    };
    let delegating = mesh.node(DELEGATING)?;
    let handed: VotedView = delegating.post("/v1/votes/delegation", &body).await?;
    arrived(delegating, &handed.id).await?;

    let body = ProposeVoteBody {
        text: "Found a second relay in the south".to_owned(),
        ..ProposeVoteBody::default()
    };
    let vote: VotedView = proposer.post("/v1/votes", &body).await?;
    let body = ProposeVoteBody {
        text: "Rename the mesh".to_owned(),
        quorum_percent: Some(90),
        ..ProposeVoteBody::default()
    };
    let other: VotedView = mesh.node(6)?.post("/v1/votes", &body).await?;
    for vote in [&vote.id, &other.id] {
        everywhere(mesh, "to be open", vote, |seen| seen.stage == "open").await?;
    }
    let seen: VoteView = show(mesh.node(LATE)?, &vote.id).await?;
    account.saw(format!(
        "open on all nodes for {} voters: {}",
        seen.voters.unwrap_or_default(),
        seen.text.unwrap_or_default()
    ));
    Ok((vote.id, other.id))
}

/// Opens a vote whose ballots are sealed, has some cast them, and kills a seat.
async fn seals(mesh: &mut Mesh, account: &mut Account) -> Result<String> {
    let proposer = mesh.node(7)?;
    account.step(
        format!(
            "{} proposes a vote under seal, and five members cast their ballots",
            proposer.name()
        ),
        "who sees how others vote may vote otherwise: sealed choices are read by nobody before the close",
    );
    let body = ProposeVoteBody {
        text: "Who keeps the keys of the relay".to_owned(),
        sealed: true,
        ..ProposeVoteBody::default()
    };
    let vote: VotedView = proposer.post("/v1/votes", &body).await?;
    let vote = vote.id;
    everywhere(mesh, "to be open", &vote, |seen| {
        seen.stage == "open" && seen.sealed
    })
    .await?;
    let yes = SEALED_YES.map(|place| (place, "yes"));
    let no = SEALED_NO.map(|place| (place, "no"));
    let mut handed = Vec::new();
    for (place, choice) in yes.into_iter().chain(no) {
        handed.push((place, cast(mesh.node(place)?, &vote, choice).await?));
    }
    for (place, id) in handed {
        arrived(mesh.node(place)?, &id).await?;
    }
    let seat = mesh.node(0)?;
    let cast = u64::try_from(SEALED_YES.len() + SEALED_NO.len())?;
    until("a seat to have all ballots", STEP_PATIENCE, async || {
        let sums = show(seat, &vote).await?.sums;
        Ok(match sums {
            Some(sums) if sums.sealed == cast => Look::Holds(()),
            sums => Look::NotYet(format!("{sums:?}")),
        })
    })
    .await?;
    let seen = show(seat, &vote).await?;
    let sums = seen.sums.unwrap_or(OPENED);
    ensure!((sums.yes, sums.no) == (0, 0), "{}", sums_text(seen.sums));
    let own = seen.ballot.and_then(|own| own.choice);
    ensure!(own.as_deref() == Some("sealed"), "{own:?}");
    let said = seat.run_well(&["vote", "show", &vote]).await?;
    ensure!(said.contains("5 ballots, sealed"), "{said}");
    account.saw(format!(
        "the seat {} holds {} ballots and shows no choice, not even its own",
        seat.name(),
        sums.sealed
    ));
    account.step(
        format!("the seat {} is killed", mesh.node(AWAY)?.name()),
        "three of four seats must sign for each ballot: one can neither open them alone nor keep them shut",
    );
    mesh.crash(AWAY).await?;
    Ok(vote)
}

/// Waits until three seats have opened the ballots, and the fourth has taken that over.
async fn is_opened(mesh: &mut Mesh, account: &mut Account, vote: &str) -> Result<()> {
    let name = mesh.node(AWAY)?.name().to_owned();
    account.step(
        format!("the window of the sealed vote ends, three seats open the ballots, and {name} comes back"),
        "who was away has missed nothing that it could not take over",
    );
    everywhere(mesh, "to be counted", vote, |seen| seen.certified).await?;
    mesh.restart(AWAY).await?;
    everywhere(mesh, "to be counted", vote, |seen| seen.certified).await?;
    let seen = show(mesh.node(LATE)?, vote).await?;
    ensure!(
        seen.sums == Some(OPENED),
        "counted {}, not {}",
        sums_text(seen.sums),
        sums_text(Some(OPENED))
    );
    account.saw(format!(
        "certified on all nodes, {name} too: {}",
        sums_text(seen.sums)
    ));
    let node = mesh.node(LATE)?;
    let file = node.dir().join("opened.ballots").display().to_string();
    node.run_well(&["vote", "recount", vote, "--save", &file])
        .await?;
    let said = node.run_well(&["vote", "recount", "--file", &file]).await?;
    ensure!(said.contains(vote), "{said}");
    account.saw("an ordinary node opens and counts them again, and so does who has only the file");
    Ok(())
}

async fn casts(mesh: &Mesh, account: &mut Account, vote: &str) -> Result<()> {
    account.step(
        "ten members cast their ballots: six yes, three no, one abstains",
        "a ballot goes to all seats, and a quorum of them must give its word in writing that it counts",
    );
    let mut handed = Vec::new();
    let choices = YES
        .map(|place| (place, "yes"))
        .into_iter()
        .chain(NO.map(|place| (place, "no")))
        .chain([(ABSTAIN, "abstain")]);
    for (place, choice) in choices {
        handed.push((place, cast(mesh.node(place)?, vote, choice).await?));
    }
    let mut fewest = usize::MAX;
    for (place, id) in handed {
        fewest = fewest.min(arrived(mesh.node(place)?, &id).await?.seats);
    }
    account.saw(format!(
        "each has the word of {fewest} of {} seats or more",
        SEATS.len()
    ));
    let again = cast(mesh.node(0)?, vote, "no").await;
    let refusal = again.err().context("a final ballot was changed")?;
    ensure!(
        format!("{refusal:#}").contains("has voted yes already"),
        "{refusal:#}"
    );
    account.saw("a second ballot of the same node is refused before it is signed");
    Ok(())
}

/// What the adversary prints.
#[derive(Debug, Deserialize)]
struct Attacked {
    answers: Vec<String>,
}

async fn signs_twice(mesh: &mut Mesh, account: &mut Account, vote: &str) -> Result<()> {
    let name = mesh.node(DOUBLE)?.name().to_owned();
    account.step(
        format!(
            "{name} is stopped; x0-adversary signs yes and no with its key and shows them to two seats each"
        ),
        "whoever says two things must not be counted as having said either",
    );
    let mesh_id = mesh.node(DOUBLE)?.mesh()?;
    mesh.stop(DOUBLE).await?;
    let mut command = tokio::process::Command::new(&mesh.programs().adversary);
    command
        .arg("ballots")
        .arg("--data-dir")
        .arg(mesh.node(DOUBLE)?.dir());
    command.args(["--mesh", &mesh_id, "--vote", vote]);
    for seat in SEATS {
        command.args(["--member", &mesh.node(seat)?.address()?]);
    }
    command.kill_on_drop(true);
    let output = timeout(ATTACK_PATIENCE, command.output()).await;
    let output = output.context("the adversary does not end")??;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "the adversary failed: {said}");
    let attacked: Attacked = serde_json::from_str(&said)?;
    account.saw(format!("the seats answer: {}", attacked.answers.join(", ")));
    mesh.restart(DOUBLE).await?;
    Ok(())
}

async fn goes_on_without_a_seat(mesh: &mut Mesh, account: &mut Account, vote: &str) -> Result<()> {
    let name = mesh.node(KILLED)?.name().to_owned();
    account.step(
        format!("the seat {name} is killed with kill -9, started again, and votes no"),
        "a seat that fails takes no ballot with it, and holds nobody up",
    );
    mesh.crash(KILLED).await?;
    mesh.restart(KILLED).await?;
    let seat = mesh.node(KILLED)?;
    until(
        "the seat to know the vote again",
        STEP_PATIENCE,
        async || {
            let status = seat.status().await?;
            let known = seat.get::<VoteView>(&format!("/v1/votes/{vote}")).await;
            Ok(match (status.ready, known) {
                (true, Ok(_)) => Look::Holds(()),
                (ready, known) => Look::NotYet(format!("ready: {ready}, {:?}", known.err())),
            })
        },
    )
    .await?;
    let id = cast(seat, vote, "no").await?;
    let own = arrived(seat, &id).await?;
    account.saw(format!("{name} is back: {}", own.words));
    let seen = show(seat, vote).await?;
    account.saw(format!(
        "the count as {name} sees it from the log: {}",
        sums_text(seen.sums)
    ));
    Ok(())
}

async fn is_counted(mesh: &Mesh, account: &mut Account, vote: &str) -> Result<()> {
    account.step(
        "the window ends; the seats list what they hold, count, and certify one statement",
        "whatever the number of voters, every node needs one signature to know what came of it",
    );
    everywhere(mesh, "to be counted", vote, |seen| seen.certified).await?;
    let seen = show(mesh.node(LATE)?, vote).await?;
    ensure!(
        seen.sums == Some(COUNTED),
        "counted {}, not {}",
        sums_text(seen.sums),
        sums_text(Some(COUNTED))
    );
    account.saw(format!("certified on all nodes: {}", sums_text(seen.sums)));
    account.saw(
        "the delegated vote counts as its delegate's, and who signed twice counts for nothing",
    );
    Ok(())
}

async fn comes_too_late(mesh: &Mesh, account: &mut Account, vote: &str) -> Result<()> {
    let late = mesh.node(LATE)?;
    account.step(
        format!("{} votes after the close", late.name()),
        "what nobody held before the close cannot change a result that is known",
    );
    let refused = cast(late, vote, "no").await;
    let refusal = refused.err().context("a late ballot was taken")?;
    ensure!(
        format!("{refusal:#}").contains("takes no more ballots"),
        "{refusal:#}"
    );
    account.saw("the node says that it is too late");
    Ok(())
}

async fn is_recounted(mesh: &Mesh, account: &mut Account, vote: &str) -> Result<()> {
    let node = mesh.node(LATE)?;
    account.step(
        format!(
            "{}, an ordinary node, fetches the ballots and counts again",
            node.name()
        ),
        "nobody has to believe the committee",
    );
    let found: RecountView = node.get(&format!("/v1/votes/{vote}/recount")).await?;
    ensure!(found.same, "{}", found.words);
    account.saw(found.words);

    account.step(
        "it writes the ballots to a file, and somebody without a node counts them",
        "a count can be checked far from the mesh; a file that somebody has changed shows it",
    );
    let file = node.dir().join("counted.ballots");
    let path = file.display().to_string();
    node.run_well(&["vote", "recount", vote, "--save", &path])
        .await?;
    let said = node.run_well(&["vote", "recount", "--file", &path]).await?;
    ensure!(said.contains(vote), "{said}");
    let mut bytes = std::fs::read(&file)?;
    let last = bytes.len() - 40;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes)?;
    let changed = node
        .run_to_end(&["vote", "recount", "--file", &path])
        .await?;
    ensure!(!changed.status.success(), "{}", changed.said);
    account.saw("the file counts to the same, and is refused once a bit of it is changed");
    Ok(())
}

async fn ends(
    mesh: &Mesh,
    account: &mut Account,
    vote: &str,
    other: &str,
    sealed: &str,
) -> Result<()> {
    account.step(
        "the challenge time of 24 hours passes without a proof against the count",
        "a false count can be shown and makes the vote void; after this time it holds",
    );
    for vote in [vote, sealed] {
        everywhere(mesh, "to have passed", vote, |seen| seen.stage == "passed").await?;
    }
    account.saw("passed, on all nodes, and so has the vote under seal");
    everywhere(mesh, "to fail its quorum", other, |seen| {
        seen.stage == "no_quorum"
    })
    .await?;
    account.saw("the vote in which nobody took part decides nothing, on all nodes");
    Ok(())
}

pub(super) async fn show(node: &Node, vote: &str) -> Result<VoteView> {
    node.get(&format!("/v1/votes/{vote}")).await
}

pub(super) async fn cast(node: &Node, vote: &str, choice: &str) -> Result<String> {
    let body = CastBody {
        choice: choice.to_owned(),
    };
    let path = format!("/v1/votes/{vote}/ballot");
    let voted: VotedView = node.post(&path, &body).await?;
    Ok(voted.id)
}

/// Waits until the seats have what a node has handed in.
pub(super) async fn arrived(node: &Node, id: &str) -> Result<HandedInView> {
    until("the seats to answer", STEP_PATIENCE, async || {
        let own: HandedInView = node.get(&format!("/v1/votes/own/{id}")).await?;
        ensure!(own.stage != "refused", "{}: {}", node.name(), own.words);
        Ok(match own.stage.as_str() {
            "taken" => Look::Holds(own),
            _ => Look::NotYet(own.words),
        })
    })
    .await
}

/// Waits until every node sees a vote so.
pub(super) async fn everywhere(
    mesh: &Mesh,
    what: &str,
    vote: &str,
    holds: impl Fn(&VoteView) -> bool,
) -> Result<()> {
    let what = format!("the vote {what} on every node");
    until(&what, END_PATIENCE, async || {
        let mut lacking = Vec::new();
        for node in mesh.running() {
            match show(node, vote).await {
                Ok(seen) if holds(&seen) => {}
                Ok(seen) => lacking.push(format!("{}: {}", node.name(), seen.words)),
                Err(_) => lacking.push(format!("{}: unknown", node.name())),
            }
        }
        Ok(match lacking.is_empty() {
            true => Look::Holds(()),
            false => Look::NotYet(lacking.join(", ")),
        })
    })
    .await
}

fn sums_text(sums: Option<SumsView>) -> String {
    sums.map_or_else(
        || "nothing".to_owned(),
        |sums| {
            format!(
                "{} yes, {} no, {} abstain, {} void",
                sums.yes, sums.no, sums.abstain, sums.void
            )
        },
    )
}
