"""A message arrives unchanged at another host, ours or one with Debian's Postfix, and reports go in both directions."""
import email
import re

import pytest

from conftest import needs_root
from host import wait_for
from mail_network import (NOBODY_THERE, Report, debian_postfix, hosts, reconfigured, report_at, send,  # noqa: F401
                          subject)

pytestmark = needs_root

OCTETS = bytes(n for n in range(1, 256) if n not in b"\r\n")
#: name -> body with LF line ends
BODIES = {
    "empty": b"",
    "dots": b".\n..\n...\n.x\n\n.\n",
    "eight-bit": b"gr\xc3\xbc\xc3\x9fe\nlatin \xe9\n" + OCTETS + b"\n",
    "long lines": b"x" * 997 + b"\n" + b"y" * 998 + b"\n" + b"." * 997 + b"\n" + b"." * 998 + b"\n",
    "blank lines": b"\n\n  \n\t\nlast\n\n",
    "megabyte": b"".join(b"line %d of many, some with\xa0eight bits\n" % n for n in range(26_000)),
}


def original(subject, sender, body):
    """A complete message, so that no host adds more than trace fields; LF line ends."""
    return (f"From: Sender <{sender}>\nTo: all@example.org\nDate: Sat, 21 Nov 2026 10:00:00 +0100\n"
            f"Message-ID: <{subject}@client.test>\nSubject: {subject}\nMIME-Version: 1.0\n"
            "Content-Type: text/plain; charset=unknown-8bit\nContent-Transfer-Encoding: 8bit\n"
            "X-Folded: one\n\ttwo\n\n").encode() + body


def submit(host, sender, recipients, message):
    with host.smtp() as client:
        assert client.sendmail(sender, recipients, message.replace(b"\n", b"\r\n"), ["BODY=8BITMIME"]) == {}


def without_traces(message):
    return message[message.index(b"From: Sender <"):]


def body_of(message):
    return message[message.index(b"\n\n") + 2:]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_message_arrives_as_it_was_sent(hosts, subject, body):
    sent = original(subject, "alice@a.test", body)
    submit(hosts.a, "alice@a.test", ["bob@b.test"], sent)
    assert without_traces(hosts.b.wait_for_message("bob", subject.encode())) == sent


def test_lines_that_are_too_long_for_smtp_are_folded(hosts, subject):
    """RFC 5321 section 4.5.3.1.6: 998 octets and the line end."""
    body = b"".join(bytes([65 + n]) * length + b"\n" for n, length in enumerate([998, 999, 1000, 1001, 2049, 70_000]))
    body += b"." * 5000 + b"\n"
    sent = original(subject, "alice@a.test", body)
    submit(hosts.a, "alice@a.test", ["bob@b.test", "alice@a.test"], sent)
    arrived = hosts.b.wait_for_message("bob", subject.encode())
    assert max(len(line) for line in arrived.split(b"\n")) == 998
    assert body_of(arrived).replace(b"\n ", b"") == body
    assert without_traces(hosts.a.wait_for_message("alice", subject.encode())) == sent


def test_a_message_to_many_recipients_arrives_once_for_each(hosts, subject):
    hosts.b.write_aliases("root: Carol\n" + "".join(f"n{n}: bob\n" for n in range(250)))
    sent = original(subject, "alice@a.test", b"Hello.\n")
    submit(hosts.a, "alice@a.test", [f"n{n}@b.test" for n in range(250)], sent)
    wait_for(lambda: not hosts.a.has_queued(subject), what=lambda: hosts.a.log_text()[-3000:])
    log = hosts.a.log_text()
    assert all(f"delivered to=<n{n}@b.test>" in log for n in range(250))
    arrived = [message for message in hosts.b.messages("bob") if subject.encode() in message]
    assert len(arrived) == 3  # no more than 100 at a time
    assert all(without_traces(message) == sent for message in arrived)


# -- another mail server

@pytest.fixture(scope="module")
def postfix(hosts):
    yield from debian_postfix(hosts, aliases="elsewhere: nobody-there@b.test\n", message_size_limit="2000000",
                              mynetworks="192.0.2.0/24 [2001:db8::]/64")


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_message_to_postfix_arrives_as_it_was_sent(hosts, postfix, subject, body):
    sent = original(subject, "alice@a.test", body)
    submit(hosts.a, "alice@a.test", ["debby@debian.test"], sent)
    assert without_traces(postfix.wait_for_message("debby", subject.encode())) == sent


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_message_from_postfix_arrives_as_it_was_sent(hosts, postfix, subject, body):
    sent = original(subject, "debby@debian.test", body)
    postfix.send("debby@debian.test", ["alice@a.test"], sent)
    message = hosts.a.wait_for_message("alice", subject.encode())
    assert without_traces(message) == sent
    assert email.message_from_bytes(message)["Return-Path"] == "<debby@debian.test>"


def test_an_unknown_user_at_postfix_is_reported(hosts, postfix, subject):
    send(hosts.a, "nobody-there@debian.test", subject)
    only = report_at(hosts.a, "alice", subject).check("nobody-there@debian.test", "5.1.1", "smtp; 550 5.1.1")
    assert only["Remote-MTA"] == "dns; debian.test"


def test_a_message_too_large_for_postfix_is_reported(hosts, postfix, subject):
    send(hosts.a, "debby@debian.test", subject, body=b"a line of thirty octets, or so\r\n" * 80_000)
    report = report_at(hosts.a, "alice", subject)
    report.check("debby@debian.test", "5.3.4")
    assert "header of your message" in report.text


def test_a_report_of_postfix_arrives(hosts, postfix, subject):
    send(hosts.a, "elsewhere@debian.test", subject)
    report = Report(hosts.a.wait_for_message("alice", [b"multipart/report", subject.encode()]))
    assert report.host["Reporting-MTA"] == "dns; debian.test"
    report.check("nobody-there@b.test", "5.1.1", "smtp; 550 5.1.1")


def test_a_report_for_a_sender_at_postfix_arrives(hosts, postfix, subject):
    send(hosts.a, "nobody-there@b.test", subject, sender="debby@debian.test")
    report = Report(postfix.wait_for_message("debby", [b"multipart/report", subject.encode()]))
    assert report.host["Reporting-MTA"] == "dns; a.test"
    report.check("nobody-there@b.test", "5.1.1", "smtp; 550 5.1.1")


def test_postfix_reports_our_refusal_of_an_unknown_user(hosts, postfix, subject):
    postfix.send("debby@debian.test", ["nobody-there@a.test"], original(subject, "debby@debian.test", b"Hello.\n"))
    report = Report(postfix.wait_for_message("debby", [b"multipart/report", subject.encode()]))
    report.check("nobody-there@a.test", "5.1.1", "smtp; 550 5.1.1")


def test_postfix_relays_where_the_first_relay_host_is_down(hosts, postfix, subject):
    with reconfigured(hosts.a, relay_host=[f"[{NOBODY_THERE}]:1", "[debian.test]"]):
        send(hosts.a, "bob@b.test", subject)
        fields = email.message_from_bytes(hosts.b.wait_for_message("bob", subject.encode())).get_all("Received")
    assert [re.search(r"\bby (\S+)", field)[1] for field in fields] == ["b.test", "debian.test", "a.test"]
