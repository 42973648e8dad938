"""A server with LMTP, here Dovecot, gets mail for local users, and its quotas and folders decide about each
recipient."""
import glob
import os
import re
import smtplib

import pytest

from dovecot import dovecot, needs_dovecot  # noqa: F401
from host import wait_for
from virtual import VirtualDomains

pytestmark = needs_dovecot


def text(subject="hello", body="some words\n"):
    return f"From: a@example.org\nTo: you\nSubject: {subject}\n\n{body}"


def send(host, recipients, message):
    with host.smtp() as client:
        client.sendmail("a@example.org", recipients, message)


def test_mail_goes_to_the_lmtp_server_and_not_into_files(host, dovecot):
    store = dovecot("alice@host.test")
    host.write_config(local_transport="lmtp:" + store.socket)
    host.start()
    send(host, ["alice"], text("small", "dots\n.\n..two\n\nend\n"))
    send(host, ["ALICE@host.test"], text("large", ("x" * 70 + "\n") * 3000))
    host.run("sendmail", "alice", input=text("local, 8-bit: \u00fcber").encode(), check=True)
    wait_for(lambda: len(store.messages("alice@host.test")) == 3, what=lambda: store.log() + host.log_text())
    small = next(m for m in store.messages("alice@host.test") if b"Subject: small" in m)
    assert b"\ndots\n.\n..two\n\nend\n" in small.replace(b"\r\n", b"\n")
    assert small.startswith(b"Return-Path: <a@example.org>") and b"\nReceived: from" in small
    assert host.mailbox("alice") == b"" and not host.paths_in_spool("[cd]m")


def test_an_extension_reaches_the_lmtp_server(host, dovecot):
    store = dovecot("alice@host.test")
    host.write_config(local_transport="lmtp:" + store.socket)
    host.write_aliases("chef: alice+Lists\n")
    host.run("newaliases", check=True)
    host.start()
    send(host, ["chef"], text())
    wait_for(lambda: store.messages("alice@host.test", ".Lists"), what=store.log)


def test_each_recipient_has_its_own_reply(host, dovecot):
    store = dovecot("alice@host.test")  # Dovecot does not know bob
    host.write_config(local_transport="lmtp:" + store.socket)
    host.start()
    send(host, ["alice", "bob"], text())
    wait_for(lambda: "failed" in host.log_text(), what=host.log_text)
    assert len(store.messages("alice@host.test")) == 1
    with host.smtp() as client:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("a@example.org", ["bob"], text())
    assert refused.value.smtp_code == 550 and b"bob@host.test" in refused.value.smtp_error


def test_a_full_quota_is_refused_in_the_session(host, dovecot):
    store = dovecot("alice@host.test", quota="20k")
    host.write_config(local_transport="lmtp:" + store.socket)
    host.start()
    send(host, ["alice"], text())
    with host.smtp() as client:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("a@example.org", ["alice"], text("much", ("x" * 70 + "\n") * 1000))
    assert refused.value.smtp_error.startswith((b"5.2.2", b"4.2.2")), refused.value
    assert len(store.messages("alice@host.test")) == 1


def test_mail_waits_while_the_lmtp_server_is_down(host, dovecot):
    store = dovecot("alice@host.test")
    store.stop()
    host.write_config(local_transport="lmtp:" + store.socket, retry="1s")
    host.start()
    with host.smtp() as client:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("a@example.org", ["alice"], text("from a client"))
    assert refused.value.smtp_code == 451 and store.folder.encode() not in refused.value.smtp_error, refused.value
    assert f'local-transport-failed host={store.socket} reason="451 4.4.1' in host.log_text(), host.log_text()
    host.run("sendmail", "alice", input=text("from here").encode(), check=True)
    # Queued mail waits as well: no delivery is in progress any more.
    wait_for(lambda: re.search(r"deferred to=<alice@host\.test> from=\S* target=", host.log_text()), what=host.log_text)
    store.start()
    host.run("runq", "-qf", check=True)
    wait_for(lambda: store.messages("alice@host.test"), what=lambda: store.log() + host.log_text())
    send(host, ["alice"], text("again"))
    subjects = {m.split(b"Subject: ")[1].split(b"\r\n")[0].split(b"\n")[0] for m in store.messages("alice@host.test")}
    assert subjects == {b"from here", b"again"}


def test_a_restart_of_the_lmtp_server_between_two_messages_loses_none(host, dovecot):
    store = dovecot("alice@host.test")
    host.write_config(local_transport="lmtp:" + store.socket)
    host.start()
    with host.smtp() as client:
        client.sendmail("a@example.org", ["alice"], text("first"))
        store.stop()
        store.start()
        client.sendmail("a@example.org", ["alice"], text("second"))
    assert len(store.messages("alice@host.test")) == 2


def test_a_delivery_file_counts_before_the_lmtp_server(host, dovecot):
    store = dovecot("bob@host.test")
    host.write_config(local_transport="lmtp:" + store.socket)
    with open("/home/alice/.forward", "w") as file:
        file.write("bob, /home/alice/kept\n")
    os.chown("/home/alice/.forward", 7901, 7901)
    host.start()
    try:
        send(host, ["alice"], text())
        wait_for(lambda: store.messages("bob@host.test"), what=host.log_text)
        wait_for(lambda: os.path.exists("/home/alice/kept"), what=host.log_text)
    finally:
        os.unlink("/home/alice/.forward")
    trace = host.run("sendmail", "-bt", "alice").stdout.decode()
    assert f"=> mailbox of alice, by LMTP to {store.socket}" in trace


def test_mail_for_virtual_users_goes_to_the_lmtp_server(host, dovecot, folder):
    store = dovecot("vera@virtual.test")
    domains = VirtualDomains(folder)
    domains.add("virtual.test", "bob", ["vera"], aliases="chef: vera\n")
    host.write_config(local_transport="lmtp:" + store.socket, **domains.settings())
    host.start()
    send(host, ["chef@virtual.test"], text())
    assert len(store.messages("vera@virtual.test")) == 1
    assert not domains.mailbox("vera", "virtual.test")


def test_a_server_that_does_not_speak_lmtp_defers_all_mail(host, make_host):
    other = make_host("other")
    other.start()  # speaks SMTP
    host.write_config(local_transport=f"lmtp:127.0.0.1:{other.port}")
    host.start()
    with host.smtp() as client:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("a@example.org", ["alice"], text())
    assert refused.value.smtp_code == 451 and refused.value.smtp_error.startswith(b"4.3.5"), refused.value
