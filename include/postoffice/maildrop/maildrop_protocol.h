// The structs between a POP3 session and the agent that has opened the mailbox, over a packet socketpair.
//
//   agent ---MaildropOpened, then MaildropItems---> session      once
//   session ---MaildropRead---> agent                            for RETR and TOP
//   agent ---MaildropAnswer, then MaildropText packets---> session
//   session ---MaildropMarks ..., MaildropUpdate---> agent       once, at QUIT
//   agent ---MaildropAnswer---> session                          the mailbox is closed
//
// Where there is no agent, the spawner answers with a DeliveryAnswer (local/agent_protocol.h) instead.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "postoffice/base/packet.h"

namespace postoffice {

/// The kind of a message: each struct below begins with it.
enum class MaildropTag : std::uint32_t {
    opened = 0x504f4d4f,
    items = 0x504f4d49,
    read = 0x504f4d52,
    answer = 0x504f4d41,
    text = 0x504f4d54,
    marks = 0x504f4d4d,
    update = 0x504f4d55,
};

enum class MaildropStatus : std::uint8_t {
    done,
    in_use,     ///< another session has the mailbox open
    temporary,  ///< try again later
    permanent,  ///< the administrator must do something first
    changed,    ///< another program has moved the message, or removed it
};

/// How the opening went.
struct MaildropOpened {
    static constexpr MaildropTag own_tag = MaildropTag::opened;
    MaildropTag tag = own_tag;
    MaildropStatus status = MaildropStatus::temporary;
    std::uint32_t messages = 0;  ///< of which the MaildropItems tell
};

/// The next messages in order; the last packet may have fewer than it has room for.
struct MaildropItems {
    static constexpr MaildropTag own_tag = MaildropTag::items;
    static constexpr std::size_t most = 200;
    struct Item {
        std::uint64_t octets = 0;
        FixedString<72> uid;
    };
    MaildropTag tag = own_tag;
    std::uint32_t count = 0;
    std::array<Item, most> items{};
};

struct MaildropRead {
    static constexpr MaildropTag own_tag = MaildropTag::read;
    static constexpr std::uint64_t whole = ~std::uint64_t{0};
    MaildropTag tag = own_tag;
    std::uint32_t index = 0;           ///< from 0
    std::uint64_t body_lines = whole;  ///< so many lines after the header (TOP)
};

/// Of the answer to MaildropUpdate, `removed` is the number of messages that are gone.
struct MaildropAnswer {
    static constexpr MaildropTag own_tag = MaildropTag::answer;
    MaildropTag tag = own_tag;
    MaildropStatus status = MaildropStatus::temporary;
    std::uint32_t removed = 0;
};

/// A piece of the message, as it is stored: all octets of the packet behind this struct.
struct MaildropText {
    static constexpr MaildropTag own_tag = MaildropTag::text;
    static constexpr std::size_t most = 64 * 1024;  ///< octets of one piece
    MaildropTag tag = own_tag;
    std::uint32_t is_last = 0;
};

/// What is to be changed of the messages from `first` on, as far as there are any; without such a packet,
/// nothing.
struct MaildropMarks {
    static constexpr MaildropTag own_tag = MaildropTag::marks;
    static constexpr std::size_t most = 4096;
    /// A bit for each message, the lowest of an octet first.
    struct Bits {
        std::array<std::uint8_t, most / 8> octets{};
        void set(std::size_t i) { octets[i / 8] = static_cast<std::uint8_t>(octets[i / 8] | 1U << (i % 8)); }
        bool is_set(std::size_t i) const { return (octets[i / 8] >> (i % 8) & 1) != 0; }
    };
    MaildropTag tag = own_tag;
    std::uint32_t first = 0;
    Bits deleted{};
    Bits read{};
};

struct MaildropUpdate {
    static constexpr MaildropTag own_tag = MaildropTag::update;
    MaildropTag tag = own_tag;
    std::uint32_t marks_read = 0;  ///< 1: what is read is marked so in the mailbox
};

}  // namespace postoffice
