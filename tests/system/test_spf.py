"""The greylist evaluates SPF records as another implementation does that asks the same name server."""
import os

import pytest

import dns
from conftest import needs_root
from host import free_port

DNS = pytest.importorskip("DNS", reason="NEEDS python3-dns")
spf = pytest.importorskip("spf", reason="NEEDS python3-spf")

pytestmark = [needs_root, pytest.mark.skipif(dns.NSD is None, reason="NEEDS nsd")]

LONG = "a" * 62

# The domain of the sender, its record, and the clients to evaluate it for.
NEAR, FAR, SIX, NAMED, LIAR = "192.0.2.10", "203.0.113.9", "2001:db8::14", "192.0.2.20", "192.0.2.21"
RECORDS = {
    "plain": "v=spf1 ip4:192.0.2.0/28 ip6:2001:db8::/32 -all",
    "case": "V=sPf1 Ip4:192.0.2.0/28 -ALL",
    "soft": "v=spf1 ip4:192.0.2.10 ~all",
    "open": "v=spf1 ?all",
    "silent": "v=spf1 ip4:192.0.2.99",
    "empty": "v=spf1",
    "spaces": "v=spf1   ip4:192.0.2.10    -all  ",
    "version": "v=spf10 -all",
    "other": "something else",
    "quali": "v=spf1 ?ip4:192.0.2.10 ~ip4:203.0.113.0/24 +ip6:2001:db8::14 -all",
    "a": "v=spf1 a:mail.hosts.test -all",
    "acidr": "v=spf1 a:mail.hosts.test/24//64 -all",
    "azero": "v=spf1 a:mail.hosts.test/0 -all",
    "mx": "v=spf1 mx:hosts.test -all",
    "mxcidr": "v=spf1 mx:hosts.test/28//48 -all",
    "mxnull": "v=spf1 mx:nomail.test ip4:192.0.2.10 -all",
    "mxten": "v=spf1 mx:ten.test -all",
    "mxmany": "v=spf1 mx:eleven.test -all",
    "cname": "v=spf1 a:alias.hosts.test -all",
    "ptr": "v=spf1 ptr:hosts.test -all",
    "ptrother": "v=spf1 ptr:osts.test -all",
    "include": "v=spf1 include:plain.test -all",
    "includesoft": "v=spf1 include:soft.test ?all",
    "includenone": "v=spf1 include:other.test -all",
    "includegone": "v=spf1 include:gone.test -all",
    "includebad": "v=spf1 include:bad1.test +all",
    "redirect": "v=spf1 redirect=plain.test",
    "redirectall": "v=spf1 redirect=plain.test ?all",
    "redirectnone": "v=spf1 redirect=other.test",
    "redirectfirst": "v=spf1 redirect=plain.test ip4:203.0.113.9",
    "deep": "v=spf1 include:include.test include:a.test -all",
    "loop": "v=spf1 include:loop.test",
    "exists": "v=spf1 exists:%{i}.list.hosts.test -all",
    "reverse": "v=spf1 exists:%{ir}.%{v}.list.hosts.test -all",
    "local": "v=spf1 exists:%{l}.users.hosts.test -all",
    "localparts": "v=spf1 exists:%{l1r-}.users.hosts.test -all",
    "domains": "v=spf1 a:mail.%{d1r}.hosts.test -all",
    "helo": "v=spf1 exists:%{h}.helo.hosts.test -all",
    "pmacro": "v=spf1 exists:%{p}.named.hosts.test -all",
    "long": f"v=spf1 exists:{LONG}.{LONG}.{LONG}.{LONG}.%{{l}}.users.hosts.test -all",
    "ten": "v=spf1 " + "a:mail.hosts.test " * 10 + "ip4:203.0.113.9 -all",
    "eleven": "v=spf1 " + "a:mail.hosts.test " * 11 + "ip4:203.0.113.9 -all",
    "void2": "v=spf1 a:gone1.test a:gone2.test ip4:192.0.2.10 -all",
    "void3": "v=spf1 a:gone1.test a:gone2.test a:gone3.test ip4:192.0.2.10 -all",
    "voidexists": "v=spf1 exists:gone1.test exists:gone2.test exists:gone3.test ip4:192.0.2.10 -all",
    "expl": "v=spf1 exp=why.%{d} ip4:192.0.2.10 -all",
    "exptwice": "v=spf1 exp=why.test exp=why.test -all",
    "redirtwice": "v=spf1 redirect=plain.test redirect=plain.test",
    "unknownmod": "v=spf1 moo=%{d}%%.x ip4:192.0.2.10 -all",
    "badmod": "v=spf1 moo=%{z} ip4:192.0.2.10 -all",
}
# "%{d0}" and "%{d" without an end, which the other implementation accepts against the grammar, are in the unit tests.
BAD = ["foo", "all:x", "include", "include:", "a:", "a:test", "a:x.123", "a/33", "a/", "a//129", "a:192.0.2.1", "ip4",
       "ip4:192.0.2", "ip4:192.0.2.0/33", "ip4:2001:db8::", "ip6:192.0.2.0", "ip6:2001:db8::/129", "exists", "ptr:",
       "a:%{x}.test", "a:%d.test", "a:mail%.hosts.test", "redirect=", "++all",
       "a:mail.-test", "-redirect=plain.test"]
RECORDS.update({f"bad{number}": f"v=spf1 {term} ip4:192.0.2.10 -all" for number, term in enumerate(BAD, 1)})

ZONE = f"""
@ SOA dns.test. hostmaster.test. 1 3600 600 86400 60
@ NS dns.test.
dns.test. A 127.0.0.1
mail.hosts.test. A {NEAR}
mail.hosts.test. AAAA {SIX}
alias.hosts.test. CNAME mail.hosts.test.
hosts.test. MX 10 mail.hosts.test.
nomail.test. MX 0 .
{NEAR}.list.hosts.test. A 127.0.0.2
10.2.0.192.in-addr.list.hosts.test. A 127.0.0.2
{".".join("20010db8000000000000000000000014"[::-1])}.ip6.list.hosts.test. A 127.0.0.2
strong-bad.users.hosts.test. A 127.0.0.2
strong.users.hosts.test. A 127.0.0.2
unknown.helo.hosts.test. A 127.0.0.2
named.hosts.test.named.hosts.test. A 127.0.0.2
20.2.0.192.in-addr.arpa. PTR named.hosts.test.
named.hosts.test. A {NAMED}
21.2.0.192.in-addr.arpa. PTR liar.hosts.test.
liar.hosts.test. A 192.0.2.22
two.test. TXT "v=spf1 -all"
two.test. TXT "v=spf1 +all"
parts.test. TXT "v=spf1 ip4:192.0" ".2.10 -all"
"""
for name, count in (("ten", 10), ("eleven", 11)):
    for number in range(count):
        ZONE += f"{name}.test. MX {number} m{number}.hosts.test.\n"
for number in range(11):
    ZONE += f"m{number}.hosts.test. A 192.0.2.{10 - number}\nm{number}.hosts.test. AAAA 2001:db8:7::{number}\n"
SENDERS = [*(f"{name}.test" for name in RECORDS), "two.test", "parts.test", "gone.test"]


def quoted(text):
    """A TXT record in as many strings as it needs."""
    return " ".join(f'"{text[at:at + 200]}"' for at in range(0, len(text), 200))


@pytest.fixture
def db(folder):
    path = os.path.join(folder, "db")
    os.mkdir(path)
    os.chmod(path, 0o777)
    return path


@pytest.fixture
def asked(make_host, folder, db):
    os.mkdir(os.path.join(folder, "dns"), 0o755)
    port = free_port()
    zone = ZONE + "".join(f"{name}.test. TXT {quoted(record)}\n" for name, record in RECORDS.items())
    server = dns.NameServer(os.path.join(folder, "dns"), {".": zone}, port=port)
    server.start()
    try:
        DNS.defaults.update({"server": ["127.0.0.1"], "port": port, "timeout": 10})
        spf.DNS, spf.DNSLookup = DNS, spf.DNSLookup_pydns
        yield make_host("host", greylist="1", nameserver=f"127.0.0.1:{port}", db_dir=db)
    finally:
        server.stop()


def our_verdict(host, client, sender):
    """The verdict, and the name that we found for the client, which is used as its HELO name."""
    done = host.run("authexpire", "--explain", sender, client)
    lines = done.stdout.decode().splitlines()
    verdict = next(line for line in lines if line.startswith("SPF: ")).removeprefix("SPF: ").split(",")[0]
    return verdict, lines[-1].split(" that ")[1].split("[")[0]


def test_verdicts_agree_with_another_implementation(asked):
    different = []
    seen = set()
    for domain in SENDERS:
        for client in (NEAR, FAR, SIX, NAMED, LIAR):
            sender = f"strong-bad@{domain}"
            ours, name = our_verdict(asked, client, sender)
            theirs = spf.check2(client, sender, name)[0]
            seen.add(ours)
            if ours != theirs:
                different.append(f"{domain} of {client}: {ours}, not {theirs}")
    assert not different, "\n".join(different)
    assert seen == {"none", "neutral", "pass", "fail", "softfail", "permerror"}


def test_a_name_server_that_fails_is_a_temporary_error(make_host, db):
    """The other implementation treats it as a domain without a record."""
    host = make_host("host", greylist="1", nameserver="127.0.0.1:9", db_dir=db)
    assert our_verdict(host, NEAR, "a@far.test")[0] == "temperror"
