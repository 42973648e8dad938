// The "to:" lines of a journal: where a recipient leads, and what its sender wants to hear.
#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>
#include <variant>

#include "journal_text.h"
#include "postoffice/base/overloaded.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

constexpr std::string_view alias_mark = "alias:";
constexpr std::string_view virtual_mark = "virtual:";

// Words are separated by one blank; none is empty, and blanks in a word are escaped.
std::string words(std::initializer_list<std::string_view> list) {
    std::string text;
    for (const std::string_view word : list) text += escaped(word, " <") + " ";
    return text;
}

/// "bob", "alias:list", "alias:list@virtual.example".
std::string source_word(const Destination::Source& source) {
    return std::visit(
        Overloaded{
            [](const Destination::InUserFile& in) { return in.user; },
            [](const Destination::InHostAlias& in) { return fmt::format("{}{}", alias_mark, in.name); },
            [](const Destination::InDomainAlias& in) {
                return fmt::format("{}{}@{}", alias_mark, in.name, in.domain);
            },
        },
        source);
}

/// What source_word() wrote. The name of an alias has no '@'; that of an account may have one.
Destination::Source parse_source(std::string_view word) {
    if (!word.starts_with(alias_mark)) return Destination::InUserFile{std::string(word)};
    word.remove_prefix(alias_mark.size());
    const std::string name(read_until(word, '@'));
    if (word.empty()) return Destination::InHostAlias{name};
    return Destination::InDomainAlias{name, std::string(word)};
}

/// "program bob |command ", "program alias:list |command ": all that stands in front of the address.
std::string destination_words(const Destination& destination) {
    return std::visit(
        Overloaded{
            [](const Destination::Mailbox& mailbox) {
                return words({"mailbox", mailbox.user});
            },
            [](const Destination::VirtualMailbox& mailbox) {
                return words({"mailbox", fmt::format("{}{}@{}", virtual_mark, mailbox.user, mailbox.domain)});
            },
            [](const Destination::Program& program) {
                return words({"program", source_word(program.source), "|" + program.command});
            },
            [](const Destination::File& file) {
                return words({"file", source_word(file.source), file.path});
            },
            [](const Destination::Instructions& file) {
                return words({"instructions", file.user, file.path});
            },
            [](const Destination::Remote&) { return words({"remote"}); },
            [](const Destination::Discard&) { return words({"discard"}); },
            [](const Destination::Unrouted&) { return words({"unrouted"}); },
        },
        destination.kind);
}

std::optional<Destination::Kind> parse_mailbox(std::string_view word) {
    if (!word.starts_with(virtual_mark)) return Destination::Mailbox{std::string(word)};
    word.remove_prefix(virtual_mark.size());
    const std::string user(read_until(word, '@'));
    if (word.empty()) return std::nullopt;
    return Destination::VirtualMailbox{user, std::string(word)};
}

/// Takes what destination_words() wrote off the front; nullopt if it is something else.
std::optional<Destination::Kind> read_kind(std::string_view& text) {
    const auto next_word = [&] { return unescaped(read_until(text, ' ')); };
    const std::string kind = next_word();
    if (kind == "remote") return Destination::Remote{};
    if (kind == "discard") return Destination::Discard{};
    if (kind == "unrouted") return Destination::Unrouted{};
    const std::string user = next_word();
    if (kind == "mailbox") return parse_mailbox(user);
    const std::string instruction = next_word();
    if (kind == "instructions") return Destination::Instructions{instruction, user};
    if (kind == "file") return Destination::File{instruction, parse_source(user)};
    if (kind != "program" || !instruction.starts_with('|')) return std::nullopt;
    return Destination::Program{instruction.substr(1), parse_source(user)};
}

/// What stands behind the addresses: pairs of a word and a value.
bool read_wishes(std::string_view text, Recipient& recipient) {
    RecipientWishes& wishes = recipient.wishes;
    while (!text.empty()) {
        if (text.front() != ' ') return false;
        text.remove_prefix(1);
        const auto word = read_until(text, ' ');
        const auto end = std::min(text.find(' '), text.size());
        const auto value = text.substr(0, end);
        text.remove_prefix(end);
        if (word == "notify") {
            const auto notify = parse_notify(value);
            if (!notify) return false;
            wishes.notify = *notify;
        } else if (word == "orcpt") {
            wishes.original_recipient = unescaped(value);
        } else if (word == "disclosed") {
            std::string_view rest = value;
            recipient.disclosed = take_address(rest);
            if (!recipient.disclosed) return false;
        } else if (word == "sender") {
            std::string_view rest = value;
            recipient.sender = take_address(rest);
            if (!recipient.sender) return false;
        } else {
            return false;
        }
    }
    return true;
}

}  // namespace

std::string destination_text(const Recipient& recipient) {
    const Destination& destination = recipient.destination;
    std::string text = destination_words(destination) + address_text(destination.address);
    if (recipient.original != destination.address) text += " for " + address_text(recipient.original);
    if (recipient.wishes.notify.is_given()) text += " notify " + recipient.wishes.notify.text();
    if (!recipient.wishes.original_recipient.empty())
        text += " orcpt " + escaped(recipient.wishes.original_recipient, " ");
    if (recipient.disclosed) text += " disclosed " + address_text(*recipient.disclosed);
    if (recipient.sender) text += " sender " + address_text(*recipient.sender);
    return text;
}

std::optional<Recipient> parse_destination(std::string_view text) {
    Recipient recipient;
    auto kind = read_kind(text);
    if (!kind) return std::nullopt;
    const auto address = take_address(text);
    if (!address) return std::nullopt;
    recipient.destination = {std::move(*kind), *address};
    recipient.original = *address;
    if (text.starts_with(" for ")) {
        text.remove_prefix(5);
        const auto original = take_address(text);
        if (!original) return std::nullopt;
        recipient.original = *original;
    }
    if (!read_wishes(text, recipient)) return std::nullopt;
    return recipient;
}

}  // namespace postoffice
