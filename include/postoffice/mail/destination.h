// Where mail for one recipient goes, once its address is routed.
#pragma once

#include <string>
#include <variant>

#include "postoffice/mail/address.h"

namespace postoffice {

struct Destination {
    /// The mailbox of an account of this host.
    struct Mailbox {
        std::string user;  ///< canonical name of the account
        bool operator==(const Mailbox&) const = default;
    };
    /// The mailbox of a user in the passwd file of a virtual domain.
    struct VirtualMailbox {
        std::string user, domain;
        bool operator==(const VirtualMailbox&) const = default;
    };

    // Where an instruction stands: an instruction agent looks for it there before it carries it out.
    /// In a delivery file of this account, with its rights.
    struct InUserFile {
        std::string user;
        bool operator==(const InUserFile&) const = default;
    };
    /// In an alias of this host, with the rights of alias-user.
    struct InHostAlias {
        std::string name;
        bool operator==(const InHostAlias&) const = default;
    };
    /// In an alias of a virtual domain, with the rights of the domain's owner.
    struct InDomainAlias {
        std::string name, domain;
        bool operator==(const InDomainAlias&) const = default;
    };
    using Source = std::variant<InUserFile, InHostAlias, InDomainAlias>;

    /// A command for the shell.
    struct Program {
        std::string command;
        Source source;
        bool operator==(const Program&) const = default;
    };
    /// A mailbox file, or a maildir if the path ends with '/'. The path may begin at the home: "~/".
    struct File {
        std::string path;
        Source source;
        bool operator==(const File&) const = default;
    };
    /// All that the delivery file of an account says, in order.
    struct Instructions {
        std::string path, user;
        bool operator==(const Instructions&) const = default;
    };

    /// Another host.
    struct Remote {
        bool operator==(const Remote&) const = default;
    };
    /// Accepted and dropped.
    struct Discard {
        std::string user = "";  ///< the account whose delivery file says so; empty: an alias does
        bool operator==(const Discard&) const = default;
    };
    /// The address could not be looked up yet; the queue does that again.
    struct Unrouted {
        bool operator==(const Unrouted&) const = default;
    };
    using Kind =
        std::variant<Mailbox, VirtualMailbox, Program, File, Instructions, Remote, Discard, Unrouted>;

    Kind kind = Mailbox{};
    Address address;  ///< Remote: where to send; else the address that led here, for Delivered-To

    template <class Type>
    bool is() const {
        return std::holds_alternative<Type>(kind);
    }
    /// Null if it is of another kind.
    template <class Type>
    const Type* as() const {
        return std::get_if<Type>(&kind);
    }
    bool is_mailbox() const { return is<Mailbox>() || is<VirtualMailbox>(); }
    bool operator==(const Destination&) const = default;
};

/// "alice", "alias list", "alias list@virtual.example".
std::string describe(const Destination::Source& source);

/// For log and reports: "alice", "vera@virtual.example", "a@example.org", "|command of bob", "/file of alias
/// list".
std::string describe(const Destination& destination);

/// Equal for destinations where the same reader would get the same message, whatever address led there. A
/// program of an alias is another one for each address that it is told.
std::string destination_key(const Destination& destination);

/// The user of a mailbox, of this host or virtual; "" for other kinds.
std::string mailbox_user_of(const Destination& destination);

/// The account of this host whose mailbox it is, or whose own file asks for it; "" if there is none.
std::string account_of(const Destination& destination);

/// The virtual domain whose mailbox it is, or whose alias asks for it; "" if there is none.
std::string virtual_domain_of(const Destination& destination);

/// Where a program or a file is asked for; null for other kinds.
const Destination::Source* source_of(const Destination& destination);

/// As it stands in a delivery file or an alias: "|command", or a path. "" for what is no instruction.
std::string instruction_of(const Destination& destination);

}  // namespace postoffice
