#include "address_field.h"

#include <algorithm>
#include <optional>

#include "postoffice/base/base64.h"
#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"

namespace postoffice {
namespace {

constexpr std::size_t npos = std::string_view::npos;
constexpr std::size_t longest_name = 200;  // octets of a full name; what is longer is cut
constexpr std::size_t octets_in_encoded_word =
    42;  // 56 characters of base64, below the 75 of RFC 2047 section 2

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/// Walks over a field body, one lexical token at a time.
class Tokens {
  public:
    explicit Tokens(std::string_view body) : body_(body) {}

    enum class Kind { end, word, comment, special };
    struct Token {
        Kind kind;
        char special;  // for Kind::special
        std::size_t begin, end;
    };

    Token next() {
        while (at_ < body_.size() && is_space(body_[at_])) ++at_;
        const std::size_t begin = at_;
        if (at_ == body_.size()) return {Kind::end, '\0', begin, begin};
        const char c = body_[at_];
        if (c == '(') return skip_comment(), Token{Kind::comment, '\0', begin, at_};
        if (c == '"') return skip_quoted(), Token{Kind::word, '\0', begin, at_};
        if (c == '[') return skip_literal(), Token{Kind::word, '\0', begin, at_};
        if (std::string_view("<>,;:@").find(c) != npos) return ++at_, Token{Kind::special, c, begin, at_};
        while (at_ < body_.size() && !is_space(body_[at_]) &&
               std::string_view("<>,;:@(\"").find(body_[at_]) == npos)
            skip_character();
        return {Kind::word, '\0', begin, at_};
    }

  private:
    void skip_character() { at_ = std::min(at_ + (body_[at_] == '\\' ? 2 : 1), body_.size()); }
    void skip_quoted() {
        for (++at_; at_ < body_.size() && body_[at_] != '"';) skip_character();
        if (at_ < body_.size()) ++at_;
    }
    void skip_literal() {
        while (at_ < body_.size() && body_[at_] != ']' && body_[at_] != '>' && body_[at_] != ',')
            skip_character();
        if (at_ < body_.size() && body_[at_] == ']') ++at_;
    }
    void skip_comment() {
        for (int depth = 0; at_ < body_.size();) {
            if (body_[at_] == '(') ++depth;
            const bool closes = body_[at_] == ')' && --depth == 0;
            skip_character();
            if (closes) return;
        }
    }

    std::string_view body_;
    std::size_t at_ = 0;
};

/// What is known of the mailbox being read.
struct Candidate {
    std::size_t begin = npos, end = 0;
    std::size_t words = 0, word_end = 0;              // outside brackets
    std::size_t angle_words = 0, angle_word_end = 0;  // inside
    bool has_angle = false, has_at = false;

    void extend(const Tokens::Token& token) {
        begin = std::min(begin, token.begin);
        end = token.end;
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
    Tokens tokens(body);
    Candidate candidate;
    bool in_angle = false;
    const auto finish = [&] {
        if (candidate.begin != npos)
            found.push_back(
                {body.substr(candidate.begin, candidate.end - candidate.begin), candidate.complete_at()});
        candidate = {};
        in_angle = false;
    };
    for (;;) {
        const Tokens::Token token = tokens.next();
        if (token.kind == Tokens::Kind::end) break;
        if (token.kind == Tokens::Kind::special && !in_angle) {
            if (token.special == ',' || token.special == ';') {
                finish();
                continue;
            }
            if (token.special == ':' && !candidate.has_at) {  // what stands before is the name of a group
                candidate = {};
                continue;
            }
        }
        candidate.extend(token);
        if (token.kind == Tokens::Kind::word) {
            ++(in_angle ? candidate.angle_words : candidate.words);
            (in_angle ? candidate.angle_word_end : candidate.word_end) = token.end;
        } else if (token.kind == Tokens::Kind::special) {
            if (token.special == '<') candidate.has_angle = in_angle = true;
            if (token.special == '>') in_angle = false;
            if (token.special == '@') candidate.has_at = true;
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
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ' ||
               std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != npos;
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
