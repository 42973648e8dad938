#include "drop_acceptor.h"

#include <cerrno>
#include <system_error>

#include "postoffice/base/log.h"
#include "postoffice/base/nudge.h"
#include "postoffice/mail/drop.h"

namespace postoffice {

Reply DropAcceptor::accept(const std::string& id, const Envelope& envelope, Message& message) {
    DropEnvelope drop{envelope.sender, {}, envelope.body};
    for (const Recipient& recipient : envelope.recipients) drop.recipients.push_back(recipient.original);
    try {
        const std::string drop_id = write_drop(config_.queue_dir + "/drop", drop, message);
        if (nudges_) nudge(config_.control, "drop " + drop_id);
        return {250, "2.0.0", drop_id + " Message accepted for delivery"};
    } catch (const std::system_error& error) {
        log_event(id, "not stored", {{"why", error.what()}});
        if (error.code().value() == ENOSPC || error.code().value() == EDQUOT)
            return {452, "4.3.1", "No space left here; please try again later"};
        return {451, "4.3.0", "The message could not be stored; please try again later"};
    }
}

}  // namespace postoffice
