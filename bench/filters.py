"""Mail through filters, at our server and at Debian's Postfix, measured in one run: the CPU that a filter which lets all
mail pass (filter.cc) adds to each message at the server; what a filter that takes a second for some messages does to the
others; and the rate of relaying through OpenDKIM, which signs each message with an RSA key of 2048 bits.

Both servers ask the same filter, whose CPU does not count. The sides alternate, in RUNS rounds, with a connection for each
message, which is the dearest case: filters are told of each client.
"""
import os
import shutil
import smtplib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import compare  # noqa: E402
import opendkim  # noqa: E402
import outgoing  # noqa: E402
from compare import accounts, hosts  # noqa: E402

RUNS = int(os.environ.get("RUNS", "5"))
MESSAGES = int(os.environ.get("MESSAGES", "2000"))
SECONDS = 1  # that the slow filter takes
SLOW_CLIENTS = 20


class AgreeingFilter:
    def __init__(self, folder):
        program = os.path.join(compare.TOP, "build", "bench-filter")
        subprocess.run(["c++", "-std=c++20", "-O2", "-pthread", "-o", program,
                        os.path.join(compare.TOP, "bench", "filter.cc")], check=True)
        self.socket = os.path.join(folder, "agreeing.sock")
        self._process = subprocess.Popen([program, self.socket, str(SECONDS)])
        hosts.wait_for(lambda: os.path.exists(self.socket), what="the filter")

    def close(self):
        self._process.kill()
        self._process.wait()


class Ours(compare.Ours):
    def use_filter(self, socket):
        self.host.write_config(filter=f"{socket},on-failure=tempfail" if socket else None)
        self.host.reload()


class Postfix(compare.Postfix):
    def show_sockets(self, folder):
        os.makedirs(self.root + folder, exist_ok=True)
        compare.mount("--bind", folder, self.root + folder)

    def use_filter(self, socket):
        self.inside("postconf", f"smtpd_milters={socket and 'unix:' + socket}")
        self.inside("postfix", "reload")
        self.inside("sleep", "1")  # reload does not wait for the processes of before


def median_of_rounds(sides, sockets, measure):
    """By name of the side and name of the filter, the medians of what measure(side) gives."""
    runs = {(side.name, name): [] for side in sides for name in sockets}
    for _ in range(RUNS):
        for side in sides:
            for name, socket in sockets.items():
                side.use_filter(socket)
                measure(side, 100)
                runs[side.name, name].append(measure(side, MESSAGES))
                if os.path.exists(side.box):
                    os.truncate(side.box, 0)
    return {key: [statistics.median(values) for values in zip(*results)] for key, results in runs.items()}


def agreeing(sides, tools, socket):
    got = median_of_rounds(sides, {"none": "", "agreeing": socket},
                           lambda side, count: compare.received(tools, side, f"alice@{side.domain}", count))
    ours, theirs = (side.name for side in sides)
    outgoing.heading(f"{MESSAGES} messages of 4 KB into a mailbox, a filter that agrees; medians of {RUNS} runs", ours, theirs)
    for name, title in (("none", "without the filter"), ("agreeing", "with it")):
        compare.show(f"{title}: CPU of one message", got[ours, name][2], got[theirs, name][2], "ms", False)
    compare.show("CPU that the filter adds", *(got[name, "agreeing"][2] - got[name, "none"][2] for name in (ours, theirs)), "ms",
                 False)
    compare.show("with it: until nothing is queued", got[ours, "agreeing"][1], got[theirs, "agreeing"][1], "a second", True)


def slow_clients(side, is_over):
    """Threads that send message after message over which the filter takes SECONDS."""
    def send():
        while not is_over.is_set():
            with smtplib.SMTP("127.0.0.1", side.port, local_hostname="client.test", timeout=60) as client:
                client.sendmail("slow@example.org", [f"alice@{side.domain}"], b"Subject: slow\r\n\r\nbody\r\n")
    threads = [threading.Thread(target=send) for _ in range(SLOW_CLIENTS)]
    for thread in threads:
        thread.start()
    return threads


def slow(sides, tools, socket):
    rates = {(side.name, is_slow): [] for side in sides for is_slow in (False, True)}
    for side in sides:
        side.use_filter(socket)
        tools.source(side.port, f"alice@{side.domain}", 500)  # its processes have started then
    for _ in range(RUNS):
        for side in sides:
            for is_slow in (False, True):
                is_over = threading.Event()
                threads = slow_clients(side, is_over) if is_slow else []
                start = time.monotonic()
                tools.source(side.port, f"alice@{side.domain}", MESSAGES)
                rates[side.name, is_slow].append(MESSAGES / (time.monotonic() - start))
                is_over.set()
                for thread in threads:
                    thread.join()
                compare.settle(side)
                os.truncate(side.box, 0)
    ours, theirs = (side.name for side in sides)
    median = {key: statistics.median(values) for key, values in rates.items()}
    outgoing.heading(f"{MESSAGES} messages beside {SLOW_CLIENTS} clients for whom the filter takes {SECONDS} s", ours, theirs)
    compare.show("none of them there", median[ours, False], median[theirs, False], "a second", True)
    compare.show("all of them there", median[ours, True], median[theirs, True], "a second", True)
    compare.show("rate beside them, of the rate without", *(median[name, True] / median[name, False] for name in (ours, theirs)),
                 "", True)


def signing(sides, tools, socket):
    got = median_of_rounds(sides, {"signing": socket},
                           lambda side, count: compare.received(tools, side, "bob@elsewhere.test", count))
    ours, theirs = (got[side.name, "signing"] for side in sides)
    outgoing.heading(f"{MESSAGES} messages of 4 KB relayed through OpenDKIM, RSA 2048; medians of {RUNS} runs",
                     *(side.name for side in sides))
    compare.show("until nothing is queued", ours[1], theirs[1], "a second", True)
    compare.show("CPU of one message", ours[2], theirs[2], "ms", False)


def main():
    if os.geteuid() != 0:
        sys.exit("bench/filters.py: needs root, to run Postfix in a mount namespace of its own")
    subprocess.run(["apt-get", "-q", "-q", "-y", "--no-install-recommends", "--download-only", "install", "postfix"],
                   check=True, stdin=subprocess.DEVNULL)
    accounts.enter_private_machine()
    tools = compare.LoadTools()
    folder = tempfile.mkdtemp(prefix="postoffice-bench-", dir=compare.FOLDER)
    os.chmod(folder, 0o755)
    if compare.OWN_FILE_SYSTEM:
        compare.make_file_system(folder)
    sink_port = hosts.free_port()
    sockets = os.path.join(folder, "sockets")
    os.mkdir(sockets, 0o755)
    sink, filter = tools.sink(sink_port), AgreeingFilter(sockets)
    signer = opendkim.signer(sockets, opendkim.SigningKey(sockets, "example.org", 2048))
    tasks = {agreeing: filter.socket, slow: filter.socket, signing: signer.socket}
    try:
        with outgoing.running(folder, [lambda where, port: Ours(where, port, rate_connections="0", rate_messages="0"),
                                       Postfix], sink_port) as sides:
            sides[1].show_sockets(sockets)
            for task, socket in tasks.items():
                if len(sys.argv) == 1 or task.__name__ in sys.argv[1:]:
                    task(sides, tools, socket)
    finally:
        signer.close()
        filter.close()
        sink.kill()
        if compare.OWN_FILE_SYSTEM:
            subprocess.run(["umount", "--lazy", folder], stderr=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
