#include "text_encoder.h"

namespace postoffice {

void TextEncoder::encode(std::string_view piece, std::string& out) {
    while (!piece.empty()) {
        if (is_line_start_ && piece.front() == '.') out += '.';
        const auto end = piece.find('\n');
        if (end == piece.npos) break;
        const bool has_cr = end > 0 ? piece[end - 1] == '\r' : ends_in_cr_;
        out.append(piece, 0, end).append(has_cr ? "\n" : "\r\n");
        piece.remove_prefix(end + 1);
        is_line_start_ = true;
        ends_in_cr_ = false;
    }
    if (piece.empty()) return;
    out += piece;
    is_line_start_ = false;
    ends_in_cr_ = piece.back() == '\r';
}

void TextEncoder::finish(std::string& out) const {
    if (!is_line_start_) out += ends_in_cr_ ? "\n" : "\r\n";
    out += ".\r\n";
}

}  // namespace postoffice
