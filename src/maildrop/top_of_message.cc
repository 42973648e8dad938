#include "top_of_message.h"

#include "postoffice/maildrop/maildrop_protocol.h"

namespace postoffice {

std::string_view TopOfMessage::wanted(std::string_view piece) {
    if (is_done_) return {};
    if (left_ == MaildropRead::whole) return piece;
    std::size_t start = 0;
    for (std::size_t end; (end = piece.find('\n', start)) != piece.npos; start = end + 1) {
        const std::size_t length = line_ + end - start;
        const char before = end > 0 ? piece[end - 1] : last_;
        const bool is_empty = length == 0 || (length == 1 && before == '\r');
        line_ = 0;
        if (is_body_)
            --left_;
        else
            is_body_ = is_empty;
        if (!is_body_ || left_ > 0) continue;
        is_done_ = true;
        return piece.substr(0, end + 1);
    }
    line_ += piece.size() - start;
    if (!piece.empty()) last_ = piece.back();
    return piece;
}

}  // namespace postoffice
