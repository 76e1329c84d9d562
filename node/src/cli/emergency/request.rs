//! `x0 emergency request`: a person in danger, on any device, with a recovery card.

use std::{
    fs::{self, OpenOptions},
    io::{self, IsTerminal as _, Read as _, Write},
    os::unix::{fs::OpenOptionsExt as _, net::UnixStream},
    path::{Path, PathBuf},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use clap::Args;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use x0_crypto::{OnionAddress, sublime::CardSeed};
use x0_protocol::{
    Wall,
    wire::{CallStage, CardPage, Reason},
};
use x0_tor::Tor;
use zeroize::Zeroizing;

use super::hardening::{self, Folder};
use crate::{
    cli::{Context, error::CliError, output::Output},
    emergency::{
        card,
        device::{About, Device, Dial, Dialling, Told},
        hosting::PORT,
        line::Line,
        tor_file::TorFile,
    },
};

/// Longest text of a card that is read, in bytes.
const CARD_BYTES_MAX: u64 = 64 * 1024;
/// Longest input of words and reason, in bytes.
const INPUT_BYTES_MAX: u64 = 8 * 1024;

/// Open an item in an emergency, with its recovery card, from any device
#[derive(Debug, Args)]
#[command(
    after_help = "What you need: this program, and the card: its page (as a file, or scanned) and its 24 words. No node, no account.\n\
                  Words are asked for, or read from standard input (first the words on one line, then why you ask on the next); never\n\
                  write them on the command line, where other programs read them.\n\n\
                  Everything goes over Tor: no other connection is opened. What is kept until the end is kept in memory, and removed\n\
                  when the program ends; press Ctrl-C to leave now, and nothing is left but what you had written to a disk.\n\n\
                  If Tor is blocked where you are, name a file with bridges by --tor; docs/tor.md in the sources has one.\n\n\
                  Examples:\n  x0 emergency request --card page.txt --out /dev/shm/map.pdf\n  \
                  x0 emergency request --card page.txt --tor bridges.toml --out -"
)]
pub(in crate::cli) struct RequestArgs {
    /// The page of the card; asked for, if not given
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
    /// Where the content goes, `-` is standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Let the content be written to a disk, where it stays
    #[arg(long)]
    on_disk: bool,
    /// How Tor is reached: a file with bridges, a transport or another network
    #[arg(long, value_name = "FILE")]
    tor: Option<PathBuf>,
    /// A folder in memory for what Tor keeps; by default one of the user's own, or below /dev/shm
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Go on although a node runs beside: it opens connections of its own, by which this device is known
    #[arg(long)]
    beside_node: bool,
}

/// What is printed for programs, line by line.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Tor {
        percent: u8,
    },
    Told {
        after_ms: u128,
        what: &'a str,
    },
    Opened {
        after_ms: u128,
        title: &'a str,
        bytes: u64,
    },
}

/// Carries it out.
pub(in crate::cli) async fn request(context: &Context, args: RequestArgs) -> Result<(), CliError> {
    let output = context.output;
    for not in hardening::harden() {
        output.note(&format!("Take care: {not}."));
    }
    refuse_beside_node(context, args.beside_node)?;
    let target = Target::check(&args.out, args.on_disk)?;
    let page = read_page(args.card.as_deref())?;
    let (seed, reason) = read_words(&page)?;
    let folder = Folder::make(args.state.as_deref())?;
    let opening = open(output, &args, (&page, &seed, &reason), &folder, target);
    let mut stop = signal(SignalKind::terminate()).map_err(|cause| no_signals(&cause))?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(|cause| no_signals(&cause))?;
    let outcome = tokio::select! {
        outcome = opening => outcome,
        _ = tokio::signal::ctrl_c() => Err(left()),
        _ = stop.recv() => Err(left()),
        _ = hang_up.recv() => Err(left()),
    };
    drop(folder);
    outcome
}

fn no_signals(cause: &io::Error) -> CliError {
    CliError::Failed(format!("signals cannot be waited for: {cause}"))
}

fn left() -> CliError {
    CliError::Failed("left: what was kept in memory is gone".to_owned())
}

async fn open(
    output: Output,
    args: &RequestArgs,
    (page, seed, reason): (&CardPage, &CardSeed, &Reason),
    folder: &Folder,
    target: Target,
) -> Result<(), CliError> {
    let began = Instant::now();
    let file = TorFile::read(args.tor.as_deref());
    let file = file.map_err(|error| CliError::Failed(error.to_string()))?;
    let settings = file.settings(folder.path().join("state"), folder.path().join("cache"));
    output.note("Tor is coming up…");
    let tor = Tor::start(settings, |progress| {
        let percent = progress.percent;
        if output.is_json() {
            output.show(&Event::Tor { percent }, |_| String::new()).ok();
        } else {
            output.note(&format!("  Tor: {percent} %, {}", progress.words));
        }
    });
    let tor = tor
        .await
        .map_err(|error| CliError::Failed(error.to_string()))?;
    let dial = ByTor(tor);
    let tell = |told: Told| {
        let what = words(&told);
        let after_ms = began.elapsed().as_millis();
        if output.is_json() {
            let line = Event::Told {
                after_ms,
                what: &what,
            };
            output.show(&line, |_| String::new()).ok();
        } else {
            output.note(&format!("{:>4} s  {what}", after_ms / 1_000));
        }
    };
    let mut device = Device::new(&dial, page, seed, &tell);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    });
    let mut out = target.open()?;
    let opened = device.open(reason, Wall(now), &mut *out.file).await;
    let About { title, bytes } = match opened {
        Ok(about) => about,
        Err(error) => {
            drop(device);
            out.remove();
            return Err(CliError::Failed(error.to_string()));
        }
    };
    let after_ms = began.elapsed().as_millis();
    if output.is_json() {
        let line = Event::Opened {
            after_ms,
            title: &title,
            bytes,
        };
        return output.show(&line, |_| String::new());
    }
    output.note(&format!(
        "{:>4} s  opened: {title}, {bytes} bytes",
        after_ms / 1_000
    ));
    Ok(())
}

/// Refuses where a node runs: what it sends shows that this machine belongs to the mesh.
fn refuse_beside_node(context: &Context, is_told: bool) -> Result<(), CliError> {
    let runs = |socket: &Path| UnixStream::connect(socket).is_ok();
    let config = context.config();
    let is_running = config.is_ok_and(|config| runs(&config.api.unix_socket));
    match is_running && !is_told {
        true => Err(CliError::Failed(
            "a node runs on this machine, and what it sends shows who you are: stop it first, or take another device. To go on \
             all the same, add --beside-node"
                .to_owned(),
        )),
        false => Ok(()),
    }
}

fn read_page(path: Option<&Path>) -> Result<CardPage, CliError> {
    let mut text = Zeroizing::new(String::new());
    match path {
        Some(path) => {
            let on_read = |cause: io::Error| {
                CliError::Failed(format!(
                    "the card {} cannot be read: {cause}",
                    path.display()
                ))
            };
            let file = fs::File::open(path).map_err(on_read)?;
            file.take(CARD_BYTES_MAX)
                .read_to_string(&mut text)
                .map_err(on_read)?;
        }
        None if io::stdin().is_terminal() => {
            let asked = "Page of the card, from X0CARD on, ended by an empty line:";
            writeln!(io::stderr(), "{asked}").ok();
            for line in io::stdin().lines() {
                let line = line.map_err(|cause| CliError::Failed(cause.to_string()))?;
                if line.trim().is_empty() {
                    break;
                }
                text.push_str(&line);
            }
        }
        None => {
            return Err(CliError::Usage(
                "name the file with the page of the card by --card; standard input is for the words".to_owned(),
            ));
        }
    }
    card::read_page(&text).map_err(|error| CliError::Failed(error.to_string()))
}

/// Asks for the words and the reason, or reads them from standard input, a line each.
fn read_words(page: &CardPage) -> Result<(CardSeed, Reason), CliError> {
    let bad = |error: String| CliError::Failed(error);
    let (words, why) = if io::stdin().is_terminal() {
        writeln!(io::stderr(), "The card is for: {}", page.label).ok();
        let words = rpassword::prompt_password("The 24 words (they are not shown): ");
        let words = Zeroizing::new(words.map_err(|cause| bad(cause.to_string()))?);
        let mut why = String::new();
        write!(io::stderr(), "Why you ask, for the jurors alone: ").ok();
        io::stdin()
            .read_line(&mut why)
            .map_err(|cause| bad(cause.to_string()))?;
        (words, why)
    } else {
        let mut text = Zeroizing::new(String::with_capacity(INPUT_BYTES_MAX as usize));
        let read = io::stdin().take(INPUT_BYTES_MAX).read_to_string(&mut text);
        read.map_err(|cause| bad(cause.to_string()))?;
        let (words, why) = text.split_once('\n').unwrap_or((text.as_str(), ""));
        (
            Zeroizing::new(words.to_owned()),
            why.lines().next().unwrap_or_default().to_owned(),
        )
    };
    let seed = CardSeed::from_words(&words).map_err(|error| bad(error.to_string()))?;
    if why.trim().is_empty() {
        return Err(CliError::Usage(
            "say why you ask: jurors decide by it".to_owned(),
        ));
    }
    Ok((seed, Reason::shortened(why.trim())))
}

/// Where the content goes.
enum Target {
    Stdout,
    File(PathBuf),
}

/// A target that is written to.
struct Out {
    file: Box<dyn Write + Send>,
    path: Option<PathBuf>,
}

impl Target {
    fn check(out: &Path, on_disk: bool) -> Result<Self, CliError> {
        if out == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let dir = out.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = dir.unwrap_or(Path::new("."));
        let in_memory = hardening::is_in_memory(dir).map_err(|cause| {
            CliError::Failed(format!("{} cannot be written to: {cause}", dir.display()))
        })?;
        if !in_memory && !on_disk {
            return Err(CliError::Failed(format!(
                "{} is on a disk, where what you open stays after you have removed it: name a file below /dev/shm, or add --on-disk",
                out.display()
            )));
        }
        match out.exists() {
            true => Err(CliError::Failed(format!(
                "{} is there already: name another file",
                out.display()
            ))),
            false => Ok(Self::File(out.to_owned())),
        }
    }

    fn open(self) -> Result<Out, CliError> {
        let Self::File(path) = self else {
            let file = Box::new(io::stdout());
            return Ok(Out { file, path: None });
        };
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let file = file.map_err(|cause| {
            CliError::Failed(format!("{} cannot be written: {cause}", path.display()))
        })?;
        Ok(Out {
            file: Box::new(file),
            path: Some(path),
        })
    }
}

impl Out {
    fn remove(self) {
        if let Some(path) = &self.path {
            fs::remove_file(path).ok();
        }
    }
}

/// Reaches nodes by Tor, each over circuits of its own.
struct ByTor(Tor);

impl Dial for ByTor {
    fn dial(&self, node: OnionAddress) -> Dialling<'_> {
        Box::pin(async move {
            let host = node.to_string();
            let line = self.0.isolated().connect(&host, PORT).await;
            match line {
                Ok(line) => Ok(Box::new(line) as Box<dyn Line>),
                Err(error) => Err(error.to_string()),
            }
        })
    }
}

/// Says what a device tells, for the person who waits.
fn words(told: &Told) -> String {
    match told {
        Told::NotReached { node, why } => format!("{} was not reached: {why}", short(node)),
        Told::NotBelieved { node, why } => format!("{} is not believed: {why}", short(node)),
        Told::Learnt { node, jury, nodes } => format!(
            "{} answers; today's jury has {jury} members; {nodes} nodes are known",
            short(node)
        ),
        Told::Called { node, call } => format!("{} has passed the call on: {call}", short(node)),
        Told::Stands {
            stage,
            jury,
            yes,
            no,
        } => match stage {
            CallStage::Unknown => "the node does not know of the call yet".to_owned(),
            CallStage::Open => format!(
                "before the jury of {jury}: {yes} yes, {no} no, {} needed",
                jury / 2 + 1
            ),
            CallStage::Veto { .. } => {
                format!(
                    "the jury has said yes ({yes} of {jury}); whoever put the item may still stop it"
                )
            }
            CallStage::Granted => format!("granted: {yes} of {jury} jurors said yes"),
            CallStage::Denied | CallStage::Revoked | CallStage::Over => stage.name().to_owned(),
        },
        Told::Share { shares, needed } => format!("share {shares} of {needed} is here and good"),
        Told::BadShare { guardian } => {
            format!("the share of guardian {guardian} is not what it should be, and is left out")
        }
        Told::Content { bytes, of } => format!("content: {bytes} of {of} bytes"),
    }
}

fn short(node: &OnionAddress) -> String {
    let address = node.to_string();
    address.chars().take(12).chain(['…']).collect()
}
