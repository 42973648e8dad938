// The tokens of addresses as RFC 5322 section 3.2 has them, with the obsolete forms of section 4.4. All that
// reads addresses, strict or lenient, reads these.
#pragma once

#include <string_view>

namespace postoffice {

struct AddressToken {
    enum class Kind {
        end,
        atom,  ///< up to white space or another token; dots are part of it, and what no atom may have
        quoted_string,
        domain_literal,
        comment,  ///< with the comments in it
        special,  ///< one of < > , ; : @
    } kind = Kind::end;
    std::string_view text = {};  ///< as it stands; part of the input
    bool follows_blank = false;  ///< there is white space in front
    bool is_closed = true;       ///< false for a quoted string, literal or comment without its end

    bool is_word() const { return kind == Kind::atom || kind == Kind::quoted_string; }
    bool is(char special) const { return kind == Kind::special && text.front() == special; }
};

/// Takes the next token, and white space in front of it, off the front of `rest`. Any text has tokens; the
/// end has no text. A quoted string or comment that is not closed ends with the text, a literal before the
/// next
/// ',' or '>'.
AddressToken read_token(std::string_view& rest);

}  // namespace postoffice
