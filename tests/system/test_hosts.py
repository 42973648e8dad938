"""Several hosts on a network of their own, with DNS: what becomes of mail between them, and what strangers may do."""
import email
import itertools
import os
import re
import shutil
import smtplib
import tempfile

import pytest

import dns
from conftest import needs_root
from host import wait_for
from debian_mta import NoPostfix, Postfix
from network import Network, NetworkHost, NoNetwork

pytestmark = needs_root

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
""" + "".join(f"{domain}. MX 10 b.test.\n{domain}. MX 10 c.test.\n" for domain in SHARED)

LED_TO_B = ["aliasmx.test", "alias.test", "only4.test", "only6.test", "deadfirst.test", "twoaddresses.test"]


class Hosts:
    """a and b are ordinary mail hosts, c relays for everybody, six has no IPv4."""

    def __init__(self, folder):
        self.folder = folder
        self.network = Network()
        self.started = []
        try:
            self._build()
        except BaseException:
            self.end()
            raise

    def _build(self):
        machines = {name: self.network.add_machine(name, *addresses) for name, addresses in {
            "dns": [DNS, "2001:db8::53"], "a": ["192.0.2.1", "2001:db8::1"], "b": ["192.0.2.2", "2001:db8::2"],
            "c": ["192.0.2.3"], "six": ["2001:db8::6"], "debian": ["192.0.2.5", "2001:db8::5"]}.items()}
        self.debian = machines["debian"]
        self.dns = dns.NameServer(self._subfolder("dns"), {".": ZONE, "broken.test.": None}, machines["dns"].addresses,
                                  prefix=machines["dns"].prefix)
        self.a = self._host(machines["a"], trusted="[2001:db8::6]")
        self.b = self._host(machines["b"], local_domain=["first.test", "backed.test", "broken.test", "unasked.test", *LED_TO_B, *SHARED],
                            client_connections=100)
        self.c = self._host(machines["c"], relay=1, client_connections=100, local_domain=["first.test", *SHARED])
        self.six = self._host(machines["six"], nameserver="[2001:db8::53]:53")
        self.all = (self.a, self.b, self.c, self.six)
        for service in (self.dns, *self.all):
            self.started.append(service)
            service.start()

    def _subfolder(self, name):
        path = os.path.join(self.folder, name)
        os.mkdir(path, 0o755)
        return path

    def _host(self, machine, **settings):
        settings = {"hostname": f"{machine.name}.test", "nameserver": DNS, **settings}
        host = NetworkHost(machine, self._subfolder(machine.name), **settings)
        host.write_aliases("root: Carol\n")
        return host

    def end(self):
        for service in self.started:
            service.stop()
        self.network.close()


@pytest.fixture(scope="module")
def hosts():
    if dns.NSD is None:
        pytest.skip("NEEDS nsd")
    folder = tempfile.mkdtemp(prefix="postoffice-hosts-")
    os.chmod(folder, 0o755)
    made = None
    try:
        made = Hosts(folder)
        yield made
    except NoNetwork as why:
        pytest.skip(f"NEEDS network namespaces: {why}")
    finally:
        if made:
            made.end()
        shutil.rmtree(folder)


numbers = itertools.count()


@pytest.fixture
def subject(hosts):
    """A word that only this test's messages have. Afterwards no host has any of them in its queue."""
    word = f"message-{next(numbers)}-of-this-run"
    yield word
    for host in hosts.all:
        wait_for(lambda: not host.has_queued(word), what=lambda: f"an empty queue; log: {host.log_text()[-3000:]}")


def send(host, recipients, subject, sender="alice@a.test", body=b"Hello.\r\n", client=None):
    """By SMTP, from the host itself or from another machine."""
    to = [recipients] if isinstance(recipients, str) else recipients
    header = f"From: <{sender}>\r\nTo: {to[0]}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@client.test>\r\n\r\n"
    with host.smtp(client) as connection:
        assert connection.sendmail(sender, to, header.encode() + body) == {}


def waits(host, *words):
    """Waits until every message in the host's queue was tried in vain; the reasons have these words."""
    reasons = wait_for(lambda: all(host.reasons()) and host.reasons(),
                       what=lambda: f"a reason; log: {host.log_text()[-2000:]}")
    for word in words:
        assert any(word in reason for reason in reasons), reasons


class Report:
    """A report about a message that could not be delivered, taken apart (RFC 3464)."""

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


# -- the way to another host

def test_the_mx_host_with_the_lowest_preference_takes_the_mail(hosts, subject):
    send(hosts.a, "bob@first.test", subject)
    hosts.b.wait_for_message("bob", subject.encode())
    hosts.a.wait_for_empty_queue()
    assert subject.encode() not in hosts.c.mailbox("bob")


def test_the_next_mx_host_takes_the_mail_when_the_first_is_down(hosts, subject):
    with hosts.b.stopped():
        send(hosts.a, "bob@first.test", subject)
        hosts.c.wait_for_message("bob", subject.encode())
        hosts.a.wait_for_empty_queue()


def test_equal_mx_hosts_share_the_mail(hosts, subject):
    """Each domain is a destination of its own; that one host gets all happens once in eight million runs."""
    send(hosts.a, [f"bob@{domain}" for domain in SHARED], subject)
    hosts.a.wait_for_empty_queue()
    for host in (hosts.b, hosts.c):
        host.wait_for_mail("bob", subject.encode())
        host.wait_for_empty_queue()
    arrived = [message for host in (hosts.b, hosts.c) for message in host.messages("bob") if subject.encode() in message]
    delivered_to = [email.message_from_bytes(message)["Delivered-To"] for message in arrived]
    assert sorted(delivered_to) == sorted(f"bob@{domain}" for domain in SHARED)


def test_a_backup_mx_keeps_mail_until_the_better_one_is_back(hosts, subject):
    with hosts.b.stopped():
        send(hosts.a, "bob@backed.test", subject)
        hosts.a.wait_for_empty_queue()
        waits(hosts.c, "b.test")
        hosts.c.run_queue()  # in vain again; above all, it is not sent to itself
        assert len(hosts.c.queue()) == 1
    hosts.c.run_queue()
    message = email.message_from_bytes(hosts.b.wait_for_message("bob", subject.encode()))
    assert [re.search(r"\bby (\S+)", field)[1] for field in message.get_all("Received")] == ["b.test", "c.test", "a.test"]


def test_mail_waits_while_the_host_is_down(hosts, subject):
    with hosts.b.stopped():
        send(hosts.a, "bob@b.test", subject)
        waits(hosts.a, "b.test", "refused")
        shown = hosts.a.run("mailq", check=True).stdout.decode()
        assert "bob@b.test" in shown and "refused" in shown
        hosts.a.run_queue()
        assert [entry["recipients"][0]["address"] for entry in hosts.a.queue()] == ["bob@b.test"]
    hosts.a.run_queue()
    hosts.b.wait_for_message("bob", subject.encode())
    assert subject.encode() not in hosts.a.mailbox("alice")


@pytest.mark.parametrize("domain", LED_TO_B)
def test_every_way_to_name_a_host_leads_there(hosts, subject, domain):
    send(hosts.a, f"bob@{domain}", subject)
    message = email.message_from_bytes(hosts.b.wait_for_message("bob", subject.encode()))
    assert message["Delivered-To"] == f"bob@{domain}"
    client = message.get_all("Received")[0]
    assert ("2001:db8::1" in client) == (domain not in ("only4.test", "twoaddresses.test"))


@pytest.mark.parametrize("domain", ["[192.0.2.2]", "[IPv6:2001:db8::2]"])
def test_to_an_address_literal(hosts, subject, domain):
    send(hosts.a, f"bob@{domain}", subject)
    hosts.b.wait_for_message("bob", subject.encode())


def test_to_and_from_a_host_without_ipv4(hosts, subject):
    send(hosts.a, "alice@six.test", subject)
    hosts.six.wait_for_message("alice", subject.encode())
    send(hosts.six, "bob@b.test", subject, sender="alice@six.test")
    hosts.b.wait_for_message("bob", subject.encode())


# -- what cannot be delivered

def test_an_unknown_user_is_reported_to_the_sender(hosts, subject):
    send(hosts.a, "nobody-there@b.test", subject)
    report = report_at(hosts.a, "alice", subject)
    only = report.check("nobody-there@b.test", "5.1.1", "smtp; 550 5.1.1")
    assert only["Remote-MTA"] == "dns; b.test"
    assert report.host["Reporting-MTA"] == "dns; a.test"
    assert report.message["To"] == "alice@a.test"
    assert report.message["In-Reply-To"] == f"<{subject}@client.test>"
    assert report.original[0]["Subject"] == subject
    assert "RCPT" in hosts.b.log_text() and "nobody-there@b.test" in hosts.b.log_text()


def test_only_the_unknown_one_of_several_is_reported(hosts, subject):
    send(hosts.a, ["bob@b.test", "nobody-there@b.test", "alice@b.test", "alice@c.test"], subject)
    for host, user in ((hosts.b, "bob"), (hosts.b, "alice"), (hosts.c, "alice")):
        host.wait_for_message(user, subject.encode())
    report_at(hosts.a, "alice", subject).check("nobody-there@b.test", "5.1.1")


def test_a_sender_elsewhere_gets_the_report_there(hosts, subject):
    send(hosts.a, "nobody-there@b.test", subject, sender="alice@c.test")
    report_at(hosts.c, "alice", subject).check("nobody-there@b.test", "5.1.1")


def test_sendmail_reports_to_who_sent(hosts, subject):
    done = hosts.a.run("sendmail", "-i", "-f", "bob@a.test", "nobody-there@b.test",
                       input=f"Subject: {subject}\n\nHello.\n".encode(), check=True)
    assert done.stdout == done.stderr == b""
    report_at(hosts.a, "bob", subject).check("nobody-there@b.test", "5.1.1")


def test_a_report_that_cannot_be_delivered_goes_to_postmaster(hosts, subject):
    send(hosts.a, "nobody-there@b.test", subject, sender="nobody-here@c.test")
    report = report_at(hosts.a, "Carol", subject)
    report.check("nobody-here@c.test", "5.1.1")
    assert Report(report.original[0].as_bytes().replace(b"MIME-Version", b"Return-Path: <>\nMIME-Version", 1))


def test_a_report_that_not_even_postmaster_gets_ends_in_the_log(hosts, subject):
    hosts.a.write_aliases("root: nobody-at-all@b.test\n")
    try:
        send(hosts.a, "nobody-there@b.test", subject, sender="nobody-here@c.test")
        hosts.a.wait_for_empty_queue()
    finally:
        hosts.a.write_aliases("root: Carol\n")
    assert "unreportable" in hosts.a.log_text()
    for host in (hosts.a, hosts.b, hosts.c):
        assert all(subject.encode() not in host.mailbox(user) for user in ("alice", "bob", "Carol"))


@pytest.mark.parametrize("domain, status, words", [
    ("null.test", "5.1.10", "takes no mail"),
    ("missing.test", "5.1.2", "no such domain"),
    ("noaddress.test", "5.1.2", "neither MX nor address"),
    ("nohost.test", "5.1.2", "no MX host"),
    ("back.test", "5.4.6", "leads back to this host"),
    ("worse.test", "5.4.6", "leads back to this host"),
])
def test_a_domain_that_takes_no_mail_is_reported_at_once(hosts, subject, domain, status, words):
    send(hosts.a, f"bob@{domain}", subject)
    report = report_at(hosts.a, "alice", subject)
    report.check(f"bob@{domain}", status)
    assert words in " ".join(report.text.split())


def test_mail_waits_for_a_domain_whose_name_server_fails(hosts, subject):
    send(hosts.a, "bob@broken.test", subject)
    waits(hosts.a, "broken.test", "SERVFAIL")
    hosts.a.run_queue()
    assert len(hosts.a.queue()) == 1
    hosts.dns.write_zone("broken.test.", "@ SOA dns.test. hostmaster.test. 1 3600 600 86400 60\n"
                                         "@ NS dns.test.\n@ MX 10 b.test.\n")
    hosts.dns.stop()
    hosts.dns.start()
    hosts.a.run_queue()
    hosts.b.wait_for_message("bob", subject.encode())
    assert subject.encode() not in hosts.a.mailbox("alice")


def test_mail_waits_while_dns_is_down(hosts, subject):
    hosts.dns.stop()
    try:
        send(hosts.a, "bob@unasked.test", subject)  # no connection to b.test would help
        waits(hosts.a, "unasked.test", "refused")
    finally:
        hosts.dns.start()
    hosts.a.run_queue()
    hosts.b.wait_for_message("bob", subject.encode())
    assert subject.encode() not in hosts.a.mailbox("alice")


# -- strangers

@pytest.mark.parametrize("recipient", [
    "bob@b.test", "@a.test:bob@b.test", "@a.test,@six.test:bob@b.test", "bob%b.test@a.test", "bob%b.test",
    "bob%b.test%six.test@a.test", "b.test!bob", "b.test!bob@a.test", "a.test!b.test!bob", '"bob@b.test"@a.test', '"bob@b.test"',
    '"bob%b.test"@a.test', '"b.test!bob"@a.test', "bob@b.test@a.test", "bob@[192.0.2.2]", "bob%[192.0.2.2]@a.test",
    "bob@[IPv6:2001:db8::2]", "bob%b.test@[192.0.2.1]", '"bob@b.test"@[192.0.2.1]', "bob@B.TEST.", "postmaster@b.test",
    '"bob@b.test"@localhost', "a.test!bob@b.test", "bob@a.test@b.test",
])
def test_a_stranger_cannot_relay(hosts, recipient):
    queued = hosts.a.spool_files()
    with hosts.a.smtp(hosts.c.machine) as client:
        client.ehlo()
        assert client.docmd("MAIL", "FROM:<alice@a.test>")[0] == 250
        code, text = client.docmd("RCPT", f"TO:<{recipient}>")
        assert 500 <= code <= 599, text
        assert client.docmd("DATA")[0] >= 500
    assert hosts.a.spool_files() == queued


def test_a_source_route_to_a_user_of_ours_is_only_passed_over(hosts, subject):
    with hosts.a.smtp(hosts.c.machine) as client:
        client.ehlo()
        client.mail("alice@c.test")
        assert client.docmd("RCPT", "TO:<@six.test,@b.test:alice@a.test>")[0] == 250
        client.data(f"Subject: {subject}\r\n\r\n".encode())
    message = hosts.a.wait_for_message("alice", subject.encode())
    assert email.message_from_bytes(message)["Delivered-To"] == "alice@a.test"


def test_a_trusted_host_may_relay(hosts, subject):
    send(hosts.a, "bob@b.test", subject, client=hosts.six.machine)
    hosts.b.wait_for_message("bob", subject.encode())


def test_a_stranger_is_told_why(hosts):
    with hosts.a.smtp(hosts.c.machine) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            client.sendmail("alice@c.test", ["bob@b.test"], b"")
    code, text = refused.value.recipients["bob@b.test"]
    assert code == 550 and text.startswith(b"5.7.1") and b"192.0.2.3" in text


# -- the message itself

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
    """A message that lacks nothing, so that nobody on its way adds anything but traces; LF line ends."""
    return (f"From: Somebody <{sender}>\nTo: everybody@example.org\nDate: Sat, 21 Nov 2026 10:00:00 +0100\n"
            f"Message-ID: <{subject}@client.test>\nSubject: {subject}\nMIME-Version: 1.0\n"
            "Content-Type: text/plain; charset=unknown-8bit\nContent-Transfer-Encoding: 8bit\n"
            "X-Folded: one\n\ttwo\n\n").encode() + body


def submit(host, sender, recipients, message):
    with host.smtp() as client:
        assert client.sendmail(sender, recipients, message.replace(b"\n", b"\r\n"), ["BODY=8BITMIME"]) == {}


def without_traces(message):
    return message[message.index(b"From: Somebody"):]


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


def test_a_message_to_very_many(hosts, subject):
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
    try:
        made = Postfix(hosts.debian, "debian.test", DNS, aliases="elsewhere: nobody-there@b.test\n",
                       message_size_limit="2000000")
    except NoPostfix as why:
        pytest.skip(f"NEEDS Postfix of Debian: {why}")
    try:
        yield made.start()
    finally:
        made.close()


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_to_postfix(hosts, postfix, subject, body):
    sent = original(subject, "alice@a.test", body)
    submit(hosts.a, "alice@a.test", ["debby@debian.test"], sent)
    assert without_traces(postfix.wait_for_message("debby", subject.encode())) == sent


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_from_postfix(hosts, postfix, subject, body):
    sent = original(subject, "debby@debian.test", body)
    postfix.send("debby@debian.test", ["alice@a.test"], sent)
    message = hosts.a.wait_for_message("alice", subject.encode())
    assert without_traces(message) == sent
    assert email.message_from_bytes(message)["Return-Path"] == "<debby@debian.test>"


def test_postfix_refuses_an_unknown_user(hosts, postfix, subject):
    send(hosts.a, "nobody-there@debian.test", subject)
    only = report_at(hosts.a, "alice", subject).check("nobody-there@debian.test", "5.1.1", "smtp; 550 5.1.1")
    assert only["Remote-MTA"] == "dns; debian.test"


def test_postfix_takes_no_large_messages(hosts, postfix, subject):
    send(hosts.a, "debby@debian.test", subject, body=b"a line of thirty octets, or so\r\n" * 80_000)
    report = report_at(hosts.a, "alice", subject)
    report.check("debby@debian.test", "5.3.4")
    assert "header of your message" in report.text


def test_postfix_reports_what_it_could_not_deliver(hosts, postfix, subject):
    send(hosts.a, "elsewhere@debian.test", subject)
    report = Report(hosts.a.wait_for_message("alice", [b"multipart/report", subject.encode()]))
    assert report.host["Reporting-MTA"] == "dns; debian.test"
    report.check("nobody-there@b.test", "5.1.1", "smtp; 550 5.1.1")


def test_postfix_gets_our_report(hosts, postfix, subject):
    send(hosts.a, "nobody-there@b.test", subject, sender="debby@debian.test")
    report = Report(postfix.wait_for_message("debby", [b"multipart/report", subject.encode()]))
    assert report.host["Reporting-MTA"] == "dns; a.test"
    report.check("nobody-there@b.test", "5.1.1", "smtp; 550 5.1.1")


def test_postfix_is_told_of_an_unknown_user(hosts, postfix, subject):
    postfix.send("debby@debian.test", ["nobody-there@a.test"], original(subject, "debby@debian.test", b"Hello.\n"))
    report = Report(postfix.wait_for_message("debby", [b"multipart/report", subject.encode()]))
    report.check("nobody-there@a.test", "5.1.1", "smtp; 550 5.1.1")
