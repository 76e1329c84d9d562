//! The program `x0-probe`: the helper that loads the charter into the kernel. See [`x0_ebpf_loader::server`].

use std::{
    ffi::OsString,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use x0_ebpf_loader::{
    ProbeError,
    client::Client,
    guard,
    place::{self, Places},
    server,
};

/// Exit code of a command that could not be started, as shells have it.
const NOT_STARTED: u8 = 126;

/// Enforces the charter's rules on guarded programs, in the kernel
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Only this program needs privilege. The node asks it over a unix socket: see `x0 charter probe --help`."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(RunArgs),
    Guard(GuardArgs),
    /// Print a systemd unit that runs this helper
    #[command(
        after_help = "Example:\n  x0-probe unit --owner x0 > /etc/systemd/system/x0-probe.service"
    )]
    Unit {
        /// User who may load policies: a name or a number
        #[arg(long, default_value = "root")]
        owner: String,
    },
}

/// Load the charter into the kernel, or adopt what stands there, and answer until stopped
#[derive(Debug, Args)]
#[command(
    after_help = "Stopping or killing it leaves the gate as it stands; the next start adopts it.\n\nExample:\n  sudo x0-probe run --owner x0"
)]
struct RunArgs {
    /// User who may load policies and see refusals: a name or a number
    #[arg(long, default_value = "root")]
    owner: String,
    /// Cgroup (version 2) to guard [default: x0-charter, where cgroups are mounted]
    #[arg(long, value_name = "DIR")]
    cgroup: Option<PathBuf>,
    /// Directory of pins, on a BPF file system, which is mounted if it is missing
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/bpf/x0")]
    pins: PathBuf,
    /// Socket to answer on
    #[arg(long, value_name = "FILE", default_value_os_t = place::socket())]
    socket: PathBuf,
    /// Load these programs, built by scripts/ebpf.sh, in place of those that come with the helper
    #[arg(long, value_name = "FILE")]
    programs: Option<PathBuf>,
    /// Directory of the saved policy
    #[arg(long, value_name = "DIR", default_value = "/var/lib/x0-probe")]
    state: PathBuf,
}

/// Run a command under the rules of a service
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  x0-probe guard --service exporter -- prometheus-node-exporter")]
struct GuardArgs {
    /// Service of the policy
    #[arg(long, value_name = "NAME")]
    service: String,
    /// Socket of the helper
    #[arg(long, value_name = "FILE", default_value_os_t = place::socket())]
    socket: PathBuf,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => run(args),
        Command::Guard(args) => return guarded(&args),
        Command::Unit { owner } => unit(&owner),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

fn run(args: RunArgs) -> Result<(), ProbeError> {
    let owner = user(&args.owner)?;
    let places = Places {
        cgroup: match args.cgroup {
            Some(cgroup) => cgroup,
            None => Places::usual()?.cgroup,
        },
        pins: args.pins,
        socket: args.socket,
        state: args.state,
    };
    let programs = args.programs.map(|path| {
        let unread = |cause| ProbeError::Io {
            verb: "read",
            path: path.clone(),
            cause,
        };
        fs::read(&path).map_err(unread)
    });
    server::run(places, owner, programs.transpose()?.as_deref())
}

fn guarded(args: &GuardArgs) -> ExitCode {
    let Some((command, rest)) = args.command.split_first() else {
        return ExitCode::from(NOT_STARTED);
    };
    let error = guard::exec(
        &Client::new(args.socket.clone()),
        &args.service,
        command,
        rest,
    );
    fail(&error, NOT_STARTED)
}

fn unit(owner: &str) -> Result<(), ProbeError> {
    let program = std::env::current_exe().map_err(|cause| ProbeError::Io {
        verb: "find",
        path: PathBuf::from("x0-probe"),
        cause,
    })?;
    let text = format!(
        "[Unit]\n\
         Description=The charter in the kernel (x0)\n\
         Before=x0.service\n\n\
         [Service]\n\
         ExecStart={} run --owner {owner}\n\
         Restart=always\n\
         RuntimeDirectory=x0-probe\n\
         StateDirectory=x0-probe\n\
         StateDirectoryMode=0700\n\
         CapabilityBoundingSet=CAP_BPF CAP_NET_ADMIN CAP_PERFMON CAP_SYS_ADMIN CAP_SYS_PTRACE CAP_DAC_READ_SEARCH\n\
         NoNewPrivileges=yes\n\
         ProtectSystem=strict\n\
         ProtectHome=yes\n\
         PrivateTmp=yes\n\
         PrivateNetwork=yes\n\
         RestrictAddressFamilies=AF_UNIX\n\
         ReadWritePaths=/sys/fs/cgroup /sys/fs/bpf\n\n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        program.display()
    );
    io::stdout().write_all(text.as_bytes()).ok();
    Ok(())
}

/// Finds the number of a user.
fn user(name: &str) -> Result<u32, ProbeError> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let path = Path::new("/etc/passwd");
    let text = fs::read_to_string(path).map_err(|cause| ProbeError::Io {
        verb: "read",
        path: path.to_owned(),
        cause,
    })?;
    let number = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    });
    number.ok_or_else(|| ProbeError::Refused {
        code: "no_user".to_owned(),
        message: format!("there is no user '{name}' in {}", path.display()),
        mend: "name another one, or give a number".to_owned(),
    })
}

fn fail(error: &ProbeError, code: u8) -> ExitCode {
    writeln!(io::stderr().lock(), "x0-probe: {error}").ok();
    ExitCode::from(code)
}
