#include "unique_ids.h"

#include <fmt/format.h>

#include <algorithm>

namespace postoffice {

bool is_valid_uid(std::string_view uid) {
    return !uid.empty() && uid.size() <= 70 &&
           std::all_of(uid.begin(), uid.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

UniqueIds::UniqueIds(const MaildropIndex& known) {
    for (const IndexedMessage& message : known.messages) remember(message.hash, message.uid);
    for (const std::string& uid : known.gone) retire(uid);
}

void UniqueIds::remember(const Hash128& hash, const std::string& uid) {
    copies_[hash].remembered.push_back(uid);
    used_.insert(uid);
}

std::string UniqueIds::assign(const Hash128& hash) {
    Copies& copies = copies_[hash];
    if (copies.assigned < copies.remembered.size()) return copies.remembered[copies.assigned++];
    for (;;) {
        std::string uid = fmt::format("{:016x}{:016x}", hash[0], hash[1]);
        if (copies.next_copy > 1) uid += fmt::format("-{}", copies.next_copy);
        ++copies.next_copy;
        if (used_.insert(uid).second) return uid;
    }
}

void UniqueIds::assign_to(std::vector<IndexedMessage>& messages) {
    for (IndexedMessage& message : messages)
        if (!is_valid_uid(message.uid) || !used_.insert(message.uid).second) message.uid.clear();
    for (IndexedMessage& message : messages)
        if (message.uid.empty()) message.uid = assign(message.hash);
}

}  // namespace postoffice
