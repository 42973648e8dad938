#include "maildrop_channel.h"

#include <cstring>

#include "postoffice/base/error.h"
#include "postoffice/base/log.h"

namespace postoffice {
namespace {

constexpr Seconds patience{60};  // longer than an agent waits for the locks of the mailbox
constexpr const char* not_now = "The mailbox cannot be opened now; please try again later";

std::string words_of(MaildropStatus status) {
    switch (status) {
        case MaildropStatus::in_use:
            return "Another session has the mailbox open";
        case MaildropStatus::permanent:
            return "The mailbox cannot be opened until the administrator has mended it";
        case MaildropStatus::changed:
            return "Another program has moved or removed that message; please log in again";
        default:
            return not_now;
    }
}

[[noreturn]] void refuse(MaildropStatus status) {
    throw MaildropRefused(status, words_of(status));
}

}  // namespace

Pop3Answer refusal_of(const MaildropRefused& error) {
    switch (error.status()) {
        case MaildropStatus::in_use:
            return refused_with("IN-USE", error.what());
        case MaildropStatus::permanent:
            return refused_with("SYS/PERM", error.what());
        default:
            return refused_with("SYS/TEMP", error.what());
    }
}

/// The next packet, which is a T. A DeliveryAnswer in its place comes from the spawner: there is no agent.
template <class T>
T MaildropChannel::receive(std::span<std::byte> into) const {
    const auto packet = receive_from_agent(socket_.get(), into, Deadline::after(patience));
    if (!packet) throw PeerGone("the agent of the mailbox has ended");
    const auto octets = into.first(packet->size);
    if (const auto answer = parse_tagged<T>(octets)) return std::get<T>(*answer);
    const auto refusal = parse_tagged<DeliveryAnswer>(octets);
    if (!refusal) throw UntrustedAgent("an answer that makes no sense");
    log_event("", "maildrop-failed", {{"reason", std::get<DeliveryAnswer>(*refusal).text.str()}});
    refuse(MaildropStatus::temporary);
}

MaildropChannel::MaildropChannel(const SpawnerHandle& spawner, const MailboxTicket& ticket) try
    : socket_(spawner.open_maildrop(ticket, Deadline::after(patience))) {
    std::array<std::byte, sizeof(DeliveryAnswer)> packet;
    const auto opened = receive<MaildropOpened>(packet);
    if (opened.status != MaildropStatus::done) refuse(opened.status);
    receive_items(opened.messages);
} catch (const MaildropRefused&) {
    throw;
} catch (const std::exception& error) {
    log_event("", "maildrop-failed", {{"reason", in_plain_words(error)}});
    throw MaildropRefused(MaildropStatus::temporary, not_now);
}

void MaildropChannel::receive_items(std::size_t count) {
    std::vector<std::byte> packet(sizeof(MaildropItems));
    while (entries_.size() < count) {
        const auto items = receive<MaildropItems>(packet);
        if (items.count == 0 || items.count > MaildropItems::most || items.count > count - entries_.size())
            throw UntrustedAgent("an answer that makes no sense");
        for (std::size_t i = 0; i < items.count; ++i)
            entries_.push_back({items.items[i].octets, items.items[i].uid.str()});
    }
}

MaildropAnswer MaildropChannel::ask(const MaildropRead& request) const try {
    std::array<std::byte, sizeof(DeliveryAnswer)> packet;
    send_struct(socket_.get(), request);
    return receive<MaildropAnswer>(packet);
} catch (const MaildropRefused&) {
    throw;
} catch (const std::exception& error) {
    log_event("", "maildrop-failed", {{"reason", in_plain_words(error)}});
    throw MaildropRefused(MaildropStatus::temporary, not_now);
}

void MaildropChannel::read(std::size_t index, std::uint64_t body_lines,
                           const std::function<void(std::string_view)>& sink) {
    const MaildropAnswer answer = ask({.index = static_cast<std::uint32_t>(index), .body_lines = body_lines});
    if (answer.status != MaildropStatus::done) refuse(answer.status);
    piece_.resize(sizeof(MaildropText) + MaildropText::most);
    for (MaildropText head; head.is_last == 0;) {
        const auto packet = receive_from_agent(socket_.get(), piece_, Deadline::after(patience));
        if (!packet) throw PeerGone("the agent of the mailbox has ended");
        if (packet->size >= sizeof head) std::memcpy(&head, piece_.data(), sizeof head);
        if (packet->size < sizeof head || !has_own_tag(head))
            throw UntrustedAgent("an answer that makes no sense");
        sink({reinterpret_cast<const char*>(piece_.data()) + sizeof head, packet->size - sizeof head});
    }
}

std::size_t MaildropChannel::update(const MaildropChanges& changes) try {
    for (std::size_t first = 0; first < changes.deleted.size(); first += MaildropMarks::most) {
        MaildropMarks marks{.first = static_cast<std::uint32_t>(first)};
        for (std::size_t i = 0; i < MaildropMarks::most && first + i < changes.deleted.size(); ++i) {
            if (changes.deleted[first + i]) marks.deleted.set(i);
            if (changes.read[first + i]) marks.read.set(i);
        }
        send_struct(socket_.get(), marks);
    }
    send_struct(socket_.get(), MaildropUpdate{.marks_read = changes.marks_read ? 1U : 0U});
    std::array<std::byte, sizeof(DeliveryAnswer)> packet;
    const auto answer = receive<MaildropAnswer>(packet);
    if (answer.status != MaildropStatus::done)
        throw MaildropRefused(answer.status, "The mailbox cannot be changed now; it has all its messages");
    return answer.removed;
} catch (const MaildropRefused&) {
    throw;
} catch (const std::exception& error) {
    log_event("", "maildrop-failed", {{"reason", in_plain_words(error)}});
    throw MaildropRefused(MaildropStatus::temporary,
                          "It is not known whether the messages were removed; please look again");
}

}  // namespace postoffice
