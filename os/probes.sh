# configure.sh: how it probes, and its probes of compiler and system. Each says what it looks for and what it found; the
# details of a failure go to config.log. Those of libraries are in os/libraries.sh. Read by configure.sh, whose variables
# they set.
# shellcheck shell=sh disable=SC2034,SC2154

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

# $work/probe.cc, compiled and linked with the flags given. Not optimised, since that would be a third of the time.
compile() {
    # shellcheck disable=SC2086
    $CXX -std=c++20 ${probe_flags:-} $CXXFLAGS -O0 -g0 -U_FORTIFY_SOURCE $LDFLAGS -o "$work/probe" "$work/probe.cc" "$@"
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
        # The last two: g++ 12 warns about its own std::string when it has inlined much of it.
        for flag in -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE \
            -Wno-array-bounds -Wno-stringop-overread; do
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
    printf '#define FUSE_USE_VERSION 34\n#include <fuse3/fuse_lowlevel.h>\nint main() { return fuse_version() == 0; }\n' \
        >"$work/probe.cc"
    if try "for libfuse" compile -lfuse3; then
        FUSE_LIB=-lfuse3
    else
        missing_for_check="$missing_for_check libfuse"
    fi
    rm -f "$work/probe.cc"
    try "for pytest" /usr/bin/env "$PYTHON" -m pytest --version || missing_for_check="$missing_for_check pytest"
    try "for mandoc" command -v mandoc || missing_for_check="$missing_for_check mandoc"
}
