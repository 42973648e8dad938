#include "forgetful_disk.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

namespace postoffice::test {
namespace {

timespec now() {
    timespec time{};
    ::clock_gettime(CLOCK_REALTIME, &time);
    return time;
}

}  // namespace

class ForgetfulDisk::Survival {
  public:
    /// `first`, `last`: when the oldest and the newest change that is not synced were made.
    Survival(std::uint64_t seed, std::uint64_t first, std::uint64_t last)
        : random_(seed), kind_(static_cast<Kind>(below(4))) {
        limit_ = first + below(last - first + 1);
        share_ = below(101);
    }

    bool of(std::uint64_t moment) {
        switch (kind_) {
            case Kind::none:
                return false;
            case Kind::all:
                return true;
            case Kind::before_a_moment:
                return moment < limit_;
            case Kind::any:
                return below(100) < share_;
        }
        return false;
    }

    /// How many octets of a write that survives: a disk may have come half way.
    std::size_t octets_of(std::size_t size) {
        return kind_ == Kind::any && below(4) == 0 ? below(size + 1) : size;
    }

  private:
    enum class Kind { none, all, before_a_moment, any };
    std::uint64_t below(std::uint64_t end) { return random_() % end; }

    std::mt19937_64 random_;
    Kind kind_;
    std::uint64_t limit_ = 0, share_ = 0;
};

ForgetfulDisk::ForgetfulDisk() {
    root_ = std::make_shared<Node>();
    root_->number = next_number_++;
    root_->mode = S_IFDIR | 0755;
    root_->links = 1;
    root_->accessed = root_->modified = root_->changed = now();
}

NodePointer ForgetfulDisk::find(const Node& folder, const std::string& name) {
    const auto found = folder.names.find(name);
    return found == folder.names.end() ? nullptr : found->second;
}

void ForgetfulDisk::note(std::vector<NameChange::Entry> entries) {
    for (const NameChange::Entry& entry : entries) {
        entry.folder->modified = entry.folder->changed = now();
        if (entry.node)
            entry.folder->names[entry.name] = entry.node;
        else
            entry.folder->names.erase(entry.name);
    }
    unsynced_names_.push_back({++moment_, std::move(entries)});
}

NodePointer ForgetfulDisk::make(const NodePointer& folder, const std::string& name, const Node& like) {
    auto node = std::make_shared<Node>(like);
    node->number = next_number_++;
    if ((folder->mode & S_ISGID) != 0) {
        node->gid = folder->gid;
        if (node->is_folder()) node->mode |= S_ISGID;
    }
    node->accessed = node->modified = node->changed = now();
    link(node, folder, name);
    return node;
}

void ForgetfulDisk::link(const NodePointer& node, const NodePointer& folder, const std::string& name) {
    ++node->links;
    note({{folder, name, node}});
}

int ForgetfulDisk::remove(const NodePointer& folder, const std::string& name) {
    const NodePointer node = find(*folder, name);
    if (!node) return ENOENT;
    if (!node->names.empty()) return ENOTEMPTY;
    --node->links;
    note({{folder, name, nullptr}});
    return 0;
}

// Between folders it is one change, too, as every file system with a journal has it: one of the two names is
// there.
int ForgetfulDisk::rename(const NodePointer& from, const std::string& old_name, const NodePointer& to,
                          const std::string& new_name) {
    const NodePointer node = find(*from, old_name);
    if (!node) return ENOENT;
    if (const NodePointer replaced = find(*to, new_name)) {
        if (replaced == node) return 0;
        if (!replaced->names.empty()) return ENOTEMPTY;
        --replaced->links;
    }
    note({{from, old_name, nullptr}, {to, new_name, node}});
    return 0;
}

void ForgetfulDisk::apply(std::string& data, const Node::Change& change) {
    if (!change.is_write) return data.resize(change.offset);
    if (data.size() < change.offset + change.octets.size()) data.resize(change.offset + change.octets.size());
    data.replace(change.offset, change.octets.size(), change.octets);
}

void ForgetfulDisk::write(Node& node, std::size_t offset, std::string_view octets) {
    node.unsynced.push_back({++moment_, true, offset, std::string(octets)});
    apply(node.data, node.unsynced.back());
    node.modified = node.changed = now();
}

void ForgetfulDisk::truncate(Node& node, std::size_t size) {
    node.unsynced.push_back({++moment_, false, size, ""});
    apply(node.data, node.unsynced.back());
    node.modified = node.changed = now();
}

void ForgetfulDisk::sync_data(Node& node) {
    ++file_syncs_;
    for (const Node::Change& change : node.unsynced) apply(node.durable_data, change);
    node.unsynced.clear();
}

// A rename between two folders is durable with either of them, and with it what came before in the other one.
void ForgetfulDisk::sync_names(const NodePointer& folder) {
    ++folder_syncs_;
    std::set<NodePointer> folders = {folder};
    const auto concerns_one = [&folders](const NameChange& change) {
        return std::any_of(change.entries.begin(), change.entries.end(),
                           [&](const auto& entry) { return folders.contains(entry.folder); });
    };
    for (std::size_t before = 0; before != folders.size();) {
        before = folders.size();
        for (const NameChange& change : unsynced_names_)
            if (concerns_one(change))
                for (const auto& entry : change.entries) folders.insert(entry.folder);
    }
    for (const NodePointer& one : folders) one->durable_names = one->names;
    std::erase_if(unsynced_names_, concerns_one);
}

void ForgetfulDisk::keep_survivors(Node& node, Survival& survival) {
    for (Node::Change& change : node.unsynced) {
        if (!survival.of(change.moment)) continue;
        if (change.is_write) change.octets.resize(survival.octets_of(change.octets.size()));
        apply(node.durable_data, change);
    }
    node.unsynced.clear();
}

NodePointer ForgetfulDisk::reborn(const NodePointer& old, std::unordered_map<Node*, NodePointer>& known) {
    NodePointer& node = known[old.get()];
    if (!node) {
        node = std::make_shared<Node>(*old);
        node->number = old == root_ ? root_->number : next_number_++;
        node->links = old == root_ ? 1 : 0;
        node->data = node->durable_data;
        node->names.clear();
        const NodePointer made = node;  // `known` may grow
        for (const auto& [name, child] : old->durable_names) {
            const NodePointer copy = reborn(child, known);
            ++copy->links;
            made->names[name] = copy;
        }
        made->durable_names = made->names;
        return made;
    }
    return node;
}

void ForgetfulDisk::cut(std::uint64_t seed) {
    std::set<NodePointer> nodes = {root_};
    std::vector<NodePointer> to_visit = {root_};
    const auto meet = [&](const NodePointer& node) {
        if (node && nodes.insert(node).second) to_visit.push_back(node);
    };
    for (const NameChange& change : unsynced_names_)
        for (const auto& entry : change.entries) meet(entry.node);
    while (!to_visit.empty()) {
        const NodePointer node = to_visit.back();
        to_visit.pop_back();
        for (const auto& [name, child] : node->names) meet(child);
        for (const auto& [name, child] : node->durable_names) meet(child);
    }
    // In the order of their numbers, which depends on the seed and on nothing in this process.
    std::vector<NodePointer> in_order(nodes.begin(), nodes.end());
    std::sort(in_order.begin(), in_order.end(),
              [](const NodePointer& a, const NodePointer& b) { return a->number < b->number; });
    std::uint64_t first = unsynced_names_.empty() ? moment_ : unsynced_names_.front().moment;
    for (const NodePointer& node : in_order)
        if (!node->unsynced.empty()) first = std::min(first, node->unsynced.front().moment);

    Survival survival(seed, first, moment_);
    for (const NodePointer& node : in_order) keep_survivors(*node, survival);
    for (const NameChange& change : unsynced_names_) {
        if (!survival.of(change.moment)) continue;
        for (const auto& entry : change.entries) {
            if (entry.node)
                entry.folder->durable_names[entry.name] = entry.node;
            else
                entry.folder->durable_names.erase(entry.name);
        }
    }
    unsynced_names_.clear();
    std::unordered_map<Node*, NodePointer> known;
    root_ = reborn(root_, known);
}

}  // namespace postoffice::test
