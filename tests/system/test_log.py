"""The log has the form that log-format= names, and continues in a new file after a reload."""
import json
import os
import smtplib
import socket

from host import local_user, wait_for

FIXED = {"time", "tag", "pid", "level", "event"}


def send(host, recipient=None):
    with smtplib.SMTP("127.0.0.1", host.port, timeout=30) as client:
        client.ehlo("client.test")
        client.sendmail("alice@host.test", [recipient or local_user()], "Subject: logged\n\nhello\n")


def test_with_json_each_line_is_an_object(host):
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


def test_a_reload_changes_the_form(host):
    host.start()
    host.write_config(log_format="json")
    host.reload()
    send(host)
    wait_for(lambda: '"event":"delivered"' in host.log_text(), what=host.log_text)


def test_a_reload_opens_the_log_file_again(host):
    """As logrotate needs it: rename, then SIGHUP. All processes write to the new file, those of users as well."""
    host.start()
    old = host.log + ".1"
    os.rename(host.log, old)
    host.reload()
    with host.smtp() as client:
        client.sendmail("a@example.org", [local_user()], b"Subject: by SMTP\r\n\r\n")
    host.run("sendmail", "-i", local_user(), input=b"Subject: by sendmail\n\n", check=True)
    host.wait_for_mail(local_user(), b"Subject: by sendmail")
    wait_for(lambda: host.log_text().count(": delivered") >= 2, what=lambda: f"both in the log: {host.log_text()}")
    with open(old) as file:
        text = file.read()
    assert "started" in text and "delivered" not in text and "reloaded" not in text
