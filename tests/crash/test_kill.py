"""A kill of any processes at any time loses no acknowledged message.

Clients send as fast as they can while random processes of the tree are killed. Each acknowledged message (250 after
DATA, exit status 0 of sendmail) must arrive complete. A second copy is permitted only where a kill came between a
delivery and its record, so the number of kills bounds the number of copies. 20 kills; 200 with --long.
"""
import os
import random
import signal
import smtplib
import threading
import time

import pytest

import tracked
from host import local_user, wait_for
from sink import Sink

CLIENTS = 4


class Load:
    """Clients that send as fast as they can, and the tokens of acknowledged messages by destination."""

    def __init__(self, host, seed):
        self.host = host
        self.seed = seed
        self.stopping = False
        self.lock = threading.Lock()
        self.acknowledged = {"mailbox": set(), "sink": set()}
        self.threads = [threading.Thread(target=self.client, args=(n,)) for n in range(CLIENTS)]
        self.threads.append(threading.Thread(target=self.submitter))

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self.threads)

    def note(self, place, token):
        with self.lock:
            self.acknowledged[place].add(token)

    def client(self, number):
        choice = random.Random(f"{self.seed}-{number}")
        count = 0
        while not self.stopping:
            try:
                with self.host.smtp() as smtp:
                    for _ in range(choice.randrange(1, 4)):
                        count += 1
                        token = f"client-{number}-{count}"
                        place = choice.choice(["mailbox", "sink"])
                        to = local_user() if place == "mailbox" else "you@elsewhere.test"
                        text = tracked.make(token, choice.choice([500, 4000, 90000]))
                        smtp.sendmail("sender@example.org", [to], tracked.for_smtp(text))
                        self.note(place, token)
            except (smtplib.SMTPException, OSError):
                time.sleep(0.02)  # not acknowledged: the client still has the message

    def submitter(self):
        count = 0
        while not self.stopping:
            count += 1
            token = f"submitted-{count}"
            done = self.host.run("sendmail", "-i", "-oem", local_user(), input=tracked.make(token))
            if done.returncode == 0:
                self.note("mailbox", token)


def kill_one(host, choice):
    """Sends SIGKILL to one process of the tree, or to all at once; returns whether the daemon must be started again."""
    processes = host.processes()
    master = host.process.pid
    others = [pid for pid in processes if pid != master]
    if not others or choice.random() < 0.15:
        for pid in [master, *others]:
            _kill(pid)
        host.process.wait(20)
        return True
    _kill(choice.choice(others))
    return False


def _kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def start_again(host):
    """The ports and the lock of the spool may be released a moment after the kill."""
    def try_it():
        try:
            return host.start(has_clients=True)
        except AssertionError:
            host.process.wait(20)
            return None
    wait_for(try_it, 20, "the restart")


@pytest.mark.timeout(900)
def test_nothing_acknowledged_is_lost(host, is_long):
    kills = 200 if is_long else 20
    seed = os.environ.get("SEED", str(random.randrange(1 << 30)))
    print(f"SEED={seed}")
    choice = random.Random(seed)
    with Sink() as sink:
        host.write_config(relay_host=f"[127.0.0.1]:{sink.port}", retry="1s", clients="50")
        host.start()
        load = Load(host, seed)
        load.start()
        try:
            for _ in range(kills):
                time.sleep(choice.uniform(0.02, 0.4))
                if kill_one(host, choice):
                    start_again(host)
        finally:
            load.stop()
        if host.process.poll() is not None:
            start_again(host)
        settle(host)
        account_for(load.acknowledged, arrived(host, sink), kills)


def settle(host):
    """Waits until the queue is empty; a queue run tries again the messages of killed processes."""
    def is_done():
        host.run("runq", "-qf")
        time.sleep(0.1)
        waiting = host.paths_in_spool("cm")
        drops = [f for f in os.listdir(os.path.join(host.spool, "drop")) if not f.startswith("tm")]
        # A submission whose writer was killed is never taken in; this test kills no writers.
        return not waiting and not drops
    wait_for(is_done, 60, f"an empty queue; {host.log_text()[-2000:]}")
    assert not host.paths_in_spool("bad"), "a journal or drop was damaged"


def arrived(host, sink):
    tokens, partial = tracked.in_mbox(host.mailbox_path(local_user()))
    print(f"{partial} partial messages, each alone")
    in_sink = [token for _, _, text in list(sink.messages) for token in tracked.complete(text)]
    return {"mailbox": tokens, "sink": in_sink}


def account_for(acknowledged, found, kills):
    lost = {place: acknowledged[place] - set(found[place]) for place in acknowledged}
    copies = {place: len(found[place]) - len(set(found[place])) for place in found}
    total = sum(map(len, acknowledged.values()))
    print(f"{kills} kills, {total} acknowledged, lost {lost}, copies more {copies}")
    assert total > kills, "too little load"
    assert not any(lost.values()), f"lost: {lost}"
    # A client that got no reply does not send again here, so a copy comes only from a kill between a delivery and
    # its record; one kill can affect a batch of an agent and the messages that are being sent.
    assert sum(copies.values()) <= kills * (CLIENTS + 1)
