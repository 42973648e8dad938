"""A virtual domain delivers mail to its users with the rights of its owner, and gives its owner and users no way to
the files of others."""
import os
import re
import smtplib
import stat

import pytest

from accounts import hash_of, password_of
from conftest import needs_root
from host import wait_for
from virtual import VirtualDomains, domains, rcpt  # noqa: F401

pytestmark = needs_root


@pytest.fixture
def mail_host(make_host, domains):
    """own.test belongs to alice, and only alice may read its files; root.test belongs to root; off.test is switched
    off."""
    domains.add("own.test", "alice", ["vera", "Victor"],
                "info: vera, bob@host.test\nteam: vera, victor\nvictor: victor, vera\n*: vera\n"
                "robot: |/home/alice/robot\nwrong: |/home/alice/exit67\nfile: /home/alice/archive\n"
                "loop: pool\npool: loop\nbroken: <x\n")
    domains.add("root.test", "root", ["vera"], "robot: |/bin/cat\nrobots: robot, vera\n*: *@own.test\n", mode=0o644)
    domains.add("off.test", "alice", ["vera"], active="0")
    host = make_host("host", **domains.settings())
    host.start()
    return host


def send(host, *recipients, sender="a@example.org", subject="hello"):
    with host.smtp() as smtp:
        return smtp.sendmail(sender, list(recipients), f"Subject: {subject}\r\n\r\ntext\r\n".encode())


def wait_for_mail(host, domains, user, domain, text):
    return wait_for(lambda: text in domains.mailbox(user, domain) and domains.mailbox(user, domain),
                    what=lambda: f"mail for {user}@{domain}; log: {host.log_text()[-3000:]}")


def executable(path, text):
    with open(path, "w") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)


def test_mail_arrives_and_belongs_to_the_mail_account(mail_host, domains):
    send(mail_host, "VERA@own.test", "victor@own.test", "vera@root.test")
    box = domains.mailbox("vera", "own.test")
    assert b"Return-Path: <a@example.org>\n" in box and b"Delivered-To: VERA@own.test\n" in box
    assert box.startswith(b"From a@example.org ") and box.endswith(b"\n\n")
    assert box.count(b"Subject: hello") == 1, "as a user and by an alias: one copy"
    assert b"Subject: hello" in domains.mailbox("Victor", "own.test")
    assert b"Subject: hello" in domains.mailbox("vera", "root.test")
    for path in (domains.mailbox_path("vera", "own.test"), os.path.join(domains.spool, "own.test")):
        status = os.lstat(path)
        assert (status.st_uid, status.st_gid) == domains.mail_ids()
        assert stat.S_IMODE(status.st_mode) & 0o077 == 0


@pytest.mark.parametrize("files", ["private", "open to all"])
def test_rcpt_trace_and_delivery_agree(mail_host, domains, files):
    if files == "open to all":
        os.chmod(os.path.join(domains.etc, "own.test"), 0o755)
        for name in ("passwd", "aliases"):
            os.chmod(os.path.join(domains.etc, "own.test", name), 0o644)
    cases = {
        "vera@own.test": ("250 2.1.5", "virtual user vera@own.test"),
        "Vera+ext@own.test": ("250 2.1.5", "virtual user vera@own.test"),
        "nobody@own.test": ("250 2.1.5", "alias nobody@own.test -> vera"),
        "info@own.test": ("250 2.1.5", "alias info@own.test -> vera, bob@host.test"),
        "sales@root.test": ("250 2.1.5", "alias sales@root.test -> *@own.test"),
        "postmaster@own.test": ("250 2.1.5", "postmaster@own.test goes to alice, the owner of the domain"),
        "webmaster@root.test": ("250 2.1.5", "webmaster@root.test goes to postmaster, the owner of the domain"),
        "loop@own.test": ("550 5.4.6", "alias loop@own.test -> pool"),
        "broken@own.test": ("451 4.3.5", "<x"),
        "vera@off.test": ("550 5.2.1", "domain off.test is not active"),
        "postmaster@off.test": ("550 5.2.1", "domain off.test is not active"),
    }
    assert dict(zip(cases, rcpt(mail_host, *cases))) == {a: code for a, (code, _) in cases.items()}
    for address, (code, step) in cases.items():
        traced = mail_host.run("sendmail", "-bt", address).stdout.decode()
        assert f"RCPT from a stranger:     {code}" in traced, traced
        assert step in traced
        verified = mail_host.run("sendmail", "-bv", address).returncode
        assert verified == {"2": 0, "4": 75, "5": 67}[code[0]], address


def test_a_subdomain_is_another_domain(mail_host):
    traced = mail_host.run("sendmail", "-bt", "vera@sub.own.test").stdout.decode()
    assert "RCPT from a stranger:     550 5.7.1" in traced


def test_aliases_and_the_catch_all_alias_are_followed(mail_host, domains):
    assert send(mail_host, "info@own.test", subject="for info") == {}
    assert b"for info" in domains.mailbox("vera", "own.test")
    assert b"for info" in mail_host.mailbox("bob")
    send(mail_host, "unlisted@own.test", subject="for any name")
    assert b"for any name" in domains.mailbox("vera", "own.test")
    send(mail_host, "victor@root.test", subject="to the same name")
    assert b"to the same name" in domains.mailbox("Victor", "own.test")
    assert not os.path.exists(domains.mailbox_path("victor", "root.test"))


def test_without_catch_all_alias_unknown_names_are_refused(mail_host, domains):
    domains.write("own.test", "aliases", "")
    assert rcpt(mail_host, "nobody@own.test", "vera@own.test", "*@own.test") == ["550 5.1.1", "250 2.1.5", "550 5.1.1"]


def test_postmaster_leads_to_the_owner(mail_host):
    send(mail_host, "postmaster@own.test", "webmaster@own.test", subject="for postmaster")
    mail_host.wait_for_mail("alice", b"for postmaster")


def test_changes_take_effect_at_once(mail_host, domains):
    domains.write("own.test", "aliases", "")
    assert rcpt(mail_host, "new@own.test") == ["550 5.1.1"]
    domains.write("own.test", "passwd", "new:x\n")
    assert rcpt(mail_host, "new@own.test", "vera@own.test") == ["250 2.1.5", "550 5.1.1"]
    domains.write("own.test", "aliases", "vera: new\n")
    send(mail_host, "vera@own.test", subject="moved")
    assert b"moved" in domains.mailbox("new", "own.test")
    domains.set("own.test", "alice", active="0")
    assert rcpt(mail_host, "new@own.test") == ["550 5.2.1"]
    domains.set("own.test", "alice", active="1")
    assert rcpt(mail_host, "new@own.test") == ["250 2.1.5"]
    domains.set("own.test", "bob")  # bob may not read these files
    assert rcpt(mail_host, "new@own.test") == ["451 4.3.5"]


def test_queued_mail_for_a_virtual_user_arrives(mail_host, domains):
    mail_host.run("sendmail", "vera@own.test", "x@own.test", input=b"Subject: from here\n\nx\n", check=True)
    wait_for_mail(mail_host, domains, "vera", "own.test", b"from here")
    mail_host.wait_for_empty_queue()
    assert domains.mailbox("vera", "own.test").count(b"Subject: from here") == 1


def test_a_report_to_a_name_of_the_catch_all_alias_arrives(mail_host, domains):
    executable("/home/alice/exit67", "exit 67\n")
    send(mail_host, "wrong@own.test", sender="unlisted@own.test")
    box = wait_for_mail(mail_host, domains, "vera", "own.test", b"multipart/report")
    assert b"To: unlisted@own.test" in box


def test_mail_arrives_in_maildirs(mail_host, domains):
    mail_host.write_config(vhost_maildir="1")
    mail_host.reload()
    send(mail_host, "vera@own.test")
    new = os.path.join(domains.mailbox_path("vera", "own.test"), "new")
    assert len(os.listdir(new)) == 1
    assert os.stat(new).st_uid == domains.mail_ids()[0]


# -- rights

def test_programs_run_as_the_owner(mail_host, domains):
    executable("/home/alice/robot", "id -u >/home/alice/ran; id -g >>/home/alice/ran; cat >>/home/alice/ran\n"
                                    "echo $RECIPIENT $USER >>/home/alice/ran\n")
    send(mail_host, "robot@own.test", "file@own.test", subject="work")
    mail_host.wait_for_empty_queue()
    with open("/home/alice/ran") as file:
        text = file.read()
    assert text.startswith("7901\n7901\nFrom a@example.org") and "Subject: work" in text
    assert text.endswith("robot@own.test alice\n")
    assert os.stat("/home/alice/archive").st_uid == 7901
    for name in ("ran", "archive", "robot"):
        os.unlink(f"/home/alice/{name}")


def test_no_program_of_a_domain_runs_as_root(mail_host, domains):
    assert rcpt(mail_host, "robot@root.test") == ["451 4.3.5"]
    send(mail_host, "robots@root.test")
    wait_for(lambda: "Nothing is done as root for a virtual domain" in mail_host.log_text(), what="the refusal")
    assert mail_host.queue()[0]["recipients"]


def test_no_process_with_mail_of_a_domain_has_rights_of_root(mail_host, domains):
    send(mail_host, "vera@own.test", "vera@root.test")
    titles = {pid: title for pid, title in mail_host.processes().items() if "deliver " in title}
    uids = {}
    for pid, title in titles.items():
        with open(f"/proc/{pid}/status") as file:
            status = dict(line.split(":", 1) for line in file if ":" in line)
        uids[title.split("deliver ")[1]] = set(status["Uid"].split()) | set(status["Gid"].split())
    mail = {str(i) for i in domains.mail_ids()}
    assert uids == {"vera@own.test": mail, "vera@root.test": mail, "own.test": {"7901"}}, "all may read root.test"


def test_a_domain_whose_owner_has_no_account_defers_mail(mail_host, domains):
    domains.set("own.test", "no-such-login")
    assert rcpt(mail_host, "vera@own.test", "postmaster@own.test") == ["451 4.3.5", "451 4.3.5"]


# -- attacks

@pytest.fixture
def prey(folder):
    path = os.path.join(folder, "prey")
    with open(path, "w") as file:
        file.write("mine\n")
    os.chown(path, *VirtualDomains.mail_ids())
    return path


def expect_deferred(host, domains, prey=None):
    assert rcpt(host, "vera@own.test") == ["451 4.2.0"]
    host.run("sendmail", "vera@own.test", input=b"Subject: x\n\nx\n", check=True)
    wait_for(lambda: host.queue() and "deferred" in host.log_text(), what="the deferral")
    if prey:
        with open(prey) as file:
            assert file.read() == "mine\n"


def make_spool_folder(domains, mode=0o700):
    path = os.path.join(domains.spool, "own.test")
    os.mkdir(path)
    os.chmod(path, mode)
    os.chown(path, *domains.mail_ids())
    return path


def test_a_mailbox_that_is_a_link_is_not_followed(mail_host, domains, prey):
    os.symlink(prey, os.path.join(make_spool_folder(domains), "vera"))
    expect_deferred(mail_host, domains, prey)


def test_a_mailbox_with_two_names_is_not_written(mail_host, domains, prey):
    os.link(prey, os.path.join(make_spool_folder(domains), "vera"))
    expect_deferred(mail_host, domains, prey)


def test_a_mailbox_of_another_account_is_not_written(mail_host, domains):
    path = os.path.join(make_spool_folder(domains), "vera")
    with open(path, "w") as file:
        file.write("mine\n")
    os.chown(path, 7904, 7904)
    expect_deferred(mail_host, domains, path)


def test_a_mailbox_that_is_a_fifo_is_not_opened(mail_host, domains):
    os.mkfifo(os.path.join(make_spool_folder(domains), "vera"))
    expect_deferred(mail_host, domains)


def test_a_mail_folder_that_is_a_link_is_not_followed(mail_host, domains, folder):
    elsewhere = os.path.join(folder, "elsewhere")
    os.mkdir(elsewhere)
    os.chown(elsewhere, *domains.mail_ids())
    os.symlink(elsewhere, os.path.join(domains.spool, "own.test"))
    expect_deferred(mail_host, domains)
    assert os.listdir(elsewhere) == []


def test_a_mail_folder_that_others_can_write_is_not_used(mail_host, domains):
    make_spool_folder(domains, mode=0o777)
    expect_deferred(mail_host, domains)


def test_a_passwd_file_that_is_a_link_is_not_read(mail_host, domains, folder):
    theirs = os.path.join(folder, "theirs")
    with open(theirs, "w") as file:
        file.write("mallory:x\n")
    path = os.path.join(domains.etc, "own.test", "passwd")
    for target, owner in ((theirs, 0), (theirs, 7904), ("/dev/zero", None), ("/etc/shadow", None)):
        if owner is not None:
            os.chown(theirs, owner, owner)
        os.unlink(path)
        os.symlink(target, path)
        assert rcpt(mail_host, "mallory@own.test") == ["451 4.3.5"], target
    os.chown(theirs, 7901, 7901)  # permitted in the owner's home
    os.unlink(path)
    os.symlink(theirs, path)
    assert rcpt(mail_host, "mallory@own.test") == ["250 2.1.5"]


# -- logging in

def log_in(host, user, password):
    with host.smtp() as smtp:
        smtp.ehlo()
        try:
            return smtp.login(user, password)[0]
        except smtplib.SMTPAuthenticationError as error:
            return error.smtp_code


def test_users_log_in_and_send_in_their_own_name(mail_host, domains):
    assert log_in(mail_host, "vera@own.test", "vera pass") == 235
    assert log_in(mail_host, "VICTOR@Own.Test", "Victor pass") == 235
    assert log_in(mail_host, "vera@own.test", "Victor pass") == 535
    assert log_in(mail_host, "vera@off.test", "vera pass") == 535, "switched off"
    assert log_in(mail_host, "vera@nowhere.test", "vera pass") == 535
    assert log_in(mail_host, "alice", password_of("alice")) == 235
    with mail_host.smtp() as smtp:
        smtp.login("vera@own.test", "vera pass")
        smtp.sendmail("vera@own.test", ["alice@host.test", "victor@own.test"], b"Subject: from vera\r\n\r\nx\r\n")
    assert b"Return-Path: <vera@own.test>" in mail_host.wait_for_mail("alice", b"from vera")
    assert b"from vera" in domains.mailbox("Victor", "own.test")
    assert "login=vera@own.test" in mail_host.log_text()


def test_no_user_logs_in_as_another(mail_host, domains):
    lines = [f"{name}:{hash_of(name + ' pass')}:{uid}:100::{home}:" for name, uid, home in
             [("kvt", 7901, "/home/alice"), ("abc", 7901, "."), ("toor", 0, "/root"), ("bob", 7902, "/home/bob")]]
    domains.write("own.test", "passwd", "\n".join(lines) + "\n")
    codes = {name: log_in(mail_host, f"{name}@own.test", f"{name} pass") for name in ("kvt", "abc", "toor", "bob")}
    assert codes == {"kvt": 235, "abc": 235, "toor": 535, "bob": 535}


def test_a_full_mailbox_refuses_mail(mail_host, domains):
    mail_host.write_config(mailbox_size="1k")
    mail_host.reload()
    send(mail_host, "vera@own.test", subject="there is room")
    with pytest.raises(smtplib.SMTPDataError) as told:
        send(mail_host, "vera@own.test", subject="x" * 800)
    answer = (452, b"4.2.2 The mailbox is full")
    assert (told.value.smtp_code, told.value.smtp_error) == answer
    assert b"xxx" not in domains.mailbox("vera", "own.test")
    with open(domains.mailbox_path("vera", "own.test"), "a") as file:
        file.write("x" * 1024)
    with mail_host.smtp() as client:
        client.mail("a@example.org")
        assert client.rcpt("vera@own.test") == answer
    traced = mail_host.run("sendmail", "-bt", "vera@own.test").stdout.decode()
    assert f"{domains.mailbox_path('vera', 'own.test')}: The mailbox is full" in traced


def test_a_passwd_file_with_passwords_in_the_clear_works(mail_host, domains):
    """As GNU pop3d reads it. The check reports them."""
    domains.write("own.test", "passwd", "kvt:kvtpasswd:7901:100:kvtname:/home/alice/:\n"
                                        "abc:abcpasswd:7901:100:abcname:.:\nshort:shortpasswd\n"
                                        "old:0123456789abcdef0123456789abcdef:7901:100::.:\n")
    assert log_in(mail_host, "kvt@own.test", "kvtpasswd") == 235
    assert log_in(mail_host, "abc@own.test", "abcpasswd") == 235
    for user, password in (("kvt", "abcpasswd"), ("short", "shortpasswd")):
        assert log_in(mail_host, f"{user}@own.test", password) == 535, user
    passwd = os.path.join(domains.etc, "own.test", "passwd")
    checked = mail_host.run("sendmail", "-bC")
    assert checked.returncode == 0
    assert f"{passwd}: passwords in plain text: kvt, abc (a notice)" in checked.stderr.decode()
    assert f"{passwd}: hashes of no known kind, these users cannot log in: short, old (a notice)" in checked.stderr.decode()
    shown = mail_host.run("vpasswd", "-s", "own.test").stdout.decode()
    assert shown == ("kvt (password in plain text)\nabc (password in plain text)\n"
                     "short (no password that is known here)\nold (no password that is known here)\n")
    mail_host.run("vpasswd", "kvt@own.test", input=b"a new one\n", check=True)
    assert log_in(mail_host, "kvt@own.test", "a new one") == 235
    with open(passwd) as file:
        assert re.match(r"kvt:\$y\$[^:]*:7901:100:kvtname:/home/alice/:\n", file.readline())


def test_a_mail_folder_that_its_owner_cannot_reach_defers_mail(mail_host, domains):
    folder = os.path.join(domains.spool, "own.test")
    os.mkdir(folder, 0o700)
    os.chown(folder, 7901, 7901)
    wanted = f"vhost-spool: alice cannot get to the folder of own.test: chmod o+x {domains.spool} (a notice)"
    assert wanted in mail_host.run("sendmail", "-bC").stderr.decode()
    assert rcpt(mail_host, "vera@own.test") == ["451 4.3.0"]
    os.chmod(domains.spool, 0o711)
    assert wanted not in mail_host.run("sendmail", "-bC").stderr.decode()
    assert rcpt(mail_host, "vera@own.test") == ["250 2.1.5"]


def test_a_mail_folder_that_cannot_be_made_is_named_by_trace_and_check(mail_host, domains):
    os.chown(domains.spool, 0, 0)
    os.chmod(domains.spool, 0o711)
    obstacle = f"the owner of mailboxes of root.test cannot write to {domains.spool}"
    assert f"vhost-spool: {obstacle}: it has to be a folder of mail (a notice)" in mail_host.run("sendmail", "-bC").stderr.decode()
    assert obstacle in mail_host.run("sendmail", "-bt", "vera@root.test").stdout.decode()
    assert rcpt(mail_host, "vera@root.test") == ["451 4.3.0"]


def test_the_mailbox_of_an_account_with_the_same_name_is_separate(mail_host, domains):
    """The mailbox of the account is full; that does not concern the virtual user."""
    domains.add("same.test", "alice", ["bob"])
    mail_host.write_config(mailbox_size="1k")
    mail_host.reload()
    with open(mail_host.mailbox_path("bob"), "w") as file:
        file.write("x" * 4096)
    os.chown(mail_host.mailbox_path("bob"), 7902, 7902)
    assert rcpt(mail_host, "bob@same.test", "bob@host.test") == ["250 2.1.5", "452 4.2.2"]


def test_the_mail_account_may_have_another_group(mail_host, domains):
    for number, given in enumerate(("mail:bob", "mail.bob", "8:7902")):
        domain = f"group{number}.test"
        domains.add(domain, "alice", ["vera"])
        mail_host.write_config(vhost_user=given)
        mail_host.reload()
        send(mail_host, f"vera@{domain}")
        for path in (domains.mailbox_path("vera", domain), os.path.join(domains.spool, domain)):
            status = os.lstat(path)
            assert (status.st_uid, status.st_gid) == (domains.mail_ids()[0], 7902), given
    for given, why in (("mail:no-such-group", "no-such-group"), ("mail:root", "never written as root")):
        mail_host.write_config(vhost_user=given)
        done = mail_host.run("sendmail", "-bC")
        assert done.returncode == 78 and why.encode() in done.stdout + done.stderr
        mail_host.reload()  # refused for the same reason, so the old configuration stays in force
        assert why in mail_host.log_text() and rcpt(mail_host, "vera@own.test") == ["250 2.1.5"]
