"""A mailbox that Dovecot's POP3 server has served has the same messages, sizes and ids in a session of ours."""
import os
import pwd
import subprocess

import pytest

from conftest import needs_root
from host import local_user
from maildrop_session import SESSION, messages_of

DOVECOT = "/usr/lib/dovecot/pop3"
pytestmark = [needs_root, pytest.mark.skipif(not os.path.exists(DOVECOT), reason="NEEDS dovecot-pop3d")]

FROM = "From a@b.example Sat Nov 21 10:00:00 2026\n"
TEXTS = ["Subject: plain\n\nline\n", "Subject: dots\n\n.\n..\n.x\n\n", "Subject: folded\n and more\n\n" + "x" * 5000 + "\n",
         "Subject: 8 bits\n\n\u00e4\u00f6\u00fc\n"]
CONFIG = """
base_dir={folder}/run
state_dir={folder}/run
log_path={folder}/log
protocols=pop3
ssl=no
mail_uid={uid}
mail_gid={gid}
first_valid_uid=1
default_internal_user=nobody
default_internal_group=nogroup
default_login_user=nobody
mail_location={location}
pop3_lock_session=no
"""


class Mailbox:
    def __init__(self, folder, path):
        self.folder, self.path = folder, path
        self.account = pwd.getpwnam(local_user())

    def give_away(self):
        subprocess.run(["chown", "-R", f"{self.account.pw_uid}:{self.account.pw_gid}", self.folder], check=True)

    def run(self, *command, text=""):
        become = ["setpriv", "--reuid", str(self.account.pw_uid), "--regid", str(self.account.pw_gid), "--clear-groups"]
        environment = {"USER": self.account.pw_name, "HOME": self.folder, "PATH": os.environ["PATH"]}
        done = subprocess.run(become + list(command), input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=environment, cwd=self.folder, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def by_dovecot(self, location):
        """[(id, text)] of a session with Dovecot, which leaves its files beside the messages."""
        config = os.path.join(self.folder, "dovecot.conf")
        with open(config, "w") as file:
            file.write(CONFIG.format(folder=self.folder, location=location, uid=self.account.pw_uid,
                                     gid=self.account.pw_gid))
        self.give_away()
        commands = "LIST\nUIDL\n" + "".join(f"RETR {number}\n" for number in range(1, len(TEXTS) + 1)) + "QUIT\n"
        replies = self.run(DOVECOT, "-c", config, text=commands).split(b"\r\n.\r\n")
        sizes, ids = ([line.split(b" ")[1] for line in reply.split(b"\r\n")[1:]] for reply in replies[:2])
        texts = [(reply.split(b"\r\n", 1)[1] + b"\r\n").replace(b"\r\n.", b"\r\n") for reply in replies[2:-1]]
        assert [int(size) for size in sizes] == [len(text) for text in texts]
        return list(zip([uid.decode() for uid in ids], texts))

    def by_us(self):
        return [(uid, text.replace(b"\n", b"\r\n")) for uid, text in messages_of(self.run(SESSION, self.path, ""))]


def without_fields_of_dovecot(messages):
    """An mbox has them after a session, and Dovecot does not show them."""
    fields = (b"X-UID:", b"X-IMAPbase:", b"X-IMAP:", b"Status:", b"X-Keywords:", b"Content-Length:")
    return [(uid, b"\r\n".join(line for line in text.split(b"\r\n") if not line.startswith(fields))) for uid, text in messages]


def test_maildir_of_dovecot_keeps_its_ids(folder):
    mailbox = Mailbox(folder, os.path.join(folder, "box/"))
    for name in "new", "cur", "tmp":
        os.makedirs(os.path.join(mailbox.path, name))
    for number, text in enumerate(TEXTS):
        with open(os.path.join(mailbox.path, "new", f"100{number}.M1P1.host"), "w") as file:
            file.write(text)
    theirs = mailbox.by_dovecot(f"maildir:{mailbox.path}")
    assert len(theirs) == len(TEXTS)
    assert mailbox.by_us() == theirs


def test_mbox_of_dovecot_keeps_its_ids(folder):
    os.mkdir(os.path.join(folder, "mail"))
    mailbox = Mailbox(folder, os.path.join(folder, "mail", "inbox"))
    with open(mailbox.path, "w") as file:
        file.write("".join(FROM + text + "\n" for text in TEXTS))
    theirs = mailbox.by_dovecot(f"mbox:{folder}/mail:INBOX={mailbox.path}")
    assert len(theirs) == len(TEXTS)
    assert without_fields_of_dovecot(mailbox.by_us()) == without_fields_of_dovecot(theirs)
