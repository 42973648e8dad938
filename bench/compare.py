"""Ours and Debian's Postfix, measured in one run: rates, CPU for each message, memory of idle clients.

Both sides run in a mount namespace of this run's own, with their spools and mailboxes on the same file system, fsync on
at both. The sides alternate; the medians of three runs are printed, and the ratios.

The file system is made for the run: an ext4 with a journal, as Debian installs it, in a file in FOLDER (/var/tmp).
OWN_FILE_SYSTEM=0 measures on FOLDER itself. Then it matters what that is: an ext4 without a journal, as virtual
machines have it, leaves inodes alone that were freed in the last minutes and looks at each of them for every file that
is made, so that the side that removes more files finds every run slower than the one before.
"""
import glob
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "support"))

import accounts  # noqa: E402
import host as hosts  # noqa: E402

RUNS = int(os.environ.get("RUNS", "3"))
MESSAGES = int(os.environ.get("MESSAGES", "10000"))
FOLDER = os.environ.get("FOLDER", "/var/tmp")
OWN_FILE_SYSTEM = os.environ.get("OWN_FILE_SYSTEM", "1") != "0"
TICKS = os.sysconf("SC_CLK_TCK")


def descendants(pid):
    found, todo = [], [pid]
    while todo:
        pid = todo.pop()
        found.append(pid)
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children") as file:
                    todo += [int(p) for p in file.read().split()]
        except OSError:
            continue
    return found


def cpu_seconds(pid):
    """User and system time of the tree, ended children included."""
    total = 0
    for one in descendants(pid):
        try:
            with open(f"/proc/{one}/stat") as file:
                total += sum(int(n) for n in file.read().rsplit(")", 1)[1].split()[11:15])
        except OSError:
            continue
    return total / TICKS


def memory_kib(pid):
    """Proportional memory of the tree, and what the kernel keeps for it (page tables, stacks)."""
    total = 0
    for one in descendants(pid):
        try:
            with open(f"/proc/{one}/smaps_rollup") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
            with open(f"/proc/{one}/status") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("VmPTE:")) + 16
        except OSError:
            continue
    return total


def sockets_kib(pid):
    """What the kernel keeps of the sockets that the tree has open, without their buffers, which are empty for a silent
    client. The kernel's table may not name the objects of Unix sockets; they take about a KiB."""
    size = {}
    with open("/proc/slabinfo") as file:
        for line in file.readlines()[2:]:
            size[line.split()[0]] = int(line.split()[3])
    in_all = size["sock_inode_cache"] + size["filp"] + size["dentry"]
    of_tcp, opened = set(), set()
    for one in descendants(pid):
        try:
            for table in "tcp", "tcp6":
                with open(f"/proc/{one}/net/{table}") as file:
                    of_tcp.update(f"socket:[{line.split()[9]}]" for line in file.readlines()[1:])
            opened.update(os.readlink(entry.path) for entry in os.scandir(f"/proc/{one}/fd"))
        except OSError:
            continue
    sockets = {name for name in opened if name.startswith("socket:")}
    tcp = len(sockets & of_tcp)
    return (len(sockets) * in_all + tcp * size["TCP"] + (len(sockets) - tcp) * size.get("UNIX", 1024)) / 1024


class Ours:
    name = "postoffice"

    def __init__(self, folder, sink_port, **settings):
        path = os.path.join(folder, "ours")
        os.mkdir(path, 0o755)
        # The private machine's /var/mail is in memory: what is measured must be on the disk, as the other side's is.
        mailboxes = os.path.join(folder, "ours-mail")
        os.mkdir(mailboxes)
        os.chmod(mailboxes, 0o2775)
        os.chown(mailboxes, 0, 8)
        mount("--bind", mailboxes, "/var/mail")
        self.host = hosts.Host(path, **{"clients": "3000", "relay_host": f"[127.0.0.1]:{sink_port}", **settings})
        self.host.start()
        self.port, self.pid, self.box = self.host.port, self.host.process.pid, self.host.mailbox_path("alice")
        self.domain = "host.test"

    def sendmail(self):
        """The shell that calls it, and the call."""
        return ["sh", "-c"], f"{self.host.command('sendmail')} -C {self.host.config} -t"

    def has_work(self):
        """Files of messages that are done are still to be removed."""
        return bool(self.host.paths_in_spool("[cdrt]m"))

    def queued(self):
        """Messages that are not done."""
        return len(self.host.paths_in_spool("cm")) + len(
            os.listdir(os.path.join(self.host.spool, "drop")))

    def stop(self):
        self.host.end()


class DebianCopy:
    """This machine's file system once more, in memory and for this run alone, to install a mail server of Debian in."""

    def __init__(self, folder):
        self.root = os.path.join(folder, "root")
        over = os.path.join(folder, "work")
        for path in (self.root, over):
            os.mkdir(path, 0o755)
        mount("-t", "tmpfs", "tmpfs", over)
        os.mkdir(f"{over}/u")
        os.mkdir(f"{over}/w")
        mount("-t", "overlay", "-o", f"lowerdir=/,upperdir={over}/u,workdir={over}/w", "overlay", self.root)
        mount("--rbind", "/dev", self.root + "/dev")
        mount("-t", "proc", "proc", self.root + "/proc")
        # The overlay shows the disk below, not the private accounts that are mounted over it.
        for name in ("passwd", "group"):
            shutil.copyfile(f"/etc/{name}", f"{self.root}/etc/{name}")
        self.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", mode=0o755)

    def write(self, path, text, mode=0o644):
        with open(self.root + path, "w") as file:
            file.write(text)
        os.chmod(self.root + path, mode)

    def install(self, package):
        self.inside("sh", "-c", f"apt-get -q -y --no-install-recommends install {package} >/tmp/log 2>&1 || "
                    "{ cat /tmp/log; exit 1; }")

    def inside(self, *command):
        subprocess.run(["chroot", self.root, *command], check=True, stdin=subprocess.DEVNULL,
                       env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C",
                            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            return s.recv(3) == b"220"
    except OSError:
        return False


class Postfix:
    name = "Postfix"

    def __init__(self, folder, sink_port, *settings):
        for name in ("spool", "mail"):
            os.mkdir(os.path.join(folder, name), 0o755)
        self.copy = DebianCopy(folder)
        self.root, self.inside = self.copy.root, self.copy.inside
        # What it syncs lies on the same disk as ours, not in the overlay.
        os.makedirs(self.root + "/var/spool/postfix", exist_ok=True)
        mount("--bind", os.path.join(folder, "spool"), self.root + "/var/spool/postfix")
        mount("--bind", os.path.join(folder, "mail"), self.root + "/var/mail")
        os.chmod(os.path.join(folder, "mail"), 0o2775)
        os.chown(os.path.join(folder, "mail"), 0, 8)
        self.copy.install("postfix")
        self.port = hosts.free_port()
        self.domain = "postfix.test"
        self.inside("postconf", "-F", "*/*/chroot=n")
        self.inside("postconf", "-M#", "smtp/inet")
        self.inside("postconf", "-M", f"{self.port}/inet={self.port} inet n - n - - smtpd")
        self.inside("postconf", "compatibility_level=3.6", "mailbox_command=", f"myhostname={self.domain}", f"mydestination={self.domain}",
                    "mynetworks=127.0.0.0/8", "inet_interfaces=127.0.0.1", f"relayhost=[127.0.0.1]:{sink_port}",
                    "mailbox_size_limit=0", "message_size_limit=0", "default_process_limit=700",
                    "smtpd_client_connection_count_limit=0", "maillog_file=/var/log/postfix.log", "inet_protocols=ipv4", *settings)
        self.inside("postfix", "start")
        hosts.wait_for(lambda: answers(self.port), what="Postfix answering")
        with open(self.root + "/var/spool/postfix/pid/master.pid") as file:
            self.pid = int(file.read())
        self.box = os.path.join(folder, "mail", "alice")

    def sendmail(self):
        return ["chroot", self.root, "sh", "-c"], "/usr/sbin/sendmail -t"

    def queued(self):
        """Messages that are not done."""
        spool = self.root + "/var/spool/postfix/"
        return sum(len(files) for queue in ("maildrop", "incoming", "active", "deferred")
                   for _, _, files in os.walk(spool + queue))

    has_work = queued

    def stop(self):
        subprocess.run(["chroot", self.root, "postfix", "stop"], stderr=subprocess.DEVNULL)


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def unmount(folder):
    """What DebianCopy mounted."""
    subprocess.run(["umount", "--recursive", "--lazy", os.path.join(folder, "root")], stderr=subprocess.DEVNULL)
    subprocess.run(["umount", "--lazy", os.path.join(folder, "work")], stderr=subprocess.DEVNULL)


def make_file_system(folder):
    """An ext4 with a journal, mounted on the folder, seen by this run alone."""
    image = folder + ".ext4"
    with open(image, "xb") as file:
        file.truncate(8 << 30)  # sparse
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "has_journal", image], check=True)
        mount("-o", "loop", image, folder)
    finally:
        os.unlink(image)  # the mount keeps it
    os.chmod(folder, 0o755)


class LoadTools:
    """smtp-source, unpacked from Debian's package, and a sink of our own (sink.cc), since smtp-sink cannot take large
    messages as fast as they come."""

    def __init__(self):
        peers = os.path.join(TOP, "build", "peers")
        subprocess.run(["sh", os.path.join(TOP, "tests", "support", "get-peers.sh"), peers], check=True)
        self.folder = glob.glob(os.path.join(peers, "postfix"))[0]
        self.environment = {**os.environ, "LD_LIBRARY_PATH": os.path.join(self.folder, "usr/lib/postfix")}
        self._sink = os.path.join(TOP, "build", "bench-sink")
        subprocess.run(["c++", "-std=c++20", "-O2", "-o", self._sink, os.path.join(TOP, "bench", "sink.cc")], check=True)

    def program(self, name):
        return os.path.join(self.folder, "usr/sbin", name)

    def source(self, port, to, count, octets=4096):
        subprocess.run([self.program("smtp-source"), "-s", "20", "-m", str(count), "-l", str(octets), "-f", "a@example.org",
                        "-t", to, f"127.0.0.1:{port}"], env=self.environment, check=True)

    def sink(self, port, address="127.0.0.1"):
        return subprocess.Popen([self._sink, address, str(port)])


def received(tools, side, to, count=MESSAGES, octets=4096):
    """(messages a second to the last 250, until nothing is queued any more, CPU milliseconds for each)."""
    before, start = cpu_seconds(side.pid), time.monotonic()
    tools.source(side.port, to, count, octets)
    accepted = time.monotonic() - start
    # Looking costs CPU that the side needs: not again before the fastest side could be through.
    while waiting := side.queued():
        time.sleep(max(0.005, waiting / 20000))
    done = time.monotonic() - start
    settle(side)  # what it does afterwards is its work, too
    return count / accepted, count / done, (cpu_seconds(side.pid) - before) * 1000 / count


def settle(side):
    while side.queued() or side.has_work():
        time.sleep(0.01)
    time.sleep(0.5)  # processes that end count only when they are waited for


def submitted(side, count=150):
    """Milliseconds for one sendmail -t, called by a shell's loop."""
    shell, call = side.sendmail()
    text = f"To: alice@{side.domain}\\nSubject: bench\\n\\n{'x' * 2000}\\n"
    loop = f"i=0; while [ $i -lt {count} ]; do printf '{text}' | {call} || exit; i=$((i + 1)); done"
    start = time.monotonic()
    subprocess.run([*shell, loop], check=True)
    took = (time.monotonic() - start) * 1000 / count
    settle(side)
    return took


def idle_clients(side, count=500, says=b"", before=None):
    """KiB for each client that was greeted, says no more than this, and is silent then. `before`: what the server had
    when it was new; a heap that has grown once stays for the next clients."""
    if before is None:
        before = memory_kib(side.pid)
    clients = []
    for _ in range(count):  # one after the other: a server may let few wait for their greeting
        client = socket.create_connection(("127.0.0.1", side.port), timeout=60)
        client.recv(512)
        if says:
            client.sendall(says)
            client.recv(4096)
        clients.append(client)
    time.sleep(4)
    used = (memory_kib(side.pid) - before) / count
    for client in clients:
        client.close()
    time.sleep(1)
    return used


def show(title, ours, theirs, unit, more_is_better):
    ratio = (ours / theirs if more_is_better else theirs / ours) if ours and theirs else float("nan")
    print(f"{title:<52} {ours:>10.2f} {theirs:>10.2f} {unit:<12} {ratio:>7.1f} times better", flush=True)


def main():
    if os.geteuid() != 0:
        sys.exit("make bench: needs root, to run Postfix in a mount namespace of its own")
    # The private machine has no way to the package servers.
    subprocess.run(["apt-get", "-q", "-q", "-y", "--no-install-recommends", "--download-only", "install", "postfix"],
                   check=True, stdin=subprocess.DEVNULL)
    accounts.enter_private_machine()
    tools = LoadTools()
    folder = tempfile.mkdtemp(prefix="postoffice-bench-", dir=FOLDER)
    os.chmod(folder, 0o755)
    if OWN_FILE_SYSTEM:
        make_file_system(folder)
    sink_port = hosts.free_port()
    sink = tools.sink(sink_port)
    sides = []
    try:
        for side in (Ours, Postfix):
            sides.append(side(folder, sink_port))
        results = {side.name: {"local": [], "relay": [], "sendmail": []} for side in sides}
        for _ in range(RUNS):
            for side in sides:
                results[side.name]["local"].append(received(tools, side, f"alice@{side.domain}"))
                results[side.name]["relay"].append(received(tools, side, "bob@elsewhere.test"))
                results[side.name]["sendmail"].append(submitted(side))
                if os.path.exists(side.box):
                    os.truncate(side.box, 0)
        idle = {side.name: idle_clients(side) for side in sides}

        def median(side, kind, index=None):
            values = results[side.name][kind]
            return statistics.median(values if index is None else [v[index] for v in values])

        one, two = sides
        print(f"\n{MESSAGES} messages of 4 KB, 20 at a time, a connection each; medians of {RUNS} runs")
        print(f"{'':<52} {one.name:>10} {two.name:>10}")
        for kind, title in (("local", "into a mailbox"), ("relay", "relayed to a sink")):
            show(f"{title}: until the last 250", median(one, kind, 0), median(two, kind, 0), "a second", True)
            show(f"{title}: until nothing is queued", median(one, kind, 1), median(two, kind, 1), "a second", True)
            show(f"{title}: CPU of one message", median(one, kind, 2), median(two, kind, 2), "ms", False)
        show("sendmail -t: one call", median(one, "sendmail"), median(two, "sendmail"), "ms", False)
        show("500 idle clients: memory of one", idle[one.name], idle[two.name], "KiB", False)
    finally:
        for side in sides:
            side.stop()
        sink.kill()
        unmount(folder)
        if OWN_FILE_SYSTEM:
            subprocess.run(["umount", "--lazy", folder], stderr=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
