"""What breaks around the server is temporary for whoever sends, and nothing is lost: the client hears 4xx or the mail
waits, and when the cause is gone everything that was accepted arrives, once, without a restart."""
import contextlib
import fcntl
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import threading

import pytest

import tracked
from conftest import needs_root
from host import free_port, wait_for
from outsiders import CROWD, outsiders  # noqa: F401
from processes import helpers, is_alive, kill, wait_for_title, with_title
from sick_nameserver import SickNameServer
from sink import Sink
from strict_sink import StrictSink

pytestmark = needs_root
POSTOFFICE = 7900


class Sender:
    """Sends messages that can be told apart, and knows which of them were accepted."""

    def __init__(self, host):
        self.host = host
        self.accepted = []
        self.count = 0

    def smtp(self, to="alice@host.test", size=500):
        """The reply that decided: a 2xx or a 4xx. A 5xx, or no reply, is an error of the test's."""
        self.count += 1
        token = f"message-{self.count}"
        text = tracked.for_smtp(tracked.make(token, size, to=to))
        try:
            with self.host.smtp() as client:
                client.sendmail("sender@example.org", [to], text)
        except smtplib.SMTPRecipientsRefused as refused:
            code, reply = refused.recipients[to]
        except smtplib.SMTPResponseException as refused:
            code, reply = refused.smtp_code, refused.smtp_error
        else:
            self.accepted.append(token)
            return 250
        assert 400 <= code < 500, f"a failure of ours was told as {code} {reply}\n{self.host.log_text()[-2000:]}"
        return code

    def sendmail(self, to="alice@host.test", size=500):
        """The exit status of sendmail -t."""
        self.count += 1
        token = f"message-{self.count}"
        done = self.host.run("sendmail", "-i", "-f", "sender@example.org", to,
                             input=tracked.make(token, size, to=to))
        if done.returncode == 0:
            self.accepted.append(token)
        else:
            assert done.returncode in (71, 73, 74, 75), (done.returncode, done.stderr)
            assert done.stderr
        return done.returncode

    def all_arrive(self, user="alice", seconds=40):
        expected = sorted(self.accepted)
        wait_for(lambda: len(self._tokens(user)) >= len(expected), seconds,
                 lambda: f"{expected}, got {sorted(self._tokens(user))}\n{self.host.log_text()[-3000:]}")
        self.host.wait_for_empty_queue()
        assert sorted(self._tokens(user)) == expected

    def all_arrive_at(self, sink, seconds=40):
        def tokens():
            return sorted(t for one in list(sink.transactions)
                          for t in tracked.complete(one.data.replace(b"\r\n", b"\n")))
        expected = sorted(self.accepted)
        wait_for(lambda: len(tokens()) >= len(expected), seconds,
                 lambda: f"{expected}, got {tokens()}\n{self.host.log_text()[-3000:]}")
        self.host.wait_for_empty_queue()
        assert tokens() == expected

    def _tokens(self, user):
        path = self.host.mailbox_path(user)
        return tracked.in_mbox(path)[0] if os.path.isfile(path) and os.path.getsize(path) else []


@contextlib.contextmanager
def small_disk(path, size, uid=0, gid=0, mode=0o755):
    os.makedirs(path, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode={mode:o},uid={uid},gid={gid}", "tmpfs", path],
                   check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def fill(path):
    """Takes all space there is; removing the file gives it back."""
    name = os.path.join(path, "filler")
    with open(name, "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
    return name


# ---- disks

def test_mailboxes_on_a_full_disk(host):
    host.write_config(retry="1s")  # whichever comes first, an attempt or the room
    with small_disk(host.mail, "1m", gid=8, mode=0o2775):
        host.start()
        sender = Sender(host)
        assert sender.smtp() == 250
        filler = fill(host.mail)
        assert sender.smtp(size=20_000) in (451, 452)
        assert sender.smtp(size=20_000) in (451, 452)
        assert sender.sendmail(size=20_000) == 0, "the spool has room"
        os.unlink(filler)
        assert sender.smtp(size=20_000) == 250
        host.run("runq")
        sender.all_arrive()
        host.end()


def test_mail_fills_the_disk_of_the_mailboxes(host):
    with small_disk(host.mail, "1m", gid=8, mode=0o2775):
        host.start()
        sender = Sender(host)
        replies = [sender.smtp(size=90_000) for _ in range(14)]
        assert replies[0] == 250 and replies[-1] in (451, 452), replies
        sender.all_arrive()
        host.end()


def test_a_spool_on_a_full_disk(make_host):
    with StrictSink() as sink:
        host = make_host("host", relay_host=f"[127.0.0.1]:{sink.port}", retry="1s")
        with small_disk(host.spool, "1m", POSTOFFICE, POSTOFFICE, 0o750):
            host.start()
            sender = Sender(host)
            assert sender.smtp("them@far.test", 2_000) == 250
            sender.all_arrive_at(sink)
            filler = fill(host.spool)
            assert sender.smtp("them@far.test", 50_000) in (451, 452)
            assert sender.smtp("them@far.test", 200_000) in (451, 452)
            assert sender.sendmail("them@far.test", 50_000) != 0
            assert sender.smtp("alice@host.test", 200_000) in (451, 452)
            os.unlink(filler)
            assert sender.smtp("them@far.test", 50_000) == 250
            assert sender.sendmail("them@far.test", 50_000) == 0
            sender.all_arrive_at(sink)
            host.end()


def test_no_space_is_left_to_say_what_became_of_a_delivery(make_host):
    """The journals cannot grow: mail that waits goes on waiting, or arrives; at worst once more, never not at all."""
    port = free_port()
    host = make_host("host", relay_host=f"[127.0.0.1]:{port}", retry="1s")
    with small_disk(host.spool, "1m", POSTOFFICE, POSTOFFICE, 0o750):
        host.start()
        sender = Sender(host)
        for _ in range(5):
            assert sender.smtp("them@far.test", 2_000) == 250
        wait_for(lambda: host.log_text().count("deferred") >= 5, what="the first attempts")
        filler = fill(host.spool)
        wait_for(lambda: host.log_text().count("deferred") >= 10, what="attempts without a place to record them")
        os.unlink(filler)
        with StrictSink() as sink:
            host.write_config(relay_host=f"[127.0.0.1]:{sink.port}")
            host.reload()
            sender.all_arrive_at(sink)
        host.end()


def test_what_cannot_be_recorded_is_not_delivered(make_host):
    """A journal that is longer than a block of the disk, and a disk without another: delivered then, and not known to
    be delivered, the message would go out again with every attempt."""
    recipients = [f"r{i}@far.test" for i in range(60)]
    port = free_port()
    host = make_host("host", relay_host=f"[127.0.0.1]:{port}", retry="1s")
    with small_disk(host.spool, "1m", POSTOFFICE, POSTOFFICE, 0o750):
        host.start()
        with host.smtp() as client:
            client.sendmail("sender@example.org", recipients, tracked.for_smtp(tracked.make("one", 500)))
        wait_for(lambda: host.log_text().count("deferred") >= 2 * len(recipients), what="two attempts")
        filler = fill(host.spool)
        with Sink("127.0.0.1", port) as sink:
            attempts = host.log_text().count("deferred")
            wait_for(lambda: host.log_text().count("deferred") > attempts or sink.messages, what="another attempt")
            wait_for(lambda: not sink.messages or host.log_text().count("crash") > 3, what="more attempts")
            os.unlink(filler)
            host.run("runq", "-qf")
            host.wait_for_empty_queue()
            assert [list(to) for _, to, _ in sink.messages] == [recipients], len(sink.messages)
        assert "crash" not in host.log_text()
        host.end()


def test_a_journal_that_cannot_be_opened_holds_up_no_other(make_host):
    """As after a backup that was put back by root."""
    with StrictSink() as sink:
        host = make_host("host", relay_host=f"[127.0.0.1]:{sink.port}", retry="1s")
        host.start()
        strange = os.path.join(host.spool, "cm1111111111111")
        with open(strange, "w") as file:
            os.fchmod(file.fileno(), 0o600)
        host.run("runq")
        wait_for(lambda: "1111111111111" in host.log_text(), what="a look at the strange file")
        sender = Sender(host)
        assert sender.smtp("them@far.test") == 250
        wait_for(lambda: "finished" in host.log_text(), what="the end of the message")
        os.unlink(strange)
        sender.all_arrive_at(sink)
        assert "crash" not in host.log_text() and "helper-ended" not in host.log_text()


def test_a_drop_folder_that_cannot_be_read(make_host):
    """As one that root put back from a backup. What comes by SMTP goes out; what was submitted waits."""
    with StrictSink() as sink:
        host = make_host("host", relay_host=f"[127.0.0.1]:{sink.port}", retry="1s")
        host.start()
        sender = Sender(host)
        assert sender.sendmail("them@far.test") == 0
        sender.all_arrive_at(sink)
        drop = os.path.join(host.spool, "drop")
        os.chmod(drop, 0o700)
        os.chown(drop, 0, POSTOFFICE)
        assert sender.sendmail("them@far.test") == 0  # root can
        host.run("runq", check=True)
        assert sender.smtp("them@far.test") == 250
        wait_for(lambda: host.log_text().count("finished") >= 2, what=lambda: f"the one by SMTP; {host.log_text()}")
        os.chown(drop, POSTOFFICE, POSTOFFICE)
        os.chmod(drop, 0o3730)
        host.run("runq", check=True)
        sender.all_arrive_at(sink)
        assert "crash" not in host.log_text() and "helper-ended" not in host.log_text()


def test_too_little_free_space(host):
    host.write_config(minfree="100000g")
    host.start()
    sender = Sender(host)
    assert sender.smtp() == 452
    assert sender.sendmail() == 71
    host.write_config(minfree="1k")
    host.reload()
    assert sender.smtp() == 250
    sender.all_arrive()


def test_a_message_without_end_leaves_free_what_must_stay_free(make_host):
    """Its size is not announced, and not limited. Others can still send while it goes on."""
    host = make_host("host", minfree="1m")
    with small_disk(host.spool, "4m", POSTOFFICE, POSTOFFICE, 0o750):
        host.start()
        sender = Sender(host)
        lowest = os.statvfs(host.spool).f_bavail
        with host.smtp() as client:
            client.helo()  # of ESMTP, it would have to name its size
            client.mail("endless@example.org")
            client.rcpt("alice@host.test")
            assert client.docmd("DATA")[0] == 354
            for _ in range(100):
                client.sock.sendall((b"x" * 98 + b"\r\n") * 800)
                lowest = min(lowest, os.statvfs(host.spool).f_bavail)
            wait_for(lambda: os.statvfs(host.spool).f_bavail * 4096 > 3_000_000, what="the room it took")
            assert sender.smtp(size=200_000) == 250
            client.sock.sendall(b"\r\n.\r\n")
            assert client.getreply()[0] == 452
        assert lowest * 4096 >= 900_000, lowest
        assert host.run("sendmail", "-i", "alice", input=b"Subject: endless\n\n" + b"x\n" * 2_000_000).returncode == 71
        sender.all_arrive()
        host.end()


def test_one_client_holds_no_more_than_it_leaves(outsiders, folder):  # noqa: F811
    """Half of a message each, over many connections, and then silence: another client still finds room."""
    spool = os.path.join(folder, "host", "spool")
    with small_disk(spool, "8m", POSTOFFICE, POSTOFFICE, 0o750):
        outsiders.start(minfree="1m", queue_dir=spool)

        def begin(source):
            line = outsiders.greeted(source)
            for command in ("HELO client.test", "MAIL FROM:<a@far.test>", "RCPT TO:<alice@host.test>", "DATA"):
                answer = line.ask(command)
            assert answer.startswith(b"354"), answer
            return line

        block = (b"x" * 98 + b"\r\n") * 10_000
        held = [begin(CROWD[0]) for _ in range(9)]
        for line in held:
            line.say(block)
        wait_for(lambda: os.statvfs(spool).f_bavail * 4096 < 6_000_000, what="messages that take room")
        other = begin(CROWD[1])
        other.say(block + b".\r\n")
        assert other.reply().startswith(b"250")
        answers = []
        for line in held:
            line.say(b".\r\n")
            answers.append(line.reply()[:9])
        assert answers.count(b"452 4.3.1") >= 4, answers


def test_a_greylist_on_a_full_disk(outsiders, folder):  # noqa: F811
    """Strangers need not wait while nothing can be noted, and what was noted before is not lost."""
    database = os.path.join(folder, "db")

    def ask(number):
        line = outsiders.greeted(CROWD[number % 100])
        line.ask("HELO client.test")
        line.ask(f"MAIL FROM:<a{number}@far.test>")
        line.ask("RCPT TO:<alice@host.test>")
        answer = line.ask("DATA")
        line.close()
        return answer[:3]

    def known():
        return set(host.run("authexpire", "-l", check=True).stdout.splitlines())

    with small_disk(database, "2m", POSTOFFICE, POSTOFFICE, 0o750):
        host = outsiders.start(greylist="1", db_dir=database, rate_connections="0")
        assert {ask(number) for number in range(40)} == {b"451"}
        before = known()
        assert len(before) >= 40
        filler = fill(database)
        assert {ask(number) for number in range(40, 1500)} == {b"354"}
        assert known() == before
        os.unlink(filler)
        assert ask(1500) == b"451"
        assert known() > before
        assert not [name for name in os.listdir(database) if name.endswith(".bad")]
        outsiders.end()


def test_a_spool_that_cannot_be_written(make_host):
    with StrictSink() as sink:
        host = make_host("host", relay_host=f"[127.0.0.1]:{sink.port}", retry="1s")
        with small_disk(host.spool, "4m", POSTOFFICE, POSTOFFICE, 0o750):
            host.start()
            sender = Sender(host)
            os.chown(host.spool, 0, 0)
            os.chmod(host.spool, 0o555)
            assert sender.smtp("them@far.test") in (451, 452)
            assert sender.smtp(size=200_000) in (451, 452)
            os.chown(host.spool, POSTOFFICE, POSTOFFICE)
            os.chmod(host.spool, 0o750)
            assert sender.smtp("them@far.test") == 250
            assert sender.sendmail("them@far.test") == 0
            sender.all_arrive_at(sink)
            host.end()


def test_a_spool_that_went_away(host):
    host.start()
    sender = Sender(host)
    os.rename(host.spool, host.spool + ".gone")
    assert sender.smtp() in (250, 451, 452)  # the short way needs no spool
    assert sender.smtp("them@far.test") in (451, 452)
    assert sender.smtp(size=200_000) in (451, 452)
    os.rename(host.spool + ".gone", host.spool)
    assert sender.smtp(size=200_000) == 250
    sender.all_arrive()


# ---- databases

@pytest.mark.parametrize("harm", ["garbage", "cut", "empty", "unreadable"])
def test_a_damaged_alias_database(host, harm):
    host.write_aliases("team: alice\n")
    assert host.run("newaliases").returncode == 0
    host.start()
    sender = Sender(host)
    assert sender.smtp("team@host.test") == 250
    database = host.alias_database
    if harm == "unreadable":
        os.chmod(database, 0)
        os.chmod(host.aliases, 0)
    else:
        with open(database, "rb") as file:
            good = file.read()
        bad = {"garbage": b"\0nonsense" * 3000, "cut": good[:len(good) // 2], "empty": b""}[harm]
        with open(database + ".new", "wb") as file:
            file.write(bad)
        os.rename(database + ".new", database)
    for pid in with_title(host, "SMTP "):
        kill(pid)  # one that has the database open would go on with it
        wait_for(lambda: not is_alive(pid), what="its end")
    wait_for(host.answers, what="the next one")
    reply = sender.smtp("team@host.test")
    assert reply in ((451,) if harm == "unreadable" else (250, 451))
    os.chmod(host.aliases, 0o644)
    assert host.run("newaliases").returncode == 0
    assert sender.smtp("team@host.test") == 250
    sender.all_arrive()


def test_a_password_file_that_went_away(host):
    host.start()
    sender = Sender(host)
    assert sender.smtp() == 250
    subprocess.run(["mount", "--bind", "/dev/null", "/etc/nsswitch.conf"], check=True)
    subprocess.run(["umount", "/etc/nsswitch.conf"], check=True)
    assert sender.smtp() == 250
    sender.all_arrive()


# ---- mailboxes

@pytest.mark.parametrize("lock", ["flock", "fcntl"])
def test_a_mailbox_that_another_program_holds(host, lock):
    host.start()
    sender = Sender(host)
    assert sender.smtp() == 250
    with open(host.mailbox_path("alice"), "r+b") as box:
        (fcntl.flock if lock == "flock" else fcntl.lockf)(box, fcntl.LOCK_EX)
        replies = []
        waiting = threading.Thread(target=lambda: replies.append(sender.smtp()))
        waiting.start()
        wait_for(lambda: with_title(host, "deliver alice"), what="the agent")
        assert sender._tokens("alice") == ["message-1"]
    waiting.join(40)
    assert replies == [250]
    sender.all_arrive()


@pytest.mark.parametrize("what", ["folder", "link", "another's", "fifo", "two names"])
def test_what_stands_where_the_mailbox_should_be(host, what):
    host.start()
    sender = Sender(host)
    box = host.mailbox_path("alice")
    elsewhere = host.mail + "/elsewhere"
    if what == "folder":
        os.mkdir(box)
    elif what == "link":
        os.symlink(elsewhere, box)
    elif what == "another's":
        open(box, "w").close()
        os.chown(box, 7902, 7902)
    elif what == "fifo":
        os.mkfifo(box)
        os.chown(box, 7901, 7901)
    elif what == "two names":
        open(box, "w").close()
        os.chown(box, 7901, 7901)
        os.link(box, elsewhere)
    assert sender.smtp() in (450, 451)
    assert sender.sendmail() == 0
    wait_for(lambda: "deferred" in host.log_text(), what="the first attempt")
    shutil.rmtree(box) if what == "folder" else os.unlink(box)
    if os.path.exists(elsewhere):
        assert os.path.getsize(elsewhere) == 0
        os.unlink(elsewhere)
    assert sender.smtp() == 250
    host.run("runq")
    sender.all_arrive()


def test_no_new_mailbox_can_be_made(host):
    host.start()
    sender = Sender(host)
    os.chmod(host.mail, 0o755)
    assert sender.smtp() == 451
    os.chmod(host.mail, 0o2775)
    assert sender.smtp() == 250
    sender.all_arrive()


def test_a_home_that_is_not_mounted(make_host):
    host = make_host("host", home_mailbox="Mail/box", retry="1s")
    os.mkdir("/home/alice/Mail", 0o700)
    os.chown("/home/alice/Mail", 7901, 7901)
    host.start()
    sender = Sender(host)
    os.rename("/home/alice", "/home/alice.gone")
    try:
        assert sender.smtp() == 451
        assert sender.sendmail() == 0
        wait_for(lambda: "deferred" in host.log_text(), what="the first attempt")
    finally:
        os.rename("/home/alice.gone", "/home/alice")
    host.mailbox_path = lambda user: f"/home/{user}/Mail/box"
    try:
        assert sender.smtp() == 250
        host.run("runq")
        sender.all_arrive()
    finally:
        shutil.rmtree("/home/alice/Mail")


# ---- helpers

@pytest.mark.parametrize("title", ["spawner", "queue runner", "listener"])
def test_a_helper_that_is_killed_again_and_again(host, title):
    host.start()
    sender = Sender(host)
    for _ in range(3):
        pid = wait_for(lambda: helpers(host, title), what="it")[0]
        assert kill(pid)
        wait_for(lambda: not is_alive(pid), what="its end")
        assert sender.sendmail() == 0
        wait_for(lambda: any(p != pid for p in helpers(host, title)), what="its successor")
        wait_for(host.answers, what="the port")
        wait_for(lambda: sender.smtp() == 250, what="service as before")
    host.run("runq")
    sender.all_arrive()
    assert host.process.poll() is None


def test_a_spawner_that_hangs(host):
    host.start()
    sender = Sender(host)
    spawner = wait_for(lambda: helpers(host, "spawner"), what="it")[0]
    os.kill(spawner, signal.SIGSTOP)
    replies = []
    waiting = threading.Thread(target=lambda: replies.append(sender.smtp()))
    waiting.start()
    with host.smtp() as other:
        assert other.noop()[0] == 250, "others are served meanwhile"
    os.kill(spawner, signal.SIGCONT)
    waiting.join(40)
    assert replies == [250]
    sender.all_arrive()


def test_agents_killed_at_work(make_host):
    with StrictSink() as sink:
        host = make_host("host", relay_host=f"[127.0.0.1]:{sink.port}", retry="1s")
        os.chown(host.folder, 0, 0)
        host.start()
        sender = Sender(host)
        for title in ("delivering", "idle, last delivered", "pickup"):
            assert sender.sendmail("them@far.test") == 0
            wait_for(lambda: len(sink.transactions) >= len(sender.accepted), what="the message at the sink")
            for pid in with_title(host, title):
                kill(pid)
        assert sender.smtp("them@far.test") == 250
        wait_for(lambda: len(sink.transactions) >= len(sender.accepted), what="the last one")
        host.run("runq")
        sender.all_arrive_at(sink)


def test_a_listener_killed_with_clients_in_the_middle(host):
    host.start()
    sender = Sender(host)
    with host.smtp() as client:
        client.ehlo()
        client.mail("a@example.org")
        client.rcpt("alice@host.test")
        assert client.docmd("DATA")[0] == 354
        kill(wait_for(lambda: helpers(host, "listener"), what="it")[0])
        client.send(b"Subject: x\r\n\r\nhalf a message\r\n")
        assert client.docmd(".")[0] == 250, "who is being served is not cut off"
    wait_for(host.answers, what="a new listener")
    assert sender.smtp() == 250
    host.wait_for_mail("alice", b"half a message")
    wait_for(lambda: sender.accepted == [t for t in sender._tokens("alice") if t])


# ---- the world outside

@pytest.mark.parametrize("mode", ["silent", "servfail"])
def test_a_name_server_that_does_not_help(make_host, mode):
    with StrictSink() as sink, SickNameServer(mode) as names:
        host = make_host("host", nameserver=names.address, remote_port=str(sink.port), retry="1s")
        host.start()
        sender = Sender(host)
        assert sender.sendmail("them@far.test") == 0
        wait_for(lambda: names.asked > 0, what="a question")
        if mode == "servfail":
            wait_for(lambda: "deferred" in host.log_text(), what="a deferral")
        assert "failed" not in host.log_text()
        names.mode = {"far.test": "127.0.0.1"}
        assert sender.sendmail("them@far.test") == 0
        wait_for(lambda: host.run("runq").returncode == 0 and len(sink.transactions) >= 2, 40, "both messages")
        sender.all_arrive_at(sink)


def test_a_relay_host_that_is_not_there_yet(make_host):
    port = free_port()
    host = make_host("host", relay_host=f"[127.0.0.1]:{port}", retry="1s")
    host.start()
    sender = Sender(host)
    for _ in range(3):
        assert sender.smtp("them@far.test") == 250
    wait_for(lambda: host.log_text().count("deferred") >= 3, what="the first attempts")
    with StrictSink() as sink:
        host.write_config(relay_host=f"[127.0.0.1]:{sink.port}")
        host.reload()
        sender.all_arrive_at(sink)


# ---- the kernel's limits

def test_no_descriptors_left(make_host):
    host = make_host("host", prefix=[], client_connections="1000")
    host.prefix = ["prlimit", "--nofile=40"]
    host.start()
    wait_for(host.answers, what="the port")
    clients = []
    try:
        for _ in range(80):
            with contextlib.suppress(OSError):
                clients.append(socket.create_connection(("127.0.0.1", host.port), timeout=2))
    finally:
        for client in clients:
            client.close()
    host.prefix = []
    sender = Sender(host)
    wait_for(host.answers, 30, "room again")
    wait_for(lambda: sender.smtp() == 250, 30, "service as before")
    sender.all_arrive()


def test_no_processes_left(make_host):
    # The limit is the account's, on the whole machine: no other test uses this account.
    host = make_host("host", prefix=["prlimit", "--nproc=12"], client_connections="1000", user="limited")
    host.start()
    wait_for(host.answers, what="the port")
    clients, replies = [], []
    try:
        for _ in range(40):
            client = smtplib.SMTP(timeout=20)
            clients.append(client)
            replies.append(client.connect("127.0.0.1", host.port)[0])
            if replies[-1] == 220:
                client.ehlo("client.test")
                client.mail("a@example.org")  # in a transaction it keeps its process
        assert 220 in replies and 421 in replies, replies
    finally:
        for client in clients:
            client.close()
    host.prefix = []
    sender = Sender(host)
    wait_for(host.answers, 30, "room again")
    wait_for(lambda: sender.smtp() == 250, 30, "service as before")
    sender.all_arrive()
