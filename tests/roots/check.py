"""The second command of README passes all tests on a bare Debian, as an ordinary user with sudo, from `git clone`,
and leaves no service behind.

It takes both processors for a quarter of an hour: make check-roots ROOT_TESTS=tests/roots/check.py; .ci/run does it
with BARE_CHECK=1.
"""
import os
import re
import sys

import pytest

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "support")]
from root import Root  # noqa: E402

pytestmark = pytest.mark.timeout(5400)

README = "./configure.sh --get-deps=check && make check"

#: Services that start at boot, and services that run now.
SERVICES = "find /etc/systemd/system /etc/systemd/user /etc/rc[S2345].d -name 'S*' -o -type l -path '*.wants/*' | sort"
PROCESSES = "ps -eo comm= | grep -vxE 'sh|cat|ps|grep|sort' | sort"


def test_make_check_passes_for_a_user_with_sudo():
    with Root(name="check") as root:
        root.install("sudo", "procps")
        root.add_user("alice")
        root.write("/etc/sudoers.d/alice", "alice ALL=(ALL) NOPASSWD: ALL\n", mode=0o440)
        root.clone_into("/home/alice/postoffice", owner="alice")
        services, processes = root.shell(SERVICES), root.shell(PROCESSES, check=False)
        told = root.shell(f"cd postoffice && {README}", user="alice", check=False, timeout=5000)
        last = told.rstrip().splitlines()[-1]
        failures = [line for line in told.splitlines() if re.match(r"FAILED|ERROR|E  |_{5,}", line)]
        assert told.status == 0 and re.fullmatch(r"\d+ passed, 0 failed, \d+ skipped", last), \
            "\n".join([*failures, told[-8000:]])
        print(f"{README}: {last}, {told.seconds:.0f} s")
        assert root.shell(SERVICES) == services
        assert root.shell(PROCESSES, check=False) == processes
