"""A transport of its own gives mail by a route, or of a sender, another source address, another name in the greeting, and a
rate; and an address that is not of this host holds that mail, with the reason in the log."""
import os
import re

import pytest

import dns
from conftest import needs_root
from host import wait_for
from network import HostsOnNetwork, made_for_module

pytestmark = needs_root

DNS = "192.0.2.53"
ZONE = f"""@ SOA dns.test. hostmaster.test. 1 3600 600 86400 60
@ NS dns.test.
dns.test. A {DNS}
a.test. A 192.0.2.1
news.test. A 192.0.2.9
""" + "".join(f"{name}.test. MX 10 b.test.\n" for name in ("plain", "bulk", "slow", "gone"))
ZONE += "b.test. A 192.0.2.2\nb.test. AAAA 2001:db8::2\n"
TRANSPORTS = ["bulk source-address=192.0.2.9,2001:db8::9 helo-name=news.test", "slow destination-rate=1/1h",
              "gone source-address=192.0.2.77 source-address=2001:db8::77"]
ROUTES = "bulk.test bulk:\nslow.test slow:\ngone.test gone:[192.0.2.2]\nfour.test bulk:[192.0.2.2]\n"


class Hosts(HostsOnNetwork):
    def _build(self):
        machine = self.network.add_machine
        self.dns = dns.NameServer(self.subfolder("dns"), {".": ZONE}, [DNS], prefix=machine("dns", DNS).prefix)
        self.a = self.host(machine("a", "192.0.2.1", "192.0.2.9", "2001:db8::1", "2001:db8::9"), DNS, "", transport=TRANSPORTS,
                           helo_name="usual.test",
                           routes=self.table("routes", ROUTES), sender_relay=self.table("senders", "@news.test bulk:\n"))
        self.b = self.host(machine("b", "192.0.2.2", "2001:db8::2"), DNS, "bob: root\n",
                           local_domain=["plain.test", "bulk.test", "slow.test", "four.test"])
        self.start(self.dns, self.a, self.b)

    def table(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o644)
        return path

    def send(self, recipient, subject, sender="alice@a.test"):
        self.a.run("sendmail", "-f", sender, recipient, input=f"Subject: {subject}\n\nx\n".encode(), check=True)

    def came_from(self, subject):
        """The name and the address that the other host has seen."""
        text = self.b.wait_for_message("root", f"Subject: {subject}\n".encode()).decode()
        return re.search(r"^Received: from (\S+) \(.*?\[(?:IPv6:)?([0-9a-f.:]+)\]", text, re.MULTILINE).groups()


@pytest.fixture(scope="module")
def hosts():
    yield from made_for_module(Hosts, "postoffice-transports-")


def test_source_and_name_are_those_of_the_transport(hosts):
    hosts.send("bob@plain.test", "by the usual one")
    hosts.send("bob@bulk.test", "by a route")
    hosts.send("bob@four.test", "by a route to IPv4")
    hosts.send("bob@plain.test", "by its sender", sender="list@news.test")
    assert hosts.came_from("by the usual one")[0] == "usual.test"  # from any address: both are good for IPv6
    assert hosts.came_from("by a route") == ("news.test", "2001:db8::9")
    assert hosts.came_from("by a route to IPv4") == ("news.test", "192.0.2.9")
    assert hosts.came_from("by its sender") == ("news.test", "2001:db8::9")


def test_an_address_of_another_host_holds_the_mail(hosts):
    hosts.send("bob@gone.test", "from nowhere")
    wait_for(lambda: re.search(r"deferred to=<bob@gone\.test>.*source address 192\.0\.2\.77", hosts.a.log_text()),
             what=hosts.a.log_text)


def test_a_rate_holds_the_mail_of_its_transport_alone(hosts):
    for number in range(3):
        hosts.send("bob@slow.test", f"slow {number}")
    wait_for(lambda: b"Subject: slow" in hosts.b.mailbox("root"), what=hosts.a.log_text)
    hosts.send("bob@plain.test", "behind them")
    hosts.came_from("behind them")
    assert hosts.b.mailbox("root").count(b"Subject: slow") == 1
    waiting = [entry for entry in hosts.a.queue() if entry["recipients"][0]["address"] == "bob@slow.test"]
    assert len(waiting) == 2
    assert len(re.findall(r"(?:delivered|deferred) to=<bob@slow\.test>", hosts.a.log_text())) == 1
    hosts.a.write_config(transport=[*TRANSPORTS[:1], "slow helo-name=a.test", TRANSPORTS[2]])
    hosts.a.reload()
    wait_for(lambda: hosts.b.mailbox("root").count(b"Subject: slow") == 3, what=hosts.a.log_text)
