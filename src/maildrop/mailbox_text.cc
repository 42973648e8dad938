#include "mailbox_text.h"

#include <cerrno>

#include "line_reader.h"
#include "postoffice/base/error.h"

namespace postoffice {

void read_message(int file, const MailboxForm& form, const MessagePlace& place,
                  const std::function<bool(std::string_view)>& sink) {
    LineReader reader(file, place.text, place.end);
    bool at_line_start = true;
    char last = '\n';
    while (reader.next()) {
        const std::string_view text = reader.text();
        std::size_t given = 0, done = form.escape_from ? 0 : text.size();
        while (form.escape_from) {
            const std::string_view line = first_line(text.substr(done), reader.is_end());
            if (line.empty()) break;
            if (at_line_start && is_escaped_from_line(line)) {
                if (done > given && !sink(text.substr(given, done - given))) return;
                given = done + 1;
            }
            at_line_start = line.back() == '\n';
            done += line.size();
        }
        if (done > given && !sink(text.substr(given, done - given))) return;
        if (done > 0) last = text[done - 1];
        reader.skip(done);
    }
    if (reader.is_short()) throw_errno(EIO, "a mailbox became shorter");
    if (last != '\n') sink("\n");
}

MessageFacts read_facts(int file, const MailboxForm& form, const MessagePlace& place) {
    const MailboxForm one_message{.has_from_lines = false, .escape_from = form.escape_from};
    return parse_file(file, one_message, place.text, place.end).front().facts;
}

std::optional<ReplacedHeader> with_read_status(std::string_view text) {
    std::string_view rest = text;
    ReplacedHeader header;
    std::string status;
    while (const auto field = read_field(rest)) {
        if (field->is("Status"))
            status += field_value(field->body);
        else
            header.text += field->text;
    }
    const bool is_whole = rest.starts_with('\n') || rest.starts_with("\r\n");
    if (!is_whole || status == "RO") return std::nullopt;
    header.text += rest.front() == '\r' ? "Status: RO\r\n" : "Status: RO\n";
    header.replaces = text.size() - rest.size();
    return header;
}

}  // namespace postoffice
