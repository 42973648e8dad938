// Collects where the recipients of one message lead. A destination that several of them lead to gets the
// message once.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "postoffice/mail/envelope.h"
#include "postoffice/mail/router.h"

namespace postoffice {

class RecipientCollector {
  public:
    /// `route` is accepted.
    void add(const Address& original, const Route& route);
    const std::vector<Recipient>& recipients() const { return recipients_; }
    /// Leaves the collector empty.
    std::vector<Recipient> take();

  private:
    std::vector<Recipient> recipients_;
    std::unordered_set<std::string> destinations_;
};

}  // namespace postoffice
