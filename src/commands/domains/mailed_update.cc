#include "mailed_update.h"

#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "domain_edits.h"
#include "domain_tool.h"
#include "one_home.h"
#include "postoffice/base/clock.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/mail/header.h"
#include "postoffice/policy/passwords.h"
#include "postoffice/queue/drop.h"
#include "postoffice/queue/report.h"
#include "postoffice/queue/spool.h"
#include "postoffice/routing/user_files.h"
#include "postoffice/routing/users.h"
#include "postoffice/routing/virtual_domains.h"
#include "user_update.h"

namespace postoffice {
namespace {

constexpr std::string_view subject = "*** Virtual domain update ***";
constexpr const char* postmaster = "postmaster";
constexpr std::string_view first_words = "trans=UPDATE";
constexpr std::size_t most_message_octets = 64 * 1024;  // of the message that are looked at

/// Files that the owner makes have the group of the owner, not that of the spool.
class OwnGroup {
  public:
    OwnGroup() : before_(::getegid()) {
        if (::setegid(::getgid()) != 0) throw_errno("setegid");
    }
    ~OwnGroup() {
        if (::setegid(before_) != 0) std::abort();
    }
    OwnGroup(const OwnGroup&) = delete;
    OwnGroup& operator=(const OwnGroup&) = delete;

  private:
    gid_t before_;
};

/// The changes that one mailed update asks for, with the rights of the owner. Each file in a scope of its
/// own: the lock on the folder is for one at a time.
class UserEdits {
  public:
    UserEdits(const Config& config, const VirtualDomain& domain, const UserUpdate& update)
        : config_(config), domain_(domain), update_(update), folder_(act_as_owner(config, domain)) {}

    /// Returns what was done, in sentences. Throws ToolFailure.
    std::string make() {
        if (update_.remove) return remove_user();
        std::vector<std::string> done;
        if (update_.password) done.push_back(set_password());
        if (update_.forward) done.push_back(set_forward());
        return fmt::format("{}", fmt::join(done, "\n"));
    }

  private:
    std::string remove_user();
    std::string set_password();
    std::string set_forward();

    const Config& config_;
    const VirtualDomain& domain_;
    const UserUpdate& update_;
    const DomainFolder folder_;
};

std::string UserEdits::remove_user() {
    bool was_there = false;
    {
        ChangedFile passwd(folder_.path, "passwd", folder_.rights);
        if (const auto rest = without_user(passwd.text(), update_.user)) {
            passwd.replace(*rest);
            was_there = true;
        }
    }
    ChangedFile aliases(folder_.path, "aliases", folder_.rights);
    if (const OneHome home(config_, domain_, aliases.text()); home) home.remove_file(update_.user);
    if (const auto rest = without_alias(aliases.text(), update_.user)) {
        aliases.replace(*rest);
        was_there = true;
    }
    if (!was_there) throw ToolFailure{EX_NOUSER, "There is no such user"};
    return "The user is removed.";
}

std::string UserEdits::set_password() {
    const std::string hash = hash_password(*update_.password);
    {
        ChangedFile passwd(folder_.path, "passwd", folder_.rights);
        const bool was_there = without_user(passwd.text(), update_.user).has_value();
        passwd.replace(with_user(passwd.text(), update_.user, hash));
        if (was_there) return "The user has a new password.";
    }
    const std::string file = enter_in_home(config_, domain_, folder_, update_.user);
    return "The user is created." + (file.empty() ? "" : " " + file + " says what becomes of the mail.");
}

std::string UserEdits::set_forward() {
    ChangedFile aliases(folder_.path, "aliases", folder_.rights);
    const std::string name = to_lower(update_.user), &value = *update_.forward;
    const OneHome home(config_, domain_, aliases.text());
    if (!value.empty()) {
        aliases.replace(with_alias(aliases.text(), name, value));
        return "Mail for this name goes to " + value + ".";
    }
    if (home) {
        home.add_file(update_.user);
        aliases.replace(with_alias(aliases.text(), name, home.alias_value()));
        return "Mail for this name goes where " + home.name_of_file(name) + " says.";
    }
    if (const auto rest = without_alias(aliases.text(), name)) aliases.replace(*rest);
    return "Mail for this name goes nowhere else.";
}

std::string printable_lines(std::string_view text) {
    std::string result;
    while (!text.empty()) result += printable(read_until(text, '\n')) + (text.empty() ? "" : "\n");
    return result;
}

void require_secret(const Config& config, const VirtualDomain& domain, const UserUpdate& update) {
    const std::string secret_name = "the password of postmaster@" + domain.name;
    if (!update.secret && needs_secret(update))
        throw ToolFailure{EX_NOPERM, "Programs, files and changes of postmaster need the field secret, " +
                                         secret_name + "; nothing is changed"};
    if (update.secret && !is_secret_of(config, domain, *update.secret))
        throw ToolFailure{EX_NOPERM, "The field secret is not " + secret_name + "; nothing is changed"};
}

/// True for owner+postmaster at this host, where `uid` is the owner's.
bool is_postmaster_of(const Config& config, uid_t uid, const Address& to) {
    UserDirectory users(config.identity.only_user);
    const auto names = extended_names(to.local_part(), config.routing.recipient_delimiter);
    return std::any_of(names.begin(), names.end(), [&](const ExtendedName& name) {
        const auto account =
            equals_ignoring_case(name.extension, postmaster) ? users.find(name.user) : std::nullopt;
        return account && account->uid == uid;
    });
}

/// The domains that an update mailed to this address can be about, all of an owner with this uid.
std::vector<VirtualDomain> domains_behind(const Config& config, uid_t uid, const Address& to) {
    const bool is_of_host = config.identity.is_local_domain(to.domain());
    if (is_of_host ? !is_postmaster_of(config, uid, to) : !equals_ignoring_case(to.local_part(), postmaster))
        return {};
    DomainTable table(config.vhost.dir);
    table.refresh();
    std::vector<VirtualDomain> domains = table.all();
    std::erase_if(domains, [&](const VirtualDomain& domain) {
        if (!domain.problem.empty() || (!is_of_host && domain.name != to.domain())) return true;
        const auto owner = find_login(domain.owner);
        return !owner || owner->uid != uid;
    });
    return domains;
}

/// Throws ToolFailure if it is not clear.
const VirtualDomain& meant_domain(const std::vector<VirtualDomain>& domains, const UserUpdate& update) {
    if (!update.domain && domains.size() == 1) return domains.front();
    for (const VirtualDomain& domain : domains)
        if (domain.name == update.domain) return domain;
    throw ToolFailure{EX_NOHOST, update.domain ? "The field domain names none that this message can be about"
                                               : "The field domain must say which of the domains is meant"};
}

MailedUpdateOutcome carry_out(const Config& config, const std::vector<VirtualDomain>& domains,
                              const Address& to, const std::string& line) {
    MailedUpdateOutcome outcome{false, "", to};
    try {
        const auto update = parse_user_update(line);
        if (!update) throw ToolFailure{EX_DATAERR, update.problem() + "; nothing is changed"};
        const VirtualDomain& domain = meant_domain(domains, *update);
        outcome.postmaster = Address(postmaster, domain.name);
        require_secret(config, domain, *update);
        const OwnGroup own_group;
        outcome.text =
            fmt::format("{}@{}:\n{}", update->user, domain.name, UserEdits(config, domain, *update).make());
        outcome.done = true;
    } catch (const ToolFailure& failure) {
        outcome.text = failure.text + ".";
    } catch (const std::exception& error) {
        outcome.text = fmt::format("It could not be done: {}.", in_plain_words(error));
    }
    return outcome;
}

}  // namespace

std::optional<std::string> find_update_line(std::string_view text) {
    bool has_subject = false;
    while (const auto field = read_field(text)) {
        for (const std::string_view name : {"Received", "Delivered-To", "Return-Path"})
            if (field->is(name)) return std::nullopt;
        if (starts_with_ignoring_case(field->name, "Resent-")) return std::nullopt;
        if (field->is("Subject")) has_subject = field_value(field->body) == subject;
    }
    if (text.starts_with('\n')) text.remove_prefix(1);
    const auto line = trim(read_until(text, '\n'));
    const auto rest = line.substr(std::min(first_words.size(), line.size()));
    if (!has_subject || !line.starts_with(first_words) || !(rest.empty() || rest.front() == '&'))
        return std::nullopt;
    return std::string(line);
}

std::optional<MailedUpdateOutcome> carry_out_mailed_update(const Config& config, uid_t uid, const Address& to,
                                                           Message& message) {
    if (!config.vhost.form || ::geteuid() != uid) return std::nullopt;
    std::vector<VirtualDomain> domains;
    try {
        domains = domains_behind(config, uid, to);
    } catch (const std::exception&) {
        // The message is mail, which waits until the domain is known.
    }
    if (domains.empty()) return std::nullopt;
    std::string text(most_message_octets, '\0');
    text.resize(disk::read_at(message.open_for_reading().get(), text, 0));
    const auto line = find_update_line(text);
    if (!line) return std::nullopt;
    return carry_out(config, domains, to, *line);
}

std::string mail_update_answer(const std::string& drop_directory, const std::string& hostname,
                               const Address& owner, const MailedUpdateOutcome& outcome) {
    Message answer(drop_directory);
    const std::string id = Spool::new_id();
    answer.append(plain_report(
        {.id = id,
         .hostname = hostname,
         .to = owner,
         .subject = fmt::format("Re: {}", subject),
         .now = now_unix(),
         .from_name = "Postmaster of " + outcome.postmaster.domain(),
         .from = outcome.postmaster,
         .needs_received = false},
        fmt::format("{}\n\n{}\n",
                    outcome.done ? "What you asked for is done." : "What you asked for was not done.",
                    printable_lines(outcome.text))));
    return write_drop(drop_directory, {Address(), {owner}, {Body::eight_bit_mime}}, answer, id);
}

}  // namespace postoffice
