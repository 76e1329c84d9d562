"""Tries every case of a charter from a guarded process and prints what the kernel said.

argv: a file of JSON with "gateway" (address and port), "good" (a name that is allowed), "names" (in hexadecimal) and "flows".
Output: one JSON list of words, first for the names, then for the flows: "passed", or the name of the error.
"""

import errno
import json
import socket
import sys

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def word(act):
    try:
        act()
    except OSError as fault:
        return errno.errorcode.get(fault.errno, str(fault.errno))
    return "passed"


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def send(payload, address, port):
    with socket.socket(family(address), socket.SOCK_DGRAM) as made:
        made.sendto(payload, (address, port))


def connect(address, port):
    with socket.socket(family(address), socket.SOCK_STREAM) as made:
        made.setblocking(False)
        made.connect((address, port))


def flow(case, good):
    if case["protocol"] == "udp":
        return word(lambda: send(good + b":1|c", case["address"], case["port"]))
    return word(lambda: connect(case["address"], case["port"]))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        asked = json.load(file)
    address, port = asked["gateway"]
    good = asked["good"].encode()
    names = [word(lambda: send(bytes.fromhex(name) + b":1|c", address, port)) for name in asked["names"]]
    print(json.dumps(names + [flow(case, good) for case in asked["flows"]]))


main()
