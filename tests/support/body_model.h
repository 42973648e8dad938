// What a body must look like on the wire, said once more in the plainest way, to compare the encoder with.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace postoffice::test {

/// The lines that a conforming receiver stores (RFC 5321 section 4.5.2), each with LF; `rest` is what follows
/// the final dot; `ended` is false if there is none.
struct Received {
    std::string stored;
    std::string rest;
    std::size_t longest_line = 0;  ///< without CRLF and stuffed dot
    bool ended = false;
    bool has_lone_cr_or_lf = false;
};

inline Received receive(std::string_view wire) {
    Received result;
    while (!wire.empty()) {
        const std::size_t end = wire.find("\r\n");
        if (end == std::string_view::npos) {
            result.rest = wire;
            return result;
        }
        std::string_view line = wire.substr(0, end);
        wire.remove_prefix(end + 2);
        if (line == ".") {
            result.ended = true;
            result.rest = wire;
            return result;
        }
        if (line.starts_with('.')) line.remove_prefix(1);
        if (line.find_first_of("\r\n") != std::string_view::npos) result.has_lone_cr_or_lf = true;
        result.longest_line = std::max(result.longest_line, line.size());
        result.stored.append(line).append("\n");
    }
    return result;
}

/// The lines that one line of a message becomes, each with LF.
inline std::string folded(std::string line, bool in_header) {
    constexpr std::size_t longest = 998;
    const auto is_blank = [](const std::string& text) { return text.find_first_not_of(" \t") == text.npos; };
    std::string result;
    while (line.size() > longest) {
        std::size_t cut = line.find_last_of(" \t", longest);
        bool hard = cut == line.npos || cut == 0;
        if (!hard && cut < longest)
            hard = std::min(line.find_first_of(" \t", cut + 1), line.size()) - cut > longest;
        for (cut = hard ? longest : cut; hard && cut > longest - 4; --cut)
            if ((static_cast<unsigned char>(line[cut]) & 0xC0) != 0x80) break;
        if (hard && cut == longest - 4) cut = longest;
        const std::string head = line.substr(0, cut);
        line.erase(0, cut);
        if (!in_header || hard || !is_blank(head)) result += head + "\n";
        // The blank of a hard fold is a part of the next line, but never a place to fold.
        if (hard) line.insert(0, " ");
    }
    if (in_header && !result.empty() && is_blank(line)) return result;
    return result + line + "\n";
}

/// `message` without CR, every line ended, and lines over 998 octets folded: the stored form after one hop.
inline std::string normalised(std::string_view message) {
    std::string result;
    std::string line;
    bool in_header = true;
    const auto end_line = [&] {
        in_header = in_header && !line.empty();
        result += folded(line, in_header);
        line.clear();
    };
    for (const char c : message) {
        if (c == '\n')
            end_line();
        else if (c != '\r')
            line += c;
    }
    if (!line.empty()) end_line();
    return result;
}

}  // namespace postoffice::test
