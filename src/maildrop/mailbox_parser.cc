#include "mailbox_parser.h"

#include <algorithm>
#include <array>
#include <utility>

#include "line_reader.h"
#include "postoffice/base/text.h"
#include "postoffice/mail/header.h"

namespace postoffice {
namespace {

constexpr std::size_t longest_from_line = 2048;

constexpr std::string_view from_word = "From ";

bool is_empty_line(std::string_view line) {
    return line == "\n" || line == "\r\n";
}

bool is_month(std::string_view word) {
    constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    return std::any_of(months.begin(), months.end(),
                       [word](std::string_view month) { return equals_ignoring_case(word, month); });
}

/// "10:00" or "10:00:00".
bool is_time_of_day(std::string_view word) {
    const auto colon = word.find(':');
    return (colon == 1 || colon == 2) && word.size() >= colon + 3 &&
           word.find_first_not_of("0123456789:") == std::string_view::npos;
}

/// True for the line of any of the programs that write one, which have the parts of the date in different
/// orders, with and without a zone.
bool has_date(std::string_view line) {
    bool has_time = false, has_month = false, has_day = false, has_year = false;
    for (std::string_view rest = line.substr(from_word.size()); !rest.empty();) {
        const std::string_view word = trim(read_until(rest, ' '));
        const bool is_number = parse_number(word).has_value();
        has_time |= is_time_of_day(word);
        has_month |= is_month(word);
        has_day |= is_number && word.size() <= 2;
        has_year |= is_number && word.size() == 4;
    }
    return has_time && has_month && has_day && has_year;
}

}  // namespace

bool is_escaped_from_line(std::string_view line) {
    const auto word = line.find_first_not_of('>');
    return word != 0 && word != std::string_view::npos && line.substr(word).starts_with(from_word);
}

MailboxParser::MailboxParser(const MailboxForm& form, std::uint64_t offset) : form_(form), offset_(offset) {
    if (!form_.has_from_lines) begin_message(offset, offset);
}

std::size_t MailboxParser::read(std::string_view text, bool is_end) {
    std::size_t done = 0;
    while (done < text.size()) {
        const std::string_view rest = text.substr(done);
        std::size_t size = is_open_ && !in_header_ ? read_body(rest, is_end) : 0;
        if (size == 0) {
            const std::string_view line = first_line(rest, is_end);
            if (line.empty()) break;
            read_line(line);
            size = line.size();
        }
        done += size;
        offset_ += size;
    }
    return done;
}

/// Reads lines of a body up to one that is more than text. Returns how many octets these are.
std::size_t MailboxParser::read_body(std::string_view text, bool is_end) {
    std::size_t size = 0;
    std::size_t empty_size = 0;  // of an empty line, the last of the lines read
    for (;;) {
        const std::string_view line = first_line(text.substr(size), is_end);
        if (line.empty()) break;
        const bool follows_empty_line = empty_size != 0 || (size == 0 && !empty_line_.empty());
        if (is_from_line(line, follows_empty_line) || is_escaped(line)) break;
        empty_size = at_line_start_ && is_empty_line(line) ? line.size() : 0;
        at_line_start_ = line.back() == '\n';
        size += line.size();
    }
    if (size == 0) return 0;
    add_empty_line();
    scan_.add_body(text.substr(0, size - empty_size));
    empty_line_ = text.substr(size - empty_size, empty_size);
    return size;
}

/// Any line in front of a body, and those in it that read_body() leaves.
void MailboxParser::read_line(std::string_view line) {
    if (is_from_line(line, !empty_line_.empty())) {
        if (is_open_) end_message();
        begin_message(offset_, offset_ + line.size());
        return;
    }
    if (!is_open_) {
        if (is_empty_line(line)) return;
        begin_message(offset_, offset_);
    }
    is_first_ = false;
    const std::string_view text = is_escaped(line) ? line.substr(1) : line;
    if (!in_header_) {
        add_empty_line();
        scan_.add_body(text);
    } else if (at_line_start_ && is_empty_line(line)) {
        in_header_ = false;
        empty_line_ = line;
    } else {
        scan_.add_header(text, at_line_start_);
    }
    at_line_start_ = line.back() == '\n';
}

bool MailboxParser::is_from_line(std::string_view line, bool follows_empty_line) const {
    if (!form_.has_from_lines || !at_line_start_ || !line.starts_with(from_word)) return false;
    if (line.size() > longest_from_line) return false;
    return is_first_ ? is_mbox_from_line(line) : follows_empty_line && has_date(line);
}

bool MailboxParser::is_escaped(std::string_view line) const {
    return form_.escape_from && at_line_start_ && is_escaped_from_line(line);
}

void MailboxParser::add_empty_line() {
    scan_.add_body(empty_line_);
    empty_line_.clear();
}

void MailboxParser::begin_message(std::uint64_t start, std::uint64_t text) {
    messages_.push_back({{start, text, text, text}, {}});
    scan_ = MessageScan();
    empty_line_.clear();
    is_open_ = in_header_ = true;
    is_first_ = false;
}

/// In front of the line at offset_.
void MailboxParser::end_message() {
    if (!form_.has_from_lines) add_empty_line();
    messages_.back().place.end = offset_ - empty_line_.size();
    messages_.back().place.next = offset_;
    messages_.back().facts = scan_.finish();
}

std::vector<ParsedMessage> MailboxParser::finish() {
    if (is_open_) end_message();
    return std::move(messages_);
}

std::vector<ParsedMessage> parse_file(int file, const MailboxForm& form, std::uint64_t offset,
                                      std::uint64_t end) {
    MailboxParser parser(form, offset);
    LineReader reader(file, offset, end);
    while (reader.next()) reader.skip(parser.read(reader.text(), reader.is_end()));
    return parser.finish();
}

}  // namespace postoffice
