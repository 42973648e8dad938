"""Mail hosts on a network of their own, with DNS, and helpers of tests that send mail between them."""
import contextlib
import email
import itertools
import os

import pytest

import dns
from debian_mta import NoPeer, Postfix
from host import wait_for
from network import HostsOnNetwork, made_for_module

DNS = "192.0.2.53"
NOBODY_THERE = "192.0.2.99"
SHARED = [f"shared{n}.test" for n in range(24)]

ZONE = f"""
@           SOA dns.test. hostmaster.test. 1 3600 600 86400 60
@           NS  dns.test.
dns.test.   A   {DNS}
a.test.     A   192.0.2.1
a.test.     AAAA 2001:db8::1
a.test.     MX  10 a.test.
b.test.     A   192.0.2.2
b.test.     AAAA 2001:db8::2
b.test.     MX  10 b.test.
c.test.     A   192.0.2.3
c.test.     MX  10 c.test.
six.test.   AAAA 2001:db8::6
debian.test. A  192.0.2.5
debian.test. AAAA 2001:db8::5
debian.test. MX 10 debian.test.

first.test.     MX 10 b.test.
first.test.     MX 20 c.test.
backed.test.    MX 10 b.test.
backed.test.    MX 20 c.test.
null.test.      MX 0 .
nohost.test.    MX 10 missing.test.
noaddress.test. TXT "neither MX nor address"
back.test.      MX 10 a.test.
worse.test.     MX 10 a.test.
worse.test.     MX 20 b.test.
aliasmx.test.   MX 10 mail.aliasmx.test.
mail.aliasmx.test. CNAME b.test.
alias.test.     CNAME b.test.
only4.test.     A 192.0.2.2
only6.test.     AAAA 2001:db8::2
deadfirst.test. MX 10 dead.test.
deadfirst.test. MX 20 b.test.
dead.test.      A {NOBODY_THERE}
unasked.test.   MX 10 b.test.
twoaddresses.test. MX 10 twohomed.test.
twohomed.test.  A {NOBODY_THERE}
twohomed.test.  A 192.0.2.2
pool.test.      MX 10 b.test.
pool.test.      MX 20 a.test.
best.test.      MX 10 a.test.
best.test.      MX 20 b.test.
notours.test.   MX 10 b.test.
""" + "".join(f"{domain}. MX 10 b.test.\n{domain}. MX 10 c.test.\n" for domain in SHARED)

LED_TO_B = ["aliasmx.test", "alias.test", "only4.test", "only6.test", "deadfirst.test", "twoaddresses.test"]


class Hosts(HostsOnNetwork):
    """a and b are ordinary mail hosts that report success to all senders; c relays for all clients; six has no IPv4."""

    def _build(self):
        machines = {name: self.network.add_machine(name, *addresses) for name, addresses in {
            "dns": [DNS, "2001:db8::53"], "a": ["192.0.2.1", "2001:db8::1"], "b": ["192.0.2.2", "2001:db8::2"],
            "c": ["192.0.2.3"], "six": ["2001:db8::6"], "debian": ["192.0.2.5", "2001:db8::5"]}.items()}
        self.debian = machines["debian"]
        self.dns = dns.NameServer(self.subfolder("dns"), {".": ZONE, "broken.test.": None}, machines["dns"].addresses,
                                  prefix=machines["dns"].prefix)
        self.a = self._host(machines["a"], trusted="[2001:db8::6]", notify_success=1)
        at_b = ["first.test", "backed.test", "broken.test", "unasked.test", "pool.test", "best.test", "notours.test",
                *LED_TO_B, *SHARED]
        self.b = self._host(machines["b"], local_domain=at_b, client_connections=100, notify_success=1)
        at_c = ["first.test", *SHARED]
        self.c = self._host(machines["c"], relay=1, local_domain=at_c, client_connections=100)
        self.six = self._host(machines["six"], nameserver="[2001:db8::53]:53")
        self.all = (self.a, self.b, self.c, self.six)
        self.start(self.dns, *self.all)

    def _host(self, machine, **settings):
        return self.host(machine, aliases="root: Carol\n", **{"nameserver": DNS, **settings})


@pytest.fixture(scope="module")
def hosts():
    yield from made_for_module(Hosts, "postoffice-hosts-")


def debian_postfix(hosts, **settings):
    """For a fixture of a module: yields a started Postfix at debian.test with these settings, as the class Postfix takes
    them, or skips its tests."""
    try:
        made = Postfix(hosts.debian, "debian.test", DNS, **settings)
    except NoPeer as why:
        pytest.skip(f"NEEDS Postfix of Debian: {why}")
    try:
        yield made.start()
    finally:
        made.close()


@contextlib.contextmanager
def reconfigured(host, **settings):
    """The host with these options in addition, and afterwards as it was."""
    before = dict(host.settings)
    try:
        host.write_config(**settings)
        host.reload()
        yield host
    finally:
        host.settings = before
        host.write_config()
        host.reload()


numbers = itertools.count()


@pytest.fixture
def subject(hosts):
    """A word that only messages of this test have. Afterwards no host has any of them in its queue."""
    word = f"message-{next(numbers)}-of-this-run"
    yield word
    for host in hosts.all:
        wait_for(lambda: not host.has_queued(word), what=lambda: f"an empty queue; log: {host.log_text()[-3000:]}")


def send(host, recipients, subject, sender="alice@a.test", body=b"Hello.\r\n", client=None):
    """Sends by SMTP, from the host itself or from another machine."""
    to = [recipients] if isinstance(recipients, str) else recipients
    header = f"From: <{sender}>\r\nTo: {to[0]}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@client.test>\r\n\r\n"
    with host.smtp(client) as connection:
        assert connection.sendmail(sender, to, header.encode() + body) == {}


def waits(host, *words):
    """Waits until each message in the queue of the host was tried without success; the reasons have these words."""
    reasons = wait_for(lambda: all(host.reasons()) and host.reasons(),
                       what=lambda: f"a reason; log: {host.log_text()[-2000:]}")
    for word in words:
        assert any(word in reason for reason in reasons), reasons


class Report:
    """A report of a failure, parsed (RFC 3464)."""

    def __init__(self, raw):
        self.message = email.message_from_bytes(raw)
        assert self.message["Return-Path"] == "<>"
        assert self.message.get_content_type() == "multipart/report"
        assert self.message.get_param("report-type") == "delivery-status"
        text, status, original = self.message.get_payload()
        assert text.get_content_type() == "text/plain"
        assert status.get_content_type() == "message/delivery-status"
        assert original.get_content_type() in ("message/rfc822", "text/rfc822-headers")
        self.text = text.get_payload()
        self.host, *self.recipients = status.get_payload()
        self.original = original.get_payload()

    def check(self, recipient, status, diagnostic=None):
        assert [one["Final-Recipient"] for one in self.recipients] == [f"rfc822; {recipient}"]
        only = self.recipients[0]
        assert only["Action"] == "failed"
        assert only["Status"] == status
        assert recipient in self.text
        if diagnostic:
            assert only["Diagnostic-Code"].startswith(diagnostic)
        return only


def report_at(host, user, subject):
    return Report(host.wait_for_message(user, [b"multipart/report", subject.encode()]))
