#include "postoffice/local/program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <optional>

#include "postoffice/base/error.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr int niceness = 10;
constexpr Milliseconds glance{200};

/// As execve(2) wants it, made before the fork: the child allocates nothing.
struct ProgramStart {
    const char* path;
    const char* folder;
    char* const* arguments;
    char* const* environment;
};

/// In the child; nothing here may throw or return.
[[noreturn]] void become_program(const ProgramStart& start, int input, int output) {
    // A process group of its own, so that its children end with it.
    (void)::setpgid(0, 0);
    (void)::setpriority(PRIO_PROCESS, 0, niceness);
    for (const int signal : {SIGPIPE, SIGXFSZ, SIGHUP, SIGUSR1}) ::signal(signal, SIG_DFL);
    const rlimit no_core{0, 0};
    (void)::setrlimit(RLIMIT_CORE, &no_core);
    if (::chdir(start.folder) != 0 && ::chdir("/") != 0) ::_exit(EX_OSERR);
    if (::dup2(input, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0 ||
        ::dup2(output, STDERR_FILENO) < 0)
        ::_exit(EX_OSERR);
    (void)::close_range(3, ~0U, 0);
    ::execve(start.path, start.arguments, start.environment);
    ::_exit(errno == ENOENT ? 127 : 126);
}

/// Reads what the command says until it has ended. Its children may hold the pipe for longer than it lives:
/// this does not wait for them.
class RunningProgram {
  public:
    RunningProgram(pid_t pid, Fd output, std::size_t most_output, const Deadline& deadline)
        : pid_(pid), output_(std::move(output)), most_output_(most_output), deadline_(deadline) {}

    ProgramEnd until_end() {
        while (!has_ended()) {
            if (deadline_.passed()) {
                end_.timed_out = true;
                (void)::kill(-pid_, SIGKILL);
                (void)::kill(pid_, SIGKILL);
                (void)::waitpid(pid_, &end_.status, 0);
                break;
            }
            read_output(true);
        }
        read_output(false);
        return std::move(end_);
    }

  private:
    bool has_ended() {
        const pid_t ended = ::waitpid(pid_, &end_.status, WNOHANG);
        if (ended < 0 && errno != EINTR) throw_errno("wait for a program");
        return ended == pid_;
    }

    void read_output(bool may_wait) {
        // The pipe ends when the command does, as a rule; the glance is for one that closed it before.
        pollfd waiting{output_.get(), POLLIN, 0};
        const int n = ::poll(&waiting, output_ ? 1 : 0, may_wait ? static_cast<int>(glance.count()) : 0);
        if (n <= 0) return;
        char buffer[4096];
        const ssize_t got = ::read(output_.get(), buffer, sizeof buffer);
        if (got > 0)
            end_.output.append(buffer,
                               std::min(static_cast<std::size_t>(got), most_output_ - end_.output.size()));
        else if (got == 0)
            output_.reset();
    }

    const pid_t pid_;
    Fd output_;
    const std::size_t most_output_;
    const Deadline& deadline_;
    ProgramEnd end_;
};

std::vector<std::string> as_strings(const Environment& environment) {
    std::vector<std::string> strings;
    for (const auto& [name, value] : environment) strings.push_back(name + "=" + value);
    return strings;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    for (auto& text : strings) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

std::string with_output(std::string text, const ProgramEnd& end) {
    const auto said = trim(end.output);
    return said.empty() ? text : text + ": " + printable(said);
}

}  // namespace

std::string program_path() {
    const std::string usual = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";
    std::error_code unknown;
    const std::string own = std::filesystem::read_symlink("/proc/self/exe", unknown).parent_path();
    const bool is_usual = own.empty() || (":" + usual + ":").find(":" + own + ":") != std::string::npos;
    return is_usual ? usual : usual + ":" + own;
}

bool ProgramEnd::exited_with(int code) const {
    return !timed_out && WIFEXITED(status) && WEXITSTATUS(status) == code;
}

ProgramEnd run_program(const Program& program, int input, const Deadline& deadline) {
    auto words = program.arguments;
    auto variables = as_strings(program.environment);
    const auto word_pointers = pointers_to(words);
    const auto variable_pointers = pointers_to(variables);
    // A description of its own: what one program reads, the next must be able to read again.
    Fd file(::open(fmt::format("/proc/self/fd/{}", input).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file && errno == EACCES) {  // the file of another account, which has opened it for this one
        file = Fd(::fcntl(input, F_DUPFD_CLOEXEC, 0));
        if (::lseek(input, 0, SEEK_SET) != 0) throw_errno("seek");
    }
    if (!file) throw_errno("open the message for a program");
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("pipe");
    Fd read_end(ends[0]), write_end(ends[1]);
    const pid_t pid = ::fork();
    if (pid < 0) throw_errno("fork");
    if (pid == 0)
        become_program(
            {program.path.c_str(), program.folder.c_str(), word_pointers.data(), variable_pointers.data()},
            file.get(), write_end.get());
    (void)::setpgid(pid, pid);
    write_end.reset();
    return RunningProgram(pid, std::move(read_end), program.most_output, deadline).until_end();
}

ProgramEnd run_command(const std::string& command, const std::string& folder, const Environment& environment,
                       int input, const Deadline& deadline) {
    return run_program({"/bin/sh", {"sh", "-c", command}, folder, environment}, input, deadline);
}

namespace {

/// Without an exit status; nullopt if it has one.
std::optional<DeliveryResult> ended_early(const ProgramEnd& end) {
    if (end.timed_out) return deferred("4.3.0", "The program took too long and was ended");
    if (WIFEXITED(end.status)) return std::nullopt;
    return deferred(
        "4.3.0", with_output(fmt::format("The program was ended by signal {}", WTERMSIG(end.status)), end));
}

DeliveryResult failed_with(int code, const ProgramEnd& end) {
    return failed("5.3.0", with_output(fmt::format("The program failed with status {}", code), end));
}

}  // namespace

DeliveryResult result_of(const ProgramEnd& end) {
    if (auto result = ended_early(end)) return std::move(*result);
    const int code = WEXITSTATUS(end.status);
    switch (code) {
        case 0:
        case 99:  // dot-qmail: done, and nothing more is to be done
            return delivered("The program took the message");
        case EX_NOUSER:
            return failed("5.1.1", with_output("No such user", end));
        case EX_NOHOST:
            return failed("5.1.2", with_output("No such host", end));
        case EX_NOPERM:
            return failed("5.7.1", with_output("Not permitted", end));
        case EX_CANTCREAT:
            return failed("5.2.0", with_output("The program could not write", end));
        case EX_TEMPFAIL:
        case 111:
        case EX_OSERR:
        case EX_IOERR:
            return deferred("4.3.0", with_output("The program asks to try again", end));
        case 126:  // sh: found, but cannot be run; maybe a disk is not mounted
        case 127:  // sh: not found
            return deferred("4.3.5", with_output("The program cannot be run", end));
        default:
            return failed_with(code, end);
    }
}

DeliveryResult qmail_result_of(const ProgramEnd& end) {
    if (auto result = ended_early(end)) return std::move(*result);
    const int code = WEXITSTATUS(end.status);
    switch (code) {
        case 0:
        case 99:
            return delivered("The program took the message");
        case 64:
        case 65:
        case 70:
        case 76:
        case 77:
        case 78:
        case 100:
        case 112:
            return failed_with(code, end);
        default:
            return deferred("4.3.0", with_output(fmt::format("The program ended with status {}", code), end));
    }
}

}  // namespace postoffice
