#include "postoffice/delivery/retry.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

namespace postoffice {

UnixTime next_attempt(const Config& config, const Journal& journal, UnixTime now, unsigned attempts,
                      std::uint32_t chance) {
    if (attempts == 0) return now;
    const std::size_t step = std::min<std::size_t>(attempts, config.queue.retry.size()) - 1;
    const std::int64_t wait = config.queue.retry.at(step).count();
    const std::int64_t most_extra = wait / 10;
    const std::int64_t extra = most_extra > 0 ? chance % (most_extra + 1) : 0;
    UnixTime latest = expiry_of(config, journal, now);
    const auto& deliver_by = journal.envelope.parameters.scheduling.deliver_by;
    if (deliver_by && deliver_by->at > now) latest = std::min(latest, deliver_by->at);
    return std::max(now, std::min(now + wait + extra, latest));
}

UnixTime next_attempt(const Config& config, const Journal& journal, UnixTime now, unsigned attempts) {
    return next_attempt(config, journal, now, attempts, std::random_device{}());
}

UnixTime longest_wait(const Config& config) {
    const std::int64_t wait = std::max_element(config.queue.retry.begin(), config.queue.retry.end())->count();
    return wait + wait / 10;
}

UnixTime expiry_of(const Config& config, const Journal& journal, UnixTime now) {
    const Seconds patience = config.queue.qreturn + journal.uncounted_until(now);
    return journal.envelope.deliverable_since() + patience.count();
}

bool has_expired(const Config& config, const Journal& journal, UnixTime now) {
    return now >= expiry_of(config, journal, now);
}

DeliveryResult not_in_time(const DeliverBy& deliver_by, const DeliveryResult& last) {
    const std::string text = "not delivered by " + rfc5322_date(deliver_by.at) + ", as was asked";
    if (last.reply.text.empty()) return failed("5.4.7", text);
    return failed("5.4.7", fmt::format("{}{}{}", text, last_words_mark, last.reply.line()), last.by);
}

DeliveryResult given_up(const Config& config, const DeliveryResult& last) {
    return failed("5.4.7",
                  fmt::format("not delivered within {}{}{}", duration_text(config.queue.qreturn),
                              last_words_mark, last.reply.line()),
                  last.by);
}

}  // namespace postoffice
