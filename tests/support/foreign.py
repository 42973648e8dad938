"""Published collections of cases. They are not part of this tree: they are in a folder that POSTOFFICE_FOREIGN names,
or beside the tree."""
import os
import socket
import struct
import subprocess

import pytest

from udp_name_server import UdpNameServer, question, reply

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
FOLDER = os.environ.get("POSTOFFICE_FOREIGN", os.path.join(TOP, "..", "shared", "foreign"))
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build"))
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28}


def suite(name):
    """The path of a file of the folder; skips the test if there is none."""
    path = os.path.join(FOLDER, name)
    if not os.path.exists(path):
        pytest.skip(f"NEEDS {name} in {FOLDER} (or in the folder that POSTOFFICE_FOREIGN names)")
    return path


class Asker:
    """Asks the parsers one question after the other: see ask_parsers.cc."""

    def __init__(self):
        self._process = subprocess.Popen([os.path.join(BUILD, "ask-parsers")], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        assert self._process.wait(20) == 0
        self._process.stdout.close()

    def __call__(self, question, *words):
        hexadecimal = ((word if isinstance(word, bytes) else word.encode()).hex() or "-" for word in words)
        self._process.stdin.write(" ".join([question, *hexadecimal]).encode() + b"\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().decode(errors="replace").rstrip("\n")


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in name.split(".") if label) + b"\0"


def wire_data(kind, value):
    """The data of one record, which the SPF suite has as text."""
    if kind == "A":
        return socket.inet_pton(socket.AF_INET, value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == "MX":
        return struct.pack("!H", value[0]) + wire_name(value[1])
    if kind == "TXT":
        parts = [value] if isinstance(value, str) else value
        pieces = [part[at:at + 255] for part in parts for at in range(0, max(len(part), 1), 255)]
        return b"".join(bytes([len(piece)]) + piece.encode("latin-1") for piece in pieces)
    return wire_name(value)


class SuiteZone(UdpNameServer):
    """A name server for the zones of the SPF suite: {name: [{type: value} or "TIMEOUT"]}. Records of type SPF are
    TXT records, too, unless the name has some. A name with TIMEOUT leaves questions for other types unanswered."""

    def __init__(self):
        self.zone = {}
        super().__init__()

    def load(self, zonedata):
        self.zone = {name.lower().rstrip("."): records for name, records in zonedata.items()}

    def answer(self, query):
        name, number = question(query)
        kind = next((kind for kind, code in TYPES.items() if code == number), None)
        found = self._find(name, kind)
        if found is None:
            return None
        code, records = found
        return reply(query, code, [wire_name(owner) + struct.pack("!HHIH", TYPES[what], 1, 60, len(data)) + data
                                   for owner, what, data in records])

    def _find(self, name, kind):
        """The response code and (owner, type, data) of the records; None: no answer at all."""
        records = []
        for _ in range(12):
            known = self.zone.get(name)
            if known is None:
                exists = records or any(other.endswith("." + name) for other in self.zone)
                return (0 if exists else 3), records
            here = [(what, value) for record in known if isinstance(record, dict) for what, value in record.items()]
            has_txt = any(what == "TXT" for what, _ in here)
            mine = [(kind, value) for what, value in here
                    if value != "NONE" and (what == kind or (kind == "TXT" and what == "SPF" and not has_txt))]
            if not mine and "TIMEOUT" in known:
                return None
            records += [(name, what, wire_data(what, value)) for what, value in mine]
            alias = next((value for what, value in here if what == "CNAME"), None)
            if mine or alias is None:
                return 0, records
            records.append((name, "CNAME", wire_name(alias)))
            name = alias.lower().rstrip(".")
        return 2, []
