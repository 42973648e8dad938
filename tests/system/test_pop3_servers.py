"""Dovecot and GNU mailutils' pop3d show and change a mailbox as this server does; what differs is named here, with the
reason. Each can take over a mailbox from another, and this server the ids, so that no client loads its mail again."""
import contextlib
import os
import pwd
import re

import pytest

from certificates import authority  # noqa: F401
from conftest import needs_root, needs_tls
from pop3_host import MESSAGES, Pop3Host, Talk, as_mbox, on_the_wire
from pop3_servers import ACCOUNT, Dovecot, Mailutils

pytestmark = [needs_root, needs_tls]

TEXTS = MESSAGES + [b"Subject: folded\n and more\n\n" + b"long " * 1000 + b"\n", b"Subject: short\n\nx\n"]

#: Fields that the others write into an mbox. Dovecot leaves them out of what it sends; mailutils sends its own.
FIELDS_OF_OTHERS = re.compile(rb"^(X-UIDL?|X-IMAPbase|X-IMAP|Status|X-Keywords|Content-Length): ?.*\r?\n", re.MULTILINE)


class Ours:
    def __init__(self, pop3):
        self.pop3 = pop3

    @contextlib.contextmanager
    def session(self):
        with Talk(self.pop3.pop3) as talk:
            assert talk.log_in("vera@virtual.test", "v pass").startswith("+OK"), self.pop3.host.log_text()
            yield talk
            assert talk.say("QUIT").startswith("+OK")


@pytest.fixture(params=["mbox", "maildir"])
def mailbox(request, make_host, authority, folder):
    """A mailbox that this server, Dovecot and mailutils can open."""
    return Mailbox(Pop3Host(make_host, authority, folder, vhost_maildir="1" if request.param == "maildir" else "0").start(),
                   folder, request.param == "maildir")


class Mailbox:
    def __init__(self, pop3, folder, is_maildir):
        self.is_maildir = is_maildir
        self.path = os.path.join(folder, "vspool", "virtual.test", "vera")
        if is_maildir:
            self.path += "/"
        self.folder, self.ours = folder, Ours(pop3)
        self.fill()

    def server(self, kind):
        if kind is Ours:
            return self.ours
        if not kind.is_installed:
            pytest.skip(f"NEEDS {kind.package}: ./configure.sh --get-deps=check")
        return kind(os.path.join(self.folder, kind.__name__), self.path)

    def fill(self):
        if self.is_maildir:
            files = {f"new/100{n}.M1P1.host": text for n, text in enumerate(TEXTS)}
            for name in "new", "cur", "tmp":
                os.makedirs(os.path.join(self.path, name))
        else:
            os.makedirs(os.path.dirname(self.path))
            files = {"": as_mbox(TEXTS)}
        for name, text in files.items():
            with open(os.path.join(self.path, name) if name else self.path, "wb") as file:
                file.write(text)
        account = pwd.getpwnam(ACCOUNT)
        for top, _, names in os.walk(os.path.join(self.folder, "vspool")):
            for one in [top] + [os.path.join(top, name) for name in names]:
                os.chown(one, account.pw_uid, account.pw_gid)
                os.chmod(one, 0o700 if os.path.isdir(one) else 0o600)

    def texts(self):
        """The messages as they are stored, without the fields that the others add."""
        if not self.is_maildir:
            with open(self.path, "rb") as file:
                text = file.read()
            parts = re.split(rb"(?:^|\n)From [^\n]*\n", text.removesuffix(b"\n"))[1:]
            return [without_fields(part.replace(b"\n>From ", b"\nFrom ")) for part in parts]
        names = [os.path.join(self.path, part, name) for part in ("new", "cur") for name in os.listdir(self.path + part)]
        found = []
        for name in sorted(names, key=os.path.basename):
            with open(name, "rb") as file:
                found.append(without_fields(file.read()))
        return found


def without_fields(message):
    end = re.search(rb"^\r?\n", message, re.MULTILINE).start()
    return FIELDS_OF_OTHERS.sub(b"", message[:end]) + message[end:]


def text_behind(talk, command):
    assert talk.say(command).startswith("+OK"), command
    return b"".join(line[1:] if line.startswith(b".") else line for line in talk.lines())


def numbers_behind(talk, command):
    """Of LIST and UIDL: the second word of each line."""
    assert talk.say(command).startswith("+OK"), command
    return [line.split()[1].decode() for line in talk.lines()]


def sees(kind):
    """What `kind` shows of a message that is stored as `text`."""
    return without_fields if kind is Mailutils else lambda text: text


@pytest.mark.parametrize("kind", [Ours, Dovecot, Mailutils])
def test_each_server_shows_the_same_messages(mailbox, kind):
    """mailutils writes X-UIDL into the messages, and sends it, but does not count it in LIST; after a header it sends an
    empty line too much for TOP (RFC 1939 section 7 has the header, one empty line, and the lines asked for)."""
    with mailbox.server(kind).session() as talk:
        assert [int(size) for size in numbers_behind(talk, "LIST")] == [len(on_the_wire(text)) for text in TEXTS]
        assert talk.say("STAT").split()[1:] == [str(len(TEXTS)), str(sum(len(on_the_wire(text)) for text in TEXTS))]
        assert talk.say("LIST 2").split()[1:3] == ["2", str(len(on_the_wire(TEXTS[1])))]
        ids = numbers_behind(talk, "UIDL")
        assert len(set(ids)) == len(TEXTS) and talk.say("UIDL 2").split()[1:3] == ["2", ids[1]]
        for number, text in enumerate(TEXTS, 1):
            assert sees(kind)(text_behind(talk, f"RETR {number}")) == on_the_wire(text)
            header, body = on_the_wire(text).split(b"\r\n\r\n", 1)
            for count in 0, 1, 2, 99:
                extra = b"\r\n" if kind is Mailutils and count > 0 else b""
                shown = sees(kind)(text_behind(talk, f"TOP {number} {count}"))
                assert shown == header + b"\r\n\r\n" + extra + b"".join(body.splitlines(keepends=True)[:count]), (number, count)
    assert mailbox.texts() == TEXTS


def test_a_line_that_an_mbox_quotes_is_shown_as_it_was_sent(mailbox):
    """Dovecot shows the '>' that a delivery has put in front of "From "."""
    if mailbox.is_maildir:
        return
    text = b"Subject: quoted\n\nFrom here\n"
    with open(mailbox.path, "wb") as file:
        file.write(as_mbox([text]))
    for kind in Ours, Dovecot, Mailutils:
        with mailbox.server(kind).session() as talk:
            shown = sees(kind)(text_behind(talk, "RETR 1"))
        assert shown == on_the_wire(text.replace(b"From", b">From") if kind is Dovecot else text), kind


#: Command, and whether each server answers +OK: this one, Dovecot, mailutils.
ANSWERS = [
    ("DELE 1x", "--+"), ("DELE 0", "---"), ("DELE 6", "---"), ("DELE -1", "---"), ("DELE", "---"), ("RETR 0", "---"),
    ("TOP 1", "---"), ("TOP 1 -1", "---"), ("LIST 6", "---"), ("UIDL 0", "---"), ("NOOP", "+++"), ("dele 2", "+++"),
    ("DELE 2", "--+"), ("RETR 2", "---"), ("LIST 2", "---"), ("TOP 2 0", "---"), ("RSET", "+++"), ("LIST 2", "+++"),
    ("XYZZY", "---"), ("USER vera", "---"), ("DELE 2", "+++"), ("DELE 4", "+++"), ("NOOP", "+++")]


@pytest.mark.parametrize("number, kind", enumerate([Ours, Dovecot, Mailutils]), ids=["Ours", "Dovecot", "Mailutils"])
def test_each_server_answers_alike_and_deletes_the_same(mailbox, number, kind):
    with mailbox.server(kind).session() as talk:
        said = [(command, talk.say(command)) for command, _ in ANSWERS]
    assert [(command, answer[0]) for command, answer in said] == [(command, signs[number]) for command, signs in ANSWERS], said
    assert mailbox.texts() == [TEXTS[0], TEXTS[2], TEXTS[4]]


@pytest.mark.parametrize("kind", [Dovecot, Mailutils])
def test_the_ids_of_another_server_are_taken_over(mailbox, kind):
    """mailutils stores what it says only when it changes an mbox."""
    with mailbox.server(kind).session() as talk:
        theirs = numbers_behind(talk, "UIDL")[1:]
        talk.say("DELE 1")
    with mailbox.ours.session() as talk:
        assert numbers_behind(talk, "UIDL") == theirs
        talk.say("DELE 1")
    with mailbox.ours.session() as talk:
        assert numbers_behind(talk, "UIDL") == theirs[1:]


@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_mailbox_goes_from_server_to_server(mailbox, first):
    """Each deletes one message; the others lose nothing by that, and ids of this server stay."""
    kinds = [Ours, Dovecot, Mailutils]
    left = list(TEXTS)
    servers = [mailbox.server(kind) for kind in kinds[first:] + kinds[:first]]
    with mailbox.ours.session() as talk:
        ids = numbers_behind(talk, "UIDL")
    for number, server in enumerate(servers, 1):
        with server.session() as talk:
            assert talk.say("STAT").split()[1] == str(len(left))
            assert talk.say(f"DELE {number}").startswith("+OK")
            del left[number - 1], ids[number - 1]
        assert mailbox.texts() == left
        with mailbox.ours.session() as talk:
            assert numbers_behind(talk, "UIDL") == ids
    