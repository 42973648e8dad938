// sendmail -bt explains what becomes of mail to an address: each step with the line that says so, where the
// mail ends, and what clients hear at RCPT. It asks the code that answers and delivers.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>

#include "address_inquiry.h"
#include "postoffice/base/output.h"
#include "postoffice/base/text.h"
#include "postoffice/commands/commands.h"
#include "postoffice/mail/address_field.h"
#include "postoffice/policy/relaying.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/mailbox_path.h"
#include "submit/recipients.h"

namespace postoffice {
namespace {

/// One place where the mail ends.
struct Ending {
    /// "mailbox", "remote", "program", "file", "instructions", "discard", "private", "bounce"
    std::string kind;
    std::string user = "";
    std::string what = "";    ///< path, address or command; "" where the caller may not see it
    std::string how = "";     ///< of a remote one: which host takes it, or why none does
    std::string sender = "";  ///< that bounces go to, if not to the sender of the message
};

/// All that is told of one address.
struct Trace {
    std::string address;
    std::string status;  ///< "accepted", "unknown", "temporary", "unclear" (it depends on unreadable files)
    std::vector<Route::Step> steps;
    std::vector<Ending> destinations;
    /// What RCPT is answered, for each kind of client.
    std::string stranger, trusted, authenticated;
};

class Tracer {
  public:
    Tracer(const Config& config, AddressInquiry& inquiry, bool as_json)
        : config_(config), as_json_(as_json), inquiry_(inquiry) {}

    void trace_word(const std::string& word);
    int exit_code() const { return inquiry_.exit_code(); }

  private:
    Trace trace(const Address& address);
    void send_answers(Trace& trace, const Route& route, const Address& address) const;
    std::vector<Route::Step> visible_steps(const Route& route);
    unsigned line_of_alias(const std::string& file, const std::string& name);
    Ending ending_of(const Route::Hop& hop);
    Ending ending_at(const Destination& destination);
    Ending mailbox_ending(const Destination& mailbox);
    std::string absolute(const Destination::File& file);
    void bad_address(const std::string& text, const std::string& why);

    const Config& config_;
    const bool as_json_;
    AddressInquiry& inquiry_;
    /// By file and name; a file is read when its first alias is met.
    std::map<std::string, std::map<std::string, unsigned>> alias_lines_;
};

std::string place_of(const Route::Step& step) {
    if (step.file.empty()) return "";
    return step.line == 0 ? step.file : fmt::format("{}:{}", step.file, step.line);
}

void show(const Trace& trace) {
    print_output("{}\n", printable(trace.address));
    for (const Route::Step& step : trace.steps) {
        const std::string place = place_of(step);
        print_output("  {}{}\n", printable(step.text), place.empty() ? "" : printable(" (" + place + ")"));
    }
    for (const Ending& one : trace.destinations) {
        std::string text = "  => " + one.kind;
        if (!one.what.empty()) text += " " + one.what;
        if (!one.user.empty()) text += " of " + one.user;
        if (!one.how.empty()) text += ", " + one.how;
        if (!one.sender.empty()) text += ", bounces to " + one.sender;
        print_output("{}\n", printable(text));
    }
    print_output(
        "  RCPT from a stranger:     {}\n  RCPT from a trusted host: {}\n  RCPT from a user:         {}\n",
        printable(trace.stranger), printable(trace.trusted), printable(trace.authenticated));
}

void show_json(const Trace& trace) {
    using Json = nlohmann::ordered_json;
    Json steps = Json::array(), destinations = Json::array();
    for (const Route::Step& step : trace.steps) {
        Json one = {{"text", step.text}};
        if (!step.file.empty()) one["file"] = step.file;
        if (step.line != 0) one["line"] = step.line;
        steps.push_back(std::move(one));
    }
    for (const Ending& one : trace.destinations) {
        Json json = {{"kind", one.kind}};
        if (!one.user.empty()) json["user"] = one.user;
        if (!one.what.empty()) json["what"] = one.what;
        if (!one.how.empty()) json["how"] = one.how;
        if (!one.sender.empty()) json["sender"] = one.sender;
        destinations.push_back(std::move(json));
    }
    const Json all = {
        {"address", trace.address},
        {"status", trace.status},
        {"steps", std::move(steps)},
        {"destinations", std::move(destinations)},
        {"rcpt",
         {{"stranger", trace.stranger}, {"trusted", trace.trusted}, {"authenticated", trace.authenticated}}}};
    // An address may hold octets that are not UTF-8.
    print_output("{}\n", all.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void Tracer::trace_word(const std::string& word) {
    auto mailboxes = find_mailboxes(word);
    if (mailboxes.empty()) mailboxes.push_back({word, std::string_view::npos});
    for (const MailboxText& mailbox : mailboxes) {
        const auto address = parse_argument(mailbox.text);
        if (!address)
            bad_address(std::string(mailbox.text), address.problem());
        else if (address->is_null())
            bad_address(std::string(mailbox.text), "the null address receives nothing");
        else if (const Trace found = trace(address->qualified(config_.identity.hostname)); as_json_)
            show_json(found);
        else
            show(found);
    }
}

/// In a delivery file a path may begin at the home.
std::string Tracer::absolute(const Destination::File& file) {
    const auto* in = std::get_if<Destination::InUserFile>(&file.source);
    const auto account = in == nullptr ? std::nullopt : inquiry_.find_account(in->user);
    return account ? path_from_home(file.path, account->home) : file.path;
}

void Tracer::bad_address(const std::string& text, const std::string& why) {
    inquiry_.note(inquiry::unknown_user);
    if (!as_json_) return print_output("{}: bad address: {}\n", printable(text), why);
    const nlohmann::ordered_json all = {{"address", text}, {"status", "bad"}, {"problem", why}};
    print_output("{}\n", all.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

Trace Tracer::trace(const Address& address) {
    const Route route = inquiry_.route(address, true);
    Trace trace;
    trace.address = address.to_string();
    trace.steps = visible_steps(route);
    const bool is_accepted = route.status == Route::Status::accepted;
    const bool is_temporary = route.status == Route::Status::temporary;
    trace.status = is_accepted ? "accepted" : is_temporary ? "temporary" : "unknown";
    if (route.is_unseen)
        inquiry_.note(inquiry::no_permission);
    else if (!is_accepted)
        inquiry_.note(is_temporary ? inquiry::temporary : inquiry::unknown_user);
    if (is_accepted && (!route.is_local || inquiry_.may_disclose_aliases()))
        for (const Route::Hop& hop : route.hops) trace.destinations.push_back(ending_of(hop));
    if (is_accepted && !route.is_local) inquiry_.note(inquiry_.judge_remote(address).exit_code);
    if (route.status == Route::Status::unknown && route.lacks_delivery_file)
        trace.destinations.push_back({"bounce", "", "", "there is no delivery file"});
    send_answers(trace, route, address);
    return trace;
}

/// What RCPT is answered. A session asks a process with the rights of the files' owner where this process may
/// not look.
void Tracer::send_answers(Trace& trace, const Route& route, const Address& address) const {
    if (route.is_unseen) {
        trace.status = "unclear";
        trace.stranger = trace.trusted = trace.authenticated = inquiry::unseen;
        return;
    }
    const bool is_accepted = route.status == Route::Status::accepted;
    const Reply accepted{250, "2.1.5", "Recipient OK"};
    const Reply reply = is_accepted ? accepted : route.refusal;
    trace.trusted = trace.authenticated = reply.line();
    const bool is_denied = !route.is_for_all && requires_relay_permission(config_, address);
    trace.stranger = (is_denied ? relaying_denied(config_, address, "a stranger") : reply).line();
    if (!is_denied && hides_refusal(config_, reply))
        trace.stranger =
            fmt::format("{}; the message is answered {}", accepted.line(), refused_with_message().line());
}

std::vector<Route::Step> Tracer::visible_steps(const Route& route) {
    std::vector<Route::Step> steps;
    for (Route::Step step : route.steps) {
        const bool may_disclose =
            step.owner.empty() ? inquiry_.may_disclose_aliases() : inquiry_.may_disclose_files_of(step.owner);
        if (!may_disclose) continue;
        if (!step.alias.empty() && step.line == 0) step.line = line_of_alias(step.file, step.alias);
        steps.push_back(std::move(step));
    }
    return steps;
}

/// The database knows no lines; they are those of the text as it is now. 0 if it cannot be told.
unsigned Tracer::line_of_alias(const std::string& file, const std::string& name) {
    const auto [of_file, is_new] = alias_lines_.try_emplace(file);
    auto& lines = of_file->second;
    if (is_new) try {
            for (const AliasEntry& entry : parse_alias_file(read_alias_file(file)))
                lines.try_emplace(entry.name, entry.line);
        } catch (const std::exception&) {  // then there are no lines
        }
    const auto known = lines.find(name);
    return known == lines.end() ? 0 : known->second;
}

Ending Tracer::ending_of(const Route::Hop& hop) {
    Ending ending = ending_at(hop.destination);
    if (hop.new_sender) ending.sender = hop.sender.to_string();
    return ending;
}

Ending Tracer::ending_at(const Destination& destination) {
    if (!inquiry_.may_disclose(destination)) return {"private", account_of(destination)};
    if (destination.is_mailbox()) return mailbox_ending(destination);
    if (const auto* program = destination.as<Destination::Program>())
        return {"program", describe(program->source), program->command};
    if (const auto* file = destination.as<Destination::File>())
        return {"file", describe(file->source), absolute(*file)};
    if (const auto* file = destination.as<Destination::Instructions>())
        return {"instructions", file->user, file->path};
    if (destination.is<Destination::Remote>()) {
        const auto verdict = inquiry_.judge_remote(destination.address);
        return {"remote", "", destination.address.to_string(),
                verdict.exit_code == 0 ? "by " + verdict.text : verdict.text};
    }
    return {"discard", "", "/dev/null"};
}

Ending Tracer::mailbox_ending(const Destination& mailbox) {
    const std::string name = describe(mailbox);
    if (config_.local.transport)
        return {"mailbox", name, "", "by LMTP to " + config_.local.transport->to_string()};
    if (const auto* is_virtual = mailbox.as<Destination::VirtualMailbox>())
        return {"mailbox", name, virtual_mailbox_path(config_, is_virtual->user, is_virtual->domain)};
    const auto account = inquiry_.find_account(name);
    return {"mailbox", name, account ? mailbox_path_of(config_, *account) : ""};
}

void trace_lines(Tracer& tracer) {
    const bool prompts = ::isatty(STDIN_FILENO) == 1;
    std::array<char, 4096> buffer;
    for (;;) {
        if (prompts) {
            print_output("> ");
            std::fflush(stdout);
        }
        if (std::fgets(buffer.data(), static_cast<int>(buffer.size()), stdin) == nullptr) return;
        const std::string text(trim(buffer.data()));
        if (!text.empty()) tracer.trace_word(text);
        std::fflush(stdout);
    }
}

}  // namespace

int trace_addresses(const Config& config, const CommandLine& line) {
    return run_inquiry(config, line.program, [&](AddressInquiry& inquiry) {
        inquiry.set_sender(line.submission.sender);
        Tracer tracer(config, inquiry, line.json);
        for (const std::string& word : line.words) tracer.trace_word(word);
        if (line.words.empty()) trace_lines(tracer);
        return tracer.exit_code();
    });
}

}  // namespace postoffice
