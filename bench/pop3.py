"""POP3 at our server and at Debian's Dovecot, measured in one run: logins, the text of a large message, the opening of a
large mbox, and the memory of silent clients.

Both have the same virtual users, with the same hashes of passwords (SHA-512 of crypt(5)), and mbox files on the same disk;
some have passwords in plain text, so that the cost of the servers shows beside that of the hash. TLS is off. The sides
alternate, in RUNS rounds; the clients are processes of pop3client, whose CPU does not count.
"""
import os
import pwd
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import compare  # noqa: E402
from compare import accounts, hosts  # noqa: E402

RUNS = int(os.environ.get("RUNS", "3"))
SESSIONS = int(os.environ.get("SESSIONS", "2000"))
IDLE = int(os.environ.get("CLIENTS", "200"))
FOLDER = os.environ.get("FOLDER", "/var/tmp")
AT_A_TIME = 4
LARGE = 10 * 1000 * 1000
MANY = 10_000
HASH = subprocess.run(["openssl", "passwd", "-6", "secret"], check=True, capture_output=True, text=True).stdout.strip()
USERS = [f"u{n}" for n in range(IDLE)] + ["large", "many"]
PLAIN = [f"p{n}" for n in range(AT_A_TIME)]  # their passwords are stored as text: a login costs no hash
PASSWD = "".join([f"{user}:{HASH}\n" for user in USERS] + [f"{user}:{{PLAIN}}secret\n" for user in PLAIN])

CONFIG = """
protocols = pop3
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
ssl = no
disable_plaintext_auth = no
default_login_user = nobody
default_internal_user = nobody
default_internal_group = nogroup
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
mail_location = mbox:{folder}/index/%n:INBOX={folder}/box/%n
mail_max_userip_connections = 0
passdb {{
  driver = passwd-file
  args = scheme=CRYPT username_format=%n {folder}/passwd
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/index/%n
}}
default_client_limit = 4000
default_process_limit = 1000
service pop3-login {{
  inet_listener pop3 {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
"""


def fill(folder, owner):
    """The same mailboxes for both sides."""
    os.makedirs(folder, exist_ok=True)
    line = b"x" * 76 + b"\n"
    from_line = b"From a@x.test Sat Nov 21 10:00:00 2026\n"
    texts = {"large": from_line + b"Subject: large\n\n" + line * (LARGE // len(line)) + b"\n",
             "many": b"".join(from_line + b"Subject: %d\n\n" % n + line * 50 + b"\n" for n in range(MANY))}
    for user in USERS + PLAIN:
        path = os.path.join(folder, user)
        with open(path, "wb") as file:
            file.write(texts.get(user, b""))
        os.chmod(path, 0o600)
    for path in [folder] + [os.path.join(folder, user) for user in USERS + PLAIN]:
        os.chown(path, owner.pw_uid, owner.pw_gid)
    os.chmod(folder, 0o700)


class Ours:
    name, domain = "postoffice", "@v.test"

    def __init__(self, folder, owner):
        path = os.path.join(folder, "ours")
        etc = os.path.join(path, "vhosts", "v.test")
        os.makedirs(etc)
        with open(os.path.join(etc, "passwd"), "w") as file:
            file.write(PASSWD)
        with open(os.path.join(path, "vhosts", "domains.cf"), "w") as file:
            file.write("alice:v.test:1:bench\n")
        alice = pwd.getpwnam("alice")
        for one in (etc, os.path.join(etc, "passwd")):
            os.chown(one, alice.pw_uid, alice.pw_gid)
        spool = os.path.join(path, "vspool")
        os.makedirs(spool)
        os.chown(spool, owner.pw_uid, owner.pw_gid)
        os.chmod(spool, 0o700)
        self.box = os.path.join(spool, "v.test")
        fill(self.box, owner)
        self.port = hosts.free_port()
        self.host = hosts.Host(path, clients="3000", vhost_dir=os.path.join(path, "vhosts"), vhost_spool=spool,
                               pop3=f"127.0.0.1:{self.port}").start()
        self.pid = self.host.process.pid

    def stop(self):
        self.host.end()


class Dovecot:
    name, domain = "Dovecot", ""

    def __init__(self, folder, owner):
        path = os.path.join(folder, "dovecot")
        os.makedirs(os.path.join(path, "index"))
        os.chown(os.path.join(path, "index"), owner.pw_uid, owner.pw_gid)
        self.box = os.path.join(path, "box")
        fill(self.box, owner)
        self.port = hosts.free_port()
        with open(os.path.join(path, "passwd"), "w") as file:
            file.write(PASSWD)
        with open(os.path.join(path, "conf"), "w") as file:
            file.write(CONFIG.format(folder=path, uid=owner.pw_uid, gid=owner.pw_gid, port=self.port))
        self.process = subprocess.Popen(["dovecot", "-F", "-c", os.path.join(path, "conf")], stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        hosts.wait_for(self.answers, what="Dovecot answering")

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as one:
                return one.recv(3) == b"+OK"
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


class Client:
    def __init__(self, side, user=None):
        self.socket = socket.create_connection(("127.0.0.1", side.port), timeout=120)
        self.stream = self.socket.makefile("rb", buffering=1 << 20)
        self.expect()
        if user:
            self.ask(f"USER {user}{side.domain}")
            self.ask("PASS secret")

    def expect(self):
        line = self.stream.readline()
        if not line.startswith(b"+OK"):
            sys.exit(f"bench/pop3.py: {line}")

    def ask(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        self.expect()

    def text_of(self, number):
        """Octets of a whole message."""
        self.ask(f"RETR {number}")
        count, tail, piece = 0, b"", bytearray(1 << 20)
        while tail != b"\r\n.\r\n":
            size = self.stream.readinto1(piece)
            count += size
            tail = (tail + bytes(piece[max(size - 5, 0):size]))[-5:]
        return count - 3

    def quit(self):
        self.ask("QUIT")
        self.stream.close()
        self.socket.close()


def logins(side, kind):
    """Sessions a second of users with a name of this kind, and the server's CPU for one in milliseconds."""
    before, start = compare.cpu_seconds(side.pid), time.monotonic()
    clients = [subprocess.Popen(["pop3client", "-p", "-n", str(SESSIONS // AT_A_TIME), f"{kind}{n}{side.domain}",
                                 f"127.0.0.1:{side.port}"], executable=hosts.BINARY,
                                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) for n in range(AT_A_TIME)]
    for client in clients:
        client.stdin.write("secret\n")
        client.stdin.close()
    if any([client.wait() for client in clients]):
        sys.exit(f"bench/pop3.py: logins failed at {side.name}")
    took = time.monotonic() - start
    return SESSIONS / took, (compare.cpu_seconds(side.pid) - before) * 1000 / SESSIONS


def rate_of_large(side):
    """Megabytes a second of the text of one message."""
    client = Client(side, "large")
    start = time.monotonic()
    octets = client.text_of(1)
    took = time.monotonic() - start
    client.quit()
    return octets / took / 1e6


def rate_of_loopback():
    """The same of a socket with nothing behind it."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listening.accept()[0] as one:
            one.sendall(b"x" * LARGE)
    thread = threading.Thread(target=serve)
    thread.start()
    with socket.create_connection(listening.getsockname()) as one:
        start, piece = time.monotonic(), bytearray(1 << 20)
        while one.recv_into(piece):
            pass
        took = time.monotonic() - start
    thread.join()
    return LARGE / took / 1e6


def opening(side):
    """Seconds from the password to the number of messages."""
    client = Client(side)
    client.ask(f"USER many{side.domain}")
    start = time.monotonic()
    client.ask("PASS secret")
    client.ask("STAT")
    took = time.monotonic() - start
    client.quit()
    return took


def first_and_second_opening(side):
    for path in (os.path.join(side.box, ".many.pop3"), os.path.join(os.path.dirname(side.box), "index", "many")):
        shutil.rmtree(path, ignore_errors=True)
        if os.path.isfile(path):
            os.unlink(path)
    return opening(side) * 1000, opening(side) * 1000


def memory_of_idle(side, has_logged_in):
    """KiB of processes, and of sockets in the kernel, for one more client when half of them are there: processes that are
    kept ready do not count."""
    clients, memory = [], []
    for half in range(2):
        clients += [Client(side, f"u{half * IDLE // 2 + n}" if has_logged_in else None) for n in range(IDLE // 2)]
        time.sleep(5)
        memory.append((compare.memory_kib(side.pid), compare.sockets_kib(side.pid)))
    for client in clients:
        client.quit()
    time.sleep(2)
    return [(after - before) / (IDLE // 2) for before, after in zip(*memory)]


#: What is printed: unit, and whether more is better.
LINES = {
    "logins, STAT, QUIT a second": ("", True), "CPU of one": ("ms", False),
    "logins without a hash a second": ("", True), "CPU of one without a hash": ("ms", False),
    f"RETR of {LARGE // 10**6} MB, MB a second": ("", True),
    f"mbox of {MANY} messages, opened first": ("ms", False), "opened again": ("ms", False),
    "greeted: memory of the processes for one": ("KiB", False), "greeted: sockets in the kernel": ("KiB", False),
    "logged in: memory of the processes for one": ("KiB", False), "logged in: sockets in the kernel": ("KiB", False)}


def speed_of(side):
    return [*logins(side, "u"), *logins(side, "p"), rate_of_large(side), *first_and_second_opening(side)]


def memory_of(side):
    return [*memory_of_idle(side, False), *memory_of_idle(side, True)]


def main():
    if os.geteuid() != 0:
        sys.exit("bench/pop3.py: needs root, for accounts and a mount namespace of its own")
    accounts.enter_private_machine()
    folder = tempfile.mkdtemp(prefix="postoffice-pop3-", dir=FOLDER)
    os.chmod(folder, 0o755)
    owner = pwd.getpwnam("mail")
    sides = []
    try:
        sides += [Ours(folder, owner), Dovecot(folder, owner)]
        speed, loopback = {side.name: [] for side in sides}, []
        for _ in range(RUNS):
            loopback.append(rate_of_loopback())
            for side in sides:
                speed[side.name].append(speed_of(side))
        results = [[statistics.median(values) for values in zip(*speed[side.name])] + memory_of(side) for side in sides]
        print(f"\n{SESSIONS} logins, {AT_A_TIME} at a time; {IDLE} silent clients; medians of {RUNS} runs")
        print(f"{'':<52} {sides[0].name:>10} {sides[1].name:>10}")
        for (title, (unit, more)), ours, theirs in zip(LINES.items(), *results):
            compare.show(title, ours, theirs, unit, more)
        print(f"{'a socket alone, for both, MB a second':<52} {statistics.median(loopback):>10.2f}")
    finally:
        for side in sides:
            side.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
