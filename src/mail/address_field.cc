#include "postoffice/mail/address_field.h"

#include <algorithm>

#include "postoffice/base/base64.h"
#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"
#include "postoffice/mail/address_lexer.h"

namespace postoffice {
namespace {

constexpr std::size_t npos = std::string_view::npos;
constexpr std::size_t longest_name = 200;  // octets of a full name; what is longer is cut
constexpr std::size_t octets_in_encoded_word =
    42;  // 56 characters of base64, below the 75 of RFC 2047 section 2

/// What is known of the mailbox being read; offsets within the field body.
struct Candidate {
    std::size_t begin = npos, end = 0;
    std::size_t word_begin = npos, angle_word_begin = npos;
    std::size_t words = 0, word_end = 0;              // outside brackets
    std::size_t angle_words = 0, angle_word_end = 0;  // inside
    bool has_angle = false, has_at = false, is_in_angle = false;

    void add(const AddressToken& token, std::size_t offset) {
        begin = std::min(begin, offset);
        end = offset + token.text.size();
        if (token.is_word() || token.kind == AddressToken::Kind::domain_literal) {
            std::size_t& first = is_in_angle ? angle_word_begin : word_begin;
            first = std::min(first, offset);
            ++(is_in_angle ? angle_words : words);
            (is_in_angle ? angle_word_end : word_end) = end;
        }
        if (token.is('<')) has_angle = is_in_angle = true;
        if (token.is('>')) is_in_angle = false;
        if (token.is('@')) has_at = true;
    }
    /// Begin and end of the address.
    std::string_view address_in(std::string_view body) const {
        const std::size_t from = has_angle ? angle_word_begin : word_begin;
        return from == npos ? std::string_view()
                            : body.substr(from, (has_angle ? angle_word_end : word_end) - from);
    }
    std::size_t complete_at() const {
        if (has_at) return npos;
        if (has_angle) return angle_words == 1 ? angle_word_end : npos;
        return words == 1 ? word_end : npos;
    }
};

std::string encoded_words(std::string_view name) {
    const std::string_view charset = is_utf8(name) ? "utf-8" : "unknown-8bit";  // RFC 1428 section 3
    std::string text;
    while (!name.empty()) {
        const std::string_view part = cut_utf8(name, octets_in_encoded_word);
        name.remove_prefix(part.size());
        if (!text.empty()) text += "\n ";
        text.append("=?").append(charset).append("?B?").append(base64(part)).append("?=");
    }
    return text;
}

}  // namespace

std::vector<MailboxText> find_mailboxes(std::string_view body) {
    std::vector<MailboxText> found;
    Candidate candidate;
    const auto finish = [&] {
        if (candidate.begin != npos)
            found.push_back({body.substr(candidate.begin, candidate.end - candidate.begin),
                             candidate.complete_at(), candidate.address_in(body)});
        candidate = {};
    };
    std::string_view rest = body;
    for (auto token = read_token(rest); token.kind != AddressToken::Kind::end; token = read_token(rest)) {
        if (!candidate.is_in_angle && (token.is(',') || token.is(';'))) {
            finish();
        } else if (!candidate.is_in_angle && token.is(':') && !candidate.has_at) {
            candidate = {};  // what stands before is the name of a group
        } else {
            candidate.add(token, static_cast<std::size_t>(token.text.data() - body.data()));
        }
    }
    finish();
    return found;
}

std::string qualify_mailboxes(std::string_view body, std::string_view domain) {
    std::string text;
    std::size_t copied = 0;
    for (const MailboxText& mailbox : find_mailboxes(body)) {
        if (mailbox.complete_at == npos) continue;
        text.append(body.substr(copied, mailbox.complete_at - copied)).append("@").append(domain);
        copied = mailbox.complete_at;
    }
    return text.append(body.substr(copied));
}

std::string display_name(std::string_view name) {
    name = trim(cut_utf8(name, longest_name));
    const auto is_plain = [](char c) {
        return is_letter_or_digit(c) || c == ' ' || std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != npos;
    };
    const auto is_text = [](char c) { return c >= ' ' && c <= '~'; };
    if (std::all_of(name.begin(), name.end(), is_plain) && name.find("=?") == npos) return std::string(name);
    if (!std::all_of(name.begin(), name.end(), is_text)) return encoded_words(name);
    std::string quoted = "\"";
    for (const char c : name) {
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += c;
    }
    return quoted + '"';
}

}  // namespace postoffice
