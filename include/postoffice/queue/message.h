// A message being received: memory up to a limit, then a tmXXXX file in the spool. Line ends are LF.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "postoffice/base/fd.h"
#include "postoffice/base/keyed_hash.h"
#include "postoffice/queue/spool_shares.h"

namespace postoffice {

/// The spool would have less than `minfree` left, or the client has taken its share. Its code is ENOSPC, but
/// the disk itself is not full.
class SpoolIsFull : public std::system_error {
  public:
    SpoolIsFull(const std::string& directory, std::uint64_t minfree);
    /// The unfinished messages of one client hold more than they leave.
    explicit SpoolIsFull(const std::string& directory);
    const char* what() const noexcept override { return text_.c_str(); }

  private:
    std::string text_;
};

class Message {
  public:
    /// `spool_directory`: where it spills to when it grows. `minfree`: octets that it leaves free there.
    /// `share`: of its client, if that is counted; outlives the message.
    explicit Message(std::string spool_directory, std::uint64_t minfree = 0, SpoolShare* share = nullptr);
    ~Message();  ///< removes the tm file, unless keep_as() took it
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;

    /// Throws std::system_error (ENOSPC). What is appended is written in blocks of `memory_limit` octets, so
    /// many small pieces cost no more than few large ones.
    void append(std::string_view bytes);
    /// Writes what append() holds back to the file, if the message has one. The functions below do so by
    /// themselves; call it where a full disk is to be known. Throws as append().
    void write_out();
    /// Throws std::system_error.
    void append_copy_of(Message& other);
    /// The whole file; its position stays where it is. Throws std::system_error.
    void append_copy_of(int file);
    std::uint64_t size() const { return size_; }
    /// Tells the whole message from what a power cut may have left of it. Reads all of it: 1 ms for a
    /// megabyte. Throws std::system_error.
    std::uint64_t checksum();
    /// Gives back what it takes of the disk, as far as that is possible. It must not be used any more.
    void abandon() noexcept;

    /// A read-only descriptor of the whole message with a position of its own: safe to hand to a process of
    /// another user, which can neither change it nor see a later message. Throws std::system_error.
    Fd open_for_reading();

    /// The whole message, as long as it is kept in memory; valid until it is changed.
    std::optional<std::string_view> in_memory() const {
        return file_ ? std::nullopt : std::optional<std::string_view>(memory_);
    }

    /// Makes it the file `path` (which must not exist), written out but not synced, and returns that file's
    /// descriptor. The message can still be read. Throws std::system_error; then no file of that name is
    /// left.
    Fd keep_as(const std::string& path);

    static constexpr std::size_t memory_limit = 65536;
    /// No secret: the checksum is there against accidents.
    static constexpr HashKey checksum_key{0, 0};

  private:
    void create_file();
    void write_to_file(std::string_view bytes);

    std::string directory_;
    std::uint64_t minfree_ = 0;
    SpoolShare* share_ = nullptr;
    std::uint64_t written_ = 0;  // octets in the file
    std::string memory_;         // all of it while file_ is empty, then what is not written yet
    Fd file_;                    // locked, so that sweep() sees that it is in use
    std::string file_path_;      // tm name; empty when none or kept
    std::uint64_t size_ = 0;
};

/// Message::checksum() of what is in a file. Throws std::system_error.
std::uint64_t checksum_of_file(int file);

}  // namespace postoffice
