"""canonical=: a table gives addresses another form on all mail of clients of this host, in envelope and header; recipients
of all clients are looked up in it."""
import email
import os
import re

import pytest

from conftest import needs_root
from host import wait_for
from mail_network import debian_postfix, hosts, reconfigured, send, subject  # noqa: F401

pytestmark = needs_root

#: The host stands for its name.
TABLE = """
# in the form of canonical(5)
wanda@HOST      Wanda.Wolf@HOST
old@HOST          bob@b.test
both@HOST         Wanda.Wolf+list@HOST
plain             plain.name@HOST
far@moved.test    near@new.test
@merged.test      @b.test
"""


@pytest.fixture
def canonical(hosts):
    """The host a.test with the table, and a function that writes another one."""
    path = os.path.join(hosts.a.folder, "canonical")

    def write(text):
        with open(path, "w") as file:
            file.write(text.replace("HOST", "a.test"))
        os.chmod(path, 0o644)
    write(TABLE)
    with reconfigured(hosts.a, canonical=path, retry="1s"):
        yield write


@pytest.fixture(scope="module")
def postfix(hosts):
    for made in debian_postfix(hosts, canonical_maps="texthash:/etc/postfix/canonical", recipient_delimiter="+"):
        made._write("/etc/postfix/canonical", TABLE.replace("HOST", "debian.test"))
        yield made


def seen(host, user, subject, own_name):
    """Sender and address fields of the message, with HOST for the name of the host that sent it."""
    text = host.wait_for_message(user, subject.encode()).decode().replace(own_name, "HOST")
    message = email.message_from_string(text)
    return {name: re.sub(r"\s+", " ", message[name]) for name in ("Return-Path", "From", "Sender", "Reply-To", "To", "Cc")
            if message[name]}


MESSAGE = """\
From: "Wanda Wolf" <wanda@HOST>
Sender: wanda+tag@HOST (wanda@HOST)
Reply-To: plain
To: old@HOST, "far@moved.test" <far@moved.test>,
\tbob@merged.test
Cc: both+more@HOST, plain+x@HOST, other@HOST, group: far@MOVED.test;
Subject: SUBJECT

wanda@HOST
"""


def test_both_envelope_and_header_are_as_with_postfix(hosts, postfix, canonical, subject):
    def sent_by(host):
        text = MESSAGE.replace("HOST", host).replace("SUBJECT", f"{subject}-{host}")
        return f"wanda+x@{host}", [f"old@{host}"], text.encode()

    sender, recipients, message = sent_by("debian.test")
    postfix.send(sender, recipients, message)
    sender, recipients, message = sent_by("a.test")
    hosts.a.run("sendmail", "-i", "-f", sender, *recipients, input=message, check=True)
    wait_for(lambda: "delivered to=<old@a.test>" in hosts.a.log_text(), what=hosts.a.log_text)
    theirs = seen(hosts.b, "bob", f"{subject}-debian.test", "debian.test")
    ours = seen(hosts.b, "bob", f"{subject}-a.test", "a.test")
    assert ours == theirs
    assert ours["Return-Path"] == "<Wanda.Wolf+x@HOST>" and "near@new.test" in ours["To"]


def test_mail_of_clients_is_rewritten_also_if_it_stays_here(hosts, canonical, subject):
    send(hosts.a, ["alice@a.test"], subject, sender="wanda@a.test")
    assert seen(hosts.a, "alice", subject, "a.test") == {
        "Return-Path": "<Wanda.Wolf@HOST>", "From": "<Wanda.Wolf@HOST>", "To": "alice@HOST"}


def test_of_a_stranger_only_the_recipient_is_looked_up(hosts, canonical, subject):
    """A header that is signed elsewhere must stay as it is."""
    canonical(TABLE + "to@HOST alice@HOST\nfriend@c.test other@c.test\n")
    send(hosts.a, ["to@a.test"], subject, sender="friend@c.test", client=hosts.c.machine)
    assert seen(hosts.a, "alice", subject, "a.test") == {
        "Return-Path": "<friend@c.test>", "From": "<friend@c.test>", "To": "to@HOST"}


def test_an_address_elsewhere_that_leads_here_is_no_way_in(hosts, canonical):
    canonical("x@elsewhere.test alice@HOST\n")
    with hosts.a.smtp(hosts.c.machine) as connection:
        connection.ehlo("c.test")
        connection.mail("friend@c.test")
        code, text = connection.rcpt("x@elsewhere.test")
    assert code == 550 and b"5.7.1" in text


def test_mail_that_meets_an_entry_with_an_error_waits(hosts, canonical, subject):
    canonical("wanda@HOST one@b.test, two@b.test\n")
    message = f"From: other@a.test\nCc: wanda@a.test\nSubject: {subject}\n\n"
    hosts.a.run("sendmail", "-i", "-f", "other@a.test", "alice@a.test", input=message.encode(), check=True)
    wait_for(lambda: "not-rewritten" in hosts.a.log_text(), what=hosts.a.log_text)
    with hosts.a.smtp() as connection:
        connection.ehlo("a.test")
        connection.mail("wanda@a.test")
        connection.rcpt("alice@a.test")
        code, text = connection.docmd("DATA")
    assert code == 451, text
    told = hosts.a.run("sendmail", "-bC").stderr.decode()
    assert "canonical:1: " in told, told
    canonical("wanda@HOST one@b.test\n")
    hosts.a.run("runq", check=True)
    assert seen(hosts.a, "alice", subject, "a.test")["Cc"] == "one@b.test"


def test_the_trace_names_the_line(hosts, canonical):
    told = hosts.a.run("sendmail", "-bt", "old@a.test").stdout.decode()
    assert "canonical old@a.test -> bob@b.test" in told and "canonical:4" in told, told
