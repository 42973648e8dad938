// The recipients of a submission: gathered from the command line and from the header, each once, and checked
// against what this host knows.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "header_completion.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/address.h"
#include "postoffice/routing/router.h"

namespace postoffice {

/// One mailbox of a command line: "user", "user@host", "Name <user@host>". Never one that starts with '-': it
/// would be an option that a program took from a stranger.
Result<Address> parse_argument(std::string_view text);

class Recipients {
  public:
    /// A recipient that will not get the message.
    struct Refused {
        std::string text;  ///< "nosuch: unknown user"
        bool is_unknown;   ///< and not malformed
    };

    explicit Recipients(std::string hostname) : hostname_(std::move(hostname)) {}

    /// A word of the command line: one mailbox, or several with commas.
    void add_word(std::string_view word);
    void add_header(const CompletedHeader& header);
    /// Takes out those in our domains that the router does not know. What it cannot tell now, stays. Returns
    /// the steps of its decisions, for people.
    std::vector<std::string> check_local(Router& router);

    bool empty() const { return accepted_.empty() && refused_.empty(); }
    const std::vector<Address>& accepted() const { return accepted_; }
    const std::vector<Refused>& refused() const { return refused_; }
    bool has_local(const Config& config) const;
    /// 0; 67 if any is unknown; 65 if any is malformed.
    int exit_code() const;

  private:
    void add(const Address& address);
    void add_bad(std::string_view text);

    std::string hostname_;
    std::vector<Address> accepted_;
    std::set<Address> seen_;
    std::vector<Refused> refused_;
};

}  // namespace postoffice
