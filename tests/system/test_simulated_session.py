"""sendmail -bs -oMa ADDRESS: what a client from there would hear, and nothing is stored."""
import os
import subprocess

import pytest

from conftest import needs_libwrap, needs_root
from host import local_user
from strangers import all_strangers, strangers  # noqa: F401

DIALOGUE = """EHLO far.test
MAIL FROM:<a@far.test>
RCPT TO:<%s@host.test>
RCPT TO:<b@elsewhere.test>
RCPT TO:<nobody-here@host.test>
DATA
Subject: a rehearsal

Hello.
.
QUIT
"""


def rehearse(host, address, text, *others, command="sendmail"):
    done = host.run(command, "-bs", "-oMa", address, *others, input=text.encode())
    return done.returncode, done.stdout.decode().splitlines(), done.stderr.decode()


def codes(lines):
    return [line[:3] for line in lines if line[3:4] == " "]


def files(folder):
    """All but the log, which any command may make."""
    return sorted(os.path.join(path, name) for path, _, names in os.walk(folder) for name in names if name != "log")


@pytest.mark.parametrize("address", ["203.0.113.9", "[203.0.113.9]", "[IPv6:2001:db8::9]", "2001:db8::9"])
def test_a_stranger_hears_what_the_server_says(host, address):
    host.write_config(verify_from="0")
    before = files(host.folder)
    status, lines, stderr = rehearse(host, address, DIALOGUE % local_user())
    assert status == 0 and codes(lines) == ["220", "250", "250", "250", "550", "550", "354", "554", "221"], lines
    assert lines[-2].startswith("554 5.3.0 Rehearsal"), "a 250 would be a promise"
    assert "Nothing is stored" in stderr and "refused command=RCPT" in stderr
    assert files(host.folder) == before


def test_a_trusted_host_hears_something_else(host):
    host.write_config(verify_from="0", trusted="[203.0.113.9]")
    _, lines, _ = rehearse(host, "203.0.113.9", DIALOGUE % local_user())
    assert codes(lines) == ["220", "250", "250", "250", "250", "550", "354", "554", "221"], lines


def test_what_is_no_address_is_told(host):
    status, lines, stderr = rehearse(host, "far.test", "QUIT\n")
    assert status == 64 and lines == [] and "-oMa far.test: not an IPv4 or IPv6 address" in stderr


def test_the_greylist_is_asked_and_learns_nothing(host, folder):
    database = os.path.join(folder, "db")
    os.mkdir(database)
    host.write_config(verify_from="0", greylist="1", db_dir=database)
    for _ in range(2):
        _, lines, stderr = rehearse(host, "203.0.113.9", DIALOGUE % local_user())
        assert codes(lines)[:7] == ["220", "250", "250", "250", "550", "550", "451"], lines
        assert "reason=greylist" in stderr
    assert os.listdir(database) == []


@needs_root
@needs_libwrap
def test_hosts_deny_and_dns_lists(strangers):  # noqa: F811
    strangers.configure(dnsbl="bad.test")
    strangers.tables.write(deny="smtp: good.test: setenv WHY we had too much\n")

    def heard(address):
        text = "EHLO x.test\nMAIL FROM:<a@good.test>\nQUIT\n"
        return rehearse(strangers.host, address, text)[1]
    assert "because we had too much" in " ".join(heard("192.0.2.10"))
    assert "192.0.2.13 is on bad.test" in " ".join(heard("192.0.2.13")).replace("550-5.7.1 ", "")


@needs_root
def test_an_ordinary_user_may_ask(host):
    host.write_config(verify_from="0")
    host.start()
    done = subprocess.run([host.command("sendmail"), "-C", host.config, "-bs", "-oMa", "203.0.113.9"], user="nobody",
                          input=(DIALOGUE % "bob").encode(), capture_output=True, timeout=60, check=True)
    assert codes(done.stdout.decode().splitlines())[-2:] == ["554", "221"]
