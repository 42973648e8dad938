#include "delivery_answer.h"

#include "postoffice/base/text.h"
#include "postoffice/local/agent_socket.h"

namespace postoffice {

DeliveryResult result_of(const DeliveryAnswer& answer) {
    const std::string status = answer.status.str();
    const std::string text = printable(answer.text.str());
    if (answer.tag == DeliveryAnswer::own_tag && !status.empty()) {
        if (answer.outcome == 0 && status.front() == '2')
            return {DeliveryResult::Outcome::delivered, {250, status, text}, ""};
        if (answer.outcome == 1 && status.front() == '4') return deferred(status, text);
        if (answer.outcome == 2 && status.front() == '5') return failed(status, text);
    }
    return deferred("4.3.0", "Local delivery gave an answer that makes no sense");
}

std::optional<DeliveryAnswer> receive_answer(int socket, const Deadline& deadline) {
    DeliveryAnswer answer;
    const auto packet = receive_from_agent(socket, std::as_writable_bytes(std::span(&answer, 1)), deadline);
    if (!packet || packet->size != sizeof answer) return std::nullopt;
    return answer;
}

std::optional<DeliveryAnswer> waiting_answer(int socket) {
    DeliveryAnswer answer;
    const auto packet = receive_from_agent_now(socket, std::as_writable_bytes(std::span(&answer, 1)));
    if (!packet || packet->size != sizeof answer) return std::nullopt;
    return answer;
}

}  // namespace postoffice
