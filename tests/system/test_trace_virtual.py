"""The trace, the reply to RCPT and the delivery agree about addresses of virtual domains: users, aliases, "*",
owners, and mailboxes that cannot be used."""
import os

import pytest

from conftest import needs_root
from trace_table import Case, keeps, table_of, write

UNKNOWN, LOOP, OFF = "550 5.1.1", "550 5.4.6", "550 5.2.1"
BROKEN, LIST_BROKEN, UNFIT, FULL = "451 4.3.5", "451 4.2.4", "451 4.2.0", "452 4.2.2"


def own(users=("vera", "Victor"), aliases="", **others):
    return {"owner": "alice", "users": users, "aliases": aliases, **others}


ALIASES = """
    info: vera, bob@host.test
    team: vera, victor, you@elsewhere.test
    victor: victor, vera
    robot: |%s
    file: /home/alice/box
    maildir: /home/alice/md/
    both: |%s, vera
    black: /dev/null
    far: you@elsewhere.test
    same: *@elsewhere.test
    back: \\vera
    ghost: nobody.here@host.test
    half: nobody.here@host.test, vera
    loop: pool
    pool: loop
    broken: <x
    list: :include:/home/alice/list
    nolist: :include:/home/alice/nolist
    wrongly: :include:/etc/hostname
    account: alice@host.test
    """ % (keeps("alice"), keeps("alice"))

#: where addresses of the domain lead, independent of who may read its files
WHAT_IT_HAS = {
    "vera@own.test": ["vera@own.test"],
    "VERA@Own.Test": ["vera@own.test"],
    "vera+folder@own.test": ["vera@own.test"],
    "\"vera\"@own.test": ["vera@own.test"],
    "victor@own.test": ["Victor@own.test", "vera@own.test"],
    "info@own.test": ["vera@own.test", "bob"],
    "team@own.test": ["vera@own.test", "Victor@own.test", "you@elsewhere.test"],
    "robot@own.test": [f"|{keeps('alice')}"],
    "file@own.test": ["/home/alice/box"],
    "maildir@own.test": ["/home/alice/md/"],
    "both@own.test": [f"|{keeps('alice')}", "vera@own.test"],
    "black@own.test": ["nowhere"],
    "far@own.test": ["you@elsewhere.test"],
    "same@own.test": ["same@elsewhere.test"],
    "back@own.test": ["vera@own.test"],
    "half@own.test": ["vera@own.test"],
    "account@own.test": ["alice"],
    "list@own.test": ["vera@own.test", "you@elsewhere.test"],
    "postmaster@own.test": ["alice"],
    "webmaster@own.test": ["alice"],
    "ghost@own.test": UNKNOWN,
    "nobody@own.test": UNKNOWN,
    "*@own.test": UNKNOWN,
    "vera%elsewhere.test@own.test": UNKNOWN,
    "\"../vera\"@own.test": UNKNOWN,
    "passwd@own.test": UNKNOWN,
    "loop@own.test": LOOP,
    "broken@own.test": BROKEN,
    "nolist@own.test": LIST_BROKEN,
    "wrongly@own.test": LIST_BROKEN,
    "alice@own.test": UNKNOWN,
    "vera": UNKNOWN,
    "vera@sub.own.test": ["vera@sub.own.test"],
}


def lists(host, domains):
    write("/home/alice/list", "vera\nyou@elsewhere.test\n", 7901, 0o644)
    os.chmod("/home/alice", 0o755)


def real_users(host, domains):
    domains.write("own.test", "passwd", """kvt:x:7901:100:kvtname:/home/alice/:
abc:x:7901:100:abcname:.:
below:x:7901:100::/home/alice/below:/bin/sh
short:x
kept:x:8:8::/var/spool/virtual/own.test/kept:
toor:x:0:0::/home/alice:
rooted:x:0:0::/root:
bob:x:7902:7902::/home/bob:
""")
    domains.write("shown.test", "passwd", "kvt:x:7901:100::/home/alice:\nbob:x:7902:7902::/home/bob:\n", 0o644)
    domains.write("root.test", "passwd", "root:x:0:0::/root:\nvera:x:::::\n", 0o644)


def files_of_root(host, domains):
    group = domains.mail_ids()[1]
    for domain, names in (("root.test", ("passwd", "aliases")), ("half.test", ("passwd",))):
        for name in names:
            path = os.path.join(domains.etc, domain, name)
            os.chown(path, 0, group)
            os.chmod(path, 0o640)


def unusable_mailboxes(host, domains):
    spool = os.path.join(domains.spool, "own.test")
    os.mkdir(spool, 0o700)
    keeper = domains.mail_ids()
    for name in ("link", "full", "other", "twice", "twice2", "fits"):
        path = os.path.join(spool, name)
        if name == "link":
            os.symlink("fits", path)
        elif name == "twice2":
            os.link(os.path.join(spool, "twice"), path)
        else:
            write(path, "x" * (20000 if name == "full" else 16), 0)
            os.chown(path, *(keeper if name != "other" else (7904, 7904)))
    os.mkfifo(os.path.join(spool, "fifo"))
    os.chown(spool, *keeper)
    open_folder = os.path.join(domains.spool, "open.test")
    os.mkdir(open_folder)
    os.chown(open_folder, *keeper)
    os.chmod(open_folder, 0o777)
    os.symlink(spool, os.path.join(domains.spool, "link.test"))


def folders_of_owners(host, domains):
    """As GNU pop3d has them: the folder belongs to the owner, and no other account may enter."""
    os.chmod(domains.spool, 0o711)
    for name, uid, mode in (("own.test", 7901, 0o700), ("bobs.test", 7902, 0o700), ("open.test", 7901, 0o777)):
        path = os.path.join(domains.spool, name)
        os.mkdir(path)
        os.chmod(path, mode)
        os.chown(path, uid, uid)
    folder = os.path.join(domains.spool, "own.test")
    write(os.path.join(folder, "full"), "x" * 20000, 7901)
    os.symlink("vera", os.path.join(folder, "link"))
    write(os.path.join(folder, "kept"), "", domains.mail_ids()[0])


def unusable_maildirs(host, domains):
    spool = os.path.join(domains.spool, "own.test")
    os.makedirs(os.path.join(spool, "other"))
    write(os.path.join(spool, "file"), "", 0)
    os.symlink("/tmp", os.path.join(spool, "link"))
    for path in (spool, os.path.join(spool, "file")):
        os.chown(path, *domains.mail_ids())


PROGRAMS_IN_THE_WAY = """
    gone: |/usr/no/such/program -x
    gone2: "|/usr/no/such/program || true"
    some: |/usr/no/such/program, vera
    nofolder: /no/such/folder/file
    nomaildir: /no/such/folder/
    locked: FOLDER/file
    device: /dev/tty
    """

CASES = {
    "a domain that only its owner may read": Case({}, "", {}, WHAT_IT_HAS, {"own.test": own(aliases=ALIASES)}, lists),
    "a domain that all may read": Case(
        {}, "", {}, WHAT_IT_HAS, {"own.test": own(aliases=ALIASES, mode=0o644)}, lists),
    "the alias * for all other names": Case({}, "", {"alice": {".forward+x": "bob\n"}}, {
        "vera@own.test": ["vera@own.test"],
        "who.ever@own.test": ["vera@own.test"],
        "Who@own.test": ["vera@own.test"],
        "who+ext@own.test": ["vera@own.test"],
        "\"a b\"@own.test": ["vera@own.test"],
        "*@own.test": ["vera@own.test"],
        "postmaster@own.test": ["alice"],
        "info@own.test": ["bob"],
        "vera@mx.test": ["vera@own.test"],
        "victor@mx.test": ["Victor@own.test"],
        "nobody@mx.test": ["vera@own.test"],
        "known@mx.test": ["known@mx.test"],
        "a+b@far.test": ["a+b@elsewhere.test"],
        "X@far.test": ["X@elsewhere.test"],
        "any@none.test": UNKNOWN,
        "any@round.test": LOOP,
        "any@nothing.test": ["nowhere"],
        "any@broken.test": BROKEN,
    }, {
        "own.test": own(aliases="*: vera\ninfo: bob@host.test\n"),
        "mx.test": own(users=["known"], aliases="*: *@own.test\n"),
        "far.test": own(users=[], aliases="*: *@elsewhere.test\n"),
        "none.test": own(users=[], aliases="*: nobody\n"),
        "round.test": own(users=[], aliases="*: *@trip.test\n"),
        "trip.test": own(users=[], aliases="*: *@round.test\n"),
        "nothing.test": own(users=[], aliases="*: /dev/null\n"),
        "broken.test": own(aliases="*: <\n", users=[]),
    }),
    "owners": Case({}, "postmaster: bob\n", {
        "alice": {".forward": "bob, you@elsewhere.test\n", ".forward+sales": "/home/alice/box\n"},
    }, {
        "postmaster@own.test": ["bob", "you@elsewhere.test"],
        "account@own.test": ["bob", "you@elsewhere.test"],
        "sales@own.test": ["/home/alice/box"],
        "mine@own.test": ["alice"],
        "vera@own.test": ["vera@own.test"],
        "postmaster@root.test": ["bob"],
        "webmaster@root.test": ["bob"],
        "vera@root.test": ["vera@root.test"],
        "robot@root.test": BROKEN,
        "file@root.test": BROKEN,
        "black@root.test": ["nowhere"],
        "vera@uid.test": ["vera@uid.test"],
        "postmaster@uid.test": ["bob"],
        "vera@off.test": OFF,
        "nobody@off.test": OFF,
        "postmaster@off.test": OFF,
        "off@own.test": OFF,
        "partly@own.test": ["vera@own.test"],
        "vera@nobodys.test": BROKEN,
        "vera@closed.test": BROKEN,
        "vera@host.test": UNKNOWN,
    }, {
        "own.test": own(users=["vera"], aliases="account: alice@host.test\nsales: alice+sales@host.test\n"
                                                "mine: \\alice@host.test\noff: vera@off.test\n"
                                                "partly: vera@off.test, vera\nowner-partly: bob@host.test\n"),
        "root.test": {"owner": "root", "users": ["vera"], "mode": 0o644,
                      "aliases": "robot: |/bin/cat\nfile: /home/alice/box\nblack: /dev/null\n"},
        "uid.test": {"owner": "bob", "users": ["vera"]},
        "off.test": own(active="0"),
        "nobodys.test": own(users=["vera"]),
        "closed.test": own(users=["vera"]),
        "host.test": own(users=["vera"]),
    }, lambda host, domains: (domains.set("nobodys.test", "no-such-login"), domains.set("uid.test", "7902"),
                              os.chmod(os.path.join(domains.etc, "closed.test", "passwd"), 0o666))),
    "subdomains": Case({}, "", {}, {
        "vera@own.test": ["vera@own.test"],
        "vera@sub.own.test": ["vera@own.test"],
        "Vera+x@a.b.Own.Test": ["vera@own.test"],
        "info@sub.own.test": ["bob"],
        "nobody@sub.own.test": UNKNOWN,
        "postmaster@sub.own.test": ["alice"],
        "robot@sub.own.test": [f"|{keeps('alice')}"],
        "same@sub.own.test": ["same@elsewhere.test"],
        "both@own.test": ["vera@own.test"],
        "vera@other.own.test": ["vera@other.own.test"],
        "info@other.own.test": UNKNOWN,
        "vera@x.other.own.test": ["vera@own.test"],
        "vera@off.own.test": OFF,
        "vera@xown.test": ["vera@xown.test"],
        "vera@x.plain.test": ["vera@x.plain.test"],
        "vera@closed.test": OFF,
        "vera@x.closed.test": OFF,
    }, {
        "own.test": own(users=["vera"], subdomains=True, aliases=f"""
            info: bob@host.test
            both: vera, vera@a.own.test
            same: *@elsewhere.test
            robot: |{keeps('alice')}
            """),
        "other.own.test": own(users=["vera"]),
        "off.own.test": own(users=["vera"], active="0"),
        "plain.test": own(users=["vera"]),
        "closed.test": own(users=["vera"], active="0", subdomains=True),
    }),
    "users who are the owner": Case({}, "", {"alice": {".forward": "bob\n"}}, {
        "kvt@own.test": ["alice"],
        "KVT+x@own.test": ["alice"],
        "boss@own.test": ["alice"],
        "mine@own.test": ["bob"],
        "abc@own.test": ["abc@own.test"],
        "below@own.test": ["below@own.test"],
        "short@own.test": ["short@own.test"],
        "kept@own.test": ["kept@own.test"],
        "toor@own.test": BROKEN,
        "rooted@own.test": BROKEN,
        "bob@own.test": BROKEN,
        "both@own.test": ["alice", "abc@own.test"],
        "kvt@shown.test": ["alice"],
        "bob@shown.test": BROKEN,
        "root@root.test": BROKEN,
        "vera@root.test": ["vera@root.test"],
    }, {
        "own.test": own(users=[], aliases="boss: kvt\nmine: alice@host.test\nboth: kvt, abc, boss\n"),
        "shown.test": own(users=[], mode=0o644),
        "root.test": {"owner": "root", "users": [], "mode": 0o644},
    }, real_users),
    "domains of root, read by the account that keeps the mailboxes": Case({}, "postmaster: bob\n", {}, {
        "vera@root.test": ["vera@root.test"],
        "info@root.test": ["bob"],
        "nobody@root.test": UNKNOWN,
        "vera@closed.test": BROKEN,
        "nobody@closed.test": BROKEN,
        "vera@half.test": BROKEN,
    }, {name: {"owner": "root", "users": ["vera"], "aliases": "info: bob@host.test\n"}
        for name in ("root.test", "closed.test", "half.test")}, files_of_root),
    # All files in the home of one administrator: users, known and unknown, with a file each.
    "all to one account": Case({}, "postmaster: bob\n", {
        "alice": {".forward": "/home/alice/box\n",
                  ".forward+abc--own.test": "\\abc@own.test\n",
                  ".forward+kvt--own.test": "\\alice\n",
                  ".forward+abc--sub.own.test": f"|{keeps('alice')}\n",
                  ".forward+round--own.test": "round@own.test\n",
                  ".forward+far--own.test": "you@elsewhere.test\n",
                  ".forward+no--own.test": "no.such.user\n"},
    }, {
        "abc@own.test": ["abc@own.test"],
        "ABC@Own.test": ["abc@own.test"],
        "abc@sub.own.test": [f"|{keeps('alice')}"],
        "kvt@own.test": ["alice"],
        "any@own.test": ["/home/alice/box"],
        "any@a.b.own.test": ["/home/alice/box"],
        "any+ext@own.test": ["/home/alice/box"],
        "\"a/b\"@own.test": ["/home/alice/box"],
        "far@own.test": ["you@elsewhere.test"],
        "no@own.test": UNKNOWN,
        "round@own.test": LOOP,
        "postmaster@own.test": ["/home/alice/box"],
        "webmaster@own.test": ["bob"],
    }, {
        "own.test": own(users=["abc"], subdomains=True, aliases="""
            abc: alice+*--*@host.test
            webmaster: postmaster@host.test
            *: alice+*--*@host.test
            """),
    }),
    "all to one account, by dot-qmail": Case({"delivery_files": ".qmail", "recipient_delimiter": "-"}, "", {
        "alice": {".qmail": "./Mailbox\n", ".qmail-abc--own:test": "&bob\n", ".qmail-default": "./list\n"},
    }, {
        "abc@own.test": ["bob"],
        "any@own.test": ["/home/alice/list"],
    }, {"own.test": own(users=[], aliases="*: alice-*--*@host.test\n")}),
    "mailboxes in the way": Case({"mailbox_size": "16k"}, "", {}, {
        "fits@own.test": ["fits@own.test"],
        "new@own.test": ["new@own.test"],
        "link@own.test": UNFIT,
        "full@own.test": FULL,
        "Full+x@own.test": FULL,
        "other@own.test": UNFIT,
        "twice@own.test": UNFIT,
        "fifo@own.test": UNFIT,
        "leads@own.test": FULL,
        "more@own.test": ["fits@own.test", "you@elsewhere.test"],
        "vera@open.test": UNFIT,
        "vera@link.test": UNFIT,
        "bob": ["bob"],
    }, {
        "own.test": own(users=["link", "full", "other", "twice", "fifo", "fits", "new"],
                        aliases="leads: full\nmore: fits, you@elsewhere.test\n"),
        "open.test": own(), "link.test": own(),
    }, unusable_mailboxes),
    "a mail folder of the owner's": Case({"mailbox_size": "16k"}, "", {}, {
        "vera@own.test": ["vera@own.test"],
        "full@own.test": FULL,
        "link@own.test": UNFIT,
        "kept@own.test": UNFIT,
        "vera@bobs.test": UNFIT,
        "vera@open.test": UNFIT,
        "vera@shut.test": ["vera@shut.test"],
    }, {"own.test": own(users=["vera", "full", "link", "kept"]), "bobs.test": own(), "open.test": own(),
        "shut.test": own()}, folders_of_owners),
    "maildirs in the way": Case({"vhost_maildir": "1"}, "", {}, {
        "vera@own.test": ["vera@own.test"],
        "other@own.test": UNFIT,
        "file@own.test": UNFIT,
        "link@own.test": UNFIT,
    }, {"own.test": own(users=["vera", "other", "file", "link"])}, unusable_maildirs),
    "programs and files in the way": Case({}, "", {}, {
        "gone@own.test": BROKEN,
        "gone2@own.test": BROKEN,
        "nofolder@own.test": BROKEN,
        "nomaildir@own.test": BROKEN,
        "locked@own.test": BROKEN,
        "device@own.test": BROKEN,
        "vera@own.test": ["vera@own.test"],
    }, {"own.test": own(aliases=PROGRAMS_IN_THE_WAY)}),
    "nowhere to keep the mailboxes": Case({}, "", {}, {
        "vera@own.test": "451 4.3.0",
    }, {"own.test": own()}, lambda host, domains: host.write_config(vhost_spool="/no/such/spool")),
}
ALL = [(name, address) for name, case in CASES.items() for address in case.addresses]


@pytest.fixture(scope="module")
def table(module_folder):
    with table_of(CASES, module_folder) as made:
        yield made


@needs_root
@pytest.mark.parametrize("name,address", ALL, ids=[f"{name}: {address}" for name, address in ALL])
def test_trace_reply_and_delivery_agree(table, name, address):
    table.check(name, address)
