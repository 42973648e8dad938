#include "body_writer.h"

#include <algorithm>

#include "postoffice/base/utf8.h"

namespace postoffice {
namespace {

bool is_blank(std::string_view text) {
    return text.find_first_not_of(" \t") == std::string_view::npos;
}

struct Cut {
    std::size_t at;
    bool is_soft;  // before a blank, which begins the next line
};

// Where to cut `line` (longer than `room`). A word that is too long for a line of its own is cut in any case:
// to let it begin a line would leave the one before short and gain nothing.
Cut find_cut(std::string_view line, std::size_t room) {
    const std::size_t blank = line.find_last_of(" \t", room);
    if (blank == std::string_view::npos || blank == 0) return {cut_utf8(line, room).size(), false};
    const std::size_t word_end = std::min(line.find_first_of(" \t", blank + 1), line.size());
    const bool word_fits = word_end - blank <= BodyEncoder::longest_line;
    if (blank < room && !word_fits) return {cut_utf8(line, room).size(), false};
    return {blank, true};
}

}  // namespace

void BodyEncoder::encode(std::string_view bytes, std::string& out) {
    out.reserve(out.size() + bytes.size() + bytes.size() / 16 + 16);
    while (!bytes.empty()) {
        const std::size_t end = bytes.find('\n');
        if (end == std::string_view::npos) {
            add_to_line(bytes, out);
            return;
        }
        const std::string_view line = bytes.substr(0, end);
        bytes.remove_prefix(end + 1);
        if (line_.empty() && line.find('\r') == std::string_view::npos) {
            end_line(line, out);
        } else {
            add_to_line(line, out);
            end_line(line_, out);
            line_.clear();
        }
    }
}

void BodyEncoder::finish(std::string& out) {
    if (!line_.empty()) {
        end_line(line_, out);
        line_.clear();
    }
    out += ".\r\n";
}

// Keeps what may still need a fold later on, and what is needed to see where: never more than two lines.
void BodyEncoder::add_to_line(std::string_view bytes, std::string& out) {
    while (!bytes.empty()) {
        const std::size_t cr = bytes.find('\r');
        line_.append(bytes.substr(0, cr));
        bytes.remove_prefix(cr == std::string_view::npos ? bytes.size() : cr + 1);
    }
    const std::string_view rest = fold(line_, longest_line, out);
    line_.erase(0, line_.size() - rest.size());
}

void BodyEncoder::end_line(std::string_view line, std::string& out) {
    const std::string_view rest = fold(line, 0, out);
    const bool is_needless = in_header_ && owes_line_end_ && is_blank(rest);
    if (!is_needless) put(rest, out);
    out += "\r\n";
    in_header_ = in_header_ && !line.empty();
    owes_line_end_ = false;
    column_ = 0;
}

// Writes the parts of `line` that do not fit; returns the rest, which does, or is not longer than that by
// more than `spare`. In a header no line consists of blanks only (RFC 5322 section 3.2.2): of so long a run,
// what would fill a line is left out.
std::string_view BodyEncoder::fold(std::string_view line, std::size_t spare, std::string& out) {
    for (;;) {
        const std::size_t room = longest_line - column_;
        if (line.size() <= room + spare) return line;
        const Cut cut = find_cut(line, room);
        const std::string_view head = line.substr(0, cut.at);
        line.remove_prefix(cut.at);
        if (in_header_ && cut.is_soft && is_blank(head)) continue;
        put(head, out);
        if (cut.is_soft)
            owes_line_end_ = true;
        else
            out += "\r\n ";
        column_ = cut.is_soft ? 0 : 1;
    }
}

void BodyEncoder::put(std::string_view text, std::string& out) {
    if (owes_line_end_) out += "\r\n";
    owes_line_end_ = false;
    if (column_ == 0 && text.starts_with('.')) out += '.';
    out.append(text);
}

}  // namespace postoffice
