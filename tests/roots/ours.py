"""Installs our program in a root: files that `make install` needs, without the compiler."""
import subprocess

from host import BINARY, TOP

SOURCE = "/root/postoffice"
PLACES = {"SRC": SOURCE, "BUILD": f"{SOURCE}/build", "PREFIX": "/usr", "EXECDIR": "/usr/bin", "SBINDIR": "/usr/sbin",
          "LIBDIR": "/usr/lib", "MANDIR": "/usr/share/man", "CONFDIR": "/etc", "QUEUEDIR": "/var/spool/postoffice"}

#: Libraries of our program.
LIBRARIES = ["libgdbm6", "libidn2-0", "libssl3", "libpam-modules"]


def bring(root):
    """Copies the program of the build folder, and the parts of the tree that are installed."""
    root.shell(f"mkdir -p {SOURCE}/build")
    for name in ("os", "man", "postoffice.cf.sample"):
        subprocess.run(["cp", "-a", f"{TOP}/{name}", f"{root.path}{SOURCE}/"], check=True)
    subprocess.run(["cp", BINARY, f"{root.path}{SOURCE}/build/postoffice"], check=True)


def make(root, what):
    """Runs `make install` or `make uninstall`."""
    return root.run("env", *(f"{name}={value}" for name, value in PLACES.items()), "sh", f"{SOURCE}/os/{what}.sh")
