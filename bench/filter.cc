// bench-filter SOCKET [SECONDS]: a filter that asks for nothing, hears of everything and lets all mail pass,
// so that a comparison shows what the servers pay for a filter. It answers what has arrived with one write.
// With SECONDS it takes that long over the end of a message whose sender is <slow@...>.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

namespace {

constexpr std::string_view go_on{"\0\0\0\1c", 5};
// Version 6, all changes, all stages with an answer.
constexpr std::string_view agreed{"\0\0\0\15O\0\0\0\6\0\0\1\377\0\0\0\0", 17};
constexpr std::size_t length_octets = 4;

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

std::uint32_t length_at(std::string_view octets) {
    std::uint32_t length = 0;
    for (const char octet : octets.substr(0, length_octets))
        length = length << 8 | static_cast<unsigned char>(octet);
    return length;
}

class Session {
  public:
    explicit Session(std::chrono::seconds delay) : delay_(delay) {}

    /// The answers to the packets that are complete now.
    std::string answers_to(std::string_view octets) {
        input_ += octets;
        std::string answers;
        std::string_view rest = input_;
        while (rest.size() > length_octets && rest.size() - length_octets >= length_at(rest)) {
            const std::uint32_t length = length_at(rest);
            answers += answer_to(rest.substr(length_octets, length));
            rest.remove_prefix(length_octets + length);
        }
        input_.erase(0, input_.size() - rest.size());
        return answers;
    }

  private:
    std::string_view answer_to(std::string_view packet) {
        switch (packet.front()) {
            case 'O':
                return agreed;
            case 'D':
            case 'A':
            case 'K':
            case 'Q':
                return "";
            case 'M':
                is_slow_ = packet.starts_with("M<slow@");
                return go_on;
            case 'E':
                if (is_slow_) std::this_thread::sleep_for(delay_);
                return go_on;
            default:
                return go_on;
        }
    }

    const std::chrono::seconds delay_;
    std::string input_;
    bool is_slow_ = false;
};

void serve(int socket, std::chrono::seconds delay) {
    Session session(delay);
    char block[1 << 17];
    for (ssize_t n; (n = ::recv(socket, block, sizeof block, 0)) > 0;) {
        const std::string answers = session.answers_to({block, static_cast<std::size_t>(n)});
        if (!answers.empty() && ::send(socket, answers.data(), answers.size(), MSG_NOSIGNAL) < 0) break;
    }
    ::close(socket);
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) {
        std::fputs("usage: bench-filter SOCKET [SECONDS]\n", stderr);
        return 64;
    }
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un place{};
    place.sun_family = AF_UNIX;
    std::string_view(arguments[1]).copy(place.sun_path, sizeof place.sun_path - 1);
    (void)::umask(0);  // servers run as accounts of their own
    if (::bind(listener, reinterpret_cast<const sockaddr*>(&place), sizeof place) != 0) die("bind");
    if (::listen(listener, 1000) != 0) die("listen");
    const std::chrono::seconds delay(count > 2 ? std::atoi(arguments[2]) : 0);
    for (;;) {
        const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (socket < 0) die("accept");
        std::thread(serve, socket, delay).detach();
    }
}
