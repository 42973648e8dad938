"""A mail host with an IPv6 address that does not answer gets its mail by IPv4 soon, not after the time for a connection;
and by IPv6 where that works (RFC 8305)."""
import re

import pytest

import dns
from conftest import needs_root
from host import wait_for
from network import HostsOnNetwork, made_for_module

pytestmark = needs_root

DNS, DEAD = "192.0.2.53", "2001:db8::dead"
ZONE = f"""@ SOA dns.test. hostmaster.test. 1 3600 600 86400 60
@ NS dns.test.
dns.test. A {DNS}
a.test. A 192.0.2.1
half.test. MX 10 b-half.test.
b-half.test. A 192.0.2.2
b-half.test. AAAA {DEAD}
whole.test. MX 10 b.test.
b.test. A 192.0.2.2
b.test. AAAA 2001:db8::2
"""


class Hosts(HostsOnNetwork):
    def _build(self):
        machine = self.network.add_machine
        name_server = machine("dns", DNS)
        self.dns = dns.NameServer(self.subfolder("dns"), {".": ZONE}, [DNS], prefix=name_server.prefix)
        sender = machine("a", "192.0.2.1", "2001:db8::1")
        # Packets for this address go to a machine that does not exist, and nothing comes back.
        self.network._ip(sender.namespace, "neigh", "add", DEAD, "lladdr", "02:00:00:00:00:99", "dev", "eth0")
        self.a = self.host(sender, DNS, "")
        self.b = self.host(machine("b", "192.0.2.2", "2001:db8::2"), DNS, "bob: root\n",
                           local_domain=["half.test", "whole.test"])
        self.start(self.dns, self.a, self.b)


@pytest.fixture(scope="module")
def hosts():
    yield from made_for_module(Hosts, "postoffice-eyeballs-")


@pytest.mark.parametrize("domain, address", [("half.test", "192.0.2.2"), ("whole.test", "2001:db8::2")])
def test_the_address_that_answers_gets_the_mail(hosts, domain, address):
    hosts.a.run("sendmail", "-f", "alice@a.test", f"bob@{domain}", input=f"Subject: to {domain}\n\nx\n".encode(), check=True)
    # A connection may take 30 s.
    hosts.b.wait_for_message("root", f"Subject: to {domain}".encode(), seconds=20)
    wait_for(lambda: re.search(rf"delivered to=<bob@{re.escape(domain)}>.* host=\"?\S+ \[(IPv6:)?{address}\]", hosts.a.log_text()),
             what=hosts.a.log_text)
