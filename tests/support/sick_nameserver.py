"""A name server that does not answer, answers SERVFAIL, or refers to other names without end, until it is told to
answer."""
import socket
import struct

from udp_name_server import UdpNameServer, question, reply

A, CNAME, MX = 1, 5, 15
SERVFAIL, NXDOMAIN = 2, 3
OWNER = b"\xc0\x0c"  # the name in the question


def record(kind, data):
    return OWNER + struct.pack("!HHIH", kind, 1, 1, len(data)) + data


def endless(kind):
    """More names below the one in the question."""
    def below(label):
        return bytes([len(label)]) + label.encode() + OWNER
    if kind == MX:
        return [record(MX, struct.pack("!H", 10) + below(f"h{i}")) for i in range(20)]
    return [record(CNAME, below("x"))]


class SickNameServer(UdpNameServer):
    """`mode` may change at any time: "silent", "servfail", a dict of name -> IPv4 address of an A record, or "endless":
    every domain has twenty mail hosts, and each of them is an alias of another name, without end."""

    def __init__(self, mode):
        self.mode = mode
        self.asked = 0
        super().__init__()

    def answer(self, query):
        self.asked += 1
        if self.mode == "silent":
            return None
        if self.mode == "servfail":
            return reply(query, SERVFAIL)
        name, kind = question(query)
        if self.mode == "endless":
            return reply(query, 0, endless(kind))
        address = self.mode.get(name)
        if address is None:
            return reply(query, NXDOMAIN)
        return reply(query, 0, [record(A, socket.inet_aton(address))] if kind == A else [])
