"""Each way to write a destination does what the table in tests/support/destination_syntax.txt says, in the router and
in real delivery, in each kind of file that holds destinations, or is refused with its reason."""
import os
import re

import pytest

from conftest import needs_root
from virtual import VirtualDomains

pytestmark = needs_root
TABLE = os.path.join(os.path.dirname(__file__), "..", "support", "destination_syntax.txt")
ALICE = 7901
SHOW = """#!/bin/sh
set -e
subject=$(sed -n 's/^Subject: //p;/^$/q')
{ printf ran; for word; do [ "$word" = "$1" ] && printf ' '; printf '[%s]' "$word"; done; } >"OUT/$subject.$$"
mv "OUT/$subject.$$" "OUT/$subject.ran"
"""


def rows_for(kind):
    """(name, written, meaning) of each line of the table for this kind of file."""
    rows = []
    with open(TABLE) as table:
        for number, line in enumerate(table, 1):
            if line.startswith("#") or not line.strip():
                continue
            kinds, rest = line.rstrip("\n").split(" | ", 1)
            written, meaning = rest.rsplit(" | ", 1)
            if kind in kinds:
                rows.append((f"r{number}{kind}", written.strip(), meaning.strip()))
    assert rows
    return rows


def write(path, text, uid=0, mode=0o644):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    os.chown(path, uid, uid)
    return path


class Place:
    """A host, and the files in which lines of one kind are written."""

    def __init__(self, kind, make_host, folder):
        self.kind = kind
        self.folder = folder
        self.out = os.path.join(folder, "out")
        os.mkdir(self.out)
        os.chmod(self.out, 0o777)
        self.show = write(f"{folder}/show", SHOW.replace("OUT", self.out), mode=0o755)
        owner = ALICE if kind == "v" else 0
        self.lists = {"list": write(f"{folder}/list", "# the team\nbob\n", owner),
                      "empty": write(f"{folder}/empty", "# no member\n\n(yet)\n", owner),
                      "spaced": write(f"{folder}/a list", "bob\n", owner)}
        self.domains = VirtualDomains(folder)
        self.host = make_host("host", delivery_files=".qmail" if kind == "q" else ".forward", **self.domains.settings())
        self.rows = rows_for(kind)
        getattr(self, f"write_{kind}")({name: self.filled(name, written) for name, written, _ in self.rows})

    def filled(self, name, text):
        words = {"show": self.show, "file": f"{self.out}/{name}.file", "home": "/home/alice", "name": f"{name}.file",
                 **self.lists}
        return re.sub(r"\{(\w+)\}", lambda match: words[match[1]], text)

    def write_aliases(self, entries):
        self.host.write_aliases('"first last": bob\n' + "".join(f"{name}: {text}\n" for name, text in entries.items()))

    def write_a(self, written):
        self.write_aliases(written)

    def write_i(self, written):
        self.write_aliases({name: f":include:{write(f'{self.folder}/{name}', text + chr(10))}"
                            for name, text in written.items()})

    def write_v(self, written):
        self.write_aliases({})
        self.domains.add("own.test", "alice", ["bob"], "".join(f"{name}: {text}\n" for name, text in written.items()))

    def write_f(self, written):
        self.write_aliases({})
        for name, text in written.items():
            write(f"/home/alice/.forward+{name}", text + "\n", ALICE)

    def write_q(self, written):
        for name, text in written.items():
            write(f"/home/alice/.qmail-{name}", text + "\n", ALICE)

    def address_of(self, name):
        return {"v": f"{name}@own.test", "f": f"alice+{name}@host.test", "q": f"alice+{name}@host.test"}.get(
            self.kind, f"{name}@host.test")

    def found(self, name):
        """What happened to the message with this subject, in the words of the table."""
        subject = f"Subject: {name}\n".encode()
        virtual = self.domains.mailbox("bob", "own.test") if self.kind == "v" else b""
        results = ["bob"] * (self.host.mailbox("bob") + virtual).count(subject)
        results += ["alice"] * self.host.mailbox("alice").count(subject)
        for folder in (self.out, "/home/alice"):
            for entry in sorted(os.listdir(folder)):
                path = os.path.join(folder, entry)
                if entry == f"{name}.ran":
                    results.append(open(path).read())
                elif entry.lstrip(".").startswith(f"{name}.file"):
                    kind = "maildir" if os.path.isdir(path) else "file"
                    results.append(kind + entry.lstrip(".")[len(f"{name}.file"):])
        return sorted(results) or ["nothing"]


@pytest.fixture
def home():
    yield
    for name in os.listdir("/home/alice"):
        os.system(f"rm -rf '/home/alice/{name}'")


def refusal_in_log(host, name):
    return [line for line in host.log_text().splitlines() if name in line and "reason=" in line]


@pytest.mark.parametrize("kind", "aivfq")
def test_each_line_does_what_the_table_says(kind, make_host, folder, home):
    place = Place(kind, make_host, folder)
    host = place.host.start()
    told = {}
    with host.smtp() as client:
        for name, _, _ in place.rows:
            client.mail("sender@example.org")
            code, text = client.docmd("RCPT", f"TO:<{place.address_of(name)}>")
            told[name] = f"{code} {text.decode()}"
            if code == 250:
                assert client.data(f"Subject: {name}\r\n\r\nx\r\n".encode())[0] == 250, name
            client.rset()
    host.wait_for_empty_queue()
    wrong = []
    for name, written, meaning in place.rows:
        traced = host.run("sendmail", "-bt", place.address_of(name)).stdout.decode()
        if meaning == "no list":
            is_right = told[name].startswith("550 5.2.4") and "550 5.2.4" in traced and "leads nowhere" not in traced
        elif meaning.startswith("no "):
            is_right = told[name].startswith("451 ") and meaning[3:] in traced and any(
                meaning[3:] in line for line in refusal_in_log(host, name))
        else:
            expected = sorted(meaning.split(" + "))
            is_right = place.found(name) == expected and traced.count("\n  => ") == len(expected)
        if not is_right:
            wrong.append(f"{written!r} should be {meaning!r}: {told[name]}, {place.found(name)}\n{traced}")
    assert not wrong, "\n".join(wrong) + host.log_text()[-6000:]
