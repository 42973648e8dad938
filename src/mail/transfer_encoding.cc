#include "transfer_encoding.h"

#include <algorithm>
#include <array>

#include "postoffice/base/base64.h"

namespace postoffice {
namespace {

constexpr std::size_t longest_line = 76;
constexpr std::size_t octets_of_line = 57;  // as base64: 76 characters

/// "=C3"
class Escaped {
  public:
    explicit Escaped(char c) {
        constexpr std::string_view digits = "0123456789ABCDEF";
        const auto octet = static_cast<unsigned char>(c);
        text_ = {'=', digits[octet >> 4], digits[octet & 15]};
    }
    operator std::string_view() const { return {text_.data(), text_.size()}; }  // NOLINT

  private:
    std::array<char, 3> text_;
};

bool is_literal(char c) {
    return c > ' ' && c <= '~' && c != '=';
}

}  // namespace

void QuotedPrintableEncoder::encode(std::string_view octets, std::string& out) {
    for (; !octets.empty(); octets.remove_prefix(1)) {
        const char c = octets.front();
        if (blank_ != 0) {
            put(c == '\n' ? Escaped(blank_) : std::string_view(&blank_, 1), out);
            blank_ = 0;
        }
        if (c == '\n') {
            out += '\n';
            column_ = 0;
            follows_soft_break_ = false;
        } else if (c == ' ' || c == '\t') {
            blank_ = c;
        } else {
            put_octet(octets, out);
        }
    }
}

void QuotedPrintableEncoder::finish(std::string& out) {
    if (blank_ != 0) put(Escaped(blank_), out);
    blank_ = 0;
}

/// The first octet of `rest`.
void QuotedPrintableEncoder::put_octet(std::string_view rest, std::string& out) {
    if (column_ + 1 >= longest_line) put("", out);
    const char c = rest.front();
    const bool is_risky =
        column_ == 0 && (c == '.' || rest.starts_with("From ") || (c == '-' && follows_soft_break_));
    put(is_literal(c) && !is_risky ? rest.substr(0, 1) : Escaped(c), out);
}

/// One character, escaped or not; "" only begins a new line where no character fits on this one.
void QuotedPrintableEncoder::put(std::string_view text, std::string& out) {
    if (column_ + std::max<std::size_t>(text.size(), 1) >= longest_line) {
        out += "=\n";
        column_ = 0;
        follows_soft_break_ = true;
    }
    out += text;
    column_ += text.size();
}

void Base64Encoder::encode(std::string_view octets, std::string& out) {
    for (const char c : octets) {
        if (owes_line_end_) octets_ += "\r\n";
        owes_line_end_ = c == '\n';
        if (!owes_line_end_) octets_ += c;
    }
    flush_lines(out);
}

void Base64Encoder::finish(bool has_last_line_end, std::string& out) {
    if (owes_line_end_ && has_last_line_end) octets_ += "\r\n";
    owes_line_end_ = false;
    flush_lines(out);
    if (!octets_.empty()) out += base64(octets_) + '\n';
    octets_.clear();
}

void Base64Encoder::flush_lines(std::string& out) {
    std::size_t done = 0;
    for (; octets_.size() - done >= octets_of_line; done += octets_of_line)
        out += base64(std::string_view(octets_).substr(done, octets_of_line)) + '\n';
    octets_.erase(0, done);
}

}  // namespace postoffice
