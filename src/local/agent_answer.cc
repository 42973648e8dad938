#include "agent_answer.h"

#include <cerrno>

namespace postoffice {

DeliveryResult deferred_for(const std::system_error& error) {
    const std::string why = error.code().message();
    switch (error.code().value()) {
        case EDQUOT:
        case EFBIG:
            return deferred("4.2.2", "The mailbox is full");
        case ENOSPC:
            return deferred("4.3.1", "Mail system full: " + why);
        default:
            return deferred("4.2.0", "Cannot write to the mailbox: " + why);
    }
}

DeliveryAnswer answer_of(const DeliveryResult& result) {
    DeliveryAnswer answer;
    answer.outcome = static_cast<std::uint8_t>(result.outcome);
    answer.status.assign_cut(result.reply.status);
    answer.text.assign_cut(result.reply.text);
    return answer;
}

}  // namespace postoffice
