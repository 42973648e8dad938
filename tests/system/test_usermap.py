"""With usermap=, a user lists addresses of the user's own, and no other user can add to that list."""
import os

from conftest import needs_root
from delivery_file_mail import refusal, send
from homes import clean_homes, home_file  # noqa: F401

pytestmark = needs_root


def test_an_address_that_a_user_lists_leads_where_the_list_says(host):
    host.write_config(usermap=["*-~:~/.alias"])
    home_file("alice", ".alias", "Shop-Alice: alice\nclub-alice: bob, \\alice\n")
    os.chmod("/home/alice", 0o700)  # no other user may read it
    host.start()
    send(host, "SHOP-alice", b"from the shop")
    host.wait_for_mail("alice", b"from the shop")
    send(host, "club-alice@host.test", b"from the club")
    host.wait_for_mail("bob", b"from the club")
    host.wait_for_mail("alice", b"from the club")
    assert refusal(host, "other-alice") == (550, b"5.1.1 other-alice@host.test: no such user")
    home_file("alice", ".alias", "other-alice: alice\n")  # without a restart
    send(host, "other-alice", b"another one")
    host.wait_for_mail("alice", b"another one")
    assert refusal(host, "shop-alice")[0] == 550


def test_a_list_that_others_can_write_is_ignored(host):
    host.write_config(usermap=["*-~:~/.alias"])
    home_file("alice", ".alias", "x-alice: mallory\n", owner="mallory")
    host.start()
    assert refusal(host, "x-alice")[0] == 550
    os.unlink("/home/alice/.alias")
    secret = home_file("bob", "secret", "x-alice: alice\n")
    os.symlink(secret, "/home/alice/.alias")
    assert refusal(host, "x-alice")[0] == 550
    os.unlink("/home/alice/.alias")
    os.mkfifo("/home/alice/.alias")
    assert refusal(host, "x-alice")[0] == 550


def test_the_trace_names_the_line_of_the_list(host):
    host.write_config(usermap=["*-~:~/.alias"])
    home_file("alice", ".alias", "# mine\nx-alice: bob\n")
    shown = host.run("sendmail", "-bt", "x-alice").stdout
    assert b"x-alice -> bob (/home/alice/.alias:2)" in shown


def test_the_debug_verb_lists_the_maps(host):
    host.write_config(usermap=["*-~:~/.alias,bounce", "x*:bob"], debug="1")
    host.start()
    with host.smtp() as client:
        told = client.docmd("DEBUG")[1]
    assert b"usermap: *-~:~/.alias,bounce" in told and b"usermap: x*:bob" in told
