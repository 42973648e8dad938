"""Events go to syslog(3) with a priority that fits them."""
import os
import re
import socket
import subprocess

import pytest

from conftest import needs_root

MAIL, CRITICAL, WARNING, NOTICE, INFO = 2 << 3, 2, 4, 5, 6

pytestmark = needs_root


@pytest.fixture
def syslog(folder):
    """A socket that stands for /dev/log, and a function that runs a command that uses it."""
    path = os.path.join(folder, "syslog")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(path)
        os.chmod(path, 0o666)
        log.settimeout(20)

        def run(*command, **options):
            # /dev/log may be a symbolic link, over which nothing can be mounted, so /dev/log is replaced.
            script = 'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && ln -s "$0" /dev/log && exec "$@"'
            return subprocess.run(["unshare", "-m", "sh", "-c", script, path, *command], capture_output=True, timeout=60,
                                  **options)
        yield log, run


def test_a_denied_option_is_logged(host, syslog):
    log, run = syslog
    done = run("setpriv", "--reuid=nobody", "--clear-groups", host.command("sendmail"), "-orelay-host=x.test", "bob")
    assert done.returncode == 77, done.stderr
    line = log.recv(4096).decode()
    assert line.startswith(f"<{MAIL + WARNING}>"), line
    assert re.search(r"not-permitted program=sendmail uid=65534 reason=.*relay-host", line), line


def test_a_refusal_has_a_higher_priority_than_a_delivery(host, syslog):
    log, run = syslog
    host.write_config(log="syslog")
    dialogue = b"MAIL FROM:<a@b@c>\r\nQUIT\r\n"
    run(host.command("sendmail"), "-C", host.config, "-bs", input=dialogue)
    line = log.recv(4096).decode()
    assert line.startswith(f"<{MAIL + NOTICE}>") and "refused command=MAIL" in line, line
