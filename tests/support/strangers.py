"""A mail host, and clients of every kind: with and without a name, listed, trusted, with mail exchanged by this
host."""
import contextlib
import os

import pytest

import dns
from access_tables import AccessTables
from network import Network, NetworkHost, made_for_module
from sink import Sink
from talk import Talk

DNS, HOST, ELSEWHERE = "192.0.2.53", "192.0.2.1", "192.0.2.30"

CLIENTS = {
    "good": "192.0.2.10", "nameless": "192.0.2.11", "liar": "192.0.2.12", "listed": "192.0.2.13",
    "six": "2001:db8::14", "customer": "192.0.2.15", "neighbour": "192.0.2.16", "wild": "192.0.2.17",
    "both": "192.0.2.18", "unheard": "192.0.2.66"}

ZONE = f"""
@           SOA dns.test. hostmaster.test. 1 3600 600 86400 60
@           NS  dns.test.
dns.test.   A   {DNS}
host.test.  A   {HOST}
host.test.  AAAA 2001:db8::1
host.test.  MX  10 host.test.
elsewhere.test. A {ELSEWHERE}
elsewhere.test. MX 10 elsewhere.test.
good.test.  A   192.0.2.10
liar.test.  A   192.0.2.99
listed.test. A  192.0.2.13
six.test.   AAAA 2001:db8::14
customer.test. A 192.0.2.15
customer.test. MX 10 host.test.
neighbour.customer.test. A 192.0.2.16
*.wild.test. A 192.0.2.17
*.wild.test. MX 10 host.test.
both.test.  A   192.0.2.18
null.test.  MX 0 .
farm.test.  A   192.0.2.10
farm.test.  TXT "v=spf1 a:good.test a:six.test -all"
everybody.test. A 192.0.2.10
everybody.test. TXT "v=spf1 +all"
bare.test.  TXT "nothing else"
10.2.0.192.in-addr.arpa. PTR good.test.
12.2.0.192.in-addr.arpa. PTR liar.test.
13.2.0.192.in-addr.arpa. PTR listed.test.
15.2.0.192.in-addr.arpa. PTR customer.test.
16.2.0.192.in-addr.arpa. PTR neighbour.customer.test.
17.2.0.192.in-addr.arpa. PTR host.wild.test.
18.2.0.192.in-addr.arpa. PTR both.test.
4.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR six.test.
13.2.0.192.bad.test. A 127.0.0.2
13.2.0.192.bad.test. TXT "see bad.test about it"
18.2.0.192.bad.test. A 127.0.0.4
18.2.0.192.fine.test. A 127.0.0.2
4.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bad.test. A 127.0.0.3
"""

# Where questions get SERVFAIL.
BROKEN = {"66.2.0.192.in-addr.arpa.": None, "broken.test.": None}


class Strangers:
    def __init__(self, folder):
        self._folder = folder
        self._network = Network()
        self._services = contextlib.ExitStack()
        try:
            self._build()
        except BaseException:
            self.end()
            raise

    def _build(self):
        machines = {"dns": [DNS], "host": [HOST, "2001:db8::1"], "elsewhere": [ELSEWHERE],
                    **{name: [address] for name, address in CLIENTS.items()}}
        self.machines = {name: self._network.add_machine(name, *own) for name, own in machines.items()}
        for name in ("dns", "host"):
            os.mkdir(os.path.join(self._folder, name), 0o755)
        server = dns.NameServer(os.path.join(self._folder, "dns"), {".": ZONE, **BROKEN}, [DNS],
                                prefix=self.machines["dns"].prefix)
        self._services.callback(server.stop)
        server.start()
        with self.machines["elsewhere"].inside():
            self.sink = self._services.enter_context(Sink(ELSEWHERE, 25))
        self.tables = AccessTables(self._folder)
        self._services.callback(self.tables.end)
        self.host = NetworkHost(self.machines["host"], os.path.join(self._folder, "host"), hostname="host.test",
                                nameserver=DNS, client_connections=100, rate_connections="0", tarpit="0")
        self._own_settings = dict(self.host.settings)
        self._services.callback(self.host.end)
        self.host.start()

    def configure(self, **options):
        """Restores the first configuration of the host, with these options in addition."""
        self.host.settings = dict(self._own_settings)
        self.host.write_config(**options)
        self.host.reload()

    def talk(self, client):
        machine = self.machines[client]
        with machine.inside():
            return Talk(self.machines["host"].address_for(machine))

    def mail(self, client, sender="someone@good.test", *recipients, **options):
        """The last reply to a client that sends a message."""
        with self.talk(client) as talk:
            if not talk.greeting.startswith("220"):
                return talk.greeting
            reply = talk.say(f"EHLO {client}.test")
            if not reply.startswith("250"):
                return reply
            return talk.send_mail(sender, *(recipients or ["bob@host.test"]), **options)

    def end(self):
        self._services.close()
        self._network.close()


@pytest.fixture(scope="module")
def all_strangers():
    yield from made_for_module(Strangers, "postoffice-strangers-")


@pytest.fixture
def strangers(all_strangers):
    """With empty tables and the default configuration."""
    all_strangers.tables.write()
    all_strangers.configure()
    return all_strangers
