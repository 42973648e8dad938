"""SpamAssassin behind spamass-milter, as Debian ships them, with one rule: the subject "offer of the tests" is spam."""
import os
import shutil
import subprocess

import pytest

from host import wait_for

RULES = """loadplugin Mail::SpamAssassin::Plugin::Check
header OF_THE_TESTS Subject =~ /offer of the tests/
score OF_THE_TESTS 20
add_header all Status "_YESNO_, score=_SCORE_"
"""


def _program(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if path is None:
        pytest.skip(f"NEEDS {name} (./configure.sh --get-deps=check installs it)")
    return path


class SpamAssassin:
    """Marks spam, and refuses it if `refuses`; listens at `socket`."""

    def __init__(self, folder, refuses=False):
        self._processes = []
        rules = os.path.join(folder, "rules")
        os.mkdir(rules, 0o755)
        with open(os.path.join(rules, "local.cf"), "w") as file:
            file.write(RULES)
        scanner = os.path.join(folder, "spamd.sock")
        self.socket = os.path.join(folder, "spamass.sock")
        try:
            self._start(scanner, _program("spamd"), "-L", "-x", f"--configpath={rules}", f"--siteconfigpath={rules}",
                        f"--socketpath={scanner}", "-m", "1", "-s", "null")
            self._start(self.socket, _program("spamass-milter"), "-p", self.socket, *(["-r", "15"] if refuses else []),
                        "--", "-U", scanner)
        except BaseException:
            self.close()
            raise

    def _start(self, socket, *command):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self._processes.append(process)
        wait_for(lambda: os.path.exists(socket) or process.poll() is not None, 30, command[0])
        assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
        os.chmod(socket, 0o777)

    def close(self):
        for process in self._processes:
            process.terminate() if "spamd" in process.args[0] else process.kill()
            process.wait(20)
