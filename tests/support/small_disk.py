"""A small file system, mounted for a test, and a file that fills it. Needs root."""
import contextlib
import os
import subprocess

POSTOFFICE = 7900  # uid and gid of the service, as support/accounts.py makes it


@contextlib.contextmanager
def small_disk(path, size, uid=0, gid=0, mode=0o755):
    os.makedirs(path, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode={mode:o},uid={uid},gid={gid}", "tmpfs", path],
                   check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def fill(path):
    """Writes a file that takes all space, and returns its path."""
    name = os.path.join(path, "filler")
    with open(name, "wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
    return name
