#include "postoffice/policy/session_penalties.h"

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

bool SessionPenalties::note_idle_command() {
    count_up(idle_commands);
    return idle_commands > free_idle_commands;
}

bool SessionPenalties::note_refused_recipient(unsigned most_errors) {
    count_up(refused_recipients);
    return refused_recipients > recipients + most_errors;
}

void SessionPenalties::note_accepted_recipient() {
    count_up(recipients);
}

void SessionPenalties::note_accepted_message() {
    idle_commands = 0;
}

Milliseconds SessionPenalties::pause(Milliseconds longest) const {
    return std::clamp(pause_step * (refused_recipients - free_guesses), Milliseconds(0), longest);
}

}  // namespace postoffice
