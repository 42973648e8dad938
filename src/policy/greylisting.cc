#include "postoffice/policy/greylisting.h"

#include "postoffice/base/text.h"
#include "postoffice/policy/correspondents.h"
#include "postoffice/policy/greylist_store.h"

namespace postoffice {
namespace {

using GreylistKind = GreylistVerdict::Kind;

/// Hosts that count as one, and what is remembered of a sender there.
struct Pool {
    std::string name;  ///< "[192.0.2.0/24]", "[far.example]"
    std::string key;   ///< of the sender in it
};

class Consultation {
  public:
    Consultation(const GreylistConfig& config, const GreylistFacts& facts, UnixTime now, bool may_remember)
        : config_(config), facts_(facts), now_(now), may_remember_(may_remember), store_(config.db_dir) {}

    GreylistVerdict verdict(const Voucher& domain_vouches) const {
        if (!is_null())
            if (const auto sender = store_.find(to_lower(facts_.sender.to_string()));
                sender && sender->is_blacklisted)
                return {GreylistKind::never, 0, *sender, false};
        const Pool network{"[" + greylist_network(facts_.client) + "]", greylist_key(config_, facts_)};
        const Judgement here = judge(network);
        if (here.verdict.kind != GreylistKind::wait) return remember(network, here);
        if (is_expected()) {
            remember_as_seen(network);
            return {};
        }
        if (is_null() || !domain_vouches || !domain_vouches()) return remember(network, here);
        const Pool domain{"[" + facts_.sender.domain() + "]", greylist_key_by_domain(config_, facts_)};
        return remember(domain, judge(domain));
    }

  private:
    struct Judgement {
        GreylistVerdict verdict;
        bool by_neighbours = false;  ///< not the sender is known, but its pool
    };

    bool is_null() const { return facts_.sender.is_null(); }

    bool is_expected() const {
        return is_null() ? have_all_written(config_, store_, facts_.recipients, now_)
                         : was_written_to(config_, store_, facts_.sender, now_);
    }

    Judgement judge(const Pool& pool) const {
        const auto neighbours = store_.find(pool.name);
        if (neighbours && neighbours->is_blacklisted) return {{GreylistKind::never, 0, *neighbours, false}};
        Judgement judgement{judge_greylisted(config_, facts_, store_.find(pool.key), now_)};
        if (judgement.verdict.kind == GreylistKind::wait && neighbours && neighbours->passed != 0 &&
            !is_null())
            judgement = {{GreylistKind::pass, 0, {now_, now_, 0, now_, false}, true}, true};
        return judgement;
    }

    GreylistVerdict remember(const Pool& pool, const Judgement& judgement) const {
        GreylistVerdict verdict = judgement.verdict;
        if (!verdict.is_changed || !may_remember_) return verdict;
        // Judged again with the file locked: another session may have been here meanwhile.
        store_.change(pool.key, [&](const std::optional<GreylistEntry>& before) {
            if (!judgement.by_neighbours) verdict = judge_greylisted(config_, facts_, before, now_);
            return std::optional(verdict.entry);
        });
        const bool came_back = verdict.kind == GreylistKind::pass && verdict.entry.tries > 0 && !is_null();
        if (came_back)
            store_.change(pool.name, [&](const std::optional<GreylistEntry>& before) {
                GreylistEntry entry = before.value_or(GreylistEntry{now_, now_, 0, 0, false});
                if (!entry.is_blacklisted) entry.last = entry.passed = now_;
                return std::optional(entry);
            });
        return verdict;
    }

    /// Its wait runs from now on, as if it had been asked to come back: every client can use an
    /// address that was written to from here, and only one that comes again later has shown more than that.
    void remember_as_seen(const Pool& pool) const {
        if (is_null() || !may_remember_ || store_.find(pool.key)) return;
        store_.change(pool.key, [&](const std::optional<GreylistEntry>& before) {
            return before ? before : std::optional(GreylistEntry{now_, now_, 0, 0, false});
        });
    }

    const GreylistConfig& config_;
    const GreylistFacts& facts_;
    const UnixTime now_;
    const bool may_remember_;
    const GreylistStore store_;
};

}  // namespace

GreylistVerdict consult_greylist(const GreylistConfig& config, const GreylistFacts& facts, UnixTime now,
                                 const Voucher& domain_vouches) {
    return Consultation(config, facts, now, true).verdict(domain_vouches);
}

void forget_greylist_credit(const GreylistConfig& config, const GreylistFacts& facts) {
    const GreylistStore store(config.db_dir);
    const auto forget = [&store](const std::string& key) {
        if (!store.find(key)) return;
        store.change(key, [](const std::optional<GreylistEntry>& before) {
            return before && before->is_blacklisted ? before : std::nullopt;
        });
    };
    forget("[" + greylist_network(facts.client) + "]");
    if (!config.from || facts.sender.is_null()) forget(greylist_key(config, facts));
}

GreylistVerdict preview_greylist(const GreylistConfig& config, const GreylistFacts& facts, UnixTime now,
                                 const Voucher& domain_vouches) {
    return Consultation(config, facts, now, false).verdict(domain_vouches);
}

}  // namespace postoffice
