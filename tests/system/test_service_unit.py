"""The systemd unit takes privileges from the server, and leaves all that the server needs."""
import os
import re
import shutil
import stat
import subprocess

import pytest

from accounts import password_of
from certificates import authority  # noqa: F401
from conftest import needs_pam, needs_root, needs_tls
from host import TOP, wait_for
from login_host import make_login_host
from outsiders import CROWD, outsiders  # noqa: F401
from test_auth import submission
from test_coal_command import examples_of_the_manual, program, speak_http

pytestmark = [needs_root, pytest.mark.skipif(not shutil.which("setpriv"), reason="NEEDS util-linux: setpriv")]


def as_a_service():
    """A command in front that takes away what the unit takes away."""
    with open(os.path.join(TOP, "os", "systemd", "postoffice.service")) as file:
        line, = [line for line in file if line.startswith("CapabilityBoundingSet=")]
    names = [name.removeprefix("CAP_").lower() for name in line.strip().split("=")[1].split()]
    return ["setpriv", "--bounding-set", ",".join(["-all", *(f"+{name}" for name in names)]), "--"]


def test_mail_arrives_under_the_unit(host):
    host.prefix = as_a_service()
    host.write_aliases("list: alice, bob, \"|cat >/dev/null\"\n")
    host.start()
    host.wait_until_ready()
    assert stat.S_IMODE(os.stat(os.path.join(host.spool, "drop")).st_mode) == 0o3730
    with host.smtp() as client:
        client.sendmail("a@example.org", ["list"], b"Subject: hello\r\n\r\n")
    host.wait_for_mail("alice", b"Subject: hello")
    host.wait_for_mail("bob", b"Subject: hello")
    host.wait_for_empty_queue()


@needs_pam
@needs_tls
def test_accounts_log_in_under_the_unit(make_host, authority, folder):  # noqa: F811
    """libpam writes each login to the audit of the kernel, and as root regards a denial as an error."""
    host = make_login_host(make_host, authority, folder)
    host.prefix = as_a_service()
    host.start()
    host.wait_until_ready()
    with submission(host) as smtp:
        smtp.user, smtp.password = "alice", password_of("alice")
        code, reply = smtp.auth("PLAIN", smtp.auth_plain)
        assert code == 235, reply


@pytest.mark.skipif(not shutil.which("nft"), reason="NEEDS nftables")
def test_the_packet_filter_of_the_manual_works_under_the_unit(outsiders, folder):  # noqa: F811
    filter_setup, script = examples_of_the_manual()
    done = subprocess.run([*outsiders.server.prefix, "sh", "-c", filter_setup], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"NEEDS a kernel with nf_tables: {done.stderr}")
    outsiders.server.prefix += as_a_service()
    host = outsiders.start(coal_command=program(folder, script), coal="20/1h")
    speak_http(outsiders, CROWD[0])
    wait_for(lambda: f"coal-run client=unknown[{CROWD[0]}] " in host.log_text(), what="the command")
    assert re.search(rf"coal-run client=unknown.{CROWD[0]}. command=\S+ status=\"exit 0\"", host.log_text()), host.log_text()
