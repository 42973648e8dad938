// Work of several owners, such as the users of a host: each has its turn, however much work the others have.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <utility>

namespace postoffice {

template <class Owner, class Item>
class FairQueue {
  public:
    void push(const Owner& owner, Item item) {
        std::deque<Item>& own = items_[owner];
        if (own.empty()) turns_.push_back(owner);
        own.push_back(std::move(item));
    }

    /// The first item of the owner that is next, among those that `may_start(owner)` is true of; nullopt
    /// if there is none.
    template <class MayStart>
    std::optional<Item> pop(const MayStart& may_start) {
        for (std::size_t n = turns_.size(); n > 0; --n) {
            const Owner owner = std::move(turns_.front());
            turns_.pop_front();
            if (may_start(owner)) return pop_from(owner);
            turns_.push_back(owner);
        }
        return std::nullopt;
    }

    /// True if `wanted(owner)` is for one that has something here.
    template <class Wanted>
    bool has_any(const Wanted& wanted) const {
        for (const auto& [owner, own] : items_)
            if (wanted(owner)) return true;
        return false;
    }

    template <class Visit>
    void for_each(const Visit& visit) const {
        for (const auto& [owner, own] : items_)
            for (const Item& item : own) visit(item);
    }

    bool empty() const { return items_.empty(); }
    void clear() {
        items_.clear();
        turns_.clear();
    }

  private:
    Item pop_from(const Owner& owner) {
        const auto found = items_.find(owner);
        Item item = std::move(found->second.front());
        found->second.pop_front();
        if (found->second.empty())
            items_.erase(found);
        else
            turns_.push_back(owner);
        return item;
    }

    std::map<Owner, std::deque<Item>> items_;  ///< of each owner that has any
    std::deque<Owner> turns_;                  ///< the same owners, the next one first
};

}  // namespace postoffice
