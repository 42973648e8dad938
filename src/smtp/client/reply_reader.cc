#include "reply_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::size_t quoted_in_errors = 60;

// The code of a line "250-text", "250 text" or "250" (section 4.2: a client must accept the bare code);
// 0 if it is none.
int code_of(std::string_view line) {
    if (line.size() < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) || !is_digit(line[2]))
        return 0;
    if (line.size() > 3 && line[3] != ' ' && line[3] != '-') return 0;
    return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

// Only a status of the code's class is one: "550 2.1.5 ..." would say two things at once (RFC 2034 section
// 4).
StatusAndText split_status(int code, std::string_view text) {
    const StatusAndText parts = split_enhanced_status(text);
    const bool agrees = !parts.status.empty() && parts.status.front() == static_cast<char>('0' + code / 100);
    return agrees ? parts : StatusAndText{{}, text};
}

}  // namespace

Reply completion(Reply reply) {
    if (reply.code >= 300 && reply.code < 400)
        throw BadReply(fmt::format("its answer is {}, which asks for more", reply.code));
    return reply;
}

std::size_t ReplyReader::feed(std::string_view bytes) {
    std::size_t used = 0;
    while (!complete_ && used < bytes.size()) {
        const std::string_view rest = bytes.substr(used);
        const std::size_t end = rest.find('\n');
        const std::size_t length = end == std::string_view::npos ? rest.size() : end + 1;
        used += length;
        octets_ += length;
        if (octets_ > most_octets) throw BadReply("its answer does not end");
        line_.append(rest.substr(0, end));
        if (end == std::string_view::npos) break;
        if (line_.ends_with('\r')) line_.pop_back();
        read_line(line_);
        line_.clear();
    }
    return used;
}

void ReplyReader::read_line(std::string_view line) {
    const int code = code_of(line);
    if (code == 0)
        throw BadReply(fmt::format("its answer is not SMTP: \"{}\"",
                                   printable(line.substr(0, std::min(line.size(), quoted_in_errors)))));
    if (++lines_ > most_lines) throw BadReply("its answer has too many lines");
    // Codes that differ within a class are sloppy; classes that differ leave open what happened.
    if (reply_.code != 0 && reply_.code / 100 != code / 100)
        throw BadReply(fmt::format("its answer says both {} and {}", reply_.code, code));
    reply_.code = code;

    const bool is_last = line.size() < 4 || line[3] == ' ';
    const StatusAndText parts = split_status(code, line.substr(std::min<std::size_t>(line.size(), 4)));
    if (reply_.status.empty()) reply_.status = parts.status;
    if (lines_ > 1) reply_.text += '\n';
    reply_.text += printable(parts.text);
    complete_ = is_last;
}

Reply ReplyReader::take() {
    Reply reply = std::exchange(reply_, Reply{0, "", ""});
    *this = ReplyReader();
    return reply;
}

}  // namespace postoffice
