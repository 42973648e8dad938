"""dbm(8) shares its databases with other dbm programs, and changes databases while the server uses them."""
import os
import subprocess
import threading

import pytest

from conftest import needs_root
from host import BINARY, wait_for

gnu = pytest.importorskip("dbm.gnu", reason="NEEDS python3-gdbm")

OK, USAGE, DATAERR, NOINPUT, UNAVAILABLE, CANTCREAT, TEMPFAIL, NOPERM = 0, 64, 65, 66, 69, 73, 75, 77


class Tool:
    def __init__(self, folder):
        self.path = os.path.join(folder, "test.db")
        self.command = os.path.join(folder, "dbm")
        if not os.path.islink(self.command):
            os.symlink(BINARY, self.command)

    def run(self, *arguments, input=b"", user=None):
        return subprocess.run([self.command, "-d", self.path, *arguments], input=input, capture_output=True,
                              timeout=60, user=user)

    def __call__(self, *arguments, **more):
        return self.run(*arguments, **more).returncode

    def dump(self):
        return sorted(self.run("dump").stdout.splitlines())


def run(host, *arguments):
    return subprocess.run([host.command("dbm"), *arguments], capture_output=True, timeout=60)


@pytest.fixture
def tool(folder):
    made = Tool(folder)
    assert made("create") == OK
    return made


def test_another_program_reads_its_databases(tool):
    assert tool("insert", "one", "1") == OK
    assert tool("load", input=b"two\t2\n\xc3\xa4\xff\t\xfe\nnul\\000\ta\\tb\\nc\\\\\nempty\t\n") == OK
    with gnu.open(tool.path, "r") as db:
        found = {key: db[key] for key in db.keys()}
    assert found == {b"one": b"1", b"two": b"2", b"\xc3\xa4\xff": b"\xfe", b"nul\0": b"a\tb\nc\\", b"empty": b""}


def test_it_reads_databases_of_another_program(folder):
    tool = Tool(folder)
    entries = {b"k%d" % number: b"v" * number for number in range(2000)} | {b"a\tb\0": b"x\ny\\", b"\xff": b"\x80"}
    with gnu.open(tool.path, "n", 0o600) as db:
        for key, value in entries.items():
            db[key] = value
    lines = tool.run("dump").stdout.splitlines()
    assert len(lines) == len(entries)
    assert b"a\\tb\\000\tx\\ny\\\\" in lines and b"\\377\t\\200" in lines and b"k3\tvvv" in lines
    other = Tool(folder)
    other.path += ".copy"
    assert other("create") == OK and other("load", input=b"\n".join(lines) + b"\n") == OK
    assert other.dump() == sorted(lines)


def test_each_command_does_what_the_manual_says(tool):
    assert tool("insert", "a", "1") == OK
    assert tool("insert", "a", "2") == UNAVAILABLE
    assert tool.run("fetch", "a").stdout == b"1\n"
    assert tool("update", "a", "2") == OK and tool("update", "b", "3") == OK
    assert tool.dump() == [b"a\t2", b"b\t3"]
    assert tool("fetch", "c") == UNAVAILABLE and tool("delete", "c") == UNAVAILABLE
    assert tool("delete", "a", "c") == UNAVAILABLE
    assert tool.dump() == [b"a\t2", b"b\t3"], "a deletion removes all keys or none"
    assert tool("delete", "a", "b") == OK and tool.dump() == []
    assert tool("load", input=b"x\t1\nx\t2\ny\t3") == OK
    assert tool.dump() == [b"x\t2", b"y\t3"], "the last value of a key counts; the last line needs no line end"
    assert tool("clear") == OK and tool.dump() == []
    assert tool("create") == CANTCREAT


def test_load_from_a_file(tool, folder):
    path = os.path.join(folder, "entries")
    with open(path, "wb") as file:
        file.write(b"a\t1\n")
    assert tool("load", path) == OK and tool.dump() == [b"a\t1"]
    assert tool("load", path + ".gone") == NOINPUT
    assert tool("load", "-", input=b"b\t2\n") == OK and len(tool.dump()) == 2


@pytest.mark.parametrize("line, word", [(b"no tab\n", b"no tab"), (b"a\t\\x\n", b"backslash"),
                                        (b"a\t" + b"x" * (1 << 20) + b"\n", b"longer than"), (b"\n", b"no tab")],
                         ids=["no tab", "bad escape", "too long", "empty"])
def test_a_bad_line_changes_nothing(tool, line, word):
    assert tool("insert", "old", "1") == OK
    done = tool.run("load", input=b"new\t2\n" + line)
    assert done.returncode == DATAERR
    assert b"standard input:2: " in done.stderr and word in done.stderr
    assert tool.dump() == [b"old\t1"]


@pytest.mark.parametrize("content", [b"", b"this is no database\n", b"\0" * 5000])
def test_a_file_that_is_no_database_is_an_error(tool, content):
    with open(tool.path, "wb") as file:
        file.write(content)
    for command in (["dump"], ["fetch", "a"], ["insert", "a", "b"], ["load"], ["delete", "a"], ["clear"]):
        done = tool.run(*command)
        assert (done.returncode, done.stdout) == (DATAERR, b"") and done.stderr.startswith(b"dbm: "), command
    with open(tool.path, "rb") as file:
        assert file.read() == content
    os.unlink(tool.path)
    assert tool("dump") == tool("clear") == NOINPUT
    os.mkfifo(tool.path)
    assert tool("dump") == DATAERR
    os.unlink(tool.path)
    os.mkdir(tool.path)
    assert tool("dump") == DATAERR


def test_a_wrong_command_line_is_an_error(tool):
    for arguments in ([], ["frob"], ["dump", "x"], ["fetch"], ["fetch", "a", "b"], ["insert", "a"], ["delete"],
                      ["load", "a", "b"], ["create", "x"], ["fetch", "\\x"], ["insert", "a", "\\"]):
        assert tool(*arguments) == USAGE, arguments
    assert subprocess.run([tool.command, "dump"], capture_output=True).returncode == USAGE
    assert subprocess.run([tool.command, "-x"], capture_output=True).returncode == USAGE


@needs_root
def test_owner_and_mode_are_kept(tool, folder):
    os.chown(tool.path, 7900, 7900)
    os.chmod(tool.path, 0o640)
    os.chmod(folder, 0o777)
    assert tool("insert", "a", "1") == OK
    status = os.stat(tool.path)
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (7900, 7900, 0o640)
    assert tool("update", "a", "2", user=1000) == NOPERM
    os.chmod(tool.path, 0o666)
    assert tool("update", "a", "2", user=1000) == NOPERM, "the copy would belong to another account"
    assert tool.run("fetch", "a", user=1000).stdout == b"1\n"
    link = tool.path + ".link"
    os.symlink(tool.path, link)
    tool.path = link
    assert tool("update", "a", "3") == OK and os.path.islink(link)
    assert os.listdir(folder).count("test.db") == 1 and len(os.listdir(folder)) == 3, "nothing is left behind"


def test_concurrent_changes_are_all_kept(tool):
    def insert(number):
        for each in range(5):
            assert tool("insert", f"{number} {each}", "x") == OK

    threads = [threading.Thread(target=insert, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tool.dump()) == 40


@needs_root
def test_it_changes_the_greylist_while_sessions_use_it(make_host, folder):
    host = make_host("host", greylist="1", db_dir=os.path.join(folder, "db")).start()
    db = host.settings["db-dir"]
    over = threading.Event()
    used = [0]

    def strangers():
        while not over.is_set():
            used[0] += 1
            assert host.run("authexpire", "-a", f"s{used[0]}@far.example[192.0.2.0/24]").returncode == 0

    worker = threading.Thread(target=strangers)
    worker.start()
    try:
        wait_for(lambda: len([f for f in os.listdir(db) if f.endswith(".db")]) == 16, seconds=60, what="all files")
        for name in sorted(f for f in os.listdir(db) if f.endswith(".db")):
            path = os.path.join(db, name)
            assert run(host, "-d", path, "update", "extra", "first=1 last=1 tries=1 passed=1").returncode == 0
            assert b"extra\tfirst=1" in run(host, "-d", path, "dump").stdout
    finally:
        over.set()
        worker.join()
    keys = [line.split(b"\t")[0] for line in host.run("authexpire", "-l").stdout.splitlines()]
    assert keys.count(b"extra") == 16 and len(keys) == used[0] + 16
    assert not [f for f in os.listdir(db) if f.endswith(".bad")]


def test_a_locked_database_is_unavailable_for_changes(tool):
    with open(tool.path, "rb") as file:
        subprocess.run(["flock", str(file.fileno())], pass_fds=[file.fileno()], check=True)
        assert tool("fetch", "a") == UNAVAILABLE, "reading waits only for changes in place"
        assert tool("insert", "a", "1") == TEMPFAIL


@pytest.mark.parametrize("name", ["ndbm", "gdbm"])
def test_ndbm_and_gdbm_are_other_names_of_it(host, folder, name):
    path = os.path.join(folder, "other.db")
    for arguments in (["create"], ["insert", "a", "1"], ["fetch", "a"]):
        done = subprocess.run([host.command(name), "-d", path, *arguments], capture_output=True, check=True)
    assert done.stdout == b"1\n"


@needs_root
def test_it_reads_alias_databases(host):
    host.write_aliases("list: alice, bob\n")
    host.run("newaliases", check=True)
    lines = run(host, "-d", host.alias_database, "dump").stdout
    assert b"list" in lines and b"alice" in lines
