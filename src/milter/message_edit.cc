#include "message_edit.h"

#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"
#include "postoffice/mail/header.h"

namespace postoffice::milter {
namespace {

constexpr std::size_t most_changes = 5000;
constexpr std::size_t most_octets = 1u << 20;  // of all fields and addresses

void require(bool holds, const char* what) {
    if (!holds) throw FormatError(what);
}

/// A value as lines of a header: what begins a line behind the first is a blank, and no line is blank, so
/// that no value can begin another field or the body.
std::string folded_lines(std::string_view value) {
    std::string lines;
    bool is_first = true;
    for (const auto part : split(value, '\n')) {
        std::string line;
        for (const char c : part)
            if (c != '\r') line += static_cast<unsigned char>(c) < ' ' && c != '\t' ? '?' : c;
        const bool is_blank = line.find_first_not_of(" \t") == std::string::npos;
        if (!is_first && is_blank) continue;
        if (!is_first) lines += is_continuation(line) ? "\n" : "\n\t";
        lines += line;
        is_first = false;
    }
    return lines + "\n";
}

std::string counted(std::size_t number, std::string_view one) {
    return number == 0 ? "" : fmt::format(", {} {}{}", number, one, number == 1 ? "" : "s");
}

}  // namespace

MessageEdit::MessageEdit(const MessageContent& content, const FilterChanges& allowed, const BodyStore& store,
                         bool leading_space)
    : content_(content), allowed_(allowed), store_(store), leading_space_(leading_space) {}

bool MessageEdit::is_allowed(char kind) const {
    switch (kind) {
        case answer::replace_body:
            return allowed_.body;
        case answer::change_sender:
            return allowed_.sender;
        case answer::quarantine:
            return allowed_.quarantine;
        case answer::add_header:
        case answer::insert_header:
        case answer::change_header:
            return allowed_.header;
        default:
            return allowed_.recipients;
    }
}

void MessageEdit::count(std::size_t octets) {
    octets_ += octets;
    require(++changes_ <= most_changes && octets_ <= most_octets, "it wants too many changes");
}

void MessageEdit::take(const Answer& answer) {
    if (!is_allowed(answer.kind)) return;
    if (answer.kind == answer::replace_body) return append_to_body(answer.value);
    count(answer.name.size() + answer.value.size());
    switch (answer.kind) {
        case answer::add_header:
        case answer::insert_header:
            return add_field(answer);
        case answer::change_header:
            return change_field(answer);
        case answer::change_sender:
            return change_sender(answer);
        case answer::quarantine:
            envelope_.hold = printable(answer.value);
            return;
        default:
            change_recipient(answer, answer.kind != answer::delete_recipient);
    }
}

std::vector<MessageEdit::Slot>& MessageEdit::slots() {
    if (!is_copied_)
        for (const ContentField& field : content_.fields()) slots_.push_back({field});
    is_copied_ = true;
    return slots_;
}

std::string MessageEdit::field_text(std::string_view name, std::string_view value) {
    require(name.size() < longest_field_name && field_name(std::string(name) + ":") == name,
            "a field has a name that none can have");
    ++field_changes_;
    has_eight_bit_ = has_eight_bit_ || !is_ascii(value);
    return std::string(name).append(leading_space_ ? ":" : ": ").append(folded_lines(value));
}

void MessageEdit::add_field(const Answer& answer) {
    Slot slot{{answer.name, field_text(answer.name, answer.value)}, true};
    auto& all = slots();
    const std::size_t place = answer.kind == answer::add_header ? all.size() : answer.index;
    all.insert(all.begin() + static_cast<std::ptrdiff_t>(std::min(place, all.size())), std::move(slot));
}

/// The field of this name with this number, from 1, among those that the filter saw, then among its own.
MessageEdit::Slot* MessageEdit::find(std::string_view name, std::uint32_t index) {
    std::uint32_t left = std::max<std::uint32_t>(index, 1);
    for (const bool is_new : {false, true})
        for (Slot& slot : slots())
            if (slot.is_new == is_new && !slot.field.is_hidden &&
                equals_ignoring_case(slot.field.name, name) && --left == 0)
                return &slot;
    return nullptr;
}

void MessageEdit::change_field(const Answer& answer) {
    Slot* const slot = find(answer.name, answer.index);
    if (answer.value.empty()) {  // is removed
        if (slot != nullptr) {
            slot->is_removed = true;
            ++field_changes_;
        }
        return;
    }
    const std::string text = field_text(answer.name, answer.value);
    if (slot == nullptr) {
        slots().push_back({{answer.name, text}, true});
        return;
    }
    slot->field.name = answer.name;
    slot->field.text = text;
    slot->is_removed = false;
}

/// CR is the first half of a line end, or nothing, as in what clients send.
void MessageEdit::append_to_body(std::string_view octets) {
    if (body_ == nullptr) body_ = std::make_unique<Message>(store_.folder, store_.minfree);
    std::string lines(octets);
    std::erase(lines, '\r');
    has_eight_bit_ = has_eight_bit_ || !is_ascii(lines);
    if (lines.empty()) return;
    require(store_.most == 0 || body_->size() + lines.size() <= store_.most, "its new body is too large");
    body_->append(lines);
    body_ends_with_newline_ = lines.ends_with('\n');
}

void MessageEdit::change_recipient(const Answer& answer, bool is_added) {
    auto to = parse_added_recipient(answer.name, answer.value);
    require(to.has_value(), "a recipient that it names cannot be understood");
    envelope_.recipients.push_back({is_added, *std::move(to)});
}

void MessageEdit::change_sender(const Answer& answer) {
    envelope_.sender = parse_changed_sender(answer.name, answer.value);
    require(envelope_.sender.has_value(), "a sender that it names cannot be understood");
}

std::string MessageEdit::summary() const {
    std::string text = counted(field_changes_, "field");
    if (body_ != nullptr) text += ", body";
    if (envelope_.sender) text += ", sender";
    text += counted(envelope_.recipients.size(), "recipient");
    return text.empty() ? "" : text.substr(2);
}

void MessageEdit::apply_to(MessageContent& content) {
    if (body_ != nullptr) {
        if (!body_ends_with_newline_) body_->append("\n");
        content.replace_body(*body_);
    }
    if (!is_copied_) return;
    std::vector<ContentField> fields;
    for (Slot& slot : slots_)
        if (!slot.is_removed) fields.push_back(std::move(slot.field));
    content.replace_fields(std::move(fields));
}

}  // namespace postoffice::milter
