#include "postoffice/queue/message_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"
#include "postoffice/mail/header.h"

namespace postoffice {
namespace {

/// Of a field that is looked at; keywords of RFC 3865 section 2 are no longer.
constexpr std::size_t longest_collected = 1024;
constexpr std::size_t most_delivered_to = 100;
constexpr std::size_t largest_rewritten = 262144;  // octets of an address field

/// What a client called itself, as it may stand in a structured field.
std::string host_text(std::string_view text) {
    std::string result(text.substr(0, 255));
    for (char& c : result) {
        const bool harmless =
            is_letter_or_digit(c) || std::string_view("-._[]:").find(c) != std::string_view::npos;
        if (!harmless) c = '?';
    }
    return result.empty() ? "unknown" : result;
}

std::string address_literal(const std::string& address) {
    return address.find(':') == std::string::npos ? "[" + address + "]" : "[IPv6:" + address + "]";
}

/// The inside of a comment; parentheses that do not match would end it early or never.
std::string comment_text(std::string_view text) {
    std::string result = printable(text);
    std::replace(result.begin(), result.end(), '\\', '?');
    int depth = 0;
    bool balanced = true;
    for (const char c : result) {
        depth += c == '(' ? 1 : c == ')' ? -1 : 0;
        balanced = balanced && depth >= 0;
    }
    if (!balanced || depth != 0)
        for (char& c : result)
            if (c == '(' || c == ')') c = '?';
    return result;
}

/// Many times as fast as std::count(), since lines are long.
std::uint64_t count_line_feeds(std::string_view text) {
    std::uint64_t count = 0;
    for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n', end + 1)) ++count;
    return count;
}

/// The reply for a spool that does not take what it is given.
Reply storage_refusal(const std::system_error& error) {
    if (error.code().value() == ENOSPC || error.code().value() == EDQUOT)
        return {452, "4.3.1", "Not enough space to store the message; try again later"};
    return {451, "4.3.0", "The message cannot be stored now; try again later"};
}

}  // namespace

std::string received_field(const std::string& hostname, const std::string& id, const Envelope& envelope,
                           const std::string& for_address) {
    const Origin& origin = envelope.origin;
    std::string field = "Received: ";
    if (!origin.client_address.empty()) {
        const bool has_name = !origin.client_name.empty() && origin.client_name != "unknown";
        field += fmt::format("from {} ({}{})\n\t", host_text(origin.helo),
                             has_name ? host_text(origin.client_name) + " " : "",
                             address_literal(host_text(origin.client_address)));
    } else if (!origin.helo.empty()) {
        field += fmt::format("from {}\n\t", host_text(origin.helo));
    }
    field += fmt::format("by {} (postoffice) with {} id {}", hostname, host_text(origin.protocol), id);
    if (!origin.tls.empty()) field += fmt::format("\n\t({})", comment_text(origin.tls));
    if (!origin.submitter.empty()) field += fmt::format("\n\t({})", comment_text(origin.submitter));
    if (!for_address.empty()) field += fmt::format("\n\tfor <{}>", printable(for_address));
    field += fmt::format(";\n\t{}\n", rfc5322_date(envelope.arrived != 0 ? envelope.arrived : now_unix()));
    return field;
}

MessageBuilder::MessageBuilder(Message& message, Settings settings, const std::string& top_fields)
    : message_(message), settings_(std::move(settings)) {
    store(top_fields);
    eight_bit_header_ = !is_ascii(top_fields);
}

void MessageBuilder::feed(std::string_view bytes) {
    if (bytes.empty()) return;
    octets_ += bytes.size() + count_line_feeds(bytes);
    eight_bit_ = eight_bit_ || !is_ascii(bytes);
    ends_with_newline_ = bytes.back() == '\n';
    // Said even where the disk failed before: a smaller message would help, waiting would not.
    if (settings_.size != 0 && octets_ > settings_.size)
        refusal_ = Reply{552, "5.3.4", fmt::format("Message larger than {} octets", settings_.size)};
    while (!bytes.empty() && place_ != Place::body && !refusal_) {
        const std::size_t before = bytes.size();
        read_header(bytes);
        count_header(before - bytes.size());
    }
    store(bytes);
}

std::optional<Reply> MessageBuilder::finish() {
    if (place_ == Place::field_name) begin_line(name_);
    if (!ends_with_newline_ && place_ != Place::from_line) store_of_field("\n");
    end_field();
    if (place_ != Place::body) complete_header();
    place_ = Place::body;
    if (!refusal_) attempt([this] { message_.write_out(); });
    return refusal_;
}

TlsWish MessageBuilder::tls_wish(TlsWish asked) const {
    const bool is_waived = equals_ignoring_case(field_value(tls_required_), "No");
    return asked == TlsWish::none && is_waived ? TlsWish::waived : asked;
}

void MessageBuilder::count_header(std::size_t octets) {
    header_octets_ += octets;
    if (settings_.header_size != 0 && header_octets_ > settings_.header_size)
        refusal_ = Reply{552, "5.3.4", fmt::format("Header larger than {} octets", settings_.header_size)};
}

/// Takes what it can place from the front of `bytes`.
void MessageBuilder::read_header(std::string_view& bytes) {
    switch (place_) {
        case Place::line_start:
            begin_header_line(bytes.front());
            break;
        case Place::field_name:
            read_field_name(bytes);
            break;
        case Place::field_body: {
            const auto end = bytes.find('\n');
            const auto line = bytes.substr(0, end == std::string_view::npos ? end : end + 1);
            store_of_field(line);
            eight_bit_header_ = eight_bit_header_ || !is_ascii(line);
            if (collected_ != nullptr)
                *collected_ +=
                    line.substr(0, longest_collected - std::min(longest_collected, collected_->size()));
            if (end != std::string_view::npos) place_ = Place::line_start;
            bytes.remove_prefix(line.size());
            break;
        }
        case Place::from_line: {
            const auto end = bytes.find('\n');
            if (end != std::string_view::npos) place_ = Place::line_start;
            bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
            break;
        }
        case Place::body:
            break;
    }
}

void MessageBuilder::begin_header_line(char first) {
    if (any_field_ && is_continuation({&first, 1})) {
        place_ = Place::field_body;
        return;
    }
    end_field();
    if (first == '\n') complete_header();  // it is not read yet: the blank line goes behind what is added
    place_ = first == '\n' ? Place::body : Place::field_name;
}

/// Collects the line to its colon or its end; then it is known what it begins.
void MessageBuilder::read_field_name(std::string_view& bytes) {
    const auto stop = std::min(bytes.find_first_of(":\n"), bytes.size());
    const auto piece = bytes.substr(0, std::min(stop, longest_field_name - name_.size()));
    name_ += piece;
    bytes.remove_prefix(piece.size());
    if (bytes.empty()) return;  // more to come
    if (bytes.front() == ':') {
        name_ += ':';
        bytes.remove_prefix(1);
    }
    begin_line(name_);
}

/// `line`: the beginning of the line at hand, as far as it is needed.
void MessageBuilder::begin_line(std::string_view line) {
    const bool is_first = !any_field_ && !has_from_line_;
    if (const auto name = field_name(line); !name.empty()) {
        note_field(name);
        // A client's own X-Spam must not be taken for ours, which says why the message is not wanted.
        const bool is_theirs = !settings_.spam.empty() && equals_ignoring_case(name, "X-Spam");
        if (settings_.rewritten && is_address_field(name)) address_field_.emplace();
        store_of_field(is_theirs ? "X-Spam-Original:" : line);
        place_ = Place::field_body;
    } else if (is_first && is_mbox_from_line(line)) {
        has_from_line_ = true;  // what a mailbox has in front of a message is no part of it
        place_ = Place::from_line;
    } else {
        end_header_with(line);
    }
    name_.clear();
}

void MessageBuilder::note_field(std::string_view name) {
    any_field_ = true;
    collected_ = place_for(name);
    has_date_ = has_date_ || equals_ignoring_case(name, "Date");
    has_message_id_ = has_message_id_ || equals_ignoring_case(name, "Message-ID");
    has_from_ = has_from_ || equals_ignoring_case(name, "From");
    if (equals_ignoring_case(name, "Received") && ++received_ > settings_.hops)
        refusal_ =
            Reply{554, "5.4.6", fmt::format("Too many hops: more than {} Received fields", settings_.hops)};
}

/// Where the body of such a field is collected.
std::string* MessageBuilder::place_for(std::string_view name) {
    if (equals_ignoring_case(name, "Solicitation")) return &solicitation_;
    if (equals_ignoring_case(name, "TLS-Required")) return &tls_required_;
    if (!equals_ignoring_case(name, "Delivered-To") || delivered_to_.size() == most_delivered_to)
        return nullptr;
    return &delivered_to_.emplace_back();
}

/// The line that begins with these octets is no field: it is the first of the body, and the blank line that
/// should have been in front of it is put there.
void MessageBuilder::end_header_with(std::string_view line) {
    complete_header();
    store("\n");
    store(line);
    place_ = Place::body;
}

void MessageBuilder::complete_header() {
    if (!has_date_) store(fmt::format("Date: {}\n", rfc5322_date(now_unix())));
    if (!has_from_) {
        store(fmt::format("From: {}\n", settings_.sender.empty() ? "MAILER-DAEMON@" + settings_.hostname
                                                                 : printable(settings_.sender)));
        eight_bit_header_ = eight_bit_header_ || !is_ascii(settings_.sender);
    }
    if (!has_message_id_) store(fmt::format("Message-ID: <{}@{}>\n", settings_.id, settings_.hostname));
    if (!settings_.spam.empty()) {
        store(fmt::format("X-Spam: {}\n", printable(settings_.spam)));
        eight_bit_header_ = eight_bit_header_ || !is_ascii(settings_.spam);
    }
}

/// The next octets of the field at hand. One that is too large to be rewritten is stored as it is.
void MessageBuilder::store_of_field(std::string_view bytes) {
    if (!address_field_ || address_field_->size() + bytes.size() > largest_rewritten) {
        if (address_field_) store(*address_field_);
        address_field_.reset();
        store(bytes);
    } else if (!refusal_) {
        address_field_->append(bytes);
    }
}

void MessageBuilder::end_field() {
    if (!address_field_) return;
    const std::string field = std::move(*address_field_);
    address_field_.reset();
    std::optional<std::string> changed;
    attempt([&] { changed = rewrite_addresses(field, settings_.rewritten); });
    eight_bit_header_ = eight_bit_header_ || (changed && !is_ascii(*changed));
    store(changed ? *changed : field);
}

void MessageBuilder::store(std::string_view bytes) {
    if (!refusal_ && !bytes.empty()) attempt([&] { message_.append(bytes); });
}

/// What the disk or the memory refuses becomes the reply.
template <class Storing>
void MessageBuilder::attempt(Storing&& storing) {
    try {
        storing();
    } catch (const std::system_error& error) {
        // Its client may go on for long, and others need the room.
        message_.abandon();
        refusal_ = storage_refusal(error);
    } catch (const FormatError& error) {
        log_event(settings_.id, "not-rewritten", {{"reason", error.what()}});
        refusal_ = Reply{451, "4.3.5", "Addresses cannot be rewritten now; try again later"};
    } catch (const std::bad_alloc&) {
        refusal_ = Reply{451, "4.3.0", "Out of memory; try again later"};
    }
}

}  // namespace postoffice
