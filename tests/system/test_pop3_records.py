"""Audit records have each command of a POP3 client and no password, and SIGUSR2 tells what each session does."""
import os
import re
import signal
import time

import pytest

from accounts import password_of
from certificates import authority  # noqa: F401
from conftest import needs_root, needs_tls
from host import wait_for
from pop3_host import MESSAGES, Pop3Host, Talk, on_the_wire
from processes import with_title

pytestmark = [needs_root, needs_tls]


@pytest.fixture
def audited(make_host, authority, folder):  # noqa: F811
    pop3 = Pop3Host(make_host, authority, folder, audit="1").start()
    pop3.deliver("alice", [on_the_wire(m.split(b"\n", 1)[1]) for m in MESSAGES])
    return pop3


def records(pop3):
    """[command, code, info] of each client of POP3."""
    found = re.findall(r"AUDIT:\d+:[^:]*:([^:]*):(\+OK|-ERR|499|599):(.*)", pop3.host.log_text())
    return [list(record) for record in found]


def test_each_command_has_a_record_and_no_secret(audited):
    password = password_of("alice")
    client = audited.client()
    client.retr(1)
    client.quit()
    with Talk(audited.pop3) as talk:
        for line in ("USER alice", f"PASS {password}x", f"AUTH {password}", password, f"NOOP {password}"[:4]):
            talk.say(line)
    wait_for(lambda: ["QUIT", "499", "end of file without QUIT"] in records(audited), what=lambda: records(audited))
    got = records(audited)
    first = got[[record[:1] for record in got].index(["USER"]):]
    assert first[:5] == [["USER", "+OK", "alice"], ["PASS", "+OK", "alice"], ["RETR", "+OK", "1"], ["QUIT", "+OK", ""],
                         ["CONN", "+OK", first[4][2]]]
    assert first[5:10] == [["USER", "+OK", "alice"], ["PASS", "-ERR", ""], ["AUTH", "-ERR", ""], ["?", "-ERR", ""],
                           ["NOOP", "-ERR", ""]]
    assert password not in audited.host.log_text()


def status_lines(host):
    return re.findall(r" status (process=.*)", host.log_text())


def test_a_signal_tells_what_each_process_does(audited):
    host = audited.host
    client = audited.client()
    client.retr(1)
    with Talk(audited.pop3):
        host.process.send_signal(signal.SIGUSR2)
        wait_for(lambda: any("process=session" in line and "alice RETR" in line for line in status_lines(host)),
                 what=lambda: status_lines(host))
        lines = status_lines(host)
        session, = with_title(host, "POP3 127.0.0.1 alice RETR")
        assert any(f"process=session child={session} client=unknown[127.0.0.1]" in line for line in lines), lines
        counts, = (line for line in lines if "state=serving" in line)
        assert re.search(r"clients=2 .*sessions=[0-9]+", counts), counts
        assert {"spawner", "authenticator", "listener"} <= set(re.findall(r"process=(\S+) child=", "\n".join(lines)))
    client.quit()


def test_the_signal_harms_no_process(audited):
    client = audited.client()
    before = {pid: title for pid, title in audited.host.lasting_processes().items() if "idle" not in title}
    for pid in before:
        os.kill(pid, signal.SIGUSR2)
    time.sleep(1)
    client.retr(1)
    # A child of the authenticator has its name for a moment, and may end by itself.
    after = audited.host.processes()
    ended = {title for pid, title in before.items() if pid not in after} - set(after.values())
    assert not ended and " crash " not in audited.host.log_text(), (ended, audited.host.log_text())
    client.quit()
