// A disk in memory that forgets at a power cut what was not made durable, by the letter of POSIX: fsync of a
// file makes its data durable, fsync of a folder the names in it, and neither of them more than that. What
// was not synced may survive: none of it, all, what came before a moment, or any part, as the seed says.
// Owner, mode and times of a file are durable with the file.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace postoffice::test {

/// A file, folder, socket or FIFO.
struct Node {
    using Names = std::map<std::string, std::shared_ptr<Node>>;
    /// A write, or a truncation to `offset`.
    struct Change {
        std::uint64_t moment;
        bool is_write;
        std::size_t offset;
        std::string octets;
    };

    std::uint64_t number = 0;
    mode_t mode = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    dev_t device = 0;
    unsigned links = 0;
    timespec accessed{}, modified{}, changed{};
    std::string data;
    Names names;

    std::string durable_data;
    Names durable_names;
    std::vector<Change> unsynced;

    bool is_folder() const { return S_ISDIR(mode); }
};

using NodePointer = std::shared_ptr<Node>;

/// Functions return 0 or an errno. Names and nodes that they are given exist, as the kernel has looked them
/// up.
class ForgetfulDisk {
  public:
    ForgetfulDisk();

    const NodePointer& root() const { return root_; }
    /// nullptr if there is none.
    static NodePointer find(const Node& folder, const std::string& name);
    /// A new node, owned as POSIX says, with a name in the folder. `like` has mode, device, uid and gid.
    NodePointer make(const NodePointer& folder, const std::string& name, const Node& like);
    void link(const NodePointer& node, const NodePointer& folder, const std::string& name);
    int remove(const NodePointer& folder, const std::string& name);
    int rename(const NodePointer& from, const std::string& old_name, const NodePointer& to,
               const std::string& new_name);
    void write(Node& node, std::size_t offset, std::string_view octets);
    void truncate(Node& node, std::size_t size);
    void sync_data(Node& node);
    void sync_names(const NodePointer& folder);

    /// Replaces all nodes by new ones, with what is durable and what else the seed lets survive.
    void cut(std::uint64_t seed);

    std::uint64_t file_syncs() const { return file_syncs_; }
    std::uint64_t folder_syncs() const { return folder_syncs_; }

  private:
    /// One step, of one or two names.
    struct NameChange {
        struct Entry {
            NodePointer folder;
            std::string name;
            NodePointer node;  ///< nullptr if the name is removed
        };
        std::uint64_t moment;
        std::vector<Entry> entries;
    };
    /// Which of the changes that were not synced survive.
    class Survival;

    static void apply(std::string& data, const Node::Change& change);
    void note(std::vector<NameChange::Entry> entries);
    void keep_survivors(Node& node, Survival& survival);
    NodePointer reborn(const NodePointer& old, std::unordered_map<Node*, NodePointer>& known);

    NodePointer root_;
    std::list<NameChange> unsynced_names_;  ///< in the order in which they were made
    std::uint64_t next_number_ = 1;
    std::uint64_t moment_ = 0;
    std::uint64_t file_syncs_ = 0, folder_syncs_ = 0;
};

}  // namespace postoffice::test
