"""A SCRAM-SHA-256 client (RFC 5802) over smtplib that can break the rules, and the stored form of a password."""
import base64
import hashlib
import hmac
import os
import subprocess


def b64(octets):
    return base64.b64encode(octets).decode()


def stored(password, iterations=4096, salt=None):
    """As `doveadm pw -s SCRAM-SHA-256` writes it."""
    salt = salt or os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return f"{{SCRAM-SHA-256}}{iterations},{b64(salt)},{b64(key)},{b64(hmac.digest(salted, b'Server Key', 'sha256'))}"


def stored_by_dovecot(password):
    return subprocess.run(["doveadm", "-c", "/dev/null", "pw", "-s", "SCRAM-SHA-256", "-p", password], check=True,
                          text=True, capture_output=True, timeout=60).stdout.strip()


class Exchange:
    """One login; each step can be called separately. `binding`: the gs2-header; `data`: of the channel binding."""

    def __init__(self, smtp, user, binding="n,,", data=b"", mechanism="SCRAM-SHA-256"):
        self.smtp, self.header, self.data, self.mechanism = smtp, binding, data, mechanism
        self.nonce = b64(os.urandom(18))
        self.bare = f"n={user},r={self.nonce}"

    def begin(self):
        """The reply code, and the challenge: {"r": …, "s": …, "i": …}."""
        code, text = self.smtp.docmd("AUTH", f"{self.mechanism} {b64((self.header + self.bare).encode())}")
        if code != 334:
            return code, text.decode()
        self.server_first = base64.b64decode(text).decode()
        self.challenge = dict(part.split("=", 1) for part in self.server_first.split(","))
        return code, self.challenge

    def final(self, password):
        """client-final-message."""
        without_proof = f"c={b64(self.header.encode() + self.data)},r={self.challenge['r']}"
        self.proved = f"{self.bare},{self.server_first},{without_proof}".encode()
        self.salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(self.challenge["s"]),
                                          int(self.challenge["i"]))
        key = hmac.digest(self.salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), self.proved, "sha256")
        return f"{without_proof},p={b64(bytes(a ^ b for a, b in zip(key, signature)))}"

    def end(self, password, final=None):
        """The last reply code, after the proof of the server was checked."""
        code, text = self.smtp.docmd(b64((final or self.final(password)).encode()))
        if code != 334:
            return code
        proof = hmac.digest(hmac.digest(self.salted, b"Server Key", "sha256"), self.proved, "sha256")
        assert base64.b64decode(text).decode() == "v=" + b64(proof), "the server does not know the password"
        return self.smtp.docmd("")[0]


def log_in(smtp, user, password, **how):
    exchange = Exchange(smtp, user, **how)
    code, _ = exchange.begin()
    return exchange.end(password) if code == 334 else code
