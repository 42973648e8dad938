"""A filter of the tests' own, which speaks the milter protocol, records what it hears, and answers as it is told."""
import contextlib
import os
import socket
import struct
import threading

ALL_ACTIONS = 0x1ff
GO_ON, ACCEPT, REJECT, TEMPFAIL, DISCARD = b"c", b"a", b"r", b"t", b"d"


def packet(kind, data=b""):
    return struct.pack(">I", len(data) + 1) + kind + data


def reply_code(text):
    return packet(b"y", text.encode() + b"\0")


def add_field(name, value):
    return packet(b"h", name.encode() + b"\0" + value.encode() + b"\0")


def insert_field(index, name, value):
    return packet(b"i", struct.pack(">I", index) + name.encode() + b"\0" + value.encode() + b"\0")


class Filter:
    """`answers`: octets to send for a kind of packet, or a function of the packet's data that returns them; "continue"
    for the others. Listens on `path`, or on a port of `address`. Each session is a list of (kind, data, macros); a
    connection may have several, the later ones without a negotiation. `macros`: that it asks for at connect."""

    def __init__(self, path=None, address="127.0.0.1", flags=0, answers=None, macros=""):
        self.path, self.flags, self.answers, self.macros = path, flags, answers or {}, macros
        self.sessions = []
        self.pids = []  # of the processes that connected to a socket in the file system
        family = socket.AF_UNIX if path else socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.bind(path or (address, 0))
        if path:
            os.chmod(path, 0o666)
        else:
            self.port = self._listener.getsockname()[1]
        self._listener.listen(32)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            session = []
            self.sessions.append(session)
            if self.path:
                self.pids.append(struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])
            threading.Thread(target=self._serve, args=(connection, session), daemon=True).start()

    def _serve(self, connection, session):
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            self._converse(connection, stream, session)

    def _converse(self, connection, stream, session):
        macros = {}
        while head := stream.read(4):
            body = stream.read(struct.unpack(">I", head)[0])
            kind, data = chr(body[0]), body[1:]
            if kind == "D":
                words = data[1:].decode(errors="replace").split("\0")[:-1]
                macros = dict(zip(words[::2], words[1::2]))
                continue
            if session and session[-1][0] == "K":
                if kind == "Q":
                    return
                session = []
                self.sessions.append(session)
            session.append((kind, data, macros))
            macros = {}
            self.respond(connection, session)

    def respond(self, connection, session):
        """Answers the last packet of the session. An OSError ends the connection."""
        kind, data, _ = session[-1]
        connection.sendall(self._answer(kind, data))

    def _answer(self, kind, data):
        if kind == "O":
            lists = struct.pack(">I", 0) + self.macros.encode() + b"\0" if self.macros else b""
            return packet(b"O", struct.pack(">III", 6, ALL_ACTIONS, self.flags) + lists)
        if kind in "AQK":
            return b""
        answer = self.answers.get(kind, packet(GO_ON))
        return answer(data) if callable(answer) else answer

    def heard(self, kind):
        """The data of all packets of this kind, as text with '|' for NUL."""
        return [data.decode(errors="replace").rstrip("\0").replace("\0", "|")
                for session in self.sessions for k, data, _ in session if k == kind]

    def stages(self):
        """The kinds of all packets of each session."""
        return ["".join(kind for kind, _, _ in session) for session in self.sessions]

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # or the thread goes on to accept
        self._listener.close()
