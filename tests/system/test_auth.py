"""A client logs in with the password of an account (PAM) or of a virtual user, and relays then; a wrong password
costs only the client that sent it."""
import array
import base64
import contextlib
import os
import random
import re
import signal
import smtplib
import socket
import ssl
import struct
import subprocess
import threading

import pytest

from accounts import password_of
from captured import request_handles
from certificates import authority  # noqa: F401
from conftest import needs_pam, needs_root, needs_tls
from host import wait_for
from login_host import login_host  # noqa: F401
from pam_stack import held_logins
from processes import descriptors, wait_for_title, with_title
from sink import Sink

pytestmark = [needs_root, needs_tls]


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def submission(host):
    smtp = smtplib.SMTP("127.0.0.1", host.submission_port, timeout=60, local_hostname="[127.0.0.1]")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    smtp.starttls(context=context)
    smtp.ehlo()
    return smtp


@pytest.mark.parametrize("user, password, name", [
    ("alice", password_of("alice"), "alice"), ("alice@host.test", password_of("alice"), "alice"),
    ("vera@virtual.test", "v pass", "vera@virtual.test"), ("Vera@Virtual.TEST", "v pass", "vera@virtual.test"),
    ("victor@virtual.test", "w pass", "victor@virtual.test")])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_client_with_the_password_may_send(login_host, user, password, name, mechanism):
    with submission(login_host) as smtp:
        assert smtp.esmtp_features["auth"].split() == ["PLAIN", "LOGIN", "PLAIN", "LOGIN"]  # AUTH and AUTH=
        smtp.user, smtp.password = user, password
        code, _ = smtp.auth(mechanism, smtp.auth_plain if mechanism == "PLAIN" else smtp.auth_login)
        assert code == 235
        sender = name if "@" in name else f"{name}@host.test"
        smtp.sendmail(sender, ["alice@host.test"], b"Subject: in\r\n\r\nx\r\n")
    box = login_host.wait_for_mail("alice", b"Subject: in")
    assert b"with ESMTPSA id" in box
    assert f" login={name}\n" in login_host.log_text()


@pytest.mark.parametrize("user, password", [
    ("alice", "wrong"), ("nobody-there", "x"), ("root", "x"), ("vera@virtual.test", "w pass"), ("vera@nowhere.test", "v pass"),
    ("locked@virtual.test", "x"), ("empty@virtual.test", "x"), ("../passwd@..", "x"), ("vera@../vhosts/virtual.test", "v pass")])
def test_a_client_without_the_password_may_not(login_host, user, password):
    with submission(login_host) as smtp:
        code, text = smtp.docmd("AUTH", "PLAIN " + b64(f"\0{user}\0{password}"))
        assert code == 535, text
        assert smtp.docmd("MAIL", "FROM:<alice@host.test>")[0] == 530


def test_a_logged_in_client_may_relay(login_host):
    with Sink() as sink:
        login_host.write_config(relay_host=f"[127.0.0.1]:{sink.port}")
        login_host.reload()
        with submission(login_host) as smtp:
            smtp.login("vera@virtual.test", "v pass")
            smtp.sendmail("vera@virtual.test", ["far@away.test"], b"Subject: away\r\n\r\nx\r\n")
        wait_for(lambda: sink.messages, what="the message at the relay host")
    assert re.search(r"received from=<vera@virtual\.test> client=\S+ login=vera@virtual\.test ", login_host.log_text())


def test_no_client_logs_in_as_one_user_to_act_for_another(login_host):
    with submission(login_host) as smtp:
        code, text = smtp.docmd("AUTH", "PLAIN " + b64("alice\0vera@virtual.test\0v pass"))
        assert code == 535 and text.startswith(b"5.7.8"), text
        assert smtp.docmd("AUTH", "PLAIN " + b64("vera@virtual.test\0vera@virtual.test\0v pass"))[0] == 235


def test_replies_of_auth(login_host):
    with submission(login_host) as smtp:
        assert smtp.docmd("AUTH")[0] == 501
        assert smtp.docmd("AUTH", "GSSAPI")[0] == 504
        assert smtp.docmd("AUTH", "PLAIN !!!")[0] == 501
        assert smtp.docmd("AUTH", "PLAIN " + b64("no nuls"))[0] == 501
        assert smtp.docmd("AUTH", "PLAIN")[0] == 334
        assert smtp.docmd("*")[0] == 501
        code, challenge = smtp.docmd("AUTH", "LOGIN")
        assert (code, base64.b64decode(challenge)) == (334, b"Username:")
        code, challenge = smtp.docmd(b64("alice"))
        assert (code, base64.b64decode(challenge)) == (334, b"Password:")
        assert smtp.docmd("*")[0] == 501
        assert smtp.docmd("AUTH", "LOGIN " + b64("alice"))[0] == 334
        assert smtp.docmd(b64(password_of("alice")))[0] == 235
        assert smtp.docmd("AUTH", "PLAIN =")[0] == 503
        assert smtp.docmd("MAIL", "FROM:<alice@host.test>")[0] == 250


def test_auth_is_refused_inside_a_transaction(login_host):
    with login_host.smtp() as smtp:
        smtp.ehlo()
        smtp.docmd("MAIL", "FROM:<a@example.org>")
        assert smtp.docmd("AUTH", "PLAIN " + b64("\0alice\0x"))[0] == 503


def test_a_response_that_is_too_long_is_refused(login_host):
    with submission(login_host) as smtp:
        assert smtp.docmd("AUTH", "PLAIN")[0] == 334
        assert smtp.docmd("A" * 100_000)[0] == 500
        assert smtp.noop()[0] == 250


def test_failures_of_one_user_of_a_webmail_lock_out_no_other_user(login_host):
    """All users of a webmail come from one address, so failures count for the name."""
    login_host.write_config(auth_failures="2", tarpit="0")
    login_host.reload()
    for spelling in ("vera@virtual.test", "Vera@Virtual.test"):
        with submission(login_host) as smtp:
            assert smtp.docmd("AUTH", "PLAIN " + b64(f"\0{spelling}\0wrong"))[0] == 535
    with submission(login_host) as smtp:
        for _ in range(2):
            assert smtp.docmd("AUTH", "PLAIN " + b64("\0vera@virtual.test\0v pass"))[0] == 454
        assert smtp.docmd("AUTH", "PLAIN " + b64("\0victor@virtual.test\0w pass"))[0] == 235
    assert "login=vera@virtual.test reason=\"too many failures\"" in login_host.log_text()


def test_failures_of_one_client_do_not_delay_another(login_host):
    with submission(login_host) as guesser:
        guesser.putcmd("AUTH", "PLAIN " + b64("\0alice\0wrong"))  # PAM itself waits for two seconds
        with submission(login_host) as smtp:
            assert smtp.login("vera@virtual.test", "v pass")[0] == 235
        assert guesser.getreply()[0] == 535


def plain(user, password):
    return "PLAIN " + b64(f"\0{user}\0{password}")


@pytest.mark.parametrize("say, is_used_again", [
    (["NOOP"], True), ([f"AUTH PLAIN {b64(chr(0) + 'vera@virtual.test' + chr(0) + 'v pass')}"], False),
    ([f"AUTH PLAIN {b64(chr(0) + 'vera@virtual.test' + chr(0) + 'wrong')}"], False), (["AUTH LOGIN", b64("vera"), "*"], False)])
def test_a_process_that_received_a_password_serves_no_other_client(login_host, say, is_used_again):
    login_host.write_config(tarpit="0", auth_failures="100")
    login_host.reload()
    served_by = set()
    for _ in range(10):
        with submission(login_host) as smtp:
            mine = smtp.sock.getsockname()[1]
            served_by |= {pid for pid in with_title(login_host, "SMTP 127.0.0.1")
                          if f"tcp {login_host.submission_port}-{mine}" in descriptors(pid)}
            for line in say:
                smtp.docmd(line)
    assert len(served_by) < 10 if is_used_again else len(served_by) == 10, served_by


@needs_pam
def test_slow_pam_delays_no_other_client(login_host, folder):
    # More logins at a time than a small pool of processes could hold.
    with held_logins(folder, "mallory") as gate, contextlib.ExitStack() as sessions:
        waiting = [sessions.enter_context(submission(login_host)) for _ in range(30)]
        for smtp in waiting:
            smtp.putcmd("AUTH", plain("mallory", password_of("mallory")))
        wait_for_title(login_host, "authenticating", count=30)
        for user, password in (("alice", password_of("alice")), ("vera@virtual.test", "v pass")):
            with submission(login_host) as smtp:
                assert smtp.login(user, password)[0] == 235
        # All of them still wait; a process that has answered may be about to end.
        assert len(with_title(login_host, "authenticating")) >= 30
        os.unlink(gate)
        assert [smtp.getreply()[0] for smtp in waiting] == [235] * 30


AUTH_REQUEST_OCTETS = 864


def auth_request(user, password):
    """struct AuthRequest of include/postoffice/policy/authentication.h, with a pass that the listener did not give."""
    request = struct.pack("@IB256s512s64s3xQQB7x", 0x504f4155, 0, user.encode(), password.encode(), b"127.0.0.1", 1, 1, 0)
    assert len(request) == AUTH_REQUEST_OCTETS
    return request


@needs_pam
def test_a_captured_session_process_prevents_no_login(login_host, folder):
    with held_logins(folder, "mallory") as gate, submission(login_host) as captured:
        captured.noop()
        boxes = request_handles(wait_for_title(login_host, "SMTP 127.0.0.1")[0])
        assert len(boxes) == 2, "those of authenticator and spawner"
        flood = random.Random(1)
        over = threading.Event()
        questions = []

        def attack(box):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as slot:
                slot.connect(box)
                while not over.is_set():
                    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                    ends = array.array("i", [theirs.fileno()] * flood.choice([0, 1, 1, 2, 3]))
                    slot.sendmsg([flood.choice([auth_request("mallory", password_of("mallory")), b"x",
                                                flood.randbytes(AUTH_REQUEST_OCTETS), flood.randbytes(flood.randrange(5000))])],
                                 [(socket.SOL_SOCKET, socket.SCM_RIGHTS, ends)] if ends else [])
                    theirs.close()
                    if len(questions) < 500:
                        questions.append(ours)
                    else:
                        ours.close()
        attackers = [threading.Thread(target=attack, args=(box,)) for box in boxes]
        for attacker in attackers:
            attacker.start()
        try:
            wait_for(lambda: len(questions) == 500, what="a flood")
            assert len(with_title(login_host, "authenticating")) <= 4
            for user, password in (("alice", password_of("alice")), ("vera@virtual.test", "v pass")) * 3:
                with submission(login_host) as smtp:
                    assert smtp.login(user, password)[0] == 235
            with login_host.smtp() as smtp:
                smtp.sendmail("a@example.org", ["alice@host.test"], b"Subject: meanwhile\r\n\r\nx\r\n")
            login_host.wait_for_mail("alice", b"meanwhile")
        finally:
            over.set()
            for attacker in attackers:
                attacker.join(30)
            for question in questions:
                question.close()
        os.unlink(gate)
        wait_for(lambda: not with_title(login_host, "authenticating"), what="the end of all questions")


def test_a_login_waits_for_the_next_authenticator_when_one_is_killed(login_host):
    os.kill(wait_for_title(login_host, "authenticator")[0], signal.SIGKILL)
    with submission(login_host) as smtp:  # the request waits for the next authenticator
        assert smtp.login("vera@virtual.test", "v pass")[0] == 235


def test_a_stopped_authenticator_stops_no_other_login(login_host):
    pid = wait_for_title(login_host, "authenticator")[0]
    os.kill(pid, signal.SIGSTOP)
    replies = []

    def log_in():
        with submission(login_host) as smtp:
            replies.append(smtp.login("vera@virtual.test", "v pass")[0])
    waiting = threading.Thread(target=log_in)
    waiting.start()
    with login_host.smtp() as smtp:
        smtp.sendmail("a@example.org", ["alice@host.test"], b"Subject: meanwhile\r\n\r\nx\r\n")
    login_host.wait_for_mail("alice", b"meanwhile")
    os.kill(pid, signal.SIGCONT)
    waiting.join(40)
    assert replies == [235]


def test_without_tls_only_local_clients_may_log_in(make_host):
    host = make_host("host").start()
    with host.smtp() as smtp:
        smtp.ehlo()
        assert smtp.has_extn("auth"), "this client is the host itself"
        assert smtp.login("alice", password_of("alice"))[0] == 235


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks_logs_in(login_host, mechanism):
    done = subprocess.run(["swaks", "--server", f"127.0.0.1:{login_host.submission_port}", "--tls", "--auth", mechanism,
                           "--auth-user", "vera@virtual.test", "--auth-password", "v pass", "--from",
                           "vera@virtual.test", "--to", "alice@host.test", "--h-Subject", "from swaks"],
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout
    login_host.wait_for_mail("alice", b"Subject: from swaks")


def test_curl_logs_in(login_host, folder):
    path = os.path.join(folder, "mail")
    with open(path, "w") as file:
        file.write("Subject: from curl\n\nx\n")
    subprocess.run(["curl", "--silent", "--show-error", "--insecure", "--ssl-reqd", "--url",
                    f"smtp://127.0.0.1:{login_host.submission_port}", "--user", "vera@virtual.test:v pass",
                    "--mail-from", "vera@virtual.test", "--mail-rcpt", "alice@host.test", "--upload-file", path],
                   check=True, timeout=60)
    login_host.wait_for_mail("alice", b"Subject: from curl")


def test_msmtp_logs_in(login_host):
    subprocess.run(["msmtp", "--host=127.0.0.1", f"--port={login_host.submission_port}", "--tls=on", "--tls-starttls=on",
                    "--tls-certcheck=off", "--auth=on", "--user=vera@virtual.test", "--passwordeval=echo v pass",
                    "--from=vera@virtual.test", "alice@host.test"], input=b"Subject: from msmtp\n\nx\n", check=True,
                   timeout=60)
    login_host.wait_for_mail("alice", b"Subject: from msmtp")
