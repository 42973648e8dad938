"""A message with REQUIRETLS (RFC 8689) goes only to hosts that are verified under TLS and offer it as well; else the
sender gets it back, without its text."""
import pytest

from certificates import Authority, authority  # noqa: F401
from conftest import needs_root, needs_tls
from host import wait_for
from remote_tls import authorities, certificate, nameserver, sender, server  # noqa: F401
from tls_server import context

pytestmark = [needs_root, needs_tls]

TEXT = b"From: bob@host.test\r\nSubject: only under TLS\r\n\r\nthe secret\r\n"


@pytest.fixture
def relay(host, sender, authority, authorities):
    """A function that starts the host, with a certificate of its own and the server as its relay host."""
    def to(peer, **settings):
        settings = {"relay_host": f"mx.test:{peer.port}", "remote_tls_authorities": authorities, **settings}
        sender(peer, tls_certificate=authority.issue("host.test", "host.pem"), **settings)
    return to


def submit(host, *options):
    with host.smtp() as client:
        client.starttls()
        client.ehlo()
        client.sendmail("alice@host.test", ["bob@elsewhere.test"], TEXT, list(options))


def returned(host):
    """The report to alice."""
    return host.wait_for_mail("alice", b"only under TLS")


@pytest.fixture(autouse=True)
def mailbox_of_alice(host):
    host.write_aliases("alice: root\n")
    host.wait_for_mail = lambda user, text, wait=host.wait_for_mail: wait("root", text)


def test_it_is_offered_and_taken_under_tls_alone(host, relay, server):
    relay(server())
    with host.smtp() as client:
        client.ehlo()
        assert not client.has_extn("requiretls")
        assert client.docmd("MAIL FROM:<a@host.test> REQUIRETLS")[0] == 555
        client.starttls()
        client.ehlo()
        assert client.has_extn("requiretls")
        assert client.docmd("MAIL FROM:<a@host.test> REQUIRETLS=x")[0] == 501
        assert client.docmd("MAIL FROM:<a@host.test> REQUIRETLS")[0] == 250


def test_a_verified_host_that_offers_it_gets_the_message_and_the_wish(host, relay, server, certificate):
    peer = server(context=context(certificate), under_tls=("REQUIRETLS",))
    relay(peer)
    submit(host, "REQUIRETLS")
    wait_for(lambda: peer.messages, what=lambda: f"the message; {host.log_text()}")
    mail = next(said for said, version in peer.said if said.startswith("MAIL") and version)
    assert mail.endswith(" REQUIRETLS")
    wait_for(lambda: "tls-policy=requiretls" in host.log_text(), what="the log")


@pytest.mark.parametrize("offers", ["TLS alone", "no TLS"])
def test_a_host_that_does_not_offer_it_gets_nothing_and_the_sender_the_header(host, relay, server, certificate, offers):
    peer = server(context=context(certificate)) if offers == "TLS alone" else server(offer=("REQUIRETLS",))
    relay(peer)
    submit(host, "REQUIRETLS")
    report = returned(host)
    assert b"5.7.30" in report and b"the secret" not in report
    assert not peer.messages


def test_a_host_that_no_policy_confirms_gets_nothing(host, relay, server, certificate):
    """Its MX record may be forged."""
    peer = server(context=context(certificate), under_tls=("REQUIRETLS",))
    relay(peer, relay_host=None)
    submit(host, "REQUIRETLS")
    assert b"5.7.30" in returned(host)
    assert not peer.messages


def test_a_certificate_that_may_be_mended_makes_the_message_wait(host, relay, server, authority):
    peer = server(context=context(authority.issue("other.test", "other.pem")), under_tls=("REQUIRETLS",))
    relay(peer)
    submit(host, "REQUIRETLS")
    wait_for(lambda: " deferred " in host.log_text() and " 4.7.5 " in host.log_text(), what=lambda: host.log_text())
    assert not peer.messages


def test_sendmail_asks_for_it_by_an_option(host, relay, server, certificate):
    peer = server(context=context(certificate))
    relay(peer)
    host.run("sendmail", "-O", "requiretls=yes", "-f", "alice@host.test", "bob@elsewhere.test",
             input=TEXT.replace(b"\r\n", b"\n"), check=True)
    assert b"5.7.30" in returned(host)
    assert not peer.messages


def test_other_messages_go_as_ever(host, relay, server, certificate):
    peer = server(context=context(certificate))
    relay(peer)
    submit(host, "REQUIRETLS")
    returned(host)
    submit(host)
    wait_for(lambda: peer.messages, what=lambda: f"the message; {host.log_text()}")
