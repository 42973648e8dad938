// pop3client: fetches mail by POP3 for people who try a server, and shows how many sessions a second it
// serves.
#include <fmt/format.h>
#include <getopt.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <vector>

#include "postoffice/base/error.h"
#include "postoffice/base/ip_address.h"
#include "postoffice/base/output.h"
#include "postoffice/base/text.h"
#include "postoffice/commands/commands.h"
#include "postoffice/commands/line/read_secret.h"
#include "postoffice/net/connect.h"
#include "postoffice/pop3/client.h"

namespace postoffice {
namespace {

constexpr Seconds patience{60};
constexpr std::uint64_t most_sessions = 1'000'000, most_clients = 1000;

struct Task {
    enum class Tls { when_offered, from_the_start, never } tls = Tls::when_offered;
    bool checks_certificate = true;
    std::string user, password, host;
    std::uint16_t port = 0;
    std::optional<std::uint64_t> show, remove;  ///< messages
    bool shows_all = false;                     ///< each message is fetched
    std::uint64_t sessions = 0;                 ///< 0: one, for a person
    std::uint64_t clients = 1;                  ///< at a time
};

int show_usage(int exit_code = EX_USAGE) {
    write_text(exit_code == EX_OK ? stdout : stderr,
               "usage: pop3client [-s | -p] [-k] [-r number] [-d number] user host[:port]\n"
               "       pop3client [-s | -p] [-k] [-a] -n sessions [-c clients] user host[:port]\n"
               "The password is the first line of standard input.\n");
    return exit_code;
}

bool read_number(const char* text, std::uint64_t most, std::uint64_t& into) {
    const auto number = parse_number(text);
    if (!number || *number == 0 || *number > most) return false;
    into = *number;
    return true;
}

bool read_option(int letter, Task& task) {
    std::uint64_t number = 0;
    switch (letter) {
        case 's':
            task.tls = Task::Tls::from_the_start;
            return true;
        case 'p':
            task.tls = Task::Tls::never;
            return true;
        case 'k':
            task.checks_certificate = false;
            return true;
        case 'a':
            task.shows_all = true;
            return true;
        case 'n':
            return read_number(::optarg, most_sessions, task.sessions);
        case 'c':
            return read_number(::optarg, most_clients, task.clients);
        case 'r':
        case 'd':
            if (!read_number(::optarg, UINT32_MAX, number)) return false;
            (letter == 'r' ? task.show : task.remove) = number;
            return true;
        default:
            return false;
    }
}

/// "host", "host:port", "[2001:db8::1]:port".
bool read_host(std::string_view text, Task& task) {
    const auto colon = text.rfind(':');
    const bool has_port = colon != text.npos && text.find(']', colon) == text.npos &&
                          (text.front() == '[' || text.find(':') == colon);
    std::uint64_t port = task.tls == Task::Tls::from_the_start ? 995 : 110;
    if (has_port && !read_number(std::string(text.substr(colon + 1)).c_str(), 65535, port)) return false;
    task.port = static_cast<std::uint16_t>(port);
    text = has_port ? text.substr(0, colon) : text;
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    task.host = text;
    return !text.empty();
}

bool parse(int argc, char** argv, Task& task) {
    ::opterr = 0;
    for (int letter; (letter = ::getopt(argc, argv, "spkan:c:r:d:")) != -1;)
        if (!read_option(letter, task)) return false;
    if (::optind + 2 != argc) return false;
    task.user = argv[::optind];
    return read_host(argv[::optind + 1], task);
}

/// Of the host, as programs of this system find them.
std::vector<Endpoint> addresses_of(const Task& task) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (const int error = ::getaddrinfo(task.host.c_str(), std::to_string(task.port).c_str(), &hints, &found))
        throw FormatError(fmt::format("{}: {}", printable(task.host), ::gai_strerror(error)));
    std::vector<Endpoint> addresses;
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next)
        if (const auto endpoint = Endpoint::from_sockaddr(one->ai_addr)) addresses.push_back(*endpoint);
    ::freeaddrinfo(found);
    if (addresses.empty()) throw FormatError(printable(task.host) + ": no address");
    return addresses;
}

/// A client that has logged in.
Pop3Client log_in(const Task& task, TlsClient& tls) {
    const auto addresses = addresses_of(task);
    Pop3Client client(Connection(connect_to_first(addresses, Deadline::after(patience)).socket), patience);
    TlsPeer peer{
        task.host, task.checks_certificate ? TlsPeer::Check::names : TlsPeer::Check::none, {task.host}};
    if (task.tls == Task::Tls::from_the_start) client.start_tls(tls, peer);
    (void)client.greet();
    if (task.tls == Task::Tls::when_offered)
        for (const std::string& capability : client.capabilities())
            if (equals_ignoring_case(capability, "STLS")) {
                client.begin_tls(tls, peer);
                break;
            }
    client.log_in(task.user, task.password);
    return client;
}

void run_for_person(const Task& task) {
    TlsClient tls;
    Pop3Client client = log_in(task, tls);
    if (task.show)
        for (const std::string& line : client.ask_for_lines(fmt::format("RETR {}", *task.show)))
            print_output("{}\n", line);
    if (task.remove) (void)client.ask(fmt::format("DELE {}", *task.remove));
    if (!task.show && !task.remove) {
        const auto sizes = client.ask_for_lines("LIST"), ids = client.ask_for_lines("UIDL");
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            std::string_view id = i < ids.size() ? std::string_view(ids[i]) : std::string_view();
            (void)read_until(id, ' ');
            print_output("{} {}\n", printable(sizes[i]), printable(id));
        }
    }
    (void)client.ask("QUIT");
}

void run_session(const Task& task, TlsClient& tls) {
    Pop3Client client = log_in(task, tls);
    std::string numbers = client.ask("STAT");
    std::string_view rest = numbers;
    const auto messages = parse_number(read_until(rest, ' ')).value_or(0);
    if (task.shows_all)
        for (std::uint64_t n = 1; n <= messages; ++n) (void)client.ask_for_lines(fmt::format("RETR {}", n));
    (void)client.ask("QUIT");
}

/// One client process: its exit status is 1 if a session failed. Its first failure is shown.
int run_many(const Task& task, std::uint64_t sessions) {
    TlsClient tls;
    std::uint64_t failed = 0;
    for (std::uint64_t n = 0; n < sessions; ++n) try {
            run_session(task, tls);
        } catch (const std::exception& error) {
            if (failed++ == 0) print_error("pop3client: {}\n", in_plain_words(error));
        }
    if (failed > 1) print_error("pop3client: {} sessions of one client failed\n", failed);
    return failed == 0 ? EX_OK : 1;
}

int run_for_load(const Task& task) {
    const auto start = std::chrono::steady_clock::now();
    for (std::uint64_t n = 0; n < task.clients; ++n) {
        const pid_t pid = ::fork();
        if (pid < 0) throw_errno("fork");
        if (pid == 0)
            ::_exit(
                run_many(task, task.sessions / task.clients + (n < task.sessions % task.clients ? 1 : 0)));
    }
    bool has_failed = false;
    for (int status = 0; ::wait(&status) > 0 || errno == EINTR;)
        has_failed |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    print_output("{} sessions in {:.2f} s, {:.0f} a second\n", task.sessions, took.count(),
                 static_cast<double>(task.sessions) / took.count());
    return has_failed ? EX_TEMPFAIL : EX_OK;
}

}  // namespace

int pop3client(int argc, char** argv) try {
    if (asks_for_help(argc, argv)) return show_usage(EX_OK);
    Task task;
    if (!parse(argc, argv, task)) return show_usage();
    task.password = read_secret("Password: ");
    if (task.sessions > 0) return run_for_load(task);
    run_for_person(task);
    return EX_OK;
} catch (const Pop3Refused& error) {
    print_error("pop3client: the server said {}\n", error.what());
    return EX_UNAVAILABLE;
} catch (const std::exception& error) {
    print_error("pop3client: {}\n", in_plain_words(error));
    return EX_TEMPFAIL;
}

}  // namespace postoffice
