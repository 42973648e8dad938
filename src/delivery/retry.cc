#include "postoffice/delivery/retry.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

namespace postoffice {

UnixTime next_attempt(const Config& config, UnixTime arrived, UnixTime now, unsigned attempts,
                      std::uint32_t chance) {
    if (attempts == 0) return now;
    const std::size_t step = std::min<std::size_t>(attempts, config.queue.retry.size()) - 1;
    const std::int64_t wait = config.queue.retry.at(step).count();
    const std::int64_t most_extra = wait / 10;
    const std::int64_t extra = most_extra > 0 ? chance % (most_extra + 1) : 0;
    const UnixTime expiry = arrived + config.queue.qreturn.count();
    return std::max(now, std::min(now + wait + extra, expiry));
}

UnixTime next_attempt(const Config& config, UnixTime arrived, UnixTime now, unsigned attempts) {
    return next_attempt(config, arrived, now, attempts, std::random_device{}());
}

UnixTime longest_wait(const Config& config) {
    const std::int64_t wait = std::max_element(config.queue.retry.begin(), config.queue.retry.end())->count();
    return wait + wait / 10;
}

bool has_expired(const Config& config, UnixTime arrived, UnixTime now) {
    return now - arrived >= config.queue.qreturn.count();
}

DeliveryResult given_up(const Config& config, const DeliveryResult& last) {
    return failed("5.4.7",
                  fmt::format("not delivered within {}{}{}", duration_text(config.queue.qreturn),
                              last_words_mark, last.reply.line()),
                  last.by);
}

}  // namespace postoffice
