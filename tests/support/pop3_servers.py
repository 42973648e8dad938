"""POP3 servers of others, each started for one session with a mailbox of the account `mail`: Dovecot's, and that of GNU
mailutils."""
import contextlib
import os
import pwd
import shutil
import socket
import subprocess

from accounts import hash_of
from pop3_host import Talk

ACCOUNT = "mail"
DOVECOT, MAILUTILS = "/usr/lib/dovecot/pop3", "/usr/sbin/pop3d"

DOVECOT_CONFIG = """
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
MAILUTILS_CONFIG = """
virtdomain {{ passwd-dir {folder}/passwd; }};
auth {{ authentication generic; authorization virtdomain; }};
logging {{ syslog no; }};
mailbox {{ mailbox-type {kind}; }};
mandatory-locking {{ enable yes; lock-directory {folder}/locks; }};
"""


class _Server:
    """`folder`: its own files. `path`: the mailbox, with a slash at its end if it is a maildir."""

    first_command = b""  # said before the greeting

    def __init__(self, folder, path):
        self.folder, self.path = folder, path
        self.account = pwd.getpwnam(ACCOUNT)
        os.makedirs(folder)
        os.chmod(folder, 0o755)
        self._configure()

    @property
    def is_maildir(self):
        return self.path.endswith("/")

    def _write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        return path

    def _own(self, name):
        os.makedirs(os.path.join(self.folder, name))
        os.chown(os.path.join(self.folder, name), self.account.pw_uid, self.account.pw_gid)

    @contextlib.contextmanager
    def session(self):
        """A Talk after the login; it ends with QUIT."""
        ours, theirs = socket.socketpair()
        with open(os.path.join(self.folder, "errors"), "ab") as errors, theirs:
            become = ["setpriv", "--reuid", str(self.account.pw_uid), "--regid", str(self.account.pw_gid), "--clear-groups"]
            process = subprocess.Popen(become + self._command(), stdin=theirs, stdout=theirs, stderr=errors, cwd=self.folder)
        ours.settimeout(20)
        ours.sendall(self.first_command)
        try:
            with Talk(ours) as talk:
                self._log_in(talk)
                yield talk
                talk.say("QUIT")
            process.wait(20)
        finally:
            process.kill()
            process.wait()


class Dovecot(_Server):
    """Without its login process, so that there is no login and no greeting: the answer to NOOP stands for that."""
    first_command = b"NOOP\r\n"
    package = "dovecot-pop3d"
    is_installed = os.path.exists(DOVECOT)

    def _configure(self):
        self._own("folders")
        location = f"maildir:{self.path}" if self.is_maildir else f"mbox:{self.folder}/folders:INBOX={self.path}"
        self.config = self._write("conf", DOVECOT_CONFIG.format(folder=self.folder, location=location,
                                                                uid=self.account.pw_uid, gid=self.account.pw_gid))

    def _command(self):
        return ["env", f"USER={ACCOUNT}", f"HOME={self.folder}/folders", DOVECOT, "-c", self.config]

    def _log_in(self, talk):
        assert talk.greeting.startswith(b"+OK"), talk.greeting


class Mailutils(_Server):
    package = "mailutils-pop3d"
    is_installed = os.path.exists(MAILUTILS) and shutil.which("popauth") is not None

    def _configure(self):
        self._own("locks")
        os.makedirs(os.path.join(self.folder, "home"))
        os.symlink(self.path.rstrip("/"), os.path.join(self.folder, "home", "INBOX"))
        self._write("passwd/v.test", f"vera:{hash_of('v pass')}:{self.account.pw_uid}:{self.account.pw_gid}:"
                                     f"Vera:{self.folder}/home:/bin/false\n")
        kind = "maildir" if self.is_maildir else "mbox"
        self.config = self._write("conf", MAILUTILS_CONFIG.format(folder=self.folder, kind=kind))

    def _command(self):
        return [MAILUTILS, f"--config-file={self.config}", "--inetd"]

    def _log_in(self, talk):
        assert talk.log_in("vera@v.test", "v pass").startswith("+OK")
