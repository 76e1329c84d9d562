"""Tries to get bytes out of a guarded process, and prints for each try what the kernel said.

argv: the group of tries, then KEY=VALUE. Output: one line for each try, "NAME: sent", "NAME: EPERM" and so on.
"""

import ctypes
import errno
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

OPTIONS = dict(pair.split("=", 1) for pair in sys.argv[2:])
STATSD = int(OPTIONS.get("statsd", 0))
GATE4 = ("127.0.0.1", STATSD)
GATE6 = ("::1", STATSD)
GOOD, BAD = b"peers.count:7|g", b"user.email:1|c"
LIBC = ctypes.CDLL(None, use_errno=True)

# Linux UAPI, where Python has no name for it.
UDP_CORK, UDP_SEGMENT, SO_ZEROCOPY, MSG_ZEROCOPY = 1, 103, 60, 0x4000000
IPV6_MTU, IPV6_RTHDR = 24, 57


def tell(name, act):
    try:
        act()
        print(f"{name}: sent", flush=True)
    except OSError as fault:
        print(f"{name}: {errno.errorcode.get(fault.errno, fault.errno)}", flush=True)


def udp(family=socket.AF_INET):
    return socket.socket(family, socket.SOCK_DGRAM)


def unconnected(payload, to=GATE4, family=socket.AF_INET):
    udp(family).sendto(payload, to)


def connected(payload, to=GATE4, family=socket.AF_INET):
    made = udp(family)
    made.connect(to)
    made.send(payload)


def with_option(level, option, value, payload, flags=0, family=socket.AF_INET, to=GATE4):
    made = udp(family)
    made.setsockopt(level, option, value)
    made.sendto(payload, flags, to)


def corked():
    made = udp()
    made.connect(GATE4)
    made.send(b"peers.count:7|g\nuser", socket.MSG_MORE)
    made.send(b".email:1|c")


def cork_option():
    made = udp()
    made.setsockopt(socket.IPPROTO_UDP, UDP_CORK, 1)
    made.connect(GATE4)
    made.send(b"user.em")
    made.send(b"ail:1|c")
    made.setsockopt(socket.IPPROTO_UDP, UDP_CORK, 0)


def segmented():
    line = b"peers.count:7|g\n"
    with_option(socket.IPPROTO_UDP, UDP_SEGMENT, len(line), line * 3 + b"user.email:1|c\n\n")


def segmented_good():
    line = b"peers.count:7|g\n"
    with_option(socket.IPPROTO_UDP, UDP_SEGMENT, len(line), line * 3)


def lent_file():
    with tempfile.TemporaryFile() as file:
        file.write(GOOD)
        file.flush()
        made = udp()
        made.connect(GATE4)
        os.sendfile(made.fileno(), file.fileno(), 0, len(GOOD))


def lent_pipe():
    reader, writer = os.pipe()
    os.write(writer, BAD)
    made = udp()
    made.connect(GATE4)
    os.splice(reader, made.fileno(), len(BAD))


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("len", ctypes.c_size_t)]


class Msghdr(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p), ("namelen", ctypes.c_uint), ("iov", ctypes.POINTER(Iovec)),
        ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    ]


class Mmsghdr(ctypes.Structure):
    _fields_ = [("hdr", Msghdr), ("len", ctypes.c_uint)]


def many(payloads):
    """Sends by one call of sendmmsg, and goes on behind what was refused."""
    made = udp()
    made.connect(GATE4)
    refused = None
    for start in range(len(payloads)):
        vectors = (Mmsghdr * (len(payloads) - start))()
        keep = []
        for place, payload in enumerate(payloads[start:]):
            vector = Iovec(payload, len(payload))
            keep.append(vector)
            vectors[place].hdr.iov = ctypes.pointer(vector)
            vectors[place].hdr.iovlen = 1
        if LIBC.sendmmsg(made.fileno(), vectors, len(vectors), 0) < 0:
            refused = ctypes.get_errno()
    if refused:
        raise OSError(refused, "sendmmsg")


def in_child():
    child = os.fork()
    if child == 0:
        try:
            unconnected(BAD)
        except OSError as fault:
            os._exit(fault.errno)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, "child")


def in_thread():
    found = []

    def run():
        try:
            unconnected(BAD)
        except OSError as fault:
            found.append(fault)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(found) == len(threads):
        raise found[0]


def in_program(prefix=()):
    code = f"import socket; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.sendto({BAD!r},{GATE4!r})"
    ran = subprocess.run([*prefix, sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise PermissionError(errno.EPERM, ran.stderr[-80:]) if "Operation not permitted" in ran.stderr else OSError(
            errno.EIO, ran.stderr)


def handed_over():
    """A child opens the socket and hands it over."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    child = os.fork()
    if child == 0:
        opened = udp()
        socket.send_fds(theirs, [b"x"], [opened.fileno()])
        os._exit(0)
    theirs.close()
    _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    os.waitpid(child, 0)
    socket.socket(fileno=descriptors[0]).sendto(BAD, GATE4)


def reconnected():
    made = udp()
    made.connect(("127.0.0.1", int(OPTIONS["plain"])))
    made.send(b"anything")
    made.connect(GATE4)
    made.send(BAD)


def tcp(to, payload=b"", family=socket.AF_INET, protocol=0):
    made = socket.socket(family, socket.SOCK_STREAM, protocol)
    made.settimeout(5)
    made.connect(to)
    made.sendall(payload)


def fast_open(to):
    made = socket.socket()
    made.settimeout(5)
    made.sendto(BAD, socket.MSG_FASTOPEN, to)


def serving(port, kind=socket.SOCK_STREAM):
    made = socket.socket(socket.AF_INET, kind)
    made.bind(("127.0.0.1", port))


def made(family, kind, protocol=0):
    socket.socket(family, kind, protocol)


def ring():
    if LIBC.syscall(425, 8, ctypes.create_string_buffer(256)) < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")


def out_of_cgroup():
    path = OPTIONS["cgroup"]
    with open(f"{path}/cgroup.procs", "w", encoding="ascii") as file:
        file.write(str(os.getpid()))


def traced():
    if LIBC.ptrace(0, 0, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def names():
    tell("good unconnected", lambda: unconnected(GOOD))
    tell("good connected", lambda: connected(GOOD))
    tell("good lines", lambda: unconnected(b"peers.count:7|g\nmsg.rate:3|c|@0.5\npeers.count:8|g\n"))
    tell("good at the limit", lambda: unconnected(b"peers.count:" + b"1" * 1458 + b"|g"))
    tell("good many", lambda: many([GOOD, GOOD]))
    tell("good v6", lambda: unconnected(GOOD, GATE6, socket.AF_INET6))
    tell("good mapped", lambda: unconnected(GOOD, ("::ffff:127.0.0.1", STATSD), socket.AF_INET6))
    for name, payload in {
        "name": BAD,
        "second line": b"peers.count:7|g\nuser.email:1|c",
        "last of many lines": b"peers.count:7|g\n" * 80 + b"user.email:1|c",
        "first line": b"user.email:1|c\npeers.count:7|g",
        "upper case": b"Peers.count:7|g",
        "look-alike": "p\u0435ers.count:7|g".encode(),
        "decomposed": "peers.cou\u0301nt:7|g".encode(),
        "longer name": b"peers.count2:7|g",
        "shorter name": b"peers.coun:7|g",
        "blank behind": b"peers.count :7|g",
        "zero behind": b"peers.count\0:7|g",
        "zero and more": b"peers.count\0user.email:7|g",
        "no name": b":7|g",
        "long name": b"p" * 129 + b":7|g",
        "very long name": b"p" * 1400 + b":7|g",
        "no line": b"user.email",
        "empty": b"",
        "line break": b"\n",
        "carriage return": b"peers.count:7|g\r\nuser.email:1|c",
        "tag": b"peers.count:7|g|#user:alice",
        "text in a set": b"peers.count:alice|s",
        "packed": b"peers.count:1:2:3|g",
        "event": b"_e{5,5}:title|alice",
        "second colon": b"peers.count:7|g\npeers.count:user.email:1|c",
        "compressed": bytes.fromhex("1f8b0800000000000003"),
        "oversized": b"peers.count:" + b"1" * 1459 + b"|g",
        "huge": (b"peers.count:7|g\n" * 4000)[:60000],
    }.items():
        tell(f"{name} unconnected", lambda payload=payload: unconnected(payload))
        tell(f"{name} connected", lambda payload=payload: connected(payload))
    for kind, to, family in [
        ("v6", GATE6, socket.AF_INET6),
        ("mapped", ("::ffff:127.0.0.1", STATSD), socket.AF_INET6),
        ("unspecified", ("0.0.0.0", STATSD), socket.AF_INET),
        ("unspecified v6", ("::", STATSD), socket.AF_INET6),
        ("elsewhere", ("127.0.0.2", STATSD), socket.AF_INET),
        ("far away", ("192.0.2.1", STATSD), socket.AF_INET),
    ]:
        tell(f"{kind} unconnected", lambda to=to, family=family: unconnected(BAD, to, family))
        tell(f"{kind} connected", lambda to=to, family=family: connected(BAD, to, family))
    tell("good elsewhere", lambda: unconnected(GOOD, ("127.0.0.2", STATSD)))


def ways():
    any6 = socket.AF_INET6
    tell("more", corked)
    tell("cork", cork_option)
    tell("segmented", segmented)
    tell("segmented good", segmented_good)
    tell("zero copy", lambda: with_option(socket.SOL_SOCKET, SO_ZEROCOPY, 1, GOOD, MSG_ZEROCOPY))
    tell("lent file", lent_file)
    tell("lent pipe", lent_pipe)
    tell("many", lambda: many([GOOD, BAD, GOOD]))
    tell("ip options", lambda: with_option(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\x01\x01\x01\x00", GOOD))
    route = struct.pack("BBBBI", 0, 2, 4, 0, 0) + socket.inet_pton(any6, "::1")
    tell("routing header", lambda: with_option(socket.IPPROTO_IPV6, IPV6_RTHDR, route, GOOD, 0, any6, GATE6))
    lines = b"peers.count:7|g\n" * 85 + b"user.email:1|c"
    tell("fragments", lambda: with_option(socket.IPPROTO_IPV6, IPV6_MTU, 1280, lines, 0, any6, GATE6))
    tell("broadcast", lambda: with_option(socket.SOL_SOCKET, socket.SO_BROADCAST, 1, BAD, 0, socket.AF_INET,
                                          ("255.255.255.255", STATSD)))
    tell("multicast", lambda: unconnected(BAD, ("224.0.0.1", STATSD)))
    tell("child", in_child)
    tell("thread", in_thread)
    tell("program", in_program)
    tell("handed over", handed_over)
    tell("reconnected", reconnected)
    tell("namespace", lambda: in_program(["unshare", "--user", "--map-root-user"]))
    tell("statsd by tcp", lambda: tcp(GATE4, BAD))
    tell("statsd by fast open", lambda: fast_open(GATE4))
    tell("statsd by tcp v6", lambda: tcp(GATE6, BAD, any6))
    tell("scrape port of the gateway", lambda: tcp(("127.0.0.1", int(OPTIONS["telemetry"]))))
    tell("scrape port elsewhere", lambda: tcp(("127.0.0.2", int(OPTIONS["telemetry"]))))
    tell("allowed tcp", lambda: tcp(("127.0.0.1", int(OPTIONS["web"]))))
    tell("allowed tcp mapped", lambda: tcp(("::ffff:127.0.0.1", int(OPTIONS["web"])), b"", any6))
    tell("other tcp", lambda: tcp(("127.0.0.1", int(OPTIONS["other"]))))
    tell("other tcp mapped", lambda: tcp(("::ffff:127.0.0.1", int(OPTIONS["other"])), b"", any6))
    tell("other fast open", lambda: fast_open(("127.0.0.1", int(OPTIONS["other"]))))
    tell("other tcp v6", lambda: tcp(("::1", int(OPTIONS["web"])), b"", any6))
    tell("allowed udp", lambda: unconnected(b"anything", ("127.0.0.1", int(OPTIONS["plain"]))))
    tell("other udp", lambda: unconnected(BAD, ("127.0.0.1", int(OPTIONS["other"]))))
    tell("serving", lambda: serving(int(OPTIONS["other"])))
    tell("serving udp", lambda: serving(STATSD, socket.SOCK_DGRAM))
    tell("raw", lambda: made(socket.AF_INET, socket.SOCK_RAW, 17))
    tell("raw v6", lambda: made(any6, socket.SOCK_RAW, 17))
    tell("ping", lambda: made(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP))
    tell("multipath", lambda: made(socket.AF_INET, socket.SOCK_STREAM, 262))
    tell("udp-lite", lambda: made(socket.AF_INET, socket.SOCK_DGRAM, 136))
    tell("sctp", lambda: made(socket.AF_INET, socket.SOCK_SEQPACKET, 132))
    tell("packet", lambda: made(socket.AF_PACKET, socket.SOCK_RAW, 0x300))
    tell("vsock", lambda: made(socket.AF_VSOCK, socket.SOCK_STREAM))
    tell("crypto", lambda: made(socket.AF_ALG, socket.SOCK_SEQPACKET))
    tell("ring", ring)
    tell("trace", traced)
    tell("move out", out_of_cgroup)


def forever():
    """Sends until standard input ends, then counts: good ones sent and refused, bad ones sent and refused."""
    made = udp()
    made.connect(GATE4)
    counts = {True: [0, 0], False: [0, 0]}
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    print("started", flush=True)
    while not ended.is_set():
        for payload, is_good in [(GOOD, True), (BAD, False), (b"peers.count:7|g\nuser.email:1|c", False)]:
            try:
                made.send(payload)
                counts[is_good][0] += 1
            except PermissionError:
                counts[is_good][1] += 1
    print("counts", *counts[True], *counts[False], flush=True)


def flood():
    made = udp()
    made.connect(GATE4)
    refused = 0
    for _ in range(int(OPTIONS["times"])):
        try:
            made.send(BAD)
        except PermissionError:
            refused += 1
    print("refused", refused, flush=True)


def on_demand():
    """Sends a good and a bad one for each line of standard input."""
    print("ready", flush=True)
    for _ in sys.stdin:
        tell("good", lambda: unconnected(GOOD))
        tell("bad", lambda: unconnected(BAD))


def given():
    """Sends what standard input holds, a datagram in hexadecimal each line, and prints a mark for each."""
    made = udp()
    made.connect(GATE4)
    for line in sys.stdin:
        try:
            made.send(bytes.fromhex(line))
            print("+", end="")
        except PermissionError:
            print("-", end="")


{"names": names, "given": given, "ways": ways, "forever": forever, "flood": flood, "on_demand": on_demand,
 "sleep": lambda: time.sleep(600)}[sys.argv[1]]()
