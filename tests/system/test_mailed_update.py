"""A mailed update to the postmaster of a virtual domain changes its users if the owner of the domain sends it; any
other message is mail."""
import base64
import os
import subprocess

import pytest

from accounts import password_of
from conftest import needs_root
from host import wait_for
from virtual import domains  # noqa: F401

pytestmark = needs_root

SUBJECT = "*** Virtual domain update ***"


@pytest.fixture
def host(make_host, domains):
    domains.add("own.test", "alice", ["vera"], "info: vera\n")
    domains.add("bobs.test", "bob", ["vera"])
    domains.add("root.test", "root", ["vera"], mode=0o644)
    host = make_host("host", vhost_form="1", auth_plaintext="1", **domains.settings())
    host.start()
    host.permit_submission()
    return host


def update(line, subject=SUBJECT, header=""):
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
    """The message that `user` gets. The runq reports the drop to the daemon, which the owner's sendmail is not
    permitted to do here."""
    host.run("runq")
    return wait_for(lambda: text in host.mailbox(user) and host.mailbox(user),
                    what=lambda: f"{text}; {host.mailbox(user)}; {host.log_text()[-2000:]}")


def may_log_in(host, user, password):
    with host.smtp() as smtp:
        smtp.ehlo()
        return smtp.docmd("AUTH", "PLAIN " + base64.b64encode(
            f"\0{user}\0{password}".encode()).decode())[0] == 235


def test_the_owner_makes_changes_and_removes_a_user(host, domains):
    done = send(host, "alice", update("trans=UPDATE&user=victor&passwd=a+new%26pass"))
    assert (done.returncode, done.stderr) == (0, b"")
    text = answer(host, "alice", b"What you asked for is done.")
    assert b"victor@own.test:\nThe user is created.\n" in text and b"From: Postmaster of own.test" in text
    assert b"new" not in text, "no password is in the mail"
    assert may_log_in(host, "victor@own.test", "a new&pass") and may_log_in(host, "vera@own.test", "vera pass")
    status = os.stat(os.path.join(domains.etc, "own.test", "passwd"))
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (7901, 7901, 0o600)

    send(host, "alice", update("trans=UPDATE&user=victor&passwd=other&forward=bob%40host.test"), "-t")
    answer(host, "alice", b"The user has a new password.\nMail for this name goes to bob@host.test.")
    assert may_log_in(host, "victor@own.test", "other") and not may_log_in(host, "victor@own.test", "a new&pass")
    assert text_of(domains, "aliases") == "info: vera\nvictor: bob@host.test\n"

    assert send(host, "alice", update("trans=UPDATE&user=victor&delete=1")).returncode == 0
    answer(host, "alice", b"The user is removed.")
    assert text_of(domains, "aliases") == "info: vera\n" and "victor" not in text_of(domains, "passwd")
    host.wait_for_empty_queue()
    assert SUBJECT.encode() + b"\n\n" not in host.mailbox("alice"), "none of the updates was delivered as mail"


def test_an_update_that_fails_is_reported(host, domains):
    before = text_of(domains, "passwd"), text_of(domains, "aliases")
    for line, why in [("trans=UPDATE&user=nobody&delete=1", b"There is no such user"),
                      ("trans=UPDATE&user=../x&passwd=x", b"The name of the user is not a valid one"),
                      ("trans=UPDATE&user=vera&forward=%3cx", b"nothing is changed"),
                      ("trans=UPDATE&user=vera&uid=0&passwd=x", b"There is no field uid")]:
        done = send(host, "alice", update(line))
        assert done.returncode == 65 and why in done.stderr, (line, done.stderr)
    assert b"What you asked for was not done." in answer(host, "alice", b"There is no field uid")
    assert before == (text_of(domains, "passwd"), text_of(domains, "aliases"))


@pytest.mark.parametrize("user,domain,to", [("bob", "own.test", "alice"), ("alice", "bobs.test", "bob"),
                                            ("root", "own.test", "alice"), ("alice", "root.test", "root")])
def test_an_update_of_another_user_is_mail(host, domains, user, domain, to):
    before = text_of(domains, "passwd", domain)
    owner = {"own.test": "alice", "bobs.test": "bob", "root.test": "root"}[domain]
    text = update("trans=UPDATE&user=vera&passwd=mine", header=f"From: {owner}@host.test\nSender: {owner}@host.test\n")
    assert send(host, user, text, "-f", f"{owner}@host.test", to=f"postmaster@{domain}").returncode == 0
    answer(host, to, b"trans=UPDATE&user=vera&passwd=mine")
    assert text_of(domains, "passwd", domain) == before


def test_an_update_by_smtp_is_mail_even_of_a_logged_in_owner(host, domains):
    before = text_of(domains, "passwd")
    with host.smtp() as smtp:
        smtp.login("alice", password_of("alice"))
        smtp.sendmail("alice@host.test", ["postmaster@own.test"], update("trans=UPDATE&user=vera&passwd=mine"))
    host.wait_for_mail("alice", b"trans=UPDATE&user=vera&passwd=mine")
    assert text_of(domains, "passwd") == before


@pytest.mark.parametrize("change", ["it was received", "it was delivered", "a gateway's", "another subject", "not first",
                                    "two recipients", "another recipient", "switched off"])
def test_a_message_in_another_form_is_mail(host, domains, change):
    before = text_of(domains, "passwd")
    line = "trans=UPDATE&user=vera&passwd=mine"
    text, arguments, to = update(line), [], "postmaster@own.test"
    if change == "it was received":
        text = b"Received: from stranger.test by host.test; Sat, 21 Nov 2026 10:00:00 +0000\n" + text
    elif change == "it was delivered":
        text = b"Delivered-To: alice@host.test\n" + text
    elif change == "a gateway's":
        arguments = ["-G"]
    elif change == "another subject":
        text = update(line, subject="Re: " + SUBJECT)
    elif change == "not first":
        text = update("hello\n" + line)
    elif change == "two recipients":
        arguments = ["alice"]
    elif change == "another recipient":
        to = "webmaster@own.test"
    else:
        host.write_config(vhost_form="0")
    assert send(host, "alice", text, *arguments, to=to).returncode == 0
    answer(host, "alice", line.encode())
    assert text_of(domains, "passwd") == before


def test_an_update_of_programs_and_files_needs_the_secret_of_the_owner(host, domains):
    """A contact form that runs as the owner may write what a stranger enters."""
    before = text_of(domains, "passwd"), text_of(domains, "aliases")
    forward = "trans=UPDATE&user=vera&forward=%22id%3e%2ftmp%2fowned%22"
    for line in (forward, "trans=UPDATE&user=vera&forward=%2fhome%2falice%2fbox", forward + "&secret=",
                 forward + "&secret=vera+pass", "trans=UPDATE&user=postmaster&passwd=mine",
                 "trans=UPDATE&user=vera&passwd=mine&secret=wrong"):
        done = send(host, "alice", update(line))
        assert done.returncode == 65 and b"the password of postmaster@own.test; nothing is changed" in done.stderr, line
    assert before == (text_of(domains, "passwd"), text_of(domains, "aliases"))

    host.run("vpasswd", "-a", "postmaster@own.test", input=b"the secret\n", check=True)
    done = send(host, "alice", update(forward + "&secret=wrong"))
    assert done.returncode == 65 and before[1] == text_of(domains, "aliases")
    text = answer(host, "alice", b"The field secret is not the password of postmaster@own.test")
    assert b"wrong" not in text, "no password is in the mail"
    assert send(host, "alice", update(forward + "&secret=the+secret")).returncode == 0
    assert text_of(domains, "aliases") == 'info: vera\nvera: "|id>/tmp/owned"\n'


def test_an_update_may_go_to_the_owner_with_the_extension_postmaster(host, domains):
    line = "trans=UPDATE&user=victor&passwd=secret"
    assert send(host, "alice", update(line), to="alice+postmaster").returncode == 0
    text = answer(host, "alice", b"What you asked for is done.")
    assert b"victor@own.test:\nThe user is created." in text and b"From: Postmaster of own.test" in text
    assert may_log_in(host, "victor@own.test", "secret")

    domains.add("second.test", "alice", ["vera"])
    done = send(host, "alice", update("trans=UPDATE&user=victor&delete=1"), to="Alice+Postmaster@host.test")
    assert done.returncode == 65 and b"The field domain must say which of the domains is meant." in done.stderr
    for domain in ("bobs.test", "nowhere.test"):
        done = send(host, "alice", update(f"{line}&domain={domain}"), to="alice+postmaster")
        assert done.returncode == 65 and b"The field domain names none" in done.stderr
        done = send(host, "alice", update(f"{line}&domain={domain}"), to="postmaster@own.test")
        assert done.returncode == 65 and b"The field domain names none" in done.stderr
    assert send(host, "alice", update(f"{line}&domain=Second.test"), to="alice+postmaster").returncode == 0
    assert "victor:" in text_of(domains, "passwd", "second.test") and "victor" not in text_of(domains, "passwd", "bobs.test")


@pytest.mark.parametrize("user,to,reader", [("bob", "alice+postmaster", "alice"), ("alice", "bob+postmaster", "bob"),
                                            ("root", "alice+postmaster", "alice"), ("alice", "alice+other", "alice"),
                                            ("alice", "alice+postmaster", "alice")])
def test_an_update_to_another_owner_is_mail(host, domains, user, to, reader):
    before = text_of(domains, "passwd"), text_of(domains, "passwd", "bobs.test")
    if (user, to) == ("alice", "alice+postmaster"):
        host.write_config(vhost_form="0")
    assert send(host, user, update("trans=UPDATE&user=vera&passwd=mine"), to=to).returncode == 0
    answer(host, reader, b"trans=UPDATE&user=vera&passwd=mine")
    assert before == (text_of(domains, "passwd"), text_of(domains, "passwd", "bobs.test"))


@pytest.fixture
def one_home(host, domains):
    """The domain own.test, whose files are all in alice's home."""
    domains.write("own.test", "aliases", "*: alice+*--*@host.test\n")
    yield "/home/alice/.forward+victor--own.test"
    for name in os.listdir("/home/alice"):
        if name.startswith(".forward"):
            os.unlink(os.path.join("/home/alice", name))


def content(path):
    with open(path) as file:
        return file.read()


def test_each_user_of_a_domain_in_the_home_of_its_owner_has_a_file(host, domains, one_home):
    alias = "victor: alice+*--*@host.test\n"
    before = set(os.listdir("/home/alice"))
    send(host, "alice", update("trans=UPDATE&user=victor&passwd=secret"))
    answer(host, "alice", b"The user is created. ~/.forward+victor--own.test says what becomes of the mail.")
    assert content(one_home) == "\\victor@own.test\n" and os.stat(one_home).st_uid == 7901
    assert text_of(domains, "aliases") == "*: alice+*--*@host.test\n" + alias
    with host.smtp() as smtp:
        smtp.sendmail("a@example.org", ["victor@own.test"], b"Subject: one\r\n\r\nx\r\n")
        host.wait_for_empty_queue()
        assert b"Subject: one" in domains.mailbox("victor", "own.test")
        with open(one_home, "w") as file:
            file.write("bob\n")
        smtp.sendmail("a@example.org", ["victor@own.test"], b"Subject: two\r\n\r\nx\r\n")
    host.wait_for_mail("bob", b"Subject: two")

    send(host, "alice", update("trans=UPDATE&user=victor&forward=info%40bobs.test"))
    assert "victor: info@bobs.test\n" in text_of(domains, "aliases")
    send(host, "alice", update("trans=UPDATE&user=victor&forward="))
    answer(host, "alice", b"Mail for this name goes where ~/.forward+victor--own.test says.")
    assert alias in text_of(domains, "aliases") and content(one_home) == "bob\n", "text of the owner is kept"

    send(host, "alice", update("trans=UPDATE&user=victor&delete=1"))
    assert alias not in text_of(domains, "aliases") and content(one_home) == "bob\n"
    assert set(os.listdir("/home/alice")) - before == {".forward+victor--own.test"}, "no other file is left"


def test_vpasswd_changes_a_domain_in_the_home_of_its_owner(host, domains, one_home):
    host.run("vpasswd", "-a", "Victor@own.test", input=b"secret\n", check=True)
    assert content(one_home) == "\\Victor@own.test\n" and os.stat(one_home).st_uid == 7901
    assert "victor: alice+*--*@host.test\n" in text_of(domains, "aliases")
    host.run("vpasswd", "-d", "victor@own.test", check=True)
    assert not os.path.exists(one_home) and "victor" not in text_of(domains, "aliases")
    host.run("vpasswd", "-a", "victor@bobs.test", input=b"secret\n", check=True)
    assert not [name for name in os.listdir("/home/bob") if "bobs.test" in name] and not text_of(domains, "aliases", "bobs.test")
