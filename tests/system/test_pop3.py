"""Users fetch their mail by POP3: what they delete is gone after QUIT and not before, and no user gets the mail of
another."""
import base64
import contextlib
import os
import poplib
import pwd
import shutil
import socket
import struct
import subprocess
import time

import pytest

from accounts import password_of
from captured import request_handles, stopped
from certificates import authority  # noqa: F401
from conftest import needs_root, needs_tls
from host import wait_for
from pop3_host import MESSAGES, Pop3Host, Talk, as_mbox, on_the_wire, pop3_host, unverified  # noqa: F401
from processes import with_title
from proxy_header import proxy_header
from small_disk import fill, small_disk

pytestmark = [needs_root, needs_tls]


def put(path, messages, user="alice"):
    with open(path, "wb") as file:
        file.write(as_mbox(messages))
    os.chown(path, pwd.getpwnam(user).pw_uid, 8)
    os.chmod(path, 0o660)


def stored_by(pop3_host, messages, user="alice"):
    put(pop3_host.host.mailbox_path(user), messages, user)


def fetched(client, number):
    return b"\r\n".join(client.retr(number)[1]) + b"\r\n"


def box(pop3_host, user="alice"):
    with open(pop3_host.host.mailbox_path(user), "rb") as file:
        return file.read()


# ---- mail

@pytest.mark.parametrize("user, password", [
    ("alice", password_of("alice")), ("alice@host.test", password_of("alice")), ("alice%host.test", password_of("alice")),
    ("s-alice", password_of("alice")), ("vera@virtual.test", "v pass"), ("Vera%Virtual.TEST", "v pass"),
    ("victor@virtual.test", "w pass"), ("s-victor@virtual.test", "w pass")])
@pytest.mark.parametrize("maildir", [False, True], ids=["mbox", "maildir"])
def test_mail_that_was_delivered_is_fetched_and_deleted(make_host, authority, folder, user, password, maildir):
    own = f"Maildir-{os.path.basename(folder)}/"
    settings = {"home_mailbox": own, "vhost_maildir": "1"} if maildir else {}
    pop3 = Pop3Host(make_host, authority, folder, **settings).start()
    name = user.removeprefix("s-").replace("%", "@")
    pop3.deliver(name, [on_the_wire(m.split(b"\n", 1)[1]) for m in MESSAGES])
    client = pop3.client(user, password)
    assert client.stat()[0] == 3
    sizes = [int(line.split()[1]) for line in client.list()[1]]
    for number, message in enumerate(MESSAGES, 1):
        text = fetched(client, number)
        subject, body = on_the_wire(message).split(b"\r\n\r\n", 1)
        assert text.split(b"\r\n\r\n", 1)[1] == body and subject.split(b"\r\n")[1] in text, text
        assert len(text) == sizes[number - 1]
    uids = [line.split()[1] for line in client.uidl()[1]]
    assert len(set(uids)) == 3
    client.dele(2)
    assert client.stat()[0] == 2
    client.quit()
    client = pop3.client(user, password)
    assert [line.split()[1] for line in client.uidl()[1]] == [uids[0], uids[2]]
    client.quit()
    shutil.rmtree(os.path.join(pwd.getpwnam("alice").pw_dir, own), ignore_errors=True)


def test_no_message_is_deleted_without_quit(pop3_host):
    stored_by(pop3_host, MESSAGES)
    before = box(pop3_host)
    client = pop3_host.client()
    client.dele(1)
    client.close()
    wait_for(lambda: "lost-connection" in pop3_host.host.log_text(), what="the end of the session")
    assert box(pop3_host) == before
    client = pop3_host.client()
    client.dele(1)
    client.rset()
    client.quit()
    assert box(pop3_host) == before


def test_mail_that_arrives_meanwhile_is_kept_and_not_shown(pop3_host):
    stored_by(pop3_host, MESSAGES)
    client = pop3_host.client()
    pop3_host.deliver("alice", [b"Subject: late\r\n\r\nlate\r\n"])
    assert client.stat()[0] == 3
    for number in (1, 2, 3):
        client.dele(number)
    client.quit()
    client = pop3_host.client()
    assert client.stat()[0] == 1 and b"Subject: late" in fetched(client, 1)
    client.quit()


def test_one_session_at_a_time(pop3_host):
    stored_by(pop3_host, MESSAGES)
    first = pop3_host.client()
    with pytest.raises(poplib.error_proto, match=r"-ERR \[IN-USE\]"):
        pop3_host.client()
    first.quit()
    pop3_host.client().quit()


def test_a_full_disk_removes_nothing(make_host, authority, folder):
    pop3 = Pop3Host(make_host, authority, folder)
    with small_disk(pop3.host.mail, "300k", gid=8, mode=0o2775):
        pop3.start()
        stored_by(pop3, MESSAGES * 10)
        before = box(pop3)
        client = pop3.client()
        filler = fill(pop3.host.mail)
        client.dele(1)
        with pytest.raises(poplib.error_proto, match=r"-ERR \[SYS/TEMP\]"):
            client.quit()
        assert box(pop3) == before
        os.unlink(filler)
        client = pop3.client()
        assert client.stat()[0] == 30
        client.dele(1)
        client.quit()
        client = pop3.client()
        assert client.stat()[0] == 29
        client.quit()
        pop3.host.stop()


def test_the_log_says_what_was_fetched(pop3_host):
    stored_by(pop3_host, MESSAGES)
    client = pop3_host.client()
    fetched(client, 1)
    client.top(2, 0)
    client.dele(1)
    client.quit()
    line = wait_for(lambda: [one for one in pop3_host.host.log_text().splitlines() if "mail-fetched" in one], what="the line")[0]
    assert "login=alice" in line and "fetched=1" in line and "removed=1" in line and "kept=2" in line, line


def test_fetched_mail_is_marked_where_that_is_wanted(make_host, authority, folder):
    pop3 = Pop3Host(make_host, authority, folder, pop3_status="1").start()
    stored_by(pop3, MESSAGES)
    client = pop3.client()
    fetched(client, 2)
    client.dele(1)
    client.quit()
    assert box(pop3).count(b"\nStatus: RO\n") == 1
    stored_by(pop3, MESSAGES)
    client = pop3.client("s-alice", password_of("alice"))
    fetched(client, 2)
    client.dele(1)
    client.quit()
    assert b"Status:" not in box(pop3)


# ---- the dialogue

def test_capabilities(pop3_host):
    client = poplib.POP3("127.0.0.1", pop3_host.pop3, timeout=60)
    before = client.capa()
    assert {"STLS", "TOP", "UIDL", "USER", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "UTF8"} <= set(before)
    assert before["EXPIRE"] == ["NEVER"] and "IMPLEMENTATION" in before
    client.stls(unverified())
    assert "SCRAM-SHA-256-PLUS" in client.capa()["SASL"] and "STLS" not in client.capa()
    client.user("alice")
    client.pass_(password_of("alice"))
    assert "SASL" not in client.capa() and "TOP" in client.capa()
    client.quit()


@pytest.mark.parametrize("line, answer", [
    ("RETR 0", "-ERR"), ("RETR 4", "-ERR"), ("RETR 1x", "-ERR"), ("RETR", "-ERR"), ("RETR -1", "-ERR"), ("RETR 1 2", "-ERR"),
    ("DELE 1:2", "-ERR"), ("DELE 99999999999999999999", "-ERR"), ("TOP 1", "-ERR"), ("TOP 1 x", "-ERR"), ("TOP 1 -1", "-ERR"),
    ("LIST 4", "-ERR"), ("UIDL 0", "-ERR"), ("STAT 1", "-ERR"), ("NOOP x", "-ERR"), ("XYZZY", "-ERR"), ("", "-ERR"),
    ("USER alice", "-ERR"), ("PASS x", "-ERR"), ("STLS", "-ERR"), ("AUTH PLAIN", "-ERR"), ("APOP a b", "-ERR"),
    ("x" * 3000, "-ERR"), (b"\x00\xff\r\n", "-ERR"), ("noop", "+OK"), ("stat", "+OK 3 "), ("LIST 2", "+OK 2 "),
    ("LANG en", "+OK en"), ("LANG xx", "-ERR"), ("RSET", "+OK")])
def test_answers(pop3_host, line, answer):
    stored_by(pop3_host, MESSAGES)
    with Talk(pop3_host.pop3) as talk:
        assert talk.greeting.startswith(b"+OK") and b"<" not in talk.greeting
        assert talk.log_in().startswith("+OK")
        said = talk.say(line)
        assert said.startswith(answer), said
        assert talk.say("NOOP").startswith("+OK")


@pytest.mark.parametrize("lines, text", [(0, b""), (1, b".\r\n"), (3, b".\r\n..\r\n.end\r\n"), (99, b".\r\n..\r\n.end\r\nlast\r\n")])
def test_top_has_the_header_and_so_many_lines(pop3_host, lines, text):
    stored_by(pop3_host, MESSAGES)
    client = pop3_host.client()
    got = b"\r\n".join(client.top(2, lines)[1]) + b"\r\n"
    assert got == b"Return-Path: <b@x.test>\r\nSubject: dots\r\n\r\n" + text
    client.quit()


def test_commands_in_one_packet_are_answered_in_order(pop3_host):
    stored_by(pop3_host, MESSAGES)
    with Talk(pop3_host.pop3) as talk:
        talk.socket.sendall(f"USER alice\r\nPASS {password_of('alice')}\r\nSTAT\r\nTOP 1 0\r\nDELE 1\r\nQUIT\r\n".encode())
        text = talk.file.read()
    assert [line[:3] for line in text.split(b"\r\n") if line[:1] in b"+-" and line] == [b"+OK"] * 6
    assert box(pop3_host) == as_mbox(MESSAGES[1:])


def test_a_command_that_comes_in_pieces_is_one(pop3_host):
    with Talk(pop3_host.pop3) as talk:
        for piece in ("CA", "PA\r", "\n"):
            talk.socket.sendall(piece.encode())
            time.sleep(0.05)
        assert talk.file.readline().startswith(b"+OK")


# ---- logins

def test_no_password_goes_in_the_clear(make_host, authority, folder):
    """A stranger: this host itself is trusted, so it comes by the PROXY protocol."""
    pop3 = Pop3Host(make_host, authority, folder).start(proxy="127.0.0.1")
    with socket.create_connection(("127.0.0.1", pop3.pop3), timeout=60) as stranger:
        stranger.sendall(proxy_header("192.0.2.7"))
        file = stranger.makefile("rb")
        assert file.readline().startswith(b"+OK")
        stranger.sendall(b"USER alice\r\nAUTH PLAIN AGEAYg==\r\nCAPA\r\n")
        assert file.readline().startswith(b"-ERR") and file.readline().startswith(b"-ERR")
        capabilities = file.readline()
        while (line := file.readline()) != b".\r\n":
            capabilities += line
        assert b"USER\r\n" not in capabilities.replace(b"UTF8 USER\r\n", b"") and b"STLS" in capabilities


@pytest.mark.parametrize("user, password", [("alice", "wrong"), ("nobody-here", "x"), ("vera@virtual.test", "wrong"),
                                            ("vera", "v pass"), ("root", "x"), ("vera@elsewhere.test", "v pass")])
def test_a_wrong_name_or_password_has_one_answer(pop3_host, user, password):
    with pytest.raises(poplib.error_proto, match=r"-ERR \[AUTH\] Authentication credentials invalid"):
        pop3_host.client(user, password)


def test_a_port_has_the_users_of_its_domain(pop3_host):
    pop3_host.client("vera", "v pass", port=pop3_host.domain_pop3).quit()
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
        pop3_host.client("alice", port=pop3_host.domain_pop3)
    pop3_host.client("alice@host.test", password_of("alice"), port=pop3_host.domain_pop3).quit()


def test_a_client_that_guesses_is_locked_out(make_host, authority, folder):
    pop3 = Pop3Host(make_host, authority, folder, auth_failures="3").start()
    for _ in range(3):
        with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
            pop3.client("alice", "wrong")
    with pytest.raises(poplib.error_proto, match=r"-ERR \[SYS/TEMP\] Too many failed logins"):
        pop3.client("alice")
    pop3.client("vera@virtual.test", "v pass").quit()  # this host is shared by many


def test_what_was_said_before_tls_does_not_count(pop3_host):
    client = poplib.POP3("127.0.0.1", pop3_host.pop3, timeout=60)
    client.user("alice")
    client.stls(unverified())
    with pytest.raises(poplib.error_proto, match="USER comes first"):
        client.pass_(password_of("alice"))
    client.quit()


def test_what_follows_stls_in_the_clear_is_not_taken(pop3_host):
    with Talk(pop3_host.pop3) as talk:
        assert talk.say("STLS\r\nUSER alice").startswith("-ERR")
        assert talk.file.read() == b""


def test_tls_from_the_first_octet(pop3_host):
    client = poplib.POP3_SSL("127.0.0.1", pop3_host.pop3s, timeout=60, context=unverified())
    client.user("alice")
    client.pass_(password_of("alice"))
    client.quit()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_sasl(pop3_host, mechanism):
    with Talk(pop3_host.pop3) as talk:
        encoded = [base64.b64encode(part).decode() for part in (b"vera@virtual.test", b"v pass", b"\0vera@virtual.test\0v pass")]
        assert talk.say(f"AUTH {mechanism}") == ("+ " if mechanism == "PLAIN" else "+ VXNlcm5hbWU6")
        if mechanism == "PLAIN":
            assert talk.say(encoded[2]).startswith("+OK 0 messages")
        else:
            assert talk.say(encoded[0]) == "+ UGFzc3dvcmQ6"
            assert talk.say(encoded[1]).startswith("+OK 0 messages")
    with Talk(pop3_host.pop3) as talk:
        assert talk.say("AUTH PLAIN").startswith("+ ")
        assert talk.say("*").startswith("-ERR")
        assert talk.say("AUTH PLAIN !!!").startswith("-ERR")
        assert talk.say("AUTH NTLM").startswith("-ERR")
        assert talk.say("AUTH").startswith("+OK") and b"PLAIN\r\n" in talk.lines()


def test_a_login_may_have_to_wait_for_the_next(make_host, authority, folder):
    pop3 = Pop3Host(make_host, authority, folder, pop3_login_delay="1h").start()
    pop3.client().quit()
    with pytest.raises(poplib.error_proto, match=r"-ERR \[LOGIN-DELAY\]"):
        pop3.client()
    pop3.client("vera@virtual.test", "v pass").quit()


@pytest.mark.parametrize("window, is_taken", [("0", False), ("10m", True)])
def test_mail_before_smtp_only_where_it_is_wanted(make_host, authority, folder, window, is_taken):
    """A stranger by the PROXY protocol sends mail elsewhere after it has fetched its own."""
    pop3 = Pop3Host(make_host, authority, folder, pop_before_smtp=window, auth_plaintext="1").start(proxy="127.0.0.1")
    with socket.create_connection(("127.0.0.1", pop3.pop3), timeout=60) as stranger:
        stranger.sendall(proxy_header("192.0.2.7") +
                         f"USER alice\r\nPASS {password_of('alice')}\r\nQUIT\r\n".encode())
        assert stranger.makefile("rb").read().count(b"+OK") == 4
    with socket.create_connection(("127.0.0.1", pop3.host.port), timeout=60) as stranger:
        stranger.sendall(proxy_header("192.0.2.7"))
        file = stranger.makefile("rb")
        assert file.readline().startswith(b"220")
        stranger.sendall(b"HELO x\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@elsewhere.test>\r\nQUIT\r\n")
        assert (file.read().splitlines()[2][:3] == b"250") == is_taken


# ---- processes

def test_the_mailbox_is_opened_by_its_owner_and_the_client_served_by_no_user(pop3_host):
    client = pop3_host.client()
    session, = with_title(pop3_host.host, "POP3 127.0.0.1")
    agent, = with_title(pop3_host.host, "POP3 alice")
    with open(f"/proc/{agent}/status") as status:
        assert f"Uid:\t{pwd.getpwnam('alice').pw_uid}\t" in status.read()
    with open(f"/proc/{session}/status") as status:
        text = status.read()
    assert f"Uid:\t{pwd.getpwnam('postoffice').pw_uid}\t" in text and "Seccomp:\t2" in text
    client.quit()
    wait_for(lambda: not with_title(pop3_host.host, "POP3 "), what="both leaving")


def forged_request(mailbox):
    """A SpawnRequest for a mailbox, with a ticket that the authenticator has not made."""
    spawn_request, maildrop = 0x504F5351, 6
    return struct.pack("<IB320s3x256sqQ", spawn_request, maildrop, b"", mailbox.encode(), int(time.monotonic()), 0)


def test_a_captured_session_opens_no_other_mailbox(pop3_host):
    """It can write to the spawner, but a mailbox is opened only for a ticket of the authenticator."""
    client = pop3_host.client("vera@virtual.test", "v pass")
    session, = with_title(pop3_host.host, "POP3 127.0.0.1")
    with stopped(session):
        handles = request_handles(session)
        assert len(handles) == 2, "those of authenticator and spawner"
        for handle in handles:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one, ours, theirs:
                one.connect(handle)
                socket.send_fds(one, [forged_request("alice")], [theirs.fileno()])
        wait_for(lambda: "no valid ticket" in pop3_host.host.log_text(), what="the request refused")
        assert not with_title(pop3_host.host, "POP3 alice")
    client.quit()


def test_the_server_named_pop3d_serves_pop3_alone(pop3_host):
    host = pop3_host.host
    host.stop()
    server = subprocess.Popen([host.command("pop3d"), "-C", host.config, "-bD"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def serves(port):
            with contextlib.suppress(OSError), Talk(port) as talk:
                return talk.greeting.startswith(b"+OK") and talk.say("QUIT").startswith("+OK")
        wait_for(lambda: serves(pop3_host.pop3), what="pop3d answering")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", host.port), timeout=5)
        pop3_host.client().quit()
    finally:
        server.terminate()
        server.wait(30)


def test_the_server_named_pop3d_says_what_to_do_beside_smtpd(pop3_host):
    """There is one server for each spool."""
    host = pop3_host.host
    for name, has_hint in ("pop3d", True), ("smtpd", False):
        done = subprocess.run([host.command(name), "-C", host.config, "-bD"], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=50)
        assert done.returncode == os.EX_OSERR, done
        assert ("that one serves POP3, too, where pop3= or pop3s= names a port, after a reload" in done.stderr) == has_hint
        assert done.stderr.startswith(f"{name}: "), done.stderr
    pop3_host.client().quit()
