#include "postoffice/policy/conduct.h"

#include <algorithm>
#include <limits>

namespace postoffice {
namespace {

constexpr unsigned free_idle_commands = 100;
constexpr int free_guesses = 5;
constexpr Milliseconds pause_step{500};

void count_up(std::uint16_t& counter) {
    if (counter < std::numeric_limits<std::uint16_t>::max()) ++counter;
}

}  // namespace

bool Conduct::did_nothing() {
    count_up(idle_commands);
    return idle_commands > free_idle_commands;
}

bool Conduct::recipient_was_refused(unsigned most_errors) {
    count_up(refused_recipients);
    return refused_recipients > recipients + most_errors;
}

void Conduct::recipient_was_accepted() {
    count_up(recipients);
}

void Conduct::message_was_accepted() {
    idle_commands = 0;
}

Milliseconds Conduct::pause(Milliseconds longest) const {
    return std::clamp(pause_step * (refused_recipients - free_guesses), Milliseconds(0), longest);
}

}  // namespace postoffice
