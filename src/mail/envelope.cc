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

std::string describe(const Target& target) {
    const std::string at_domain = target.domain.empty() ? "" : "@" + target.domain;
    switch (target.kind) {
        case Target::Kind::mailbox:
            return target.user + at_domain;
        case Target::Kind::remote:
            return target.address.to_string();
        case Target::Kind::discard:
            return "/dev/null";
        case Target::Kind::unrouted:
            return "not known yet";
        case Target::Kind::program:
        case Target::Kind::file:
        case Target::Kind::instructions:
            break;
    }
    return printable(target.instruction) + " of " +
           (target.alias.empty() ? target.user : "alias " + target.alias + at_domain);
}

std::string destination_key(const Target& target) {
    switch (target.kind) {
        case Target::Kind::mailbox:
            return "u" + target.user + "\n" + target.domain;
        case Target::Kind::remote:
            return "a" + target.address.to_string();
        case Target::Kind::unrouted:
            return "?" + target.address.to_string();
        case Target::Kind::discard:
            return "nowhere";
        case Target::Kind::program:
        case Target::Kind::file:
        case Target::Kind::instructions:
            break;
    }
    return "i" + target.user + "\n" + target.alias + "\n" + target.domain + "\n" + target.instruction;
}

std::string forwarded_by(const Recipient& recipient, const Envelope& envelope) {
    std::string by = recipient.original.to_string();
    if (equals_ignoring_case(by, recipient.target.address.to_string())) return "";
    return envelope.utf8_header || is_ascii(by) ? by : "";
}

}  // namespace postoffice
