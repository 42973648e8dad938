// Submissions of this host pass the filters, too, as if it were the client of itself: so they are signed, and
// found to be harmless, like the mail of others.
#pragma once

#include <optional>
#include <string>

#include "postoffice/config/config.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/milter/filter_chain.h"
#include "postoffice/net/resolver.h"
#include "postoffice/routing/router.h"

namespace postoffice {

class SubmissionFilters {
  public:
    /// Keeps the references.
    SubmissionFilters(const Config& config, Router& router) : config_(config), router_(router) {}

    struct Result {
        FilterVerdict verdict{};
        std::unique_ptr<Message> message{};  ///< in place of the submitted one; null: it is unchanged
        Reply refusal{};                     ///< of the last recipient that was refused
        Unwanted unwanted{};                 ///< as FilteredMessage has it
    };
    /// Shows the filters a submission that is complete. Changes `envelope` as they want, and moves recipients
    /// that they refuse to `refused`. A recipient that is refused for now defers all of the submission.
    /// Throws std::system_error if what they want cannot be stored.
    Result examine(const std::string& id, Message& message, Envelope& envelope, Envelope& refused);

  private:
    FilterVerdict ask_for_recipients(FilterChain& chain, Envelope& envelope, Envelope& refused,
                                     Reply& refusal) const;
    const Resolver& resolver();

    const Config& config_;
    Router& router_;
    std::optional<ResolverSource> name_servers_;
    std::optional<Resolver> resolver_;
};

}  // namespace postoffice
