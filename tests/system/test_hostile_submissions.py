"""Files that users put into drop/ with any program delay no other mail."""
import os
import time

from conftest import needs_root
from host import wait_for

pytestmark = needs_root
POSTOFFICE = 7900
MALLORY = 7904


def put_drop(host, number, envelope, octets, owner=MALLORY):
    """Writes a submission of the length that it announces, most of it a hole."""
    path = os.path.join(host.spool, "drop", f"x{number:012}")
    with open(path, "wb") as file:
        file.write(f"postoffice drop 1 envelope {len(envelope)} message {octets}\n".encode() + envelope)
        file.truncate(file.tell() + octets)
        os.fchown(file.fileno(), owner, POSTOFFICE)
        os.fchmod(file.fileno(), 0o640)


def test_huge_submissions_delay_no_other_mail(host):
    """More of them than there are workers, and each would take an hour to read."""
    host.write_config(size="1m")
    host.start()
    for number in range(8):
        put_drop(host, number, b"from: <mallory>\nto: <bob>\n\n", 1 << 40)
    host.run("runq", check=True)
    host.run("sendmail", "-i", "alice", input=b"Subject: small\n\n", check=True)
    host.wait_for_mail("alice", b"Subject: small")
    wait_for(lambda: host.mailbox("mallory").count(b"Message larger than") >= 8,
             what=lambda: f"the reports; log: {host.log_text()[-2000:]}")
    host.wait_for_empty_queue()


def test_a_submission_that_cannot_be_read_is_kept(host):
    """Its sendmail may have reported success, so it waits until its group is corrected."""
    host.start()
    host.stop()
    text = b"from: <bob>\nto: <alice>\n\n"
    message = b"Subject: waits\n\n"
    path = os.path.join(host.spool, "drop", "x1")
    with open(path, "wb") as file:
        file.write(f"postoffice drop 1 envelope {len(text)} message {len(message)}\n".encode() + text + message)
        os.fchown(file.fileno(), 0, 0)
        os.fchmod(file.fileno(), 0o640)
    os.utime(path, (time.time(), time.time() - 7200))
    host.start()
    wait_for(lambda: f"submission-unreadable file={path}" in host.log_text(), what=lambda: f"a word about it; {host.log_text()}")
    os.chown(path, 0, POSTOFFICE)
    host.run("runq", check=True)
    host.wait_for_mail("alice", b"Subject: waits")
    host.wait_for_empty_queue()
