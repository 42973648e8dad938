"""A program looks at each message: what it refuses is refused or marked, and what it cannot judge waits."""
import os
import re
import shutil

import pytest

from conftest import needs_root
from host import wait_for
from talk import Talk

pytestmark = needs_root
BOB = "bob@host.test"
VIRUS = "VIRUS-OF-THE-TEST"
CLAMSCAN = shutil.which("clamscan")


@pytest.fixture
def scanning(make_host, folder):
    """A function that gives a host with this shell script as scanner."""
    path = os.path.join(folder, "scanner")

    def host_with(script, **settings):
        with open(path, "w") as file:
            file.write(f"#!/bin/sh\n{script}\n")
        os.chmod(path, 0o755)
        host = make_host("host", av=path, **settings)
        host.start()
        host.permit_submission()
        return host
    return host_with


def send(host, text="hello", *recipients):
    with Talk("127.0.0.1", host.port) as talk:
        assert talk.say("EHLO client.test").startswith("250")
        return talk.send_mail("alice@host.test", *(recipients or [BOB]),
                              text=f"Subject: {text}\nX-Spam: of the client\n\nA text.\n")


FINDS_VIRUS = f"grep -q {VIRUS} && {{ echo; echo 'found \x1b[1mit'; echo more; exit 1; }}; exit 0"


def test_a_virus_is_refused_with_the_words_of_the_program(scanning):
    host = scanning(FINDS_VIRUS)
    assert send(host, VIRUS) == "550 5.7.1 host.test does not accept this message: found ?[1mit"
    assert send(host, "clean").startswith("250")
    text = host.wait_for_mail("bob", b"clean")
    assert VIRUS.encode() not in text and b"X-Spam: of the client" in text
    assert re.search(r"scanned result=unwanted reason=\"found .*it\" took=\d+ms", host.log_text())


def test_a_message_of_any_size_comes_to_the_program_as_nobody_and_nothing_else_does(scanning):
    host = scanning("echo uid $(id -u) groups $(id -G) octets $(wc -c) open $(ls /proc/self/fd | wc -l); exit 1")
    for size in (1, 300_000):
        said = send(host, "y\n\n" + ("y" * 70 + "\n") * (size // 70 + 1))
        uid, groups, octets, count = re.search(r"uid (\d+) groups ([\d ]+) octets (\d+) open (\d+)", said).groups()
        assert (uid, groups) == ("65534", "65534")
        assert int(octets) > size and int(count) == 4  # that of ls(1) for the folder is one
    scanner = next(pid for pid, title in host.processes().items() if title == "postoffice: scanner")
    with open(f"/proc/{scanner}/status") as file:
        assert re.search(r"^Uid:\s+65534\s+65534\s+65534\s+65534$", file.read(), re.MULTILINE)


@pytest.mark.parametrize("script", ["kill -9 $$", "sleep 30", "exit 2", "exit 75", "exit 74", "exec /nonexistent/program",
                                    "sh -c 'kill -SEGV $$'"])
def test_what_cannot_be_judged_is_to_be_tried_again(scanning, script):
    host = scanning(script, av_timeout="1s")
    assert send(host).startswith("450 4.7.1")
    assert "scan-failed" in host.log_text() and not host.mailbox("bob")


def test_unwanted_mail_is_marked_and_goes_to_the_folder_that_spam_names(scanning):
    host = scanning(FINDS_VIRUS, spam="accept")
    assert send(host, VIRUS).startswith("250")
    text = host.wait_for_mail("bob", VIRUS.encode())
    assert b"\nX-Spam: found ?[1mit\n" in text and b"\nX-Spam-Original: of the client\n" in text
    assert text.count(b"Received:") == 1 and text.count(b"\nDate:") == 1
    host.write_config(spam="folder:junk")
    host.reload()
    assert send(host, VIRUS + "-again").startswith("250")
    assert VIRUS.encode() + b"-again" in host.wait_for_mail("bob:junk", b"X-Spam: found")
    assert b"-again" not in host.mailbox("bob")


def test_a_reason_of_spam_takes_the_place_of_the_words(scanning):
    host = scanning(FINDS_VIRUS, spam="bounce:no malware here")
    assert send(host, VIRUS) == "550 5.7.1 host.test does not accept this message: no malware here"


def test_a_submission_of_this_host_is_looked_at_and_returned(scanning):
    host = scanning(FINDS_VIRUS)
    host.run("sendmail", "-f", "alice@host.test", BOB, input=f"Subject: {VIRUS}\n\nA text.\n".encode(), check=True)
    report = host.wait_for_mail("alice", b"found ?[1mit")
    assert b"550 5.7.1" in report and not host.mailbox("bob")


def test_a_submission_waits_until_the_program_works(scanning):
    host = scanning("exit 75")
    host.run("sendmail", "-f", "alice@host.test", BOB, input=b"Subject: waiting\n\nA text.\n", check=True)
    wait_for(lambda: "submission-deferred" in host.log_text(), what="an attempt")
    host.write_config(av="cat >/dev/null")
    host.reload()
    host.run("runq", check=True)
    host.wait_for_mail("bob", b"waiting")


def test_a_queue_run_without_the_server_asks_the_program(scanning):
    host = scanning(FINDS_VIRUS)
    host.stop()
    for subject in ("clean", VIRUS):
        host.run("sendmail", "-f", "alice@host.test", BOB, input=f"Subject: {subject}\n\nA text.\n".encode(), check=True)
    host.run("runq", check=True)
    assert VIRUS.encode() not in host.wait_for_mail("bob", b"clean")


@pytest.mark.skipif(CLAMSCAN is None, reason="NEEDS clamscan")
def test_clamscan_finds_a_signature(make_host, folder):
    with open(f"{folder}/test.ndb", "w") as file:
        file.write(f"Test.Virus:0:*:{VIRUS.encode().hex()}\n")
    host = make_host("host", av=f"{CLAMSCAN} --no-summary -d {folder}/test.ndb -").start()
    assert "Test.Virus.UNOFFICIAL FOUND" in send(host, VIRUS)
    assert send(host, "clean").startswith("250")
    host.write_config(av=f"{CLAMSCAN} --no-summary -d {folder}/missing.ndb -")
    host.reload()
    assert send(host, "clean").startswith("450")


def test_debug_and_the_journal_show_what_the_program_decided(scanning):
    host = scanning("exit 0", debug=1, relay_host="[127.0.0.1]:9")
    with Talk("127.0.0.1", host.port) as talk:
        talk.say("EHLO client.test")
        assert f"av: {host.settings['av']}: not asked yet" in talk.say("DEBUG")
        assert talk.send_mail("alice@host.test", "carol@elsewhere.test").startswith("250")
        assert re.search(rf"av: {host.settings['av']}: clean, \d+ ms", talk.say("DEBUG"))
    path, = host.paths_in_spool("cm")
    with open(path) as file:
        assert re.search(rf"\nverdict: av {host.settings['av']}: clean, \d+ ms\n", file.read())
