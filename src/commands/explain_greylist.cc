#include "explain_greylist.h"

#include <sysexits.h>

#include <array>

#include "postoffice/base/output.h"
#include "postoffice/base/text.h"
#include "postoffice/config/values.h"
#include "postoffice/policy/client.h"
#include "postoffice/policy/greylist_store.h"
#include "postoffice/policy/greylisting.h"
#include "postoffice/policy/spf.h"

namespace postoffice {
namespace {

std::string when(UnixTime time) {
    return time == 0 ? "never" : rfc3339_utc(time);
}

/// Of "to:" and "from:": `most` is how long it helps.
void print_correspondent(const GreylistEntry& entry, std::string_view what, std::string_view mail,
                         Seconds most) {
    print_output("  {} {}\n", what, when(entry.last));
    const UnixTime end = entry.last + most.count();
    if (most.count() > 0 && now_unix() <= end)
        print_output("  {} need not wait until {}\n", mail, when(end));
    else
        print_output("  {} has to wait like other mail\n", mail);
}

/// What the greylist would say to a client of this sender now: seconds to wait, 0 for none.
std::int64_t wait_of(const Config& config, const Address& sender, const GreylistEntry& entry, bool has_name) {
    const auto verdict =
        judge_greylisted(config.greylist, {sender, IpAddress(), has_name}, entry, now_unix());
    return verdict.kind == GreylistVerdict::Kind::wait ? verdict.seconds : 0;
}

void print_wait(std::string_view host, std::int64_t seconds) {
    if (seconds == 0)
        print_output("  mail{} is taken\n", host);
    else
        print_output("  mail{} has to wait {}\n", host, duration_text(Seconds(seconds)));
}

void print_sender(const Config& config, const std::string& key, const GreylistEntry& entry) {
    print_output(
        "  first seen {}\n  last seen  {}\n  asked to come back later: {} times\n  let through: {}\n",
        when(entry.first), when(entry.last), entry.tries, when(entry.passed));
    const std::string text = key.substr(0, key.find('['));
    const auto sender = text == "<>" ? Result<Address>(Address()) : parse_mailbox(text);
    if (!sender) return;
    const std::int64_t named = wait_of(config, *sender, entry, true);
    const std::int64_t unnamed = wait_of(config, *sender, entry, false);
    if (named == unnamed) return print_wait("", named);
    print_wait(" from a host with a name", named);
    print_wait(" from a host without a name", unnamed);
}

void print_entry(const Config& config, const std::string& key, const GreylistEntry& entry) {
    print_output("{}\n", printable(key));
    if (entry.is_blacklisted)
        print_output("  blacklisted: mail is refused for good (authexpire -a takes it off)\n");
    else if (key.starts_with("to:"))
        print_correspondent(entry, "written to from here last", "its mail", config.greylist.written);
    else if (key.starts_with("from:"))
        print_correspondent(entry, "has sent mail last", "mail from <> to it", config.greylist.bounces);
    else
        print_sender(config, key, entry);
}

}  // namespace

int explain_greylist_key(const Config& config, const std::string& key) {
    const auto entry = GreylistStore(config.greylist.db_dir).find(to_lower(key));
    if (!entry) {
        print_output("{}: never seen, or forgotten; mail would have to wait {}\n", printable(key),
                     duration_text(config.greylist.delay));
        return EX_UNAVAILABLE;
    }
    print_entry(config, key, *entry);
    return EX_OK;
}

int explain_greylist_mail(const Config& config, const Address& sender, const IpAddress& client) {
    const Resolver resolver(ResolverSettings::from(config.network.nameservers));
    const ClientName name = find_client_name(resolver, client);
    const GreylistFacts facts{sender, client, name.status == NameStatus::verified};
    const std::string text = sender.is_null() ? "<>" : to_lower(sender.to_string());

    const GreylistStore store(config.greylist.db_dir);
    const std::array<std::string, 6> keys{
        text,         "[" + greylist_network(client) + "]", text + "[" + greylist_network(client) + "]",
        "to:" + text, "[" + sender.domain() + "]",          greylist_key_by_domain(config.greylist, facts)};
    for (const std::string& key : keys)
        if (const auto entry = store.find(key)) print_entry(config, key, *entry);

    bool is_vouched_for = false;
    if (config.greylist.spf && !sender.is_null()) {
        const SpfVerdict spf = check_spf(resolver, {client, sender, name.name});
        is_vouched_for = spf.result == SpfResult::pass && !spf.passes_everybody;
        print_output("SPF: {}{}, by {}\n", to_string(spf.result),
                     spf.passes_everybody ? ", as for all clients" : "", spf.why);
    }
    const auto verdict = preview_greylist(config.greylist, facts, now_unix(), [&] { return is_vouched_for; });
    print_output("mail from <{}> that {}[{}] brings ", printable(sender.to_string()), name.name,
                 client.to_string());
    switch (verdict.kind) {
        case GreylistVerdict::Kind::pass:
            print_output("is taken\n");
            break;
        case GreylistVerdict::Kind::wait:
            print_output("has to wait {}\n", duration_text(Seconds(verdict.seconds)));
            break;
        case GreylistVerdict::Kind::never:
            print_output("is refused for good\n");
            break;
    }
    return EX_OK;
}

}  // namespace postoffice
