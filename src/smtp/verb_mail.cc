// MAIL. RFC 5321 section 4.1.1.2; SIZE of RFC 1870, BODY of RFC 6152, RET and ENVID of RFC 3461, SMTPUTF8 of
// RFC 6531, AUTH of RFC 4954; BY of RFC 2852, HOLDFOR and HOLDUNTIL of RFC 4865,
// MT-PRIORITY of RFC 6710; REQUIRETLS of RFC 8689.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "client_checks.h"
#include "filtering.h"
#include "parameters.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"
#include "postoffice/config/values.h"
#include "postoffice/policy/relaying.h"
#include "postoffice/policy/soliciting.h"
#include "verb.h"

namespace postoffice {
namespace {

// What is said behind the sender: what travels with the message, and what is for this host alone.
struct MailArguments {
    MailParameters parameters;
    Announcement announced;
    std::string solicitation;  // keywords of RFC 3865
};

// At most 20 digits (RFC 1870 section 3): what passes 64 bits is a syntax error as well.
bool read_size(std::string_view value, MailArguments& given) {
    const auto size = parse_number(value);
    if (size) given.announced.size = *size;
    return size.has_value();
}

bool read_body(std::string_view value, MailArguments& given) {
    const auto body = parse_body(value);
    given.parameters.body = body.value_or(Body::seven_bit);
    return body.has_value();
}

bool read_return_part(std::string_view value, MailArguments& given) {
    const auto part = parse_return_part(value);
    given.parameters.return_part = part.value_or(ReturnPart::unspecified);
    return part.has_value();
}

bool read_envelope_id(std::string_view value, MailArguments& given) {
    given.parameters.envelope_id = value;
    return is_envelope_id(value);
}

bool read_smtputf8(std::string_view value, MailArguments& given) {
    given.parameters.smtputf8 = true;
    return value.empty();
}

bool read_requiretls(std::string_view value, MailArguments& given) {
    given.parameters.tls = TlsWish::required;
    return value.empty();
}

bool read_solicit(std::string_view value, MailArguments& given) {
    given.solicitation = value;
    return !value.empty() && parse_solicitation_keywords(value);
}

// AUTH=, the first submitter of the message as the client says: "<>" or a mailbox, in xtext. It must be well
// formed; only policy services hear it, and it is not passed on (RFC 4954 section 5: the client is not
// trusted).
bool read_submitter(std::string_view value, MailArguments& given) {
    const auto submitter = from_xtext(value);
    given.announced.submitter = submitter.value_or("");
    if (!submitter || *submitter == "<>") return submitter.has_value();
    const auto mailbox = parse_addr_spec(*submitter);
    return mailbox && mailbox->is_qualified();
}

bool read_deliver_by(std::string_view value, MailArguments& given) {
    given.parameters.scheduling.deliver_by = parse_deliver_by(value, now_unix());
    return given.parameters.scheduling.deliver_by.has_value();
}

// HOLDFOR and HOLDUNTIL exclude each other (RFC 4865 section 4.2).
bool read_release(std::optional<UnixTime> release, MailArguments& given) {
    if (!release || given.parameters.scheduling.release != 0) return false;
    given.parameters.scheduling.release = *release;
    return true;
}

bool read_hold_for(std::string_view value, MailArguments& given) {
    return read_release(parse_hold_for(value, now_unix()), given);
}

bool read_hold_until(std::string_view value, MailArguments& given) {
    return read_release(parse_hold_until(value), given);
}

bool read_priority(std::string_view value, MailArguments& given) {
    given.parameters.scheduling.priority = parse_priority(value).value_or(0);
    return parse_priority(value).has_value();
}

bool knows_auth(Dialogue& dialogue) {
    return dialogue.services.authenticator.is_there() || dialogue.is_authenticated();
}

constexpr std::array<ParameterRow<MailArguments>, 12> mail_parameter_table = {{
    {"SIZE", "SIZE=octets", nullptr, read_size},
    {"BODY", "BODY=7BIT or BODY=8BITMIME", nullptr, read_body},
    {"RET", "RET=FULL or RET=HDRS", nullptr, read_return_part},
    {"ENVID", "ENVID=xtext", nullptr, read_envelope_id},
    {"SMTPUTF8", "SMTPUTF8 without a value", offers_smtputf8, read_smtputf8},
    {"REQUIRETLS", "REQUIRETLS without a value", offers_requiretls, read_requiretls},
    {"AUTH", "AUTH=<> or AUTH=mailbox in xtext", knows_auth, read_submitter},
    {"SOLICIT", "SOLICIT=keyword,...", nullptr, read_solicit},
    {"BY", "BY=seconds;mode", offers_dsn, read_deliver_by},
    {"HOLDFOR", "HOLDFOR=seconds", offers_future_release, read_hold_for},
    {"HOLDUNTIL", "HOLDUNTIL=date", offers_future_release, read_hold_until},
    {"MT-PRIORITY", "MT-PRIORITY=-9 to 9", nullptr, read_priority},
}};

// Whether a message of the announced size is welcome, before the client sends all of it.
std::optional<Reply> check_space(const Config& config, std::uint64_t size) {
    if (config.limits.size != 0 && size > config.limits.size)
        return Reply{552, "5.3.4",
                     fmt::format("Message too big: at most {} octets are taken here", config.limits.size)};
    const std::uint64_t free = disk::free_space(config.queue.dir);
    if (free < config.queue.minfree || free - config.queue.minfree < size)
        return Reply{452, "4.3.1", "Not enough disk space now; please try again later"};
    return std::nullopt;
}

// How far in the future a message may be released, and whether it can then still be delivered in time (RFC
// 4865 section 4.2).
std::optional<Reply> check_times(const Config& config, const Scheduling& scheduling) {
    if (scheduling.release == 0) return std::nullopt;
    if (scheduling.release > now_unix() + config.queue.future_release.count())
        return Reply{501, "5.5.4",
                     fmt::format("No message is held for more than {} here",
                                 duration_text(config.queue.future_release))};
    if (scheduling.deliver_by && scheduling.deliver_by->at <= scheduling.release)
        return Reply{501, "5.5.4", "The time of BY= would be over before the release"};
    return std::nullopt;
}

// A stranger does not raise the priority of its mail over that of others (RFC 6710 section 5.1).
Reply accept_priority(Dialogue& dialogue, int& priority) {
    const auto most = static_cast<int>(dialogue.config().queue.stranger_priority);
    if (priority <= most || dialogue.client_is_known()) return {250, "2.1.0", "Sender OK"};
    priority = most;
    return {250, "2.3.6", fmt::format("{} is the new priority of the message", priority)};
}

// True if the route leads to the mailbox of the login, but not as the member of a list that has an owner.
bool leads_to(const Route& route, std::string_view login) {
    return std::any_of(route.hops.begin(), route.hops.end(), [&](const Route::Hop& hop) {
        const std::string user = mailbox_user_of(hop.destination);
        const std::string domain = virtual_domain_of(hop.destination);
        return !hop.new_sender && equals_ignoring_case(domain.empty() ? user : user + "@" + domain, login);
    });
}

// RFC 6409 section 6.1: a user sends under its own name, or an address that leads to its mailbox. Reports of
// clients (RFC 8098) have no sender.
std::optional<Reply> check_login(Dialogue& dialogue, const Address& sender) {
    const LoginSenders rule = dialogue.config().smtp.login_senders;
    const bool applies =
        rule == LoginSenders::own || (rule == LoginSenders::submission && dialogue.state.submission != 0);
    const std::string login = dialogue.state.user.str();
    if (!applies || login.empty() || sender.is_null()) return std::nullopt;
    if (equals_ignoring_case(sender.to_string(), login)) return std::nullopt;
    const Route route = dialogue.services.router.route(sender);
    if (route.status == Route::Status::temporary)
        return Reply{451, "4.3.5",
                     "Whether this sender is yours cannot be looked up now; please try again later"};
    if (route.is_local && leads_to(route, login)) return std::nullopt;
    return Reply{553, "5.7.1", fmt::format("{} is not an address of {}", sender.to_string(), login)};
}

Reply open_transaction(Dialogue& dialogue, std::string_view argument) {
    const auto path_text = after_keyword(argument, "FROM:");
    if (!path_text) return syntax_error("MAIL");
    const auto path = parse_path(*path_text, dialogue.path_rules(true));
    if (!path) return {501, "5.1.7", fmt::format("Bad sender address: {}", path.problem())};
    MailArguments given;
    if (auto refusal =
            read_parameters<MailArguments>(dialogue, mail_parameter_table, path->parameters, given))
        return *refusal;
    if (auto refusal = check_ascii(*path_text, path->parameters, given.parameters.smtputf8)) return *refusal;
    if (auto refusal = check_times(dialogue.config(), given.parameters.scheduling)) return *refusal;
    if (auto refusal = check_space(dialogue.config(), given.announced.size)) return *refusal;

    Address sender = path->address;
    if (!sender.is_null()) sender = sender.qualified(dialogue.config().identity.hostname);
    if (auto refusal = check_solicitation(dialogue.config().access.no_soliciting, given.solicitation))
        return *refusal;
    if (auto refusal = check_login(dialogue, sender)) return *refusal;
    if (auto refusal = check_stranger(dialogue, sender)) return *refusal;
    if (auto refusal = count_message(dialogue.config().limits, dialogue.services.rates, dialogue.rated()))
        return *refusal;
    Reply accepted = accept_priority(dialogue, given.parameters.scheduling.priority);
    dialogue.transaction.open(std::move(sender), std::move(given.parameters), std::move(given.announced));
    if (auto refusal = filter_sender(dialogue, path->parameters)) {
        dialogue.abandon_transaction();
        return *refusal;
    }
    return accepted;
}

}  // namespace

// Only for those that this host knows: what it holds takes room (RFC 4865 section 2, it is for submission).
bool offers_future_release(Dialogue& dialogue) {
    return dialogue.config().queue.future_release.count() > 0 && dialogue.client_is_known();
}

// A listener for users takes mail from users alone (RFC 6409 section 4.3, RFC 8314 section 3.3).
std::optional<Reply> check_mail(Dialogue& dialogue) {
    if (dialogue.state.submission == 0) return std::nullopt;
    if (!dialogue.is_over_tls()) return Reply{530, "5.7.0", "Must issue a STARTTLS command first"};
    if (!dialogue.is_authenticated()) return Reply{530, "5.7.0", "Authentication required"};
    return std::nullopt;
}

Reply perform_mail(Dialogue& dialogue, const Command& command) {
    if (dialogue.transaction.is_open()) dialogue.abandon_transaction();
    Reply reply = open_transaction(dialogue, command.argument);
    dialogue.state.penalties.mail_was_refused = reply.is_positive() ? 0 : 1;
    if (!reply.is_positive())
        log_event("", "refused",
                  {{"command", "MAIL"},
                   {"client", dialogue.client()},
                   {"login", dialogue.state.user.str()},
                   {"argument", command.argument},
                   {"reason", dialogue.state.listed.str()},
                   {"reply", reply.line()}});
    if (refuses_address(reply)) dialogue.note_misconduct(bad_points::address_refused);
    return reply;
}

}  // namespace postoffice
