# configure.sh --get-deps: the lists of Debian packages, and which of them are missing. Read by configure.sh, whose
# variables say what is left out.
# shellcheck shell=sh disable=SC2154

# The packages for building and trying. The same names serve Debian 12 and later and Ubuntu 22.04 and later: the change to
# 64-bit times gave new names (t64) to packages of shared libraries, not to these.
packages() {
    # Compiler, alias database, text formatting, JSON of mailq, passwords.
    echo g++ make libgdbm-dev libfmt-dev nlohmann-json3-dev libcrypt-dev
    # Internationalised domains.
    [ $with_idn = no ] || echo libidn2-dev
    # hosts.allow and hosts.deny.
    [ $libwrap = no ] || echo libwrap0-dev
    [ $with_pam = no ] || echo libpam0g-dev
    [ $with_tls = no ] || echo libssl-dev
    # Policies of other domains about TLS (MTA-STS).
    [ $with_curl = no ] || [ $with_tls = no ] || echo libcurl4-openssl-dev
    # What a captured process cannot do.
    [ $with_seccomp = no ] || echo libseccomp-dev
    # The tour of 'make try' speaks SMTP with it.
    echo python3
}

# What the tests need besides.
packages_for_check() {
    # Unit tests and micro benchmarks; the format of sources and man pages is checked; the other tests are Python.
    echo libgtest-dev libbenchmark-dev clang-format mandoc groff-base python3-pytest python3-pytest-timeout python3-pytest-xdist
    # Name servers for tests of MX and resolver: a correct one, and one that can be made to misbehave.
    echo nsd dnsmasq-base
    # DNSSEC: a validating resolver, and what signs zones.
    echo unbound ldnsutils
    # Programs that send mail through sendmail, or speak SMTP, as on a real host.
    echo bsd-mailx s-nail mutt git git-email libmailtools-perl libemail-valid-perl swaks php-cli cron
    # Another implementation of SPF, to compare verdicts with.
    echo python3-spf python3-dns
    # Collections of cases that others have written, where they are beside this folder.
    echo python3-yaml
    # Policy daemons for Postfix, and a scanner.
    echo postgrey python3-spf-engine policyd-weight clamav
    # Another program that reads and writes databases.
    echo python3-gdbm
    # What stands in front of a mail server: a proxy, a packet filter.
    echo haproxy nftables
    # What reads the log.
    echo fail2ban logwatch
    # Other programs that work on mailboxes.
    echo procmail dovecot-core dovecot-lmtpd dovecot-pop3d bindfs
    # A file system of the tests' own, which forgets what was not synced.
    echo libfuse3-dev
    # Mail filters.
    echo opendkim opendkim-tools opendmarc clamav-daemon clamav-milter spamass-milter spamd rspamd python3-milter
    # Clients and servers of POP3.
    echo fetchmail getmail6 mpop libio-socket-ssl-perl dovecot-pop3d mailutils-pop3d
    # Clients and certificates for TLS and AUTH.
    echo openssl curl msmtp gsasl ca-certificates
    # Network namespaces, processes, unprivileged users, ports for the tests themselves; other machines.
    echo iproute2 procps util-linux debootstrap
    # bsd-mailx and logwatch depend on a mail server: a small one, unless a package has one already.
    dpkg-query -W -f '${db:Status-Status} ${Provides}\n' | grep -q '^installed .*mail-transport-agent' || echo msmtp-mta
}

install_packages() {
    wanted=$(packages)
    [ $get_deps != check ] || wanted="$wanted $(packages_for_check)"
    # shellcheck disable=SC2086
    command -v apt-get >/dev/null || die "--get-deps knows only apt-get; install by hand what matches:" $wanted
    missing=
    for package in $wanted; do
        state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
        [ "$state" = "install ok installed" ] || missing="$missing $package"
    done
    if [ -z "$missing" ]; then
        echo "--get-deps: all packages are installed"
        return
    fi
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "--get-deps needs root or sudo; or let root run:" \
            "apt-get install --no-install-recommends$missing"
        as_root=sudo
    fi
    # shellcheck disable=SC2086
    $as_root sh "$src/os/get-deps.sh" $missing || die "--get-deps: not everything could be installed, see above"
}
