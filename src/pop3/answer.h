// What the server says to a command. RFC 1939 section 3, with the response codes of RFC 2449 section 8 and
// RFC 3206.
#pragma once

#include <string>

namespace postoffice {

struct Pop3Answer {
    bool is_ok = true;
    std::string text;
    std::string code = "";  ///< "IN-USE", of a refusal; empty: none

    /// As sent: one line of printable text.
    std::string wire() const;
};

inline Pop3Answer ok(std::string text) {
    return {true, std::move(text)};
}
/// The client made a mistake, or asks for what is not there.
inline Pop3Answer refused(std::string text) {
    return {false, std::move(text)};
}
inline Pop3Answer refused_with(std::string code, std::string text) {
    return {false, std::move(text), std::move(code)};
}

}  // namespace postoffice
