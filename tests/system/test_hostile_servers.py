"""Whatever a mail host does wrong, and at whatever stage: each recipient gets the outcome that belongs to it. Nothing is
lost, and when the host behaves again, what waits arrives once; only a reply that never came may double a message."""
import pytest

import dns
from conftest import needs_root
from host import Host, free_port, wait_for
from scripted_server import HANG_UP, ScriptedServer, Slowly

pytestmark = [needs_root, pytest.mark.timeout(180)]

DELIVERED, DEFERRED, FAILED = "delivered", "deferred", "failed"
ALL = ("ann", "ben", "cat")


def endless(connection, _):
    """Stops at the latest when the client has left, or after 100 MB."""
    for _ in range(100_000):
        connection.sendall(b"250-" + b"x" * 996 + b"\r\n")
    return b"250 x"


def by_name(answers):
    """An answer to RCPT for each name."""
    return lambda _, line: answers[line[9:12].decode()]


TAKEN, FULL = b"250 2.1.5 OK", b"452 4.5.3 too many recipients"

#: What the server does; the outcomes of ann, ben and cat, or of all; how often the server sees the whole message.
ROWS = {
    "greets slowly": ({"CONNECT": Slowly(b"220 mx.test ESMTP")}, DELIVERED, 1),
    "is closing down": ({"CONNECT": b"421 4.3.2 closing"}, DEFERRED, 0),
    "closes at once": ({"CONNECT": HANG_UP}, DEFERRED, 0),
    "greets endlessly": ({"CONNECT": endless}, DEFERRED, 0),
    "is a web server": ({"CONNECT": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"}, DEFERRED, 0),
    "greets with NUL": ({"CONNECT": b"220 \0\0\0"}, DELIVERED, 1),
    "greets with a line of a megabyte": ({"CONNECT": b"220 " + b"x" * 1_000_000}, DEFERRED, 0),
    "hangs up on EHLO": ({"EHLO": HANG_UP}, DELIVERED, 1),
    "refuses EHLO for now": ({"EHLO": b"450 4.3.0 later"}, DEFERRED, 0),
    "knows HELO alone": ({"EHLO": b"502 5.5.1 what?"}, DELIVERED, 1),
    "offers nonsense": ({"EHLO": b"250-mx.test\r\n250-\r\n250-SIZE x\r\n250-SIZE -1\r\n250 \x01\xff"}, DELIVERED, 1),
    "answers EHLO endlessly, and knows HELO": ({"EHLO": endless}, DELIVERED, 1),
    "answers EHLO and HELO endlessly": ({"EHLO": endless, "HELO": endless}, DEFERRED, 0),
    "takes 100 octets": ({"EHLO": b"250-mx.test\r\n250 SIZE 100"}, FAILED, 0),
    "says that it takes more than it does": (
        {"EHLO": b"250-mx.test\r\n250 SIZE 100000", "MAIL": b"552 5.3.4 too big"}, FAILED, 0),
    "refuses the sender for now": ({"MAIL": b"451 4.3.0 later"}, DEFERRED, 0),
    "refuses the sender": ({"MAIL": b"550 5.7.1 not you"}, FAILED, 0),
    "hangs up on MAIL": ({"MAIL": HANG_UP}, DEFERRED, 0),
    "answers MAIL with 354": ({"MAIL": b"354 go on"}, DEFERRED, 0),
    "takes one, defers one, refuses one": (
        {"RCPT": by_name({"ann": b"250 OK", "ben": b"450 4.2.1 later", "cat": b"550 5.1.1 unknown"})},
        (DELIVERED, DEFERRED, FAILED), 1),
    "refuses two, defers one": (
        {"RCPT": by_name({"ann": b"550 5.1.1 unknown", "ben": b"450 4.2.1 later", "cat": b"550 5.1.1 unknown"})},
        (FAILED, DEFERRED, FAILED), 0),
    "takes no recipient, and goes on": ({"RCPT": b"550 5.1.1 unknown", "DATA": b"354 go on"}, FAILED, 0),
    "takes one recipient at a time": ({"RCPT": [TAKEN, FULL, FULL, TAKEN]}, DELIVERED, 3),
    "closes after the first recipient": (
        {"RCPT": by_name({"ann": b"250 OK", "ben": b"421 4.3.2 closing", "cat": HANG_UP})}, DEFERRED, 0),
    "answers RCPT with an empty line": ({"RCPT": b""}, DEFERRED, 0),
    "changes the code within a reply": ({"RCPT": b"250-OK\r\n550 no"}, DEFERRED, 0),
    "refuses with 8-bit words": ({"RCPT": b"550 5.1.1 \xff\xfe\x1b[31m \x00 unbekannt"}, FAILED, 0),
    "refuses in 200 lines": ({"RCPT": b"550-5.1.1 no\r\n" * 200 + b"550 5.1.1 no"}, FAILED, 0),
    "refuses DATA for now": ({"DATA": b"451 4.3.0 later"}, DEFERRED, 0),
    "refuses DATA": ({"DATA": b"554 5.7.1 no"}, FAILED, 0),
    "answers DATA with 250": ({"DATA": b"250 OK"}, DEFERRED, 0),
    "hangs up on DATA": ({"DATA": HANG_UP}, DEFERRED, 0),
    "hangs up inside the text": ({"TEXT": HANG_UP}, DEFERRED, 0),
    "refuses the text for now": ({"TEXT END": b"452 4.3.1 no space"}, DEFERRED, 1),
    "refuses the text": ({"TEXT END": b"550 5.7.1 spam"}, FAILED, 1),
    "answers the text with 354": ({"TEXT END": b"354 go on"}, DEFERRED, 1),
    "answers the text slowly": ({"TEXT END": Slowly(b"250 2.0.0 kept")}, DELIVERED, 1),
    "answers QUIT with an error": ({"QUIT": b"500 no"}, DELIVERED, 1),
    "hangs up on QUIT": ({"QUIT": HANG_UP}, DELIVERED, 1),
}
#: The reply after the dot never comes: the host may have the message, and gets it again.
UNANSWERED = {"hangs up after the dot": ({"TEXT END": HANG_UP}, DEFERRED, 1)}

DOMAINS = {name: f"row{number}.test" for number, name in enumerate([*ROWS, *UNANSWERED])}


def address_of(name):
    return f"127.5.0.{list(DOMAINS).index(name) + 1}"


def text_for(name):
    return f"Subject: for the host that {name}\n\n".encode() + b"line\n" * 200


class Internet:
    """A host with mail for all of these servers; the outcome of each recipient after one attempt, and after the servers
    have become good ones."""

    def __init__(self, folder):
        zone = "@ SOA dns.test. hostmaster.test. 1 3600 600 86400 60\n@ NS dns.test.\n"
        for name, domain in DOMAINS.items():
            zone += f"{domain}. MX 10 mx.{domain}.\nmx.{domain}. A {address_of(name)}\n"
        port, dns_port = free_port(), free_port()
        self.servers = {name: ScriptedServer(address_of(name), port, stages)
                        for name, (stages, _, _) in {**ROWS, **UNANSWERED}.items()}
        self.nameserver = dns.NameServer(folder, {".": zone}, port=dns_port).start()
        self.host = Host(folder, nameserver=f"127.0.0.1:{dns_port}", remote_port=port, retry="1h", agents="40",
                         timeout="20s")

    def send_and_wait(self):
        self.host.start()
        for name, domain in DOMAINS.items():
            self.host.run("sendmail", "-i", "-f", "alice@host.test", *(f"{user}@{domain}" for user in ALL),
                          input=text_for(name), check=True)
        self.outcomes = wait_for(self.all_outcomes, seconds=100, what=lambda: f"all outcomes; {self.host.log_text()[-3000:]}")
        self.seen = {name: len(server.seen) for name, server in self.servers.items()}

    def all_outcomes(self):
        """By address, the first outcome in the log; None until each recipient has one."""
        found = {}
        for line in self.host.log_text().splitlines():
            words = line.split()
            if len(words) > 3 and words[3] in (DELIVERED, DEFERRED, FAILED) and words[4].startswith("to=<"):
                found.setdefault(words[4][4:-1], words[3])
        wanted = {f"{user}@{domain}" for domain in DOMAINS.values() for user in ALL}
        return found if wanted <= set(found) else None

    def behave(self):
        for server in self.servers.values():
            server.stages = {}

    def end(self):
        self.host.end()
        self.nameserver.stop()
        for server in self.servers.values():
            server.close()


@pytest.fixture(scope="module")
def internet(module_folder):
    made = Internet(module_folder)
    try:
        made.send_and_wait()
        yield made
    finally:
        made.end()


@pytest.mark.parametrize("name", [*ROWS, *UNANSWERED])
def test_outcomes(internet, name):
    _, wanted, copies = {**ROWS, **UNANSWERED}[name]
    wanted = (wanted,) * 3 if isinstance(wanted, str) else wanted
    got = tuple(internet.outcomes[f"{user}@{DOMAINS[name]}"] for user in ALL)
    assert (got, internet.seen[name]) == (wanted, copies), \
        "\n".join(line for line in internet.host.log_text().splitlines() if DOMAINS[name] in line)


def test_what_waits_arrives_once(internet):
    internet.behave()
    internet.host.run("runq", "-qf", check=True)
    internet.host.wait_for_empty_queue()
    for name, server in internet.servers.items():
        kept = sorted(address for recipients, _ in server.kept for address in recipients)
        domain = DOMAINS[name]
        wanted = [f"{user}@{domain}" for user in ALL if internet.outcomes[f"{user}@{domain}"] != FAILED]
        assert kept == wanted, name
        assert all(text.endswith(b"\r\n" + b"line\r\n" * 200 + b".\r\n") for _, text in server.kept), name
    for name in UNANSWERED:
        assert [recipients for recipients, _ in internet.servers[name].seen] == \
            [[f"{user}@{DOMAINS[name]}" for user in ALL]] * 2
