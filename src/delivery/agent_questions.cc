#include "postoffice/delivery/agent_questions.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "delivery_answer.h"
#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/routing/delivery_file.h"
#include "postoffice/routing/users.h"

namespace postoffice {
namespace {

/// What is in the way of a mailbox is worth a few seconds at RCPT; later the queue looks again.
constexpr Milliseconds patience_with_obstacles{5'000};
/// Without its file nothing can be said of an address but "later". The agent may be waiting for the lock of
/// its mailbox, which other programs have, for as long as this.
constexpr Milliseconds patience_with_files{30'000};

/// One question on a channel, and its answer; nullopt if the agent is gone. Throws FormatError with the
/// spawner's words if there is no agent to be had.
template <class Answer, class Request>
std::optional<ReceivedStruct<Answer>> exchange(int socket, const Request& request, const Deadline& deadline) {
    try {
        send_struct(socket, request);
    } catch (const PeerGone&) {
        // The reason may have arrived before.
    }
    std::byte buffer[std::max(sizeof(Answer), sizeof(DeliveryAnswer))];
    auto packet = receive_from_agent(socket, buffer, deadline);
    if (!packet) return std::nullopt;
    const auto answer = parse_tagged<Answer, DeliveryAnswer>(std::span(buffer).first(packet->size));
    if (!answer) throw FormatError("an answer that makes no sense");
    if (const auto* refusal = std::get_if<DeliveryAnswer>(&*answer))
        throw FormatError(result_of(*refusal).reply.line());
    return ReceivedStruct<Answer>{std::get<Answer>(*answer), std::move(packet->descriptors)};
}

}  // namespace

/// What `exchange` returns for the socket of the agent's channel. After nullopt, which means that this agent
/// was just leaving, another one is asked.
template <class Exchange>
auto AgentQuestions::ask(const AgentName& agent, Milliseconds patience, const Exchange& exchange) {
    if (channels_.is_avoided(agent)) throw Timeout("the agent did not answer a moment ago");
    const auto deadline = Deadline::after(std::min(channels_.patience(), patience));
    try {
        for (unsigned tries = 0; tries < AgentChannels::most_tries; ++tries) {
            if (auto answer = exchange(channels_.socket_to(agent, deadline), deadline))
                return std::move(*answer);
            channels_.close(agent);
        }
    } catch (const std::exception& error) {
        channels_.close(agent);
        const bool is_bad = dynamic_cast<const Timeout*>(&error) != nullptr ||
                            dynamic_cast<const UntrustedAgent*>(&error) != nullptr;
        if (is_bad) channels_.avoid(agent);
        throw;
    }
    throw PeerGone("the agent does not answer");
}

template <class Answer, class Request>
ReceivedStruct<Answer> AgentQuestions::ask_for(const AgentName& agent, const Request& request) {
    return ask(agent, patience_with_files, [&](int socket, const Deadline& deadline) {
        return exchange<Answer>(socket, request, deadline);
    });
}

UserFile AgentQuestions::find_file(const std::string& user, const WantedFile& wanted) try {
    FileRequest request;
    if (!request.extension.assign(wanted.extension)) throw FormatError("extension too long");
    if (!request.alias_file.assign(wanted.alias_file)) throw FormatError("file name too long");
    const auto [answer, descriptors] = ask_for<FileAnswer>({SpawnRequest::Purpose::mailbox, user}, request);
    UserFile file{static_cast<UserFile::Status>(answer.status), printable(answer.path.str()), "",
                  printable(answer.problem.str())};
    const bool is_found = file.status == UserFile::Status::found;
    if (file.status > UserFile::Status::temporary || is_found != (descriptors.size() == 1))
        throw FormatError("an answer that makes no sense");
    if (is_found) file.text = disk::read_all(descriptors.front().get(), most_delivery_file_octets);
    return file;
} catch (const std::exception& error) {
    return {UserFile::Status::temporary, "files of " + user, "", in_plain_words(error)};
}

DomainEntry AgentQuestions::domain_entry(const std::string& domain, const std::string& name) try {
    DomainRequest request;
    if (!request.name.assign(name)) return {};  // nothing has such a name
    const auto [answer, descriptors] =
        ask_for<DomainAnswer>({SpawnRequest::Purpose::domain, domain}, request);
    DomainEntry entry{
        static_cast<DomainEntry::Status>(answer.status), {}, {}, printable(answer.problem.str())};
    const std::string user = answer.user.str();
    if (entry.status > DomainEntry::Status::temporary || descriptors.size() > 1 ||
        (!user.empty() && !is_virtual_user_name(user)))
        throw FormatError("an answer that makes no sense");
    if (!user.empty()) entry.user = user;
    entry.is_owner = !user.empty() && answer.is_owner != 0;
    entry.alias_line = answer.alias_line;
    if (!descriptors.empty()) entry.alias = disk::read_all(descriptors.front().get(), most_alias_octets);
    return entry;
} catch (const std::exception& error) {
    return {DomainEntry::Status::temporary, {}, {}, "files of " + domain + ": " + in_plain_words(error)};
}

/// A spawner that has no agent to give answers in its place. That there is no room now says nothing of the
/// mailbox.
MailboxState AgentQuestions::virtual_mailbox(const std::string& user, const std::string& domain) try {
    const AgentName agent = virtual_mailbox_agent(user, domain);
    const DeliveryAnswer answer =
        ask(agent, patience_with_obstacles, [](int socket, const Deadline& deadline) {
            const AvailabilityRequest request;
            const auto bytes = std::as_bytes(std::span(&request, 1));
            const bool is_sent = send_packet_now(socket, bytes) == Sent::yes;
            return is_sent ? receive_answer(socket, deadline) : waiting_answer(socket);
        });
    if (answer.for_all != 0) channels_.close(agent);
    DeliveryResult result = result_of(answer);
    if (result.outcome != DeliveryResult::Outcome::deferred || result.reply.status == "4.3.2") return {};
    return {MailboxState::Status::unavailable, {std::move(result.reply), ""}};
} catch (const std::exception&) {
    return {MailboxState::Status::no_permission, {}};
}

}  // namespace postoffice
