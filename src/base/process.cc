#include "postoffice/base/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/log.h"

extern char** environ;

namespace postoffice {
namespace {

// The memory of argv and environ, which ps(1) shows. Written once, before any fork.
struct TitleArea {
    char* start = nullptr;
    std::size_t size = 0;
} title_area;

void default_signals() {
    for (const int signal : {SIGTERM, SIGINT, SIGCHLD, SIGALRM, SIGTSTP, SIGCONT}) ::signal(signal, SIG_DFL);
    // Meant for the master, and often sent to all processes of the name.
    for (const int signal : {SIGHUP, SIGUSR1, SIGUSR2}) ::signal(signal, SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

pid_t spawn_process(const std::string& title, const std::function<int()>& body) {
    const pid_t pid = ::fork();
    if (pid < 0) throw_errno("fork");
    if (pid != 0) return pid;
    int code = 70;  // EX_SOFTWARE
    try {
        default_signals();
        set_process_title(title);
        code = body();
    } catch (const std::exception& e) {
        log_event("", "crash", {{"process", title}, {"reason", in_plain_words(e)}});
    }
    ::_exit(code);
}

void release_free_memory() {
#ifdef __GLIBC__
    (void)::malloc_trim(0);
#endif
}

bool ProcessEnd::exited_with(int code) const {
    return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

bool ProcessEnd::was_told_to_end() const {
    return WIFSIGNALED(status) && (WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT);
}

std::string ProcessEnd::text() const {
    if (WIFEXITED(status)) return fmt::format("exit {}", WEXITSTATUS(status));
    return fmt::format("signal {}", WTERMSIG(status));
}

ProcessEnd reap_child() {
    ProcessEnd end;
    const pid_t pid = ::waitpid(-1, &end.status, WNOHANG);
    end.pid = pid > 0 ? pid : 0;
    return end;
}

void log_if_crashed(const std::string& process, const ProcessEnd& end) {
    if (end.exited_with(0)) return;
    const LogEvent event = end.was_told_to_end() ? LogEvent("process-ended") : LogEvent("crash");
    log_event("", event, {{"process", process}, {"child", fmt::to_string(end.pid)}, {"status", end.text()}});
}

void remember_arguments(int argc, char** argv) {
    if (argc < 1) return;
    char* end = argv[0];
    for (int i = 0; i < argc; ++i)
        if (argv[i] == end) end += std::strlen(argv[i]) + 1;
    title_area = {argv[0], static_cast<std::size_t>(end - argv[0])};
    // The environment follows the arguments; moving it away gives titles room.
    char** old = environ;
    int count = 0;
    while (old[count] != nullptr) ++count;
    static std::string copies[256];
    static char* moved[257];
    for (int i = 0; i < count && i < 256; ++i) {
        if (old[i] == end) end += std::strlen(old[i]) + 1;
        copies[i] = old[i];
        moved[i] = copies[i].data();
    }
    environ = moved;
    title_area.size = static_cast<std::size_t>(end - argv[0]);
}

void set_process_title(const std::string& text) {
    // By this name pgrep(1), pidof(1) and killall(1) find them all; what each does is in the title. Children
    // have it, too.
    static bool is_named = false;
    if (!std::exchange(is_named, true)) (void)::prctl(PR_SET_NAME, "postoffice", 0, 0, 0);
    if (title_area.size < 2) return;
    const std::string title = ("postoffice: " + text).substr(0, title_area.size - 1);
    std::memset(title_area.start, 0, title_area.size);
    std::memcpy(title_area.start, title.data(), title.size());
}

std::string process_title(pid_t pid) try {
    constexpr std::size_t longest = 4096;
    const Fd file = disk::open_if_exists(fmt::format("/proc/{}/cmdline", pid), O_RDONLY);
    const std::string text = file ? disk::read_all(file.get(), longest) : "";
    return text.substr(0, text.find('\0'));  // the end is filled with NULs
} catch (const std::system_error&) {
    return "";
}

SignalSource::SignalSource(std::initializer_list<int> signals) {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : signals) sigaddset(&set, signal);
    if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) throw_errno("sigprocmask");
    fd_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd_) throw_errno("signalfd");
}

int SignalSource::next() {
    signalfd_siginfo info{};
    const ssize_t n = ::read(fd_.get(), &info, sizeof info);
    return n == static_cast<ssize_t>(sizeof info) ? static_cast<int>(info.ssi_signo) : 0;
}

void ignore_sigpipe() {
    ::signal(SIGPIPE, SIG_IGN);
}

void end_with_parent(pid_t parent) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (::getppid() != parent) (void)::raise(SIGTERM);  // it had ended before we asked
}

}  // namespace postoffice
