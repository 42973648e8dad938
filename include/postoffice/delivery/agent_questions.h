// Questions to the agents of users and domains, which see files that this process may not see. Each answer is
// that of another user's process, and is checked like any input.
#pragma once

#include <string>

#include "postoffice/base/packet.h"
#include "postoffice/delivery/agent_channels.h"
#include "postoffice/routing/user_files.h"

namespace postoffice {

class AgentQuestions {
  public:
    /// Keeps the reference.
    explicit AgentQuestions(AgentChannels& channels) : channels_(channels) {}
    /// What the account's delivery files say, read with its rights. Does not throw: Status::temporary.
    UserFile find_file(const std::string& user, const WantedFile& wanted);
    /// What the files of a virtual domain say of a name, read with its owner's rights. Does not throw:
    /// Status::temporary.
    DomainEntry domain_entry(const std::string& domain, const std::string& name);
    /// Whether anything is in the way of mail for this mailbox. Does not throw: no_permission, also if it
    /// takes long.
    MailboxState virtual_mailbox(const std::string& user, const std::string& domain);

  private:
    template <class Exchange>
    auto ask(const AgentName& agent, Milliseconds patience, const Exchange& exchange);
    template <class Answer, class Request>
    ReceivedStruct<Answer> ask_for(const AgentName& agent, const Request& request);

    AgentChannels& channels_;
};

}  // namespace postoffice
