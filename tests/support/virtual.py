"""Virtual domains for tests: domains.cf, and a folder with passwd and aliases for each domain."""
import os
import pwd

import pytest

from accounts import hash_of


class VirtualDomains:
    """In a folder: etc/ as vhost-dir, spool/ as vhost-spool."""

    def __init__(self, folder):
        self.etc = os.path.join(folder, "virtual-etc")
        self.spool = os.path.join(folder, "virtual-spool")
        os.mkdir(self.etc, 0o755)
        os.mkdir(self.spool, 0o700)
        os.chown(self.spool, *self.mail_ids())
        self.lines = {}

    @staticmethod
    def mail_ids():
        account = pwd.getpwnam("mail")
        return account.pw_uid, account.pw_gid

    def settings(self):
        return {"vhost_dir": self.etc, "vhost_spool": self.spool}

    def set(self, domain, owner, active="1", subdomains=False):
        """Writes a line of domains.cf; the file is replaced as a whole."""
        self.lines[domain] = f"{owner}:{'.' if subdomains else ''}{domain}:{active}:a test\n"
        path = os.path.join(self.etc, "domains.cf")
        with open(path + ".new", "w") as file:
            file.write("# owner:domain:active:comment\n" + "".join(self.lines.values()))
        os.chmod(path + ".new", 0o644)
        os.rename(path + ".new", path)

    def add(self, domain, owner, users=(), aliases="", active="1", mode=0o600, subdomains=False):
        """A domain with its files, which only their owner can read."""
        account = pwd.getpwnam(owner)
        path = os.path.join(self.etc, domain)
        os.makedirs(path, exist_ok=True)
        os.chown(path, account.pw_uid, account.pw_gid)
        os.chmod(path, 0o700 if mode & 0o77 == 0 and owner != "root" else 0o755)
        self.write(domain, "passwd", "".join(f"{user}:{hash_of(user + ' pass')}\n" for user in users), mode)
        self.write(domain, "aliases", aliases, mode)
        self.set(domain, owner, active, subdomains)

    def write(self, domain, name, text, mode=0o600):
        path = os.path.join(self.etc, domain, name)
        status = os.stat(os.path.dirname(path))
        with open(path + ".new", "w") as file:
            file.write(text)
        os.chown(path + ".new", status.st_uid, status.st_gid)
        os.chmod(path + ".new", mode)
        os.rename(path + ".new", path)

    def mailbox_path(self, user, domain):
        return os.path.join(self.spool, domain, user)

    def mailbox(self, user, domain):
        try:
            with open(self.mailbox_path(user, domain), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""


@pytest.fixture
def domains(folder):
    return VirtualDomains(folder)


def rcpt(host, *recipients):
    """Reply code and status of RCPT for each recipient, as text: "250 2.1.5"."""
    replies = host.dialogue("EHLO client.test", "MAIL FROM:<a@example.org>", *[f"RCPT TO:<{r}>" for r in recipients])
    return [reply.splitlines()[-1][:9] for reply in replies[3:]]
