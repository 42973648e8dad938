// What -bv and -bt share: the router that delivers, and how much of what it says is the caller's business.
#pragma once

#include <optional>
#include <string>

#include "local_router.h"
#include "postoffice/config/config.h"

namespace postoffice {

/// Exit statuses, sysexits(3).
namespace inquiry {
inline constexpr int unknown_user = 67, unknown_host = 68, not_now = 75;
}

class AddressInquiry {
  public:
    explicit AddressInquiry(const Config& config);

    /// As it is answered at RCPT: an obstacle makes it a temporary refusal.
    Route route(const Address& address, bool in_full);

    std::optional<Account> find_account(const std::string& name) { return local_.users().find(name); }

    /// Members of aliases: for who may read the alias file.
    bool may_see_aliases() const { return may_see_aliases_; }
    /// What a user's own files say: for the user and for administrators.
    bool may_see_files_of(const std::string& user) const;

    /// Which hosts take mail for a remote address, or why none does.
    struct RemoteVerdict {
        int exit_code = 0;
        std::string text;  ///< the best host's name, or why
    };
    RemoteVerdict judge_remote(const Address& address) const;

    /// Remembers the gravest: no such user, then no such domain, then "ask again".
    void note(int exit_code);
    int exit_code() const { return exit_code_; }

  private:
    const Config& config_;
    LocalRouter local_;
    bool may_see_aliases_;
    int exit_code_ = 0;
};

}  // namespace postoffice
