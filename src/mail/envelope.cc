#include "postoffice/mail/envelope.h"

#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"

namespace postoffice {

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
    return envelope.utf8_header || is_ascii(by) ? by : "";
}

}  // namespace postoffice
