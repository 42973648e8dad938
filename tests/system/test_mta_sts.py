"""Mail for a domain with a policy of MTA-STS goes to no other hosts than those of the policy, and to these only under TLS
with a good certificate; what was known of a policy holds while DNS or the web server do not answer (RFC 8461)."""
import itertools
import os
import shutil
import subprocess
import sys

import pytest

import dns
import web_server
from certificates import Authority
from conftest import BINARY, needs_root, needs_tls
from host import wait_for
from network import HostsOnNetwork, made_for_module

VERSION = subprocess.run([BINARY, "-V"], capture_output=True, text=True).stdout
pytestmark = [needs_root, needs_tls,
              pytest.mark.skipif("MTA-STS" not in VERSION, reason="BUILT WITHOUT LIBCURL: --without-curl")]

DNS, WEB = "192.0.2.53", "192.0.2.80"

# Domain, host of its MX record, policy. Hosts: good.test has a certificate for its name, wrong.test one for another name,
# plain.test has no TLS.
ENFORCE = "version: STSv1\r\nmode: enforce\r\nmx: {host}\r\nmax_age: 86400\r\n"
TESTING = ENFORCE.replace("enforce", "testing")
POLICIES = {
    "good-host": ("good.test", ENFORCE.format(host="good.test")),
    "pattern": ("good.test", ENFORCE.format(host="*.test")),
    "no-tls": ("plain.test", ENFORCE.format(host="plain.test")),
    "wrong-name": ("wrong.test", ENFORCE.format(host="wrong.test")),
    "other-host": ("good.test", ENFORCE.format(host="other.test")),
    "tested": ("plain.test", TESTING.format(host="plain.test")),
    "tested-other-host": ("wrong.test", TESTING.format(host="other.test")),
    "mode-none": ("plain.test", "version: STSv1\nmode: none\nmax_age: 86400\n"),
    "malformed": ("plain.test", "<html>no policy</html>\n"),
    "too-long": ("plain.test", ENFORCE.format(host="other.test") + "x: y\n" * 13200),
    "not-found": ("plain.test", None),
    "redirected": ("plain.test", ENFORCE.format(host="other.test")),
    "failing": ("plain.test", ENFORCE.format(host="other.test")),
    "stranger": ("plain.test", ENFORCE.format(host="other.test")),
    "not-announced": ("plain.test", ENFORCE.format(host="other.test")),
    "twice": ("plain.test", ENFORCE.format(host="other.test")),
    "changing": ("plain.test", ENFORCE.format(host="plain.test")),
    "lasting": ("plain.test", ENFORCE.format(host="plain.test")),
    "short": ("plain.test", ENFORCE.format(host="plain.test").replace("86400", "1")),
    "off": ("plain.test", ENFORCE.format(host="plain.test")),
}
DELIVERED = {"good-host": "sts", "pattern": "sts", "tested": "sts-testing", "tested-other-host": "sts-testing",
             **dict.fromkeys(["mode-none", "malformed", "too-long", "not-found", "redirected", "failing", "stranger",
                              "not-announced", "twice"])}
HELD = {"no-tls": "STARTTLS", "wrong-name": "certificate", "other-host": "good.test"}


def zone(announced=POLICIES, version=1):
    text = f"@ SOA dns.test. hostmaster.test. {version} 3600 600 86400 60\n@ NS dns.test.\ndns.test. A {DNS}\n"
    text += "a.test. A 192.0.2.1\n"
    for host, address in {"good": "192.0.2.2", "plain": "192.0.2.3", "wrong": "192.0.2.4"}.items():
        text += f"{host}.test. A {address}\n"
    for name, (host, _) in POLICIES.items():
        text += f"{name}.test. MX 10 {host}.\nmta-sts.{name}.test. A {WEB}\n"
        if name in announced and name != "not-announced":
            text += f'_mta-sts.{name}.test. TXT "v=STSv1; id={version};"\n_mta-sts.{name}.test. TXT "v=spf1 -all"\n'
    return text + '_mta-sts.twice.test. TXT "v=STSv1; id=x;"\n'


class Hosts(HostsOnNetwork):
    web = None

    def _build(self):
        machines = {name: self.network.add_machine(name, address) for name, address in {
            "dns": DNS, "web": WEB, "a": "192.0.2.1", "good": "192.0.2.2", "plain": "192.0.2.3",
            "wrong": "192.0.2.4"}.items()}
        authority = Authority(self.subfolder("ca"))
        authorities = os.path.join(self.subfolder("public"), "ca.pem")
        shutil.copyfile(authority.certificate, authorities)
        self.dns = dns.NameServer(self.subfolder("dns"), {".": zone()}, [DNS], prefix=machines["dns"].prefix)
        self.a = self._host(machines["a"], remote_tls_authorities=authorities)
        at = {host: [f"{name}.test" for name, (mx, _) in POLICIES.items() if mx == f"{host}.test"]
              for host in ("good", "plain", "wrong")}
        others = [self._host(machines[name], local_domain=domains,
                             **({} if name == "plain" else {"tls_certificate": authority.issue("good.test", f"{name}.pem")}))
                  for name, domains in at.items()]
        self.start(self.dns, self.a, *others)
        self._start_web(machines["web"], authority)

    def _start_web(self, machine, authority):
        names = ",DNS:".join(f"mta-sts.{name}.test" for name in POLICIES if name != "stranger")
        certificate = authority.issue(names, "web.pem")
        for name, (_, policy) in POLICIES.items():
            self.write_policy(name, policy)
        with open(os.path.join(self.folder, "web", "mta-sts.failing.test", "status"), "w") as status:
            status.write("503")
        redirected = os.path.join(self.folder, "web", "mta-sts.redirected.test")
        for file, text in (("status", "301"), ("location", "https://mta-sts.good-host.test/.well-known/mta-sts.txt")):
            with open(os.path.join(redirected, file), "w") as written:
                written.write(text)
        self.requests = os.path.join(self.folder, "requests")
        self.web = subprocess.Popen([*machine.prefix, sys.executable, web_server.__file__, WEB,
                                     os.path.join(self.folder, "web"), certificate, self.requests],
                                    stdin=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(self.requests), what="the web server")

    def write_policy(self, name, text):
        folder = os.path.join(self.folder, "web", f"mta-sts.{name}.test")
        os.makedirs(folder, exist_ok=True)
        if text is not None:
            with open(os.path.join(folder, "mta-sts.txt"), "w", newline="") as file:
                file.write(text)

    def fetches(self, name):
        with open(self.requests) as file:
            return file.read().split().count(f"mta-sts.{name}.test/.well-known/mta-sts.txt")

    def write_zone(self, **changes):
        self.dns.stop()
        self.dns.write_zone(".", zone(**changes))
        self.dns.start()

    def _host(self, machine, **settings):
        return self.host(machine, nameserver=DNS, aliases="box: Carol\n", client_connections=100, **settings)

    def end(self):
        if self.web:
            self.web.kill()
            self.web.wait()
        super().end()


@pytest.fixture(scope="module")
def hosts():
    yield from made_for_module(Hosts, "postoffice-sts-")


numbers = itertools.count()


def line_of(host, name, event):
    """The last line of the log with what became of a new message for the domain."""
    sender = f"sender-{next(numbers)}@a.test"
    host.run("sendmail", "-f", sender, f"box@{name}.test", input=b"Subject: x\n\nx\n", check=True)

    def lines():
        return [line for line in host.log_text().splitlines() if f" {event} to=<box@{name}.test> from=<{sender}>" in line]
    return wait_for(lines, what=lambda: f"{event}, from {sender}; {host.log_text()[-3000:]}")[-1]


@pytest.mark.parametrize("name", DELIVERED)
def test_mail_that_the_policy_allows_is_delivered(hosts, name):
    line = line_of(hosts.a, name, "delivered")
    policy = DELIVERED[name] or "may"
    assert f"tls-policy={policy}" in line, line
    assert ("tls=" in line) == (POLICIES[name][0] != "plain.test"), line


@pytest.mark.parametrize("name", HELD)
def test_mail_that_the_policy_forbids_waits(hosts, name):
    line = line_of(hosts.a, name, "deferred")
    assert 'reply="4' in line and HELD[name] in line, line
    assert " delivered " not in "".join(one for one in hosts.a.log_text().splitlines() if f"@{name}.test>" in one)


def test_a_policy_is_fetched_once_and_survives_dns_and_a_restart(hosts):
    assert "plain.test" in line_of(hosts.a, "lasting", "deferred")
    with hosts.a.stopped():
        hosts.write_zone(announced=set(POLICIES) - {"lasting"})
    try:
        assert "plain.test" in line_of(hosts.a, "lasting", "deferred"), "the record is gone, the policy holds"
        assert hosts.fetches("lasting") == 1
    finally:
        hosts.write_zone()


def test_a_policy_that_is_over_holds_no_longer(hosts):
    line_of(hosts.a, "short", "deferred")
    with hosts.a.stopped():
        hosts.write_zone(announced=set(POLICIES) - {"short"})
        path = os.path.join(hosts.a.spool, "sts", "short.test")
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(text.replace("\nfetched 1", "\nfetched 0"))  # decades ago
    try:
        assert "tls-policy=may" in line_of(hosts.a, "short", "delivered")
    finally:
        hosts.write_zone()


def test_a_new_id_replaces_the_policy(hosts):
    line_of(hosts.a, "changing", "deferred")
    with hosts.a.stopped():
        hosts.write_policy("changing", POLICIES["mode-none"][1])
        hosts.write_zone(version=2)
    assert "tls-policy=may" in line_of(hosts.a, "changing", "delivered")
    assert hosts.fetches("changing") == 2


def test_the_option_turns_policies_off(hosts):
    with hosts.a.stopped():
        hosts.a.write_config(mta_sts="0")
    try:
        assert "tls-policy=may" in line_of(hosts.a, "off", "delivered")
        assert hosts.fetches("off") == 0
    finally:
        with hosts.a.stopped():
            hosts.a.write_config(mta_sts="1")


def test_the_process_that_fetches_has_no_file_of_the_host(hosts):
    titles = hosts.a.processes()
    fetchers = [pid for pid, title in titles.items() if "STS fetcher" in title]
    assert len(fetchers) == 1, titles
    files = {os.readlink(f"/proc/{fetchers[0]}/fd/{fd}") for fd in os.listdir(f"/proc/{fetchers[0]}/fd")}
    assert not [one for one in files if one.startswith(hosts.a.spool)], files
