"""What all tests of the running program share: accounts, a private mail host for each test, peers.

As root the whole run moves into a mount namespace of its own first. There it has its own accounts (bound over
/etc/passwd and /etc/group), /var/mail and a syslog-free /dev/log, so that nothing of the machine is touched and nothing
is left behind, however a test ends.
"""
import os
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "support"))

import accounts  # noqa: E402
from host import BINARY, Host  # noqa: E402

if os.geteuid() == 0:
    accounts.enter_private_machine()


@pytest.fixture
def folder():
    """A folder for one test, reachable by every account."""
    path = tempfile.mkdtemp(prefix="postoffice-test-")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def host(folder):
    """A mail host that is configured but not started: host.start()."""
    made = Host(folder)
    yield made
    made.end()


@pytest.fixture
def make_host(folder):
    """Several hosts for one test: make_host("a"), make_host("b")…"""
    made = []

    def make(name, **settings):
        path = os.path.join(folder, name)
        os.mkdir(path, 0o755)
        made.append(Host(path, **settings))
        return made[-1]

    yield make
    for one in made:
        one.end()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="NEEDS ROOT: other accounts, mounts or namespaces")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: the long form, run with --long")


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run the long forms of crash and load tests")


@pytest.fixture
def is_long(request):
    return request.config.getoption("--long")


def _is_built_with(feature):
    """What the program says of itself."""
    told = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout
    return feature in told[told.index("built with"):]


needs_tls = pytest.mark.skipif(not _is_built_with("TLS"), reason="BUILT WITHOUT TLS: --without-tls")
needs_pam = pytest.mark.skipif(not _is_built_with("PAM"), reason="BUILT WITHOUT PAM: --without-pam")
needs_libwrap = pytest.mark.skipif(not _is_built_with("TCP wrappers"),
                                   reason="BUILT WITHOUT TCP WRAPPERS: --without-tcp-wrappers")
