#!/bin/sh
# Looks at this host and writes config.mk and Makefile; what went wrong is in config.log. Plain POSIX sh.
set -eu

VERSION=0.2
src=$(dirname "$0")
prefix=/usr/local
execdir=
sbindir=
libdir=
mandir=
confdir=
queuedir=
vhostdir=
vspool=
vuser=mail
get_deps=no
with_idn=yes
libwrap=if-there
with_tls=yes
with_pam=yes
with_curl=yes
with_seccomp=yes
with_debug=no

usage() {
    cat <<END
usage: ./configure.sh [--get-deps] [--prefix=DIR] [--execdir=DIR] [...]

  --prefix=DIR         where the parts go                     [/usr/local]
                       A folder of an ordinary user's own: this user's private host, all of it below DIR.
  --execdir=DIR        mailq, newaliases                      [PREFIX/bin]
  --sbindir=DIR        postoffice, sendmail, smtpd, runq      [PREFIX/sbin]
  --libdir=DIR         sendmail, where old programs look      [PREFIX/lib]
  --mandir=DIR         manual pages                           [PREFIX/man; with /usr PREFIX/share/man]
  --confdir=DIR        postoffice.cf                          [/etc]
  --with-queuedir=DIR  the spool                              [/var/spool/postoffice]
  --with-vhost[=DIR]   virtual domains are in DIR             [none; without DIR: /etc/virtual]
  --with-vspool=DIR    mailboxes of virtual users             [/var/spool/virtual]
  --with-vuser=USER    the account that owns these mailboxes; USER:GROUP, names or numbers  [mail]
  --without-idn        no internationalised addresses, and no libidn2
  --without-tls        leave TLS (OpenSSL 3) out
  --without-pam        check passwords of accounts without PAM, by the shadow file
  --without-curl       no policies of MTA-STS (RFC 8461), and no libcurl
  --without-seccomp    no filters of system calls, and no libseccomp
  --src=DIR            the source tree, to build elsewhere    [where configure.sh is]
  --without-tcp-wrappers  no hosts.allow and hosts.deny, and no libwrap
                                                             [--with-tcp-wrappers where there is libwrap]
  --with-debug         install the symbols for a debugger, too, as postoffice.debug beside the program
  --get-deps           first install the packages that building and 'make try' need (Debian, Ubuntu; root or sudo)
  --get-deps=check     and those that 'make check' needs
  --help               this text

CXX, CXXFLAGS and LDFLAGS of the environment replace the compiler and the flags chosen here. With an empty BUNDLE each
source is compiled alone: more work in all, less after a change.
END
}

die() {
    echo "configure.sh: $*" >&2
    exit 1
}

# An option that asks for protection or for a service must not seem to be heeded.
unavailable() {
    die "$1 is not available in this version"
}

# One that asks for a convenience may.
passed_over() {
    echo "$1: $2"
}

absolute() {
    case $2 in
    *[\ \	\'\"\$\#\\]*) die "$1=$2: blanks, quotes, '\$', '#' and '\\' cannot stand in a path here" ;;
    /*) ;;
    *) die "$1=$2 is not an absolute path" ;;
    esac
}

# account NAME VALUE: what vhost-user= takes.
account() {
    case $2 in
    *:*:* | *: | :* | -* | '' | *[!A-Za-z0-9_.:\$-]*) die "$1=$2 is not USER, USER:GROUP or USER.GROUP" ;;
    root | 0 | root[:.]* | 0[:.]* | *[:.]root | *[:.]0) die "$1=$2: mailboxes are never written as root" ;;
    *\$*) die "$1=$2: '\$' cannot stand in a name here" ;;
    esac
}

# An ordinary user's prefix in a folder of that user: a host for this user alone, with everything below the prefix.
is_private() {
    [ "$(id -u)" != 0 ] || return 1
    existing=$prefix
    while [ ! -e "$existing" ]; do existing=$(dirname "$existing"); done
    [ -O "$existing" ]
}

place_parts() {
    : "${execdir:=$prefix/bin}" "${sbindir:=$prefix/sbin}" "${libdir:=$prefix/lib}"
    private=no
    if is_private; then
        private=yes
        : "${mandir:=$prefix/share/man}" "${confdir:=$prefix/etc}" "${queuedir:=$prefix/var/spool}" \
            "${vspool:=$prefix/var/virtual}"
    fi
    case $prefix in /usr) : "${mandir:=/usr/share/man}" ;; *) : "${mandir:=$prefix/man}" ;; esac
    : "${confdir:=/etc}" "${queuedir:=/var/spool/postoffice}" "${vspool:=/var/spool/virtual}"
}

read_arguments() {
    while [ $# -gt 0 ]; do
        name=${1%%=*}
        case $1 in
        *=*) value=${1#*=} ;;
        --prefix | --execdir | --sbindir | --libdir | --mandir | --confdir | --with-queuedir | --src | --with-vspool)
            [ $# -gt 1 ] || die "$1 needs a directory"
            shift
            value=$1
            ;;
        --with-vhost | --with-vhosts) value=/etc/virtual ;;
        *) value= ;;
        esac
        case $name in
        --prefix | --execdir | --sbindir | --libdir | --mandir | --confdir | --with-queuedir | --with-vhost | --with-vhosts | --with-vspool) absolute "$name" "$value" ;;
        --with-vuser) account "$name" "$value" ;;
        esac
        case $name in
        --prefix) prefix=$value ;;
        --execdir) execdir=$value ;;
        --sbindir) sbindir=$value ;;
        --libdir) libdir=$value ;;
        --mandir) mandir=$value ;;
        --confdir) confdir=$value ;;
        --with-queuedir) queuedir=$value ;;
        --with-vhost | --with-vhosts) vhostdir=$value ;;
        --without-vhost | --without-vhosts) vhostdir= ;;
        --with-vspool) vspool=$value ;;
        --with-vuser) vuser=$value ;;
        --src) src=$value ;;
        --with-tcp-wrappers | --with-tcpwrappers | --with-libwrap) libwrap=yes ;;
        --without-tcp-wrappers | --without-tcpwrappers | --without-libwrap) libwrap=no ;;
        --get-deps)
            case $1 in
            --get-deps) get_deps=build ;;
            --get-deps=check) get_deps=check ;;
            *) die "$1: what '--get-deps' alone does not bring is --get-deps=check" ;;
            esac
            ;;
        --with-debug) with_debug=yes ;;
        --without-debug) with_debug=no ;;
        --with-idn) with_idn=yes ;;
        --without-idn) with_idn=no ;;
        --with-tls | --use-tls) with_tls=yes ;;
        --without-tls) with_tls=no ;;
        --with-pam | --use-pam) with_pam=yes ;;
        --without-pam) with_pam=no ;;
        --with-seccomp) with_seccomp=yes ;;
        --without-seccomp) with_seccomp=no ;;
        --with-curl) with_curl=yes ;;
        --without-curl) with_curl=no ;;
        --help | -h) usage && exit 0 ;;
        --with-milter | --with-av) unavailable "$name" ;;
        --without-milter | --without-av) ;;
        --with-auth | --with-greylist | --with-coal) passed_over "$name" "always built in; postoffice.cf turns it on" ;;
        --without-auth | --without-greylist | --without-coal)
            passed_over "$name" "always built in; it does nothing unless postoffice.cf turns it on"
            ;;
        --use-gdbm | --with-gdbm) passed_over "$name" "gdbm is always used" ;;
        --use-mailwrappers | --with-mailwrappers) passed_over "$name" "not available in this version, passed over" ;;
        --use-peer-flag) passed_over "$name" "not available in this version, passed over" ;;
        *)
            usage >&2
            die "unknown option $1"
            ;;
        esac
        shift
    done
    place_parts
    [ -f "$src/Makefile.in" ] || die "$src is not the source tree: no Makefile.in there"
}

write_files() {
    cat >config.mk <<END
# Written by configure.sh; the next run writes it anew.
VERSION    := $VERSION
SRC        := $src
PREFIX     := $prefix
EXECDIR    := $execdir
SBINDIR    := $sbindir
LIBDIR     := $libdir
MANDIR     := $mandir
CONFDIR    := $confdir
QUEUEDIR   := $queuedir
VHOSTDIR   := $vhostdir
VHOSTSPOOL := $vspool
VHOSTUSER  := $vuser
BUNDLE     := $BUNDLE
CXX        := $CXX
CXXFLAGS   := $CXXFLAGS
CPPFLAGS   :=$CPPFLAGS_LARGE
LDFLAGS    := $LDFLAGS
LINK_STATIC := $LINK_STATIC
FMT_SOURCE := $FMT_SOURCE
IDN_FLAGS  := $IDN_FLAGS
FEATURES   := ${FEATURES:-no libraries that can be left out}
LEFT_OUT   :=$LEFT_OUT
LIBS       := $FMT_LIB $TLS_LIBS -lcrypt -lgdbm $LIBWRAP $SECCOMP_LIB $RESOLV_LIB
FUSE_LIB   := $FUSE_LIB
PYTHON     := $PYTHON
PRIVATE    := $private
SYMBOLS    := $with_debug
END
    {
        echo "# Written by configure.sh from Makefile.in: change that one."
        cat "$src/Makefile.in"
    } >Makefile
}

read_arguments "$@"
if [ $get_deps != no ]; then
    # shellcheck source=os/packages.sh
    . "$src/os/packages.sh"
    install_packages
fi

own_cxxflags=${CXXFLAGS:+yes}
own_ldflags=${LDFLAGS:+yes}
own_cxxflags=${own_cxxflags:-no}
own_ldflags=${own_ldflags:-no}
: "${CXX:=g++}" "${CXXFLAGS:=-O2 -g1}" "${LDFLAGS:=}" "${BUNDLE=5}"
FMT_SOURCE= FMT_LIB= IDN_FLAGS= RESOLV_LIB= TLS_LIBS= LIBWRAP= SECCOMP_LIB= LEFT_OUT= FEATURES= LINK_STATIC= CPPFLAGS_LARGE= FUSE_LIB= missing_for_check=
# The Python that has Debian's packages, where there is one.
PYTHON=/usr/bin/python3
[ -x $PYTHON ] || PYTHON=python3

# shellcheck source=os/probes.sh
. "$src/os/probes.sh"
# shellcheck source=os/libraries.sh
. "$src/os/libraries.sh"
start_log
probe_compiler
choose_flags
probe_libraries
probe_system
probe_tests
write_files

[ -z "$missing_for_check" ] || echo "'make check' will miss:$missing_for_check (./configure.sh --get-deps=check installs them)"
echo "postoffice $VERSION goes to $sbindir, reads $confdir/postoffice.cf, queues in $queuedir. Now: make"
