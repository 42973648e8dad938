"""Exim, OpenSMTPD and sendmail as Debian ships them: debian_mta.py. `certificate`: a PEM file with its key, for STARTTLS.
`filters`: further lines for sendmail's .mc file."""
import os
import subprocess

from debian_mta import DebianMta


class _WithCertificate(DebianMta):
    serves_tls = True
    takes_utf8 = False  # in addresses: "dé" is "debby"

    def _write_certificate(self, source, path="/etc/peer.pem"):
        with open(source) as file:
            self._write(path, file.read(), mode=0o600)


class Exim(_WithCertificate):
    packages = "exim4-daemon-light"
    command = ["exim4", "-bdf", "-q1s"]
    log = "/var/log/exim4/mainlog"
    takes_utf8 = True

    def _configure(self, settings):
        self._write_certificate(settings["certificate"])
        self._run("chown", "Debian-exim", "/etc/peer.pem")
        self._write("/etc/exim4/exim4.conf", f"""
primary_hostname = {self.hostname}
domainlist local_domains = {self.hostname}
acl_smtp_rcpt = acl_rcpt
tls_advertise_hosts = *
tls_certificate = /etc/peer.pem
tls_privatekey = /etc/peer.pem
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
log_file_path = /var/log/exim4/%slog
begin acl
acl_rcpt:
  accept hosts = : 127.0.0.0/8
  accept domains = +local_domains
    verify = recipient
  deny message = no relay
begin routers
remote:
  driver = dnslookup
  domains = ! +local_domains
  transport = remote_smtp
  no_more
of_utf8:
  driver = redirect
  local_parts = dé
  data = debby
local:
  driver = accept
  check_local_user
  transport = local_delivery
begin transports
remote_smtp:
  driver = smtp
  tls_verify_hosts =
  tls_try_verify_hosts =
local_delivery:
  driver = appendfile
  file = /var/mail/$local_part_data
  group = mail
  mode = 0660
begin retry
* * F,1h,1s
""")


class OpenSmtpd(_WithCertificate):
    packages = "opensmtpd"
    # Debian's 6.8.0 with OpenSSL 3 ends each handshake, also that of openssl s_client, with an alert "internal error".
    serves_tls = False
    command = ["smtpd", "-d"]

    def _configure(self, settings):
        self._write_certificate(settings["certificate"])
        self._write("/etc/smtpd.conf", f"""
pki {self.hostname} cert "/etc/peer.pem"
pki {self.hostname} key "/etc/peer.pem"
table aliases file:/etc/aliases
listen on 0.0.0.0 hostname {self.hostname} tls pki {self.hostname}
action "local" mbox alias <aliases>
action "relay" relay helo {self.hostname}
match from any for domain "{self.hostname}" action "local"
match from local for any action "relay"
""")
        self._write("/etc/mailname", self.hostname + "\n")


class Sendmail(_WithCertificate):
    packages = "sendmail-bin sendmail-cf m4"
    command = ["/usr/libexec/sendmail/sendmail", "-bD", "-q1s", "-X", "/var/log/peer.log"]

    def _configure(self, settings):
        # Sendmail finds the files of an overlay changed while it opens them.
        os.mkdir(self.root + "/srv/peer")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", self.root + "/srv/peer"], check=True)
        os.mkdir(self.root + "/srv/peer/queue", 0o700)
        self._write_certificate(settings["certificate"], "/srv/peer/peer.pem")
        self._write("/etc/mail/peer.mc", f"""
include(`/usr/share/sendmail/cf/m4/cf.m4')
OSTYPE(`debian')
define(`QUEUE_DIR', `/srv/peer/queue')
define(`confDOMAIN_NAME', `{self.hostname}')
define(`confSERVER_CERT', `/srv/peer/peer.pem')
define(`confSERVER_KEY', `/srv/peer/peer.pem')
define(`confCACERT', `/srv/peer/peer.pem')
define(`confCACERT_PATH', `/srv/peer')
define(`confPRIVACY_FLAGS', `')
define(`ALIAS_FILE', `/etc/aliases')
define(`confQUEUE_LA', `1000')
define(`confREFUSE_LA', `1000')
undefine(`confHOST_STATUS_DIRECTORY')
undefine(`PROCMAIL_MAILER_PATH')
DAEMON_OPTIONS(`Name=MTA, Port=smtp')
FEATURE(`no_default_msa')
FEATURE(`local_lmtp', `/usr/libexec/sendmail/mail.local')
{settings.get("filters", "")}
MAILER(`local')
MAILER(`smtp')
LOCAL_CONFIG
Cw{self.hostname}
""")
        self._run("sh", "-c", "m4 /etc/mail/peer.mc >/etc/mail/sendmail.cf && newaliases")
