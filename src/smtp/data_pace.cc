#include "data_pace.h"

#include "dialogue.h"
#include "postoffice/base/error.h"

namespace postoffice {
namespace {

constexpr Milliseconds grace{60'000};

}  // namespace

Deadline DataPace::wait() {
    if (dialogue_.is_standard_input()) return dialogue_.deadline();  // a program here may wait for its user
    const Config& config = dialogue_.config();
    dialogue_.patience().wait_for_input(dialogue_.connection, config.limits.data_time - status_.time());
    const Milliseconds time = status_.time();
    if (time > config.limits.data_time) throw Timeout("the message takes too long");
    const LoadLevel* load_level = dialogue_.services.load_level;
    if (time > (load_level ? load_level->shortened(grace) : grace)) {
        const auto seconds = std::chrono::duration_cast<Seconds>(time).count();
        if (octets_ / static_cast<std::uint64_t>(seconds) < config.limits.data_rate)
            throw Timeout("the message comes too slowly");
    }
    return Deadline::earlier(dialogue_.deadline(), Deadline::after(config.limits.data_time - time));
}

}  // namespace postoffice
