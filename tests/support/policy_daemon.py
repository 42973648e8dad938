"""A policy daemon that keeps what it is asked and answers as a test says, and Debian's own policy daemons."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading

from host import free_port, wait_for


class PolicyDaemon:
    """`answer`: the text behind "action=", octets to send as they are, or a function of the attributes that gives
    either; None closes the connection. `requests` has the attributes of each question, in the order in which they came.
    `place`: as policy-service= has it."""

    def __init__(self, answer="DUNNO", path=None, port=None):
        self.answer = answer
        self.requests = []
        self.connections = 0
        self._open = []
        if path:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.bind(path)
            os.chmod(path, 0o666)
            self.place = path
        else:
            self._socket = socket.create_server(("127.0.0.1", port or free_port()))
            self.place = "127.0.0.1:%d" % self._socket.getsockname()[1]
        self._socket.listen(50)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection = self._socket.accept()[0]
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        attributes = {}
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            for line in lines:
                if line != b"\n":
                    name, _, value = line.decode().rstrip("\n").partition("=")
                    attributes[name] = value
                    continue
                self.requests.append(attributes)
                said = self.answer(attributes) if callable(self.answer) else self.answer
                if said is None:
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                connection.sendall(said if isinstance(said, bytes) else f"action={said}\n\n".encode())
                attributes = {}

    def states(self):
        return [one["protocol_state"] for one in self.requests]

    def hang_up(self):
        """Closes the connections; new ones are served."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open = []

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.hang_up()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


POSTGREY = shutil.which("postgrey", path="/usr/sbin:/usr/bin")
POLICYD_WEIGHT = shutil.which("policyd-weight", path="/usr/sbin:/usr/bin")


@contextlib.contextmanager
def postgrey(folder, *arguments):
    """Debian's postgrey, as its package starts it; gives its place."""
    port = free_port()
    database = os.path.join(folder, "postgrey")
    os.mkdir(database)
    shutil.chown(database, "nobody", "nogroup")
    for name in ("clients", "recipients"):
        open(os.path.join(folder, f"whitelist_{name}"), "w").close()
    with open(os.path.join(folder, "postgrey.log"), "wb") as log:
        process = subprocess.Popen(
            [POSTGREY, f"--inet=127.0.0.1:{port}", f"--dbdir={database}", "--user=nobody", "--group=nogroup",
             f"--whitelist-clients={folder}/whitelist_clients", f"--whitelist-recipients={folder}/whitelist_recipients",
             *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for(lambda: _listens(port), what="postgrey")
        yield f"inet:127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


@contextlib.contextmanager
def policyd_spf(folder, machine, nameserver):
    """Debian's policyd-spf on a port of a machine of the test. Postfix's spawn(8) starts it for each connection, with
    the connection as standard input and output; so does this."""
    paths = {name: os.path.join(folder, name) for name in ("policyd-spf.conf", "resolv.conf")}
    with open(paths["policyd-spf.conf"], "w") as file:
        file.write("debugLevel = 0\nTestOnly = 1\nHELO_reject = Fail\nMail_From_reject = Fail\n"
                   "PermError_reject = False\nTempError_Defer = False\nskip_addresses = 127.0.0.0/8\n")
    with open(paths["resolv.conf"], "w") as file:
        file.write(f"nameserver {nameserver}\n")
    script = (f"mount --bind {paths['resolv.conf']} /etc/resolv.conf && exec {sys.executable} -c "
              f"'from spf_engine.policyd_spf import main; main()' {paths['policyd-spf.conf']}")
    children = []
    with machine.inside():
        server = socket.create_server(("127.0.0.1", 10045))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection = server.accept()[0]
                children.append(subprocess.Popen([*machine.prefix, "unshare", "--mount", "sh", "-c", script],
                                                 stdin=connection, stdout=connection))
                connection.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield "127.0.0.1:10045"
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        for child in children:
            child.terminate()
            child.wait(20)


@contextlib.contextmanager
def policyd_weight(folder, machine, nameserver, list_name):
    """Debian's policyd-weight on a port of a machine of the test, with one list of DNS."""
    paths = {name: os.path.join(folder, name) for name in ("policyd-weight.conf", "weight-resolv.conf", "weight.log")}
    state = os.path.join(folder, "policyd-weight")
    os.mkdir(state, 0o700)
    shutil.chown(state, "nobody", "nogroup")
    with open(paths["policyd-weight.conf"], "w") as file:
        file.write(f"""$TCP_PORT = 12525; $BIND_ADDRESS = '127.0.0.1'; $USER = 'nobody'; $GROUP = 'nogroup';
            @dnsbl_score = ('{list_name}', 9, 0, 'LISTED'); @rhsbl_score = (); $syslog_socktype = 'console';
            $LOCKPATH = '{state}/'; $SPATH = '{state}/cache'; $PIDFILE = '{state}/pid'; $NS = '{nameserver}';\n""")
    with open(paths["weight-resolv.conf"], "w") as file:
        file.write(f"nameserver {nameserver}\n")
    script = (f"mount --bind {paths['weight-resolv.conf']} /etc/resolv.conf && "
              f"exec {POLICYD_WEIGHT} -D -f {paths['policyd-weight.conf']} start")
    with open(paths["weight.log"], "wb") as log:
        process = subprocess.Popen([*machine.prefix, "unshare", "--mount", "--pid", "--fork", "sh", "-c", script],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        with machine.inside():
            wait_for(lambda: _listens(12525), what=lambda: open(paths["weight.log"]).read())
        yield "127.0.0.1:12525"
    finally:
        # The end of the first process of a process namespace is that of all.
        with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
            for child in file.read().split():
                os.kill(int(child), signal.SIGKILL)
        process.wait(20)
