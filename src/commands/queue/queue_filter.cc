#include "queue_filter.h"

#include <algorithm>

#include "postoffice/base/text.h"

namespace postoffice {
namespace {

bool contains(const std::string& text, const std::string& lower_part) {
    return to_lower(text).find(lower_part) != std::string::npos;
}

bool meets(const Journal& journal, const QueueFilter& filter) {
    const std::string part = to_lower(filter.text);
    const auto in_id = [&] { return contains(journal.id, part); };
    const auto in_sender = [&] { return contains(journal.envelope.sender.to_string(), part); };
    const auto in_recipients = [&] {
        return std::any_of(journal.envelope.recipients.begin(), journal.envelope.recipients.end(),
                           [&](const Recipient& recipient) {
                               return contains(recipient.original.to_string(), part) ||
                                      contains(recipient.destination.address.to_string(), part);
                           });
    };
    switch (filter.field) {
        case 'I':
            return in_id();
        case 'S':
            return in_sender();
        case 'R':
            return in_recipients();
        case 'Q':
            return journal.held.has_value();
        case 'L':
            return false;  // damaged ones have no journal that could be read
        default:
            return in_id() || in_sender() || in_recipients();
    }
}

}  // namespace

bool meets_filters(const Journal& journal, const std::vector<QueueFilter>& filters) {
    return std::all_of(filters.begin(), filters.end(),
                       [&](const QueueFilter& filter) { return meets(journal, filter) != filter.inverted; });
}

}  // namespace postoffice
