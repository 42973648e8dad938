"""The log as an interface: its form, and the programs that read it."""
import json
import smtplib
import socket

from host import local_user, wait_for

FIXED = {"time", "tag", "pid", "level", "event"}


def send(host, recipient=None):
    with smtplib.SMTP("127.0.0.1", host.port, timeout=30) as client:
        client.ehlo("client.test")
        client.sendmail("alice@host.test", [recipient or local_user()], "Subject: logged\n\nhello\n")


def test_each_line_is_an_object_where_the_configuration_says_so(host):
    host.write_config(log_format="json", audit="1")
    host.start()
    send(host)
    with socket.create_connection(("127.0.0.1", host.port), timeout=30) as client:
        client.recv(512)
        for line in (b"HELO x", b'MAIL FROM:<\xff"\\ x@b@c>'):
            client.sendall(line + b"\r\n")
            client.recv(512)
        wait_for(lambda: "refused" in host.log_text(), what="the refusal")
    host.stop()
    with open(host.log, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    assert all(FIXED <= line.keys() for line in lines), lines
    by_event = {line["event"]: line for line in lines}
    assert by_event["started"]["level"] == "notice" and by_event["started"]["tag"] == "postoffice"
    assert by_event["delivered"]["id"] == by_event["received"]["id"]
    assert by_event["refused"]["argument"] == 'FROM:<\ufffd"\\ x@b@c>'
    assert any(line.get("record", "").startswith("AUDIT:") for line in lines)


def test_the_form_changes_with_the_configuration(host):
    host.start()
    host.write_config(log_format="json")
    host.reload()
    send(host)
    wait_for(lambda: '"event":"delivered"' in host.log_text(), what=host.log_text)
