#include "postoffice/mail/envelope.h"

#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"

namespace postoffice {

std::string_view tls_wish_text(TlsWish wish) {
    if (wish == TlsWish::required) return "yes";
    return wish == TlsWish::waived ? "no" : "";
}

std::string_view body_text(Body body) {
    return body == Body::eight_bit_mime ? "8BITMIME" : "7BIT";
}

std::optional<Body> parse_body(std::string_view text) {
    for (const Body body : {Body::seven_bit, Body::eight_bit_mime})
        if (equals_ignoring_case(text, body_text(body))) return body;
    return std::nullopt;
}

std::string client_text(const Origin& origin) {
    if (origin.client_address.empty()) return "";
    return (origin.client_name.empty() ? "unknown" : origin.client_name) + "[" + origin.client_address + "]";
}

std::string_view mark_of(MailFolder folder) {
    switch (folder) {
        case MailFolder::forbidden:
            return "[DENY]";
        case MailFolder::spam:
            return "[SPAM]";
        case MailFolder::inbox:
            break;
    }
    return "";
}

std::string forwarded_by(const Recipient& recipient, const Envelope& envelope) {
    std::string by = recipient.original.to_string();
    if (equals_ignoring_case(by, recipient.destination.address.to_string())) return "";
    return envelope.parameters.smtputf8 || is_ascii(by) ? by : "";
}

}  // namespace postoffice
