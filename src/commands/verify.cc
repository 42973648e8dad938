// sendmail -bv says whether addresses can be delivered to; sendmail -bt explains the whole decision. Both ask
// the router that delivers, so what they say is what happens.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>

#include "address_field.h"
#include "caller.h"
#include "local_router.h"
#include "postoffice/base/text.h"
#include "postoffice/commands/commands.h"
#include "postoffice/mail/submitter.h"
#include "postoffice/net/mx.h"
#include "recipients.h"

namespace postoffice {
namespace {

constexpr int unknown_user = 67, unknown_host = 68, not_now = 75;

/// What one address came to.
struct Verdict {
    int exit_code = 0;
    std::string text;
};

class Verifier {
  public:
    Verifier(const Config& config, const CommandLine& line)
        : config_(config), line_(line), local_(config), may_see_aliases_(sees_aliases()) {}

    int verify_all();
    int explain_all();

  private:
    bool sees_aliases() const {
        return is_trusted_submitter(config_, ::getuid()) || ::access(config_.aliases.c_str(), R_OK) == 0;
    }
    bool may_see_files_of(const std::string& user) const {
        return is_trusted_submitter(config_, ::getuid()) || identify_caller().login == user;
    }
    void verify_word(const std::string& word);
    Verdict verify(const Address& address);
    Verdict judge_hops(const Address& address, const Route& route);
    Verdict judge_remote(const Address& address);
    void explain_word(const std::string& word);
    void explain(const Address& address);
    void note(int exit_code);
    void show_steps(const Route& route) const;

    const Config& config_;
    const CommandLine& line_;
    LocalRouter local_;
    const bool may_see_aliases_;
    int exit_code_ = 0;
};

/// The gravest code wins: no such user, then no such domain, then "ask again".
void Verifier::note(int exit_code) {
    static constexpr std::array gravity{0, not_now, unknown_host, unknown_user};
    const auto rank = [](int code) { return std::find(gravity.begin(), gravity.end(), code); };
    if (rank(exit_code) > rank(exit_code_)) exit_code_ = exit_code;
}

int Verifier::verify_all() {
    for (const std::string& word : line_.words) verify_word(word);
    return exit_code_;
}

void Verifier::verify_word(const std::string& word) {
    auto mailboxes = find_mailboxes(word);
    if (mailboxes.empty()) mailboxes.push_back({word, std::string_view::npos});
    for (const MailboxText& mailbox : mailboxes) {
        const auto address = parse_argument(mailbox.text);
        const bool usable = address && !address->is_null();
        const Verdict verdict = usable ? verify(*address) : Verdict{unknown_user, "bad address"};
        fmt::print("{}\n", printable(fmt::format("{}: {}", mailbox.text, verdict.text)));
        note(verdict.exit_code);
    }
}

Verdict Verifier::verify(const Address& address) {
    const Route route = local_.router().route(address.qualified(config_.hostname));
    if (line_.verbose) show_steps(route);
    switch (route.status) {
        case Route::Status::unknown:
            return {unknown_user, route.refusal.status == "5.1.1" ? "unknown user" : route.refusal.text};
        case Route::Status::temporary:
            return {not_now, route.refusal.text};
        case Route::Status::accepted:
            break;
    }
    return route.is_local ? judge_hops(address, route) : judge_remote(route.hops.front().target.address);
}

Verdict Verifier::judge_hops(const Address& address, const Route& route) {
    const Target& first = route.hops.front().target;
    if (route.hops.size() == 1 && first.kind == Target::Kind::mailbox && !first.domain.empty())
        return {0, fmt::format("deliverable (virtual user {})", describe(first))};
    if (route.hops.size() == 1 && first.kind == Target::Kind::mailbox &&
        equals_ignoring_case(first.user, address.local_part()))
        return {0, fmt::format("deliverable (local user {})", first.user)};
    if (!may_see_aliases_) return {0, "deliverable (alias)"};
    std::string members;
    for (const Route::Hop& hop : route.hops) {
        if (!members.empty()) members += ", ";
        const bool is_private = !hop.target.user.empty() && hop.target.kind != Target::Kind::mailbox;
        members += is_private && !may_see_files_of(hop.target.user) ? "what " + hop.target.user + " says"
                                                                    : describe(hop.target);
    }
    return {0, "alias for " + members};
}

Verdict Verifier::judge_remote(const Address& address) {
    if (!config_.relay_host.empty()) return {0, "relayed to " + config_.relay_host};
    const Resolver resolver(ResolverSettings::from(config_.nameservers));
    const MxList list = find_mail_hosts(resolver, address.domain(), config_.hostname, interface_addresses());
    switch (list.status) {
        case MxList::Status::found:
            return {0, "relayed to " + list.hosts.front().name};
        case MxList::Status::temporary:
            return {not_now, list.why};
        default:
            return {unknown_host, list.why};
    }
}

int Verifier::explain_all() {
    for (const std::string& word : line_.words) explain_word(word);
    if (!line_.words.empty()) return exit_code_;
    const bool prompts = ::isatty(STDIN_FILENO) == 1;
    std::array<char, 4096> buffer;
    for (;;) {
        if (prompts) {
            fmt::print("> ");
            std::fflush(stdout);
        }
        if (std::fgets(buffer.data(), static_cast<int>(buffer.size()), stdin) == nullptr) break;
        const std::string text(trim(buffer.data()));
        if (!text.empty()) explain_word(text);
        std::fflush(stdout);
    }
    return exit_code_;
}

void Verifier::explain_word(const std::string& word) {
    auto mailboxes = find_mailboxes(word);
    if (mailboxes.empty()) mailboxes.push_back({word, std::string_view::npos});
    for (const MailboxText& mailbox : mailboxes) {
        const auto address = parse_argument(mailbox.text);
        if (address && !address->is_null()) {
            explain(address->qualified(config_.hostname));
            continue;
        }
        fmt::print("{}: bad address: {}\n", printable(mailbox.text),
                   address ? "the null address receives nothing" : address.problem());
        note(unknown_user);
    }
}

void Verifier::explain(const Address& address) {
    fmt::print("{}\n", printable(address.to_string()));
    const Route route = local_.router().route(address);
    show_steps(route);
    const bool accepted = route.status == Route::Status::accepted;
    const Reply local_reply = accepted ? Reply{250, "2.1.5", "Recipient OK"} : route.refusal;
    const bool relays = route.is_local || config_.relay;
    const Reply stranger_reply =
        relays ? local_reply : Reply{550, "5.7.1", "relaying denied: not in a domain of " + config_.hostname};
    fmt::print("  RCPT from a stranger: {}\n  RCPT from this host:  {}\n", stranger_reply.line(),
               local_reply.line());
    if (!accepted) return note(route.status == Route::Status::temporary ? not_now : unknown_user);
    if (route.is_local) return;
    const Verdict verdict = judge_remote(route.hops.front().target.address);
    fmt::print("  {}\n", printable(verdict.text));
    note(verdict.exit_code);
}

void Verifier::show_steps(const Route& route) const {
    if (!may_see_aliases_) return;
    for (const Route::Step& step : route.steps)
        if (step.owner.empty() || may_see_files_of(step.owner)) fmt::print("  {}\n", printable(step.text));
}

}  // namespace

int verify_addresses(const Config& config, const CommandLine& line) {
    try {
        if (line.mode == Mode::verify && line.words.empty()) {
            fmt::print(stderr, "{}: -bv needs addresses\n", line.program);
            return 64;
        }
        Verifier verifier(config, line);
        const int exit_code = line.mode == Mode::explain ? verifier.explain_all() : verifier.verify_all();
        return std::fflush(stdout) == 0 ? exit_code : 74;
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}: {}\n", line.program, error.what());
        return not_now;
    }
}

}  // namespace postoffice
