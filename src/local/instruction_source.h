// What a delivery file or an alias says now: an instruction agent carries out nothing else, whatever the
// request says.
#pragma once

#include <optional>
#include <string>

#include "postoffice/base/accounts.h"
#include "postoffice/config/config.h"
#include "postoffice/local/agent_protocol.h"
#include "postoffice/local/instruction_agent.h"
#include "postoffice/local/mailbox_group.h"
#include "postoffice/routing/delivery_file.h"

namespace postoffice {

struct InstructionSource {
    bool has_it = false;               ///< the instruction stands there
    std::optional<DeliveryFile> file;  ///< the delivery file, if there is one
    std::string path;                  ///< of that file
    std::string problem;               ///< why nothing can be said now; empty if something can
};

class InstructionLookup {
  public:
    /// Keeps the references.
    InstructionLookup(const Config& config, const Account& account, MailboxGroup& group,
                      const InstructionPlace& place)
        : config_(config), account_(account), group_(group), place_(place) {}
    /// `extension`: the one in the recipient's address, for which there may be a delivery file of its own.
    InstructionSource find(const InstructionRequest& request, const std::string& extension);

  private:
    InstructionSource find_in_user_file(const InstructionRequest& request, const std::string& extension);
    InstructionSource find_in_host_alias(const InstructionRequest& request) const;
    InstructionSource find_in_domain_alias(const InstructionRequest& request) const;

    const Config& config_;
    const Account& account_;
    MailboxGroup& group_;
    const InstructionPlace& place_;
};

}  // namespace postoffice
