//! `x0 charter probe`: what the kernel enforces, what it refused, and how to start what enforces it.

use std::{os::unix::process::CommandExt as _, path::PathBuf, process::Command};

use clap::{Args, Subcommand};
use serde_json::json;
use x0_ebpf_loader::{
    client::Client,
    messages::{Answer, Refusal, Status},
    place,
};

use super::{
    charter_guard,
    error::CliError,
    output::{Facts, Output, Table, date, printable},
};

/// The helper's program, which lies beside this one.
const HELPER: &str = "x0-probe";

#[derive(Debug, Subcommand)]
pub(super) enum ProbeCommand {
    Status(StatusArgs),
    Events(EventsArgs),
    Load(LoadArgs),
    Hash(HashArgs),
    Start(StartArgs),
}

/// Show what is in force, who runs under it, and what was refused
#[derive(Debug, Args)]
#[command(
    after_help = "Lost events are refusals that nobody can look at any more; the charter counts each as a violation.\n\n\
                        Example:\n  x0 charter probe status --json"
)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    at: At,
}

/// Show the newest refusals: who, where to, why
#[derive(Debug, Args)]
#[command(
    after_help = "A refused metric name is shown as its keyed hash, for a name can itself be personal data; \
                        `x0 charter probe hash NAME` tells whether it is one that you suspect.\n\n\
                        Example:\n  x0 charter probe events --follow --json"
)]
pub(super) struct EventsArgs {
    /// Go on with those that come
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    at: At,
}

/// Put a policy (JSON) in force, in one step for everything that is guarded
#[derive(Debug, Args)]
#[command(
    after_help = "No packet meets half of the old and half of the new one. Only the helper's owner may.\n\n\
                        Example:\n  x0 charter probe load policy.json"
)]
pub(super) struct LoadArgs {
    /// The policy; docs/probe.md describes it
    #[arg(value_name = "FILE")]
    policy: PathBuf,
    #[command(flatten)]
    at: At,
}

/// Tell under which hash a metric name appears in events
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  x0 charter probe hash user.email")]
pub(super) struct HashArgs {
    /// The name
    name: String,
    #[command(flatten)]
    at: At,
}

/// Start the helper here and now; as root
#[derive(Debug, Args)]
#[command(
    after_help = "It runs in the foreground; killing it leaves the gate as it stands. To have the system start it:\n  \
                        x0-probe unit --owner USER | sudo tee /etc/systemd/system/x0-probe.service\n  \
                        sudo systemctl enable --now x0-probe\n\n\
                        Example:\n  sudo x0 charter probe start --owner x0"
)]
pub(super) struct StartArgs {
    /// User who may load policies and see refusals: a name or a number
    #[arg(long, default_value = "root")]
    owner: String,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, Args)]
struct At {
    /// Socket of the helper
    #[arg(long, value_name = "FILE", default_value_os_t = place::socket())]
    socket: PathBuf,
}

impl At {
    fn client(&self) -> Client {
        Client::new(self.socket.clone())
    }
}

/// Answers a command about the probe.
pub(super) fn answer(command: ProbeCommand, output: Output) -> Result<(), CliError> {
    match command {
        ProbeCommand::Status(args) => output.show(&args.at.client().status()?, status_text),
        ProbeCommand::Events(args) => {
            let client = args.at.client();
            client.events(args.follow, |answer| event(&answer, output))
        }
        ProbeCommand::Load(args) => charter_guard::load(&args.at.client(), &args.policy, output),
        ProbeCommand::Hash(args) => {
            let hash = args.at.client().hash(&args.name)?;
            output.show(&json!({ "hash": hash }), |_| hash.clone())
        }
        ProbeCommand::Start(args) => Err(start(&args)),
    }
}

/// Becomes the helper; returns only why that did not work out.
fn start(args: &StartArgs) -> CliError {
    let beside = std::env::current_exe()
        .ok()
        .map(|own| own.with_file_name(HELPER));
    let helper = beside
        .filter(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from(HELPER));
    let cause = Command::new(&helper)
        .args(["run", "--owner", &args.owner, "--socket"])
        .arg(&args.at.socket)
        .exec();
    CliError::Failed(format!(
        "{} cannot be run ({cause}): install it beside x0, it comes from the same build",
        helper.display()
    ))
}

fn status_text(status: &Status) -> String {
    let mut facts = Facts::default();
    let list = |ports: &[u16]| {
        let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
        ports.join(" ")
    };
    facts.add(
        "enforced",
        match (status.enforced, status.adopted) {
            (true, true) => "yes; the gate stood when the helper started",
            (true, false) => "yes",
            (false, _) => "no policy is loaded: guarded programs may send nothing",
        },
    );
    if status.enforced {
        facts.add(
            "made of",
            status
                .charter
                .as_deref()
                .unwrap_or("no charter: somebody wrote it"),
        );
    }
    facts.add("cgroup", &status.cgroup);
    facts.add("owner", status.owner);
    facts.add("metric names", status.metrics);
    facts.add("StatsD ports", list(&status.statsd_ports));
    facts.add("telemetry ports", list(&status.telemetry_ports));
    for gateway in &status.gateways {
        let protocol = format!("{:?}", gateway.protocol).to_lowercase();
        facts.add(
            "gateway",
            format!("{} {} {protocol}", gateway.address, gateway.port),
        );
    }
    facts.add("datagrams passed", status.checked);
    facts.add("refused", status.refused.values().sum::<u64>());
    if status.lost > 0 {
        facts.add(
            "events lost",
            format!("{}: each is a violation", status.lost),
        );
    }
    let mut text = facts.text();
    let mut services = Table::new(["service", "processes"]);
    for (service, processes) in &status.services {
        services.row([service.clone(), processes.to_string()]);
    }
    if !services.is_empty() {
        text.push_str(&format!("\n{}", services.text()));
    }
    let mut refused = Table::new(["refused for", "times"]);
    for (reason, times) in &status.refused {
        refused.row([reason.clone(), times.to_string()]);
    }
    if !refused.is_empty() {
        text.push_str(&format!("\n{}", refused.text()));
    }
    text
}

fn event(answer: &Answer, output: Output) -> Result<(), CliError> {
    match answer {
        Answer::Event(refusal) => output.show(refusal, refusal_text),
        // Says only that the helper is still there.
        Answer::Missed { count: 0 } => Ok(()),
        Answer::Missed { count } => output.show(&json!({ "missed": count }), |_| {
            format!("({count} refusals were missed)")
        }),
        Answer::Loaded { .. }
        | Answer::Status(_)
        | Answer::Policy(_)
        | Answer::End {}
        | Answer::Hash { .. }
        | Answer::Guarded { .. }
        | Answer::Error { .. } => Ok(()),
    }
}

fn refusal_text(refusal: &Refusal) -> String {
    let Refusal {
        service,
        pid,
        uid,
        protocol,
        address,
        port,
        words,
        name_hash,
        ..
    } = refusal;
    let name = match name_hash.is_empty() {
        true => String::new(),
        false => format!(" (name {name_hash})"),
    };
    let at = date(refusal.at_ms);
    printable(&format!(
        "{at}  {service}  pid {pid} uid {uid}  {protocol} {address} {port}  {words}{name}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_events_are_said_to_be_violations_and_none_are_not_mentioned() {
        let status = Status {
            lost: 3,
            ..Status::default()
        };

        assert!(status_text(&status).contains("3: each is a violation"));
        assert!(!status_text(&Status::default()).contains("lost"));
    }

    #[test]
    fn a_refusal_tells_who_where_to_and_why_but_never_the_name() {
        let refusal = Refusal {
            at_ms: 1_700_000_000_000,
            service: "exporter".to_owned(),
            pid: 7,
            uid: 1_000,
            protocol: "udp".to_owned(),
            address: "127.0.0.1".to_owned(),
            port: 8_125,
            local_port: 40_000,
            payload_bytes: 14,
            reason: "name".to_owned(),
            words: "the metric name is not on the whitelist".to_owned(),
            name_hash: "0123456789abcdef".to_owned(),
        };

        assert_eq!(
            refusal_text(&refusal),
            "2023-11-14T22:13:20Z  exporter  pid 7 uid 1000  udp 127.0.0.1 8125  the metric name is not on the \
             whitelist (name 0123456789abcdef)"
        );
    }
}
