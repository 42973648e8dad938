"""What a silent client costs in memory, at our server and at Debian's OpenSMTPD, measured in one run.

CLIENTS of them (2000) are greeted and say nothing more, or say EHLO and nothing after that. The figure is what the
server's processes have more than when they were new, for each client: their own memory and their share of what they have in common
(Pss), page tables and stacks. What the kernel keeps of a connection is the same for both and not in it.
"""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import compare  # noqa: E402
from compare import accounts, hosts  # noqa: E402

RUNS = int(os.environ.get("RUNS", "3"))
CLIENTS = int(os.environ.get("CLIENTS", "2000"))  # our listener is given 3000 places
FOLDER = os.environ.get("FOLDER", "/var/tmp")


class OpenSmtpd:
    name = "OpenSMTPD"
    rules = 'action "local" mbox\nmatch for local action "local"\n'

    def __init__(self, folder):
        self.copy = compare.DebianCopy(folder)
        self.copy.install("opensmtpd")
        self.port = hosts.free_port()
        self.copy.write("/etc/smtpd.conf", f"listen on 127.0.0.1 port {self.port} hostname smtpd.test\n{self.rules}")
        # It asks for the name of each client, one after the other.
        self.copy.inside("sh", "-c", "rm -f /etc/resolv.conf; echo nameserver 127.0.0.1 > /etc/resolv.conf")
        # As many descriptors as our listener takes for itself.
        self.process = subprocess.Popen(["prlimit", f"--nofile={4 * CLIENTS}", "chroot", self.copy.root,
                                         "/usr/sbin/smtpd", "-d"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        hosts.wait_for(lambda: compare.answers(self.port), what="OpenSMTPD answering")

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def main():
    if os.geteuid() != 0:
        sys.exit("bench/idle.py: needs root, to run OpenSMTPD in a mount namespace of its own")
    accounts.enter_private_machine()
    folder = tempfile.mkdtemp(prefix="postoffice-idle-", dir=FOLDER)
    os.chmod(folder, 0o755)
    sides = []
    try:
        sides.append(compare.Ours(folder, 9))
        sides.append(OpenSmtpd(folder))
        new = {side.name: compare.memory_kib(side.pid) for side in sides}
        print(f"\n{CLIENTS} silent clients, medians of {RUNS} runs")
        print(f"{'':<52} {sides[0].name:>10} {sides[1].name:>10}")
        for says, title in ((b"", "greeted: memory of one"), (b"EHLO client.test\r\n", "after EHLO: memory of one")):
            results = {side.name: [] for side in sides}
            for _ in range(RUNS):
                for side in sides:
                    results[side.name].append(compare.idle_clients(side, CLIENTS, says, new[side.name]))
            one, two = (statistics.median(results[side.name]) for side in sides)
            compare.show(title, one, two, "KiB", False)
    finally:
        for side in sides:
            side.stop()
        compare.unmount(folder)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
