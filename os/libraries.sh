# configure.sh: probes of libraries. A library must work, not merely have its header; some can be left out. Read by
# configure.sh after os/probes.sh; what is found goes into the variables that write_files writes.
# shellcheck shell=sh disable=SC2034,SC2154

probe_gdbm() {
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
}

probe_fmt() {
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
}

probe_json() {
    cat >"$work/probe.cc" <<'END'
#include <nlohmann/json.hpp>
int main() { return nlohmann::json({{"a", 1}}).dump() != "{\"a\":1}"; }
END
    try "for nlohmann/json" compile_and_run || need "no nlohmann/json (Debian: nlohmann-json3-dev)"
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

probe_crypt() {
    cat >"$work/probe.cc" <<'END'
#include <crypt.h>
int main() {
    static crypt_data data;
    const char* hash = crypt_r("x", "$6$salt$", &data);
    return !hash || hash[0] != '$';
}
END
    try "that crypt makes SHA-512 hashes" compile_and_run -lcrypt || need "no working crypt (Debian: libcrypt-dev)"
}

probe_pam() {
    if [ $with_pam = no ]; then
        LEFT_OUT="$LEFT_OUT policy/pam"
        return 0
    fi
    cat >"$work/probe.cc" <<'END'
#include <dlfcn.h>
#include <security/pam_appl.h>
int main() { return !dlopen("libpam.so.0", RTLD_NOW); }
END
    try "for PAM" compile_and_run || need "no PAM (Debian: libpam0g-dev; or --without-pam)"
    LEFT_OUT="$LEFT_OUT policy/no_pam"
    has PAM
}

probe_tls() {
    if [ $with_tls = no ]; then
        LEFT_OUT="$LEFT_OUT net/tls net/tls_client net/tls_stream net/private_key net/ticket_keys policy/scram"
        return 0
    fi
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
    LEFT_OUT="$LEFT_OUT net/no_tls net/no_private_key policy/no_scram"
    has TLS
}

# Loaded by the process that fetches policies, not linked: it brings two dozen libraries.
probe_curl() {
    if [ $with_curl = no ] || [ $with_tls = no ]; then
        LEFT_OUT="$LEFT_OUT net/https"
        return 0
    fi
    cat >"$work/probe.cc" <<'END'
#include <dlfcn.h>
#include <curl/curl.h>
int main() {
    void* library = dlopen("libcurl.so.4", RTLD_NOW);
    auto init = library ? (decltype(&curl_easy_init))dlsym(library, "curl_easy_init") : nullptr;
    auto set = library ? (decltype(&curl_easy_setopt))dlsym(library, "curl_easy_setopt") : nullptr;
    return !init || !set || set(init(), CURLOPT_PROTOCOLS_STR, "https") != CURLE_OK;
}
END
    try "that libcurl speaks HTTPS" compile_and_run ||
        need "no libcurl 7.85 or later (Debian: libcurl4-openssl-dev; or --without-curl)"
    LEFT_OUT="$LEFT_OUT net/no_https"
    has MTA-STS
}

# The names are macros for others in many libraries, hence a program and no search for symbols.
probe_resolver() {
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

# link_with WHAT LIBRARY...: the first one that works with the probe is in $linked. Fails if none does.
link_with() {
    what=$1
    shift
    for linked; do
        ! try "for $what with $linked" compile_and_run "$linked" || return 0
    done
    return 1
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
    if link_with libwrap -l:libwrap.a -lwrap; then
        LIBWRAP=$linked
        LEFT_OUT="$LEFT_OUT policy/no_libwrap"
        has "TCP wrappers"
        return 0
    fi
    LEFT_OUT="$LEFT_OUT policy/libwrap"
    [ $libwrap != yes ] || need "no working libwrap (Debian: libwrap0-dev)"
}

# Built in where possible: every sendmail would pay for loading it.
probe_seccomp() {
    if [ $with_seccomp = no ]; then
        LEFT_OUT="$LEFT_OUT base/system_calls"
        return 0
    fi
    cat >"$work/probe.cc" <<'END'
#include <seccomp.h>
int main() {
    scmp_filter_ctx rules = seccomp_init(SCMP_ACT_ALLOW);
    return !rules || seccomp_rule_add(rules, SCMP_ACT_ERRNO(1), SCMP_SYS(ptrace), 0) != 0;
}
END
    link_with libseccomp -l:libseccomp.a -lseccomp ||
        need "no working libseccomp (Debian: libseccomp-dev; or --without-seccomp)"
    SECCOMP_LIB=$linked
    LEFT_OUT="$LEFT_OUT base/no_system_calls"
    has "system call filters"
}

# In the order in which --version names what is built in.
probe_libraries() {
    probe_gdbm
    probe_fmt
    probe_json
    probe_idn
    probe_crypt
    probe_pam
    probe_tls
    probe_curl
    probe_resolver
    probe_libwrap
    probe_seccomp
}
