"""Steps of the tests of docs/operation.md. `strangers` is the fixture of that name."""
import base64
import contextlib
import itertools
import socket

import pytest

from certificates import Authority
from homes import clear_homes
from host import wait_for
from page_table import PageTable
from talk import Talk, trusting

SETTINGS = PageTable("Settings", "Postfix (main.cf)")

numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def homes():
    clear_homes()
    yield
    clear_homes()


def token():
    return f"trial {next(numbers)} of the table"


def is_taken(reply):
    return reply.startswith("250")


def arrives(strangers, to, user, client="good", **options):
    """The mailbox of the user, with mail that a client sent to this address."""
    subject = token()
    reply = strangers.mail(client, "someone@good.test", to, text=f"Subject: {subject}\n\nbody\n", **options)
    assert is_taken(reply), reply
    return strangers.host.wait_for_mail(user, subject.encode())


def relays(strangers, client):
    """Whether the host accepts mail of this client for another host; waits until it arrives there."""
    subject = token()
    reply = strangers.mail(client, "someone@good.test", "far@elsewhere.test", text=f"Subject: {subject}\n\n")
    if not is_taken(reply):
        assert reply.startswith("550 5.7.1"), reply
        return False
    wait_for_message(strangers.sink, subject)
    return True


def wait_for_message(sink, subject):
    return wait_for(lambda: [m for m in sink.messages if subject.encode() in m[2]], what=f"{subject} at the other host")


@contextlib.contextmanager
def itself(strangers, port=25, **options):
    """A client on the host itself."""
    with strangers.machines["host"].inside():
        talk = Talk("127.0.0.1", port, **options)
    with talk:
        yield talk


def is_open(strangers, client, port=25):
    machine = strangers.machines[client]
    with machine.inside():
        try:
            socket.create_connection((strangers.machines["host"].address_for(machine), port), timeout=10).close()
            return True
        except ConnectionRefusedError:
            return False


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Authority(str(tmp_path_factory.mktemp("ca"))).issue("host.test", "host.pem")


def log_in(talk, user, password):
    talk.say("EHLO client.test")
    assert talk.say("STARTTLS").startswith("220")
    talk.begin_tls(trusting())
    assert "AUTH PLAIN" in talk.say("EHLO client.test")
    reply = talk.say("AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode())
    assert reply.startswith("235"), reply
