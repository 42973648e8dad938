"""The Tab key completes options, names and message ids in an interactive bash."""
import os
import pty
import select
import shutil
import subprocess
import time

import pytest

from host import TOP

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="NEEDS bash: completion is for it")

PROMPT = b"ready> "


class Terminal:
    """A bash on a terminal that has only the completion of this program."""

    def __init__(self, host):
        ours, theirs = pty.openpty()
        self.fd, self.seen = ours, b""
        environment = {"PATH": f"{os.path.dirname(host.command('sendmail'))}:/usr/bin:/bin", "TERM": "dumb", "PS1": PROMPT.decode(),
                       "HOME": f"{host.folder}/home-of-terminal", "INPUTRC": "/dev/null"}
        os.mkdir(environment["HOME"])
        self.process = subprocess.Popen(["bash", "--norc", "--noprofile", "-i"], stdin=theirs, stdout=theirs, stderr=theirs,
                                        env=environment, cwd=host.folder, start_new_session=True)
        os.close(theirs)
        self.read_until(PROMPT)
        self.type(f"PS1='{PROMPT.decode()}'; source {TOP}/os/completion.bash\n".encode())
        self.read_until(b"completion.bash")
        self.read_until(PROMPT)

    def type(self, keys):
        os.write(self.fd, keys)

    def read_until(self, wanted, seconds=20):
        """Output after the wanted text is for the next call."""
        end = time.monotonic() + seconds
        while wanted not in self.seen:
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"{wanted} did not come: {self.seen}")
            self.seen += os.read(self.fd, 4096)
        self.seen = self.seen.partition(wanted)[2]

    def end(self):
        self.process.kill()
        self.process.wait()
        os.close(self.fd)


@pytest.fixture
def terminal(host):
    made = Terminal(host)
    yield made
    made.end()


@pytest.mark.parametrize("typed,completed", [
    ("mailq --js", "mailq --json "),
    ("postoffice -omail-d", "postoffice -omail-dir="),
    ("authexpire --expl", "authexpire --explain "),
    ("runq --ver", "runq --version "),
    ("sendmail -C postoffice.c", "sendmail -C postoffice.cf "),
    ("sendmail -C home-of-te", "sendmail -C home-of-terminal/"),
    ("vpasswd --un", "vpasswd --undo "),
])
def test_a_word_is_completed(terminal, typed, completed):
    terminal.type(typed.encode() + b"\t")
    # A letter after it shows where the completed word ends.
    terminal.type(b"#")
    terminal.read_until(completed.encode() + b"#")
