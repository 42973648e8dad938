// Which next hop mail for another host has, as the configuration and its tables say now: routes=, then
// sender-relay=, then relay-host=, then the mail hosts of the recipient's domain.
#pragma once

#include <string>
#include <vector>

#include "postoffice/config/config.h"
#include "postoffice/config/text_table.h"
#include "postoffice/mail/address.h"
#include "postoffice/routing/next_hop.h"

namespace postoffice {

class NextHops {
  public:
    /// Keeps the reference. Nothing is read yet.
    explicit NextHops(const Config& config);

    /// Looks whether tables have changed: one stat(2) for each. To be called before a series of questions.
    /// Does not throw.
    void refresh();

    struct Answer {
        NextHop next_hop;
        std::string file = "";  ///< the table that says so; "" if none does
        unsigned line = 0;      ///< there
        std::string key = "", value = "";
    };
    /// `is_here`: the recipient is in a domain of this host, of which other mail hosts keep the mail
    /// (mxpool): they get it, whatever the tables say. An error of a table is NextHop::Unknown.
    Answer find(const Address& recipient, const Address& sender, bool is_here = false) const;
    /// Mail for this domain is taken from every client and passed on: relay-domains= has it or a domain above
    /// it. Throws FormatError if that depends on a table that cannot be read now.
    bool is_relay_domain(std::string_view domain) const;
    /// All that is wrong with the tables, a line each: "FILE:LINE: reason".
    std::vector<std::string> problems() const;

  private:
    NextHop::Place usual_place(const Address& recipient) const;

    const Config& config_;
    TextTable routes_;
    TextTable sender_relays_;
    std::vector<TextTable> relay_domains_;
};

}  // namespace postoffice
