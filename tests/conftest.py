"""What all tests of the running program share: accounts, a private mail host for each test, peers.

As root, each process that runs tests first moves into a private machine (support/accounts.py). So tests change
nothing of the real machine, leave nothing behind however they end, and several processes can run side by side (pytest
-n).
"""
import os
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "support"))

import accounts  # noqa: E402
import homes  # noqa: E402
from host import BINARY, Host  # noqa: E402
from machine import Machine  # noqa: E402

# Tests depend neither on the user that runs them nor on settings of programs in the environment.
for variable in set(os.environ) & {"EMAIL", "LOGNAME", "MAIL", "MAILRC", "NAME", "ORGANIZATION", "POSTOFFICE_CONFIG",
                                   "REPLYTO", "USER", "VISUAL"} | {v for v in os.environ if v.startswith("GIT_")}:
    os.environ.pop(variable)

if os.geteuid() == 0:
    accounts.enter_private_machine()


def _open_folder():
    """The folders of pytest itself are closed to other accounts, again at each start of a pytest on this machine."""
    path = tempfile.mkdtemp(prefix="postoffice-test-")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(autouse=os.geteuid() == 0)
def no_new_files_in_homes(request):
    """What a test puts into homes would change the mail of later tests. What belongs to a fixture of a module stays."""
    before = homes.names_in_homes()
    yield
    if not request.node.get_closest_marker("xdist_group"):
        homes.remove_from_homes(before)


@pytest.fixture
def folder():
    """A folder for one test, reachable by every account."""
    yield from _open_folder()


@pytest.fixture(scope="module")
def module_folder():
    """A folder for all tests of a module, reachable by every account."""
    yield from _open_folder()


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


@pytest.fixture(scope="session")
def installation():
    """A frozen machine on which postoffice was installed, once for each process that runs tests."""
    made = Machine()
    try:
        made.install()
        made.freeze()
        yield made
    finally:
        made.end()


@pytest.fixture
def installed_machine(installation):
    """A machine on which postoffice was installed and does not run."""
    made = Machine(installation)
    yield made
    made.end()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="NEEDS ROOT: other accounts, mounts or namespaces")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: the long form, run with --long")
    config.addinivalue_line("markers", "xdist_group(name): tests that one process runs (pytest-xdist)")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at the groups
def pytest_collection_modifyitems(items):
    """Tests that share a fixture of their module run in one process, so that the fixture is made once. All others run
    in any process."""
    for item in items:
        definitions = (item.session._fixturemanager.getfixturedefs(name, item.nodeid) for name in item.fixturenames)
        if any(found and found[-1].scope == "module" for found in definitions):
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))
        if "postfix" in item.fixturenames:
            item.add_marker(pytest.mark.timeout(300))  # the first of them installs Postfix, and the others wait for it


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run the long forms of crash and load tests")


@pytest.fixture
def is_long(request):
    return request.config.getoption("--long")


def _is_built_with(feature):
    """Whether --version names the feature."""
    told = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout
    return feature in told[told.index("built with"):]


needs_tls = pytest.mark.skipif(not _is_built_with("TLS"), reason="BUILT WITHOUT TLS: --without-tls")
needs_pam = pytest.mark.skipif(not _is_built_with("PAM"), reason="BUILT WITHOUT PAM: --without-pam")
needs_call_filters = pytest.mark.skipif(not _is_built_with("system call filters"),
                                        reason="BUILT WITHOUT LIBSECCOMP: --without-seccomp")
needs_libwrap = pytest.mark.skipif(not _is_built_with("TCP wrappers"),
                                   reason="BUILT WITHOUT TCP WRAPPERS: --without-tcp-wrappers")
