"""A name server in a bad way: silent, or saying SERVFAIL, until it is told to answer."""
import socket
import struct
import threading

A, MX = 1, 15


class SickNameServer:
    """`mode` may change at any time: "silent", "servfail", or a dict of name -> IPv4 address of an A record."""

    def __init__(self, mode):
        self.mode = mode
        self.asked = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._socket.getsockname()[1]
        self._over = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._over = True
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self):
        while True:
            query, client = self._socket.recvfrom(4096)
            if self._over:
                return
            self.asked += 1
            if self.mode != "silent":
                self._socket.sendto(self._answer(query), client)

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12:at + 5]
        kind = struct.unpack("!H", query[at + 1:at + 3])[0]
        if self.mode == "servfail":
            return query[:2] + struct.pack("!HHHHH", 0x8182, 1, 0, 0, 0) + question
        address = self.mode.get(".".join(labels).lower())
        if address is None:
            return query[:2] + struct.pack("!HHHHH", 0x8183, 1, 0, 0, 0) + question
        records = b""
        if kind == A:
            records = b"\xc0\x0c" + struct.pack("!HHIH", A, 1, 1, 4) + socket.inet_aton(address)
        return query[:2] + struct.pack("!HHHHH", 0x8180, 1, 1 if records else 0, 0, 0) + question + records
