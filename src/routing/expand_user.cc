// What accounts say themselves: extensions of their addresses, and their delivery files, forward(5).
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "expansion.h"
#include "postoffice/base/log.h"
#include "postoffice/base/text.h"

namespace postoffice {

Router::Expansion::OwnFile::OwnFile(Expansion& expansion, const Account& account, const Address& address)
    : expansion_(expansion),
      report_to_(std::exchange(expansion.report_to_,
                               Address(account.name, expansion.router_.config_.identity.hostname))),
      file_owner_(std::exchange(expansion.file_owner_, account.name)),
      disclosed_(std::exchange(expansion.disclosed_, expansion.disclosed_.value_or(address))) {}

Router::Expansion::OwnFile::~OwnFile() {
    expansion_.report_to_ = std::move(report_to_);
    expansion_.file_owner_ = std::move(file_owner_);
    expansion_.disclosed_ = std::move(disclosed_);
}

/// An account of that name, or of the part of it before the extension, or what the account alias says of it.
/// False if there is none.
bool Router::Expansion::expand_account(const Address& address) {
    const std::string& local_part = address.local_part();
    if (const auto account = router_.users_.find(local_part)) {
        expand_user(*account, "", address);
        return true;
    }
    for (const ExtendedName& name : extended_names(local_part, router_.config_.routing.recipient_delimiter)) {
        const auto account = router_.users_.find(name.user);
        if (!account) continue;
        expand_user(*account, to_lower(name.extension), address);
        return true;
    }
    const auto& files = router_.config_.routing.delivery_files;
    if (std::find(files.begin(), files.end(), ".qmail") == files.end()) return false;
    const auto account = router_.users_.find(qmail_alias_account);
    if (!account) return false;
    expand_user(*account, to_lower(local_part), address);
    return true;
}

/// The mailbox itself, whatever its owner's files say.
bool Router::Expansion::expand_mailbox(const Address& address) {
    if (const VirtualDomain* domain = router_.virtual_domain_of(address))
        return expand_virtual_user(*domain, address.local_part(), address);
    const auto account = router_.users_.find(address.local_part());
    if (!account) return false;
    add_destination(
        {Destination::Mailbox{account->name}, address.qualified(router_.config_.identity.hostname)},
        "mailbox " + account->name);
    return true;
}

void Router::Expansion::expand_user(const Account& account, const std::string& extension,
                                    const Address& address) {
    const std::string name = "~" + to_lower(account.name);
    const std::string with_extension = extension.empty() ? name : name + "+" + extension;
    // Back at an account that is being expanded, by way of others: the copy stays here.
    if (std::find(expanding_.begin(), expanding_.end(), name) != expanding_.end()) {
        if (expanding_.back() != name) return skip_loop(name);
        expand_mailbox(Address(account.name, router_.config_.identity.hostname));
        return;
    }
    if (is_finished(with_extension)) return;
    const auto before = destinations_reached_;
    expand_user_files(account, extension, address);
    finished_[with_extension] = destinations_reached_ - before;
}

void Router::Expansion::expand_user_files(const Account& account, const std::string& extension,
                                          const Address& address) {
    const UserFile file = router_.files_.find(account, {extension, ""});
    const Destination mailbox{Destination::Mailbox{account.name},
                              address.qualified(router_.config_.identity.hostname)};
    switch (file.status) {
        case UserFile::Status::found:
            expanding_.push_back("~" + to_lower(account.name));
            expand_delivery_file(account, file, extension, address);
            expanding_.pop_back();
            return;
        case UserFile::Status::ignored:
            note({.text = "not believed: " + file.problem, .owner = account.name, .file = file.path});
            ignored_.log({{"file", file.path}, {"reason", file.problem}});
            break;
        case UserFile::Status::no_permission:
            // An agent with the user's rights looks when the message is delivered.
            note({.text = "cannot be looked at from here", .owner = account.name, .file = file.path});
            route_.is_unseen = true;
            return add_destination({Destination::Instructions{file.path, account.name}, mailbox.address},
                                   "instructions " + account.name);
        case UserFile::Status::temporary:
            throw RouteTemporary{not_delivered_now, fmt::format("{}: {}", file.path, file.problem),
                                 account.name};
        case UserFile::Status::none:
            if (extension.empty()) break;
            if (account.name != qmail_alias_account && router_.config_.routing.extension_may_be_unknown())
                break;
            route_.lacks_delivery_file = true;
            note({fmt::format("account {} has no delivery file for the extension {}", account.name,
                              printable(extension))});
            return skip_unknown_member(address);
    }
    add_destination(mailbox, "mailbox " + account.name);
}

/// dot-qmail(5): with .qmail-EXT-owner, what .qmail-EXT forwards has LOCAL-owner as its sender; with
/// .qmail-EXT-owner-default as well, one for each recipient.
Router::Expansion::QmailOwner Router::Expansion::qmail_owner(const Account& account,
                                                             const std::string& extension) {
    const std::string owner = extension.empty() ? "owner" : extension + "-owner";
    const auto is_there = [&](const std::string& wanted) {
        const UserFile file = router_.files_.find(account, {wanted, ""});
        return file.status != UserFile::Status::none && file.path == account.home + "/" + qmail_name(wanted);
    };
    if (!is_there(owner)) return QmailOwner::none;
    return is_there(owner + "-default") ? QmailOwner::of_each : QmailOwner::of_all;
}

void Router::Expansion::expand_delivery_file(const Account& account, const UserFile& file,
                                             const std::string& extension, const Address& address) {
    const DeliveryDialect dialect = dialect_of(file.path);
    const auto parsed = parse_delivery_file(file.text, dialect);
    if (!parsed)
        throw RouteTemporary{not_delivered_now, fmt::format("{}: {}", file.path, parsed.problem()),
                             account.name};
    const Address here = address.qualified(router_.config_.identity.hostname);
    if (parsed->runs_in_order) {
        note({.text = "decides for each message", .owner = account.name, .file = file.path});
        return add_destination({Destination::Instructions{file.path, account.name}, here},
                               "instructions " + file.path);
    }
    if (parsed->says_nothing()) {
        empty_.log({{"file", file.path}, {"instead", "the mailbox"}});
        note({.text = "says nothing: the mailbox", .owner = account.name, .file = file.path});
        return add_destination({Destination::Mailbox{account.name}, here}, "mailbox " + account.name);
    }
    const OwnFile own_file(*this, account, here);
    const auto owner = dialect == DeliveryDialect::qmail ? qmail_owner(account, extension) : QmailOwner::none;
    for (const Instruction& instruction : parsed->instructions) {
        check_bounds(account.name);
        const auto outer_owner = list_owner_;
        const Address& to = instruction.target.address;
        if (owner != QmailOwner::none && instruction.target.kind == AliasTarget::Kind::address)
            list_owner_ = owner == QmailOwner::of_all
                              ? qmail_owner_address(here)
                              : qmail_owner_address(here, to.qualified(here.domain()));
        expand_instruction(account, file, instruction, here);
        list_owner_ = outer_owner;
    }
}

void Router::Expansion::expand_instruction(const Account& account, const UserFile& file,
                                           const Instruction& instruction, const Address& address) {
    using Kind = AliasTarget::Kind;
    if (instruction.kind != Instruction::Kind::deliver) return;  // a label without a branch is a comment
    const AliasTarget& target = instruction.target;
    const bool has_text = target.kind == Kind::program || target.kind == Kind::file;
    const std::string text =
        has_text ? (target.kind == Kind::program ? "|" : "") + target.text : target.address.to_string();
    note({.text = fmt::format("account {} -> {}", account.name, printable(text)),
          .owner = account.name,
          .file = file.path,
          .line = instruction.line});
    if (target.kind == Kind::address)
        return expand_address(target.address.qualified(router_.config_.identity.hostname));
    if (target.kind == Kind::account) {
        if (!router_.is_ours(target.address)) return expand_address(target.address);
        if (!expand_mailbox(target.address)) skip_unknown_member(target.address);
        return;
    }
    if (target.text == "/dev/null")
        return add_destination({Destination::Discard{account.name}, address}, "discard");
    if (account.uid == 0 || account.gid == 0)
        throw RouteTemporary{
            not_delivered_now,
            fmt::format("{}:{}: nothing is run or written as root", file.path, instruction.line),
            account.name};
    add_destination({instruction_kind(target, Destination::InUserFile{account.name}), address},
                    account.name + " " + text);
}

}  // namespace postoffice
