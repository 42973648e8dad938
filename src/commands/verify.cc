// sendmail -bv says whether addresses can be delivered to. It asks the router that delivers, so what it says
// is what happens.
#include <fmt/format.h>

#include "address_inquiry.h"
#include "postoffice/base/output.h"
#include "postoffice/base/text.h"
#include "postoffice/commands/commands.h"
#include "postoffice/mail/address_field.h"
#include "submit/recipients.h"

namespace postoffice {
namespace {

/// What one address came to.
struct Verdict {
    int exit_code = 0;
    std::string text;
};

class Verifier {
  public:
    Verifier(const Config& config, const CommandLine& line, AddressInquiry& inquiry)
        : config_(config), line_(line), inquiry_(inquiry) {}

    int verify_all();

  private:
    void verify_word(const std::string& word);
    Verdict verify(const Address& address);
    Verdict judge_hops(const Address& address, const Route& route);
    Verdict judge_remote(const Address& address);
    void show_steps(const Route& route) const;

    const Config& config_;
    const CommandLine& line_;
    AddressInquiry& inquiry_;
};

int Verifier::verify_all() {
    for (const std::string& word : line_.words) verify_word(word);
    return inquiry_.exit_code();
}

void Verifier::verify_word(const std::string& word) {
    auto mailboxes = find_mailboxes(word);
    if (mailboxes.empty()) mailboxes.push_back({word, std::string_view::npos});
    for (const MailboxText& mailbox : mailboxes) {
        const auto address = parse_argument(mailbox.text);
        const bool usable = address && !address->is_null();
        const Verdict verdict = usable ? verify(*address) : Verdict{inquiry::unknown_user, "bad address"};
        print_output("{}\n", printable(fmt::format("{}: {}", mailbox.text, verdict.text)));
        inquiry_.note(verdict.exit_code);
    }
}

Verdict Verifier::verify(const Address& address) {
    const Route route = inquiry_.route(address.qualified(config_.identity.hostname), line_.verbose);
    if (line_.verbose) show_steps(route);
    switch (route.status) {
        case Route::Status::unknown:
            return {inquiry::unknown_user,
                    route.refusal.status == "5.1.1" ? "unknown user" : route.refusal.text};
        case Route::Status::temporary:
            return {inquiry::temporary, route.refusal.text};
        case Route::Status::accepted:
            break;
    }
    return route.is_local ? judge_hops(address, route) : judge_remote(route.hops.front().destination.address);
}

Verdict Verifier::judge_hops(const Address& address, const Route& route) {
    const Destination& first = route.hops.front().destination;
    const bool is_only = route.hops.size() == 1;
    if (route.is_unseen && !virtual_domain_of(first).empty())
        return {inquiry::no_permission, inquiry::unseen};
    if (is_only && first.is<Destination::VirtualMailbox>())
        return {0, fmt::format("deliverable (virtual user {})", describe(first))};
    if (is_only && first.is<Destination::Mailbox>() &&
        equals_ignoring_case(describe(first), address.local_part()))
        return {0, fmt::format("deliverable (local user {})", describe(first))};
    if (!inquiry_.may_disclose_aliases()) return {0, "deliverable (alias)"};
    std::string members;
    for (const Route::Hop& hop : route.hops) {
        if (!members.empty()) members += ", ";
        members += inquiry_.may_disclose(hop.destination) ? describe(hop.destination)
                                                          : "what " + account_of(hop.destination) + " says";
    }
    return {0, "alias for " + members};
}

Verdict Verifier::judge_remote(const Address& address) {
    const auto verdict = inquiry_.judge_remote(address);
    return {verdict.exit_code, verdict.exit_code == 0 ? "relayed to " + verdict.text : verdict.text};
}

void Verifier::show_steps(const Route& route) const {
    if (!inquiry_.may_disclose_aliases()) return;
    for (const Route::Step& step : route.steps)
        if (step.owner.empty() || inquiry_.may_disclose_files_of(step.owner))
            print_output("  {}\n", printable(step.text));
}

}  // namespace

int verify_addresses(const Config& config, const CommandLine& line) {
    if (line.words.empty()) {
        print_error("{}: -bv needs addresses\n", line.program);
        return 64;
    }
    return run_inquiry(config, line.program, [&](AddressInquiry& inquiry) {
        inquiry.set_sender(line.submission.sender);
        return Verifier(config, line, inquiry).verify_all();
    });
}

}  // namespace postoffice
