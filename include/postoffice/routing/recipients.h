// Collects where the recipients of one message lead. A destination that several of them lead to gets the
// message once.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "postoffice/mail/envelope.h"
#include "postoffice/routing/router.h"

namespace postoffice {

class RecipientCollector {
  public:
    /// `route` is accepted. What the sender wants to hear of `original` is divided among the places it leads
    /// to as RFC 3461 section 5.2.7 has it.
    void add(const Address& original, const Route& route, const RecipientWishes& wishes = {});
    /// Where it leads cannot be said for now: Destination::Unrouted.
    void add_unrouted(const Address& original, const RecipientWishes& wishes = {});
    const std::vector<Recipient>& recipients() const { return recipients_; }
    /// Puts what was collected into `envelope`, whose sender is known, and leaves the collector empty. A
    /// report (sender <>) does not go to members that lead nowhere: that would bring a report on a report.
    void move_to(Envelope& envelope);

  private:
    std::vector<Recipient> recipients_;
    std::vector<Recipient> skipped_;  ///< see Route::skipped_members
    std::vector<Recipient> expanded_;
    std::unordered_map<std::string, std::size_t> destinations_;  // to their place in recipients_
};

}  // namespace postoffice
