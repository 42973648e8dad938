"""The letter to the postmaster of a virtual domain that changes its users: for its owner, and as nobody else."""
import base64
import os
import subprocess

import pytest

from accounts import password_of
from conftest import needs_root
from host import wait_for
from virtual import VirtualDomains

pytestmark = needs_root

SUBJECT = "*** Virtual domain update ***"


@pytest.fixture
def domains(folder):
    return VirtualDomains(folder)


@pytest.fixture
def host(make_host, domains):
    domains.add("own.test", "alice", ["vera"], "info: vera\n")
    domains.add("bobs.test", "bob", ["vera"])
    domains.add("root.test", "root", ["vera"], mode=0o644)
    host = make_host("host", vhost_form="1", auth_plaintext="1", **domains.settings())
    host.start()
    os.chmod(host.spool, 0o751)  # since this sendmail is not installed, and has not the group
    os.chmod(f"{host.spool}/drop", 0o3733)
    return host


def letter(line, subject=SUBJECT, header=""):
    return f"{header}Subject: {subject}\n\n{line}\n".encode()


def send(host, user, text, *arguments, to="postmaster@own.test"):
    uid = {"root": 0, "alice": 7901, "bob": 7902}[user]
    return subprocess.run([host.command("sendmail"), "-C", host.config, *arguments, to], input=text,
                          capture_output=True, timeout=60, user=uid, group=uid, extra_groups=[])


def text_of(domains, name, domain="own.test"):
    try:
        with open(os.path.join(domains.etc, domain, name)) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def answer(host, user, text):
    """What the mail says that `user` gets; the daemon hears of a drop by this runq, since the owner cannot tell it."""
    host.run("runq")
    return wait_for(lambda: text in host.mailbox(user) and host.mailbox(user),
                    what=lambda: f"{text}; {host.mailbox(user)}; {host.log_text()[-2000:]}")


def may_log_in(host, user, password):
    with host.smtp() as smtp:
        smtp.ehlo()
        return smtp.docmd("AUTH", "PLAIN " + base64.b64encode(
            f"\0{user}\0{password}".encode()).decode())[0] == 235


def test_the_owner_makes_changes_and_removes_a_user(host, domains):
    done = send(host, "alice", letter("trans=UPDATE&user=victor&passwd=a+new%26pass"))
    assert (done.returncode, done.stderr) == (0, b"")
    text = answer(host, "alice", b"What you asked for is done.")
    assert b"victor@own.test:\nThe user is created.\n" in text and b"From: Postmaster of own.test" in text
    assert b"new" not in text, "no password travels"
    assert may_log_in(host, "victor@own.test", "a new&pass") and may_log_in(host, "vera@own.test", "vera pass")
    status = os.stat(os.path.join(domains.etc, "own.test", "passwd"))
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (7901, 7901, 0o600)

    send(host, "alice", letter("trans=UPDATE&user=victor&passwd=other&forward=bob%40host.test"), "-t")
    answer(host, "alice", b"The user has a new password.\nMail for this name goes to bob@host.test.")
    assert may_log_in(host, "victor@own.test", "other") and not may_log_in(host, "victor@own.test", "a new&pass")
    assert text_of(domains, "aliases") == "info: vera\nvictor: bob@host.test\n"

    assert send(host, "alice", letter("trans=UPDATE&user=victor&delete=1")).returncode == 0
    answer(host, "alice", b"The user is removed.")
    assert text_of(domains, "aliases") == "info: vera\n" and "victor" not in text_of(domains, "passwd")
    host.wait_for_empty_queue()
    assert SUBJECT.encode() + b"\n\n" not in host.mailbox("alice"), "none of the letters was sent"


def test_what_cannot_be_done_is_told(host, domains):
    before = text_of(domains, "passwd"), text_of(domains, "aliases")
    for line, why in [("trans=UPDATE&user=nobody&delete=1", b"There is no such user"),
                      ("trans=UPDATE&user=../x&passwd=x", b"a name that nobody can have"),
                      ("trans=UPDATE&user=vera&forward=%3cx", b"nothing is changed"),
                      ("trans=UPDATE&user=vera&uid=0&passwd=x", b"There is no field uid")]:
        done = send(host, "alice", letter(line))
        assert done.returncode == 65 and why in done.stderr, (line, done.stderr)
    assert b"What you asked for was not done." in answer(host, "alice", b"There is no field uid")
    assert before == (text_of(domains, "passwd"), text_of(domains, "aliases"))


@pytest.mark.parametrize("who,domain,to", [("bob", "own.test", "alice"), ("alice", "bobs.test", "bob"),
                                           ("root", "own.test", "alice"), ("alice", "root.test", "root")])
def test_from_anybody_else_it_is_mail(host, domains, who, domain, to):
    before = text_of(domains, "passwd", domain)
    owner = {"own.test": "alice", "bobs.test": "bob", "root.test": "root"}[domain]
    text = letter("trans=UPDATE&user=vera&passwd=mine", header=f"From: {owner}@host.test\nSender: {owner}@host.test\n")
    assert send(host, who, text, "-f", f"{owner}@host.test", to=f"postmaster@{domain}").returncode == 0
    answer(host, to, b"trans=UPDATE&user=vera&passwd=mine")
    assert text_of(domains, "passwd", domain) == before


def test_by_smtp_it_is_mail_whoever_logged_in(host, domains):
    before = text_of(domains, "passwd")
    with host.smtp() as smtp:
        smtp.login("alice", password_of("alice"))
        smtp.sendmail("alice@host.test", ["postmaster@own.test"], letter("trans=UPDATE&user=vera&passwd=mine"))
    host.wait_for_mail("alice", b"trans=UPDATE&user=vera&passwd=mine")
    assert text_of(domains, "passwd") == before


@pytest.mark.parametrize("change", ["it was received", "it was delivered", "a gateway's", "another subject", "not first",
                                    "two recipients", "another recipient", "switched off"])
def test_what_is_no_such_letter_is_mail(host, domains, change):
    before = text_of(domains, "passwd")
    line = "trans=UPDATE&user=vera&passwd=mine"
    text, arguments, to = letter(line), [], "postmaster@own.test"
    if change == "it was received":
        text = b"Received: from stranger.test by host.test; Sat, 21 Nov 2026 10:00:00 +0000\n" + text
    elif change == "it was delivered":
        text = b"Delivered-To: alice@host.test\n" + text
    elif change == "a gateway's":
        arguments = ["-G"]
    elif change == "another subject":
        text = letter(line, subject="Re: " + SUBJECT)
    elif change == "not first":
        text = letter("hello\n" + line)
    elif change == "two recipients":
        arguments = ["alice"]
    elif change == "another recipient":
        to = "webmaster@own.test"
    else:
        host.write_config(vhost_form="0")
    assert send(host, "alice", text, *arguments, to=to).returncode == 0
    answer(host, "alice", line.encode())
    assert text_of(domains, "passwd") == before
