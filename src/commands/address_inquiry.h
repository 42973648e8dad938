// What -bv and -bt share: the router that delivers, the rights that it looks with, and how much of what it
// says the caller may see.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "postoffice/config/config.h"
#include "postoffice/routing/router.h"
#include "postoffice/routing/users.h"
#include "submit/caller.h"

namespace postoffice {

/// Exit statuses, sysexits(3).
namespace inquiry {
inline constexpr int unknown_user = 67, unknown_host = 68, temporary = 75, no_permission = 77;
/// What an answer is that a process with other rights would give.
inline constexpr const char* unseen = "depends on files that you cannot read; ask as their owner or as root";
}  // namespace inquiry

class AddressInquiry {
  public:
    /// The caller of the command.
    struct Asker {
        Caller caller;
        bool is_trusted = false;            ///< root, or one of trusted-users=
        bool may_disclose_aliases = false;  ///< is trusted, or may read the alias file
    };

    /// Keeps the references.
    AddressInquiry(const Config& config, Router& router, UserDirectory& users, Asker asker)
        : config_(config),
          router_(router),
          users_(users),
          asker_(std::move(asker)),
          sender_(asker_.caller.login, config.identity.hostname) {}

    /// As it is answered at RCPT: an obstacle makes it a temporary refusal.
    Route route(const Address& address, bool in_full);

    std::optional<Account> find_account(const std::string& name) { return users_.find(name); }

    bool may_disclose_aliases() const { return asker_.may_disclose_aliases; }
    /// What a user's own files say is shown to that user and to administrators.
    bool may_disclose_files_of(const std::string& user) const {
        return asker_.is_trusted || asker_.caller.login == user;
    }

    /// The same for a destination that a user's own file asks for; aliases are another matter.
    bool may_disclose(const Destination& destination) const {
        return destination.is_mailbox() || account_of(destination).empty() ||
               may_disclose_files_of(account_of(destination));
    }

    /// Mail from this address is asked about, as -f has it; otherwise mail of the caller.
    void set_sender(const std::optional<std::string>& text);
    /// Which hosts take mail for a remote address, or why none does.
    struct RemoteVerdict {
        int exit_code = 0;
        std::string text;  ///< the best host's name, or why
    };
    RemoteVerdict judge_remote(const Address& address) const;

    /// Remembers the gravest: no such user, no such domain, "ask again", files that cannot be read.
    void note(int exit_code);
    int exit_code() const { return exit_code_; }

  private:
    const Config& config_;
    Router& router_;
    UserDirectory& users_;
    Asker asker_;
    Address sender_;
    int exit_code_ = 0;
};

/// Calls `body` with an inquiry and returns the exit status: that of `body`, or 75 after an error, which is
/// printed in the name of `program`. For root the router has the rights of a session, user= and a spawner, so
/// that it says what RCPT says; `body` then runs in a process of its own. For other callers it has the
/// caller's rights.
int run_inquiry(const Config& config, const std::string& program,
                const std::function<int(AddressInquiry&)>& body);

}  // namespace postoffice
