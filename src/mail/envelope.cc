#include "postoffice/mail/envelope.h"

#include <algorithm>
#include <iterator>

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

void send_to_folder(Envelope& envelope, MailFolder folder) {
    envelope.folder = folder;
    if (folder == MailFolder::inbox) return;
    std::vector<Recipient> kept;
    for (Recipient& recipient : envelope.recipients) {
        const std::string account = account_of(recipient.destination);
        if (!account.empty()) recipient.destination.kind = Destination::Mailbox{account};
        const bool is_there = std::any_of(kept.begin(), kept.end(), [&](const Recipient& other) {
            return !account.empty() && account_of(other.destination) == account;
        });
        if (!is_there) kept.push_back(std::move(recipient));
    }
    envelope.recipients = std::move(kept);
}

void add_verdicts(Envelope& envelope, std::vector<std::string> verdicts) {
    std::move(verdicts.begin(), verdicts.end(), std::back_inserter(envelope.verdicts));
}

std::string forwarded_by(const Recipient& recipient, const Envelope& envelope) {
    std::string by = recipient.original.to_string();
    if (equals_ignoring_case(by, recipient.destination.address.to_string())) return "";
    return envelope.parameters.smtputf8 || is_ascii(by) ? by : "";
}

}  // namespace postoffice
