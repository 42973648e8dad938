"""A table of configurations and addresses: the trace, the reply to RCPT and the delivery must agree with it."""
import contextlib
import json
import os
from typing import Callable, NamedTuple, Optional

from homes import UIDS, clear_homes, content
from host import Host, wait_for
from sink import Sink
from virtual import VirtualDomains

#: Files in /home/USER to which programs and files deliver.
KEPT = "kept"


def keeps(user, name=KEPT):
    """A program for a delivery file that keeps messages, and the path where it does."""
    return f"cat >>/home/{user}/{name}"


class Case(NamedTuple):
    """A host. An address leads to a list of mailboxes, remote addresses, "| program", "/files", "private rules of
    USER" (instructions), "nowhere"; or to the reply that refuses it."""
    options: dict
    aliases: str                          #: FOLDER stands for the folder of the host
    homes: dict                           #: user -> {file: text}; ".": the mode of the home
    addresses: dict                       #: address -> where it leads
    domains: dict = {}                    #: virtual domains: name -> arguments of VirtualDomains.add()
    prepare: Optional[Callable] = None    #: further preparation: called with the host and its VirtualDomains


def write(path, text, uid, mode=0o600):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    os.chown(path, uid, uid)


class Table:
    """Hosts for the table, one at a time: the tests run in its order."""

    def __init__(self, cases, folder):
        self.cases = cases
        self.folder = folder
        self.name = self.host = self.domains = None
        self.sink = Sink()
        self.sink.__enter__()
        self.count = self.made = 0

    def host_for(self, name):
        if name == self.name:
            return self.host
        self.end_host()
        case = self.cases[name]
        clear_homes()
        self.name = name
        self.made += 1
        folder = os.path.join(self.folder, str(self.made))
        os.mkdir(folder, 0o755)
        self.domains = VirtualDomains(folder)
        host = self.host = Host(folder, relay_host=f"[127.0.0.1]:{self.sink.port}", retry="1s",
                                **(self.domains.settings() if case.domains else {}))
        host.write_config(**case.options)
        write(f"{folder}/list", "alice\n# a comment\nbob, you@elsewhere.test\n", 0, 0o644)
        write(f"{folder}/broken", "alice\n<\n", 0, 0o644)
        write(f"{folder}/again", f"bob\n:include:{folder}/again\n", 0, 0o644)
        host.write_aliases(self.without_margin(case.aliases))
        for domain, arguments in case.domains.items():
            self.domains.add(domain, **{**arguments, "aliases": self.without_margin(arguments.get("aliases", ""))})
        for user, files in case.homes.items():
            for file, text in files.items():
                if file == ".":
                    os.chmod(f"/home/{user}", text)
                else:
                    write(f"/home/{user}/{file}", text.replace("FOLDER", folder), UIDS[user])
        if case.prepare:
            case.prepare(host, self.domains)
        host.start()
        return host

    def without_margin(self, text):
        return "".join(line.strip() + "\n" for line in
                       text.replace("FOLDER", os.path.join(self.folder, str(self.made))).splitlines())

    def end_host(self):
        if self.host:
            self.host.end()
        self.host = None

    def end(self):
        self.end_host()
        self.sink.__exit__(None, None, None)
        clear_homes()

    def check(self, name, address):
        host = self.host_for(name)
        self.name = None  # reset at the end: after a failure, the next address gets a new host
        expected = self.cases[name].addresses[address]
        traced, shown = trace(host, address)
        if isinstance(expected, list):
            assert sorted(traced) == sorted(expected), shown
        else:
            assert traced == expected, shown
        self.count += 1
        token = f"token-{self.count}-".encode()
        qualified = address if "@" in address else f"{address}@host.test"
        with host.smtp() as client:
            client.mail("sender@elsewhere.test")
            code, text = client.docmd("RCPT", f"TO:<{qualified}>")
            told = f"{code} {in_one_line(text.decode())}"
            assert told == shown["rcpt"]["trusted"], (told, shown)
            if code != 250:
                self.name = name
                return
            assert client.data(b"Subject: " + token + b"\r\n\r\nbody\r\n")[0] == 250
        host.wait_for_empty_queue()
        wanted = set(expected) - {"nowhere"}
        wait_for(lambda: self.places_with(token) >= wanted,
                 what=lambda: f"{wanted}; {self.places_with(token)}; {host.log_text()[-2000:]}")
        assert self.places_with(token) == wanted, (self.places_with(token), wanted)
        self.name = name

    def places_with(self, token):
        """Where the message is, in the words of the table."""
        found = set()
        for user in UIDS:
            home = f"/home/{user}"
            if is_in(token, self.host.mailbox_path(user)) or is_in(token, os.path.join(home, "Maildir")):
                found.add(user)
            for name in (KEPT, "said", "box", "list", "Mailbox", "no", "yes"):
                if token in content(f"{home}/{name}"):
                    found.add({KEPT: f"|{keeps(user)}", "said": f"|no-such-word; {keeps(user, 'said')}",
                               "yes": f"private rules of {user}"}.get(name, f"{home}/{name}"))
            if is_in(token, f"{home}/md"):
                found.add(f"{home}/md/")
        for folder, folders, names in os.walk(self.domains.spool):
            if os.path.dirname(folder) == self.domains.spool:
                found.update(f"{name}@{os.path.basename(folder)}" for name in folders + names
                             if is_in(token, os.path.join(folder, name)))
        for _, recipients, text in list(self.sink.messages):
            if token in text:
                found.update(recipients)
        return found


@contextlib.contextmanager
def table_of(cases, folder):
    """For a fixture with module scope, in its module_folder."""
    table = Table(cases, folder)
    try:
        yield table
    finally:
        table.end()


def trace(host, address):
    shown = json.loads(host.run("sendmail", "-bt", "--json", address).stdout)
    if shown["status"] != "accepted":
        return shown["rcpt"]["trusted"][:9], shown
    names = {"mailbox": lambda d: d["user"], "remote": lambda d: d["what"], "program": lambda d: "|" + d["what"],
             "file": lambda d: d["what"], "discard": lambda d: "nowhere",
             "instructions": lambda d: "private rules of " + d["user"]}
    return [names[d["kind"]](d) for d in shown["destinations"]], shown


def in_one_line(text):
    """A reply of several lines, each with the status first, as one line."""
    status = text.split()[0]
    return text.replace(f"\n{status} ", " ")


def is_in(token, mailbox):
    """Whether an mbox or a maildir has the token; links are not followed."""
    if os.path.islink(mailbox):
        return False
    new = os.path.join(mailbox, "new")
    if not os.path.isdir(new):
        return token in without_reports(content(mailbox))
    return any(token in without_reports(content(os.path.join(new, name))) for name in os.listdir(new))


def without_reports(mailbox):
    """The messages of an mbox that are no reports of ours, since a report contains the message that it is about."""
    return b"\nFrom ".join(text for text in mailbox.split(b"\nFrom ") if b"multipart/report" not in text)
