//! What it costs to put a gibibyte, to have five guardians hold it, and to open it: time and memory of programs and nodes, beside
//! the cipher and the disk alone, `age`, and Kubo, in one run.
//!
//! Before each measurement the disk is let finish what came before. The bar is measured before and after what is held against
//! it, because disks of shared machines are now quick and now slow.

use std::{
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use tokio::time::Instant;
use x0_node::{
    api::sublime::{ReleasedView, SublimeView},
    cli::output::{Table, bytes},
};

use super::vote::{cast, counts_members};
use crate::{
    account::Account,
    measure::{self, Kubo, Ran, Way},
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

/// Who puts.
const OWNER: usize = 0;
/// Who asks and opens: a guardian, so that the content is on its own disk.
const ASKER: usize = 5;
/// Bytes of the file.
const BYTES: u64 = 1 << 30;
/// Bytes that are made at a time.
const MADE_AT_A_TIME: usize = 1 << 20;
/// Free space that it takes: content, sealed content and what was opened of each program, and a copy on each node.
const DISK_BYTES: u64 = 15 << 30;

/// Least speed of a put and a get, of that of the cipher and the disk alone, in percent.
const SHARE_MIN_PERCENT: u64 = 60;
/// Most memory of any process on the way, bytes.
const MEMORY_BYTES_MAX: u64 = 200 << 20;

/// Parts that open an item in a mesh of six: three of five guardians, three of four seats.
const PARTS: usize = 6;
/// Longest wait until five guardians have fetched everything.
const HOLD_PATIENCE: Duration = Duration::from_secs(600);
/// Longest wait for a vote to end with its challenge time: 72 h pass in 32 s.
const VOTE_PATIENCE: Duration = Duration::from_secs(180);

/// One way, by each program.
#[derive(Debug, Serialize)]
struct Figures {
    /// The cipher and the disk alone, in the mean of before and after.
    bar_ms: u64,
    x0_ms: u64,
    share_percent: u64,
    x0_program_peak_bytes: u64,
    x0_node_peak_bytes: u64,
    age_ms: u64,
    age_peak_bytes: u64,
    kubo_ms: u64,
    kubo_peak_bytes: u64,
}

/// Guardians fetching.
#[derive(Debug, Serialize)]
struct Holding {
    guardians: usize,
    took_ms: u64,
    owner_peak_bytes: u64,
    guardian_peak_bytes: u64,
}

/// The files that a run makes.
struct Files {
    dir: PathBuf,
}

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

/// Tells the story.
///
/// # Errors
///
/// Returns which figure was missed, after all of them were told.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    let files = Files {
        dir: mesh.home().to_owned(),
    };
    let room = rustix::fs::statvfs(mesh.home())?;
    ensure!(
        room.f_bavail * room.f_frsize >= DISK_BYTES,
        "{} has no {} free: name another folder by TMPDIR",
        mesh.home().display(),
        bytes(DISK_BYTES)
    );
    counts_members(mesh, account).await?;
    serve(mesh).await?;
    write_source(&files)?;

    let (item, put) = puts(mesh, account, &files).await?;
    let holding = held(mesh, account).await?;
    let mut kubo = Kubo::start(mesh.programs(), &files.path("kubo")).await?;
    let put = beside(Way::Seal, put, account, &files, &mut kubo).await?;
    let request = is_granted(mesh, account, &item).await?;
    let get = opens(mesh, account, &files, (&item, &request)).await?;
    let get = beside(Way::Open, get, account, &files, &mut kubo).await?;

    account.step(
        "what was measured, in one table",
        "the bar is what nobody can do without: AES-256-GCM, and a disk that has taken everything",
    );
    account.saw(format!("\n{}", table(&put, &get)));
    let missed = missed(&put, &get, &holding);
    account.figures(serde_json::json!({
        "bytes": BYTES, "put": put, "get": get, "holding": holding, "missed": missed,
    }));
    ensure!(missed.is_empty(), "{}", missed.join("; "));
    Ok(())
}

async fn serve(mesh: &Mesh) -> Result<()> {
    for node in guardians(mesh) {
        node.run_well(&["guardian", "serve"]).await?;
    }
    let owner = mesh.node(OWNER)?;
    let count = mesh.nodes().len() - 1;
    until("the owner to know who serves", VOTE_PATIENCE, async || {
        let view = sublime(owner).await?;
        Ok(match view.serving == count {
            true => Look::Holds(()),
            false => Look::NotYet(format!("{} serve", view.serving)),
        })
    })
    .await
}

/// Bytes that nothing can make shorter.
fn write_source(files: &Files) -> Result<()> {
    let mut file = File::create(files.path("source"))?;
    let mut some = vec![0; MADE_AT_A_TIME];
    for _ in 0..BYTES / MADE_AT_A_TIME as u64 {
        getrandom::fill(&mut some)?;
        file.write_all(&some)?;
    }
    file.sync_all()?;
    Ok(())
}

/// Passes the file through the cipher; nothing else is left to be written when it begins.
async fn bar(way: Way, files: &Files) -> Result<Duration> {
    rustix::fs::sync();
    let (from, to) = match way {
        Way::Seal => ("source", "bar-sealed"),
        Way::Open => ("bar-sealed", "bar-opened"),
    };
    let (from, to) = (files.path(from), files.path(to));
    let done = move || {
        let took = measure::cipher_and_disk(way, BYTES, &from, &to)?;
        if way == Way::Open {
            fs::remove_file(to)?;
        }
        Ok(took)
    };
    tokio::task::spawn_blocking(done).await?
}

/// What was measured of x0, before the others run.
struct Measured {
    bar: Duration,
    x0: Ran,
    node_peak_bytes: u64,
}

async fn puts(mesh: &Mesh, account: &mut Account, files: &Files) -> Result<(String, Measured)> {
    account.step(
        format!("{} of random bytes are put", bytes(BYTES)),
        "who has much to keep safe wants to know what safety costs",
    );
    let bar = bar(Way::Seal, files).await?;
    for node in mesh.nodes() {
        measure::forget_peak(pid(node)?)?;
    }
    let owner = mesh.node(OWNER)?;
    let source = files.text("source");
    let put = measured(owner, bar, &["--json", "sublime", "put", &source]).await?;
    account.saw(told(&put));
    let said: serde_json::Value = serde_json::from_slice(&put.x0.output.stdout)?;
    let item = said["item"].as_str().context("no item was told")?;
    Ok((item.to_owned(), put))
}

async fn measured(node: &Node, bar: Duration, arguments: &[&str]) -> Result<Measured> {
    rustix::fs::sync();
    let pid = pid(node)?;
    measure::forget_peak(pid)?;
    let x0 = node.run_measured(arguments).await?;
    let peak = measure::peak_bytes(pid);
    Ok(Measured {
        bar,
        x0,
        node_peak_bytes: peak.context("a node has ended")?,
    })
}

fn told(measured: &Measured) -> String {
    let Measured {
        bar,
        x0,
        node_peak_bytes,
    } = measured;
    format!(
        "{:.2} s with {} at most, the node {}; before it the cipher and the disk alone took {:.2} s",
        x0.took.as_secs_f64(),
        bytes(x0.peak_bytes),
        bytes(*node_peak_bytes),
        bar.as_secs_f64()
    )
}

async fn held(mesh: &Mesh, account: &mut Account) -> Result<Holding> {
    account.step(
        "the guardians fetch the sealed content from the owner's node, all at once",
        "a node that others fetch from must not be felt on the machine of whoever put something",
    );
    let began = Instant::now();
    let owner = pid(mesh.node(OWNER)?)?;
    measure::forget_peak(owner)?;
    until("all guardians to hold it", HOLD_PATIENCE, async || {
        let mut lacking = Vec::new();
        for node in guardians(mesh) {
            let view = sublime(node).await?;
            if view.held_bytes < BYTES {
                lacking.push(format!("{}: {}", node.name(), bytes(view.held_bytes)));
            }
        }
        Ok(match lacking.is_empty() {
            true => Look::Holds(()),
            false => Look::NotYet(lacking.join(", ")),
        })
    })
    .await?;
    let took_ms = millis(began.elapsed());
    let mut peaks = Vec::new();
    for node in guardians(mesh) {
        peaks.push(measure::peak_bytes(pid(node)?).context("a guardian's node has ended")?);
    }
    let holding = Holding {
        guardians: peaks.len(),
        took_ms,
        owner_peak_bytes: measure::peak_bytes(owner).context("the owner's node has ended")?,
        guardian_peak_bytes: peaks.into_iter().max().unwrap_or(0),
    };
    account.saw(format!(
        "{} hold it after {:.1} s; the owner's node had {} at most, a guardian's {}",
        holding.guardians,
        took_ms as f64 / 1e3,
        bytes(holding.owner_peak_bytes),
        bytes(holding.guardian_peak_bytes)
    ));
    Ok(holding)
}

/// Measures the others, and the bar once more.
async fn beside(
    way: Way,
    measured: Measured,
    account: &mut Account,
    files: &Files,
    kubo: &mut Kubo,
) -> Result<Figures> {
    account.step(
        "the cipher and the disk alone once more, age, and Kubo, which does not encrypt",
        "a figure says little without one beside it",
    );
    let again = bar(way, files).await?;
    rustix::fs::sync();
    let (from, to) = match way {
        Way::Seal => ("source", "age-sealed"),
        Way::Open => ("age-sealed", "age-opened"),
    };
    let key = files.path("age-key");
    let age = measure::age(way, &key, &files.path(from), &files.path(to)).await?;
    rustix::fs::sync();
    let name = files.path("kubo-cid");
    let kubo_took = match way {
        Way::Seal => {
            let (cid, took) = kubo.order(&format!("add {}", files.text("source"))).await?;
            fs::write(name, cid)?;
            took
        }
        Way::Open => {
            let cid = fs::read_to_string(name)?;
            let (fetched, took) = kubo.order(&format!("fetch {cid}")).await?;
            let same = measure::are_same(&files.path("source"), fetched.as_ref())?;
            ensure!(same, "Kubo gave something else");
            took
        }
    };
    let bar = (measured.bar + again) / 2;
    let x0_ms = millis(measured.x0.took);
    account.saw(format!(
        "alone {:.2} s, age {:.2} s, Kubo {:.2} s",
        again.as_secs_f64(),
        age.took.as_secs_f64(),
        kubo_took.as_secs_f64()
    ));
    Ok(Figures {
        bar_ms: millis(bar),
        x0_ms,
        share_percent: millis(bar) * 100 / x0_ms.max(1),
        x0_program_peak_bytes: measured.x0.peak_bytes,
        x0_node_peak_bytes: measured.node_peak_bytes,
        age_ms: millis(age.took),
        age_peak_bytes: age.peak_bytes,
        kubo_ms: millis(kubo_took),
        kubo_peak_bytes: kubo.peak_bytes(),
    })
}

async fn is_granted(mesh: &Mesh, account: &mut Account, item: &str) -> Result<String> {
    account.step(
        "a guardian asks for it, and members grant that",
        "there is no shorter way to what was put",
    );
    let asker = mesh.node(ASKER)?;
    let request = ["--json", "sublime", "request", item, "--why", "to measure"];
    let said: serde_json::Value = serde_json::from_str(&asker.run_well(&request).await?)?;
    let told = |name: &str| {
        let told = said[name].as_str().map(str::to_owned);
        told.with_context(|| format!("no {name} was told"))
    };
    let (request, vote) = (told("request")?, told("vote")?);
    for node in mesh.running().take(mesh.nodes().len() / 2 + 1) {
        until("the vote to be open", VOTE_PATIENCE, async || {
            Ok(match cast(node, &vote, "yes").await {
                Ok(_) => Look::Holds(()),
                Err(error) => Look::NotYet(format!("{error:#}")),
            })
        })
        .await?;
    }
    until("the request to be granted", VOTE_PATIENCE, async || {
        let view = sublime(asker).await?;
        let known = view.requests.into_iter();
        let known = known.filter(|known| known.request == request);
        let standing = known.map(|known| known.standing).next();
        Ok(match standing.as_deref() {
            Some("granted") => Look::Holds(()),
            other => Look::NotYet(other.unwrap_or("unknown").to_owned()),
        })
    })
    .await?;
    account.saw("granted");
    Ok(request)
}

async fn opens(
    mesh: &Mesh,
    account: &mut Account,
    files: &Files,
    (item, request): (&str, &str),
) -> Result<Measured> {
    account.step(
        "it opens it",
        "the content is on its own disk; keys are put together first, which takes milliseconds",
    );
    let asker = mesh.node(ASKER)?;
    let parts = format!("/v1/sublime/requests/{request}");
    until("enough parts to be here", VOTE_PATIENCE, async || {
        let view: ReleasedView = asker.get(&parts).await?;
        Ok(match view.parts.len() {
            count if count >= PARTS => Look::Holds(()),
            count => Look::NotYet(format!("{count} parts")),
        })
    })
    .await?;
    let bar = bar(Way::Open, files).await?;
    let out = files.text("opened");
    let get = [
        "--json",
        "sublime",
        "get",
        item,
        "--request",
        request,
        "--out",
        &out,
    ];
    let got = measured(asker, bar, &get).await?;
    let same = measure::are_same(&files.path("source"), &files.path("opened"))?;
    ensure!(same, "what was opened is something else");
    account.saw(told(&got));
    Ok(got)
}

fn table(put: &Figures, get: &Figures) -> String {
    let mut table = Table::new([
        "",
        "put, s",
        "% of the bar",
        "get, s",
        "% of the bar",
        "memory",
    ]);
    let mut row = |name: &str, of: fn(&Figures) -> u64, memory: String| {
        let cells = [put, get].map(|figures| {
            let ms = of(figures);
            let share = figures.bar_ms * 100 / ms.max(1);
            (format!("{:.2}", ms as f64 / 1e3), share.to_string())
        });
        let [(put, of_put), (get, of_get)] = cells;
        table.row([name.to_owned(), put, of_put, get, of_get, memory]);
    };
    let most = |of: fn(&Figures) -> u64| bytes(of(put).max(of(get)));
    let x0 = format!(
        "program {}, node {}",
        most(|figures| figures.x0_program_peak_bytes),
        most(|figures| figures.x0_node_peak_bytes)
    );
    row(
        "AES-256-GCM and the disk, the bar",
        |figures| figures.bar_ms,
        String::new(),
    );
    row("x0 sublime put, get", |figures| figures.x0_ms, x0);
    row(
        "age --encrypt, --decrypt",
        |figures| figures.age_ms,
        most(|figures| figures.age_peak_bytes),
    );
    row(
        "Kubo add, cat (plain)",
        |figures| figures.kubo_ms,
        most(|figures| figures.kubo_peak_bytes),
    );
    table.text()
}

fn missed(put: &Figures, get: &Figures, holding: &Holding) -> Vec<String> {
    let mut missed = Vec::new();
    for (name, figures) in [("put", put), ("get", get)] {
        let share = figures.share_percent;
        if share < SHARE_MIN_PERCENT {
            missed.push(format!(
                "{name}: {share} % of the bar, {SHARE_MIN_PERCENT} % wanted"
            ));
        }
    }
    for (whose, peak) in [
        ("the program that puts", put.x0_program_peak_bytes),
        ("the node that is put to", put.x0_node_peak_bytes),
        ("the program that gets", get.x0_program_peak_bytes),
        ("the node that is got from", get.x0_node_peak_bytes),
        ("the node that is fetched from", holding.owner_peak_bytes),
        ("a guardian's node", holding.guardian_peak_bytes),
    ] {
        if peak >= MEMORY_BYTES_MAX {
            let (peak, most) = (bytes(peak), bytes(MEMORY_BYTES_MAX));
            missed.push(format!(
                "{whose}: {peak} of memory, less than {most} wanted"
            ));
        }
    }
    missed
}

fn guardians(mesh: &Mesh) -> impl Iterator<Item = &Node> {
    mesh.nodes().iter().skip(OWNER + 1)
}

fn pid(node: &Node) -> Result<u32> {
    let pid = node.pid();
    pid.with_context(|| format!("{} has ended", node.name()))
}

async fn sublime(node: &Node) -> Result<SublimeView> {
    node.get("/v1/sublime").await
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
