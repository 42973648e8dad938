"""What an operator sees and turns while the server runs: audit records, titles, reloads, its service manager."""
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

from host import local_user, wait_for
from processes import is_alive, wait_for_title, with_title

MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"


def records(host):
    """(address, command, code, info) of each audit record."""
    return [(m[1], m[2], int(m[3]), m[4])
            for m in re.finditer(r"AUDIT:\d+:(\[[^]]*\]|[^:]*):([^:]*):(\d+):(.*)", host.log_text())]


def wait_for_record(host, *expected):
    wait_for(lambda: any(r[1:1 + len(expected)] == expected for r in records(host)),
             what=lambda: f"a record {expected} among {records(host)}")


# ---- audit

def test_each_command_leaves_a_record(host):
    host.write_config(audit="1")
    host.start()
    user = local_user()
    with host.smtp() as client:
        client.ehlo("laptop")
        client.mail("a@example.org")
        client.rcpt(user)
        client.rcpt("nobody-here")
        text = client.data(MESSAGE)[1].decode()
    wait_for_record(host, "QUIT", 221)
    got = records(host)
    # host.start() has connected, too, and left without a word.
    mine = [r for r in got[[r[1] for r in got].index("EHLO") - 1:] if r[1:3] != ("QUIT", 499)]
    assert [(command, code) for _, command, code, _ in mine] == [
        ("CONN", 220), ("EHLO", 250), ("MAIL", 250), ("RCPT", 250), ("RCPT", 550), ("DATA", 250), ("QUIT", 221)]
    assert {address for address, *_ in mine} == {"127.0.0.1"}
    assert mine[1][3] == "laptop" and mine[2][3].startswith("FROM:<a@example.org>")
    message_id = re.search(r"\bq[0-9A-Za-z]+|[0-9A-Za-z]{10,}", text)[0]
    assert message_id in mine[5][3]


def test_without_it_there_is_none(host):
    host.start()
    with host.smtp() as client:
        client.noop()
    assert not records(host)


def test_what_may_be_a_secret_is_in_no_record(host):
    host.write_config(audit="1", auth_plaintext="1")
    host.start()
    for said in ([b"AUTH PLAIN AGFsaWNlAGhlc2FtZQ=="], [b"AUTH LOGIN", b"YWxpY2U=", b"c2VzYW1l"],
                 [b"AUTH c2VzYW1l"], [b"c2VzYW1l"], [b"sesame"]):
        with host.smtp() as client:
            client.ehlo()
            for line in said:
                client.docmd(line.decode())
    wait_for(lambda: sum(r[1] == "QUIT" and r[2] == 221 for r in records(host)) >= 5, what="the end of all")
    assert not re.search("sesame|c2VzYW1l|AGFsaWNl", host.log_text())
    assert any(r[1] == "AUTH" and r[3].startswith("PLAIN") for r in records(host))


def test_who_leaves_without_a_word_has_a_record(host):
    host.write_config(audit="1")
    host.start()
    client = host.smtp()
    client.ehlo()
    client.mail("a@example.org")
    client.close()
    wait_for_record(host, "QUIT", 499)


def test_a_signal_turns_it_on_and_off_for_who_is_there_already(host):
    host.start()
    with host.smtp() as client:
        client.mail("a@example.org")
        host.process.send_signal(signal.SIGUSR1)
        wait_for(lambda: "audit is=on" in host.log_text(), what="the log")
        client.rset()
        wait_for_record(host, "RSET", 250)
        host.process.send_signal(signal.SIGUSR1)
        wait_for(lambda: "audit is=off" in host.log_text(), what="the log")
        before = len(records(host))
        client.noop()
        assert len(records(host)) == before


def test_the_command_line_turns_it_on_and_a_reload_leaves_it(host):
    host.start("-a")
    host.reload()
    with host.smtp() as client:
        client.noop()
    wait_for_record(host, "NOOP", 250)


def test_signals_sent_to_all_of_the_name_end_nobody(host):
    """killall -USR1 postoffice, killall -HUP postoffice."""
    host.start()
    with host.smtp() as client:
        client.mail("a@example.org")
        everybody = host.processes()
        for number in (signal.SIGUSR1, signal.SIGHUP):
            for pid in everybody:
                if pid != host.process.pid:
                    os.kill(pid, number)
        assert client.rset()[0] == 250
        assert all(is_alive(pid) for pid in everybody)


# ---- what ps shows

def test_titles_say_what_each_process_does(host):
    host.start()
    wait_for_title(host, "master of host.test")
    with host.smtp() as client:
        client.ehlo()
        client.mail("a@example.org")
        wait_for_title(host, "SMTP 127.0.0.1 MAIL")


# ---- reload

def test_a_reload_keeps_the_silent(host):
    """They change over to the new listener, with what they have said; nothing of the old generation stays."""
    host.write_config(clients="600")
    host.start()
    old_listener, = with_title(host, "postoffice: listener")
    silent = [host.smtp() for _ in range(300)]
    for number, client in enumerate(silent):
        client.putcmd(f"EHLO silent{number}.example")
    for client in silent:
        assert client.getreply()[0] == 250
    host.write_config(size="7777777")
    host.reload()
    wait_for(lambda: not is_alive(old_listener), what="the end of the old listener")
    user = local_user()
    for number, client in enumerate(silent):
        assert client.mail("a@example.org")[0] == 250  # EHLO is not forgotten
        if number % 100 == 0:
            client.rcpt(user)
            assert client.data(MESSAGE)[0] == 250
            host.wait_for_mail(user, b"silent%d.example" % number)
        else:
            client.rset()
    silent[0].ehlo()
    assert silent[0].esmtp_features["size"] == "7777777"
    for client in silent:
        client.close()


def test_many_reloads_in_a_row(host):
    host.start()
    silent = [host.smtp() for _ in range(20)]
    for client in silent:
        client.ehlo()
    for _ in range(5):
        host.reload()
    wait_for(lambda: len(with_title(host, "postoffice: listener")) == 1, what="the end of the old listeners")
    for client in silent:
        assert client.noop()[0] == 250
        client.quit()
    assert host.stop() == 0


# ---- service managers

@pytest.fixture
def manager(host):
    """The socket of a service manager; says what it was told, a dict a time."""
    path = os.path.join(host.folder, "notify")
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.bind(path)
    ear.settimeout(20)
    os.environ["NOTIFY_SOCKET"] = path

    def told():
        return dict(line.split("=", 1) for line in ear.recv(4096).decode().splitlines())
    yield told
    os.environ.pop("NOTIFY_SOCKET", None)
    os.environ.pop("WATCHDOG_USEC", None)
    ear.close()


def test_a_service_manager_hears_of_start_reload_and_end(host, manager):
    host.start()
    ready = manager()
    assert ready["READY"] == "1" and int(ready["MAINPID"]) == host.process.pid
    host.reload()
    reloading = manager()
    assert reloading["RELOADING"] == "1" and int(reloading["MONOTONIC_USEC"]) > 0
    assert manager()["READY"] == "1"
    assert host.stop() == 0
    assert manager()["STOPPING"] == "1"


def test_it_is_ready_when_the_port_answers(host, manager):
    host.process = subprocess.Popen([host.command("smtpd"), "-C", host.config, "-bD"], stdin=subprocess.DEVNULL)
    assert manager()["READY"] == "1"
    assert host.answers()


def test_signs_of_life(host, manager):
    os.environ["WATCHDOG_USEC"] = "200000"
    host.start()
    told = [manager() for _ in range(4)]
    assert sum("WATCHDOG" in one for one in told) >= 3


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="NEEDS systemd: systemd-socket-activate")
def test_sockets_of_a_service_manager_are_used(host, make_host):
    """Bound by systemd's own tool; nothing else could be bound to the port at the same time."""
    host.process = subprocess.Popen(
        ["systemd-socket-activate", "-l", f"127.0.0.1:{host.port}", "-E", "LISTEN_PATH", host.command("smtpd"), "-C",
         host.config, "-bD"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(host.answers, what="the first client, who starts the server")
    with host.smtp() as client:
        client.sendmail("a@example.org", [local_user()], MESSAGE)
    host.wait_for_mail(local_user(), b"Subject: hello")
    assert "socket-not-used" not in host.log_text()
    assert host.stop() == 0


def test_a_socket_that_no_option_is_about_is_told(host):
    spare = socket.create_server(("127.0.0.1", 0))
    port = spare.getsockname()[1]
    start = ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=spare exec "$@"', "sh", host.command("smtpd"), "-C",
             host.config, "-bD"]
    host.process = subprocess.Popen(start, stdin=subprocess.DEVNULL, pass_fds=[3],
                                    preexec_fn=lambda: os.dup2(spare.fileno(), 3))
    wait_for(host.answers, what="the daemon answering")
    spare.close()
    assert f"socket-not-used name=spare address=127.0.0.1:{port}" in host.log_text()


def test_a_log_that_was_moved_away_is_begun_anew(host):
    """As logrotate does it: rename, then SIGHUP. Every process writes to the new one, those of users, too."""
    host.start()
    old = host.log + ".1"
    os.rename(host.log, old)
    host.reload()
    with host.smtp() as client:
        client.sendmail("a@example.org", [local_user()], b"Subject: by SMTP\r\n\r\n")
    host.run("sendmail", "-i", local_user(), input=b"Subject: by sendmail\n\n", check=True)
    host.wait_for_mail(local_user(), b"Subject: by sendmail")
    wait_for(lambda: host.log_text().count(": delivered") >= 2, what=lambda: f"both in the log: {host.log_text()}")
    with open(old) as file:
        text = file.read()
    assert "started" in text and "delivered" not in text and "reloaded" not in text
