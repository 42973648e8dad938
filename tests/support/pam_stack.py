"""A PAM stack of the test for the service smtp: /etc/pam.d of the private mount namespace is replaced meanwhile."""
import contextlib
import os
import shutil
import subprocess


@contextlib.contextmanager
def pam_stack(folder, text):
    own = os.path.join(folder, "pam.d")
    shutil.copytree("/etc/pam.d", own)
    with open(os.path.join(own, "smtp"), "w") as file:
        file.write(text)
    subprocess.run(["mount", "--bind", own, "/etc/pam.d"], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "/etc/pam.d"], check=True)


@contextlib.contextmanager
def held_logins(folder, user):
    """Logins work, except that `user` waits in PAM as long as the file exists whose path this gives."""
    gate, script = os.path.join(folder, "gate"), os.path.join(folder, "wait-at-the-gate")
    with open(gate, "w"):
        pass
    with open(script, "w") as file:
        file.write(f'#!/bin/sh\n[ "$PAM_USER" != {user} ] || while [ -e {gate} ]; do sleep 0.05; done\n')
    os.chmod(script, 0o755)
    with pam_stack(folder, f"auth required pam_exec.so quiet {script}\nauth required pam_unix.so\n"
                   "account required pam_unix.so\n"):
        try:
            yield gate
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(gate)
