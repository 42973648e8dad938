"""DANE: TLSA records that DNSSEC confirms decide about the certificate of a mail host, and where they cannot be had or do
not fit, nothing is sent to it. Zones are signed; unbound validates them."""
import re
import subprocess

import pytest

from certificates import Authority, authority  # noqa: F401
from conftest import needs_tls
from host import free_port, wait_for
from signed_dns import MISSING, SignedDns
from tls_server import TlsServer, context

pytestmark = [needs_tls, pytest.mark.skipif(bool(MISSING), reason=f"NEEDS {' '.join(MISSING)}")]

MESSAGE = b"From: a@host.test\nSubject: over tls\n\nhello\n"
HEAD = "@ SOA dns.test. hostmaster.test. 1 3600 600 86400 60\n@ NS dns.test.\n"
ZEROS = "00" * 32


def digest(command):
    return subprocess.run(f"{command} | sha256sum", shell=True, check=True, capture_output=True).stdout.decode()[:64]


def records(name, *tlsa, port):
    """A domain with one mail host, mx-NAME, which has these TLSA records."""
    lines = [f"{name} MX 10 mx-{name}", f"mx-{name} A 127.0.0.1"]
    return "\n".join(lines + [f"_{port}._tcp.mx-{name} TLSA {data}" for data in tlsa]) + "\n"


class World:
    """One server with TLS at a time, at the port of all mail hosts, with a certificate for mx-anchor.signed.test."""

    def __init__(self, folder, authority):
        self.port = free_port()
        self.certificate = authority.issue("mx-anchor.signed.test", "mx.pem")
        key = digest(f"openssl x509 -in {self.certificate} -noout -pubkey | openssl pkey -pubin -outform DER")
        anchor = digest(f"openssl x509 -in {authority.certificate} -outform DER")
        right, wrong = f"3 1 1 {key}", f"3 1 1 {ZEROS}"
        signed = HEAD
        for name, tlsa in {"right": [right], "wrong": [wrong], "either": [wrong, right], "none": [],
                           "anchor": [f"2 0 1 {anchor}"], "othername": [f"2 0 1 {anchor}"],
                           "unusable": [f"0 0 1 {ZEROS}", "3 1 1 abcd", f"3 1 9 {ZEROS}"], "forged": [right]}.items():
            signed += records(name, *tlsa, port=self.port)
        signed += ("alias MX 10 mx-alias\nmx-alias CNAME mx-wrong\n"
                   "aside MX 10 mx-aside\nmx-aside CNAME mx-plain.unsigned.test.\n"
                   f"_{self.port}._tcp.mx-aside TLSA {wrong}\nforeign MX 10 mx-plain.unsigned.test.\n")
        unsigned = HEAD + records("plain", wrong, port=self.port) + "toright MX 10 mx-wrong.signed.test.\n"
        self.dns = SignedDns(folder, {"signed.test": signed, "unsigned.test": unsigned}, ["signed.test"], self._forge)
        self.dns.start()

    def _forge(self, _origin, text):
        """Another record than the one that was signed."""
        host = rf"(_{self.port}\._tcp\.mx-forged\.signed\.test\.\s+\d+\s+IN\s+TLSA\s+3 1 1 )[0-9a-f]+"
        text, count = re.subn(host, rf"\g<1>{ZEROS}", text)
        assert count == 1
        return text


@pytest.fixture(scope="module")
def world(tmp_path_factory, authority):
    made = World(str(tmp_path_factory.mktemp("dns")), authority)
    yield made
    made.dns.stop()


@pytest.fixture
def send(host, world):
    """A function that sends to a domain where a server with TLS, or without, is at all mail hosts; what the log says of
    the recipient then, and the messages that arrived."""
    started = []

    def to(domain, with_tls=True, message=MESSAGE, **settings):
        server = TlsServer(port=world.port, context=with_tls and context(world.certificate),
                           offer=("STARTTLS",) if with_tls else ())
        started.append(server)
        host.write_config(nameserver=world.dns.endpoint, remote_port=world.port, **{"remote_tls": "dane", **settings})
        host.start()
        host.run("sendmail", f"bob@{domain}", input=message, check=True)
        outcome = re.compile(" (delivered|deferred|failed) .*")
        wait_for(lambda: outcome.search(host.log_text()), what=lambda: f"an outcome in {host.log_text()}")
        return outcome.search(host.log_text())[0], server.messages
    yield to
    for server in started:
        server.close()


@pytest.mark.parametrize("domain", ["right", "either", "anchor"])
def test_a_host_with_the_right_record_gets_its_mail_under_tls(send, domain):
    line, messages = send(f"{domain}.signed.test")
    assert " delivered " in line and "tls-policy=dane " in line
    assert [version for _, version in messages] == ["TLSv1.3"]


@pytest.mark.parametrize("domain", ["wrong", "othername", "alias", "aside", "forged"])
def test_a_host_that_does_not_agree_with_its_records_gets_nothing(send, domain):
    line, messages = send(f"{domain}.signed.test")
    assert " deferred " in line and " 4.7.5 " in line
    assert not messages


@pytest.mark.parametrize("domain", ["right", "unusable"])
def test_with_tlsa_records_nothing_is_sent_in_the_clear(send, domain):
    line, messages = send(f"{domain}.signed.test", with_tls=False)
    assert " deferred " in line and " 4.7.4 " in line
    assert not messages


def test_records_of_which_none_is_usable_require_tls_with_any_certificate(send):
    line, messages = send("unusable.signed.test")
    assert " delivered " in line and 'tls-policy="dane, unusable"' in line
    assert [version for _, version in messages] == ["TLSv1.3"]


@pytest.mark.parametrize("domain", ["none.signed.test", "plain.unsigned.test", "foreign.signed.test", "toright.unsigned.test"])
def test_without_signed_records_level_dane_is_level_may(send, domain):
    line, messages = send(domain, with_tls=False)
    assert " delivered " in line and "tls-policy=may " in line
    assert len(messages) == 1


@pytest.mark.parametrize("domain", ["none.signed.test", "plain.unsigned.test", "unusable.signed.test"])
def test_level_dane_only_needs_a_usable_record(send, domain):
    line, messages = send(domain, remote_tls="dane-only")
    assert " deferred " in line and " 4.7.5 " in line
    assert not messages


def test_a_sender_that_waives_tls_is_not_held_up_by_tlsa_records(send):
    """RFC 8689 section 4.2.2."""
    line, messages = send("wrong.signed.test", message=b"TLS-Required: No\n" + MESSAGE)
    assert " delivered " in line
    assert len(messages) == 1


def test_a_name_server_that_is_not_trusted_makes_no_records_secure(send):
    line, messages = send("wrong.signed.test", dnssec="none")
    assert " delivered " in line
    assert len(messages) == 1
