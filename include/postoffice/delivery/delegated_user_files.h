// Delivery files, and those of virtual domains, for the router of an unprivileged process: files that every
// account may see are read directly, the others by the agent of their owner.
#pragma once

#include <string>

#include "postoffice/config/config.h"
#include "postoffice/delivery/agent_questions.h"
#include "postoffice/routing/user_files.h"

namespace postoffice {

class DelegatedUserFiles final : public UserFiles {
  public:
    /// Keeps the references.
    DelegatedUserFiles(const Config& config, AgentChannels& channels)
        : config_(config), direct_(config), questions_(channels) {}
    UserFile find(const Account& account, const WantedFile& wanted) override;
    DomainEntry domain_entry(const std::string& folder, const VirtualDomain& domain,
                             const std::string& name) override;
    MailboxState virtual_mailbox(const std::string& user, const VirtualDomain& domain) override;

  private:
    const Config& config_;
    DirectUserFiles direct_;
    AgentQuestions questions_;
};

}  // namespace postoffice
