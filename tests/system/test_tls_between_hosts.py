"""Mail goes to Debian's Postfix under TLS; with certificates and versions that do not do, in the clear or not at all, as
the level says."""
import re
import shutil

import pytest

from certificates import Authority, authority  # noqa: F401
from conftest import needs_root, needs_tls
from host import wait_for
from mail_network import debian_postfix, hosts, reconfigured, send, subject  # noqa: F401
from policy_daemon import PolicyDaemon
from talk import Talk, trusting

pytestmark = [needs_root, needs_tls]
POLICY_PORT = 10031


@pytest.fixture(scope="module")
def postfix(hosts):
    """Each connection is served by a new process, which reads the settings."""
    yield from debian_postfix(hosts, smtpd_tls_security_level="may", smtpd_tls_chain_files="/etc/postfix/tls.pem",
                              smtpd_tls_loglevel="1", smtpd_tls_received_header="yes", max_use="1",
                              **{f"smtpd_{stage}_restrictions": f"check_policy_service {{ inet:127.0.0.1:{POLICY_PORT}, "
                                 "default_action=DUNNO, try_limit=1, policy_context=text }"
                                 for stage in ("recipient", "data", "end_of_data")},
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


def asked_about_a_message(machine, address, name, client, settings=None):
    """What a policy daemon on the machine hears of a message for two recipients, and of a second one."""
    with machine.inside():
        daemon = PolicyDaemon(port=POLICY_PORT)
    with client.inside():
        talk = Talk(address)
    with daemon, talk:
        talk.say("EHLO client.test")
        assert talk.say("STARTTLS").startswith("220")
        talk.begin_tls(trusting())
        for line in ("EHLO client.test", "MAIL FROM:<ann@b.test> SIZE=1000", f"RCPT TO:<postmaster@{name}>",
                     f"RCPT TO:<root@{name}>", "DATA"):
            assert talk.say(line)[0] in "23", line
        assert talk.say(b"Subject: hello\r\n\r\nworld\r\n.\r\n").startswith("250")
        assert talk.say("MAIL FROM:<>").startswith("250")
        assert talk.say(f'RCPT TO:<"postmaster"@{name}>').startswith("250")
    return daemon.requests


def test_policy_daemons_hear_what_postfix_tells_them(hosts, postfix, serve, authority):
    serve(smtpd_tls_protocols=">=TLSv1.3")
    theirs = asked_about_a_message(hosts.debian, "192.0.2.5", "debian.test", hosts.b.machine)
    with reconfigured(hosts.a, tls_certificate=authority.issue("a.test", "a.pem"),
                      policy_service=f"127.0.0.1:{POLICY_PORT},stages=rcpt+data+end-of-message,context=text"):
        ours = asked_about_a_message(hosts.a.machine, "192.0.2.1", "a.test", hosts.b.machine)
    assert [one["protocol_state"] for one in theirs] == ["RCPT", "RCPT", "DATA", "END-OF-MESSAGE", "RCPT"]
    own = {"client_port", "server_address", "queue_id", "instance"}  # each daemon's own
    for of_postfix, here in zip(theirs, ours, strict=True):
        assert list(here) == list(of_postfix)
        for name, value in of_postfix.items():
            assert name in own or here[name].replace("a.test", "debian.test") == value, name
        assert here["client_port"].isdigit() and here["server_address"] == "192.0.2.1"
    for side in (ours, theirs):
        assert len({one["instance"] for one in side[:4]}) == 1 and side[4]["instance"] != side[0]["instance"]
        assert len({one["queue_id"] for one in side[1:4]}) == 1
