"""A user who locks a mailbox or stops local agents delays only mail for that user. The tests compare what arrives
while the user is slow with what does not."""
import fcntl
import os
import signal

from conftest import needs_root
from host import wait_for
from processes import wait_for_title

EVE, OTHER = "mallory", "bob"


def submit(host, to, subject, by=EVE):
    """Submits a message with the sendmail of the user."""
    host.run("sendmail", to, input=f"Subject: {subject}\n\n".encode(), check=True, user=by, group="postoffice", cwd="/")


def subjects(host, user, word):
    return host.mailbox(user).count(b"Subject: " + word.encode())


def warm_agent(host, user):
    """The pid of the agent of the user after a delivery."""
    submit(host, user, "first", by=user)
    host.wait_for_mail(user, b"Subject: first")
    return wait_for_title(host, f"deliver {user}")[0]


@needs_root
def test_submissions_do_not_wait_for_an_agent_that_its_user_stopped(host):
    host.start()
    agent = warm_agent(host, EVE)
    os.kill(agent, signal.SIGSTOP)
    try:
        for i in range(12):
            submit(host, EVE, "mine")
        submit(host, OTHER, "yours", by=OTHER)
        host.wait_for_mail(OTHER, b"Subject: yours")
        assert subjects(host, EVE, "mine") == 0
    finally:
        os.kill(agent, signal.SIGCONT)
    wait_for(lambda: subjects(host, EVE, "mine") == 12, what="what had waited for the agent")
    host.wait_for_empty_queue()
    assert subjects(host, EVE, "mine") == 12, "each message once"


@needs_root
def test_submissions_do_not_wait_for_a_mailbox_that_its_user_locks(host):
    host.start()
    warm_agent(host, EVE)
    with open(host.mailbox_path(EVE), "rb+") as mailbox:
        fcntl.flock(mailbox, fcntl.LOCK_EX)
        for i in range(12):
            submit(host, EVE, "mine")
        submit(host, OTHER, "yours", by=OTHER)
        host.wait_for_mail(OTHER, b"Subject: yours")
        assert subjects(host, EVE, "mine") == 0
    wait_for(lambda: subjects(host, EVE, "mine") == 12, what="what had waited for the lock")
    host.wait_for_empty_queue()
    assert subjects(host, EVE, "mine") == 12, "each message once"


@needs_root
def test_queued_mail_does_not_wait_for_a_mailbox_of_another_user(host):
    """There are more messages than the queue has processes for mailboxes."""
    host.write_aliases(f"both: {EVE}, \"|cat >/dev/null\"\nother: {OTHER}, \"|cat >/dev/null\"\n")
    host.start()
    agent = warm_agent(host, EVE)
    os.kill(agent, signal.SIGSTOP)
    try:
        for i in range(30):
            submit(host, "both", "mine")
        wait_for(lambda: len(host.queue()) == 30, what="mail for the slow user in the queue")
        submit(host, "other", "yours", by=OTHER)
        host.wait_for_mail(OTHER, b"Subject: yours")
        assert subjects(host, EVE, "mine") == 0
    finally:
        os.kill(agent, signal.SIGCONT)
    wait_for(lambda: subjects(host, EVE, "mine") == 30, what="what had waited for the agent")
