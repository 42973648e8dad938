"""With mxpool, mail for a domain of this host goes to a better mail host of the domain if DNS has one, and stays here
otherwise. DNS is a real name server."""
import pytest

from conftest import needs_root
from mail_network import hosts, reconfigured, send, subject  # noqa: F401

pytestmark = needs_root

DOMAINS = ["pool.test", "best.test", "notours.test", "nohost.test", "broken.test"]


@pytest.fixture
def pooled(hosts):
    with reconfigured(hosts.a, mxpool=1, local_domain=DOMAINS):
        yield hosts


def test_a_better_mail_host_gets_the_mail(pooled, subject):
    send(pooled.a, "bob@pool.test", subject)
    pooled.b.wait_for_message("bob", subject.encode())
    assert subject.encode() not in pooled.a.mailbox("bob")


def test_a_client_sees_an_ordinary_local_recipient(pooled, subject):
    send(pooled.a, "bob@pool.test", subject, sender="bob@c.test", client=pooled.c.machine)
    pooled.b.wait_for_message("bob", subject.encode())


@pytest.mark.parametrize("domain", ["best.test", "notours.test", "nohost.test", "a.test"])
def test_mail_stays_here_otherwise(pooled, subject, domain):
    """This host is the best one; or no mail host of the domain in DNS, which then says nothing of this one."""
    send(pooled.a, f"bob@{domain}", subject)
    pooled.a.wait_for_message("bob", subject.encode())
    assert subject.encode() not in pooled.b.mailbox("bob")


def test_mail_stays_here_without_mxpool(hosts, subject):
    with reconfigured(hosts.a, local_domain=DOMAINS):
        send(hosts.a, "bob@pool.test", subject)
        hosts.a.wait_for_message("bob", subject.encode())


def test_the_trace_says_so(pooled):
    shown = pooled.a.run("sendmail", "-bt", "bob@pool.test", "bob@best.test").stdout.decode()
    assert "mxpool: pool.test has a better mail host" in shown and "=> remote bob@pool.test, by b.test" in shown
    assert "best.test has" not in shown


def test_a_relay_host_does_not_get_mail_of_the_pool(hosts, subject):
    with reconfigured(hosts.a, mxpool=1, local_domain=DOMAINS, relay_host="[192.0.2.99]"):
        send(hosts.a, "bob@pool.test", subject)
        hosts.b.wait_for_message("bob", subject.encode())


def test_a_client_comes_back_when_dns_is_silent(pooled):
    with pooled.a.smtp(pooled.c.machine) as client:
        client.ehlo()
        client.mail("bob@c.test")
        code, text = client.rcpt("bob@broken.test")
    assert code == 451 and text.startswith(b"4.4.3"), (code, text)
