// The sender rewriting scheme (SRS, Wong 2003): the envelope sender of mail that this host forwards for
// another domain becomes an address of this host, which holds the original one. The next host then finds this
// host allowed to send (SPF), and a bounce comes here and is sent on. A hash keeps others from making such
// addresses.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/result.h"
#include "postoffice/mail/address.h"

namespace postoffice {

class Srs {
  public:
    /// The first secret makes hashes; all of them are accepted, so that a secret can be replaced. At least
    /// one.
    explicit Srs(const std::vector<std::string>& secrets);

    /// "SRS0=hash=time=domain=local" at `domain`; an address that is one of SRS already becomes
    /// "SRS1=hash=domain==...", so that its bounce takes one step to the first host. nullopt if the result
    /// would be longer than a local part may be.
    std::optional<Address> rewritten(const Address& sender, const std::string& domain, UnixTime now) const;

    /// The address that rewritten() was given, or for SRS1 that of the first host; the problem if the hash is
    /// wrong, or the address older than `valid_days`.
    Result<Address> original(const Address& address, UnixTime now) const;

    /// It looks like one that rewritten() made.
    static bool is_srs(const Address& address);

    static constexpr int valid_days = 21;

  private:
    std::string hash(std::string_view text, std::size_t secret) const;
    bool is_valid(std::string_view hash, std::string_view text) const;

    std::vector<std::string> secrets_;
};

}  // namespace postoffice
