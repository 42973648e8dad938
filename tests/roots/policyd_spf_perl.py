"""Debian's postfix-policyd-spf-perl, started by spawn(8) of Postfix and asked by policy-service=, refuses forged senders and adds
its field to other mail.

Not part of `make check`: its package brings Postfix, which takes the place of other programs of the machine.
"""
import re
import socket

import pytest

import dns
from debian_mta import NoPeer, Postfix
from network import HostsOnNetwork, made_for_module
from talk import Talk

pytestmark = pytest.mark.timeout(900)

DNS, CLIENT, DAEMON, PORT = "192.0.2.53", "192.0.2.10", "192.0.2.5", 10045
ZONE = f"""@ SOA dns.test. hostmaster.test. 1 3600 600 86400 60
@ NS dns.test.
dns.test. A {DNS}
client.test. A {CLIENT}
passes.test. TXT "v=spf1 ip4:{CLIENT} -all"
fails.test. TXT "v=spf1 -all"
doubtful.test. TXT "v=spf1 ~all"
passes.test. A {CLIENT}
fails.test. A {CLIENT}
doubtful.test. A {CLIENT}
silent.test. A {CLIENT}
10.2.0.192.in-addr.arpa. PTR client.test.
"""


class PolicydSpfPerl(Postfix):
    packages = "postfix-policyd-spf-perl"

    def _configure(self, settings):
        # The daemon wants hostname(1) to find the name of its machine.
        self._write("/etc/hosts", f"127.0.0.1 localhost\n{DAEMON} {self.hostname} {socket.gethostname()}\n")
        super()._configure({**settings, "services": [
            f"{PORT} inet n n n - 0 spawn user=policyd-spf argv=/usr/sbin/postfix-policyd-spf-perl"]})


class Hosts(HostsOnNetwork):
    def _build(self):
        machine = self.network.add_machine
        self.client = machine("client", CLIENT)
        name_server = dns.NameServer(self.subfolder("dns"), {".": ZONE}, [DNS], prefix=machine("dns", DNS).prefix)
        self.a = self.host(machine("a", "192.0.2.1"), DNS, "alice: root\n", policy_service=f"{DAEMON}:{PORT}")
        self.start(name_server, self.a)
        self.daemon = PolicydSpfPerl(machine("daemon", DAEMON), "daemon.test", DNS)
        self.start(self.daemon)

    def mail_from(self, domain):
        """The last reply to a client that sends a message."""
        with self.client.inside():
            talk = Talk(self.a.machine.address_for(self.client))
        with talk:
            assert talk.say("EHLO client.test").startswith("250")
            return talk.send_mail(f"ann@{domain}", "alice@a.test", text=f"Subject: {domain}\n\nbody\n")


@pytest.fixture(scope="module")
def hosts():
    try:
        yield from made_for_module(Hosts, "postoffice-policyd-spf-")
    except NoPeer as why:
        pytest.skip(f"NEEDS {PolicydSpfPerl.packages} of Debian: {why}")


@pytest.mark.parametrize("domain, result", [("passes", "pass"), ("doubtful", "softfail"), ("silent", "none")])
def test_a_message_gets_the_field_of_the_daemon(hosts, domain, result):
    reply = hosts.mail_from(f"{domain}.test")
    assert reply.startswith("250"), hosts.a.log_text()[-600:] + hosts.daemon.log_text()[-1500:]
    message = hosts.a.wait_for_message("root", f"Subject: {domain}.test".encode())
    assert message.index(f"\nReceived-SPF: {result} (".encode()) < message.index(b"\nReceived: ")


def test_a_forged_sender_is_refused_with_the_words_of_the_daemon(hosts):
    reply = hosts.mail_from("fails.test")
    assert re.match(r"55\d .*SPF", reply, re.IGNORECASE), reply
    assert "stage=rcpt" in hosts.a.log_text() and f"service={DAEMON}:{PORT}" in hosts.a.log_text()
