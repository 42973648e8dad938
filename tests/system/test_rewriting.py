"""Addresses on mail that leaves this host: masquerade= for its own name, and SRS for the sender of forwarded mail, with
the way back."""
import os

import pytest

from host import local_user, wait_for
from strict_sink import StrictSink

SECRET = "a secret of the test, long enough"


def write_key(host, text=SECRET + "\n"):
    """As the administrator does: for root and the group of the server."""
    path = os.path.join(host.folder, "srs")
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o640)
    if os.getuid() == 0:
        os.chown(path, 0, os.stat(host.spool).st_gid)
    return path


@pytest.fixture
def forwarding_host(host):
    with StrictSink() as sink:
        host.write_aliases("sent-on: you@far.test\n")
        host.write_config(relay_host=f"127.0.0.1:{sink.port}", srs_key=os.path.join(host.folder, "srs"), retry="1s")
        host.start()
        host.sink = sink
        yield host


def send(host, sender, recipient, subject="hello"):
    text = f"From: <{sender or 'x@y.test'}>\r\nSubject: {subject}\r\n\r\nHello.\r\n"
    with host.smtp() as client:
        assert client.sendmail(sender, recipient, text) == {}


def senders_at(sink, count):
    wait_for(lambda: len(sink.transactions) >= count, what=f"{count} messages")
    return [one.sender for one in sink.transactions]


def test_forwarded_mail_has_a_sender_of_this_host_and_its_bounce_comes_back(forwarding_host):
    host, sink = forwarding_host, forwarding_host.sink
    write_key(host)
    send(host, "alice@elsewhere.test", "sent-on@host.test")
    [sender] = senders_at(sink, 1)
    assert sender.startswith("SRS0=") and sender.endswith("=elsewhere.test=alice@host.test")
    send(host, "", sender, "a bounce")
    senders_at(sink, 2)
    assert sink.transactions[1].sender == "" and sink.transactions[1].recipients == ["alice@elsewhere.test"]
    trace = host.run("sendmail", "-bt", sender).stdout
    assert b"alice@elsewhere.test" in trace


def test_only_forwarded_mail_of_other_domains_is_rewritten(forwarding_host):
    host, sink = forwarding_host, forwarding_host.sink
    write_key(host)
    send(host, "alice@elsewhere.test", "you@far.test", "relayed")
    assert senders_at(sink, 1) == ["alice@elsewhere.test"]
    send(host, f"{local_user()}@host.test", "sent-on@host.test", "of this host")
    send(host, "", "sent-on@host.test", "a report")
    assert sorted(senders_at(sink, 3)) == sorted(["", "alice@elsewhere.test", f"{local_user()}@host.test"])


def test_an_address_that_this_host_did_not_make_is_refused(forwarding_host):
    write_key(forwarding_host)
    with forwarding_host.smtp() as client:
        client.ehlo()
        client.mail("")
        code, text = client.rcpt("SRS0=aaaaaa=aa=elsewhere.test=alice@host.test")
    assert code == 550 and b"5.1.1" in text


@pytest.mark.parametrize("text", [None, "short\n", "# nothing\n"])
def test_mail_waits_while_the_key_cannot_be_used(forwarding_host, text):
    host, sink = forwarding_host, forwarding_host.sink
    if text:
        write_key(host, text)
    send(host, "alice@elsewhere.test", "sent-on@host.test")
    wait_for(lambda: "not-rewritten" in host.log_text(), what=host.log_text)
    assert not sink.transactions
    write_key(host)
    assert senders_at(sink, 1)[0].startswith("SRS0=")


def test_a_domain_stands_for_the_name_of_this_host(host):
    user = local_user()
    with StrictSink() as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}", masquerade="example.org")
        host.start()
        text = f"From: {user}\nTo: you@far.test, {user}@host.test\nSubject: masked\n\n{user}@host.test\n"
        host.run("sendmail", "-i", "-t", input=text.encode(), check=True)
        wait_for(lambda: sink.transactions, what=host.log_text)
        [one] = sink.transactions
        assert one.sender.endswith("@example.org")
        assert f"From: {user}@example.org\r\n".encode() in one.data
        assert f"To: you@far.test, {user}@example.org\r\n".encode() in one.data
        assert one.data.endswith(f"\r\n\r\n{user}@host.test\r\n".encode())
        local = host.wait_for_mail(user, b"Subject: masked")
        assert f"From: {user}@host.test\n".encode() in local


def test_a_table_of_postfix_gives_addresses_another_form_outside(host, folder):
    """And a sender with an error in the table waits."""
    user = local_user()
    table = os.path.join(folder, "generic")

    def write(value):
        with open(table, "w") as file:
            file.write(f"{user}   {value}\n@inner.test   @outer.test\n")
        os.chmod(table, 0o644)

    write("Full.Name@isp.test")
    with StrictSink() as sink:
        host.write_config(relay_host=f"127.0.0.1:{sink.port}", generics=table, retry="1s", local_domain="inner.test")
        host.start()
        text = f"From: {user}\nTo: you@far.test\nCc: {user}@inner.test, Ann <ann@inner.test>\nSubject: outside\n\nx\n"
        host.run("sendmail", "-i", "-f", user, "you@far.test", user, input=text.encode(), check=True)
        wait_for(lambda: sink.transactions, what=host.log_text)
        assert sink.transactions[0].sender == "Full.Name@isp.test"
        assert b"From: Full.Name@isp.test\r\n" in sink.transactions[0].data
        assert b"Cc: Full.Name@isp.test, Ann <ann@outer.test>\r\n" in sink.transactions[0].data
        assert f"From: {user}@host.test\n".encode() in host.wait_for_mail(user, b"Subject: outside")
        write("one@isp.test, two@isp.test")
        host.run("sendmail", "-i", "-f", user, "you@far.test", input=b"Subject: again\n\nx\n", check=True)
        wait_for(lambda: "not-rewritten" in host.log_text(), what=host.log_text)
        assert f"{table}:1" in host.run("sendmail", "-bC").stderr.decode()
        write("Other.Name@isp.test")
        wait_for(lambda: len(sink.transactions) == 2, what=host.log_text)
        assert sink.transactions[1].sender == "Other.Name@isp.test"
