#!/bin/sh
# Looks at this host and writes config.mk and Makefile; what went wrong is in config.log. Plain POSIX sh.
set -eu

VERSION=0.1
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
  --with-vuser=USER    who keeps these mailboxes; USER:GROUP, names or numbers  [mail]
  --without-idn        no internationalised addresses, and no libidn2
  --without-tls        leave TLS (OpenSSL 3) out
  --without-pam        check passwords of accounts without PAM, by the shadow file
  --src=DIR            the source tree, to build elsewhere    [where configure.sh is]
  --without-tcp-wrappers  do without libwrap, which asks hosts.allow and hosts.deny
                                                             [--with-tcp-wrappers where there is libwrap]
  --with-debug         install the symbols for a debugger, too, as postoffice.debug beside the program
  --get-deps           first install the packages that building and 'make try' need (Debian, Ubuntu; root or sudo)
  --get-deps=check     and those that 'make check' needs
  --help               this text

CXX, CXXFLAGS and LDFLAGS of the environment replace the compiler and the flags chosen here.
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

# --- Probes. Each says what it looks for and what it found; the details of a failure go to config.log.

work=
start_log() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/configure.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    { echo "configure.sh on $(uname -srm)" && date; } >config.log
}

# try WHAT COMMAND...: true if the command succeeds.
try() {
    printf 'checking %s: ' "$1"
    what=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        echo yes
        return 0
    fi
    echo no
    {
        echo
        echo "== $what: no"
        echo "$ $*"
        cat "$work/output"
        if [ -f "$work/probe.cc" ]; then
            echo "-- the program was:"
            cat "$work/probe.cc"
        fi
    } >>config.log
    return 1
}

# A program on standard input, compiled and linked with the flags given.
compile() {
    # shellcheck disable=SC2086
    $CXX -std=c++20 ${probe_flags:-} $CXXFLAGS $LDFLAGS -o "$work/probe" "$work/probe.cc" "$@"
}

compile_and_run() {
    compile "$@" && (cd "$work" && ./probe)
}

# For --version.
has() {
    FEATURES="${FEATURES:+$FEATURES, }$1"
}

need() {
    die "$1 (config.log has the details; './configure.sh --get-deps' installs what is missing)"
}

probe_compiler() {
    command -v "${CXX%% *}" >/dev/null || need "there is no C++ compiler $CXX"
    cat >"$work/probe.cc" <<'END'
#include <compare>
#include <concepts>
#include <span>
#include <string>
#include <string_view>
template <std::integral T> constexpr T twice(T x) { return x + x; }
struct Point { int x = 0, y = 0; auto operator<=>(const Point&) const = default; };
int main(int argc, char** argv) {
    std::span<char*> words(argv, static_cast<std::size_t>(argc));
    return words.empty() || !(Point{1, 2} < Point{1, 3}) || !std::string("C++20").starts_with("C++") || twice(2) != 4;
}
END
    try "that $CXX makes C++20 programs that run" compile_and_run || need "$CXX does not make C++20 programs"
}

# Flags that are good for every server, as far as this compiler and machine know them.
choose_flags() {
    if [ "$own_cxxflags" = no ]; then
        for flag in -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE; do
            echo 'int main() {}' >"$work/probe.cc"
            if try "that $CXX knows $flag" compile -Werror $flag; then CXXFLAGS="$CXXFLAGS $flag"; fi
        done
        CXXFLAGS="$CXXFLAGS -D_FORTIFY_SOURCE=2 -D_GLIBCXX_ASSERTIONS"
    fi
    [ "$own_ldflags" = no ] || return 0
    pie=
    case $CXXFLAGS in *-fPIE*) pie=-pie ;; esac
    for flag in $pie -Wl,-z,relro,-z,now -Wl,-O1 -Wl,--as-needed; do
        echo 'int main() {}' >"$work/probe.cc"
        if try "that it links with $flag" compile "$flag"; then LDFLAGS="$LDFLAGS $flag"; fi
    done
}

# Loaded when it is needed, not linked: sendmail starts too often to carry it along.
probe_idn() {
    [ $with_idn = yes ] || return 0
    cat >"$work/probe.cc" <<'END'
#include <dlfcn.h>
#include <idn2.h>
#include <cstdlib>
#include <cstring>
int main() {
    void* library = dlopen("libidn2.so.0", RTLD_NOW);
    auto lookup = library ? (decltype(&idn2_lookup_u8))dlsym(library, "idn2_lookup_u8") : nullptr;
    unsigned char* name = nullptr;
    if (!lookup || lookup((const unsigned char*)"b\303\274cher.example", &name, IDN2_NFC_INPUT) != IDN2_OK) return 1;
    return std::strcmp((const char*)name, "xn--bcher-kva.example");
}
END
    try "that libidn2 knows domains beyond ASCII" compile_and_run ||
        need "no working libidn2 (Debian: libidn2-dev; or leave it out: --without-idn)"
    IDN_FLAGS=-DPOSTOFFICE_IDN
    has "internationalised domains"
}

probe_library() {
    cat >"$work/probe.cc" <<'END'
#include <cstdio>
#include <cstring>
#include <cstdlib>
#include <gdbm.h>
int main() {
    // A header without a working library must not pass: write, close, read.
    char name[] = "probe.db", key[] = "postmaster", value[] = "root";
    GDBM_FILE db = gdbm_open(name, 0, GDBM_NEWDB, 0600, nullptr);
    if (!db || gdbm_store(db, {key, 10}, {value, 4}, GDBM_REPLACE) != 0) return 1;
    gdbm_close(db);
    db = gdbm_open(name, 0, GDBM_READER, 0, nullptr);
    datum found = db ? gdbm_fetch(db, {key, 10}) : datum{nullptr, 0};
    return !(found.dptr && found.dsize == 4 && std::memcmp(found.dptr, value, 4) == 0);
}
END
    try "that gdbm stores and finds" compile_and_run -lgdbm || need "no working gdbm (Debian: libgdbm-dev)"

    cat >"$work/probe.cc" <<'END'
#include <fmt/format.h>
int main() { return fmt::format("{:>5}|{:.2f}", 25, 0.5) != "   25|0.50"; }
END
    if try "that {fmt} can be built into the program" compile_and_run "$src/os/fmt.cc"; then
        FMT_SOURCE='$(SRC)/os/fmt.cc'
        echo '#include <string>
int main() { try { throw std::string("x"); } catch (const std::string&) { return 0; } }' >"$work/probe.cc"
        static="-static-libstdc++ -static-libgcc"
        # shellcheck disable=SC2086
        if [ "$own_ldflags" = no ] && try "that libstdc++ can be built in, too" compile_and_run $static; then
            LINK_STATIC=$static
        fi
    elif try "for libfmt" compile_and_run -lfmt; then
        FMT_LIB=-lfmt
    else
        need "no working {fmt} (Debian: libfmt-dev)"
    fi

    cat >"$work/probe.cc" <<'END'
#include <nlohmann/json.hpp>
int main() { return nlohmann::json({{"a", 1}}).dump() != "{\"a\":1}"; }
END
    try "for nlohmann/json" compile_and_run || need "no nlohmann/json (Debian: nlohmann-json3-dev)"

    probe_idn

    cat >"$work/probe.cc" <<'END'
#include <crypt.h>
int main() {
    static crypt_data data;
    const char* hash = crypt_r("x", "$6$salt$", &data);
    return !hash || hash[0] != '$';
}
END
    try "that crypt makes SHA-512 hashes" compile_and_run -lcrypt || need "no working crypt (Debian: libcrypt-dev)"
    if [ $with_pam = yes ]; then
        cat >"$work/probe.cc" <<'END'
#include <dlfcn.h>
#include <security/pam_appl.h>
int main() { return !dlopen("libpam.so.0", RTLD_NOW); }
END
        try "for PAM" compile_and_run || need "no PAM (Debian: libpam0g-dev; or --without-pam)"
        LEFT_OUT="$LEFT_OUT policy/no_pam"
        has PAM
    else
        LEFT_OUT="$LEFT_OUT policy/pam"
    fi

    if [ $with_tls = yes ]; then
        cat >"$work/probe.cc" <<'END'
#include <openssl/ssl.h>
static_assert(OPENSSL_VERSION_MAJOR >= 3);
int main() {
    SSL_CTX* context = SSL_CTX_new(TLS_server_method());
    return !context || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1;
}
END
        try "for OpenSSL 3" compile_and_run -lssl -lcrypto || need "no OpenSSL 3 (Debian: libssl-dev; or --without-tls)"
        TLS_LIBS="-lssl -lcrypto"
        LEFT_OUT="$LEFT_OUT net/no_tls policy/no_scram"
        has TLS
    else
        LEFT_OUT="$LEFT_OUT net/tls policy/scram"
    fi

    # The names are macros for others in many libraries, hence a program and no search for symbols.
    cat >"$work/probe.cc" <<'END'
#include <sys/types.h>
#include <netinet/in.h>
#include <arpa/nameser.h>
#include <resolv.h>
// What net/dns_message.cc calls: a question is written and read again.
int main() {
    unsigned char query[64] = {0, 1, 1, 0, 0, 1};
    const int name = dn_comp("example.org", query + 12, 40, nullptr, nullptr);
    query[12 + name + 1] = ns_t_mx;
    query[12 + name + 3] = ns_c_in;
    ns_msg message;
    ns_rr record;
    return ns_skiprr(query + 12, query + 16 + name, ns_s_qd, 1) != name + 4 ||
           ns_initparse(query, 16 + name, &message) != 0 || ns_parserr(&message, ns_s_qd, 0, &record) != 0 ||
           ns_get16(query + 12 + name) != ns_t_mx || ns_rr_type(record) != ns_t_mx;
}
END
    if try "for the resolver in libc" compile_and_run; then
        RESOLV_LIB=
    elif try "for the resolver in libresolv" compile_and_run -lresolv; then
        RESOLV_LIB=-lresolv
    else
        need "no resolver library"
    fi
}

# Built in where possible: as a shared library it brings libnsl, and with that RPC and Kerberos, into each process.
probe_libwrap() {
    if [ $libwrap = no ]; then
        LEFT_OUT="$LEFT_OUT policy/libwrap"
        return 0
    fi
    cat >"$work/probe.cc" <<'END'
#include <tcpd.h>
#include <unistd.h>
int allow_severity, deny_severity;
extern "C" int yp_get_default_domain(char**) { return 1; }
int main() {
    char service[] = "smtp", name[] = "unknown", address[] = "192.0.2.1", none[] = "/nonexistent";
    hosts_allow_table = hosts_deny_table = none;
    return hosts_ctl(service, name, address, name) != 1;
}
END
    for library in -l:libwrap.a -lwrap; do
        if try "for libwrap with $library" compile_and_run $library; then
            LIBWRAP=$library
            LEFT_OUT="$LEFT_OUT policy/no_libwrap"
            has "TCP wrappers"
            return 0
        fi
    done
    LEFT_OUT="$LEFT_OUT policy/libwrap"
    [ $libwrap != yes ] || need "no working libwrap (Debian: libwrap0-dev)"
}

probe_system() {
    cat >"$work/probe.cc" <<'END'
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>
static int child_can_lock() {
    int status = 1;
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open("lockfile", O_RDWR);
        _exit(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    return status == 0;
}
int main() {
    int fd = open("lockfile", O_RDWR | O_CREAT, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0) return 1;
    if (child_can_lock()) return 2;   // exclusive it must be,
    if (flock(fd, LOCK_UN) != 0 || !child_can_lock()) return 3;   // and end when asked,
    if (flock(fd, LOCK_EX) != 0 || close(fd) != 0) return 4;
    return child_can_lock() ? 0 : 5;  // and with the descriptor.
}
END
    try "that flock excludes others" compile_and_run || need "flock() does not lock on this system"

    cat >"$work/probe.cc" <<'END'
#include <sys/statvfs.h>
int main() {
    struct statvfs space;
    return statvfs(".", &space) != 0 || space.f_frsize == 0 || space.f_blocks == 0;
}
END
    try "that statvfs tells free space" compile_and_run || need "statvfs() does not work on this system"

    cat >"$work/probe.cc" <<'END'
#include <sys/types.h>
#include <ctime>
static_assert(sizeof(time_t) >= 8 && sizeof(off_t) >= 8);
int main() {}
END
    if ! try "for 64-bit time and file sizes" compile; then
        probe_flags="-D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64"
        try "for them with $probe_flags" compile || need "no 64-bit time_t"
        CPPFLAGS_LARGE=" $probe_flags"
    fi
}

# Needed by 'make check' alone: their absence is worth a word, no more.
probe_tests() {
    printf '#include <gtest/gtest.h>\nTEST(A, B) {}\n' >"$work/probe.cc"
    try "for GoogleTest" compile -lgtest -lgtest_main -lpthread || missing_for_check="$missing_for_check GoogleTest"
    rm -f "$work/probe.cc"
    try "for pytest" /usr/bin/env "$PYTHON" -m pytest --version || missing_for_check="$missing_for_check pytest"
    try "for mandoc" command -v mandoc || missing_for_check="$missing_for_check mandoc"
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
CXX        := $CXX
CXXFLAGS   := $CXXFLAGS
CPPFLAGS   :=$CPPFLAGS_LARGE
LDFLAGS    := $LDFLAGS
LINK_STATIC := $LINK_STATIC
FMT_SOURCE := $FMT_SOURCE
IDN_FLAGS  := $IDN_FLAGS
FEATURES   := ${FEATURES:-no libraries that can be left out}
LEFT_OUT   :=$LEFT_OUT
LIBS       := $FMT_LIB $TLS_LIBS -lcrypt -lgdbm $LIBWRAP $RESOLV_LIB
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
: "${CXX:=g++}" "${CXXFLAGS:=-O2 -g1}" "${LDFLAGS:=}"
FMT_SOURCE= FMT_LIB= IDN_FLAGS= RESOLV_LIB= TLS_LIBS= LIBWRAP= LEFT_OUT= FEATURES= LINK_STATIC= CPPFLAGS_LARGE= missing_for_check=
# The Python that has Debian's packages, where there is one.
PYTHON=/usr/bin/python3
[ -x $PYTHON ] || PYTHON=python3

start_log
probe_compiler
choose_flags
probe_library
probe_libwrap
probe_system
probe_tests
write_files

[ -z "$missing_for_check" ] || echo "'make check' will miss:$missing_for_check (./configure.sh --get-deps=check installs them)"
echo "postoffice $VERSION goes to $sbindir, reads $confdir/postoffice.cf, queues in $queuedir. Now: make"
