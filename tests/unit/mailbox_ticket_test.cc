// A mailbox is opened for a ticket of the authenticator alone.
#include "postoffice/policy/mailbox_ticket.h"

#include <gtest/gtest.h>

#include <string>

namespace postoffice {
namespace {

TEST(MailboxTicket, IsValidForTheMailboxAndTheKeyThatItWasMadeWith) {
    const TicketKey key, other;
    const MailboxTicket ticket = key.ticket_for("bob@virtual.example");
    EXPECT_TRUE(key.is_valid(ticket));
    EXPECT_EQ(ticket.mailbox.str(), "bob@virtual.example");
    EXPECT_FALSE(other.is_valid(ticket));
    EXPECT_FALSE(key.is_valid(MailboxTicket()));
}

TEST(MailboxTicket, IsNotValidWhenAnythingInItWasChanged) {
    const TicketKey key;
    MailboxTicket name = key.ticket_for("bob"), time = name, seal = name, old = name, later = name;
    ASSERT_TRUE(name.mailbox.assign("bo"));
    time.issued += 1;
    old.issued -= 61;
    seal.seal ^= 1;
    for (const MailboxTicket& changed : {name, time, old, seal}) EXPECT_FALSE(key.is_valid(changed));
    EXPECT_TRUE(key.is_valid(later));
}

TEST(MailboxTicket, OfANameThatIsTooLongIsNone) {
    const TicketKey key;
    EXPECT_FALSE(key.is_valid(key.ticket_for(std::string(256, 'x'))));
    EXPECT_FALSE(key.is_valid(key.ticket_for("")));
}

}  // namespace
}  // namespace postoffice
