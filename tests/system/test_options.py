"""msp, control and escape-from do what postoffice.cf(5) says."""
import os
import socket
import stat

from host import free_port, local_user

TEXT = b"Subject: hello\r\n\r\nFrom here on\r\n"


def test_msp_opens_one_more_port(host):
    port = free_port()
    host.write_config(msp=str(port))
    host.start()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
        assert s.recv(3) == b"220"


def test_control_names_the_socket_of_the_daemon(host, folder):
    path = os.path.join(folder, "other-control")
    host.write_config(control=path)
    host.start()
    assert stat.S_ISSOCK(os.stat(path).st_mode)
    assert not os.path.exists(os.path.join(host.spool, "control"))
    user = local_user()
    host.run("sendmail", user, input=b"Subject: triggered\n\n", check=True)
    host.wait_for_mail(user, b"Subject: triggered")


def test_escape_from_quotes_lines_that_begin_with_from(host):
    user = local_user()
    for value, line in (("1", b"\n>From here on\n"), ("0", b"\nFrom here on\n")):
        host.write_config(escape_from=value)
        if host.process:
            host.reload()
        else:
            host.start()
        with host.smtp() as client:
            client.sendmail("a@example.org", [user], TEXT)
        host.wait_for_mail(user, line)
