//! A person in danger opens an item with a recovery card, over a real Tor network, while owner, committee and some guardians
//! are gone; the node that takes the call dies on the way, and a bridge is the only way in for the second time.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddrV4,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
    time::{interval, timeout},
};
use x0_node::api::{
    emergency::{CallsView, NodesView},
    votes::JuryView,
};

use super::vault::{agree_to_serve, files_under, others};
use crate::{
    account::Account,
    mesh::Mesh,
    programs::Programs,
    sockets,
    tor_access::Way,
    wait::{Look, until},
};

/// 24 h pass in 86 s, and jurors have 7 s to answer.
pub const TIME_SCALE: u32 = 1_000;
/// Who puts; it holds a seat.
const OWNER: usize = 0;
/// Those who hold seats; all of them are killed.
const SEATS: std::ops::Range<usize> = 0..4;
/// A guardian that is killed beside the seats.
const LOST: usize = 4;
/// Who serve on juries.
const JURORS: std::ops::Range<usize> = 5..12;
/// Bytes of the file: 5 chunks, the last of them short.
const BYTES: usize = 1_200_000;
/// What the file is full of.
const MARK: &[u8] = b"the well is under the third stone";
const TITLE: &str = "Where the well is";
const REASON: &str = "They are at the door";

/// Where devices keep what is to leave nothing behind.
const MEMORY: &str = "/dev/shm";

/// Longest wait for all onion services to be reached from outside.
const ONIONS_PATIENCE: Duration = Duration::from_secs(240);
/// Longest wait for a jury: two days.
const JURY_PATIENCE: Duration = Duration::from_secs(240);
/// Longest wait for a step of the device.
const DEVICE_PATIENCE: Duration = Duration::from_secs(150);
/// Longest that all but people's thinking may take.
const TECHNICAL_MAX: Duration = Duration::from_secs(120);

/// A card: its page in a file, and its words.
struct Card {
    page: PathBuf,
    words: String,
}

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    prepares(mesh, account).await?;
    let source = mesh.home().join("source");
    let content: Vec<u8> = MARK.iter().copied().cycle().take(BYTES).collect();
    fs::write(&source, content)?;
    // One jury is asked about one item in a day: the second call is for another one.
    let card = puts(mesh, account, &source, "card.txt").await?;
    let other = puts(mesh, account, &source, "other.txt").await?;
    a_jury_serves(mesh, account).await?;
    loses(mesh, account).await?;
    opens(mesh, account, Way::Direct, &card, &source).await?;
    opens(mesh, account, Way::Bridge, &other, &source).await
}

async fn prepares(mesh: &Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "members serve as guardians and on juries; their nodes have onion services on a real Tor network",
        "who is to help in an emergency has said so before",
    );
    let guardians = agree_to_serve(others(mesh), mesh.node(OWNER)?).await?;
    for place in JURORS {
        mesh.node(place)?
            .run_well(&["vote", "jury", "on", "--no-wait"])
            .await?;
    }
    let wanted = mesh.nodes().len();
    let reached = until(
        "every onion service to be reached from outside",
        ONIONS_PATIENCE,
        async || {
            let (mut up, mut known) = (0, wanted);
            for node in mesh.nodes() {
                let view: NodesView = node.get("/v1/emergency/nodes").await?;
                up += usize::from(view.own.reached_secs_ago.is_some());
                known = known.min(view.nodes.len());
            }
            Ok(match up == wanted && known == wanted {
                true => Look::Holds(up),
                false => Look::NotYet(format!("{up} are up, {known} are known everywhere")),
            })
        },
    )
    .await?;
    account.saw(format!(
        "{guardians} guardians, {} on call, {reached} onion services reached from outside",
        JURORS.len()
    ));
    Ok(())
}

async fn puts(mesh: &Mesh, account: &mut Account, source: &Path, card: &str) -> Result<Card> {
    let owner = mesh.node(OWNER)?;
    account.step(
        format!("{} puts a file of {BYTES} bytes with a recovery card", owner.name()),
        "the card has words that sign a call and are one of two parts of the key; alone it opens nothing",
    );
    let page = mesh.home().join(card);
    let (file, card) = (source.display().to_string(), page.display().to_string());
    let put = [
        "sublime",
        "put",
        &file,
        "--title",
        TITLE,
        "--card",
        &card,
        "--card-label",
        "The map of the wells",
        "--card-policy",
        "Whoever has the card and is in danger",
    ];
    let said = owner.run_well(&put).await?;
    let text = fs::read_to_string(&page)?;
    let words = words_of(&text)?;
    ensure!(
        !said.contains(&words),
        "the words were said beside the card"
    );
    account.saw(format!(
        "the card is printed: {} words",
        words.split(' ').count()
    ));
    let check = owner.run_well(&["sublime", "card", "check", &card]).await?;
    account.saw(check.lines().take(3).collect::<Vec<_>>().join("; "));
    Ok(Card { page, words })
}

/// Reads the words off a card, as a person would: `1. first  2. second …`.
fn words_of(card: &str) -> Result<String> {
    let mut numbered: Vec<(u8, &str)> = Vec::new();
    let tokens: Vec<_> = card.split_whitespace().collect();
    for pair in tokens.windows(2) {
        let [number, word] = pair else { continue };
        let number = number
            .strip_suffix('.')
            .and_then(|number| number.parse().ok());
        let is_word = word.len() >= 3 && word.bytes().all(|byte| byte.is_ascii_lowercase());
        if let Some(number) = number.filter(|number| is_word && (1..=24).contains(number)) {
            numbered.push((number, word));
        }
    }
    numbered.sort_unstable();
    numbered.dedup();
    ensure!(
        numbered.len() == 24,
        "the card has {} words",
        numbered.len()
    );
    let words: Vec<_> = numbered.into_iter().map(|(_, word)| word).collect();
    Ok(words.join(" "))
}

/// Waits until a jury serves whose day has only begun, and the next day's is drawn: then no seat is needed for two days.
async fn a_jury_serves(mesh: &Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "the juries of this day and the next are drawn",
        "they are fixed ahead, so that nobody can be chosen for a call",
    );
    let node = mesh.node(JURORS.start)?;
    let jurors = until("juries of two days", JURY_PATIENCE, async || {
        let view: JuryView = node.get("/v1/votes/jury").await?;
        let now = view.mesh_time_ms;
        let serving = view.days.iter().find(|day| day.serves);
        let next = view.days.iter().any(|day| day.from_ms > now);
        let is_early = serving
            .is_some_and(|day| now.saturating_sub(day.from_ms) * 3 < day.until_ms - day.from_ms);
        Ok(match serving.filter(|_| next && is_early) {
            Some(day) => Look::Holds(day.jurors.len()),
            None => Look::NotYet(format!(
                "{} days are drawn, the first from {}; mesh time is {now}; the node says it serves: {:?}",
                view.days.len(),
                view.days.first().map_or(0, |day| day.from_ms),
                view.on_call
            )),
        })
    })
    .await?;
    account.saw(format!("{jurors} jurors serve today"));
    Ok(())
}

async fn loses(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    account.step(
        "the owner, the whole committee and another guardian are killed",
        "an emergency is when those who decide otherwise cannot be reached",
    );
    for place in SEATS.chain([LOST]) {
        mesh.crash(place).await?;
    }
    account.saw("7 of 12 nodes go on; no seat is up");
    Ok(())
}

async fn opens(
    mesh: &mut Mesh,
    account: &mut Account,
    way: Way,
    card: &Card,
    source: &Path,
) -> Result<()> {
    let is_first = way == Way::Direct;
    account.step(
        match is_first {
            true => "on a device with nothing but the program and the card, somebody calls; the node that takes the call is killed",
            false => "somebody calls again, with a bridge as the only way into Tor",
        },
        "the device goes on with whichever node it reaches",
    );
    let out = PathBuf::from(format!("{MEMORY}/x0-testnet-{}-opened", std::process::id()));
    fs::remove_file(&out).ok();
    let mut device = Device::start(mesh.programs(), (&mesh.tor()?.file(way), &out), card).await?;
    let called = device.says("has passed the call on: ").await?;
    account.saw(format!(
        "after {} s: {}",
        device.began.elapsed().as_secs(),
        called
    ));
    let call = called.rsplit(": ").next().unwrap_or_default().to_owned();
    let (jurors, needed) = jurors_asked(mesh, &call).await?;
    if is_first {
        let (place, name) = taker(mesh, &called).await?;
        mesh.crash(place).await?;
        account.saw(format!("{name}, which took the call, is gone"));
    }
    let mut yes = 0;
    for place in jurors {
        let node = mesh.node(place)?;
        if node.is_running() && yes < needed {
            let decided = node
                .run_well(&["emergency", "decide", &call, "yes"])
                .await?;
            yes += 1;
            if yes == 1 {
                account.saw(format!(
                    "a juror: {}",
                    decided.lines().next().unwrap_or_default()
                ));
            }
        }
    }
    let decided = Instant::now();
    let opened = device.says("\"event\":\"opened\"").await?;
    let technical = decided.elapsed();
    let since_start = device.began.elapsed();
    let peers = device.ends_well().await?;
    let strays: Vec<_> = peers
        .iter()
        .filter(|peer| !mesh.tor().is_ok_and(|tor| tor.is_on(way, **peer)))
        .collect();
    ensure!(strays.is_empty(), "the device spoke with {strays:?}");
    ensure!(opened.contains(TITLE), "{opened}");
    let digest = |path: &Path| Ok::<_, anyhow::Error>(Sha256::digest(fs::read(path)?));
    ensure!(
        digest(&out)? == digest(source)?,
        "what was opened is something else"
    );
    fs::remove_file(&out)?;
    ensure!(
        technical < TECHNICAL_MAX,
        "from the last ballot on it took {} s",
        technical.as_secs()
    );
    account.saw(match rustix::process::geteuid().is_root() {
        true if peers.is_empty() => bail!("the device was seen to speak with nobody"),
        true => format!(
            "it spoke with nobody but {} of the Tor network",
            peers.len()
        ),
        false => "NOT CHECKED, for it takes root: that it spoke with nobody but the Tor network"
            .to_owned(),
    });
    account.saw(format!(
        "{yes} jurors said yes; {:.1} s later all of it is open, and equals what was put; {:.1} s since the program was started",
        technical.as_secs_f64(),
        since_start.as_secs_f64()
    ));
    Ok(())
}

/// Waits until jurors know of a call; returns who they are, and how many are needed.
async fn jurors_asked(mesh: &Mesh, call: &str) -> Result<(Vec<usize>, usize)> {
    until("jurors to know of the call", DEVICE_PATIENCE, async || {
        let mut jurors = Vec::new();
        let mut needed = usize::MAX;
        for place in JURORS {
            let node = mesh.node(place)?;
            if !node.is_running() {
                continue;
            }
            let view: CallsView = node.get("/v1/emergency/calls").await?;
            let known = view.calls.into_iter().find(|known| known.call == call);
            let Some(asked) = known.and_then(|known| known.asked) else {
                continue;
            };
            needed = asked.needed;
            if asked.is_juror {
                jurors.push(place);
            }
        }
        Ok(match jurors.len() >= needed {
            true => Look::Holds((jurors, needed)),
            false => Look::NotYet(format!("{} jurors know of it", jurors.len())),
        })
    })
    .await
}

/// Finds the node that has passed a call on, by the beginning of its onion address.
async fn taker(mesh: &Mesh, called: &str) -> Result<(usize, String)> {
    for (place, node) in mesh.nodes().iter().enumerate() {
        if !node.is_running() {
            continue;
        }
        let view: NodesView = node.get("/v1/emergency/nodes").await?;
        let own = view.own.address.unwrap_or_default();
        if own.get(..12).is_some_and(|begin| called.contains(begin)) {
            return Ok((place, node.name().to_owned()));
        }
    }
    bail!("no node that runs has taken the call: {called}")
}

/// `x0 emergency request` on a device.
struct Device {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pid: u32,
    began: Instant,
    home: TempDir,
    watch: JoinHandle<Result<BTreeSet<SocketAddrV4>>>,
}

/// Time between two looks at whom a device speaks with.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Gathers with whom a process speaks until it is gone.
async fn watch(pid: u32) -> Result<BTreeSet<SocketAddrV4>> {
    let mut seen = BTreeSet::new();
    let mut ticks = interval(LOOK_EVERY);
    while Path::new("/proc").join(pid.to_string()).join("fd").exists() {
        ticks.tick().await;
        seen.extend(sockets::peers(pid)?);
        ensure!(
            !sockets::has_other(pid)?,
            "the device has a socket that is none of TCP over IPv4"
        );
    }
    Ok(seen)
}

impl Device {
    async fn start(programs: &Programs, (tor, out): (&Path, &Path), card: &Card) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let mut command = Command::new(&programs.x0);
        command
            .args(["--json", "emergency", "request", "--state", MEMORY])
            .args(["--data-dir".as_ref(), home.path()])
            .args(["--card".as_ref(), card.page.as_path()])
            .args(["--tor".as_ref(), tor])
            .args(["--out".as_ref(), out])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .env_clear()
            .kill_on_drop(true);
        let began = Instant::now();
        let mut child = command.spawn().context("the device does not start")?;
        let mut stdin = child.stdin.take().context("the device takes no input")?;
        stdin
            .write_all(format!("{}\n{REASON}\n", card.words).as_bytes())
            .await?;
        drop(stdin);
        let stdout = child.stdout.take().context("the device says nothing")?;
        let pid = child.id().context("the device is gone")?;
        Ok(Self {
            watch: tokio::spawn(watch(pid)),
            pid,
            child,
            lines: BufReader::new(stdout).lines(),
            began,
            home,
        })
    }

    /// Waits for a line that has a text in it.
    async fn says(&mut self, text: &str) -> Result<String> {
        let mut said = Vec::new();
        let waiting = async {
            while let Some(line) = self.lines.next_line().await? {
                if line.contains(text) {
                    return Ok(plain(&line));
                }
                said.push(line);
            }
            bail!("the device ended")
        };
        let found = timeout(DEVICE_PATIENCE, waiting).await;
        let found = found.unwrap_or_else(|_| bail!("the device is silent"));
        found.with_context(|| format!("waiting for {text:?}, it said:\n{}", said.join("\n")))
    }

    /// Waits until it has ended, having written nothing to its data directory; returns with whom it spoke.
    async fn ends_well(mut self) -> Result<BTreeSet<SocketAddrV4>> {
        let ended = timeout(DEVICE_PATIENCE, self.child.wait()).await??;
        ensure!(ended.success(), "the device ended with {ended}");
        let folder = Path::new(MEMORY).join(format!(".x0-{}", self.pid));
        ensure!(!folder.exists(), "the device left {}", folder.display());
        let files = files_under(self.home.path())?;
        ensure!(files.is_empty(), "the device left {files:?}");
        timeout(DEVICE_PATIENCE, self.watch).await??
    }
}

/// Takes what is told out of a line for programs.
fn plain(line: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    value["what"]
        .as_str()
        .map_or_else(|| line.to_owned(), str::to_owned)
}
