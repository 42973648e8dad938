"""With audit=1, the log has a record of each command of each client, and no secret; process titles show what each
client is doing."""
import os
import re
import signal

from host import local_user, wait_for
from processes import is_alive, wait_for_title
from smtp_clients import message


def records(host):
    """(address, command, code, info) of each audit record."""
    return [(m[1], m[2], int(m[3]), m[4])
            for m in re.finditer(r"AUDIT:\d+:(\[[^]]*\]|[^:]*):([^:]*):(\d+):(.*)", host.log_text())]


def wait_for_record(host, *expected):
    wait_for(lambda: any(r[1:1 + len(expected)] == expected for r in records(host)),
             what=lambda: f"a record {expected} among {records(host)}")


def test_each_command_has_a_record(host):
    host.write_config(audit="1")
    host.start()
    user = local_user()
    with host.smtp() as client:
        client.ehlo("laptop")
        client.mail("a@example.org")
        client.rcpt(user)
        client.rcpt("nobody-here")
        text = client.data(message(b"hello"))[1].decode()
    wait_for_record(host, "QUIT", 221)
    # host.start() has connected as well, without a command.
    got = [r for r in records(host) if r[1:3] != ("QUIT", 499)]
    mine = got[[r[1] for r in got].index("EHLO") - 1:]
    assert [(command, code) for _, command, code, _ in mine] == [
        ("CONN", 220), ("EHLO", 250), ("MAIL", 250), ("RCPT", 250), ("RCPT", 550), ("DATA", 250), ("QUIT", 221)]
    assert {address for address, *_ in mine} == {"127.0.0.1"}
    assert mine[1][3] == "laptop" and mine[2][3].startswith("FROM:<a@example.org>")
    message_id = re.search(r"\bq[0-9A-Za-z]+|[0-9A-Za-z]{10,}", text)[0]
    assert message_id in mine[5][3]


def test_without_audit_there_is_no_record(host):
    host.start()
    with host.smtp() as client:
        client.noop()
    assert not records(host)


def test_no_record_has_a_secret(host):
    host.write_config(audit="1", auth_plaintext="1")
    host.start()
    for said in ([b"AUTH PLAIN AGFsaWNlAGhlc2FtZQ=="], [b"AUTH LOGIN", b"YWxpY2U=", b"c2VzYW1l"],
                 [b"AUTH c2VzYW1l"], [b"c2VzYW1l"], [b"sesame"]):
        with host.smtp() as client:
            client.ehlo()
            for line in said:
                client.docmd(line.decode())
    wait_for(lambda: sum(r[1] == "QUIT" and r[2] == 221 for r in records(host)) >= 5, what="the end of all sessions")
    assert not re.search("sesame|c2VzYW1l|AGFsaWNl", host.log_text())
    assert any(r[1] == "AUTH" and r[3].startswith("PLAIN") for r in records(host))


def test_a_client_that_disconnects_has_a_record(host):
    host.write_config(audit="1")
    host.start()
    client = host.smtp()
    client.ehlo()
    client.mail("a@example.org")
    client.close()
    wait_for_record(host, "QUIT", 499)


def test_sigusr1_switches_the_audit_for_sessions_in_progress(host):
    host.start()
    with host.smtp() as client:
        client.mail("a@example.org")
        host.process.send_signal(signal.SIGUSR1)
        wait_for(lambda: "auditing state=on" in host.log_text(), what="the log")
        client.rset()
        wait_for_record(host, "RSET", 250)
        host.process.send_signal(signal.SIGUSR1)
        wait_for(lambda: "auditing state=off" in host.log_text(), what="the log")
        before = len(records(host))
        client.noop()
        assert len(records(host)) == before


def test_a_reload_keeps_the_audit_of_the_command_line(host):
    host.start("-a")
    host.reload()
    with host.smtp() as client:
        client.noop()
    wait_for_record(host, "NOOP", 250)


def test_signals_to_all_processes_end_none(host):
    """killall -USR1 postoffice, killall -HUP postoffice."""
    host.start()
    with host.smtp() as client:
        client.mail("a@example.org")
        pids = host.lasting_processes()
        for number in (signal.SIGUSR1, signal.SIGHUP):
            for pid in pids:
                if pid != host.process.pid:
                    os.kill(pid, number)
        assert client.rset()[0] == 250
        ended = {pid: title for pid, title in pids.items() if not is_alive(pid)}
        assert not ended


def test_titles_name_the_client_and_its_command(host):
    host.start()
    wait_for_title(host, "master of host.test")
    with host.smtp() as client:
        client.ehlo()
        client.mail("a@example.org")
        wait_for_title(host, "SMTP 127.0.0.1 MAIL")
