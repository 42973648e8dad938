"""Certificates for tests, signed by a new authority."""
import os
import subprocess

import pytest


def _openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


KINDS = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "ec-521": ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
         "rsa": ["rsa:2048"], "rsa-4096": ["rsa:4096"], "ed25519": ["ed25519"]}


class Authority:
    def __init__(self, folder):
        self.folder = folder
        self.certificate = os.path.join(folder, "ca.pem")
        self._key = os.path.join(folder, "ca.key")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                 "-subj", "/CN=test authority", "-keyout", self._key, "-out", self.certificate)

    def issue(self, name, file, kind="ec", days=1):
        """Makes a key of this kind and a certificate for a host name, in one file that only root can read; its path."""
        path = os.path.join(self.folder, file)
        request, key, signed, names = (f"{path}.{end}" for end in ("csr", "key", "crt", "ext"))
        with open(names, "w") as extension:
            extension.write(f"subjectAltName=DNS:{name}\n")
        _openssl("req", "-newkey", *KINDS[kind], "-nodes", "-subj", f"/CN={name.partition(',')[0]}", "-keyout", key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
                 "-days", str(days), "-extfile", names, "-out", signed)
        with open(path, "w") as both:
            for one in (key, signed, self.certificate):
                with open(one) as part:
                    both.write(part.read())
        os.chmod(path, 0o600)
        return path


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(str(tmp_path_factory.mktemp("ca")))
