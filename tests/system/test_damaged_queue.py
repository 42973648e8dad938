"""A journal that cannot be read delays no other message; it is moved aside and reported."""
import json
import os

from host import local_user, wait_for


def queued(host):
    """The id of a message, and its folder."""
    host.write_config(relay_host="[127.0.0.1]:1", retry="1h")
    host.start()
    host.run("sendmail", "friend@elsewhere.test", input=b"Subject: waits\n\n", check=True)
    wait_for(lambda: host.queue() and " deferred to=" in host.log_text(), what=host.log_text)
    host.stop()
    [journal] = host.paths_in_spool("cm")
    return os.path.basename(journal).removeprefix("cm"), os.path.dirname(journal)


def test_a_damaged_journal_is_moved_aside_and_reported(host):
    host.write_aliases(f"postmaster: {local_user()}\n")
    id, place = queued(host)
    path = os.path.join(place, "cm" + id)
    with open(path, "rb") as file:
        whole = file.read()
    with open(path, "wb") as file:
        file.write(b"".join(line for line in whole.splitlines(True) if not line.startswith(b"arrived:")))
    os.utime(path, (0, 0))
    host.start()
    report = host.wait_for_mail(local_user(), b"Subject: Damaged messages in the queue")
    assert f"bad{id}".encode() in report and b"no time of arrival" in report
    assert host.paths_in_spool("bad") == [f"{place}/bad{id}"]

    shown = wait_for(lambda: (text := host.run("mailq", check=True).stdout.decode()) and "Mail queue is empty" in text and text,
                     what="the end of the report")
    assert f"bad{id}" in shown and "no time of arrival" in shown
    assert f"mv {place}/bad{id} {place}/cm{id}" in shown
    assert f"rm {place}/bad{id}\n" in shown
    [told] = [json.loads(line) for line in host.run("mailq", "--json", check=True).stdout.splitlines()]
    assert (told["queue_name"], told["queue_id"]) == ("corrupt", id)
    assert f"bad{id}" in host.run("mailq", "-qL").stdout.decode()
    assert f"bad{id}" not in host.run("mailq", "-qRfriend").stdout.decode()

    host.stop()
    host.start()  # and no second report
    with open(os.path.join(place, "bad" + id), "wb") as file:
        file.write(whole)
    assert "nothing is wrong with it any more" in host.run("mailq", check=True).stdout.decode()
    os.rename(os.path.join(place, "bad" + id), path)
    host.run("sendmail", "-M", id, check=True)
    wait_for(lambda: host.log_text().count(f"{id}: deferred") >= 2, what=host.log_text)
    assert "moved aside" not in host.run("mailq", check=True).stdout.decode()
    assert host.mailbox(local_user()).count(b"Subject: Damaged messages") == 1


def test_a_damaged_journal_hides_no_other_message(host):
    whole, _ = queued(host)
    for name, text in (("cmTORN1", b"postoffice journal 1\nid: TORN1\n"), ("cmZERO1", bytes(4096))):
        with open(os.path.join(host.spool, name), "wb") as file:
            file.write(text)
    listed = host.run("mailq", check=True)
    assert whole in listed.stdout.decode()
    assert b"cmTORN1: journal: no end of envelope" in listed.stderr and b"cmZERO1: not a journal" in listed.stderr
    shown = host.run("runq", "-v", "-qRfriend")
    assert f"{whole}: friend@elsewhere.test: deferred: " in shown.stderr.decode(), shown
    assert os.path.exists(os.path.join(host.spool, "cmTORN1"))
