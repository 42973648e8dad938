"""Mail goes to Debian's Postfix under TLS; with certificates and versions that do not do, in the clear or not at all, as
the level says."""
import re
import shutil

import pytest

from certificates import Authority, authority  # noqa: F401
from conftest import needs_root, needs_tls
from host import wait_for
from mail_network import debian_postfix, hosts, send, subject  # noqa: F401

pytestmark = [needs_root, needs_tls]


@pytest.fixture(scope="module")
def postfix(hosts):
    """Each connection is served by a new process, which reads the settings."""
    yield from debian_postfix(hosts, smtpd_tls_security_level="may", smtpd_tls_chain_files="/etc/postfix/tls.pem",
                              smtpd_tls_loglevel="1", smtpd_tls_received_header="yes", max_use="1",
                              tls_medium_cipherlist="ALL:@SECLEVEL=0")


@pytest.fixture
def serve(postfix, authority):
    """A function that gives Postfix a certificate for a name, and settings."""
    def with_certificate(name="debian.test", days=1, **settings):
        with open(authority.issue(name, "postfix.pem", days=days)) as file:
            postfix._write("/etc/postfix/tls.pem", file.read(), 0o600)
        postfix._configure({"smtpd_tls_protocols": ">=TLSv1.2", **settings})
    return with_certificate


@pytest.fixture
def level(hosts, authority):
    """A function that sets the level of TLS of a.test."""
    path = f"{hosts.a.folder}/authorities.pem"
    shutil.copyfile(authority.certificate, path)

    def at(name):
        hosts.a.write_config(remote_tls=name, remote_tls_authorities=path)
        hosts.a.reload()
    yield at
    at("may")


def is_deferred(host, subject, reason):
    waiting = [line for line in host.log_text().splitlines() if " deferred " in line and reason in line]
    return bool(waiting) and host.has_queued(subject)


def test_postfix_gets_mail_under_tls(hosts, postfix, serve, level, subject):
    serve()
    level("verify")
    send(hosts.a, "debby@debian.test", subject)
    arrived = postfix.wait_for_message("debby", subject.encode())
    assert re.search(rb"using TLSv1\.3 with cipher TLS_AES_256_GCM_SHA384", arrived), arrived
    assert b"with ESMTPS" in arrived


def test_postfix_with_tls_1_0_alone_gets_mail_in_the_clear_at_level_may(hosts, postfix, serve, level, subject):
    serve(smtpd_tls_protocols=">=TLSv1, <=TLSv1")
    level("may")
    send(hosts.a, "debby@debian.test", subject)
    arrived = postfix.wait_for_message("debby", subject.encode())
    assert b"with ESMTP " in arrived and b"using TLS" not in arrived
    assert "SSL_accept error" in postfix.log_text()


@pytest.mark.parametrize("certificate, reason", [
    ({"name": "other.test"}, "hostname mismatch"), ({"days": -1}, "certificate has expired")])
def test_postfix_with_another_certificate_gets_mail_when_it_has_a_better_one(hosts, postfix, serve, level, subject,
                                                                             certificate, reason):
    serve(**certificate)
    level("verify")
    send(hosts.a, "debby@debian.test", subject)
    wait_for(lambda: is_deferred(hosts.a, subject, reason), what=lambda: f"a deferral; {hosts.a.log_text()[-2000:]}")
    assert hosts.a.reasons()
    serve()
    hosts.a.run("runq", "-qf", check=True)
    postfix.wait_for_message("debby", subject.encode())
