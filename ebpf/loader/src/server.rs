//! The privileged helper: it alone loads programs and writes maps, and this is all that can be asked of it.
//!
//! | request | who may |
//! |---|---|
//! | load, policy, status, events, hash | root and the owner named at the start, but from under guard only the node |
//! | guard | the users a service names, each for the very process that asks |
//!
//! Who asks is known from the kernel (`SO_PEERCRED`). Nobody names a process, a path or a command: a guarded process is the
//! one that asked, its cgroup is the helper's, and the helper starts nothing. Lines, connections and waits are bounded, each
//! user's for itself, so that one of them cannot keep the others out. Killing the helper leaves the gate as it is.

use std::{
    collections::BTreeMap,
    fs::{self, File, Permissions},
    io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FlockOperation, flock},
    time::{ClockId, clock_gettime},
};

use crate::{
    error::ProbeError,
    feed::Feed,
    kernel::{Events, Kernel},
    messages::{Answer, LINE_BYTES_MAX, OWNER_LINE_BYTES_MAX, Refusal, Request, Status, hash_text},
    place::{Places, write_whole},
    policy::{Checked, Policy},
    visitor::Visitor,
};

/// Connections at the same time, of one user and of all.
const CONNECTIONS_OF_USER_MAX: usize = 8;
const CONNECTIONS_MAX: usize = 128;

/// How long one line may take to come or to go.
const LINE_WAIT: Duration = Duration::from_secs(10);

/// A helper that runs.
struct Helper {
    owner: u32,
    state: Mutex<State>,
    feed: Feed,
    connections: Mutex<BTreeMap<u32, usize>>,
}

struct State {
    kernel: Kernel,
    policy: Option<Checked>,
}

/// Loads or adopts the charter in the kernel, then answers until the process ends. Programs are those that come with the
/// helper unless others are given.
///
/// # Errors
///
/// Returns what is missing on this machine, or that another helper runs.
pub fn run(places: Places, owner: u32, programs: Option<&[u8]>) -> Result<(), ProbeError> {
    let (mut kernel, events) = match programs {
        Some(programs) => Kernel::start_with(places.clone(), programs)?,
        None => Kernel::start(places.clone())?,
    };
    let lock = lock(&places)?;
    let policy = saved(&places)?;
    if let Some(policy) = &policy {
        kernel.apply(policy)?;
    }
    log(&match (kernel.was_adopted(), &policy) {
        (true, _) => "the gate stood; its programs and maps are adopted".to_owned(),
        (false, Some(_)) => "programs attached, the saved policy is in force".to_owned(),
        (false, None) => {
            "programs attached; nothing may be sent until a policy is loaded".to_owned()
        }
    });
    let helper = Arc::new(Helper {
        owner,
        state: Mutex::new(State { kernel, policy }),
        feed: Feed::default(),
        connections: Mutex::default(),
    });
    let reader = Arc::clone(&helper);
    let started = thread::Builder::new().spawn(move || reader.read(events));
    started.map_err(|cause| ProbeError::io("start a thread for", &places.socket, cause))?;
    let listener = listen(&places.socket)?;
    log(&format!("answering on {}", places.socket.display()));
    for stream in listener.incoming().flatten() {
        helper.admit(stream);
    }
    drop(lock);
    Ok(())
}

/// Makes sure that one helper writes the maps.
fn lock(places: &Places) -> Result<File, ProbeError> {
    let path = places.state.join("lock");
    let file = File::create(&path).map_err(|cause| ProbeError::io("open", &path, cause))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        ProbeError::refused(
            "runs_already",
            "another helper runs with this state",
            "stop it first",
        )
    })?;
    Ok(file)
}

fn saved(places: &Places) -> Result<Option<Checked>, ProbeError> {
    let path = places.saved_policy();
    match fs::read(&path) {
        Ok(text) => Ok(Some(Policy::from_json(&text)?)),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(ProbeError::io("read", &path, cause)),
    }
}

/// Everybody may connect; what each may ask is decided by who it is.
fn listen(socket: &Path) -> Result<UnixListener, ProbeError> {
    let fault = |cause| ProbeError::io("listen on", socket, cause);
    if let Some(dir) = socket.parent() {
        fs::create_dir_all(dir).map_err(fault)?;
    }
    match fs::remove_file(socket) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(fault(cause)),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(socket).map_err(fault)?;
    fs::set_permissions(socket, Permissions::from_mode(0o666)).map_err(fault)?;
    Ok(listener)
}

impl Helper {
    /// Empties the kernel's buffer for as long as the process lives.
    fn read(&self, mut events: Events) {
        loop {
            let wait = Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            };
            // A failure is a signal in between; the next turn looks again.
            poll(
                &mut [PollFd::new(events.ready(), PollFlags::IN)],
                Some(&wait),
            )
            .ok();
            while let Some(event) = events.take_next() {
                let at_ms = wall_ms(event.at_ns);
                let state = self.state();
                let refusal = Refusal::of(&event, state.kernel.service_of(event.cgroup), at_ms);
                drop(state);
                self.feed.tell(&refusal);
            }
        }
    }

    /// Answers a connection on a thread of its own, if its user has not too many.
    fn admit(self: &Arc<Self>, mut stream: UnixStream) {
        let Ok(visitor) = Visitor::of(&stream) else {
            return;
        };
        stream.set_read_timeout(Some(LINE_WAIT)).ok();
        stream.set_write_timeout(Some(LINE_WAIT)).ok();
        if !self.enter(visitor.uid) {
            let error =
                ProbeError::refused("busy", "too many connections at once", "try again shortly");
            write_line(&mut stream, &error_answer(&error)).ok();
            return;
        }
        let helper = Arc::clone(self);
        let started = thread::Builder::new().spawn(move || {
            if let Err(error) = helper.answer(&mut stream, visitor) {
                write_line(&mut stream, &error_answer(&error)).ok();
            }
            helper.leave(visitor.uid);
        });
        if started.is_err() {
            self.leave(visitor.uid);
        }
    }

    fn enter(&self, uid: u32) -> bool {
        let mut connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let all: usize = connections.values().sum();
        let own = connections.entry(uid).or_default();
        let is_free = *own < CONNECTIONS_OF_USER_MAX && (all < CONNECTIONS_MAX || self.rules(uid));
        *own += usize::from(is_free);
        is_free
    }

    fn leave(&self, uid: u32) {
        let mut connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = connections.get_mut(&uid) {
            *own = own.saturating_sub(1);
        }
        connections.retain(|_, own| *own > 0);
    }

    /// Tells whether a user may load policies and see what was refused.
    const fn rules(&self, uid: u32) -> bool {
        uid == 0 || uid == self.owner
    }

    /// Tells whether a service is the node, which brings the charter of its mesh and may load it from inside.
    fn is_node(&self, service: &str) -> bool {
        let state = self.state();
        let services = state
            .policy
            .as_ref()
            .map(|policy| &policy.policy().services);
        services
            .and_then(|services| services.get(service))
            .is_some_and(|rules| rules.node)
    }

    fn answer(&self, stream: &mut UnixStream, visitor: Visitor) -> Result<(), ProbeError> {
        let most = match self.rules(visitor.uid) {
            true => OWNER_LINE_BYTES_MAX,
            false => LINE_BYTES_MAX,
        };
        // Before a line is awaited, in which time the process could end and its number be another's.
        let places = self.state().kernel.places().clone();
        let guarded_as = visitor.guarded_as(&places.cgroup)?;
        let request = read_line(stream, most)?;
        if let Some(service) = guarded_as
            && !self.is_node(&service)
        {
            return Err(ProbeError::refused(
                "guarded_already",
                "a guarded process cannot change the rules it is under",
                "ask from outside the guard",
            ));
        }
        if !matches!(request, Request::Guard { .. }) && !self.rules(visitor.uid) {
            return Err(ProbeError::refused(
                "not_yours",
                format!(
                    "user {} is neither root nor the owner of this probe",
                    visitor.uid
                ),
                "ask as its owner",
            ));
        }
        let answer = match request {
            Request::Load(policy) => self.load(policy, visitor)?,
            Request::Status {} => Answer::Status(Box::new(self.status()?)),
            Request::Policy {} => {
                let state = self.state();
                let policy = state.policy.as_ref().map(Checked::policy);
                Answer::Policy(policy.cloned().map(Box::new))
            }
            Request::Hash { name } => {
                let hash = hash_text(self.state().kernel.hash(name.as_bytes())?);
                Answer::Hash { hash }
            }
            Request::Guard { service } => self.guard(&service, visitor)?,
            Request::Events { follow } => {
                self.tell(stream, follow).ok();
                return Ok(());
            }
        };
        write_line(stream, &answer).ok();
        Ok(())
    }

    fn load(&self, policy: Policy, visitor: Visitor) -> Result<Answer, ProbeError> {
        let checked = policy.check()?;
        let mut state = self.state();
        state.kernel.apply(&checked)?;
        let text = serde_json::to_vec_pretty(checked.policy());
        let text = text.map_err(|fault| ProbeError::BadAnswer {
            detail: fault.to_string(),
        })?;
        write_whole(&state.kernel.places().saved_policy(), &text)?;
        let (metrics, services) = (
            checked.policy().metrics.len(),
            checked.policy().services.len(),
        );
        state.policy = Some(checked);
        drop(state);
        log(&format!(
            "user {} put a policy in force: {metrics} names, {services} services",
            visitor.uid
        ));
        Ok(Answer::Loaded { metrics, services })
    }

    fn status(&self) -> Result<Status, ProbeError> {
        let state = self.state();
        let counts = state.kernel.counts()?;
        let mut status = Status {
            enforced: state.kernel.is_in_force()?,
            cgroup: state.kernel.places().cgroup.display().to_string(),
            adopted: state.kernel.was_adopted(),
            owner: self.owner,
            checked: counts.checked,
            refused: counts
                .refused
                .iter()
                .map(|(reason, count)| (reason.word().to_owned(), *count))
                .collect(),
            delivered: counts.delivered,
            lost: counts.lost,
            ..Status::default()
        };
        if let Some(policy) = state.policy.as_ref().map(Checked::policy) {
            status.charter.clone_from(&policy.charter);
            status.metrics = policy.metrics.len();
            status.statsd_ports.clone_from(&policy.statsd_ports);
            status.telemetry_ports.clone_from(&policy.telemetry_ports);
            status.gateways.clone_from(&policy.gateways);
            let guarded = |name: &String| (name.clone(), state.kernel.guarded(name));
            status.services = policy.services.keys().map(guarded).collect();
        }
        Ok(status)
    }

    fn guard(&self, service: &str, visitor: Visitor) -> Result<Answer, ProbeError> {
        let state = self.state();
        let Some(policy) = state.policy.as_ref().map(Checked::policy) else {
            return Err(ProbeError::refused(
                "no_policy",
                "the probe has no policy yet, so nothing guarded could send anything",
                "load one first, as the probe's owner: `x0 charter probe load FILE`",
            ));
        };
        let Some(rules) = policy.services.get(service) else {
            let known: Vec<_> = policy.services.keys().map(String::as_str).collect();
            return Err(ProbeError::refused(
                "no_service",
                format!("the policy has no service '{}'", service.escape_debug()),
                &format!("name one of: {}", known.join(", ")),
            ));
        };
        let may = match rules.users.is_empty() {
            true => visitor.uid == self.owner,
            false => rules.users.contains(&visitor.uid),
        };
        if !may {
            return Err(ProbeError::refused(
                "not_your_service",
                format!("user {} may start nothing as '{service}'", visitor.uid),
                "have the user's id added to `users` of the service in the policy",
            ));
        }
        visitor.check_ordinary(&state.kernel.places().cgroup)?;
        let dir = state.kernel.service_dir(service);
        let procs = dir.join("cgroup.procs");
        fs::write(&procs, visitor.pid.to_string())
            .map_err(|cause| ProbeError::io("move the process by", &procs, cause))?;
        // Only now: what it opens from here on is judged, and what it opened before is seen.
        visitor.check_descriptors()?;
        Ok(Answer::Guarded {
            cgroup: dir.display().to_string(),
        })
    }

    /// Sends refusals until there are no more, or the reader is gone or too slow.
    fn tell(&self, stream: &mut UnixStream, follow: bool) -> io::Result<()> {
        if !follow {
            for refusal in self.feed.recent() {
                write_line(stream, &Answer::Event(refusal))?;
            }
            return write_line(stream, &Answer::End {});
        }
        let (recent, coming) = self.feed.follow();
        for refusal in recent {
            write_line(stream, &Answer::Event(refusal))?;
        }
        loop {
            match coming.recv_timeout(LINE_WAIT) {
                Ok(answer) => write_line(stream, &answer)?,
                // Nothing came; a reader that is gone is found out all the same.
                Err(_) => write_line(stream, &Answer::Missed { count: 0 })?,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The policy changes as a whole or not at all.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_line(stream: &UnixStream, most: u64) -> Result<Request, ProbeError> {
    let refused = |message: String| ProbeError::refused("bad_request", message, "");
    let mut line = Vec::new();
    let mut bounded = BufReader::new(stream.take(most + 1));
    bounded
        .read_until(b'\n', &mut line)
        .map_err(|cause| refused(cause.to_string()))?;
    if line.len() as u64 > most {
        return Err(refused(format!("the request is longer than {most} bytes")));
    }
    if line.pop() != Some(b'\n') {
        return Err(refused(
            "the request does not end with a line break".to_owned(),
        ));
    }
    serde_json::from_slice(&line).map_err(|fault| refused(fault.to_string()))
}

fn write_line(stream: &mut UnixStream, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    stream.write_all(&line)
}

fn error_answer(error: &ProbeError) -> Answer {
    Answer::Error {
        code: error.code().to_owned(),
        message: error.message(),
        mend: error.mend().to_owned(),
    }
}

/// Returns the wall clock's time of a moment on the kernel's clock.
fn wall_ms(at_ns: u64) -> u64 {
    let ms = |clock| {
        let now = clock_gettime(clock);
        now.tv_sec.unsigned_abs() * 1_000 + now.tv_nsec.unsigned_abs() / 1_000_000
    };
    let ago = ms(ClockId::Monotonic).saturating_sub(at_ns / 1_000_000);
    ms(ClockId::Realtime).saturating_sub(ago)
}

fn log(text: &str) {
    writeln!(io::stderr().lock(), "x0-probe: {text}").ok();
}
