// What the octets of a header cost, in ratio to the same octets in the body: a client chooses which it sends.
// OCTETS in the environment is how many (8 MB). The spool is a folder of its own below /var/tmp.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "postoffice/queue/message_builder.h"

namespace {

using namespace postoffice;

constexpr std::size_t piece = 16384;
constexpr int rounds = 5;

double cpu_seconds() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
}

/// CPU seconds to receive `text`, the median of some rounds.
double cost_of(const std::string& text, const std::string& spool) {
    std::vector<double> seconds;
    for (int round = 0; round < rounds; ++round) {
        const double before = cpu_seconds();
        Message message(spool, 1);
        MessageBuilder builder(message, {.hostname = "mail.example", .id = "ID", .sender = "a@far.example"},
                               "Received: from us\n");
        for (std::size_t at = 0; at < text.size(); at += piece)
            builder.feed(std::string_view(text).substr(at, piece));
        if (builder.finish()) std::abort();
        seconds.push_back(cpu_seconds() - before);
    }
    std::nth_element(seconds.begin(), seconds.begin() + rounds / 2, seconds.end());
    return seconds[rounds / 2];
}

std::string repeated(std::string_view line, std::size_t octets) {
    std::string text;
    text.reserve(octets + line.size());
    while (text.size() < octets) text += line;
    return text;
}

}  // namespace

int main() {
    const char* given = std::getenv("OCTETS");
    const std::size_t octets = given != nullptr ? std::strtoul(given, nullptr, 10) : 8U << 20;
    std::string spool = "/var/tmp/postoffice-bench-XXXXXX";
    if (::mkdtemp(spool.data()) == nullptr) return 1;
    const double body =
        cost_of("Subject: x\n\n" + repeated("a: body of a message, a line of usual length\n", octets), spool);
    const double usual =
        cost_of(repeated("X-Field: what a field of usual length has in it\n", octets), spool);
    const double shortest = cost_of(repeated("a:\n", octets), spool);
    std::filesystem::remove_all(spool);
    fmt::print(
        "{} octets in the body {:.3f} s CPU; as fields of usual length {:.1f} times, as the shortest fields "
        "{:.1f} times that\n",
        octets, body, usual / body, shortest / body);
    return 0;
}
