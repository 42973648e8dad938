#include "drop_acceptor.h"

#include <cerrno>
#include <map>
#include <system_error>

#include "postoffice/base/log.h"
#include "postoffice/base/trigger.h"
#include "postoffice/queue/drop.h"
#include "submission.h"

namespace postoffice {

namespace {

// The recipients as they were before they were expanded, since the pickup worker expands them again.
std::vector<WireEnvelope::To> as_given(const Envelope& envelope) {
    std::vector<WireEnvelope::To> given;
    std::map<Address, std::size_t> places;
    for (const Recipient& recipient : envelope.recipients)
        if (places.emplace(recipient.original, given.size()).second)
            given.emplace_back(recipient.original, recipient.sender ? RecipientWishes{} : recipient.wishes);
    for (const Recipient& expanded : envelope.expanded)
        if (const auto place = places.find(expanded.original); place != places.end())
            given[place->second].wishes = expanded.wishes;
    return given;
}

}  // namespace

/// As sendmail takes a message from a program: Bcc fields are removed, names without domain get ours.
void DropAcceptor::complete(const Envelope& envelope, Message& message, Message& completed) const {
    Submission::Settings settings;
    settings.header.hostname = config_.identity.hostname;
    settings.header.from = envelope.sender.to_string();
    settings.dot_ends = false;
    settings.hops = config_.limits.hops;
    Submission submission(completed, settings);
    read_submission(message.open_for_reading().get(), submission);
}

Reply DropAcceptor::accept(const std::string& id, const Envelope& envelope, Message& message) {
    const WireEnvelope drop{envelope.sender, as_given(envelope), envelope.parameters};
    try {
        const std::string folder = config_.queue.dir + "/drop";
        Message completed(folder, config_.queue.minfree);
        if (from_program_) complete(envelope, message, completed);
        write_drop(folder, drop, from_program_ ? completed : message, id);
        if (triggers_) trigger(config_.queue.control, "drop " + id);
        return {250, "2.0.0", id + " Message accepted for delivery"};
    } catch (const BadMessage& bad) {
        return {554, "5.6.0", std::string(bad.what())};
    } catch (const std::system_error& error) {
        log_event(id, "not-stored", {{"reason", error.what()}});
        if (error.code().value() == ENOSPC || error.code().value() == EDQUOT)
            return {452, "4.3.1", "Not enough space here; please try again later"};
        return {451, "4.3.0", "The message could not be stored; please try again later"};
    }
}

}  // namespace postoffice
