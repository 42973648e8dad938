"""virtdomain creates, serves and removes virtual domains by the command line of another program."""
import os
import subprocess

import pytest

from conftest import needs_root
from host import wait_for
from virtual import domains, rcpt  # noqa: F401

pytestmark = needs_root
UIDS = {"root": 0, "alice": 7901, "bob": 7902}


@pytest.fixture
def host(make_host, domains):
    os.rmdir(domains.spool)
    made = make_host("host", **domains.settings())
    made.start()
    made.permit_submission()
    yield made
    for name in os.listdir("/home/alice"):
        if name.startswith(".forward"):
            os.unlink(f"/home/alice/{name}")


def run(host, *words, user="root", input=b"", **variables):
    return subprocess.run([host.command("virtdomain"), "-C", host.config, *words], input=input, capture_output=True,
                          timeout=60, user=UIDS[user], group=UIDS[user], extra_groups=[],
                          env={"PATH": os.environ["PATH"], **variables})


def done(host, *words, **options):
    result = run(host, *words, **options)
    assert (result.returncode, result.stderr) == (0, b"")


def leads_to(host, address):
    text = host.run("sendmail", "-bt", address).stdout.decode()
    return [line.strip()[3:] for line in text.splitlines() if line.startswith("  => ")]


def forward(name, text):
    path = f"/home/alice/{name}"
    with open(path, "w") as file:
        file.write(text)
    os.chown(path, 7901, 7901)


def test_it_creates_a_domain_of_one_administrator(host, domains):
    done(host, "CREATE", "own.test", "alice", "secret")
    mailbox = f"mailbox {host.mailbox_path('alice')} of alice"
    assert leads_to(host, "postmaster@own.test") == [mailbox]
    assert leads_to(host, "any@sub.own.test") == [mailbox]
    forward(".forward+abc--own.test", "bob\n")
    assert leads_to(host, "abc@own.test") == [f"mailbox {host.mailbox_path('bob')} of bob"]
    with host.smtp() as smtp:
        assert smtp.login("postmaster@own.test", "secret")[0] == 235
    for name in ("passwd", "aliases"):
        status = os.stat(os.path.join(domains.etc, "own.test", name))
        assert (status.st_uid, status.st_mode & 0o777) == (7901, 0o600), name
    assert run(host, "CREATE", "own.test", "bob", "x").returncode == 73


def test_it_creates_a_domain_as_postfix_has_them(host, domains):
    done(host, "CREATE", "own.test", "alice", "secret", "postfix")
    assert rcpt(host, "postmaster@own.test", "any@own.test") == ["250 2.1.5", "550 5.1.1"]
    assert not os.path.exists(os.path.join(domains.etc, "own.test", "aliases"))
    with open(os.path.join(domains.etc, "domains.cf")) as file:
        assert file.read() == "alice:own.test:1:\n"


@pytest.mark.parametrize("is_owners", [False, True], ids=["mail folder as it is made", "mail folder of the owner"])
def test_it_removes_what_it_created(host, domains, is_owners):
    done(host, "CREATE", "own.test", "alice", "secret")
    done(host, "CREATE", "other.test", "alice", "secret")
    host.run("vpasswd", "-a", "vera@own.test", input=b"x\n", check=True)
    host.run("vpasswd", "-a", "vera@other.test", input=b"x\n", check=True)
    for name in (".forward", ".forward+abc--own.test", ".forward+a--sub.own.test", ".forward+abc--other.test",
                 ".forward+abc--xown.test"):
        forward(name, "bob\n")
    with host.smtp() as smtp:
        smtp.sendmail("a@example.org", ["vera@own.test", "vera@other.test"], b"Subject: x\r\n\r\nx\r\n")
    assert domains.mailbox("vera", "own.test")
    os.symlink("/home/bob", os.path.join(domains.spool, "own.test", "link"))
    if is_owners:
        for name in ("", *os.listdir(os.path.join(domains.spool, "own.test"))):
            os.lchown(os.path.join(domains.spool, "own.test", name), 7901, 7901)
        rcpt(host, "vera@own.test")  # an agent that still runs finds that the mailbox is not its own, and ends
    for words, code in [(("own.test", "alice", "wrong"), 77), (("own.test", "bob", "secret"), 67),
                        (("nowhere.test", "alice", "secret"), 68), (("own.test", "alice"), 64)]:
        assert run(host, "DELETE", *words).returncode == code, words
    assert rcpt(host, "vera@own.test") == ["250 2.1.5"]

    done(host, "DELETE", "own.test", "alice", "secret")
    assert os.listdir(domains.spool) == ["other.test"] and domains.mailbox("vera", "other.test")
    assert sorted(os.listdir(domains.etc)) == ["domains.cf", "domains.cf~", "other.test"]
    assert sorted(name for name in os.listdir("/home/alice") if name.startswith(".forward")) == [
        ".forward", ".forward+abc--other.test", ".forward+abc--xown.test", ".forward+vera--other.test"]
    assert os.path.isdir("/home/bob")
    assert rcpt(host, "vera@other.test") == ["250 2.1.5"]
    assert "own.test" not in host.run("vdomain", "show").stdout.decode()


def test_it_keeps_what_it_did_not_create(host, domains):
    done(host, "CREATE", "own.test", "alice", "secret")
    path = os.path.join(domains.etc, "own.test", "notes")
    with open(path, "w") as file:
        file.write("mine\n")
    result = run(host, "DELETE", "own.test", "alice", "secret")
    assert result.returncode == 0 and b"not empty" in result.stderr
    assert os.listdir(os.path.join(domains.etc, "own.test")) == ["notes"]


def test_mail_for_existing_users_arrives(host, domains):
    done(host, "CREATE", "own.test", "alice", "secret")
    host.run("vpasswd", "-a", "vera@own.test", input=b"x\n", check=True)
    message = b"From a@example.org Sat Nov 21 10:00:00 2026\nReturn-Path: <a@example.org>\nSubject: hello\n\nFrom here\n"
    done(host, "MAILBOUNCE", "vera@own.test", input=message, SENDER="a@example.org")
    done(host, "MAILBOUNCE", input=message, EXTENSION="VERA--sub.own.test", SENDER="")
    host.run("runq")  # which the owner's sendmail cannot trigger here
    wait_for(lambda: domains.mailbox("vera", "own.test").count(b"\nSubject: hello\n") == 2,
             what=lambda: f"two messages; {host.log_text()[-2000:]}")
    box = domains.mailbox("vera", "own.test")
    assert b"Return-Path: <a@example.org>\n" in box and b"Return-Path: <>\n" in box
    assert box.count(b"\n>From here\n") == 2 and b"From a@example.org Sat Nov 21 10:00" not in box

    for words, variables in [(["MAILBOUNCE", "nobody@own.test"], {}), (["MAILBOUNCE"], {"EXTENSION": "nobody--own.test"})]:
        result = run(host, *words, input=message, **variables)
        assert result.returncode == 67 and b"nobody@own.test: no such user" in result.stderr
    done(host, input=message.replace(b"hello", b"unknown"), EXTENSION="nobody--own.test")
    host.run("runq")
    host.wait_for_mail("alice", b"Subject: unknown")

    looped = b"Delivered-To: vera@own.test\n" + message.split(b"\n", 1)[1]
    assert run(host, "MAILBOUNCE", "vera@own.test", input=looped).returncode == 65
    for words, code in [(["MAILBOUNCE"], 64), (["vera@nowhere.test"], 68), (["a b@own.test"], 65),
                        (["MAILBOUNCE", "vera@own.test", "x"], 64), (["FROBNICATE", "x"], 64)]:
        assert run(host, *words, input=message).returncode == code, words


@pytest.fixture
def in_path(host):
    """virtdomain in a folder of administrators' programs, with the configuration of the test."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/usr/local/sbin"], check=True)
    with open("/usr/local/sbin/virtdomain", "w") as file:
        file.write(f'#!/bin/sh\nexec {host.command("virtdomain")} -C {host.config} "$@"\n')
    os.chmod("/usr/local/sbin/virtdomain", 0o755)
    yield
    subprocess.run(["umount", "--lazy", "/usr/local/sbin"], check=True)


def test_a_delivery_file_with_the_line_of_the_manual(host, domains, in_path):
    done(host, "CREATE", "own.test", "alice", "secret")
    host.run("vpasswd", "-a", "vera@own.test", input=b"x\n", check=True)
    os.unlink("/home/alice/.forward+vera--own.test")
    forward(".forward", "|virtdomain MAILBOUNCE\n")
    for name in ("vera", "nobody"):
        host.run("sendmail", "-f", "carol@host.test", f"{name}@own.test", input=f"Subject: for {name}\n\nx\n".encode(),
                 check=True)
    report = host.wait_for_mail("Carol", b"delivery-status")
    assert b"Status: 5.1.1" in report and b"nobody@own.test" in report
    wait_for(lambda: "The program took the message" in host.log_text(), what=host.log_text)
    host.run("runq")  # which the owner's sendmail cannot trigger here
    wait_for(lambda: b"\nSubject: for vera\n" in domains.mailbox("vera", "own.test"), what=host.log_text)
    host.wait_for_empty_queue()
    assert domains.mailbox("vera", "own.test").count(b"\nSubject: ") == 1 and b"mail loop" not in host.mailbox("Carol")


def test_only_root_and_the_owner_change_a_domain(host, domains):
    done(host, "CREATE", "own.test", "alice", "secret")
    for user in ("alice", "bob"):
        assert run(host, "CREATE", "new.test", user, "x", user=user).returncode == 77
        assert run(host, "DELETE", "own.test", "alice", "secret", user=user).returncode == 77
    assert run(host, "MAILBOUNCE", "nobody@own.test", user="bob").returncode == 77
    assert run(host, "MAILBOUNCE", "nobody@own.test", user="alice").returncode == 67
    for words, code in [(("new.test", "root", "x"), 67), (("new.test", "no-such-login", "x"), 67),
                        (("../x", "alice", "x"), 65), (("host.test", "alice", "x"), 65), (("new.test", "alice", ""), 65),
                        (("new.test", "alice", "x", "sendmail"), 64)]:
        assert run(host, "CREATE", *words).returncode == code, words
    assert sorted(os.listdir(domains.etc)) == ["domains.cf", "domains.cf~", "own.test"]
