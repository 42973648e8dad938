#include "body_writer.h"

namespace postoffice {
namespace {

// How much of `line` (longer than `room`) goes before a hard fold: no UTF-8 sequence is torn apart.
std::size_t hard_cut(std::string_view line, std::size_t room) {
    constexpr std::size_t longest_sequence = 4;
    for (std::size_t cut = room; cut > room - longest_sequence; --cut) {
        const bool continues = (static_cast<unsigned char>(line[cut]) & 0xC0) == 0x80;
        if (!continues) return cut;
    }
    return room;
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

// Keeps what may still need a fold later on, which is never more than a line.
void BodyEncoder::add_to_line(std::string_view bytes, std::string& out) {
    while (!bytes.empty()) {
        const std::size_t cr = bytes.find('\r');
        line_.append(bytes.substr(0, cr));
        bytes.remove_prefix(cr == std::string_view::npos ? bytes.size() : cr + 1);
    }
    const std::string_view rest = fold(line_, out);
    line_.erase(0, line_.size() - rest.size());
}

void BodyEncoder::end_line(std::string_view line, std::string& out) {
    put(fold(line, out), out);
    out += "\r\n";
    column_ = 0;
}

// Writes the parts of `line` that do not fit; returns the rest, which does.
std::string_view BodyEncoder::fold(std::string_view line, std::string& out) {
    for (;;) {
        const std::size_t room = longest_line - column_;
        if (line.size() <= room) return line;
        const std::size_t blank = line.find_last_of(" \t", room);
        const bool soft = blank != std::string_view::npos && blank > 0;
        const std::size_t cut = soft ? blank : hard_cut(line, room);
        put(line.substr(0, cut), out);
        out += soft ? "\r\n" : "\r\n ";
        column_ = soft ? 0 : 1;
        line.remove_prefix(cut);
    }
}

void BodyEncoder::put(std::string_view text, std::string& out) {
    if (column_ == 0 && text.starts_with('.')) out += '.';
    out.append(text);
}

}  // namespace postoffice
