#include "postoffice/policy/rate_table.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>

#include "postoffice/base/error.h"
#include "postoffice/base/keyed_hash.h"

namespace postoffice {
namespace {

constexpr std::size_t ways = 8;  // places that one key may have

// What a place holds, in one word, so that it changes at once or not at all:
//   8 bits of its key's hash | 30 bits of time, in eighths of a second | 26 bits of count, in 32nds
// The bits of the hash say which key the count is of: when a place gets another key, its old count is void
// without being erased.
struct State {
    std::uint8_t check = 0;
    std::uint32_t time = 0;
    std::uint32_t level = 0;

    static constexpr unsigned time_bits = 30, level_bits = 26;
    static constexpr std::uint32_t most_time = (1U << time_bits) - 1, most_level = (1U << level_bits) - 1;

    static State from(std::uint64_t word) {
        return {static_cast<std::uint8_t>(word >> (time_bits + level_bits)),
                static_cast<std::uint32_t>(word >> level_bits) & most_time,
                static_cast<std::uint32_t>(word) & most_level};
    }
    std::uint64_t word() const {
        return std::uint64_t{check} << (time_bits + level_bits) | std::uint64_t{time} << level_bits | level;
    }
};

constexpr std::uint32_t ticks_a_second = 8;
constexpr std::uint32_t one = 32;  // of a level
constexpr std::uint32_t fullest = State::most_level / one * one;

std::uint32_t ticks_now() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    const auto ticks =
        std::chrono::duration_cast<std::chrono::milliseconds>(now).count() * ticks_a_second / 1000;
    return static_cast<std::uint32_t>(ticks) & State::most_time;
}

// The clock of another process may have been read a little later, and the ticks start again after four years.
std::uint32_t ticks_between(std::uint32_t then, std::uint32_t now) {
    const std::uint32_t passed = (now - then) & State::most_time;
    return passed > State::most_time - 60 * ticks_a_second ? 0 : passed;
}

// What is left of a count.
std::uint32_t level_now(const State& state, std::uint8_t check, std::uint32_t now, Seconds window) {
    if (state.check != check) return 0;
    const std::uint64_t whole =
        static_cast<std::uint64_t>(std::max<Seconds::rep>(window.count(), 1)) * ticks_a_second;
    const std::uint64_t passed = ticks_between(state.time, now);
    if (passed >= whole) return 0;
    return static_cast<std::uint32_t>((state.level * (whole - passed) + whole - 1) / whole);
}

std::uint64_t count_of(std::uint32_t level) {
    return (level + one - 1) / one;
}

}  // namespace

// Memory full of zeros is a table of free places.
struct RateTable::Table {
    struct Place {
        std::atomic<std::uint64_t> tag;    // hash of the key it belongs to; 0 = none
        std::atomic<std::uint64_t> state;  // see State
    };
    static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "processes share these without a lock");

    HashKey key;
    std::size_t sets;
    alignas(64) Place places[1];  // and more behind it: `sets` times `ways`

    static std::size_t sets_for(std::size_t places) {
        return std::max<std::size_t>((places + ways - 1) / ways, 1);
    }
    static std::size_t bytes_for(std::size_t places) {
        return sizeof(Table) + sets_for(places) * ways * sizeof(Place);
    }

    std::uint64_t tag_of(std::string_view text) const {
        return std::max<std::uint64_t>(keyed_hash(key, text), 1);
    }
    Place* set_of(std::uint64_t tag) { return places + (tag >> 16) % sets * ways; }
    Place* find(std::uint64_t tag);
    Place* claim(std::uint64_t tag, std::uint32_t now);
    static std::optional<std::uint64_t> add_at(Place& place, std::uint64_t tag, std::uint32_t amount,
                                               std::uint32_t now, Seconds window);
};

auto RateTable::Table::find(std::uint64_t tag) -> Place* {
    Place* const set = set_of(tag);
    Place* const found = std::find_if(set, set + ways, [&](const Place& p) { return p.tag.load() == tag; });
    return found == set + ways ? nullptr : found;
}

// A free place, or the one that was quiet for longest. nullptr: another process was faster, look again.
auto RateTable::Table::claim(std::uint64_t tag, std::uint32_t now) -> Place* {
    Place* const set = set_of(tag);
    const auto quiet = [now](const Place& p) {
        return p.tag.load() == 0 ? State::most_time : ticks_between(State::from(p.state.load()).time, now);
    };
    Place* const place = std::max_element(
        set, set + ways, [&](const Place& a, const Place& b) { return quiet(a) < quiet(b); });
    std::uint64_t former = place->tag.load();
    std::uint64_t state = place->state.load();
    if (!place->tag.compare_exchange_strong(former, tag)) return nullptr;
    // By chance the check of the former key may be equal. Then the faster process has counted for this one.
    if (State::from(state).check == static_cast<std::uint8_t>(tag))
        (void)place->state.compare_exchange_strong(state,
                                                   State{static_cast<std::uint8_t>(tag), now, 0}.word());
    return place;
}

// nullopt: the place has changed hands.
std::optional<std::uint64_t> RateTable::Table::add_at(Place& place, std::uint64_t tag, std::uint32_t amount,
                                                      std::uint32_t now, Seconds window) {
    const auto check = static_cast<std::uint8_t>(tag);
    std::uint64_t word = place.state.load();
    for (;;) {
        if (place.tag.load() != tag) return std::nullopt;
        const std::uint32_t level =
            std::min(fullest, level_now(State::from(word), check, now, window) + amount);
        if (place.state.compare_exchange_weak(word, State{check, now, level}.word())) return count_of(level);
    }
}

RateTable::RateTable(std::size_t places)
    : memory_(Table::bytes_for(places)), table_(static_cast<Table*>(memory_.data())) {
    table_->sets = Table::sets_for(places);
    if (::getentropy(table_->key.data(), sizeof table_->key) != 0) throw_errno("random numbers");
}

std::uint64_t RateTable::add(std::string_view key, std::uint64_t amount, Seconds window) {
    const std::uint64_t tag = table_->tag_of(key);
    const std::uint32_t now = ticks_now();
    const auto level = static_cast<std::uint32_t>(std::min<std::uint64_t>(amount, fullest / one) * one);
    for (;;) {
        Table::Place* place = table_->find(tag);
        if (place == nullptr) place = table_->claim(tag, now);
        if (place == nullptr) continue;
        if (const auto count = Table::add_at(*place, tag, level, now, window)) return *count;
    }
}

std::uint64_t RateTable::count(std::string_view key, Seconds window) const {
    const std::uint64_t tag = table_->tag_of(key);
    Table::Place* const place = table_->find(tag);
    if (place == nullptr) return 0;
    return count_of(
        level_now(State::from(place->state.load()), static_cast<std::uint8_t>(tag), ticks_now(), window));
}

void RateTable::forget(std::string_view key) {
    const std::uint64_t tag = table_->tag_of(key);
    Table::Place* const place = table_->find(tag);
    if (place == nullptr) return;
    place->state.store(State{static_cast<std::uint8_t>(tag), ticks_now(), 0}.word());
}

}  // namespace postoffice
