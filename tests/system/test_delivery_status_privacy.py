"""sendmail -v shows a user only what the user may know, and a user cannot stop the server by the FIFO through which
the status comes."""
import os
import socket
import subprocess

import pytest

from awaited_delivery import TEXT, last_lines, relay_to, send, sink, trigger  # noqa: F401
from conftest import needs_root
from host import local_user, wait_for
from processes import helpers
from strict_sink import StrictSink

SO_PASSRIGHTS = 83


@pytest.fixture
def as_user(make_host, sink):
    """send(user, words…) on a host where alice forwards to another host, and so does an alias."""
    host = make_host("host", relay_host=sink.endpoint)
    host.write_aliases("team: carol-at-home@elsewhere.test\ngone: nobody-home@elsewhere.test\n")
    with open("/home/alice/.forward", "w") as file:
        file.write("alice-at-home@elsewhere.test\n")
    with open("/home/bob/.forward", "w") as file:
        file.write('"|echo bobs-secret; exit 69"\n')
    os.chown("/home/alice/.forward", 7901, 7901)
    os.chown("/home/bob/.forward", 7902, 7902)
    os.chmod("/home/alice/.forward", 0o600)
    own = os.path.join(host.folder, "mallory.cf")  # ordinary users may not set relay-host
    with open(host.config) as file, open(own, "w") as copy:
        copy.writelines(line for line in file if not line.startswith("relay-host"))
    host.start()

    def run(user, *words):
        uid, group = {"root": (0, 0), "mallory": (7904, 7900)}[user]  # the group that the set-gid bit gives
        done = subprocess.run([host.command("sendmail"), "-C", own, "-i", *words], input=TEXT, capture_output=True,
                              timeout=60, user=uid, group=group, extra_groups=[])
        return done.returncode, done.stderr.decode()

    yield run
    for user in ("alice", "bob"):
        os.unlink(f"/home/{user}/.forward")


@needs_root
def test_a_user_sees_the_dialogue_about_addresses_on_the_command_line(as_user):
    status, said = as_user("mallory", "-v", "you@elsewhere.test")
    assert status == 0
    assert "127.0.0.1 >> RCPT TO:<you@elsewhere.test>" in said
    assert last_lines(said) == ["you@elsewhere.test: delivered: 250 2.0.0 kept ([127.0.0.1])"]


@needs_root
@pytest.mark.parametrize("words,outcome", [
    (["alice"], "alice@host.test: delivered"), (["team"], "team@host.test: delivered"),
    (["gone"], "gone@host.test: failed"), (["bob"], "bob@host.test: failed"),
    # In one dialogue with an address of the command line.
    (["you@elsewhere.test", "team"], "team@host.test: delivered")])
def test_a_user_does_not_see_where_others_forward_to(as_user, words, outcome):
    _, said = as_user("mallory", "-v", "-f", "<>", *words)
    assert last_lines(said) == [outcome]
    aliases_apart = "\n".join(line for line in said.splitlines() if not line.startswith("alias "))
    assert "at-home" not in aliases_apart and "-home@" not in aliases_apart and "secret" not in said


@needs_root
def test_root_sees_everything(as_user):
    status, said = as_user("root", "-v", "alice")
    assert status == 0
    assert "127.0.0.1 >> RCPT TO:<alice-at-home@elsewhere.test>" in said
    status, said = as_user("root", "-v", "-f", "<>", "bob")
    assert status == 69 and "bobs-secret" in last_lines(said)[0]


@needs_root
def test_a_user_gets_no_status_of_a_message_of_another(host):
    """mallory has guessed the id of a message of root, and leaves a FIFO for it."""
    path = f"{left_in_drop(host, 'alice')}.watch"
    fifo = leave_fifo(path)
    os.chown(path, 7904, 7900)
    host.start()
    host.wait_for_mail("alice", b"Subject: watched")
    wait_for(lambda: not os.path.exists(path), what="the removal of the FIFO")
    assert os.read(fifo, 1000) == b""
    os.close(fifo)


def left_in_drop(host, recipient, text=TEXT):
    """The path of a submission that waits for the server to be started."""
    drop = os.path.join(host.spool, "drop")
    before = set(os.listdir(drop)) if os.path.exists(drop) else set()
    if not before:
        host.start()
        host.stop()  # the start creates the spool
    assert send(host, "-odq", "-f", "<>", recipient, text=text)[0] == 0
    new, = set(os.listdir(drop)) - before
    return os.path.join(drop, new)


def leave_fifo(path):
    os.mkfifo(path)
    os.chmod(path, 0o666)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def open_descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_other_files_in_the_place_of_the_fifo_are_removed(host):
    def link(path):
        os.symlink("/dev/zero", path)

    def file(path):
        open(path, "w").close()

    def listening(path):
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path)

    ways = [os.mkfifo, link, file, listening, os.mkdir]
    for number, make in enumerate(ways):
        make(left_in_drop(host, local_user(), text=b"Subject: number %d.\n\n" % number) + ".watch")
    host.start()
    for number in range(len(ways)):
        host.wait_for_mail(local_user(), b"Subject: number %d." % number)
    left = wait_for(lambda: len(host.spool_files()) == 1 and host.spool_files(), what="all but the folder")
    assert os.path.isdir(os.path.join(host.spool, "drop", left[0])), "only a folder stays"


def test_descriptors_from_the_control_socket_are_closed(host):
    host.start()
    assert send(host, "-odi", local_user()) == (0, "")
    runner, = helpers(host, "queue runner")
    before = open_descriptors(runner)
    with open("/dev/null") as other:
        for number in range(50):
            trigger(host, f"watch 0UyVmRzKx{number}", [other.fileno()] * 10)
            trigger(host, "drop", [other.fileno()])
            trigger(host, "watch", [other.fileno()])
    assert send(host, "-odi", local_user()) == (0, "")
    wait_for(lambda: open_descriptors(runner) <= before + 4, what="the descriptors that workers need")


def test_the_kernel_refuses_descriptors_for_the_runner(host):
    """The last process to close a socket waits as long as SO_LINGER says, and that would be the runner."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.setsockopt(socket.SOL_SOCKET, SO_PASSRIGHTS, 0)
        except OSError:
            pytest.skip("NEEDS Linux 6.16: SO_PASSRIGHTS")
    host.start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as control:
        control.connect(os.path.join(host.spool, "control"))
        with pytest.raises(PermissionError):
            socket.send_fds(control, [b"drop"], [control.fileno()])
    assert send(host, "-odi", local_user()) == (0, "")


def test_submitters_that_never_read_delay_no_mail(make_host):
    """Many messages to a host that does not answer, each with a FIFO that is opened and never read."""
    with StrictSink(silent=True) as silent:
        host = relay_to(make_host, f"[127.0.0.1]:{silent.port}")
        host.stop()
        fifos = [leave_fifo(left_in_drop(host, f"n{number}@elsewhere.test") + ".watch") for number in range(100)]
        host.start()
        wait_for(lambda: len(host.queue()) == 100 and not os.listdir(os.path.join(host.spool, "drop")), what="the queue")
        runner, = helpers(host, "queue runner")
        held = [os.readlink(f"/proc/{runner}/fd/{fd}") for fd in os.listdir(f"/proc/{runner}/fd")
                if os.path.islink(f"/proc/{runner}/fd/{fd}")]
        assert 0 < sum(".watch" in path for path in held) <= 64
        assert send(host, "-odi", local_user()) == (0, "")
        assert b"Subject: watched" in host.mailbox(local_user())
        for fifo in fifos:
            os.close(fifo)


@needs_root
def test_an_ordinary_user_gets_the_status_of_the_installed_sendmail(installed_machine):
    machine = installed_machine
    machine.start()
    done = machine.run("/usr/sbin/sendmail", "-v", "-i", "alice", user="mallory", input=TEXT)
    assert last_lines(done.stderr.decode())[0].startswith("alice@host.test: delivered: 250 ")
    assert "Subject: watched" in machine.mailbox("alice")
    done = machine.run("/usr/sbin/sendmail", "-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", user="mallory",
                       input=b"To: alice\nSubject: from cron\n\nout\n")
    assert (done.stdout, done.stderr) == (b"", b"")
    assert "Subject: from cron" in machine.mailbox("alice")
    assert machine.drops() == []
