"""A host from which users fetch their mail by POP3: accounts, and virtual users of virtual.test."""
import contextlib
import os
import poplib
import pwd
import socket
import ssl

import pytest

from accounts import hash_of, password_of
from host import free_port
from scram import stored

#: Messages in order of delivery, as they are stored.
MESSAGES = [
    b"Return-Path: <a@x.test>\nSubject: one\n\nfirst\n",
    b"Return-Path: <b@x.test>\nSubject: dots\n\n.\n..\n.end\nlast\n",
    b"Return-Path: <c@x.test>\nSubject: \xc3\xa6 eight bit\n\n\xe6\xf8\xe5 " + b"x" * 990 + b"\n\n\n",
]


def as_mbox(messages):
    return b"".join(b"From a@x.test Sat Nov 21 10:00:00 2026\n" + m.replace(b"\nFrom ", b"\n>From ") + b"\n"
                    for m in messages)


def on_the_wire(message):
    return message.replace(b"\n", b"\r\n")


class Pop3Host:
    """`host`, with the ports pop3 and pop3s, and `domain_pop3`, where logins are users of virtual.test."""

    def __init__(self, make_host, authority, folder, **settings):
        self.authority = authority
        domain = os.path.join(folder, "vhosts", "virtual.test")
        os.makedirs(domain)
        with open(os.path.join(domain, "passwd"), "w") as file:
            file.write(f"vera:{hash_of('v pass')}\nvictor:{hash_of('w pass')}:8:8:Victor V.:./victor:/bin/false\n"
                       f"sally:{stored('s pass')}\n")
        os.chmod(os.path.join(domain, "passwd"), 0o600)
        owner = pwd.getpwnam("alice")
        for path in (domain, os.path.join(domain, "passwd")):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        with open(os.path.join(folder, "vhosts", "domains.cf"), "w") as file:
            file.write("alice:virtual.test:1:for logins\n")
        spool = os.path.join(folder, "vspool")
        os.mkdir(spool, 0o700)
        mail = pwd.getpwnam("mail")
        os.chown(spool, mail.pw_uid, mail.pw_gid)
        self.pop3, self.pop3s, self.domain_pop3 = free_port(), free_port(), free_port()
        self.host = make_host("host", tls_certificate=authority.issue("localhost", "host.pem"), auth_scram="1",
                              vhost_dir=os.path.join(folder, "vhosts"), vhost_spool=spool,
                              tarpit="0", pop3=[f"127.0.0.1:{self.pop3}",
                                                f"127.0.0.1:{self.domain_pop3}, domain=virtual.test"],
                              pop3s=f"127.0.0.1:{self.pop3s}", **settings)

    def start(self, **later):
        """`later`: settings for the time after the start."""
        self.host.start()
        if later:
            self.host.write_config(**later)
            self.host.reload()
        return self

    def deliver(self, user, messages):
        """By SMTP, in this order."""
        for message in messages:
            with self.host.smtp() as smtp:
                smtp.sendmail("a@x.test", [user if "@" in user else f"{user}@host.test"], message)

    def client(self, user="alice", password=None, port=None, tls=True):
        client = poplib.POP3("127.0.0.1", port or self.pop3, timeout=60)
        if tls:
            client.stls(unverified())
        client.user(user)
        client.pass_(password or password_of(user))
        return client


def unverified():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Talk:
    """A dialogue line by line, without TLS."""

    def __init__(self, where):
        """`where`: a port, or a socket that is connected."""
        self.socket = socket.create_connection(("127.0.0.1", where), timeout=60) if isinstance(where, int) else where
        self.file = self.socket.makefile("rb")
        self.greeting = self.file.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.file.close()
            self.socket.close()

    def say(self, line):
        """The first line of the answer."""
        self.socket.sendall(line.encode() + b"\r\n" if isinstance(line, str) else line)
        return self.file.readline().decode().rstrip("\r\n")

    def lines(self):
        """The rest of an answer of many lines, as it is sent."""
        found = []
        while (line := self.file.readline()) != b".\r\n":
            assert line, "the server closed the connection in the middle of an answer"
            found.append(line)
        return found

    def log_in(self, user="alice", password=None):
        assert self.say(f"USER {user}").startswith("+OK")
        return self.say(f"PASS {password or password_of(user)}")


@pytest.fixture
def pop3_host(make_host, authority, folder):
    return Pop3Host(make_host, authority, folder).start()
