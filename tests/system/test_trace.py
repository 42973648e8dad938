"""One router, three users of it: what -bt tells of an address, what RCPT answers, and where the mail really goes, over a
table of configurations and addresses. What the table says is what all three must say."""
import json
import os
import smtplib

import pytest

from conftest import needs_root
from host import wait_for
from sink import Sink

PEOPLE = {"alice": 7901, "bob": 7902, "Carol": 7903, "mallory": 7904}
UNKNOWN, LOOP, BROKEN, LIST_BROKEN = "550 5.1.1", "550 5.4.6", "451 4.3.5", "451 4.2.4"

#: A name of a place in /home/USER, where a program or a file leaves what it gets.
KEPT = "kept"


def keeps(user, name=KEPT):
    """A program of a delivery file that keeps messages, and where."""
    return f"cat >>/home/{user}/{name}"


#: name: (options, aliases, {user: {file: text}}, {address: what it leads to}). What it leads to is a list of mailboxes,
#: remote addresses, "| program", "/files", "private rules of USER" (instructions), or the reply that refuses it.
CASES = {
    "accounts": ({"local_domain": ["ours.test", "also.test"]}, "", {}, {
        "alice": ["alice"],
        "ALICE": ["alice"],
        "carol": ["Carol"],
        "Carol@host.test": ["Carol"],
        "alice@HOST.test": ["alice"],
        "bob@ours.test": ["bob"],
        "bob@Also.Test": ["bob"],
        "bob@[127.0.0.1]": ["bob"],
        "\"bob\"@host.test": ["bob"],
        "alice+folder": ["alice"],
        "alice+a+b@ours.test": ["alice"],
        "nosuch": UNKNOWN,
        "nosuch+x": UNKNOWN,
        "+alice": UNKNOWN,
        "alice-x": UNKNOWN,
        "alice.x": UNKNOWN,
        "\"ali ce\"@host.test": UNKNOWN,
        "alice%elsewhere.test@host.test": UNKNOWN,
        "elsewhere.test!alice@host.test": UNKNOWN,
        "you@elsewhere.test": ["you@elsewhere.test"],
        "\"a b\"@elsewhere.test": ["\"a b\"@elsewhere.test"],
        "bob@sub.host.test": ["bob@sub.host.test"],
    }),
    "aliases": ({}, """
        root: alice
        one: bob
        two: alice, bob
        all: two, Carol, one, alice
        far: you@elsewhere.test
        mixed: bob, you@elsewhere.test, me@other.test
        Upper: carol
        "quoted name": bob
        bob: bob, copy@elsewhere.test
        carol: \\carol
        self: self
        a: b
        b: c
        c: a
        half: half2, alice
        half2: half
        gone: nosuch
        partly: nosuch, bob
        nowhere: /dev/null
        black: /dev/null, bob
        ours: bob@host.test
        plus: alice+x
        deep: deep1
        deep1: deep2
        deep2: deep3
        deep3: bob
        """, {}, {
        "postmaster": ["alice"],
        "Postmaster@host.test": ["alice"],
        "root": ["alice"],
        "one": ["bob", "copy@elsewhere.test"],
        "two": ["alice", "bob", "copy@elsewhere.test"],
        "all": ["alice", "bob", "copy@elsewhere.test", "Carol"],
        "far": ["you@elsewhere.test"],
        "mixed": ["bob", "copy@elsewhere.test", "you@elsewhere.test", "me@other.test"],
        "upper": ["Carol"],
        "UPPER": ["Carol"],
        "\"quoted name\"@host.test": ["bob", "copy@elsewhere.test"],
        "bob": ["bob", "copy@elsewhere.test"],
        "carol": ["Carol"],
        "self": LOOP,
        "a": LOOP,
        "half": ["alice"],
        "gone": UNKNOWN,
        "partly": ["bob", "copy@elsewhere.test"],
        "nowhere": ["nowhere"],
        "black": ["bob", "copy@elsewhere.test", "nowhere"],
        "ours": ["bob", "copy@elsewhere.test"],
        "plus": ["alice"],
        "deep": ["bob", "copy@elsewhere.test"],
        "one@elsewhere.test": ["one@elsewhere.test"],
    }),
    "lists": ({}, """
        list: :include:FOLDER/list
        owner-list: Carol
        broken: :include:FOLDER/broken
        missing: :include:FOLDER/none, alice
        again: :include:FOLDER/again
        file: FOLDER/archive
        """, {}, {
        "list": ["alice", "bob", "you@elsewhere.test"],
        "owner-list": ["Carol"],
        "broken": LIST_BROKEN,
        "missing": LIST_BROKEN,
        "again": ["bob"],
    }),
    "forward": ({}, "team: alice, bob\n", {
        "alice": {".forward": "# what I want\nbob, you@elsewhere.test\n"},
        "bob": {".forward": f"\\bob\n|{keeps('bob')}\n", ".forward+box": "/home/bob/box\n",
                ".forward+no": "nosuch\n", ".forward+nothing": "/dev/null\n", ".forward+empty": "# nothing\n",
                ".forward+bad": "|\n", ".forward+loop": "bob+loop\n", ".forward+md": "/home/bob/md/\n"},
        "Carol": {".forward": "carol, mallory\n"},
        "mallory": {".forward": "Carol\n"},
    }, {
        "alice": ["bob", f"|{keeps('bob')}", "you@elsewhere.test"],
        "alice+any": ["bob", f"|{keeps('bob')}", "you@elsewhere.test"],
        "bob": ["bob", f"|{keeps('bob')}"],
        "bob+other": ["bob", f"|{keeps('bob')}"],
        "bob+box": ["/home/bob/box"],
        "BOB+Box": ["/home/bob/box"],
        "bob+md": ["/home/bob/md/"],
        "bob+no": UNKNOWN,
        "bob+nothing": ["nowhere"],
        "bob+empty": ["bob"],
        "bob+bad": BROKEN,
        "carol": ["Carol"],
        "mallory": ["Carol"],
        "team": ["bob", f"|{keeps('bob')}", "you@elsewhere.test"],
    }),
    "private homes": ({}, "", {
        "alice": {".forward": "you@elsewhere.test\n", ".": 0o700},
        "bob": {".forward": "alice\n", ".": 0o700},
    }, {
        "alice": ["you@elsewhere.test"],
        "bob": ["you@elsewhere.test"],
    }),
    "dot-qmail": ({"delivery_files": ".qmail", "recipient_delimiter": "-"}, "", {
        "alice": {".qmail": "&you@elsewhere.test\n", ".qmail-list": "./list\n", ".qmail-a-default": "&bob\n",
                  ".qmail-dot:ted": "bob\n"},
        "bob": {".qmail-default": "./Mailbox\n"},
    }, {
        "alice": ["you@elsewhere.test"],
        "alice-list": ["/home/alice/list"],
        "alice-a-b": ["bob"],
        "alice-a-b-c": ["bob"],
        "alice-dot.ted": ["bob"],
        "alice-other": UNKNOWN,
        "bob": ["bob"],
        "bob-x": ["/home/bob/Mailbox"],
        "carol": ["Carol"],
        "carol-x": UNKNOWN,
    }),
    "branches": ({}, "", {
        "alice": {".forward": "?yes grep -q Subject: && exit 99\n/home/alice/no\n:yes\n/home/alice/yes\n"},
    }, {
        "alice": ["private rules of alice"],
    }),
    "usermaps": ({"usermap": ["*-~:~/.alias", "~.*:~", "x*:bob"]}, "x1: Carol\n", {
        "alice": {".alias": "shop-alice: alice\nTwo-Alice: bob, you@elsewhere.test\nloop-alice: loop-alice\n"
                            "prog-alice: |cat\n"},
    }, {
        "shop-alice": ["alice"],
        "SHOP-ALICE": ["alice"],
        "two-alice": ["bob", "you@elsewhere.test"],
        "none-alice": UNKNOWN,
        "shop-bob": UNKNOWN,
        "loop-alice": LOOP,
        "prog-alice": BROKEN,
        "alice.anything": ["alice"],
        "x1": ["Carol"],
        "x2": ["bob"],
        "alice": ["alice"],
    }),
    "in the way": ({"mailbox_size": "1k"}, """
        gone: |/usr/no/such/program -x
        gone2: "|/usr/no/such/program || true"
        some: |/usr/no/such/program, bob
        nofolder: /no/such/folder/file
        """, {
        "alice": {".forward": "|/no/program\n", ".forward+sh": "|no-such-word; cat >>/home/alice/said\n",
                  ".forward+f": "/nowhere/none/file\n", ".forward+m": "/nowhere/none/\n"},
    }, {
        "gone": BROKEN,
        "gone2": BROKEN,
        "nofolder": BROKEN,
        "alice": BROKEN,
        "alice+sh": ["|no-such-word; cat >>/home/alice/said"],
        "alice+f": BROKEN,
        "alice+m": BROKEN,
        "bob": ["bob"],
    }),
    "no extensions": ({"recipient_delimiter": ""}, "", {"alice": {".forward+x": "bob\n"}}, {
        "alice": ["alice"],
        "alice+x": UNKNOWN,
    }),
    "a mailbox in the home": ({"home_mailbox": "Maildir/"}, "two: alice, bob\n", {}, {
        "alice": ["alice"],
        "two": ["alice", "bob"],
    }),
}
ALL = [(name, address) for name, (*_, addresses) in CASES.items() for address in addresses]


def clear_homes():
    for user, uid in PEOPLE.items():
        os.system(f"rm -rf /home/{user}/* /home/{user}/.[a-z]*")
        os.chmod(f"/home/{user}", 0o750)
        os.chown(f"/home/{user}", uid, uid)


def write(path, text, uid):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o600)
    os.chown(path, uid, uid)


class Table:
    """Hosts for the table, one at a time: the tests come in its order."""

    def __init__(self, make_host):
        self.make_host = make_host
        self.name = self.host = None
        self.sink = Sink()
        self.sink.__enter__()
        self.count = self.made = 0

    def host_for(self, name):
        if name == self.name:
            return self.host
        if self.host:
            self.host.stop()
        options, aliases, homes, _ = CASES[name]
        clear_homes()
        self.name = name
        self.made += 1
        host = self.host = self.make_host(str(self.made), relay_host=f"[127.0.0.1]:{self.sink.port}", retry="1s")
        host.write_config(**options)
        write(f"{host.folder}/list", "alice\n# a comment\nbob, you@elsewhere.test\n", 0)
        write(f"{host.folder}/broken", "alice\n<\n", 0)
        write(f"{host.folder}/again", f"bob\n:include:{host.folder}/again\n", 0)
        for file in ("list", "broken", "again"):
            os.chmod(f"{host.folder}/{file}", 0o644)
        host.write_aliases("".join(line.strip() + "\n" for line in
                                   aliases.replace("FOLDER", host.folder).splitlines()))
        for user, files in homes.items():
            for file, text in files.items():
                if file == ".":
                    os.chmod(f"/home/{user}", text)
                else:
                    write(f"/home/{user}/{file}", text, PEOPLE[user])
        host.start()
        return host

    def end(self):
        self.sink.__exit__(None, None, None)
        clear_homes()


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    from host import Host
    folder = tmp_path_factory.mktemp("table")
    for path in [folder, *folder.parents]:
        if "pytest" in str(path):
            os.chmod(path, 0o755)
    made = []

    def make_host(name, **settings):
        path = str(folder / name)
        os.mkdir(path, 0o755)
        made.append(Host(path, **settings))
        return made[-1]
    table = Table(make_host)
    yield table
    for host in made:
        host.end()
    table.end()


def trace(host, address):
    shown = json.loads(host.run("sendmail", "-bt", "--json", address).stdout)
    if shown["status"] != "accepted":
        return shown["rcpt"]["trusted"][:9], shown
    names = {"mailbox": lambda d: d["user"], "remote": lambda d: d["what"], "program": lambda d: "|" + d["what"],
             "file": lambda d: d["what"], "discard": lambda d: "nowhere",
             "instructions": lambda d: "private rules of " + d["user"]}
    return [names[d["kind"]](d) for d in shown["destinations"]], shown


def expected_places(expected):
    return set(expected) - {"nowhere"} if isinstance(expected, list) else set()


def places_with(host, sink, token):
    """Where the message is: as the table names it."""
    found = set()
    for user in PEOPLE:
        home = f"/home/{user}"
        maildir = os.path.join(home, "Maildir", "new")
        files = [host.mailbox_path(user)]
        if os.path.isdir(maildir):
            files += [os.path.join(maildir, name) for name in os.listdir(maildir)]
        if any(token in content(file) for file in files):
            found.add(user)
        for name in (KEPT, "said", "box", "list", "Mailbox", "no", "yes"):
            if token in content(f"{home}/{name}"):
                found.add({KEPT: f"|{keeps(user)}", "said": f"|no-such-word; {keeps(user, 'said')}",
                           "yes": f"private rules of {user}"}.get(name, f"{home}/{name}"))
        for name in os.listdir(f"{home}/md/new") if os.path.isdir(f"{home}/md/new") else []:
            if token in content(f"{home}/md/new/{name}"):
                found.add(f"{home}/md/")
    for _, recipients, text in list(sink.messages):
        if token in text:
            found.update(recipients)
    return found


def content(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return b""


@needs_root
@pytest.mark.parametrize("name,address", ALL, ids=[f"{name}: {address}" for name, address in ALL])
def test_trace_reply_and_delivery_agree(table, name, address):
    host = table.host_for(name)
    table.name = None  # until the end: a host where something went wrong is not for the next address
    expected = CASES[name][3][address]
    traced, shown = trace(host, address)
    if isinstance(expected, list):
        assert sorted(traced) == sorted(expected), shown
    else:
        assert traced == expected, shown
    table.count += 1
    token = f"token-{table.count}-".encode()
    qualified = address if "@" in address else f"{address}@host.test"
    with host.smtp() as client:
        client.mail("sender@elsewhere.test")
        code, text = client.docmd("RCPT", f"TO:<{qualified}>")
        assert f"{code} {text.decode()}" == shown["rcpt"]["trusted"]
        if code != 250:
            table.name = name
            return
        assert client.data(b"Subject: " + token + b"\r\n\r\nbody\r\n")[0] == 250
    host.wait_for_empty_queue()
    wanted = expected_places(expected)
    wait_for(lambda: places_with(host, table.sink, token) >= wanted,
             what=lambda: f"{wanted}; {places_with(host, table.sink, token)}; {host.log_text()[-2000:]}")
    assert places_with(host, table.sink, token) == wanted
    table.name = name


@needs_root
def test_steps_name_the_lines_that_say_so(host):
    with open("/home/alice/.forward", "w") as file:
        file.write("# my rules\n\nbob\n")
    os.chown("/home/alice/.forward", 7901, 7901)
    host.write_config(usermap=["*-~:~/.alias"])
    host.write_aliases("# people\nother: bob\n\nteam: alice,\n  you@elsewhere.test\n")
    for make_database in (False, True):
        if make_database:
            host.run("newaliases", check=True)
        shown = json.loads(host.run("sendmail", "-bt", "--json", "team").stdout)
        assert [(step["file"], step["line"]) for step in shown["steps"]] == [
            (host.aliases, 4), ("/home/alice/.forward", 3)]
        text = host.run("sendmail", "-bt", "team").stdout.decode()
        assert f"alias team -> alice, you@elsewhere.test ({host.aliases}:4)" in text
        assert "account alice -> bob (/home/alice/.forward:3)" in text
        assert f"=> mailbox {host.mail}/bob of bob" in text


def test_who_may_relay_is_told_apart(host):
    shown = json.loads(host.run("sendmail", "-bt", "--json", "you@elsewhere.test").stdout)
    assert shown["rcpt"]["stranger"].startswith("550 5.7.1 relaying denied: <you@elsewhere.test>")
    assert shown["rcpt"]["trusted"] == shown["rcpt"]["authenticated"] == "250 2.1.5 Recipient OK"
    host.write_config(relay="1")
    shown = json.loads(host.run("sendmail", "-bt", "--json", "you@elsewhere.test").stdout)
    assert shown["rcpt"]["stranger"] == "250 2.1.5 Recipient OK"


def test_what_is_no_address_is_told(host):
    done = host.run("sendmail", "-bt", "--json", "a@b@c", "alice")
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first["status"] == "bad" and second["address"] == "alice@host.test"
    assert done.returncode == 67
