//! What an ordinary user can do with the helper's socket: come under guard as himself, and nothing else.

use std::{
    io::{Read as _, Write as _},
    net::UdpSocket,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt as _},
    },
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{Gateway, NOBODY, Probe, STRANGER};

/// Sends bytes to the helper as a user, and returns what it says.
pub(crate) fn raw(socket: &Path, uid: u32, bytes: &[u8]) -> String {
    let code = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
                try:\n s.sendall(sys.stdin.buffer.read())\n\
                \x20while part := s.recv(65536): sys.stdout.buffer.write(part)\nexcept OSError: pass";
    let mut child = Command::new("python3")
        .args(["-c", code])
        .arg(socket)
        .uid(uid)
        .gid(uid)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        !output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
#[ignore = "takes root"]
fn only_root_and_the_owner_load_and_look() {
    let (probe, gateway) = (Probe::start(), Gateway::open());
    probe.load(&gateway.policy());
    let socket = probe.client.socket();

    for request in [
        r#"{"load":{"metrics":["user.email"],"services":{}}}"#,
        r#"{"status":{}}"#,
        r#"{"events":{"follow":false}}"#,
        r#"{"hash":{"name":"user.email"}}"#,
    ] {
        let line = format!("{request}\n");
        assert!(
            raw(socket, STRANGER, line.as_bytes()).contains("not_yours"),
            "{request}"
        );
    }
    // The owner's own processes, once they are guarded, cannot loosen the guard; the node may load what its mesh decides.
    let code = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
                s.sendall(b'{\"load\":{\"metrics\":[\"user.email\"],\"services\":{}}}\\n' if sys.argv[2] == 'load' else b'{\"status\":{}}\\n')\n\
                print(s.recv(4096).decode())";
    let ask = |service: &str, what: &str| {
        let mut command = probe.guarded(service);
        command.args(["python3", "-c", code]).arg(socket).arg(what);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(ask("exporter", "load").contains("guarded_already"));
    assert!(ask("exporter", "status").contains("guarded_already"));
    assert!(ask("node", "status").contains("\"enforced\":true"));
    assert!(raw(socket, NOBODY, b"{\"status\":{}}\n").contains("\"enforced\":true"));
    assert_eq!(probe.status().metrics, 2);
}

#[test]
#[ignore = "takes root"]
fn a_guard_is_for_the_asking_process_alone_and_under_its_own_service() {
    let (probe, gateway) = (Probe::start(), Gateway::open());
    probe.load(&gateway.policy());

    let mut stranger = probe.guarded("exporter");
    stranger.arg("true").uid(STRANGER).gid(STRANGER);
    assert!(stderr_of(&mut stranger).contains("may start nothing as 'exporter'"));
    assert!(
        stderr_of(probe.guarded("nothing").arg("true")).contains("name one of: exporter, node")
    );
    let mut root = probe.guarded("exporter");
    root.arg("true").uid(0).gid(0);
    assert!(stderr_of(&mut root).contains("may start nothing as"));
    // Without the fence of `x0-probe guard` in place.
    let bare = raw(
        probe.client.socket(),
        NOBODY,
        b"{\"guard\":{\"service\":\"exporter\"}}\n",
    );
    assert!(bare.contains("not_ordinary"), "{bare}");
    // From inside, the wider rules of the node are out of reach.
    let mut nested = probe.guarded("exporter");
    nested
        .arg(probe.program())
        .args(["guard", "--service", "node", "--socket"]);
    nested.arg(probe.client.socket()).args(["--", "true"]);
    assert!(stderr_of(&mut nested).contains("cannot change the rules it is under"));
}

#[test]
#[ignore = "takes root"]
fn a_socket_that_was_open_before_keeps_its_process_out() {
    let (probe, gateway) = (Probe::start(), Gateway::open());
    probe.load(&gateway.policy());
    let opened = || OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap());

    let mut as_input = probe.guarded("exporter");
    as_input.arg("true").stdin(Stdio::from(opened()));
    let text = stderr_of(&mut as_input);
    assert!(text.contains("descriptor 0 is socket:"), "{text}");

    let code = "import os, socket, sys\ns = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n\
                os.set_inheritable(s.fileno(), True)\nos.execv(sys.argv[1], sys.argv[1:])";
    let mut as_other = Command::new("python3");
    as_other.args(["-c", code]).arg(probe.program()).args([
        "guard",
        "--service",
        "exporter",
        "--socket",
    ]);
    as_other
        .arg(probe.client.socket())
        .args(["--", "true"])
        .uid(NOBODY)
        .gid(NOBODY);
    let text = stderr_of(&mut as_other);
    assert!(text.contains("which was opened before the guard"), "{text}");

    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut with_unix = probe.guarded("exporter");
    with_unix
        .args(["echo", "through"])
        .stdout(Stdio::from(OwnedFd::from(theirs)));
    assert!(with_unix.status().unwrap().success());
    drop(with_unix);
    let mut text = String::new();
    (&ours).read_to_string(&mut text).unwrap();
    assert_eq!(text, "through\n");
}

#[test]
#[ignore = "takes root"]
fn the_command_keeps_its_exit_code_and_its_death_by_signal() {
    let (probe, gateway) = (Probe::start(), Gateway::open());
    probe.load(&gateway.policy());

    let status = probe
        .guarded("exporter")
        .args(["sh", "-c", "exit 37"])
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(37));
    let status = probe
        .guarded("exporter")
        .args(["sh", "-c", "kill -TERM $$"])
        .status()
        .unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(15)
    );
    let text = stderr_of(probe.guarded("exporter").arg("/no/such/program"));
    assert!(text.contains("cannot run /no/such/program"), "{text}");
}

#[test]
#[ignore = "takes root"]
fn long_odd_and_slow_requests_are_refused_and_keep_nobody_out() {
    let probe = Probe::start();
    let socket = probe.client.socket();

    let mut long = vec![b'x'; 5_000];
    long.push(b'\n');
    assert!(raw(socket, STRANGER, &long).contains("longer than 4096 bytes"));
    assert!(raw(socket, STRANGER, b"{\"run\":{\"command\":\"sh\"}}\n").contains("bad_request"));
    assert!(
        raw(
            socket,
            NOBODY,
            b"{\"guard\":{\"service\":\"a\",\"pid\":1}}\n"
        )
        .contains("unknown field")
    );
    // Nine at once that say nothing: the ninth is sent away, and others are still answered.
    let code = "import socket, sys\nall = [socket.socket(socket.AF_UNIX) for _ in range(9)]\n\
                [s.connect(sys.argv[1]) for s in all]\nprint(all[8].recv(4096).decode(), flush=True)\nsys.stdin.read()";
    let mut crowd = Command::new("python3")
        .args(["-c", code])
        .arg(socket)
        .uid(STRANGER)
        .gid(STRANGER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(crowd.stdout.take().unwrap());
    assert!(crate::support::line_of(&mut lines).contains("too many connections"));
    assert!(!probe.status().enforced);
    drop(crowd.stdin.take());
    crowd.wait().unwrap();
}

#[test]
#[ignore = "takes root"]
fn without_privilege_or_helper_it_says_what_is_not_enforced_and_how_to_mend_it() {
    let probe = Probe::start();

    let mut unprivileged = Command::new(probe.program());
    unprivileged.args([
        "run",
        "--state",
        "/tmp/x0-none",
        "--socket",
        "/tmp/x0-none/s",
    ]);
    unprivileged.uid(NOBODY).gid(NOBODY);
    let text = stderr_of(&mut unprivileged);
    assert!(
        text.contains("takes root") && text.contains("Nothing is enforced in the kernel"),
        "{text}"
    );

    let mut alone = Command::new(probe.program());
    alone.args([
        "guard",
        "--service",
        "exporter",
        "--socket",
        "/tmp/no-such-socket",
        "--",
        "true",
    ]);
    let text = stderr_of(&mut alone);
    assert!(
        text.contains("does not answer") && text.contains("systemctl start x0-probe"),
        "{text}"
    );
}
