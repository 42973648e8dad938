"""Mail to other hosts: ours and Debian's Postfix, measured in one run. Debian's OpenSMTPD is not compared: as it is
installed, it pauses between the connections to one host, and relays eight messages a second.

bench/outgoing.py [relay] [tls] [queue] [tarpit] [backlog]; all of them without arguments.
  relay    messages of 4 KB and of 100 KB to a sink
  tls      messages of 4 KB under TLS to a sink, which is the same program for both sides
  queue    QUEUED messages (20000) for 1000 destinations, of which 100 are dead: from the first attempt after a pause until
           the others are delivered; CPU, and memory of our queue runner
  tarpit   what one destination that answers an octet a second costs the others
  backlog  relaying after that queue has drained, beside relaying with a new spool
The sides alternate; medians of RUNS runs (3) and ratios are printed, nothing is asserted.
"""
import contextlib
import os
import shutil
import smtplib
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import compare  # noqa: E402
import dns  # noqa: E402
from compare import accounts, hosts  # noqa: E402
from tls import certificate  # noqa: E402

RUNS = int(os.environ.get("RUNS", "3"))
MESSAGES = int(os.environ.get("MESSAGES", "5000"))
QUEUED = int(os.environ.get("QUEUED", "20000"))
DESTINATIONS, DEAD = 1000, 100
AT_A_TIME = 8
TEXT = b"From: a@example.org\r\nSubject: bench\r\n\r\n" + (b"y" * 70 + b"\r\n") * 56


class Destinations:
    """Domains d0.test, d1.test...: the mail hosts of the first `dead` ones never answer, those of the others are the sink."""

    def __init__(self, folder, tools, dead=DEAD):
        self.dead = dead
        zone = "@ SOA dns.test. hostmaster.test. 1 3600 600 86400 3600\n@ NS dns.test.\n"
        for number in range(DESTINATIONS):
            network = 3 if number < dead else 2
            zone += f"d{number}.test. MX 10 mx.d{number}.test.\nmx.d{number}.test. A 127.{network}.{number // 250}.{number % 250 + 1}\n"
        self.tools, self.sink = tools, None
        subprocess.run(["nft", "delete table ip bench"], stderr=subprocess.DEVNULL)
        self.names = dns.NameServer(folder, {".": zone}, port=53).start()
        rules = "table ip bench { chain out { type filter hook output priority 0; ip daddr 127.3.0.0/16 drop; }; }"
        subprocess.run(["nft", rules], check=True)

    def answer(self):
        if self.sink:
            return
        self.sink = self.tools.sink(25, "0.0.0.0")
        hosts.wait_for(lambda: compare.answers(25), what="the sink")

    def be_silent(self):
        if self.sink:
            self.sink.kill()
            self.sink.wait()
        self.sink = None

    def stop(self):
        self.be_silent()
        self.names.stop()


def fill(port, addresses):
    """Sends a message to each address, over AT_A_TIME connections."""
    def send(some):
        with smtplib.SMTP("127.0.0.1", port, "client.test", timeout=120) as smtp:
            for address in some:
                smtp.sendmail("a@example.org", [address], TEXT)
    threads = [threading.Thread(target=send, args=(addresses[n::AT_A_TIME],)) for n in range(AT_A_TIME)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def memory_of_runner(side):
    """Resident MB of our queue runner; 0 for another program."""
    for pid in compare.descendants(side.pid):
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                if "queue runner" not in file.read():
                    continue
            with open(f"/proc/{pid}/status") as file:
                return sum(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) / 1024
        except OSError:
            continue
    return 0


def try_all(side):
    if isinstance(side, compare.Ours):
        side.host.run("runq", "-qf", check=True)
    else:
        side.inside("postqueue", "-f")


def drained(side, destinations):
    """(seconds, CPU milliseconds of a message, most MB of our runner). The dead destinations keep theirs."""
    destinations.be_silent()
    addresses = [f"bob@d{number % DESTINATIONS}.test" for number in range(QUEUED)]
    rest = sum(int(address[5:-5]) < destinations.dead for address in addresses)
    fill(side.port, addresses)
    hosts.wait_for(lambda: side.queued() >= QUEUED, what="the whole queue")
    time.sleep(10)  # each had an attempt
    destinations.answer()
    before, start, memory = compare.cpu_seconds(side.pid), time.monotonic(), 0
    try_all(side)
    while side.queued() > rest:
        memory = max(memory, memory_of_runner(side))
        time.sleep(0.5)
        if time.monotonic() - start > 1800:
            sys.exit(f"bench/outgoing.py: {side.name} has not delivered {side.queued() - rest} messages in half an hour")
    took = time.monotonic() - start
    return took, (compare.cpu_seconds(side.pid) - before) * 1000 / (QUEUED - rest), memory


class Tarpit:
    """Answers an octet a second, at the port 26 of all addresses."""

    def __init__(self):
        self._listener = socket.create_server(("0.0.0.0", 26))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._drip, args=(client,), daemon=True).start()

    @staticmethod
    def _drip(client):
        try:
            while client.send(b"2"):
                time.sleep(1)
        except OSError:
            pass

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextlib.contextmanager
def running(folder, kinds, *arguments, **settings):
    """A side of each kind, each in a folder of its own; a kind is a class, or a function that makes one."""
    sides, places = [], []
    try:
        for number, kind in enumerate(kinds):
            places.append(tempfile.mkdtemp(prefix=f"{number}-", dir=folder))
            os.chmod(places[-1], 0o755)
            sides.append(kind(places[-1], *arguments, **(settings if kind is compare.Ours else {})))
        yield sides
    finally:
        for side in sides:
            side.stop()
        for place in places:
            compare.unmount(place)
        subprocess.run(["umount", "--lazy", "/var/mail"], stderr=subprocess.DEVNULL)


def compared(sides, measure):
    """By side, the medians of what measure(side) gives, in RUNS rounds."""
    results = {side.name: [] for side in sides}
    for _ in range(RUNS):
        for side in sides:
            results[side.name].append(measure(side))
    return [[statistics.median(values) for values in zip(*results[side.name])] for side in sides]


def heading(text, *names):
    print(f"\n{text}")
    print(f"{'':<52} " + " ".join(f"{name:>10}" for name in names), flush=True)


def show_rates(sides, measure):
    ours, theirs = compared(sides, measure)
    compare.show("until nothing is queued", ours[1], theirs[1], "a second", True)
    compare.show("CPU of one message", ours[2], theirs[2], "ms", False)


def relay(folder, tools):
    port = hosts.free_port()
    sink = tools.sink(port)
    with running(folder, [compare.Ours, compare.Postfix], port) as sides:
        for octets, count in ((4096, MESSAGES), (100_000, MESSAGES // 5)):
            heading(f"{count} messages of {octets} octets to a sink, medians of {RUNS} runs", "postoffice", "Postfix")
            show_rates(sides, lambda side: compare.received(tools, side, "bob@elsewhere.test", count, octets))
    sink.kill()


def tls(folder, tools):
    """The sink is a host of ours; its CPU does not count."""
    pem = certificate(folder)
    place = tempfile.mkdtemp(prefix="sink-", dir=folder)
    os.chmod(place, 0o755)
    sink = hosts.Host(place, tls_certificate=pem, local_domain="elsewhere.test", clients="3000", rate_connections="0",
                      rate_messages="0")
    sink.write_aliases("bob: /dev/null\n")
    sink.start()
    under_tls = "smtp_tls_security_level=encrypt"
    with running(folder, [compare.Ours, lambda where, port: compare.Postfix(where, port, under_tls)], sink.port,
                 remote_tls="encrypt") as sides:
        heading(f"{MESSAGES} messages of 4 KB under TLS to a sink, medians of {RUNS} runs", "postoffice", "Postfix")
        show_rates(sides, lambda side: compare.received(tools, side, "bob@elsewhere.test", MESSAGES))
    sink.end()


def to_mail_hosts(where, _):
    """Postfix that asks DNS."""
    side = compare.Postfix(where, 25, "relayhost=")
    side.copy.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
    side.inside("postfix", "reload")
    return side


DIRECT = {"relay_host": None, "nameserver": "127.0.0.1:53", "retry": "1h"}


def queue(folder, tools):
    destinations = Destinations(folder, tools)
    kinds = [lambda where, port: compare.Ours(where, port, **DIRECT), to_mail_hosts]
    results = []
    for kind in kinds:  # one after the other, since one's queue takes the processor that the other would need
        with running(folder, [kind], 25) as [side]:
            results.append((side.name, *drained(side, destinations)))
    destinations.stop()
    (ours, *mine), (other, *theirs) = results
    heading(f"{QUEUED} messages for {DESTINATIONS} destinations, {DEAD} of them dead; one run", ours, other)
    compare.show("until the others have theirs", mine[0], theirs[0], "s", False)
    compare.show("CPU of one message", mine[1], theirs[1], "ms", False)
    print(f"{'our queue runner, at most':<52} {mine[2]:>10.1f}            MB")


def tarpit(folder, tools):
    destinations = Destinations(folder, tools)
    destinations.answer()
    # The dead destinations are tarpits here.
    subprocess.run(["nft", "flush chain ip bench out; add chain ip bench nat { type nat hook output priority -100; }; "
                    "add rule ip bench nat ip daddr 127.3.0.0/16 tcp dport 25 redirect to :26"], check=True)
    server = Tarpit()
    others = [f"bob@d{number}.test" for number in range(DEAD, DEAD + 50)] * (MESSAGES // 50)
    took = {True: [], False: []}
    for _ in range(RUNS):
        for has_tarpits in (False, True):
            with running(folder, [lambda where, port: compare.Ours(where, port, **DIRECT)], 25) as [side]:
                # The mail for them comes first.
                dripping = [f"bob@d{number}.test" for number in range(3)] * 50 if has_tarpits else []
                fill(side.port, dripping + [others[0]] * AT_A_TIME)
                time.sleep(2)
                start = time.monotonic()
                fill(side.port, others)
                while side.queued() > len(dripping):
                    time.sleep(0.02)
                took[has_tarpits].append(time.monotonic() - start)
    server.close()
    destinations.stop()
    alone, beside = (statistics.median(took[has_tarpits]) for has_tarpits in (False, True))
    heading(f"{len(others)} messages for 50 destinations, medians of {RUNS} runs")
    print(f"alone {alone:.2f} s; beside 150 messages for 3 destinations that answer an octet a second {beside:.2f} s")


def backlog(folder, tools):
    destinations = Destinations(folder, tools, dead=0)
    with running(folder, [lambda where, port: compare.Ours(where, port, **DIRECT)], 25) as [side]:
        def rates():
            destinations.answer()
            return [compare.received(tools, side, f"bob@d{DEAD}.test", MESSAGES) for _ in range(RUNS)]
        new = rates()
        drained(side, destinations)
        later = rates()
    destinations.stop()
    heading(f"{MESSAGES} messages before and after a backlog of {QUEUED}, medians of {RUNS} runs", "before", "after")
    for index, title, unit in ((1, "until nothing is queued", "a second"), (2, "CPU of one message", "ms")):
        before, after = (statistics.median(values[index] for values in runs) for runs in (new, later))
        print(f"{title:<52} {before:>10.2f} {after:>10.2f} {unit}")


def main():
    if os.geteuid() != 0:
        sys.exit("bench/outgoing.py: needs root, to run other mail servers in mount namespaces of their own")
    # The private machine has no way to the package servers.
    subprocess.run(["apt-get", "-q", "-q", "-y", "--no-install-recommends", "--download-only", "install", "postfix"],
                   check=True, stdin=subprocess.DEVNULL)
    accounts.enter_private_machine()
    tools = compare.LoadTools()
    tasks = [relay, tls, queue, tarpit, backlog]
    folder = tempfile.mkdtemp(prefix="postoffice-bench-", dir=compare.FOLDER)
    os.chmod(folder, 0o755)
    if compare.OWN_FILE_SYSTEM:
        compare.make_file_system(folder)
    try:
        for task in tasks:
            if len(sys.argv) == 1 or task.__name__ in sys.argv[1:]:
                task(folder, tools)
    finally:
        if compare.OWN_FILE_SYSTEM:
            subprocess.run(["umount", "--lazy", folder], stderr=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
