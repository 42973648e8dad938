#include "postoffice/policy/mailbox_ticket.h"

#include <unistd.h>

#include <chrono>
#include <string_view>

#include "postoffice/base/error.h"
#include "postoffice/base/keyed_hash.h"

namespace postoffice {
namespace {

constexpr std::int64_t longest_age = 60;

std::int64_t monotonic_seconds() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

}  // namespace

TicketKey::TicketKey() {
    if (::getentropy(key_.data(), sizeof key_) != 0) throw_errno("random numbers");
}

std::uint64_t TicketKey::seal_of(const MailboxTicket& ticket) const {
    return keyed_hash(key_, ticket.mailbox.str() + "/" + std::to_string(ticket.issued));
}

MailboxTicket TicketKey::ticket_for(const std::string& mailbox) const {
    MailboxTicket ticket;
    if (!ticket.mailbox.assign(mailbox)) return ticket;
    ticket.issued = monotonic_seconds();
    ticket.seal = seal_of(ticket);
    return ticket;
}

bool TicketKey::is_valid(const MailboxTicket& ticket) const {
    const std::int64_t age = monotonic_seconds() - ticket.issued;
    return age >= 0 && age <= longest_age && seal_of(ticket) == ticket.seal && !ticket.mailbox.str().empty();
}

}  // namespace postoffice
