// The "to:" lines of a journal: where a recipient leads, and what its sender wants to hear.
#include <fmt/format.h>

#include <algorithm>

#include "journal_text.h"
#include "postoffice/base/text.h"

namespace postoffice {
namespace {

/// The word for each kind of target, and which of its fields follow.
struct TargetForm {
    Target::Kind kind;
    std::string_view word;
    bool has_user;
    bool has_instruction;
};
constexpr TargetForm target_forms[] = {
    {Target::Kind::mailbox, "mailbox", true, false},
    {Target::Kind::remote, "remote", false, false},
    {Target::Kind::program, "program", true, true},
    {Target::Kind::file, "file", true, true},
    {Target::Kind::instructions, "instructions", true, true},
    {Target::Kind::discard, "discard", false, false},
    {Target::Kind::unrouted, "unrouted", false, false},
};

constexpr std::string_view alias_mark = "alias:";
constexpr std::string_view virtual_mark = "virtual:";

/// "bob", "alias:list", "virtual:vera@virtual.example", "alias:list@virtual.example": whose it is.
std::string user_word(const Target& target) {
    const std::string domain = target.domain.empty() ? "" : "@" + target.domain;
    if (!target.alias.empty()) return fmt::format("{}{}{}", alias_mark, target.alias, domain);
    return target.domain.empty() ? target.user : fmt::format("{}{}{}", virtual_mark, target.user, domain);
}

/// What user_word() wrote. Neither an alias nor a virtual user has an '@' in its name; an account may have.
void read_user_word(std::string text, Target& target) {
    const bool is_alias = text.starts_with(alias_mark);
    if (!is_alias && !text.starts_with(virtual_mark)) {
        target.user = std::move(text);
        return;
    }
    std::string_view name = text;
    name.remove_prefix((is_alias ? alias_mark : virtual_mark).size());
    (is_alias ? target.alias : target.user) = read_until(name, '@');
    target.domain = name;
}

/// "program bob |command ", "program alias:list |command ": all that stands in front of the address. No word
/// is empty, and blanks in a word are escaped.
std::string target_words(const Target& target) {
    std::string words;
    for (const TargetForm& form : target_forms) {
        if (form.kind != target.kind) continue;
        words.append(form.word).append(" ");
        if (form.has_user) words += escaped(user_word(target), " <") + " ";
        if (form.has_instruction) words += escaped(target.instruction, " <") + " ";
    }
    return words;
}

/// Takes what target_words() wrote off the front; false if it is something else.
bool read_target(std::string_view& text, Target& target) {
    const auto word = read_until(text, ' ');
    for (const TargetForm& form : target_forms) {
        if (form.word != word) continue;
        target.kind = form.kind;
        if (form.has_user) read_user_word(unescaped(read_until(text, ' ')), target);
        if (form.has_instruction) target.instruction = unescaped(read_until(text, ' '));
        return true;
    }
    return false;
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
    const Target& target = recipient.target;
    std::string text = target_words(target) + address_text(target.address);
    if (recipient.original != target.address) text += " for " + address_text(recipient.original);
    if (recipient.wishes.notify.is_given()) text += " notify " + recipient.wishes.notify.text();
    if (!recipient.wishes.original_recipient.empty())
        text += " orcpt " + escaped(recipient.wishes.original_recipient, " ");
    if (recipient.disclosed) text += " disclosed " + address_text(*recipient.disclosed);
    if (recipient.sender) text += " sender " + address_text(*recipient.sender);
    return text;
}

std::optional<Recipient> parse_destination(std::string_view text) {
    Recipient recipient;
    if (!read_target(text, recipient.target)) return std::nullopt;
    const auto address = take_address(text);
    if (!address) return std::nullopt;
    recipient.target.address = recipient.original = *address;
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
