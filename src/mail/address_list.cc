// Addresses as people write them, in header fields and on command lines: RFC 5322 sections 3.4 and 4.4.
#include "postoffice/base/text.h"
#include "postoffice/mail/address.h"
#include "postoffice/mail/address_lexer.h"
#include "postoffice/mail/header.h"

namespace postoffice {
namespace {

/// One stretch of an address list, up to a character that gives it structure.
struct Piece {
    std::string text;       ///< without comments; blanks only where they separate words
    char delimiter = '\0';  ///< '<', '>', ',', ';', ':' or, at the end, '\0'
};

class Reader {
  public:
    explicit Reader(std::string_view text) : rest_(text) {}

    bool at_end() const { return rest_.empty(); }

    /// The next piece; `delimiters` are those that count here.
    Result<Piece> next(std::string_view delimiters) {
        Piece piece;
        bool separated = false;
        for (;;) {
            const AddressToken token = read_token(rest_);
            if (!token.is_closed) return Problem{what_is_open(token.kind)};
            if (token.kind == Kind::end) return piece;
            if (token.kind == Kind::special &&
                delimiters.find(token.text.front()) != std::string_view::npos) {
                piece.delimiter = token.text.front();
                return piece;
            }
            separated = separated || token.follows_blank || token.kind == Kind::comment;
            if (token.kind == Kind::comment) continue;
            if (separated) append_separator(piece.text, token.text.front());
            separated = false;
            piece.text += field_value(token.text);
        }
    }

  private:
    using Kind = AddressToken::Kind;

    static std::string what_is_open(Kind kind) {
        if (kind == Kind::comment) return "a comment is not closed: missing ')'";
        return kind == Kind::quoted_string ? "a quoted string is not closed"
                                           : "an address literal is not closed";
    }

    /// Blanks and comments around '.' and '@' mean nothing (obs-local-part, obs-domain); between words they
    /// make a phrase of them.
    static void append_separator(std::string& text, char next) {
        const auto glues = [](char c) { return c == '.' || c == '@' || c == ','; };
        if (!text.empty() && !glues(text.back()) && !glues(next)) text += ' ';
    }

    std::string_view rest_;
};

/// What stands between angle brackets. An obsolete route is ignored.
Result<Address> parse_angle(Reader& reader) {
    auto piece = reader.next(">");
    if (!piece) return Problem{piece.problem()};
    if (piece->delimiter != '>') return Problem{"the closing angle bracket is missing"};
    std::string_view text = piece->text;
    if (text.empty()) return Address();
    if (text.front() == '@' || text.front() == ',') {
        const auto colon = text.find(':');
        if (colon == std::string_view::npos) return Problem{"a source route must end with a colon"};
        text = trim(text.substr(colon + 1));
    }
    return parse_addr_spec(text);
}

/// RFC 5322 section 3.4, address-list, with the obsolete forms of section 4.4.
class ListParser {
  public:
    explicit ListParser(std::string_view text) : reader_(text) {}

    /// Returns what is wrong, or "".
    std::string parse() {
        while (!reader_.at_end()) {
            auto piece = reader_.next("<,;:");
            if (!piece) return piece.problem();
            if (auto problem = take(*piece); !problem.empty()) return problem;
        }
        return "";  // a group that is not closed ends here: "undisclosed-recipients:" is seen often
    }

    std::vector<Address> addresses;
    bool has_group = false;

  private:
    std::string take(const Piece& piece) {
        switch (piece.delimiter) {
            case '<':
                return read_angle();
            case ':':
                return open_group(piece.text);
            case ';':
                if (!in_group_) return "a semicolon outside of a group";
                in_group_ = false;
                break;
            default:
                break;
        }
        return read_bare(piece.text);
    }

    std::string read_bare(const std::string& text) {
        if (text.empty()) return "";  // obs-addr-list: commas with nothing between them
        auto address = parse_addr_spec(text);
        if (!address) return address.problem() + " (in \"" + printable(text) + "\")";
        addresses.push_back(std::move(*address));
        return "";
    }

    /// The phrase before '<' is for people: anything will do, also the address once more.
    std::string read_angle() {
        auto address = parse_angle(reader_);
        if (!address) return address.problem();
        addresses.push_back(std::move(*address));
        const auto after = reader_.next(",;");
        if (!after) return after.problem();
        if (!after->text.empty()) return "unexpected text after an address: " + printable(after->text);
        if (after->delimiter == ';') return take(*after);
        return "";
    }

    std::string open_group(const std::string& name) {
        if (name.empty() || name.find('@') != std::string::npos) return "unexpected colon";
        if (in_group_) return "a group within a group";
        in_group_ = has_group = true;
        return "";
    }

    Reader reader_;
    bool in_group_ = false;
};

}  // namespace

Result<Address> parse_mailbox(std::string_view text) {
    ListParser list(text);
    if (auto problem = list.parse(); !problem.empty()) return Problem{std::move(problem)};
    if (list.has_group) return Problem{"a group is not an address"};
    if (list.addresses.empty()) return Problem{"the address is empty"};
    if (list.addresses.size() > 1) return Problem{"more than one address"};
    return std::move(list.addresses.front());
}

Result<std::vector<Address>> parse_address_list(std::string_view text) {
    ListParser list(text);
    if (auto problem = list.parse(); !problem.empty()) return Problem{std::move(problem)};
    for (const Address& address : list.addresses)
        if (address.is_null()) return Problem{"an empty address <>"};
    return std::move(list.addresses);
}

}  // namespace postoffice
