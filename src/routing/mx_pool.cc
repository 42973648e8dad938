#include "postoffice/routing/mx_pool.h"

#include "postoffice/net/mx.h"

namespace postoffice {
namespace {

constexpr UnixTime memory_span = 60;
constexpr std::size_t most_known = 1000;
constexpr unsigned most_questions = 41;  // the MX records, and two kinds of address of twenty hosts

}  // namespace

MxPool::Place MxPool::place_of(const std::string& domain) {
    if (!config_.routing.mxpool || domain.empty() || domain.starts_with('[') || domain == "localhost")
        return Place::here;
    const UnixTime now = now_unix();
    const auto known = known_.find(domain);
    if (known != known_.end() && now < known->second.until) return known->second.place;
    const Place place = ask(domain);
    if (known_.size() >= most_known) known_.clear();
    if (place != Place::unknown) known_.insert_or_assign(domain, Known{place, now + memory_span});
    return place;
}

MxPool::Place MxPool::ask(const std::string& domain) {
    if (auto settings = name_servers_.news()) resolver_.emplace(*std::move(settings));
    const Resolver bounded = resolver_->until(Deadline::after(config_.remote.lookup_timeout), most_questions);
    const MxList list = find_mail_hosts(bounded, domain, config_.identity.hostname, interface_addresses());
    if (list.status == MxList::Status::temporary) return Place::unknown;
    return list.status == MxList::Status::found && list.has_this_host ? Place::better_host : Place::here;
}

}  // namespace postoffice
