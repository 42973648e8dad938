#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <span>

#include "postoffice/base/disk.h"
#include "postoffice/base/error.h"
#include "postoffice/queue/spool.h"
#include "spool_files.h"

namespace postoffice {

QueueEntry::QueueEntry(std::string spool_directory, Fd journal)
    : directory_(std::move(spool_directory)), fd_(std::move(journal)) {
    const std::string text = read_journal(fd_.get());
    journal_ = parse_journal(text);
    known_to_ = whole_lines(text);
    directory_ = folder_with(directory_, id());
}

QueueEntry::QueueEntry(std::string spool_directory, Fd fd, Journal journal, off_t known_to)
    : directory_(std::move(spool_directory)),
      fd_(std::move(fd)),
      journal_(std::move(journal)),
      known_to_(known_to) {}

Fd QueueEntry::open_message() const {
    return open_message_of(fd_.get(), journal_, directory_ + "/dm" + id());
}

std::uint64_t QueueEntry::message_size() const {
    if (journal_.message_at != 0) return journal_.size.value_or(0);
    const auto status = status_of(directory_ + "/dm" + id());
    return status ? static_cast<std::uint64_t>(status->st_size) : 0;
}

/// Small journals have it in the block that they end in.
void QueueEntry::make_room_for_results(std::size_t count) const {
    constexpr std::size_t octets_of_result = 512;  // most have a fifth of it
    constexpr std::size_t block = 4096;
    struct stat status {};
    if (::fstat(fd_.get(), &status) != 0) throw_errno("stat journal");
    const std::size_t octets = (count + 1) * octets_of_result;
    const std::size_t left_in_block = (block - static_cast<std::size_t>(status.st_size) % block) % block;
    if (octets > left_in_block) disk::reserve(fd_.get(), status.st_size, static_cast<off_t>(octets));
}

void QueueEntry::record(std::size_t index, const DeliveryResult& result) {
    append(journal_event::result(index, result));
}

void QueueEntry::add(const Recipient& recipient) {
    append(journal_event::added(journal_.recipients.size(), recipient));
}

void QueueEntry::record_reported(std::size_t index, const std::string& text) {
    append(journal_event::reported(index, text));
}

void QueueEntry::record_warned(std::size_t index, const std::string& text) {
    append(journal_event::warned(index, text));
}

void QueueEntry::record_postponed(std::size_t index, const DeliveryResult& why) {
    append(journal_event::postponed(index, why));
}

void QueueEntry::defer_until(UnixTime when) {
    append_due(journal_event::retry_at(when), when);
}

void QueueEntry::set_due(UnixTime when) {
    append_due(journal_event::due_at(when), when);
}

void QueueEntry::append_due(const std::string& event, UnixTime when) {
    append(event);
    disk::set_modification_time(fd_.get(), when);
}

void QueueEntry::hold(const std::string& reason) {
    append(journal_event::held(reason));
}

void QueueEntry::release() {
    append(journal_event::released());
}

/// In one write(2), since others may append too. Where a full disk or a crash cut off an earlier line, this
/// one starts anew: glued to that rest it would be lost with it.
void QueueEntry::append(const std::string& event) {
    struct stat status {};
    if (::fstat(fd_.get(), &status) != 0) throw_errno("stat journal");
    char last = '\n';
    if (status.st_size > known_to_) disk::read_at(fd_.get(), std::span(&last, 1), status.st_size - 1);
    disk::write_all(fd_.get(), (last == '\n' ? "" : "\n") + rfc3339_utc(now_unix()) + " " + event + "\n");
    reload();
}

void QueueEntry::reload() {
    std::string news;
    std::array<char, 4096> block;
    for (std::size_t n = block.size(); n == block.size();) {
        n = disk::read_at(fd_.get(), block, known_to_ + static_cast<off_t>(news.size()));
        news.append(block.data(), n);
    }
    known_to_ += static_cast<off_t>(apply_journal_events(journal_, news));
}

void QueueEntry::sync() {
    disk::sync(fd_.get());
}

void QueueEntry::finish() {
    disk::rename(directory_ + "/cm" + id(), directory_ + "/rm" + id());
}

void QueueEntry::remove() {
    disk::unlink_if_exists(directory_ + "/cm" + id());
    disk::unlink_if_exists(directory_ + "/dm" + id());  // sweep() may have come between the two
}

}  // namespace postoffice
