"""What a backlog has made of the spool is gone when the backlog is: each folder of messages that has grown is removed
when it is empty. On ext4 a folder stays as large as it ever was, and each new name in it costs more."""
import os
import re

import pytest

from host import wait_for
from sink import Sink

LARGE = 65536


def folders(host):
    """Octets of the spool, and of each folder of messages."""
    return {entry.path: entry.stat().st_size for entry in os.scandir(host.spool) if entry.is_dir() and entry.name != "drop"}


def multiply(host, count):
    """Copies the only message in the queue, under other ids of the same quarter of an hour."""
    journal, = host.paths_in_spool("cm")
    folder, id = os.path.dirname(journal), os.path.basename(journal)[2:]
    owner = os.stat(journal)
    with open(journal) as file:
        text = file.read()
    for number in range(count):
        new = f"{id[:4]}zzzz{number:05}"
        path = os.path.join(folder, f"cm{new}")
        with open(path, "w") as file:
            file.write(text.replace(id, new))
        os.chown(path, owner.st_uid, owner.st_gid)
    return count + 1


@pytest.mark.timeout(600)
def test_a_folder_that_has_grown_is_gone_after_the_backlog(host, is_long):
    with Sink() as sink:
        host.write_config(relay_host=sink.endpoint, retry="1h")
        sink.verdict = lambda address: "451 4.3.0 not now"
        host.start()
        host.run("sendmail", "-i", "friend@elsewhere.test", input=b"Subject: x\n\n", check=True)
        wait_for(lambda: " deferred to=" in host.log_text(), what=host.log_text)
        host.stop()
        total = multiply(host, 20_000 if is_long else 3000)
        if max(folders(host).values()) < LARGE:
            pytest.skip("NEEDS a file system whose folders do not shrink: a temporary folder on ext4")

        sink.verdict = lambda address: "250 2.1.5 OK"
        host.start()
        host.run("runq", "-qf", check=True)
        wait_for(lambda: len(sink.messages) >= total, 500, lambda: f"{total} messages; {len(sink.messages)} have come")
        wait_for(lambda: all(size < LARGE for size in folders(host).values()), what=lambda: str(folders(host)))
        assert len(sink.messages) == total
        host.run("sendmail", "-i", "friend@elsewhere.test", input=b"Subject: after it\n\n", check=True)
        wait_for(lambda: len(sink.messages) == total + 1, what="a message after the backlog")


def as_earlier_version(host, journal):
    """Makes the message two files in the spool itself."""
    with open(journal, "rb") as file:
        envelope, rest = file.read().split(b"end of envelope\n", 1)
    size = int(re.search(rb"^size: (\d+)$", envelope, re.MULTILINE)[1])
    message, events = rest[:size], rest[size:].removeprefix(b"\nend of message\n")
    status = os.stat(journal)
    id = os.path.basename(journal)[2:]
    for name, text in ((f"dm{id}", message), (f"cm{id}", envelope.replace(b"journal 2", b"journal 1")
                                               + b"end of envelope\n" + events)):
        path = os.path.join(host.spool, name)
        with open(path, "wb") as file:
            file.write(text)
        os.chown(path, status.st_uid, status.st_gid)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.unlink(journal)


def test_a_spool_of_an_earlier_version_is_delivered(host):
    """Its messages have two files each, in the spool itself, not in a folder of theirs."""
    with Sink() as sink:
        host.write_config(relay_host=sink.endpoint, retry="1h")
        sink.verdict = lambda address: "451 4.3.0 not now"
        host.start()
        for number in range(3):
            host.run("sendmail", "-i", "friend@elsewhere.test", input=f"Subject: {number}\n\n".encode(), check=True)
        wait_for(lambda: host.log_text().count(" deferred to=") == 3, what=host.log_text)
        host.stop()
        for path in host.paths_in_spool("cm"):
            as_earlier_version(host, path)
        for path in folders(host):
            os.rmdir(path)
        assert len(host.queue()) == 3
        held = host.queue()[0]["queue_id"]
        host.run("sendmail", "-Mf", held, check=True)

        sink.verdict = lambda address: "250 2.1.5 OK"
        host.start()
        host.run("runq", "-qf", check=True)
        wait_for(lambda: len(sink.messages) == 2, what=host.log_text)
        assert [message["queue_id"] for message in host.queue()] == [held]
        host.run("sendmail", "-Mt", held, check=True)
        host.run("runq", "-qf", check=True)
        wait_for(lambda: len(sink.messages) == 3, what=host.log_text)
        assert sorted(re.search(rb"Subject: (.)", data)[1] for _, _, data in sink.messages) == [b"0", b"1", b"2"]
        host.wait_for_empty_queue()
        wait_for(lambda: not host.paths_in_spool("[dr]m"), what="the removal of finished messages")
