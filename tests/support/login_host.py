"""A host with accounts, and with virtual users of virtual.test, that log in."""
import os

import pytest

from accounts import hash_of
from host import free_port


def make_login_host(make_host, authority, folder):
    """Its ports: for all clients (port), for submission (submission_port), and for submission with TLS from the first
    octet (submissions_port)."""
    domain = os.path.join(folder, "vhosts", "virtual.test")
    os.makedirs(domain)
    with open(os.path.join(domain, "passwd"), "w") as file:
        file.write(f"# short and long\nvera:{hash_of('v pass')}\n"
                   f"victor:{hash_of('w pass')}:8:8:Victor V.:./victor:/bin/false\nlocked:!{hash_of('x')}\nempty:\n")
    os.chmod(os.path.join(domain, "passwd"), 0o600)
    with open(os.path.join(folder, "vhosts", "domains.cf"), "w") as file:
        file.write("root:virtual.test:1:for logins\n")
    host = make_host("host", tls_certificate=authority.issue("host.test", "host.pem"),
                     vhost_dir=os.path.join(folder, "vhosts"))
    host.submission_port, host.submissions_port = free_port(), free_port()
    host.write_config(listen=[f"127.0.0.1:{host.port}", f"127.0.0.1:{host.submission_port},submission",
                              f"127.0.0.1:{host.submissions_port},tls,submission"])
    return host


@pytest.fixture
def login_host(make_host, authority, folder):
    return make_login_host(make_host, authority, folder).start()
