"""On ports for users a login may use only its own addresses as sender, unless login-senders= says otherwise (RFC 6409
section 6.1)."""
import os
import smtplib
import ssl

import pytest

from certificates import authority  # noqa: F401
from conftest import needs_root, needs_tls
from login_host import login_host, make_login_host  # noqa: F401

pytestmark = [needs_root, needs_tls]


def replies(port, *senders):
    """To MAIL with each of the senders, after a login as vera."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test") as client:
        client.starttls(context=ssl._create_unverified_context())
        client.login("vera@virtual.test", "v pass")
        found = []
        for sender in senders:
            found.append(client.mail(sender)[0])
            client.rset()
        return found


def test_on_ports_for_users_the_sender_leads_to_the_login(login_host, folder):  # noqa: F811
    os.chmod(os.path.join(folder, "vhosts", "virtual.test", "passwd"), 0o644)
    login_host.write_aliases("sales: vera@virtual.test\nothers: victor@virtual.test\n")
    assert replies(login_host.submission_port, "vera@virtual.test", "sales@host.test", "", "others@host.test",
                   "victor@virtual.test", "vera@far.test", "bob@host.test") == [250, 250, 250, 553, 553, 553, 553]


def test_a_sender_that_cannot_be_looked_up_is_not_refused_for_ever(login_host):  # noqa: F811
    login_host.write_aliases("sales: vera@virtual.test\n")  # whose users no process of the server may read
    assert replies(login_host.submission_port, "sales@host.test") == [451]


def test_on_other_ports_any_sender_is_taken(login_host):  # noqa: F811
    assert replies(login_host.port, "vera@virtual.test", "victor@virtual.test") == [250, 250]


@pytest.mark.parametrize("rule, port, reply", [("own", "port", 553), ("any", "submission_port", 250)])
def test_an_option_says_where(make_host, authority, folder, rule, port, reply):  # noqa: F811
    host = make_login_host(make_host, authority, folder)
    host.write_config(login_senders=rule)
    host.start()
    assert replies(getattr(host, port), "vera@far.test") == [reply]
