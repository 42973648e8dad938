// The structs between unprivileged processes, the spawner and local agents. A request names a user and hands
// over an open message; it never carries a command or a path.
//
//   client --SpawnRequest + channel--> spawner --ChannelHandover + channel--> agent
//   client ==DeliveryRequest + message, over the channel======================> agent
//   client <=DeliveryAnswer, over the channel===================== agent (or spawner)
//
// No client waits for its channel to arrive: it writes its requests at once, and they wait in the socket.
//
// A mailbox agent stays for a while and also tells what the user's delivery files say (FileRequest). A
// domain's agent, which runs with the rights of its owner, stays for a while and tells what its files say of
// a name (DomainRequest). An instruction agent carries out one InstructionRequest: it looks for the
// instruction in the user's own file, or in the alias, and does it only if it stands there.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "postoffice/base/packet.h"
#include "postoffice/policy/mailbox_ticket.h"

namespace postoffice {

/// The kind of a message: each struct below begins with it.
enum class AgentTag : std::uint32_t {
    spawn_request = 0x504f5351,
    channel_handover = 0x504f4348,
    delivery_request = 0x504f4451,
    delivery_answer = 0x504f4441,
    file_request = 0x504f4651,
    file_answer = 0x504f4641,
    domain_request = 0x504f5651,
    domain_answer = 0x504f5641,
    availability_request = 0x504f4f51,
    instruction_request = 0x504f4951,
};

/// To the spawner, into its request socket; one descriptor with it: the agent's end of a fresh
/// packet socketpair, on which the agent (or, in its place, the spawner) answers DeliveryAnswers.
struct SpawnRequest {
    static constexpr AgentTag own_tag = AgentTag::spawn_request;
    enum class Purpose : std::uint8_t {
        mailbox,       ///< DeliveryRequests and FileRequests of `user`
        instructions,  ///< one InstructionRequest of `user`
        alias,  ///< one InstructionRequest of an alias, by the account alias-user; `user` is not looked at
        virtual_mailbox,  ///< DeliveryRequests, AvailabilityRequests; `user` is "USER@DOMAIN", the account
                          ///< vhost-user
        domain,           ///< DomainRequests; `user` is a virtual domain, the account its owner's
        domain_alias,     ///< one InstructionRequest of an alias of that domain, likewise
        maildrop,         ///< one POP3 session with the mailbox that `ticket` names; `user` is not looked at
    };
    AgentTag tag = own_tag;
    Purpose purpose = Purpose::mailbox;
    FixedString<320> user;
    MailboxTicket ticket = {};  ///< for maildrop: the authenticator's
};

/// Which agent a request is about. Agents that stay for further channels are known by it.
struct AgentName {
    SpawnRequest::Purpose purpose = SpawnRequest::Purpose::mailbox;
    std::string user;  ///< as in the request
    auto operator<=>(const AgentName&) const = default;
};

/// Spawner to agent, over the agent's control socket; one descriptor with it: the channel. End of file there
/// asks the agent to leave when all that waits is done.
struct ChannelHandover {
    static constexpr AgentTag own_tag = AgentTag::channel_handover;
    AgentTag tag = own_tag;
};

/// To a local agent, over that socketpair; one descriptor with it: the message, open for reading.
struct DeliveryRequest {
    static constexpr AgentTag own_tag = AgentTag::delivery_request;
    AgentTag tag = own_tag;
    FixedString<32> id;
    FixedString<512> sender;  ///< wire form, without brackets; empty for <>
    FixedString<512> recipient;
    std::uint8_t folder = 0;  ///< as MailFolder; where that is the agent has from its own configuration
};

/// The answer to one DeliveryRequest (in order), or, before any, to a SpawnRequest that cannot be met.
struct DeliveryAnswer {
    static constexpr AgentTag own_tag = AgentTag::delivery_answer;
    AgentTag tag = own_tag;
    std::uint8_t outcome = 1;  ///< as DeliveryResult::Outcome: 0 delivered, 1 deferred, 2 failed
    std::uint8_t for_all = 0;  ///< 1: there is no agent; answers whatever is asked on this channel
    FixedString<16> status;    ///< "2.0.0"
    FixedString<1024> text;
};

/// To a mailbox agent: what does the user's file say that is wanted, as in WantedFile? No descriptor.
struct FileRequest {
    static constexpr AgentTag own_tag = AgentTag::file_request;
    AgentTag tag = own_tag;
    FixedString<256> extension;
    FixedString<256> alias_file;
};

/// The answer; with `found`, the text is in a descriptor, and never larger than most_delivery_file_octets.
struct FileAnswer {
    static constexpr AgentTag own_tag = AgentTag::file_answer;
    AgentTag tag = own_tag;
    std::uint8_t status = 0;  ///< as UserFile::Status
    FixedString<512> path;
    FixedString<256> problem;
};

/// To a domain's agent: what do its files say of this name? No descriptor.
struct DomainRequest {
    static constexpr AgentTag own_tag = AgentTag::domain_request;
    AgentTag tag = own_tag;
    FixedString<128> name;
};

/// The answer; the value of an alias is in a descriptor, and never larger than most_alias_octets.
struct DomainAnswer {
    static constexpr AgentTag own_tag = AgentTag::domain_answer;
    AgentTag tag = own_tag;
    std::uint8_t status = 0;    ///< as DomainEntry::Status
    std::uint8_t is_owner = 0;  ///< as DomainEntry::is_owner
    std::uint32_t alias_line = 0;
    FixedString<80> user;  ///< empty: there is no such user
    FixedString<512> problem;
};
inline constexpr std::size_t most_alias_octets = 1u << 20;

/// To the agent of a virtual mailbox: is anything known to be in the way of mail for it? No descriptor. The
/// answer is a DeliveryAnswer, which is what a delivery would be answered now.
struct AvailabilityRequest {
    static constexpr AgentTag own_tag = AgentTag::availability_request;
    AgentTag tag = own_tag;
};

/// To an instruction agent; one descriptor with it: the message. The answer is a DeliveryAnswer.
struct InstructionRequest {
    static constexpr AgentTag own_tag = AgentTag::instruction_request;
    AgentTag tag = own_tag;
    enum class Kind : std::uint8_t { program, file, instructions } kind = Kind::program;
    FixedString<32> id;
    FixedString<512> sender;
    FixedString<512> recipient;
    FixedString<256> alias;         ///< that has the instruction; empty: the user's own file has it
    FixedString<2048> instruction;  ///< as instruction_of(Destination)
};

}  // namespace postoffice
