"""With the option, MAILBOX.lock locks a mailbox in addition to the locks of the kernel, as mail programs of Debian
expect."""
import os
import socket

from host import local_user, wait_for


def send(host, subject):
    host.run("sendmail", local_user(), input=f"Subject: {subject}\n\n".encode(), check=True)


def lock_of(host):
    return host.mailbox_path(local_user()) + ".lock"


def test_a_lock_of_an_agent_that_was_killed_is_removed(host):
    host.start()
    with open(lock_of(host), "w") as file:
        file.write(f"{os.getpid()} {socket.gethostname()} postoffice\n")  # also if its process is alive
    send(host, "hello")
    host.wait_for_mail(local_user(), b"Subject: hello")
    wait_for(lambda: not os.path.exists(lock_of(host)), what="the removal of our lock")


def test_an_agent_waits_for_the_lock_of_another_program(host):
    host.start()
    with open(lock_of(host), "w") as file:
        file.write(f"{os.getpid()}\n")
    send(host, "waits")
    send(host, "too")
    wait_for(lambda: os.path.exists(host.mailbox_path(local_user())), what="an agent at the lock")
    assert b"Subject:" not in host.mailbox(local_user())
    os.unlink(lock_of(host))
    host.wait_for_mail(local_user(), b"Subject: waits")
    host.wait_for_mail(local_user(), b"Subject: too")
    wait_for(lambda: not os.path.exists(lock_of(host)), what="the removal of our lock")


def test_without_the_option_there_is_no_lock_file(host):
    host.write_config(dot_lock="0")
    host.start()
    with open(lock_of(host), "w") as file:
        file.write(f"{os.getpid()}\n")
    send(host, "hello")
    host.wait_for_mail(local_user(), b"Subject: hello")
    assert os.path.exists(lock_of(host))
