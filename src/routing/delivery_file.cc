#include "postoffice/routing/delivery_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

using Kind = AliasTarget::Kind;

std::string_view read_word(std::string_view& text) {
    std::size_t end = 0;
    while (end < text.size() && !is_blank(text[end])) ++end;
    const auto word = text.substr(0, end);
    text = trim(text.substr(end));
    return word;
}

Instruction deliver(AliasTarget target, unsigned line) {
    return {Instruction::Kind::deliver, std::move(target), {}, {}, line};
}

/// "?label command" and ":label": a label is a run of anything but blanks, maybe an empty one.
Instruction labelled(std::string_view text, unsigned line) {
    Instruction instruction;
    instruction.line = line;
    instruction.kind = text.front() == '?' ? Instruction::Kind::branch : Instruction::Kind::label;
    text.remove_prefix(1);
    instruction.label = read_word(text);
    if (instruction.kind == Instruction::Kind::branch) instruction.command = text;
    return instruction;
}

bool is_include(std::string_view text) {
    return starts_with_ignoring_case(text, ":include:");
}

/// What the first line of a program for Exim announces; "" for any other line.
std::string_view language_of(std::string_view line) {
    if (!line.starts_with('#')) return "";
    line = trim(line.substr(1));
    for (const std::string_view language : {"an Exim filter", "a Sieve filter"})
        if (starts_with_ignoring_case(line, language.substr(language.find(' ') + 1))) return language;
    return "";
}

class Parser {
  public:
    explicit Parser(DeliveryDialect dialect) : dialect_(dialect) {}

    Result<DeliveryFile> parse(std::string_view text);

  private:
    std::string read_line(std::string_view text);
    std::string read_forward_line(std::string_view text);
    std::string read_qmail_line(std::string_view text);
    std::string add_address(std::string_view text);

    const DeliveryDialect dialect_;
    DeliveryFile file_;
    unsigned line_ = 0;
};

Result<DeliveryFile> Parser::parse(std::string_view text) {
    if (text.size() > most_delivery_file_octets)
        return Problem{fmt::format("larger than {} octets", most_delivery_file_octets)};
    text = without_byte_order_mark(text);
    while (!text.empty()) {
        const auto raw = read_until(text, '\n');
        ++line_;
        if (raw.find('\0') != std::string_view::npos) return Problem{fmt::format("line {}: a NUL", line_)};
        const auto content = trim(raw);
        if (const auto language = line_ == 1 ? language_of(content) : ""; !language.empty())
            return Problem{fmt::format("line 1: the language of {} is not known here", language)};
        if (content.empty() || content.front() == '#') continue;
        if (auto problem = read_line(content); !problem.empty())
            return Problem{fmt::format("line {}: {}", line_, problem)};
    }
    return std::move(file_);
}

std::string Parser::read_line(std::string_view text) {
    if (is_include(text)) return ":include: is for the aliases of the host only";
    if (text.front() == '?' || text.front() == ':') {
        file_.instructions.push_back(labelled(text, line_));
        file_.runs_in_order |= file_.instructions.back().kind == Instruction::Kind::branch;
        return "";
    }
    return dialect_ == DeliveryDialect::qmail ? read_qmail_line(text) : read_forward_line(text);
}

/// The same destinations as an alias has, with commas between them.
std::string Parser::read_forward_line(std::string_view text) {
    auto targets = parse_destinations(text, AliasPlace::home);
    if (!targets) return targets.problem();
    for (AliasTarget& target : *targets) {
        if (target.kind == Kind::include) return ":include: is for the aliases of the host only";
        file_.instructions.push_back(deliver(std::move(target), line_));
    }
    return "";
}

/// dot-qmail: "|command", "/file" or "./file" (a folder if it ends with a slash), "&address" or an address.
/// What else looks like a file in the home is none of dot-qmail's, but can be nothing else.
std::string Parser::read_qmail_line(std::string_view text) {
    if (text.front() == '|') {
        const auto command = trim(text.substr(1));
        file_.instructions.push_back(deliver({Kind::program, {}, std::string(command)}, line_));
        file_.runs_in_order = true;  // a status of 99 ends the file
        return command.empty() ? "no command after the bar" : "";
    }
    const bool is_folder = text.ends_with('/') && text.find('@') == text.npos;
    if (text.front() == '/' || text.front() == '.' || text.starts_with("~/") || is_folder) {
        file_.instructions.push_back(deliver({Kind::file, {}, std::string(text)}, line_));
        return "";
    }
    if (text.front() == '+') return "";  // reserved for options that older programs pass over
    return add_address(text.front() == '&' ? trim(text.substr(1)) : text);
}

std::string Parser::add_address(std::string_view text) {
    auto address = parse_mailbox(text);
    if (!address) return fmt::format("{}: {}", printable(text), address.problem());
    if (address->is_null()) return "an empty address";
    file_.instructions.push_back(deliver({Kind::address, std::move(*address), {}}, line_));
    return "";
}

}  // namespace

bool DeliveryFile::says_nothing() const {
    return std::all_of(instructions.begin(), instructions.end(),
                       [](const Instruction& i) { return i.kind == Instruction::Kind::label; });
}

Result<DeliveryFile> parse_delivery_file(std::string_view text, DeliveryDialect dialect) {
    return Parser(dialect).parse(text);
}

}  // namespace postoffice
