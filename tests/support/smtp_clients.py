"""Clients that speak SMTP to a host: one that sends a message, one that is inside a transaction."""
import socket

from host import local_user


def message(subject):
    """A message with CRLF line ends; `subject` is bytes."""
    return b"From: a@example.org\r\nTo: you\r\nSubject: %s\r\n\r\nbody\r\n" % subject


def send(host, subject, *recipients, sender="a@example.org"):
    with host.smtp() as client:
        client.sendmail(sender, list(recipients) or [local_user()], message(subject))


def in_a_transaction(host):
    """A client after MAIL and RCPT."""
    client = host.smtp()
    client.ehlo()
    assert client.mail("a@example.org")[0] == 250
    assert client.rcpt(local_user())[0] == 250
    return client


def refuses_connections(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # the port was closed while the connection waited to be accepted
    return False
