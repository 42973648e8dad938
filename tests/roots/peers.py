"""Mail goes both ways between this host and Exim, OpenSMTPD and sendmail: under TLS, with octets above 127 unchanged, with
reports of success and failure, and with addresses of UTF-8.

Not part of `make check`, for the time that their installation takes: `make check-roots`, as root on Debian. Postfix is a peer
of many tests of `make check`.
"""
import os
import re

import pytest

import dns
from certificates import Authority
from conftest import needs_tls
from debian_mta import NoPeer
from debian_peers import Exim, OpenSmtpd, Sendmail
from host import wait_for
from network import HostsOnNetwork, made_for_module

pytestmark = [pytest.mark.timeout(900), needs_tls]

DNS = "192.0.2.53"
ZONE = f"""@ SOA dns.test. hostmaster.test. 1 3600 600 86400 60
@ NS dns.test.
dns.test. A {DNS}
a.test. A 192.0.2.1
a.test. MX 10 a.test.
peer.test. A 192.0.2.5
peer.test. MX 10 peer.test.
"""
BODY = "Grüße: ß€\n.\n..\n".encode() + b"x" * 900 + b"\n"


class Hosts(HostsOnNetwork):
    peer_class = None

    def _build(self):
        machine = self.network.add_machine
        self.dns = dns.NameServer(self.subfolder("dns"), {".": ZONE}, [DNS], prefix=machine("dns", DNS).prefix)
        authority = Authority(self.subfolder("ca"))
        self.a = self.host(machine("a", "192.0.2.1"), DNS, "alice: root\nbob: root\n", notify_success=1, retry="1s",
                           tls_certificate=authority.issue("a.test", "a.pem"))
        self.start(self.dns, self.a)
        self.peer = self.peer_class(machine("peer", "192.0.2.5"), "peer.test", DNS,
                                    certificate=authority.issue("peer.test", "peer.pem"))
        self.started.append(self.peer)
        self.peer.start()

    def send(self, *arguments, subject):
        text = f"From: alice@a.test\nSubject: {subject}\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n" \
               "Content-Transfer-Encoding: 8bit\n\n"
        self.a.run("sendmail", "-i", "-f", "alice@a.test", *arguments, input=text.encode() + BODY, check=True)


@pytest.fixture(scope="module", params=[Exim, OpenSmtpd, Sendmail], ids=lambda peer: peer.__name__)
def hosts(request):
    made = type("Hosts", (Hosts,), {"peer_class": request.param})
    try:
        yield from made_for_module(made, "postoffice-peers-")
    except NoPeer as why:
        pytest.skip(f"NEEDS {request.param.packages} of Debian: {why}")


def test_our_mail_arrives_whole_and_under_tls(hosts):
    hosts.send("debby@peer.test", subject="to the peer")
    message = hosts.peer.wait_for_message("debby", b"Subject: to the peer")
    assert message.rstrip().endswith(BODY.rstrip())
    log = wait_for(lambda: re.search(r"delivered to=<debby@peer\.test>.*", hosts.a.log_text()), what=hosts.a.log_text).group()
    if hosts.peer.serves_tls:
        assert re.search(r" tls=\"?TLSv1\.3", log), log
    else:
        assert " tls=" not in log and re.search(r"remote-tls-failed .*next=\"in the clear\"", hosts.a.log_text())


def test_mail_of_the_peer_arrives_whole_and_under_tls(hosts):
    text = b"From: debby@peer.test\nTo: bob@a.test\nSubject: from the peer\nMIME-Version: 1.0\n" \
           b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    hosts.peer.send("debby@peer.test", ["bob@a.test"], text + BODY)
    message = hosts.a.wait_for_message("root", b"Subject: from the peer", seconds=60)
    assert message.rstrip().endswith(BODY.rstrip())
    assert re.search(rb"^Received: from peer\.test \(.*\n?.*with ESMTPS", message, re.MULTILINE), message


def test_success_is_reported_across_the_peer(hosts):
    hosts.send("-N", "success", "debby@peer.test", subject="tell me")
    report = hosts.a.wait_for_message("root", [b"Return-Path: <>", b"debby@peer.test", b"Subject: tell me"], seconds=60)
    if b"message/delivery-status" in report:  # OpenSMTPD has words alone
        assert re.search(rb"^Action: (delivered|relayed)", report, re.MULTILINE | re.IGNORECASE), report


def test_an_unknown_recipient_is_reported_on_both_sides(hosts):
    hosts.send("nobody-here@peer.test", subject="to no one")
    report = hosts.a.wait_for_message("root", [b"Action: failed", b"nobody-here@peer.test"], seconds=60)
    assert b"Remote-MTA: dns; peer.test" in report and re.search(rb"^Diagnostic-Code: smtp; 55", report, re.MULTILINE)
    hosts.peer.send("debby@peer.test", ["nobody-here@a.test"], b"Subject: to no one\n\nx\n")
    hosts.peer.wait_for_message("debby", b"nobody-here@a.test", seconds=60)


def test_an_address_of_utf8_arrives_or_is_reported(hosts):
    hosts.send("dé@peer.test", subject="with an accent")
    if hosts.peer.takes_utf8:
        message = hosts.peer.wait_for_message("debby", b"Subject: with an accent", seconds=60)
        assert message.rstrip().endswith(BODY.rstrip())
    else:
        report = hosts.a.wait_for_message("root", [b"Action: failed", "dé@peer.test".encode(), b"Status: 5.6.7"], seconds=60)
        assert b"SMTPUTF8" in report
