"""A name server in a bad way: silent, or saying SERVFAIL, until it is told to answer."""
import socket
import struct

from udp_name_server import UdpNameServer, question, reply

A, MX = 1, 15
SERVFAIL, NXDOMAIN = 2, 3
OWNER = b"\xc0\x0c"  # the name that was asked for


class SickNameServer(UdpNameServer):
    """`mode` may change at any time: "silent", "servfail", or a dict of name -> IPv4 address of an A record."""

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
        address = self.mode.get(name)
        if address is None:
            return reply(query, NXDOMAIN)
        record = OWNER + struct.pack("!HHIH", A, 1, 1, 4) + socket.inet_aton(address)
        return reply(query, 0, [record] if kind == A else [])
