#include "message_scan.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "postoffice/base/text.h"
#include "postoffice/mail/header.h"

namespace postoffice {
namespace {

// Not a secret: the ids have to be the same on every host. docs/decisions.md says what a collision does.
constexpr HashKey uid_key{0x706f73746f666669, 0x63652d6d61696c64};

constexpr std::size_t longest_value = 200;

/// Fields that mail programs add, change and remove while a message is stored. Return-Path is one: in an mbox
/// the From_ line has the address, and programs that convert mailboxes make one of the other.
bool is_changed_in_mailboxes(std::string_view name) {
    constexpr std::array<std::string_view, 4> names{"Status", "Content-Length", "Lines", "Return-Path"};
    return starts_with_ignoring_case(name, "X-") ||
           std::any_of(names.begin(), names.end(),
                       [name](std::string_view other) { return equals_ignoring_case(name, other); });
}

}  // namespace

MessageScan::MessageScan() : hash_(uid_key, KeyedHash::Width::bits_128) {}

void MessageScan::add_header(std::string_view line, bool is_start) {
    if (is_start && !is_continuation(line)) begin_field(line);
    hash_text(line, is_field_hashed_);
}

void MessageScan::begin_field(std::string_view line) {
    const std::string_view name = field_name(line);
    is_field_hashed_ = !is_changed_in_mailboxes(name);
    const auto is = [name](std::string_view other) { return equals_ignoring_case(name, other); };
    std::string* const field = is("X-UID")                        ? &facts_.uid_field
                               : is("X-UIDL")                     ? &facts_.uidl_field
                               : is("X-IMAPbase") || is("X-IMAP") ? &facts_.folder_field
                                                                  : nullptr;
    if (field == nullptr && !is("Subject")) return;
    const std::string_view value = trim(line.substr(line.find(':') + 1));
    if (field != nullptr && field->empty()) *field = value.substr(0, longest_value);
    if (field == nullptr) facts_.has_folder_subject = value.starts_with("DON'T DELETE THIS MESSAGE");
}

void MessageScan::add_body(std::string_view text) {
    hash_text(text, true);
}

/// Hashes the text with LF as line ends, and counts it with CRLF.
void MessageScan::hash_text(std::string_view text, bool is_hashed) {
    if (text.empty()) return;
    facts_.octets += text.size() + static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
    last_ = text.back();
    if (has_cr_) {
        has_cr_ = false;
        if (text.front() == '\n')
            --facts_.octets;
        else if (is_hashed)
            hash_.append("\r");
    }
    for (;;) {
        const auto cr = text.find('\r');
        if (is_hashed) hash_.append(text.substr(0, cr));
        if (cr == std::string_view::npos) return;
        text.remove_prefix(cr + 1);
        if (text.empty()) {
            has_cr_ = true;
            return;
        }
        if (text.front() == '\n')
            --facts_.octets;
        else if (is_hashed)
            hash_.append("\r");
    }
}

MessageFacts MessageScan::finish() {
    if (last_ != '\n') hash_text("\n", is_field_hashed_);
    facts_.hash = hash_.values();
    return facts_;
}

}  // namespace postoffice
