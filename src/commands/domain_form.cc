#include "domain_form.h"

#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include <cstdlib>
#include <vector>

#include "domain_edits.h"
#include "domain_tool.h"
#include "postoffice/base/clock.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/mail/aliases.h"
#include "postoffice/mail/domain_files.h"
#include "postoffice/mail/drop.h"
#include "postoffice/mail/header.h"
#include "postoffice/mail/spool.h"
#include "postoffice/mail/users.h"
#include "postoffice/mail/virtual_domains.h"
#include "postoffice/policy/passwords.h"

namespace postoffice {
namespace {

constexpr std::string_view subject = "*** Virtual domain update ***";
constexpr std::string_view first_words = "trans=UPDATE";
constexpr std::size_t most_octets = 64 * 1024;  // of the message that are looked at
constexpr std::size_t longest_password = 500;

std::optional<unsigned> hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return std::nullopt;
}

/// "%41+b" is "A b".
std::optional<std::string> decoded(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        if (text.front() == '%') {
            const auto high = text.size() < 3 ? std::nullopt : hex_digit(text[1]);
            const auto low = high ? hex_digit(text[2]) : std::nullopt;
            if (!low) return std::nullopt;
            result += static_cast<char>(*high * 16 + *low);
            text.remove_prefix(3);
        } else {
            result += text.front() == '+' ? ' ' : text.front();
            text.remove_prefix(1);
        }
    }
    return result;
}

/// What begins with a quote is a command, without the bar that its user need not know of.
std::string alias_value(std::string value) {
    if (value.starts_with('"') && !value.starts_with("\"|")) value.insert(1, "|");
    return value;
}

bool take_field(UserUpdate& update, std::string_view name, std::string value) {
    if (name == "trans") return value == "UPDATE";
    if (name == "user")
        update.user = std::move(value);
    else if (name == "passwd")
        update.password = std::move(value);
    else if (name == "forward")
        update.forward = alias_value(std::string(trim(value)));
    else if (name == "delete")
        update.remove = value != "0" && !value.empty();
    else
        return false;
    return true;
}

/// Files that the owner makes have his group, not that of the spool.
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

/// Each file in a scope of its own: the lock on the folder is for one at a time.
std::string remove_user(const DomainFolder& folder, const std::string& user) {
    bool was_there = false;
    {
        ChangedFile passwd(folder.path, "passwd", folder.rights);
        if (const auto rest = without_user(passwd.text(), user)) {
            passwd.replace(*rest);
            was_there = true;
        }
    }
    ChangedFile aliases(folder.path, "aliases", folder.rights);
    if (const auto rest = without_alias(aliases.text(), user)) {
        aliases.replace(*rest);
        was_there = true;
    }
    if (!was_there) throw ToolFailure{EX_NOUSER, "There is no such user"};
    return "The user is removed.";
}

std::string set_password(const DomainFolder& folder, const std::string& user, const std::string& password) {
    const std::string hash = hash_password(password);
    ChangedFile passwd(folder.path, "passwd", folder.rights);
    const bool was_there = without_user(passwd.text(), user).has_value();
    passwd.replace(with_user(passwd.text(), user, hash));
    return was_there ? "The user has a new password." : "The user is created.";
}

std::string set_forward(const DomainFolder& folder, const std::string& user, const std::string& value) {
    ChangedFile aliases(folder.path, "aliases", folder.rights);
    if (!value.empty()) {
        aliases.replace(with_alias(aliases.text(), to_lower(user), value));
        return "Mail for this name goes to " + value + ".";
    }
    if (const auto rest = without_alias(aliases.text(), user)) aliases.replace(*rest);
    return "Mail for this name goes nowhere else.";
}

std::string update_user(const DomainFolder& folder, const UserUpdate& update) {
    if (update.remove) return remove_user(folder, update.user);
    std::vector<std::string> done;
    if (update.password) done.push_back(set_password(folder, update.user, *update.password));
    if (update.forward) done.push_back(set_forward(folder, update.user, *update.forward));
    return fmt::format("{}", fmt::join(done, "\n"));
}

std::string printable_lines(std::string_view text) {
    std::string result;
    while (!text.empty()) result += printable(take_until(text, '\n')) + (text.empty() ? "" : "\n");
    return result;
}

FormOutcome carry_out(const Config& config, const VirtualDomain& domain, const std::string& line) try {
    const auto update = parse_user_update(line);
    if (!update) return {false, update.problem() + "; nothing is changed."};
    const OwnGroup own_group;
    const std::string done = update_user(act_as_owner(config, domain), *update);
    return {true, fmt::format("{}@{}:\n{}", update->user, domain.name, done)};
} catch (const ToolFailure& failure) {
    return {false, failure.text + "."};
} catch (const std::exception& error) {
    return {false, fmt::format("It could not be done: {}.", in_plain_words(error))};
}

}  // namespace

Result<UserUpdate> parse_user_update(std::string_view line) {
    UserUpdate update;
    for (const auto field : split(trim(line), '&')) {
        auto rest = field;
        const auto name = take_until(rest, '=');
        auto value = decoded(rest);
        if (!value || printable(*value) != *value)
            return Problem{"The field " + printable(name) + " cannot be understood"};
        if (!take_field(update, name, std::move(*value)))
            return Problem{"There is no field " + printable(field.substr(0, 40))};
    }
    if (!is_virtual_user_name(update.user)) return Problem{"The user has a name that nobody can have"};
    if (update.password && (update.password->empty() || update.password->size() > longest_password))
        return Problem{"The password is empty, or too long"};
    if (update.forward && !update.forward->empty())
        if (const auto problem = alias_value_problem(*update.forward, AliasPlace::domain); !problem.empty())
            return Problem{problem};
    if (!update.remove && !update.password && !update.forward)
        return Problem{"There is neither passwd nor forward nor delete in it"};
    return update;
}

std::optional<std::string> find_update_line(std::string_view text) {
    bool has_subject = false;
    while (const auto field = take_field(text)) {
        for (const std::string_view name : {"Received", "Delivered-To", "Return-Path"})
            if (equals_ignoring_case(field->name, name)) return std::nullopt;
        if (starts_with_ignoring_case(field->name, "Resent-")) return std::nullopt;
        if (equals_ignoring_case(field->name, "Subject")) has_subject = trim(field->body) == subject;
    }
    if (text.starts_with('\n')) text.remove_prefix(1);
    const auto line = trim(take_until(text, '\n'));
    const auto rest = line.substr(std::min(first_words.size(), line.size()));
    if (!has_subject || !line.starts_with(first_words) || !(rest.empty() || rest.front() == '&'))
        return std::nullopt;
    return std::string(line);
}

std::optional<FormOutcome> carry_out_form(const Config& config, uid_t uid, const Address& to,
                                          Message& message) {
    if (!config.vhost_form || !equals_ignoring_case(to.local_part(), "postmaster") ||
        config.is_local_domain(to.domain()))
        return std::nullopt;
    DomainTable domains(config.vhost_dir);
    domains.refresh();
    std::optional<VirtualDomain> domain;
    try {
        const VirtualDomain* found = domains.find_line(to.domain());
        const auto owner =
            found != nullptr && found->problem.empty() ? find_login(found->owner) : std::nullopt;
        if (!owner || owner->uid != uid || ::geteuid() != uid) return std::nullopt;
        domain = *found;
    } catch (const std::exception&) {
        return std::nullopt;
    }
    std::string text(most_octets, '\0');
    text.resize(disk::read_at(message.open_for_reading().get(), text, 0));
    const auto line = find_update_line(text);
    if (!line) return std::nullopt;
    return carry_out(config, *domain, *line);
}

std::string mail_form_answer(const std::string& drop_directory, const std::string& hostname,
                             const Address& postmaster, const Address& owner, const FormOutcome& outcome) {
    Message answer(drop_directory);
    answer.append(
        fmt::format("From: Postmaster of {0} <{1}>\n"
                    "To: <{2}>\n"
                    "Subject: Re: {3}\n"
                    "Date: {4}\n"
                    "Message-ID: <{5}@{6}>\n"
                    "Auto-Submitted: auto-replied\n"
                    "MIME-Version: 1.0\n"
                    "Content-Type: text/plain; charset=utf-8\n\n"
                    "{7}\n\n{8}\n",
                    postmaster.domain(), postmaster.to_string(), owner.to_string(), subject,
                    rfc5322_date(now_unix()), Spool::new_id(), hostname,
                    outcome.done ? "What you asked for is done." : "What you asked for was not done.",
                    printable_lines(outcome.text)));
    return write_drop(drop_directory, {Address(), {owner}, Body::eight_bit_mime}, answer);
}

}  // namespace postoffice
