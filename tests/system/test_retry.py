"""What could not be delivered waits as long as the configuration says, from the first attempt on."""
import datetime
import os
import time

from host import free_port, wait_for
from sink import Sink


def retry_times(host):
    """What the only journal says of attempts: (when it was tried, when it is tried again). Nothing while there is none."""
    journals = [name for name in os.listdir(host.spool) if name.startswith("cm")]
    if not journals:
        return []
    with open(os.path.join(host.spool, journals[0])) as file:
        lines = [line.split() for line in file]
    return [(words[0], words[3]) for words in lines if words[1:3] == ["retry", "at"]]


def seconds_between(earlier, later):
    times = [datetime.datetime.strptime(t, "%Y-%m-%dT%H:%M:%SZ") for t in (earlier, later)]
    return (times[1] - times[0]).total_seconds()


def test_the_first_wait_is_the_first_of_the_list(host):
    host.write_config(retry="1h,1d")
    host.start()
    host.run("sendmail", "-i", "friend@unreachable.test", input=b"Subject: waits\n\n", check=True)
    wait_for(lambda: host.queue() and retry_times(host), what="a first attempt")
    host.stop()  # an attempt that was due at once is made before the end
    times = retry_times(host)
    assert len(times) == 1
    assert 3600 <= seconds_between(*times[0]) <= 3960  # up to a tenth more, by chance


def test_a_clock_that_was_ahead_keeps_no_mail_waiting(host):
    """Journals say by their times when they are due. What was written while the clock was years ahead, is due now."""
    port = free_port()
    host.write_config(retry="1h", relay_host=f"[127.0.0.1]:{port}")
    host.start()
    host.run("sendmail", "-i", "friend@elsewhere.test", input=b"Subject: waits\n\n", check=True)
    wait_for(lambda: host.queue() and retry_times(host), what="a first attempt")
    host.stop()
    [journal] = [name for name in os.listdir(host.spool) if name.startswith("cm")]
    os.utime(os.path.join(host.spool, journal), (time.time(), time.time() + 10 * 365 * 86400))
    with Sink("127.0.0.1", port) as sink:
        host.start()
        wait_for(lambda: sink.messages, what=lambda: f"the message; log: {host.log_text()}")
        host.wait_for_empty_queue()


def test_a_message_that_is_wanted_now_is_tried_now(host):
    """The server knows the old time of it, and holds its destination for down."""
    port = free_port()
    host.write_config(retry="1h", relay_host=f"[127.0.0.1]:{port}")
    host.start()
    host.run("sendmail", "-i", "friend@elsewhere.test", input=b"Subject: waits\n\n", check=True)
    wait_for(lambda: host.queue() and retry_times(host), what="a first attempt")
    [journal] = [name for name in os.listdir(host.spool) if name.startswith("cm")]
    with Sink("127.0.0.1", port) as sink:
        host.run("sendmail", "-M", journal.removeprefix("cm"), check=True)
        wait_for(lambda: sink.messages, what=lambda: f"the message; log: {host.log_text()}")
        host.wait_for_empty_queue()


def test_mail_for_a_host_that_is_down_is_not_counted_as_tried(host):
    host.write_config(retry="1h", relay_host=f"[127.0.0.1]:{free_port()}")
    host.start()
    for number in range(2):
        host.run("sendmail", "-i", f"friend{number}@elsewhere.test", input=b"Subject: waits\n\n", check=True)
        wait_for(lambda: host.log_text().count(" deferred to=") > number, what=host.log_text)
    wait_for(lambda: sorted(line.split(b" attempt")[0].split()[-1] for line in host.run("mailq", "-v").stdout.splitlines()
                            if b" attempt" in line) == [b"0", b"1"], what="one attempt in all")
    assert host.run("mailq").stdout.count(b"(451 4.4.1 ") == 2
