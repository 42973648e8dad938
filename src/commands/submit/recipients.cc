#include "recipients.h"

#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/text.h"
#include "postoffice/mail/address_field.h"

namespace postoffice {

Result<Address> parse_argument(std::string_view text) {
    auto address = parse_mailbox(text);
    if (!address) return address;
    if (address->local_part().starts_with('-') || trim(text).starts_with('-'))
        return Problem{"an address does not start with -"};
    return address;
}

void Recipients::add_word(std::string_view word) {
    const auto mailboxes = find_mailboxes(word);
    if (mailboxes.empty()) add_bad(word);
    for (const MailboxText& mailbox : mailboxes) {
        const auto address = parse_argument(mailbox.text);
        if (address && !address->is_null()) {
            add(*address);
        } else {
            add_bad(mailbox.text);
        }
    }
}

void Recipients::add_header(const CompletedHeader& header) {
    for (const Address& address : header.recipients) {
        if (address.local_part().starts_with('-')) {
            add_bad(address.to_string());
        } else {
            add(address);
        }
    }
    for (const std::string& text : header.bad_recipients) add_bad(text);
}

void Recipients::add(const Address& address) {
    const Address qualified = address.qualified(hostname_);
    if (seen_.insert(qualified).second) accepted_.push_back(qualified);
}

void Recipients::add_bad(std::string_view text) {
    refused_.push_back({fmt::format("\"{}\": bad address", printable(text)), false});
}

bool Recipients::has_local(const Config& config) const {
    return std::any_of(accepted_.begin(), accepted_.end(), [&](const Address& address) {
        return config.identity.is_local_domain(address.domain()) || !config.vhost.dir.empty();
    });
}

std::vector<std::string> Recipients::check_local(Router& router) {
    std::vector<std::string> steps;
    std::erase_if(accepted_, [&](const Address& address) {
        const Route route = router.route(address);
        if (!route.is_local) return false;
        for (const Route::Step& step : route.steps)
            if (step.owner.empty()) steps.push_back(step.text);
        if (route.status != Route::Status::unknown) return false;
        const std::string name = address.domain() == hostname_ ? Address(address.local_part(), "").to_string()
                                                               : address.to_string();
        const std::string why = route.refusal.status == "5.1.1" ? "unknown user" : route.refusal.text;
        refused_.push_back({printable(fmt::format("{}: {}", name, why)), true});
        return true;
    });
    return steps;
}

int Recipients::exit_code() const {
    if (refused_.empty()) return 0;
    const bool unknown = std::any_of(refused_.begin(), refused_.end(),
                                     [](const Refused& refused) { return refused.is_unknown; });
    return unknown ? 67 : 65;
}

}  // namespace postoffice
