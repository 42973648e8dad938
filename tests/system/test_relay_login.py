"""This host logs in at a relay host, here Postfix with Dovecot's authentication: only under TLS; and no failure of the
login bounces mail or gives the password away."""
import os
import re
import time

import pytest

from certificates import authority  # noqa: F401
from conftest import needs_root, needs_tls
from dovecot import DovecotAuth, needs_dovecot
from host import wait_for
from mail_network import debian_postfix, hosts, reconfigured, send, subject  # noqa: F401
from sink import Sink

pytestmark = [needs_root, needs_tls]


def passwords(host, text, mode=0o600):
    path = os.path.join(host.folder, "passwords")
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


@pytest.fixture(scope="module")
def postfix(hosts, authority):
    """Relays for clients that have logged in, and offers that only under TLS."""
    smtps = "smtps inet n - n - - smtpd -o syslog_name=postfix/smtps -o smtpd_tls_wrappermode=yes"
    for made in debian_postfix(hosts, services=[smtps], smtpd_sasl_auth_enable="yes", smtpd_sasl_type="dovecot",
                               smtpd_sasl_path="inet:127.0.0.1:4321", smtpd_tls_auth_only="yes",
                               smtpd_sasl_security_options="noanonymous", smtpd_tls_security_level="may",
                               smtpd_tls_chain_files="/etc/relay.pem", max_use="1",
                               smtpd_relay_restrictions="permit_sasl_authenticated,reject"):
        with open(authority.issue("debian.test", "relay.pem")) as file:
            made._write("/etc/relay.pem", file.read(), mode=0o600)
        yield made


@pytest.fixture(scope="module")
def accounts(hosts):
    return DovecotAuth(os.path.join(hosts.folder, "auth"), hosts.debian)


@pytest.fixture
def relaying(hosts, postfix, accounts, request):
    accounts.start(getattr(request, "param", "plain login scram-sha-256"))
    with reconfigured(hosts.a, relay_host="[debian.test]", retry="1h", remote_tls="may",
                      relay_password_file=passwords(hosts.a, "[debian.test]:25 club:s3cret\n")):
        yield hosts
    accounts.stop()


@pytest.mark.skipif(needs_dovecot[1].args[0], reason="NEEDS dovecot-core")
@pytest.mark.parametrize("relaying", ["plain", "login", "scram-sha-256", "plain login scram-sha-256"], indirect=True)
def test_a_message_passes_the_relay_host(relaying, postfix, subject, request):
    offered = request.node.callspec.params["relaying"]
    send(relaying.a, "bob@b.test", subject)
    relaying.b.wait_for_message("bob", subject.encode())
    method = re.findall(r"sasl_method=([A-Z0-9-]+), sasl_username=club", postfix.log_text())[-1]
    assert method == ("SCRAM-SHA-256" if "scram" in offered else offered.upper())


@pytest.mark.skipif(needs_dovecot[1].args[0], reason="NEEDS dovecot-core")
def test_port_465_has_tls_from_the_first_octet(relaying, postfix, subject):
    """Also where remote-tls wants none; the login and the message see TLS."""
    with reconfigured(relaying.a, relay_host="[debian.test]:465", remote_tls="none",
                      relay_password_file=passwords(relaying.a, "[debian.test]:465 club:s3cret\n")):
        send(relaying.a, "bob@b.test", subject)
        message = relaying.b.wait_for_message("bob", subject.encode())
    assert b"by debian.test (Postfix) with ESMTPSA" in message
    assert re.search(r"delivered to=<bob@b\.test>.* tls=\"?TLSv1\.3", relaying.a.log_text())
    assert "postfix/smtps/smtpd" in postfix.log_text()


@pytest.mark.skipif(needs_dovecot[1].args[0], reason="NEEDS dovecot-core")
def test_a_wrong_password_defers_and_is_in_the_log(relaying, subject):
    passwords(relaying.a, "debian.test club:wrong\n")
    send(relaying.a, "bob@b.test", subject)
    wait_for(lambda: "relay-login-failed" in relaying.a.log_text(), what=relaying.a.log_text)
    line = next(line for line in relaying.a.log_text().splitlines() if "relay-login-failed" in line)
    assert "login=club" in line and "535" in line and "wrong" not in line
    wait_for(lambda: re.search(r"deferred to=<bob@b\.test>.*4\.7\.8", relaying.a.log_text()), what=relaying.a.log_text)
    assert " failed to=" not in relaying.a.log_text()
    passwords(relaying.a, "debian.test club:s3cret\n")
    relaying.a.run("runq", "-qf", check=True)
    relaying.b.wait_for_message("bob", subject.encode())


@pytest.mark.skipif(needs_dovecot[1].args[0], reason="NEEDS dovecot-core")
def test_a_connection_is_not_kept_for_another_password(relaying, subject):
    send(relaying.a, "bob@b.test", subject)
    relaying.b.wait_for_message("bob", subject.encode())
    passwords(relaying.a, "debian.test club:wrong\n")
    time.sleep(1.1)  # for a second the connection, which is kept for five, has the login of its beginning
    attempts = relaying.a.log_text().count("deferred to=")  # of tests before, which have the same host
    send(relaying.a, "bob@b.test", subject + " again")
    wait_for(lambda: relaying.a.log_text().count("deferred to=") > attempts, what=relaying.a.log_text)
    assert "relay-login-failed" in relaying.a.log_text()
    passwords(relaying.a, "debian.test club:s3cret\n")
    relaying.a.run("runq", "-qf", check=True)
    relaying.b.wait_for_message("bob", (subject + " again").encode())


@pytest.mark.skipif(needs_dovecot[1].args[0], reason="NEEDS dovecot-core")
def test_the_sender_decides_who_logs_in(relaying, postfix, subject):
    passwords(relaying.a, "@c.test club:s3cret\ndebian.test nobody:wrong\n")
    table = os.path.join(relaying.a.folder, "senders")
    with open(table, "w") as file:
        file.write("@c.test [debian.test]:25\n")
    os.chmod(table, 0o644)
    with reconfigured(relaying.a, sender_relay=table):
        send(relaying.a, "bob@b.test", subject, sender="x@c.test")
        relaying.b.wait_for_message("bob", subject.encode())


def test_no_password_goes_out_without_tls(host):
    """The server does not offer TLS, and would take a password and mail."""
    said = []
    with Sink(verdict=lambda address: said.append(address) or "250 OK") as sink:
        host.write_config(relay_host=sink.endpoint, remote_tls="none",
                          relay_password_file=passwords(host, f"{sink.endpoint} club:s3cret\n"))
        host.start()
        host.run("sendmail", "-f", "a@host.test", "bob@b.test", input=b"Subject: x\n\nx\n", check=True)
        wait_for(lambda: re.search(r"deferred to=<bob@b\.test>.*4\.7\.4", host.log_text()), what=host.log_text)
        assert not said and not sink.messages


def test_a_file_that_others_can_read_is_not_used(host):
    with Sink() as sink:
        host.write_config(relay_host=sink.endpoint, retry="1h",
                          relay_password_file=passwords(host, f"{sink.endpoint} club:s3cret\n", mode=0o644))
        host.start()
        host.run("sendmail", "-f", "a@host.test", "bob@b.test", input=b"Subject: x\n\nx\n", check=True)
        wait_for(lambda: "relay-login-unknown" in host.log_text(), what=host.log_text)
        wait_for(lambda: "deferred to=<bob@b.test>" in host.log_text(), what=host.log_text)
        assert "others than root may read it" in host.run("sendmail", "-bC").stderr.decode()
        passwords(host, "other.test club:s3cret\n")  # no entry, no login
        host.run("runq", "-qf", check=True)
        host.wait_for_empty_queue()
        assert len(sink.messages) == 1
