"""A full disk delays mail, and loses and doubles none: the client gets 4yz or the message waits in the queue, and all
arrives without a restart once there is space."""
import os

import tracked
from accepted_mail import Sender
from conftest import needs_root
from host import free_port, wait_for
from outsiders import CROWD, outsiders  # noqa: F401
from sink import Sink
from small_disk import POSTOFFICE, fill, small_disk
from strict_sink import StrictSink

pytestmark = needs_root


def test_mail_waits_for_space_for_the_mailboxes(host):
    host.write_config(retry="1s")  # the attempt may come before or after the space
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


def test_mail_that_fills_the_disk_of_the_mailboxes_is_refused(host):
    with small_disk(host.mail, "1m", gid=8, mode=0o2775):
        host.start()
        sender = Sender(host)
        replies = [sender.smtp(size=90_000) for _ in range(14)]
        assert replies[0] == 250 and replies[-1] in (451, 452), replies
        sender.all_arrive()
        host.end()


def test_mail_is_refused_while_the_spool_has_no_space(make_host):
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


def test_queued_mail_survives_attempts_without_space_for_the_journal(make_host):
    """Messages stay queued or are delivered, at worst twice."""
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


def test_no_delivery_starts_without_space_to_record_it(make_host):
    """The journal needs another block of the disk, and there is none. A delivery without a record would be repeated
    with each attempt."""
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


def test_mail_is_refused_below_minfree(host):
    host.write_config(minfree="100000g")
    host.start()
    sender = Sender(host)
    assert sender.smtp() == 452
    assert sender.sendmail() == 71
    host.write_config(minfree="1k")
    host.reload()
    assert sender.smtp() == 250
    sender.all_arrive()


def test_a_message_without_end_leaves_minfree_free(make_host):
    """Its size is neither announced nor limited. Other clients can send meanwhile."""
    host = make_host("host", minfree="1m")
    with small_disk(host.spool, "4m", POSTOFFICE, POSTOFFICE, 0o750):
        host.start()
        sender = Sender(host)
        lowest = os.statvfs(host.spool).f_bavail
        with host.smtp() as client:
            client.helo()  # with EHLO, the client could announce the size
            client.mail("endless@example.org")
            client.rcpt("alice@host.test")
            assert client.docmd("DATA")[0] == 354
            for _ in range(100):
                client.sock.sendall((b"x" * 98 + b"\r\n") * 800)
                lowest = min(lowest, os.statvfs(host.spool).f_bavail)
            wait_for(lambda: os.statvfs(host.spool).f_bavail * 4096 > 3_000_000, what="the space")
            assert sender.smtp(size=200_000) == 250
            client.sock.sendall(b"\r\n.\r\n")
            assert client.getreply()[0] == 452
        assert lowest * 4096 >= 900_000, lowest
        assert host.run("sendmail", "-i", "alice", input=b"Subject: endless\n\n" + b"x\n" * 2_000_000).returncode == 71
        sender.all_arrive()
        host.end()


def test_one_client_takes_at_most_half_of_the_free_space(outsiders, folder):  # noqa: F811
    """It sends half of a message through each of many connections and then nothing; another client still finds
    space."""
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
        wait_for(lambda: os.statvfs(spool).f_bavail * 4096 < 6_000_000, what="messages that take space")
        other = begin(CROWD[1])
        other.say(block + b".\r\n")
        assert other.reply().startswith(b"250")
        answers = []
        for line in held:
            line.say(b".\r\n")
            answers.append(line.reply()[:9])
        assert answers.count(b"452 4.3.1") >= 4, answers


def test_no_client_waits_while_the_greylist_cannot_be_written(outsiders, folder):  # noqa: F811
    """Entries from before are not lost."""
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
