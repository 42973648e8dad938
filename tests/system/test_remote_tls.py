"""Mail to other hosts goes under TLS where they offer it, in the clear only where the policy allows that, and never to a
host with another certificate than the policy wants."""
import os
import re
import subprocess

import pytest

from certificates import Authority, authority  # noqa: F401
from conftest import needs_tls
from host import wait_for
from remote_tls import authorities, certificate, nameserver, sender, server  # noqa: F401
from tls_server import context

pytestmark = needs_tls

MESSAGE = b"From: a@host.test\nSubject: over tls\n\nhello\n"


def send(host, *arguments):
    return host.run("sendmail", *arguments, "bob@elsewhere.test", input=MESSAGE, check=True)


def logged(host, event):
    """The line of the log."""
    wait_for(lambda: f" {event} " in host.log_text(), what=lambda: f"{event} in {host.log_text()}")
    return next(line for line in host.log_text().splitlines() if f" {event} " in line)


def table(host, text):
    path = os.path.join(host.folder, "tls-policy")
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o644)
    return path


def test_tls_is_used_where_it_is_offered(host, sender, server, certificate):
    peer = server(context=context(certificate))
    sender(peer)
    send(host)
    line = logged(host, "delivered")
    assert re.search(r'tls="TLSv1.3 TLS_\w+"', line) and "tls-policy=may" in line
    assert [version for _, version in peer.messages] == ["TLSv1.3"]


def test_what_was_negotiated_is_in_the_transcript(host, sender, server, certificate):
    sender(server(context=context(certificate)))
    host.permit_submission()
    shown = send(host, "-v").stderr.decode()
    assert re.search(r"-- TLSv1.3 \w+", shown), shown


def hang_up(client):
    client.sendall(b"220 go\r\n")


def speak_no_tls(client):
    client.sendall(b"220 go\r\nthis is no handshake\r\n")


def refuse(client):
    client.sendall(b"454 4.7.0 not now\r\n")
    return client


@pytest.mark.parametrize("sabotage", [hang_up, speak_no_tls, refuse])
def test_a_server_that_cannot_do_what_it_offers_gets_mail_in_the_clear_at_once(host, sender, server, sabotage):
    peer = server(sabotage=sabotage)
    sender(peer)
    send(host)
    line = logged(host, "delivered")
    assert "tls=" not in line and "tls-policy=may" in line
    assert len(peer.messages) == 1 and peer.connections <= 2


@pytest.mark.parametrize("sabotage", [hang_up, speak_no_tls, refuse, None])
def test_where_tls_is_required_nothing_is_sent_in_the_clear(host, sender, server, sabotage):
    peer = server(sabotage=sabotage, offer=("STARTTLS",) if sabotage else ())
    sender(peer, remote_tls="encrypt")
    send(host)
    line = logged(host, "deferred")
    assert "4.7.4" in line or "4.7.5" in line
    assert not peer.messages
    assert not any(said.startswith(("MAIL", "RCPT")) for said, _ in peer.said)


def test_a_server_with_tls_1_0_alone_gets_mail_in_the_clear(host, sender, server, certificate):
    peer = server(context=context(certificate, tls_1_0=True))
    sender(peer)
    send(host)
    logged(host, "delivered")
    assert [version for _, version in peer.messages] == [None]
    assert "remote-tls-failed" in host.log_text()


def test_a_size_that_was_said_before_starttls_does_not_count(host, sender, server, certificate):
    peer = server(context=context(certificate), offer=("STARTTLS", "SIZE 10", "LIMITS MAILMAX=1"))
    sender(peer)
    send(host)
    logged(host, "delivered")


def test_verify_takes_a_certificate_of_a_known_authority_for_the_host(host, sender, server, authorities, certificate):
    peer = server(context=context(certificate))
    sender(peer, remote_tls="verify", remote_tls_authorities=authorities)
    send(host)
    assert "tls-policy=verify" in logged(host, "delivered")


@pytest.mark.parametrize("fault", ["other name", "expired", "unknown authority"])
def test_verify_takes_no_other_certificate(host, sender, server, authority, authorities, tmp_path_factory, fault):
    certificate = None
    if fault == "other name":
        certificate = authority.issue("other.test", "other.pem")
    if fault == "expired":
        certificate = authority.issue("mx.test", "expired.pem", days=-1)
    if fault == "unknown authority":
        certificate = Authority(str(tmp_path_factory.mktemp("stranger"))).issue("mx.test", "mx.pem")
    peer = server(context=context(certificate))
    sender(peer, remote_tls="verify", remote_tls_authorities=authorities)
    send(host)
    assert "4.7.5" in logged(host, "deferred")
    assert not peer.messages


def test_the_table_decides_for_its_destinations_and_is_read_again_while_mail_waits(host, sender, server, certificate):
    peer = server(context=context(certificate))
    sender(peer, remote_tls="none", remote_tls_policy=table(host, "elsewhere.test verify\n"))
    send(host)
    assert "4.7.5" in logged(host, "deferred")
    table(host, "elsewhere.test sometimes\n")
    host.run("runq", "-qf", check=True)
    assert "tls-policy:1: " in logged(host, "tls-policy-unusable")
    digest = subprocess.run(f"openssl x509 -in {certificate} -outform DER | sha256sum", shell=True, check=True,
                            capture_output=True).stdout.decode()[:64]
    table(host, f"elsewhere.test fingerprint match={digest}\n")
    host.run("runq", "-qf", check=True)
    assert "tls-policy=fingerprint" in logged(host, "delivered")
    assert [version for _, version in peer.messages] == ["TLSv1.3"]


def send_together(host, count):
    for _ in range(count):
        send(host)
    wait_for(lambda: len(host.queue()) == count, what="the messages in the queue")
    host.run("runq", "-qf", check=True)


def test_a_kept_connection_under_tls_takes_the_next_message(host, sender, server, certificate):
    peer = server(context=context(certificate))
    sender(peer, destination_agents=1, immediate=0)
    send_together(host, 5)
    wait_for(lambda: len(peer.messages) == 5, what="five messages")
    assert peer.connections == 1


def test_a_session_is_resumed_at_the_next_connection(host, sender, server, certificate):
    peer = server(context=context(certificate), under_tls=("LIMITS MAILMAX=1",))
    sender(peer, destination_agents=1, immediate=0)
    send_together(host, 3)
    wait_for(lambda: len(peer.messages) == 3, what=lambda: f"three messages, {peer.said} in {host.log_text()}")
    assert peer.resumed == [False, True, True]


def test_the_check_tells_all_errors_of_the_table_with_their_lines(host):
    file = table(host, "a.test sometimes\nb.test may\n[b.test]:587 none\nc.test verify match=\n")
    host.write_config(remote_tls_policy=file)
    checked = host.run("sendmail", "-bC")
    told = [line.split(": ")[0] for line in checked.stderr.decode().splitlines() if file in line]
    assert told == [f"{file}:{line}" for line in (1, 3, 4)], checked.stderr
    assert checked.returncode == 0  # the server would start


def test_a_table_that_others_may_change_is_not_used(host, sender, server):
    peer = server(offer=())
    file = table(host, "elsewhere.test none\n")
    os.chmod(file, 0o666)
    sender(peer, remote_tls_policy=file)
    send(host)
    logged(host, "deferred")
    assert "can be written by all users" in logged(host, "tls-policy-unusable")
    os.chmod(file, 0o644)
    host.run("runq", "-qf", check=True)
    assert "tls-policy=none" in logged(host, "delivered")
