//! Telemetry under the charter, and an amendment of it: what is off the list is refused and seen to be, and a vote changes what
//! every part obeys, without anybody loading anything.
//!
//! The kernel takes part where the story has root; otherwise it says that this was not seen.

use std::{
    fs::{self, Permissions},
    net::UdpSocket,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::geteuid;
use x0_node::{
    api::{charter::CharterView, gateway::GatewayView},
    charter::read_file,
};
use x0_protocol::charter::{Charter, Metric, MetricKind, write};

use super::vote::{arrived, cast, counts_members, everywhere};
use crate::{
    account::Account,
    mesh::Mesh,
    node::Node,
    wait::{Look, until},
};

/// The node whose operator has the kernel enforce the charter.
const GUARDED: usize = 4;
/// What the amendment lets be collected, and what it no longer does.
const ADDED: &str = "relay_queue_depth";
const REMOVED: &str = "x0_links";
/// Who runs exporters: the user nobody, as root cannot be guarded.
const NOBODY: u32 = 65_534;
/// Longest wait for a step, and for a vote to end with its challenge time.
const STEP_PATIENCE: Duration = Duration::from_secs(60);
const VOTE_PATIENCE: Duration = Duration::from_secs(180);

/// A StatsD client that says of each name whether the kernel let it pass.
const SEND: &str = "import socket, sys\nmade = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
    for name in sys.argv[2:]:\n try:\n  made.sendto(name.encode() + b':1|g', ('127.0.0.1', int(sys.argv[1])))\n  print('sent')\n \
    except PermissionError:\n  print('refused')\n";

/// Tells the story.
///
/// # Errors
///
/// Returns what did not hold.
pub async fn tell(mesh: &mut Mesh, account: &mut Account) -> Result<()> {
    counts_members(mesh, account).await?;
    takes_what_is_listed(mesh, account).await?;
    let kernel = holds_in_the_kernel(mesh, account).await?;
    let amended = amends(mesh, account).await?;
    is_obeyed(mesh, account, &amended).await?;
    is_obeyed_in_the_kernel(mesh, account, kernel, &amended).await
}

async fn takes_what_is_listed(mesh: &Mesh, account: &mut Account) -> Result<()> {
    let node = mesh.node(5)?;
    account.step(
        format!(
            "a program beside {} hands in telemetry by StatsD",
            node.name()
        ),
        "the gateway judges every name by the charter in force, and says why it refuses one",
    );
    let lines = [
        "committee_response_hours:3|g",
        "latency_p99:20|g",
        "user_location:1|g",
        "latency_p98:1|g",
        "emergency_overrides:1|g",
        "latency_p99:20|g|#user:alice",
    ];
    for line in lines {
        hand_in(node, line).await?;
    }
    let seen = gateway(node, "to have judged all", |seen| {
        seen.taken + seen.refused.values().sum::<u64>() >= lines.len() as u64
    })
    .await?;
    ensure!(seen.taken == 2, "{seen:?}");
    for reason in ["blocked", "not-listed", "kind", "unreadable"] {
        ensure!(seen.refused.get(reason) == Some(&1), "{reason}: {seen:?}");
    }
    let said = node.run_well(&["charter", "gateway", "status"]).await?;
    ensure!(said.contains("did you mean latency_p99?"), "{said}");
    account.saw("two samples of six are taken; the operator reads why each of the others is not");
    let (anyone, operator) = (shown(node).await?, operators(node).await?);
    ensure!(anyone.contains("committee_response_hours 3"), "{anyone}");
    ensure!(!anyone.contains("latency_p99"), "{anyone}");
    ensure!(
        operator.contains("latency_p99{Node=\"self\"} 20"),
        "{operator}"
    );
    account.saw("what is for ten nodes or more only the operator of this one sees");
    Ok(())
}

/// Brings the charter into the kernel, if this program may.
async fn holds_in_the_kernel(mesh: &mut Mesh, account: &mut Account) -> Result<Option<Kernel>> {
    let name = mesh.node(GUARDED)?.name().to_owned();
    account.step(
        format!("the operator of {name} starts the helper of the kernel, and an exporter under guard"),
        "the node brings the charter into the kernel by itself, and a refused name never leaves the program",
    );
    if !geteuid().is_root() {
        account.saw("NOT SEEN, for it takes root: the charter in the kernel");
        return Ok(None);
    }
    let kernel = Kernel::start(mesh)?;
    mesh.stop(GUARDED).await?;
    for setting in [
        "charter.probe=follow".to_owned(),
        format!("charter.probe_socket={}", kernel.socket.display()),
        format!("charter.probe_users=app={NOBODY}"),
        // What the kernel knows of the gateway is what the charter says.
        "gateway.listen=charter".to_owned(),
    ] {
        mesh.set(GUARDED, setting)?;
    }
    mesh.restart(GUARDED).await?;
    let node = mesh.node(GUARDED)?;
    gateway(node, "to see the charter in the kernel", |seen| {
        (seen.kernel.state.as_str(), seen.kernel.number) == ("in_force", Some(1))
    })
    .await?;
    let came = kernel.send(&["committee_response_hours", ADDED, "user_location"])?;
    ensure!(came == ["sent", "refused", "refused"], "{came:?}");
    account.saw("the listed name is sent, the others are refused to the exporter itself");
    Ok(Some(kernel))
}

/// Amends the charter by a vote.
async fn amends(mesh: &Mesh, account: &mut Account) -> Result<Charter> {
    let proposer = mesh.node(1)?;
    account.step(
        format!(
            "{} proposes an amendment: {ADDED} may be collected, {REMOVED} no longer",
            proposer.name()
        ),
        "only a vote of all members changes what may be collected",
    );
    let file = proposer.dir().join("charter.yaml");
    let path = file.display().to_string();
    let view: CharterView = proposer.get("/v1/charter").await?;
    let mut draft = view.text;
    draft.number += 1;
    draft.metrics.retain(|metric| metric.name != REMOVED);
    draft.metrics.push(Metric {
        name: ADDED.to_owned(),
        kind: MetricKind::Gauge,
        purpose: "Messages that wait at a relay, to see when another is wanted.".to_owned(),
        retention_days: 7,
        consent: false,
        cohort_min: 1,
        labels: Vec::new(),
    });
    let amended = Charter::new(draft)
        .ok()
        .context("the amendment of this story is no charter")?;
    fs::write(&file, write(&amended))?;
    ensure!(read_file(&file)?.id() == amended.id());
    let said = proposer
        .run_well(&["--json", "charter", "amend", &path, "--no-wait"])
        .await?;
    let vote = said.lines().rev().find_map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(value.get("id")?.as_str()?.to_owned())
    });
    let vote = vote.context("the vote has no id")?;
    everywhere(mesh, "to be open", &vote, |seen| seen.stage == "open").await?;
    // All at once: on the fast clock the window is half a minute.
    let mut handed = Vec::new();
    for node in mesh.nodes() {
        handed.push((node, cast(node, &vote, "yes").await?));
    }
    for (node, ballot) in handed {
        arrived(node, &ballot).await?;
    }
    account.saw(format!("{} members vote yes", mesh.nodes().len()));
    Ok(amended)
}

async fn is_obeyed(mesh: &Mesh, account: &mut Account, amended: &Charter) -> Result<()> {
    account.step(
        "the window ends, the count is certified, and half of the challenge time passes",
        "every node takes the amendment by itself, and with it its filter and its gateway",
    );
    until(
        "every node to be under the amendment",
        VOTE_PATIENCE,
        async || {
            let mut lacking = Vec::new();
            for node in mesh.running() {
                let number = node.status().await?.charter.number;
                let seen: GatewayView = node.get("/v1/charter/gateway").await?;
                if (number, seen.charter) != (amended.number(), amended.number()) {
                    lacking.push(format!(
                        "{}: {number}, gateway {}",
                        node.name(),
                        seen.charter
                    ));
                }
            }
            Ok(match lacking.is_empty() {
                true => Look::Holds(()),
                false => Look::NotYet(lacking.join(", ")),
            })
        },
    )
    .await?;
    account.saw(format!(
        "number {} is in force on all nodes",
        amended.number()
    ));
    let node = mesh.node(5)?;
    hand_in(node, &format!("{ADDED}:7|g")).await?;
    gateway(node, "to take the new metric", |seen| seen.taken == 3).await?;
    let (anyone, own) = (shown(node).await?, operators(node).await?);
    ensure!(anyone.contains(&format!("{ADDED} 7")), "{anyone}");
    ensure!(!own.contains(REMOVED), "{own}");
    account.saw(format!(
        "the gateway takes {ADDED}, and no node tells {REMOVED} any more"
    ));
    Ok(())
}

async fn is_obeyed_in_the_kernel(
    mesh: &Mesh,
    account: &mut Account,
    kernel: Option<Kernel>,
    amended: &Charter,
) -> Result<()> {
    account.step(
        "the exporter under guard tries the new name",
        "nobody has loaded anything: the node has brought the amendment into the kernel",
    );
    let Some(kernel) = kernel else {
        account.saw("NOT SEEN, for it takes root: the amendment in the kernel");
        return Ok(());
    };
    let node = mesh.node(GUARDED)?;
    gateway(node, "to see the amendment in the kernel", |seen| {
        (seen.kernel.state.as_str(), seen.kernel.number) == ("in_force", Some(amended.number()))
    })
    .await?;
    let came = kernel.send(&[ADDED, REMOVED, "user_location"])?;
    ensure!(came == ["sent", "refused", "refused"], "{came:?}");
    account.saw("it is sent, and what is no longer listed is refused");
    Ok(())
}

/// Hands a datagram in at a node's gateway.
async fn hand_in(node: &Node, datagram: &str) -> Result<()> {
    let seen = gateway(node, "to be open", |seen| seen.state == "open").await?;
    let address = seen.address.context("an open gateway has an address")?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.send_to(datagram.as_bytes(), &address)?;
    Ok(())
}

/// Waits until a gateway is as wanted.
async fn gateway(
    node: &Node,
    what: &str,
    holds: impl Fn(&GatewayView) -> bool,
) -> Result<GatewayView> {
    let what = format!("the gateway of {} {what}", node.name());
    until(&what, STEP_PATIENCE, async || {
        let seen: GatewayView = node.get("/v1/charter/gateway").await?;
        Ok(match holds(&seen) {
            true => Look::Holds(seen),
            false => Look::NotYet(format!("{seen:?}")),
        })
    })
    .await
}

/// Returns what anybody sees at a gateway.
async fn shown(node: &Node) -> Result<String> {
    let seen: GatewayView = node.get("/v1/charter/gateway").await?;
    let address = seen.address.context("an open gateway has an address")?;
    fetch(&address).await
}

async fn fetch(address: &str) -> Result<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let call = format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(call.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

/// Returns what only the operator sees.
async fn operators(node: &Node) -> Result<String> {
    node.text("/metrics").await
}

/// The helper of the kernel, with a place of its own on this machine.
struct Kernel {
    helper: Child,
    x0: PathBuf,
    home: PathBuf,
    cgroup: PathBuf,
    socket: PathBuf,
    port: u16,
}

impl Kernel {
    fn start(mesh: &Mesh) -> Result<Self> {
        let home = mesh.home().join("kernel");
        fs::create_dir(&home)?;
        // The exporters of another user start from here.
        for dir in [mesh.home(), &home] {
            fs::set_permissions(dir, Permissions::from_mode(0o755))?;
        }
        let x0 = home.join("x0");
        fs::copy(&mesh.programs().x0, &x0)?;
        let cgroup = x0_ebpf_loader::place::cgroup_mount()?;
        let cgroup = cgroup.join(format!("x0-testnet-{}", std::process::id()));
        let socket = home.join("probe.sock");
        let mut command = Command::new(&mesh.programs().probe);
        command
            .args(["run", "--owner", "root", "--cgroup"])
            .arg(&cgroup);
        command
            .arg("--pins")
            .arg(home.join("bpf/x0"))
            .arg("--socket")
            .arg(&socket);
        command.arg("--state").arg(home.join("state"));
        command
            .stdin(Stdio::null())
            .stderr(fs::File::create(home.join("log"))?);
        let helper = command.spawn().context("cannot run the helper")?;
        Ok(Self {
            helper,
            x0,
            home,
            cgroup,
            socket,
            port: x0_node::charter::SHIPPED.text().gateway.port,
        })
    }

    /// Runs an exporter under guard that tries some names, and returns what came of them.
    fn send(&self, names: &[&str]) -> Result<Vec<String>> {
        let mut command = Command::new(&self.x0);
        command.args(["charter", "guard", "--service", "app", "--socket"]);
        command
            .arg(&self.socket)
            .args(["--", "python3", "-c", SEND]);
        command.arg(self.port.to_string()).args(names);
        command.uid(NOBODY).gid(NOBODY).current_dir(Path::new("/"));
        let output = command.stdin(Stdio::null()).output()?;
        let fault = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the exporter: {fault}");
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().map(str::to_owned).collect())
    }
}

impl Drop for Kernel {
    /// Takes the gate away again.
    fn drop(&mut self) {
        self.helper.kill().ok();
        self.helper.wait().ok();
        fs::write(self.cgroup.join("cgroup.kill"), "1").ok();
        let pins = self.home.join("bpf");
        rustix::mount::unmount(&pins, rustix::mount::UnmountFlags::DETACH).ok();
        for service in fs::read_dir(&self.cgroup).into_iter().flatten().flatten() {
            fs::remove_dir(service.path()).ok();
        }
        fs::remove_dir(&self.cgroup).ok();
    }
}
