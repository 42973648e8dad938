"""The trace (sendmail -bt), the reply to RCPT and the delivery agree about each address of a table of
configurations."""
import json
import os
import subprocess

import pytest

from conftest import needs_root
from host import wait_for
from processes import children_of, is_alive
from trace_table import Case, keeps, table_of, write

UNKNOWN, LOOP, BROKEN, LIST_BROKEN = "550 5.1.1", "550 5.4.6", "451 4.3.5", "451 4.2.4"

#: (options, aliases, {user: {file: text}}, {address: where it leads}), see Case
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
        abuse: postmaster
        all-of-us: bob, postmaster
        """, {}, {
        "abuse": ["alice"],
        "all-of-us": ["alice", "bob", "copy@elsewhere.test"],
        "MAILER-DAEMON": ["alice"],
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
    "private files": ({"usermap": ["*-~:~/.alias"]}, "team: alice, Carol\n", {
        "alice": {".forward": "nosuch\n", ".forward+b": "bob\n", ".alias": "shop-alice: bob\n", ".": 0o700},
        "Carol": {".forward": "|\n", ".": 0o700},
    }, {
        "alice": UNKNOWN,
        "alice+b": ["bob"],
        "shop-alice": ["bob"],
        "none-alice": UNKNOWN,
        "carol": BROKEN,
        "team": BROKEN,
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
        locked: FOLDER/file
        """, {
        "alice": {".forward": "|/no/program\n", ".forward+sh": "|no-such-word; cat >>/home/alice/said\n",
                  ".forward+f": "/nowhere/none/file\n", ".forward+m": "/nowhere/none/\n"},
    }, {
        "gone": BROKEN,
        "gone2": BROKEN,
        "nofolder": BROKEN,
        "locked": BROKEN,
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


@pytest.fixture(scope="module")
def table(module_folder):
    with table_of({name: Case(*case) for name, case in CASES.items()}, module_folder) as made:
        yield made


@needs_root
@pytest.mark.parametrize("name,address", ALL, ids=[f"{name}: {address}" for name, address in ALL])
def test_trace_reply_and_delivery_agree(table, name, address):
    table.check(name, address)


@needs_root
def test_steps_name_file_and_line(host):
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


def as_bob(host, *arguments):
    return subprocess.run([host.command("sendmail"), "-C", host.config, *arguments], user=7902, group=7902,
                          extra_groups=[], capture_output=True, timeout=60)


@needs_root
def test_the_trace_says_what_the_caller_cannot_read(host):
    """The server may have rights that the caller has not, so the trace gives no result that might differ."""
    write("/home/alice/.forward", "nosuch\n", 7901)
    write("/home/bob/.forward", "alice, bob\n", 7902)
    os.chmod("/home/alice", 0o700)
    host.start()
    for address in ("alice", "bob"):
        done = as_bob(host, "-bt", address)
        text = done.stdout.decode()
        assert done.returncode == 77, (address, text)
        assert "depends on files that you cannot read" in text and "250" not in text and "nosuch" not in text, text
    shown = json.loads(as_bob(host, "-bt", "--json", "alice").stdout)
    assert shown["status"] == "unclear"
    os.chmod("/home/Carol", 0o755)
    assert as_bob(host, "-bt", "carol").returncode == 0
    os.chmod("/home/Carol", 0o750)
    assert host.run("sendmail", "-bv", "alice").returncode == 67, "root gets the reply of RCPT"
    # The worst result gives the exit status.
    assert as_bob(host, "-bt", "alice", "nobody.here").returncode == 67


@needs_root
def test_a_killed_trace_leaves_no_process(host):
    """The trace reads a terminal or a pipe: its helpers end with it, whatever ends it."""
    read, write_end = os.pipe()
    with subprocess.Popen([host.command("sendmail"), "-C", host.config, "-bt"], stdin=read, stdout=subprocess.PIPE) as asked:
        os.write(write_end, b"alice\n")
        assert b"alice" in asked.stdout.readline()
        helpers = children_of(asked.pid)
        assert len(helpers) == 2
        asked.terminate()
        asked.wait(timeout=30)
        wait_for(lambda: not any(map(is_alive, helpers)))
    os.close(read)
    os.close(write_end)


def test_the_trace_depends_on_the_permission_to_relay(host):
    shown = json.loads(host.run("sendmail", "-bt", "--json", "you@elsewhere.test").stdout)
    assert shown["rcpt"]["stranger"].startswith("550 5.7.1 relaying denied: <you@elsewhere.test>")
    assert shown["rcpt"]["trusted"] == shown["rcpt"]["authenticated"] == "250 2.1.5 Recipient OK"
    host.write_config(relay="1")
    shown = json.loads(host.run("sendmail", "-bt", "--json", "you@elsewhere.test").stdout)
    assert shown["rcpt"]["stranger"] == "250 2.1.5 Recipient OK"


def test_an_argument_that_is_no_address_is_reported(host):
    done = host.run("sendmail", "-bt", "--json", "a@b@c", "alice")
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert first["status"] == "bad" and second["address"] == "alice@host.test"
    assert done.returncode == 67
