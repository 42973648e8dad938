"""The exit status is the documented one, also if standard output or standard error cannot be written."""
import os
import shutil
import subprocess

import pytest

from conftest import needs_root
from host import BINARY, local_user

# Name, arguments, exit status.
FAILURES = [
    ("sendmail", ["-bx"], 64),
    ("sendmail", ["-q0"], 64),
    ("sendmail", ["--nonsense"], 64),
    ("sendmail", ["-C", "/nonexistent", "root"], 66),
    ("sendmail", ["-C", "/nonexistent", "-bC"], 66),
    ("mailq", ["-C", "/nonexistent"], 66),
    ("runq", ["-C", "/nonexistent"], 66),
    ("newaliases", ["-C", "/nonexistent"], 66),
    ("smtpd", ["-C", "/nonexistent"], 66),
    ("authexpire", ["-?"], 64),
    ("authexpire", ["-C", "/nonexistent"], 66),
    ("dbm", [], 64),
    ("vdomain", [], 64),
    ("vpasswd", [], 64),
    ("valias", [], 64),
    ("virtdomain", ["-?"], 64),
]


@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-", "1>/dev/full 2>/dev/full", "0<&- 1>&- 2>&-"])
@pytest.mark.parametrize("name, arguments, status", FAILURES, ids=lambda value: str(value))
def test_an_error_has_its_status(host, name, arguments, status, where):
    ended = subprocess.run(["sh", "-c", f'exec "$0" "$@" {where}', host.command(name), *arguments], timeout=60)
    assert ended.returncode == status


@pytest.mark.parametrize("name, arguments", [("sendmail", ["-bV"]), ("mailq", []), ("sendmail", ["--help"]),
                                             ("sendmail", ["-bv", local_user()]), ("newaliases", [])])
def test_output_that_cannot_be_written_is_an_error(host, name, arguments):
    host.start()
    for where, status in (("1>/dev/full", 74), ("1>&-", 0), ("2>&-", 0)):
        ended = subprocess.run(["sh", "-c", f'exec "$0" "$@" {where}', host.command(name), "-C", host.config, *arguments],
                               stdout=subprocess.DEVNULL, timeout=60)
        assert ended.returncode == status, where


@needs_root
@pytest.mark.parametrize("arguments, where, status", [
    (["-bx"], "2>&-", 64), (["-bV"], "1>&-", 0), (["-bV"], "2>&-", 0), (["someone"], "0<&-", 66)])
def test_the_set_group_id_program_has_the_same_status(folder, arguments, where, status):
    """For a set-group-id program, the C library opens closed standard streams with the wrong access mode."""
    program = os.path.join(folder, "sendmail")
    shutil.copy(BINARY, program)
    os.chown(program, 0, 8)
    os.chmod(program, 0o2755)
    ended = subprocess.run(["sh", "-c", f'exec "$0" "$@" {where}', program, *arguments], user=65534, group=65534,
                           extra_groups=[], stdout=subprocess.DEVNULL, timeout=60)
    assert ended.returncode == status
