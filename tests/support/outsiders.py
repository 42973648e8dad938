"""A mail host, and clients with many addresses, on a network of their own. Needs root."""
import contextlib
import os
import select
import socket

import pytest

from host import wait_for
from network import Network, NetworkHost, NoNetwork

SERVER = "192.0.2.1"
SERVER6 = "2001:db8::1"
CROWD = [f"192.0.2.{n}" for n in range(100, 240)]
CROWD6 = ["2001:db8::100", "2001:db8::101"]


class Line:
    """One connection; the test writes the commands."""

    def __init__(self, connection):
        self.socket = connection
        self.stream = connection.makefile("rb")

    def reply(self):
        """All lines of the next reply; empty at the end of the connection."""
        text = b""
        try:
            while line := self.stream.readline():
                text += line
                if line[3:4] != b"-":
                    break
        except ConnectionResetError:
            pass
        return text

    def say(self, text):
        self.socket.sendall(text.encode() + b"\r\n" if isinstance(text, str) else text)

    def ask(self, text):
        self.say(text)
        return self.reply()

    def rest(self):
        """Reads until the server closes."""
        text = b""
        while reply := self.reply():
            text += reply
        return text

    def has_ended(self):
        """Whether the server has closed, or sent octets."""
        return bool(select.select([self.socket], [], [], 0)[0])

    def close(self):
        self.stream.close()
        self.socket.close()


class Outsiders:
    """`host` listens at SERVER; call(source) connects from one of CROWD."""

    def __init__(self, network, folder):
        self.folder = folder
        self.server = network.add_machine("server", SERVER, SERVER6)
        self.outside = network.add_machine("outside", *CROWD, *CROWD6)
        self.host = None
        self._open = []

    def start(self, **settings):
        # Senders cannot be verified, since there is no DNS here.
        self.host = NetworkHost(self.server, os.path.join(self.folder, "host"), **{"verify_from": "0", **settings})
        return self.host.start()

    def call(self, source=CROWD[0], address=None, machine=None, timeout=60):
        """A connection from which nothing was read yet."""
        address = address or (SERVER6 if ":" in source else SERVER)
        with (machine or self.outside).inside():
            connection = socket.create_connection((address, 25), timeout=timeout, source_address=(source, 0))
        return self.keep(connection)

    def keep(self, connection):
        self._open.append(Line(connection))
        return self._open[-1]

    def greeted(self, source=CROWD[0], **options):
        line = self.call(source, **options)
        greeting = line.reply()
        assert greeting.startswith(b"220"), greeting
        return line

    def seated(self, *sources):
        """Clients that were greeted, where there are just as many places. The probe of the start may still have one
        at first."""
        def place(source):
            line = self.call(source)
            return line if line.reply().startswith(b"220") else line.close()
        return [wait_for(lambda: place(source), what=f"a place for {source}") for source in sources]

    def hang_up(self):
        for line in self._open:
            line.close()
        self._open = []

    def end(self):
        self.hang_up()
        if self.host:
            self.host.end()


@pytest.fixture
def outsiders(folder):
    if os.geteuid() != 0:
        pytest.skip("NEEDS ROOT: machines in network namespaces")
    with contextlib.ExitStack() as stack:
        try:
            network = Network()
        except NoNetwork as why:
            pytest.skip(f"NEEDS network namespaces: {why}")
        stack.callback(network.close)
        made = Outsiders(network, folder)
        os.makedirs(os.path.join(folder, "host"), exist_ok=True)
        stack.callback(made.end)
        yield made
