"""sendmail with -odi or -v, which waits for the delivery and reports it, on a host that relays to a sink."""
import os
import socket

import pytest

from processes import descriptors
from sink import Sink

TEXT = b"Subject: watched\n\nbody\n"


def send(host, *words, text=TEXT):
    """Exit status and standard error; standard output must be empty."""
    done = host.run("sendmail", "-i", *words, input=text)
    assert done.stdout == b""
    return done.returncode, done.stderr.decode()


def last_lines(said, count=1):
    return said.splitlines()[-count:]


@pytest.fixture
def sink():
    """Accepts recipients, except that names with "no" are unknown and names with "later" are deferred."""
    def verdict(address):
        if address.startswith("no"):
            return "550 5.1.1 no such user"
        return "451 4.3.0 later" if address.startswith("later") else "250 2.1.5 OK"
    with Sink(verdict=verdict) as made:
        yield made


def relay_to(make_host, endpoint, **settings):
    """A started host whose relay host is the endpoint."""
    if os.geteuid() != 0:
        pytest.skip("NEEDS ROOT: ordinary users may not set relay-host")
    return make_host("host", relay_host=endpoint, **settings).start()


@pytest.fixture
def relaying(make_host, sink):
    return relay_to(make_host, sink.endpoint)


def trigger(host, text, descriptors=()):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as control:
        control.connect(os.path.join(host.spool, "control"))
        if not descriptors:
            control.send(text.encode())
            return
        try:
            socket.send_fds(control, [text.encode()], list(descriptors))
        except PermissionError:
            pass  # Linux 6.16 and later: the socket refuses descriptors
