"""A filter hears the same of a message from postoffice as from Debian's Postfix and sendmail, in the same order and with the
same macros, and its changes make the same header."""
import contextlib
import os
import smtplib
import types

import pytest

import dns
from conftest import needs_root
from debian_mta import NoPeer, Postfix
from debian_peers import Sendmail
from host import wait_for
from scripted_filter import ACCEPT, Filter, add_field, insert_field, packet, reply_code

pytestmark = needs_root

HERE = types.SimpleNamespace(prefix=[], inside=contextlib.nullcontext)
HOST = "host.test"
USER = "alice"
MESSAGE = (b"From: ann@far.test\r\nDate: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@far.test>\r\n"
           b"X-Rep: one\r\nX-Rep:  two\r\n three\r\nSubject: hello\r\nX-Rep:four\r\n\r\nbody\r\n..dot\r\n")


def change(index, name, value=""):
    return packet(b"m", index.to_bytes(4, "big") + name.encode() + b"\0" + value.encode() + b"\0")


CHANGES = (insert_field(0, "X-Top", "0") + insert_field(2, "X-Second", "2") + add_field("X-Last", "a\n b") +
           change(1, "Subject", "changed") + change(2, "X-Rep") + change(1, "X-New", "new") + packet(ACCEPT))
ANSWERS = {"E": CHANGES, "R": lambda data: reply_code("550 5.7.1 not %%her") if b"bad" in data else packet(b"c")}

# What differs by design: names and numbers of each program, and what postoffice says besides.
OF_EACH_PROGRAM = {"v", "i", "{mail_mailer}", "{mail_host}", "{rcpt_mailer}", "{rcpt_host}"}


def dialogue(port):
    """The replies to a message with a refused recipient."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test", timeout=30) as client:
        client.ehlo()
        client.mail("ann@far.test", ["BODY=8BITMIME"])
        refused = client.rcpt(f"bad@{HOST}")
        assert client.rcpt(f"{USER}@{HOST}")[0] == 250
        assert client.data(MESSAGE)[0] == 250
    return refused


def header_of(text):
    """Fields of a message in a mailbox, but for those that the programs add themselves."""
    fields = text.split("\n\n")[0].split("\n")
    whole = []
    for line in fields[1:]:
        if line[0] in " \t":
            whole[-1] += "\n" + line
        else:
            whole.append(line)
    own = ("Return-Path", "X-Original-To", "Delivered-To", "Content-Length")
    return ["Received" if field.startswith("Received:") else field for field in whole if not field.startswith(own)]


def message_of(peer):
    path = os.path.join(peer.root, "var/mail/debby")
    wait_for(lambda: os.path.exists(path) and os.path.getsize(path) > 0, what=peer.log_text)
    with open(path) as file:
        return file.read()


@pytest.fixture
def of_postfix():
    """What Postfix makes of it: the filter, the refusal, the message."""
    asked = Filter(answers=ANSWERS)
    try:
        postfix = Postfix(HERE, HOST, "127.0.0.1", inet_protocols="ipv4",
                          aliases=f"{USER}: debby\nbad: debby\n", smtpd_milters=f"inet:127.0.0.1:{asked.port}")
    except NoPeer as why:
        pytest.skip(f"NEEDS Postfix of Debian: {why}")
    try:
        postfix.start()
        refused = dialogue(25)
        yield asked, refused, message_of(postfix)
    finally:
        postfix.close()
        asked.close()


NAMES = """
@           SOA dns.test. hostmaster.test. 1 3600 600 86400 60
@           NS  dns.test.
dns.test.   A   127.0.0.1
host.test.  A   127.0.0.1
far.test.   A   127.0.0.1
1.0.0.127.in-addr.arpa. PTR localhost.
"""


@pytest.fixture
def of_sendmail(folder):
    """The same of sendmail, which queues mail whose names it cannot look up."""
    names, certificate = (os.path.join(folder, name) for name in ("names", "peer.pem"))
    os.mkdir(names, 0o755)
    open(certificate, "w").close()
    asked = Filter(answers=ANSWERS)
    with contextlib.ExitStack() as ends:
        ends.callback(asked.close)
        server = dns.NameServer(names, {".": NAMES}, ["127.0.0.1"])
        ends.callback(server.stop)
        server.start()
        try:
            peer = Sendmail(HERE, HOST, "127.0.0.1", aliases=f"{USER}: debby\nbad: debby\n", certificate=certificate,
                            filters=f"INPUT_MAIL_FILTER(`asked', `S=inet:{asked.port}@127.0.0.1, F=T')")
        except NoPeer as why:
            pytest.skip(f"NEEDS sendmail of Debian: {why}")
        ends.callback(peer.close)
        peer.start()
        refused = dialogue(25)
        yield asked, refused, message_of(peer)


@pytest.fixture
def of_postoffice(host):
    asked = Filter(answers=ANSWERS)
    host.write_config(hostname=HOST, filter=f"inet:127.0.0.1:{asked.port}")
    host.write_aliases(f"bad: {USER}\n")
    host.start()
    refused = dialogue(host.port)
    text = host.wait_for_mail(USER, b"X-Last").decode()
    asked.close()
    return asked, refused, text


def session_of(asked):
    """What the filter heard of the client that sent the message."""
    session, = [session for session in asked.sessions if any(kind == "M" for kind, _, _ in session)]
    return session


def stages(asked):
    """Kinds and data of what the filter heard, without what each program says in its own way."""
    return [(kind, data) for kind, data, _ in session_of(asked)
            if kind not in "OCAQ" and not (kind == "B" and not data)]


def assert_same_macros(theirs, ours, but_for):
    """Each macro that the other program sends has the same value here."""
    for (their_kind, _, sent), (our_kind, _, macros) in zip(session_of(theirs), session_of(ours)):
        if their_kind in "OLNBAQ":
            continue
        expected = {name: value for name, value in sent.items() if value and name not in but_for}
        assert their_kind == our_kind
        assert {name: macros.get(name) for name in expected} == expected, our_kind


def test_filter_header_and_macros_are_as_with_postfix(of_postfix, of_postoffice):
    (theirs, their_refusal, their_text), (ours, our_refusal, our_text) = of_postfix, of_postoffice
    assert our_refusal == their_refusal
    assert header_of(our_text) == header_of(their_text)
    assert stages(ours) == stages(theirs)
    assert_same_macros(theirs, ours, OF_EACH_PROGRAM)


def test_filter_header_and_macros_are_as_with_sendmail(of_sendmail, of_postoffice):
    """sendmail puts the address before the filter's words, and calls a local recipient by its user alone."""
    (theirs, their_refusal, their_text), (ours, our_refusal, our_text) = of_sendmail, of_postoffice
    assert (our_refusal[0], b"not %her") == (their_refusal[0], their_refusal[1][-8:])
    assert header_of(our_text) == header_of(their_text)
    assert stages(ours) == stages(theirs)
    assert_same_macros(theirs, ours, OF_EACH_PROGRAM | {"{daemon_name}", "{if_name}", "{rcpt_addr}"})
