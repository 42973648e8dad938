// The spool: a folder for the messages of each quarter of an hour, and in it four kinds of files. spool(5)
// has the formats and states. A folder is removed when it is empty, so that what a backlog has made of it is
// gone.
//   tmXXXX  a message being received; its client was promised nothing yet
//   cmID    the journal of a queued message: the envelope, an end mark, a message of up to 64 KB, then a line
//           for each event; only ever appended to
//   dmID    header and body of a larger message; never changes
//   rmID    the journal of a message that is done; it and its dm only wait to be removed
// A message exists if and only if its cm exists with its end mark; owning it means holding the flock on cm.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/fd.h"
#include "postoffice/mail/delivery_result.h"
#include "postoffice/mail/envelope.h"
#include "postoffice/queue/journal.h"
#include "postoffice/queue/message.h"

namespace postoffice {

/// A queued message that this process owns: the lock on its journal, and what it says.
class QueueEntry {
  public:
    /// Reads the journal from a locked descriptor (also one passed by another process).
    /// Throws FormatError, std::system_error.
    QueueEntry(std::string spool_directory, Fd journal);

    const Journal& journal() const { return journal_; }
    const std::string& id() const { return journal_.id; }
    int fd() const { return fd_.get(); }
    /// The message alone, for reading, with a position of its own. Throws std::system_error.
    Fd open_message() const;
    std::uint64_t message_size() const;

    /// Makes sure that the disk has room for the outcomes of `count` recipients, as far as the file system
    /// can promise that. Throws std::system_error if it has none.
    void make_room_for_results(std::size_t count) const;
    /// Appends the outcome for recipient `index` (from 0). Not yet synced: see sync().
    void record(std::size_t index, const DeliveryResult& result);
    /// Appends another destination of an address of the envelope, as journal_event::added() has it. Not yet
    /// synced.
    void add(const Recipient& recipient);
    /// Appends that the sender was told of recipient `index`; `text`: "in ID", "to nobody".
    void record_reported(std::size_t index, const std::string& text);
    /// The same for a delay.
    void record_warned(std::size_t index, const std::string& text);
    /// Appends that no attempt was made for recipient `index`, for a reason that another message met.
    void record_postponed(std::size_t index, const DeliveryResult& why);
    /// Appends when the next attempt is due after the one that was made, and makes it the modification time
    /// of the file, by which a queue run finds what is due without opening anything.
    void defer_until(UnixTime when);
    /// The same where no attempt was made.
    void set_due(UnixTime when);
    /// Appends that no attempt is to be made until release(), and why.
    void hold(const std::string& reason);
    void release();
    /// Takes in what other processes appended since.
    void reload();
    void sync();
    /// The message is done: its journal becomes rmID, in one rename, and with that the message is no more.
    /// The files are removed by Spool::reap(). The entry must not be used any more.
    void finish();
    /// Takes back a commit before any client was told of it: removes journal, then message.
    void remove();

  private:
    friend class Spool;
    QueueEntry(std::string spool_directory, Fd fd, Journal journal, off_t known_to);
    void append(const std::string& event);
    void append_due(const std::string& event, UnixTime when);

    std::string directory_;
    Fd fd_;
    Journal journal_;
    off_t known_to_ = 0;  ///< where the first line begins of which journal_ does not know
};

class Spool {
  public:
    /// What is told of a journal that was moved aside: its id, and what is wrong with it.
    using OnDamage = std::function<void(const std::string& id, const std::string& problem)>;
    explicit Spool(std::string directory, OnDamage on_damage = {});

    const std::string& directory() const { return directory_; }
    /// The caller is root, or the owner of the spool. Throws std::system_error, if there is none, too.
    bool is_mine() const;
    /// Creates the folder and drop/ with their modes if missing, owned by `uid` and `gid` when root.
    void create(uid_t uid, gid_t gid) const;

    /// A new queue id: unique on this host, sorts by time, letters and digits only (at most 16).
    static std::string new_id();

    /// Makes the message durable: cm, and dm for one that is not in memory, written, synced, named. The
    /// returned entry is locked by this process. Throws std::system_error; then nothing of it is left.
    QueueEntry commit(const std::string& id, const Envelope& envelope, Message& message) const;

    /// Finds out whether a commit() that a crash may have interrupted was made: true if the message is
    /// queued, on stable storage when this returns, or is done; false if not, and then nothing of it is left
    /// and the id can be used again. The caller makes sure that no process commits this id meanwhile. Throws
    /// std::system_error.
    bool finish_commit(const std::string& id) const;

    /// Takes ownership; nullopt if it is gone, or another process has it, or it is still being written. A
    /// damaged journal, or one that does not fit its message, is moved aside (cm → badID, logged and told)
    /// and gives nullopt.
    std::optional<QueueEntry> take(const std::string& id) const;

    /// What a journal says now, without owning it; nullopt if it is gone, or still being written.
    /// Throws FormatError, std::system_error.
    std::optional<Journal> peek(const std::string& id) const;

    /// The message alone, for reading, without owning it. Throws FormatError, std::system_error.
    Fd open_message(const std::string& id) const;

    struct Item {
        std::string id;
        UnixTime due = 0;  ///< modification time of cm
    };
    /// All queued messages, by names and times only. Foreign files are ignored.
    std::vector<Item> scan() const;

    /// A journal, or a submission, that was moved aside.
    struct Aside {
        std::string id;
        std::string path;
        bool is_submission = false;
        std::optional<std::uint64_t> message_size = {};  ///< empty if there is none
        std::string message_path = "";                   ///< of dm; empty if there is none
        std::string problem = "";  ///< with the journal as it is now; empty if none is left
    };
    /// What was moved aside, by id. What cannot be read is listed with the reason as its problem.
    std::vector<Aside> aside() const;

    /// Removes what a crash left: tm files, and dm without cm; moves a cm without end mark aside. Only when
    /// unlocked and older than `age`. Returns how many. What was moved aside as bad stays, with its dm.
    unsigned sweep(Seconds age) const;

    /// Ids of finished messages that still have files.
    std::vector<std::string> finished() const;
    /// Removes the files of a finished message. Where the file system is slow to give back space, this is
    /// what takes the time. Throws std::system_error.
    void reap(const std::string& id) const;
    /// The folder for new messages with such an id.
    std::string folder_of(const std::string& id) const;
    /// Removes the folder of this id if it is empty and is not used for new messages, or has grown so large
    /// that each new name in it costs more than in a new one. Throws std::system_error.
    void remove_folder_of(const std::string& id) const;

    /// Where the files of a message are, or would be. Throw std::system_error.
    std::string journal_path(const std::string& id) const;
    std::string message_path(const std::string& id) const;
    std::string drop_directory() const { return directory_ + "/drop"; }

  private:
    Journal check(std::string_view text, const std::string& id, const std::string& path) const;
    void set_aside(const std::string& id, const std::string& problem) const;
    void sweep_journal(const std::string& id, UnixTime before) const;
    unsigned sweep_folder(const std::string& folder, const std::vector<std::string>& names,
                          UnixTime before) const;
    Fd make_in_folder(const std::string& id, const std::function<Fd()>& make) const;
    void make_durable(const std::string& folder, std::span<const int> files) const;
    int durable_folder(const std::string& path) const;
    void remove_spent_folder(const std::string& folder) const;

    std::string directory_;
    /// The folder of the last commit, whose name is durable. As it is open, no other has its inode.
    mutable Fd durable_folder_;
    OnDamage on_damage_;
};

/// True for what new_id() can return: ids come back from file names and sockets.
bool is_queue_id(std::string_view text);

}  // namespace postoffice
