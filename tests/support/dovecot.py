"""Dovecot's LMTP server, with a store of its own for users that it knows."""
import glob
import os
import pwd
import socket
import subprocess

import pytest

from conftest import needs_root
from host import wait_for

needs_dovecot = [needs_root,
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


AUTH_CONFIG = """
protocols =
base_dir = {folder}/run
log_path = {folder}/log
ssl = no
disable_plaintext_auth = no
default_login_user = nobody
default_internal_user = nobody
default_internal_group = nogroup
auth_mechanisms = {mechanisms}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = static
  args = uid=8 gid=8 home=/nonexistent
}}
service auth {{
  inet_listener {{
    address = 127.0.0.1
    port = {port}
  }}
}}
"""


class DovecotAuth:
    """Dovecot's authentication service for another server of the same machine, which speaks with it at 127.0.0.1."""

    def __init__(self, folder, machine, port=4321):
        self.folder, self.machine, self.port = folder, machine, port
        self.process = None
        os.makedirs(folder)
        os.chmod(folder, 0o755)
        with open(f"{folder}/users", "w") as file:
            file.write("club:{PLAIN}s3cret\n")
        os.chmod(f"{folder}/users", 0o644)

    def start(self, mechanisms):
        with open(f"{self.folder}/conf", "w") as file:
            file.write(AUTH_CONFIG.format(folder=self.folder, mechanisms=mechanisms, port=self.port))
        self.process = subprocess.Popen([*self.machine.prefix, "dovecot", "-F", "-c", f"{self.folder}/conf"],
                                        stdin=subprocess.DEVNULL)
        wait_for(self._answers, what="Dovecot")

    def _answers(self):
        with self.machine.inside():
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return True
            except OSError:
                return False

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None
