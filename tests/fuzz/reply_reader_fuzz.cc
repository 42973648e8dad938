// Replies of servers: whatever comes, octet by octet or at once, the outcome is the same; what is taken is
// bounded, printable, and has a code and a status of one class.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../../src/smtp/client/reply_reader.h"

namespace {

using postoffice::Reply;
using postoffice::ReplyReader;

void require(bool holds) {
    if (!holds) std::abort();
}

struct Outcome {
    std::vector<std::string> replies;
    bool is_bad = false;
    bool operator==(const Outcome&) const = default;
};

void check(const Reply& reply) {
    require(reply.code >= 200 && reply.code <= 599);
    require(reply.status.empty() || reply.status.front() - '0' == reply.code / 100);
    require(reply.text.size() <= ReplyReader::most_octets);
    require(std::count(reply.text.begin(), reply.text.end(), '\n') <
            static_cast<std::ptrdiff_t>(ReplyReader::most_lines));
    require(std::none_of(reply.text.begin(), reply.text.end(), [](char c) {
        return (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7F;
    }));
}

Outcome read(std::string_view octets, std::size_t piece) {
    Outcome outcome;
    ReplyReader reader;
    try {
        while (!octets.empty()) {
            const std::size_t used = reader.feed(octets.substr(0, piece));
            require(used > 0 && used <= piece);
            octets.remove_prefix(used);
            if (!reader.is_complete()) continue;
            const Reply reply = reader.take();
            check(reply);
            outcome.replies.push_back(reply.wire());
        }
    } catch (const postoffice::BadReply&) {
        outcome.is_bad = true;
    }
    return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view octets(reinterpret_cast<const char*>(data), size);
    require(read(octets, size + 1) == read(octets, 1));
    return 0;
}
