// Locks that the kernel drops when their owner dies.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"

namespace postoffice {

/// Tries to take an exclusive flock(2) on the open file; false if another process has it. The lock belongs to
/// the open file description: it travels with a passed descriptor and ends when the last copy is closed.
/// Throws std::system_error.
[[nodiscard]] bool try_lock(int fd);

/// The same, tried again until `deadline`; then it throws Timeout, with `name` for people.
void lock_until(int fd, const std::string& name, Deadline deadline);

/// Takes both flock(2) and fcntl(2) write locks on a mailbox, since other mail programs use either, and what
/// `try_third` takes, if there is such; polls until `deadline`. False if it could not get all; then it holds
/// none. Throws std::system_error, and what `try_third` throws.
[[nodiscard]] bool lock_mailbox(int fd, Deadline deadline, const std::function<bool()>& try_third = {});
void unlock_mailbox(int fd);

}  // namespace postoffice
