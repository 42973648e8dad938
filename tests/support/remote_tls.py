"""A host that sends to a server with TLS: mail to elsewhere.test, and the relay host mx.test, lead there."""
import os
import shutil

import pytest

import dns
from host import free_port
from tls_server import TlsServer


@pytest.fixture
def server():
    """A function that starts a server; all end with the test."""
    started = []

    def start(**options):
        started.append(TlsServer(**options))
        return started[-1]
    yield start
    for one in started:
        one.close()


@pytest.fixture
def authorities(host, authority):
    """The file of the authority, where queue agents may read it."""
    path = os.path.join(host.folder, "authorities.pem")
    shutil.copyfile(authority.certificate, path)
    return path


@pytest.fixture
def certificate(authority):
    return authority.issue("mx.test", "mx.pem")


@pytest.fixture(scope="module")
def nameserver(tmp_path_factory):
    zone = """
@ SOA dns.test. hostmaster.test. 1 3600 600 86400 60
@ NS dns.test.
elsewhere.test. MX 10 mx.test.
mx.test. A 127.0.0.1
"""
    port = free_port()
    with_zone = dns.NameServer(str(tmp_path_factory.mktemp("dns")), {".": zone}, port=port).start()
    yield f"127.0.0.1:{port}"
    with_zone.stop()


@pytest.fixture
def sender(host, nameserver):
    """A function that starts `host`, from which mail to elsewhere.test goes to a server under the name mx.test."""
    def start(server, **settings):
        host.write_config(nameserver=nameserver, remote_port=server.port, **settings)
        return host.start()
    return start
