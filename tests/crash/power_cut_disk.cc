// The forgetful disk (forgetful_disk.h) as a file system: build/power-cut-disk FOLDER mounts it there, says
// so with a line on standard output, and serves it until it is told to end. Extended attributes of its top
// folder are the switch: setting user.power to "off SEED" cuts the power, and every call fails with EIO until
// it is set to "on"; user.syncs tells how many files and how many folders were synced.
// tests/support/power_cut.py is the other side.
#define FUSE_USE_VERSION 34

#include <fuse3/fuse_lowlevel.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unordered_map>

#include "forgetful_disk.h"

namespace {

using postoffice::test::ForgetfulDisk;
using postoffice::test::Node;
using postoffice::test::NodePointer;

ForgetfulDisk disk;
bool has_power = true;

/// Nodes that the kernel knows, until it forgets them. After a cut the old ones are of no use any more.
struct Known {
    NodePointer node;
    std::uint64_t lookups = 0;
};
std::unordered_map<fuse_ino_t, Known> known;

/// nullptr without power, or for a node from before the cut.
NodePointer node_of(fuse_ino_t number) {
    if (!has_power) return nullptr;
    if (number == FUSE_ROOT_ID) return disk.root();
    const auto found = known.find(number);
    return found == known.end() ? nullptr : found->second.node;
}

struct stat status_of(const Node& node) {
    struct stat status {};
    status.st_ino = node.number;
    status.st_mode = node.mode;
    status.st_nlink = node.is_folder() ? 2 : node.links;
    status.st_uid = node.uid;
    status.st_gid = node.gid;
    status.st_rdev = node.device;
    status.st_size = static_cast<off_t>(node.is_folder() ? node.names.size() * 32 : node.data.size());
    status.st_blocks = (status.st_size + 511) / 512;
    status.st_blksize = 4096;
    status.st_atim = node.accessed;
    status.st_mtim = node.modified;
    status.st_ctim = node.changed;
    return status;
}

fuse_entry_param entry_of(const NodePointer& node) {
    fuse_entry_param entry{};
    entry.ino = node->number;
    entry.attr = status_of(*node);
    if (node->number != FUSE_ROOT_ID) {
        Known& known_node = known[node->number];
        known_node.node = node;
        ++known_node.lookups;
    }
    return entry;
}

void reply_error(fuse_req_t request, int error) {
    (void)fuse_reply_err(request, error);
}

void reply_entry(fuse_req_t request, const NodePointer& node) {
    const fuse_entry_param entry = entry_of(node);
    (void)fuse_reply_entry(request, &entry);
}

void forget_one(fuse_ino_t number, std::uint64_t lookups) {
    const auto found = known.find(number);
    if (found == known.end()) return;
    found->second.lookups -= std::min(found->second.lookups, lookups);
    if (found->second.lookups == 0) known.erase(found);
}

void forget(fuse_req_t request, fuse_ino_t number, std::uint64_t lookups) {
    forget_one(number, lookups);
    fuse_reply_none(request);
}

void forget_several(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) {
    for (std::size_t i = 0; i < count; ++i) forget_one(forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(request);
}

void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
    const NodePointer folder = node_of(parent);
    if (!folder) return reply_error(request, EIO);
    const NodePointer node = ForgetfulDisk::find(*folder, name);
    if (!node) return reply_error(request, ENOENT);
    reply_entry(request, node);
}

void get_attributes(fuse_req_t request, fuse_ino_t number, fuse_file_info*) {
    const NodePointer node =
        number == FUSE_ROOT_ID ? disk.root() : node_of(number);  // so that the switch is found
    if (!node) return reply_error(request, EIO);
    const struct stat status = status_of(*node);
    (void)fuse_reply_attr(request, &status, 0);
}

void set_attributes(fuse_req_t request, fuse_ino_t number, struct stat* wanted, int which, fuse_file_info*) {
    const NodePointer node = node_of(number);
    if (!node) return reply_error(request, EIO);
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    if ((which & FUSE_SET_ATTR_MODE) != 0)
        node->mode = (node->mode & S_IFMT) | (wanted->st_mode & ~static_cast<mode_t>(S_IFMT));
    if ((which & FUSE_SET_ATTR_UID) != 0) node->uid = wanted->st_uid;
    if ((which & FUSE_SET_ATTR_GID) != 0) node->gid = wanted->st_gid;
    if ((which & FUSE_SET_ATTR_SIZE) != 0) disk.truncate(*node, static_cast<std::size_t>(wanted->st_size));
    if ((which & FUSE_SET_ATTR_ATIME_NOW) != 0)
        node->accessed = now;
    else if ((which & FUSE_SET_ATTR_ATIME) != 0)
        node->accessed = wanted->st_atim;
    if ((which & FUSE_SET_ATTR_MTIME_NOW) != 0)
        node->modified = now;
    else if ((which & FUSE_SET_ATTR_MTIME) != 0)
        node->modified = wanted->st_mtim;
    node->changed = now;
    get_attributes(request, number, nullptr);
}

/// Mode, owner and device of a node that the caller makes.
Node new_node(fuse_req_t request, mode_t mode, dev_t device = 0) {
    Node node;
    node.mode = mode;
    node.device = device;
    node.uid = fuse_req_ctx(request)->uid;
    node.gid = fuse_req_ctx(request)->gid;
    return node;
}

/// nullptr, with the error as reply, if the name cannot be made.
NodePointer make(fuse_req_t request, fuse_ino_t parent, const char* name, const Node& like) {
    const NodePointer folder = node_of(parent);
    if (folder && !ForgetfulDisk::find(*folder, name)) return disk.make(folder, name, like);
    reply_error(request, folder ? EEXIST : EIO);
    return nullptr;
}

void make_node(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t device) {
    if (const NodePointer node = make(request, parent, name, new_node(request, mode, device)))
        reply_entry(request, node);
}

void make_folder(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
    make_node(request, parent, name, S_IFDIR | mode, 0);
}

void create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* info) {
    const NodePointer node = make(request, parent, name, new_node(request, S_IFREG | (mode & 07777)));
    if (!node) return;
    info->direct_io = 1;
    const fuse_entry_param entry = entry_of(node);
    (void)fuse_reply_create(request, &entry, info);
}

void link(fuse_req_t request, fuse_ino_t number, fuse_ino_t parent, const char* name) {
    const NodePointer node = node_of(number), folder = node_of(parent);
    if (!node || !folder) return reply_error(request, EIO);
    if (ForgetfulDisk::find(*folder, name)) return reply_error(request, EEXIST);
    disk.link(node, folder, name);
    reply_entry(request, node);
}

void remove(fuse_req_t request, fuse_ino_t parent, const char* name) {
    const NodePointer folder = node_of(parent);
    reply_error(request, folder ? disk.remove(folder, name) : EIO);
}

void rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
            const char* new_name, unsigned flags) {
    const NodePointer from = node_of(parent), to = node_of(new_parent);
    if (!from || !to) return reply_error(request, EIO);
    if ((flags & ~1U) != 0) return reply_error(request, EINVAL);  // 1 is RENAME_NOREPLACE
    if (flags != 0 && ForgetfulDisk::find(*to, new_name)) return reply_error(request, EEXIST);
    reply_error(request, disk.rename(from, name, to, new_name));
}

void open(fuse_req_t request, fuse_ino_t number, fuse_file_info* info) {
    const NodePointer node = node_of(number);
    if (!node) return reply_error(request, EIO);
    if ((info->flags & O_TRUNC) != 0) disk.truncate(*node, 0);
    info->direct_io = 1;
    (void)fuse_reply_open(request, info);
}

void read(fuse_req_t request, fuse_ino_t number, std::size_t size, off_t offset, fuse_file_info*) {
    const NodePointer node = node_of(number);
    if (!node) return reply_error(request, EIO);
    const auto from = std::min(static_cast<std::size_t>(offset), node->data.size());
    (void)fuse_reply_buf(request, node->data.data() + from, std::min(size, node->data.size() - from));
}

void write(fuse_req_t request, fuse_ino_t number, const char* octets, std::size_t size, off_t offset,
           fuse_file_info* info) {
    const NodePointer node = node_of(number);
    if (!node) return reply_error(request, EIO);
    const bool appends = (info->flags & O_APPEND) != 0;
    disk.write(*node, appends ? node->data.size() : static_cast<std::size_t>(offset), {octets, size});
    (void)fuse_reply_write(request, size);
}

void sync(fuse_req_t request, fuse_ino_t number, int, fuse_file_info*) {
    const NodePointer node = node_of(number);
    if (!node) return reply_error(request, EIO);
    if (node->is_folder())
        disk.sync_names(node);
    else
        disk.sync_data(*node);
    reply_error(request, 0);
}

/// The listing is made when the folder is opened: what changes meanwhile neither hides nor doubles a name.
void open_folder(fuse_req_t request, fuse_ino_t number, fuse_file_info* info) {
    const NodePointer folder = node_of(number);
    if (!folder) return reply_error(request, EIO);
    auto* listing = new std::string();
    const auto add = [&](const std::string& name, const Node& node) {
        const struct stat status = status_of(node);
        const std::size_t before = listing->size();
        listing->resize(before + fuse_add_direntry(request, nullptr, 0, name.c_str(), nullptr, 0));
        (void)fuse_add_direntry(request, listing->data() + before, listing->size() - before, name.c_str(),
                                &status, static_cast<off_t>(listing->size()));
    };
    add(".", *folder);
    add("..", *folder);
    for (const auto& [name, node] : folder->names) add(name, *node);
    info->fh = reinterpret_cast<std::uint64_t>(listing);
    (void)fuse_reply_open(request, info);
}

void read_folder(fuse_req_t request, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* info) {
    const auto* listing = reinterpret_cast<const std::string*>(info->fh);
    const auto from = std::min(static_cast<std::size_t>(offset), listing->size());
    // An entry that does not fit is given again by the next call: offsets are those of ends of entries.
    (void)fuse_reply_buf(request, listing->data() + from, std::min(size, listing->size() - from));
}

void close_folder(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
    delete reinterpret_cast<std::string*>(info->fh);
    reply_error(request, 0);
}

void status_of_disk(fuse_req_t request, fuse_ino_t) {
    struct statvfs status {};
    status.f_bsize = status.f_frsize = 4096;
    status.f_blocks = status.f_bfree = status.f_bavail = 1 << 20;
    status.f_files = status.f_ffree = status.f_favail = 1 << 20;
    status.f_namemax = 255;
    (void)fuse_reply_statfs(request, &status);
}

void turn_switch(fuse_req_t request, fuse_ino_t number, const char* name, const char* value, std::size_t size,
                 int) {
    if (number != FUSE_ROOT_ID || std::strcmp(name, "user.power") != 0) return reply_error(request, ENOTSUP);
    const std::string wanted(value, size);
    if (wanted.starts_with("off ")) {
        disk.cut(std::strtoull(wanted.c_str() + 4, nullptr, 10));
        for (auto& [ino, known_node] : known) known_node.node.reset();
        has_power = false;
    } else {
        has_power = true;
    }
    reply_error(request, 0);
}

void tell_syncs(fuse_req_t request, fuse_ino_t, const char* name, std::size_t size) {
    if (std::strcmp(name, "user.syncs") != 0) return reply_error(request, ENODATA);
    const std::string text = std::to_string(disk.file_syncs()) + " " + std::to_string(disk.folder_syncs());
    if (size == 0)
        (void)fuse_reply_xattr(request, text.size());
    else if (size < text.size())
        reply_error(request, ERANGE);
    else
        (void)fuse_reply_buf(request, text.data(), text.size());
}

fuse_lowlevel_ops operations() {
    fuse_lowlevel_ops all{};
    all.lookup = lookup;
    all.forget = forget;
    all.forget_multi = forget_several;
    all.getattr = get_attributes;
    all.setattr = set_attributes;
    all.mknod = make_node;
    all.mkdir = make_folder;
    all.unlink = all.rmdir = remove;
    all.rename = rename;
    all.link = link;
    all.create = create;
    all.open = open;
    all.read = read;
    all.write = write;
    all.fsync = all.fsyncdir = sync;
    all.opendir = open_folder;
    all.readdir = read_folder;
    all.releasedir = close_folder;
    all.statfs = status_of_disk;
    all.setxattr = turn_switch;
    all.getxattr = tell_syncs;
    return all;
}

}  // namespace

int main(int count, char** words) {
    if (count != 2) return std::fprintf(stderr, "usage: power-cut-disk FOLDER\n"), 64;
    char options[] = "allow_other,default_permissions,fsname=power-cut-disk", dash_o[] = "-o";
    char* mount_words[] = {words[0], dash_o, options};
    fuse_args arguments = FUSE_ARGS_INIT(3, mount_words);
    const fuse_lowlevel_ops all = operations();
    fuse_session* session = fuse_session_new(&arguments, &all, sizeof all, nullptr);
    if (session == nullptr || fuse_set_signal_handlers(session) != 0) return 71;
    if (fuse_session_mount(session, words[1]) != 0) return 71;
    std::puts("mounted");
    std::fflush(stdout);
    const int result = fuse_session_loop(session);
    fuse_session_unmount(session);
    return result < 0 ? 71 : 0;
}
