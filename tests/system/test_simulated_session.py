"""sendmail -bs -oMa ADDRESS gives the replies that a client with that address would get, and stores no message."""
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


def simulate(host, address, text, *others, command="sendmail"):
    done = host.run(command, "-bs", "-oMa", address, *others, input=text.encode())
    return done.returncode, done.stdout.decode().splitlines(), done.stderr.decode()


def codes(lines):
    return [line[:3] for line in lines if line[3:4] == " "]


def files(folder):
    """All files except the log, which any command may create."""
    return sorted(os.path.join(path, name) for path, _, names in os.walk(folder) for name in names if name != "log")


@pytest.mark.parametrize("address", ["203.0.113.9", "[203.0.113.9]", "[IPv6:2001:db8::9]", "2001:db8::9"])
def test_a_client_without_permission_gets_the_replies_of_the_server(host, address):
    host.write_config(verify_from="0")
    before = files(host.folder)
    status, lines, stderr = simulate(host, address, DIALOGUE % local_user())
    assert status == 0 and codes(lines) == ["220", "250", "250", "250", "550", "550", "354", "554", "221"], lines
    assert lines[-2].startswith("554 5.3.0 Rehearsal"), "a 250 would be a promise"
    assert "Nothing is stored" in stderr and "refused command=RCPT" in stderr
    assert files(host.folder) == before


def test_a_trusted_client_gets_other_replies(host):
    host.write_config(verify_from="0", trusted="[203.0.113.9]")
    _, lines, _ = simulate(host, "203.0.113.9", DIALOGUE % local_user())
    assert codes(lines) == ["220", "250", "250", "250", "250", "550", "354", "554", "221"], lines


def test_an_argument_that_is_no_address_is_an_error(host):
    status, lines, stderr = simulate(host, "far.test", "QUIT\n")
    assert status == 64 and lines == [] and "-oMa far.test: not an IPv4 or IPv6 address" in stderr


def test_the_greylist_is_read_and_not_changed(host, folder):
    database = os.path.join(folder, "db")
    os.mkdir(database)
    host.write_config(verify_from="0", greylist="1", db_dir=database)
    for _ in range(2):
        _, lines, stderr = simulate(host, "203.0.113.9", DIALOGUE % local_user())
        assert codes(lines)[:7] == ["220", "250", "250", "250", "550", "550", "451"], lines
        assert "reason=greylist" in stderr
    assert os.listdir(database) == []


@needs_root
@needs_libwrap
def test_hosts_deny_and_dns_lists_count(strangers):  # noqa: F811
    strangers.configure(dnsbl="bad.test")
    strangers.tables.write(deny="smtp: good.test: setenv WHY we had too much\n")

    def replies(address):
        text = "EHLO x.test\nMAIL FROM:<a@good.test>\nQUIT\n"
        return simulate(strangers.host, address, text)[1]
    assert "because we had too much" in " ".join(replies("192.0.2.10"))
    assert "192.0.2.13 is on bad.test" in " ".join(replies("192.0.2.13")).replace("550-5.7.1 ", "")


@needs_root
def test_an_ordinary_user_may_simulate_a_session(host):
    host.write_config(verify_from="0")
    host.start()
    done = subprocess.run([host.command("sendmail"), "-C", host.config, "-bs", "-oMa", "203.0.113.9"], user="nobody",
                          input=(DIALOGUE % "bob").encode(), capture_output=True, timeout=60, check=True)
    assert codes(done.stdout.decode().splitlines())[-2:] == ["554", "221"]
