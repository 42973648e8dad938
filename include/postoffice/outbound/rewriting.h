// Addresses on mail that leaves this host: masquerade= and generics= in envelope and header, and SRS for the
// sender of forwarded mail. Mail that stays here keeps its addresses.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "postoffice/base/result.h"
#include "postoffice/config/config.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/mail/header.h"
#include "postoffice/routing/address_map.h"

namespace postoffice {

class OutgoingAddresses {
  public:
    /// Keeps the reference.
    explicit OutgoingAddresses(const Config& config)
        : config_(config), generics_(config, "generics", config.routing.generics) {}

    /// Looks whether generics= has changed. To be called before each message.
    void refresh() { generics_.refresh(); }

    // Those below throw FormatError if the table of generics= cannot be used now.

    /// The address as other hosts see it: as generics= has it, else as masquerade= does.
    Address rewritten(const Address& address) const;

    /// The header of a stored message with rewritten addresses, see rewrite_addresses(); nullopt if none
    /// changes, or if the header is larger than 256 KB. Throws std::system_error.
    std::optional<ReplacedHeader> replacement_for(int message) const;

    /// The sender for mail that an address of this host sends on: one of SRS if there is a key and the sender
    /// is not ours; else as rewritten(). The problem if the key cannot be used now.
    Result<Address> forwarder_for(const Address& sender, UnixTime now) const;

  private:
    bool changes_nothing() const { return config_.identity.masquerade.empty() && generics_.is_empty(); }

    const Config& config_;
    AddressMap generics_;
};

}  // namespace postoffice
