#include "postoffice/policy/policy_service.h"

#include <fmt/format.h>

#include <algorithm>

#include "postoffice/base/error.h"
#include "postoffice/base/text.h"
#include "postoffice/net/service_connection.h"

namespace postoffice {
namespace {

constexpr Seconds avoidance{30};

std::string request_with(const PolicyAttributes& attributes) {
    std::string request;
    for (const auto& [name, value] : attributes)
        request.append(name).append("=").append(printable(value)) += '\n';
    return request + "\n";
}

}  // namespace

Result<PolicyAction> PolicyClient::ask(const PolicyAttributes& attributes) {
    if (avoided_until_ && !avoided_until_->passed())
        return Problem{"it was silent for too long a moment ago, and is not asked for half a minute"};
    avoided_until_.reset();
    const Deadline deadline = Deadline::after(service_.timeout);
    const Stopwatch watch;
    auto result = exchange(request_with(attributes), deadline);
    if (!result) connection_.reset();
    if (deadline.passed()) avoided_until_ = Deadline::after(avoidance);
    last_result_ =
        fmt::format("{} after {} ms", result ? result->word : result.problem(), watch.time().count());
    return result;
}

/// The service may have closed the connection since the last question, and this is known only when it is
/// used.
Result<PolicyAction> PolicyClient::exchange(const std::string& request, const Deadline& deadline) {
    for (;;) {
        const bool is_used = connection_.has_value();
        try {
            if (!connection_) connection_.emplace(connect_to(service_.place, resolver_, deadline));
            // What it said unasked answers no question of this process.
            if (is_used && connection_->has_unread_input()) throw PeerGone("it spoke, or left, unasked");
            connection_->write(request, deadline);
            return parse_policy_answer(read_answer(deadline));
        } catch (const PeerGone& gone) {
            connection_.reset();
            if (!is_used) return Problem{gone.what()};
        } catch (const std::exception& error) {
            return Problem{in_plain_words(error)};
        }
    }
}

/// Throws PeerGone if the service left before it said anything, FormatError for what is no answer.
std::string PolicyClient::read_answer(const Deadline& deadline) {
    std::string answer;
    for (;;) {
        const Line line = connection_->read_line(longest_policy_answer, deadline);
        if (line.status == Line::Status::closed) {
            if (answer.empty() && line.text.empty()) throw PeerGone("it closed the connection");
            throw FormatError("it closed the connection within its answer");
        }
        if (line.status == Line::Status::complete && line.text.empty()) return answer;
        if (line.status == Line::Status::too_long ||
            answer.size() + line.text.size() >= longest_policy_answer)
            throw FormatError("its answer is too long");
        answer.append(line.text) += '\n';
    }
}

PolicyClients::PolicyClients(const std::vector<PolicyService>& services, const Resolver& resolver) {
    for (const PolicyService& service : services) clients_.emplace_back(service, resolver);
}

bool PolicyClients::is_connected() const {
    return std::any_of(clients_.begin(), clients_.end(),
                       [](const PolicyClient& client) { return client.is_connected(); });
}

void PolicyClients::close_idle() {
    for (PolicyClient& client : clients_) client.close();
}

}  // namespace postoffice
