"""A server with LMTP, here Dovecot, gets mail for local users, and its quotas and folders decide about each
recipient."""
import glob
import os
import pwd
import re
import smtplib
import subprocess

import pytest

from conftest import needs_root
from host import wait_for
from virtual import VirtualDomains

pytestmark = [needs_root,
              pytest.mark.skipif(not os.path.exists("/usr/lib/dovecot/lmtp"), reason="NEEDS dovecot-lmtpd")]

CONFIG = """
protocols = lmtp
base_dir = {folder}/run
log_path = {folder}/log
ssl = no
default_login_user = nobody
default_internal_user = nobody
default_internal_group = nogroup
mail_plugins = quota
auth_username_format = %Lu
recipient_delimiter = +
lmtp_save_to_detail_mailbox = yes
lda_mailbox_autocreate = yes
mail_location = maildir:{folder}/store/%Lu
first_valid_uid = 1
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
plugin {{
  quota = maildir:User quota
  quota_rule = *:bytes={quota}
}}
service lmtp {{
  unix_listener {folder}/lmtp {{
    mode = 0666
  }}
}}
"""


class Dovecot:
    def __init__(self, folder, users, quota="50M"):
        self.folder = folder
        os.makedirs(f"{folder}/store")
        os.chmod(folder, 0o755)
        mail = pwd.getpwnam("mail")
        os.chown(f"{folder}/store", mail.pw_uid, mail.pw_gid)
        with open(f"{folder}/conf", "w") as file:
            file.write(CONFIG.format(folder=folder, quota=quota))
        with open(f"{folder}/users", "w") as file:
            file.writelines(f"{user}::{mail.pw_uid}:{mail.pw_gid}::{folder}/store::\n" for user in users)
        os.chmod(f"{folder}/users", 0o644)
        self.process = None

    @property
    def socket(self):
        return f"{self.folder}/lmtp"

    def start(self):
        self.process = subprocess.Popen(["dovecot", "-F", "-c", f"{self.folder}/conf"], stdin=subprocess.DEVNULL)
        wait_for(lambda: os.path.exists(self.socket), what=self.log)
        return self

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        if os.path.exists(self.socket):
            os.unlink(self.socket)

    def log(self):
        try:
            with open(f"{self.folder}/log") as file:
                return file.read()
        except OSError:
            return "Dovecot has no log"

    def messages(self, user, box="."):
        found = []
        for path in sorted(glob.glob(os.path.join(self.folder, "store", user, box, "new", "*"))):
            with open(path, "rb") as file:
                found.append(file.read())
        return found


@pytest.fixture
def dovecot(folder):
    started = []

    def make(*users, **settings):
        one = Dovecot(os.path.join(folder, "dovecot"), users, **settings)
        started.append(one)
        return one.start()
    yield make
    for one in started:
        if one.process.poll() is None:
            one.stop()


def text(subject="hello", body="some words\n"):
    return f"From: a@example.org\nTo: you\nSubject: {subject}\n\n{body}"


def send(host, recipients, message):
    with host.smtp() as client:
        client.sendmail("a@example.org", recipients, message)


def test_mail_goes_to_the_lmtp_server_and_not_into_files(host, dovecot):
    store = dovecot("alice@host.test")
    host.write_config(local_transport="lmtp:" + store.socket)
    host.start()
    send(host, ["alice"], text("small", "dots\n.\n..two\n\nend\n"))
    send(host, ["ALICE@host.test"], text("large", ("x" * 70 + "\n") * 3000))
    host.run("sendmail", "alice", input=text("local, 8-bit: \u00fcber").encode(), check=True)
    wait_for(lambda: len(store.messages("alice@host.test")) == 3, what=lambda: store.log() + host.log_text())
    small = next(m for m in store.messages("alice@host.test") if b"Subject: small" in m)
    assert b"\ndots\n.\n..two\n\nend\n" in small.replace(b"\r\n", b"\n")
    assert small.startswith(b"Return-Path: <a@example.org>") and b"\nReceived: from" in small
    assert host.mailbox("alice") == b"" and not glob.glob(host.spool + "/[cd]m*")


def test_an_extension_reaches_the_lmtp_server(host, dovecot):
    store = dovecot("alice@host.test")
    host.write_config(local_transport="lmtp:" + store.socket)
    host.write_aliases("chef: alice+Lists\n")
    host.run("newaliases", check=True)
    host.start()
    send(host, ["chef"], text())
    wait_for(lambda: store.messages("alice@host.test", ".Lists"), what=store.log)


def test_each_recipient_has_its_own_reply(host, dovecot):
    store = dovecot("alice@host.test")  # Dovecot does not know bob
    host.write_config(local_transport="lmtp:" + store.socket)
    host.start()
    send(host, ["alice", "bob"], text())
    wait_for(lambda: "failed" in host.log_text(), what=host.log_text)
    assert len(store.messages("alice@host.test")) == 1
    with host.smtp() as client:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("a@example.org", ["bob"], text())
    assert refused.value.smtp_code == 550 and b"bob@host.test" in refused.value.smtp_error


def test_a_full_quota_is_refused_in_the_session(host, dovecot):
    store = dovecot("alice@host.test", quota="20k")
    host.write_config(local_transport="lmtp:" + store.socket)
    host.start()
    send(host, ["alice"], text())
    with host.smtp() as client:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("a@example.org", ["alice"], text("much", ("x" * 70 + "\n") * 1000))
    assert refused.value.smtp_error.startswith((b"5.2.2", b"4.2.2")), refused.value
    assert len(store.messages("alice@host.test")) == 1


def test_mail_waits_while_the_lmtp_server_is_down(host, dovecot):
    store = dovecot("alice@host.test")
    store.stop()
    host.write_config(local_transport="lmtp:" + store.socket, retry="1s")
    host.start()
    with host.smtp() as client:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("a@example.org", ["alice"], text("from a client"))
    assert refused.value.smtp_code == 451 and store.folder.encode() not in refused.value.smtp_error, refused.value
    assert f'local-transport-failed host={store.socket} reason="451 4.4.1' in host.log_text(), host.log_text()
    host.run("sendmail", "alice", input=text("from here").encode(), check=True)
    # Queued mail waits as well: no delivery is in progress any more.
    wait_for(lambda: re.search(r"deferred to=<alice@host\.test> from=\S* target=", host.log_text()), what=host.log_text)
    store.start()
    host.run("runq", "-qf", check=True)
    wait_for(lambda: store.messages("alice@host.test"), what=lambda: store.log() + host.log_text())
    send(host, ["alice"], text("again"))
    subjects = {m.split(b"Subject: ")[1].split(b"\r\n")[0].split(b"\n")[0] for m in store.messages("alice@host.test")}
    assert subjects == {b"from here", b"again"}


def test_a_restart_of_the_lmtp_server_between_two_messages_loses_none(host, dovecot):
    store = dovecot("alice@host.test")
    host.write_config(local_transport="lmtp:" + store.socket)
    host.start()
    with host.smtp() as client:
        client.sendmail("a@example.org", ["alice"], text("first"))
        store.stop()
        store.start()
        client.sendmail("a@example.org", ["alice"], text("second"))
    assert len(store.messages("alice@host.test")) == 2


def test_a_delivery_file_counts_before_the_lmtp_server(host, dovecot):
    store = dovecot("bob@host.test")
    host.write_config(local_transport="lmtp:" + store.socket)
    with open("/home/alice/.forward", "w") as file:
        file.write("bob, /home/alice/kept\n")
    os.chown("/home/alice/.forward", 7901, 7901)
    host.start()
    try:
        send(host, ["alice"], text())
        wait_for(lambda: store.messages("bob@host.test"), what=host.log_text)
        wait_for(lambda: os.path.exists("/home/alice/kept"), what=host.log_text)
    finally:
        os.unlink("/home/alice/.forward")
    trace = host.run("sendmail", "-bt", "alice").stdout.decode()
    assert f"=> mailbox of alice, by LMTP to {store.socket}" in trace


def test_mail_for_virtual_users_goes_to_the_lmtp_server(host, dovecot, folder):
    store = dovecot("vera@virtual.test")
    domains = VirtualDomains(folder)
    domains.add("virtual.test", "bob", ["vera"], aliases="chef: vera\n")
    host.write_config(local_transport="lmtp:" + store.socket, **domains.settings())
    host.start()
    send(host, ["chef@virtual.test"], text())
    assert len(store.messages("vera@virtual.test")) == 1
    assert not domains.mailbox("vera", "virtual.test")


def test_a_server_that_does_not_speak_lmtp_defers_all_mail(host, make_host):
    other = make_host("other")
    other.start()  # speaks SMTP
    host.write_config(local_transport=f"lmtp:127.0.0.1:{other.port}")
    host.start()
    with host.smtp() as client:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("a@example.org", ["alice"], text())
    assert refused.value.smtp_code == 451 and refused.value.smtp_error.startswith(b"4.3.5"), refused.value
