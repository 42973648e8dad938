"""Chunks (BDAT), ETRN and limits of the next host (RFC 9422) work on a whole host, and no text that a client sends
ends a message early at the next host."""
import itertools
import shutil
import socket
import subprocess

import pytest

from conftest import needs_root
from host import local_user, wait_for
from strict_sink import StrictSink

HELLO = [b"EHLO client.test\r\n"]
ENVELOPE = b"MAIL FROM:<alice@host.test>\r\nRCPT TO:<bob@far.test>\r\n"


class Client:
    """An SMTP client that sends octets."""

    def __init__(self, host):
        self.socket = socket.create_connection(("127.0.0.1", host.port), timeout=30)
        self.lines = self.socket.makefile("rb")
        assert self.reply().startswith(b"220")
        self.say(b"EHLO client.test\r\n", 250)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.socket.close()

    def reply(self):
        while (line := self.lines.readline())[3:4] == b"-":
            pass
        return line

    def say(self, octets, *codes):
        self.socket.sendall(octets)
        for code in codes:
            reply = self.reply()
            assert reply.startswith(b"%d" % code), (octets[:200], reply)


def relaying(host, sink, **settings):
    host.write_config(relay_host=f"127.0.0.1:{sink.port}", **settings)
    return host.start()


#: all short sequences of CR, LF and dot; each stands in the middle of a message
PIECES = [bytes(piece) for length in range(1, 6) for piece in itertools.product(b"\r\n.", repeat=length)]
SMUGGLED = b"MAIL FROM:<evil@far.test>\r\nRCPT TO:<victim@far.test>\r\nDATA\r\nevil\r\n.\r\n"


@pytest.mark.parametrize("mode", ["normalise", "accept"])
def test_a_relayed_message_ends_where_it_ended_here(host, mode):
    """Each sequence is in the middle of a message: by DATA where it does not end the message, and by BDAT."""
    with StrictSink() as sink:
        relaying(host, sink, bare_newline=mode)
        pieces = [piece for piece in PIECES if b"\r\n.\r\n" not in b"x" + piece + b"y"]
        with Client(host) as client:
            for n, piece in enumerate(pieces):
                text = b"Subject: %d\r\n\r\nx" % n + piece + b"y" + SMUGGLED.replace(b"\r\n.\r\n", b"\r\n")
                if n % 2 == 0:
                    client.say(ENVELOPE + b"DATA\r\n", 250, 250, 354)
                    client.say(text + b".\r\n", 250)
                else:
                    cut = len(text) // 3
                    client.say(ENVELOPE + b"BDAT %d\r\n" % cut + text[:cut] +
                               b"BDAT %d LAST\r\n" % (len(text) - cut) + text[cut:], 250, 250, 250, 250)
        wait_for(lambda: len(sink.transactions) == len(pieces), what=lambda: f"all: {len(sink.transactions)} are there")
        assert sink.violations == []
        for transaction in sink.transactions:
            assert (transaction.sender, transaction.recipients) == ("alice@host.test", ["bob@far.test"])
            assert transaction.data.endswith(b"evil\r\n")


def test_bare_line_feeds_can_be_refused(host):
    with StrictSink() as sink:
        relaying(host, sink, bare_newline="reject")
        with Client(host) as client:
            for text in (b"a\nb\r\n", b"a\rb\r\n", b"a\r\r\n"):
                client.say(ENVELOPE + b"DATA\r\n", 250, 250, 354)
                client.say(text + b".\r\n", 550)
                client.say(ENVELOPE + b"BDAT %d LAST\r\n" % len(text) + text, 250, 250, 550)
            client.say(ENVELOPE + b"DATA\r\n", 250, 250, 354)
            client.say(b"good\r\n.\r\n", 250)
        wait_for(lambda: sink.transactions, what="the good one")
        assert len(sink.transactions) == 1 and sink.violations == []


def test_a_large_message_in_chunks_arrives_unchanged(host):
    """Many chunks in one packet, cut anywhere, also between CR and LF."""
    text = b"Subject: x\r\n\r\n" + b"".join(b".line %d\r\n" % n for n in range(100_000))
    with StrictSink() as sink:
        relaying(host, sink)
        with Client(host) as client:
            chunks = [text[at:at + 9973] for at in range(0, len(text), 9973)]
            client.say(ENVELOPE, 250, 250)
            client.say(b"".join(b"BDAT %d\r\n" % len(chunk) + chunk for chunk in chunks) + b"BDAT 0 LAST\r\n",
                       *[250] * (len(chunks) + 1))
        wait_for(lambda: sink.transactions, seconds=120, what=host.log_text)
        assert sink.transactions[0].data.endswith(text[text.index(b"\r\n\r\n"):])


@needs_root
def test_etrn_starts_delivery_for_the_domain(host):
    """Only for that domain, and at once, although its host was down."""
    replies = {"RCPT": b"451 4.3.0 later"}
    with StrictSink(replies=replies) as sink:
        relaying(host, sink, retry="1h")
        with Client(host) as client:
            for domain in (b"far.test", b"far.test", b"other.test", b"below.far.test"):
                client.say(b"MAIL FROM:<alice@host.test>\r\nRCPT TO:<bob@" + domain + b">\r\nDATA\r\n", 250, 250, 354)
                client.say(b"Subject: x\r\n\r\n.\r\n", 250)
            wait_for(lambda: host.log_text().count("deferred") == 4, what=lambda: host.log_text())
            replies.clear()
            sink.replies.clear()
            client.say(b"ETRN nobody.test\r\n", 251)
            client.say(b"ETRN far.test\r\n", 253)
            wait_for(lambda: len(sink.transactions) == 2, what=lambda: f"two messages: {host.log_text()[-2000:]}")
            client.say(b"ETRN @far.test\r\n", 253)
            wait_for(lambda: len(sink.transactions) == 3, what="the third")
            client.say(b"ETRN @far.test\r\n", 251)
        assert [t.recipients for t in sink.transactions] == [["bob@far.test"], ["bob@far.test"], ["bob@below.far.test"]]
        assert len(host.queue()) == 1


def test_a_limit_of_recipients_of_the_next_host_is_kept(host):
    """RFC 9422: the message goes out in as many transactions as needed."""
    with StrictSink(replies={"EHLO": b"250-sink.test\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=7"}) as sink:
        relaying(host, sink)
        with host.smtp() as client:
            client.sendmail("alice@host.test", [f"n{n}@far.test" for n in range(20)], "Subject: x\r\n\r\nHello.\r\n")
        wait_for(lambda: len(sink.transactions) == 3, what=lambda: host.log_text()[-2000:])
        assert sorted(len(t.recipients) for t in sink.transactions) == [6, 7, 7]
        assert sink.violations == []


def test_a_limit_of_messages_of_the_next_host_is_kept(host):
    with StrictSink(replies={"EHLO": b"250-sink.test\r\n250 LIMITS MAILMAX=1"}) as sink:
        relaying(host, sink, destination_agents=1)
        with host.smtp() as client:
            for _ in range(3):
                client.sendmail("alice@host.test", ["bob@far.test"], "Subject: x\r\n\r\nHello.\r\n")
        wait_for(lambda: len(sink.transactions) == 3, what=lambda: host.log_text()[-2000:])
        assert sum(command.startswith("EHLO") for command in sink.commands) == 3


@pytest.mark.skipif(shutil.which("swaks") is None, reason="NEEDS swaks")
def test_swaks_sees_the_extensions(host):
    host.start()
    user = local_user()
    done = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(host.port), "--from", f"{user}@host.test",
                           "--to", f"{user}@host.test", "--pipeline", "--body", ".\n..\nlast"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    for keyword in ("PIPELINING", "8BITMIME", "CHUNKING", "DSN", "ETRN", "LIMITS RCPTMAX=1000"):
        assert f"{keyword}\n" in done.stdout
    assert "BINARYMIME" not in done.stdout
    host.wait_for_mail(user, b"\n.\n..\nlast\n")
