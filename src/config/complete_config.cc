// What depends on several options: values filled in last, and options that do not fit together.
#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>

#include "postoffice/config/hostname.h"
#include "postoffice/config/options.h"

namespace postoffice {

namespace {

void complete_listeners(Config& config) {
    const Option& listen = *find_option("listen");
    if (config.network.listen.empty()) (void)listen.set(config, listen.fallback);
    if (config.network.submission_port == 0) return;
    ListenAddress submission;
    submission.port = config.network.submission_port;
    const auto is_there = [&](const ListenAddress& l) { return !l.address && l.port == submission.port; };
    if (std::none_of(config.network.listen.begin(), config.network.listen.end(), is_there))
        config.network.listen.push_back(submission);
}

void complete_places(Config& config) {
    if (config.tls.key.empty()) config.tls.key = config.tls.certificate;
    if (config.queue.control.empty()) config.queue.control = config.queue.dir + "/control";
}

void complete_hostname(Config& config) {
    if (!config.identity.hostname.empty()) return;
    const std::string literal = literal_host_name();
    config.identity.hostname =
        config.identity.hostname_from == HostnameFrom::uname ? literal : canonical_host_name();
    // Programs here use this name; so did this one if the resolver was silent at an earlier start.
    if (!config.identity.is_local_domain(literal)) config.identity.local_domains.push_back(literal);
}

template <class Value>
void sort_unique(std::vector<Value>& list) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
}

void check_tls(const Config& config, std::vector<std::string>& wrong) {
    if (!config.tls.certificate.empty()) return;
    if (!config.tls.key.empty()) wrong.push_back("tls-key: there is no tls-certificate for it");
    for (const ListenAddress& listen : config.network.ports()) {
        if (!listen.tls && !listen.submission) continue;
        const std::string option = listen.pop3  ? "pop3s=" + listen.to_string()
                                   : listen.tls ? "listen=" + listen.to_string() + ",tls"
                                                : "listen=" + listen.to_string() + ",submission";
        wrong.push_back(option + ": there is no tls-certificate");
    }
}

void check_listeners(const Config& config, std::vector<std::string>& wrong) {
    const auto listen = config.network.ports();
    for (auto one = listen.begin(); one != listen.end(); ++one)
        for (auto other = one + 1; other != listen.end(); ++other) {
            if (one->port != other->port || one->port == 0) continue;
            if (one->address == other->address)
                wrong.push_back(fmt::format("listen: {} is given twice", one->to_string()));
            else if (!one->address || !other->address)
                wrong.push_back(fmt::format("listen: {} and {} are the same port of all addresses and of one",
                                            one->to_string(), other->to_string()));
        }
}

void check_forwarding(const Config& config, std::vector<std::string>& wrong) {
    if (config.remote.relay_hosts.empty() && config.remote.forward_all)
        wrong.push_back("forward-all needs relay-host=HOST to forward to");
    for (const RelayHost& relay : config.remote.relay_hosts)
        if (relay.port == 0 && config.identity.is_local_domain(relay.host))
            wrong.push_back(
                fmt::format("relay-host: {} is this host, mail would go round in circles", relay.host));
}

void check_places(const Config& config, std::vector<std::string>& wrong) {
    constexpr auto longest = sizeof(sockaddr_un::sun_path) - 1;
    if (config.queue.control.size() > longest)
        wrong.push_back(fmt::format("control: {} has {} octets, the path of a socket can have {}",
                                    config.queue.control, config.queue.control.size(), longest));
    if (config.queue.dir == config.local.mail_dir)
        wrong.push_back(fmt::format("queue-dir and mail-dir are both {}", config.queue.dir));
}

void notice_limits(const Config& config, std::vector<std::string>& notices) {
    for (const IpNetwork& network : config.access.trusted.networks)
        if (network.prefix == 0)
            notices.push_back(fmt::format(
                "trusted={}: every client may send mail through this host to anywhere", network.to_string()));
    if (!config.network.pop3.empty() && config.tls.certificate.empty() && !config.auth.plaintext)
        notices.push_back("pop3: without tls-certificate only this host and trusted hosts can log in");
    if (config.access.relay)
        notices.push_back("relay: every client may send mail through this host to anywhere");
    if (config.limits.client_connections > config.limits.clients)
        notices.push_back(fmt::format("client-connections={} never takes effect with clients={}",
                                      config.limits.client_connections, config.limits.clients));
    if (config.remote.usual.destination_agents > config.remote.agents)
        notices.push_back(fmt::format("destination-agents={} never takes effect with agents={}",
                                      config.remote.usual.destination_agents, config.remote.agents));
    if (config.local.transport && config.local.mailbox_size != 0)
        notices.push_back(
            "mailbox-size never takes effect with local-transport: quotas are its server's business");
    if (config.queue.retry.front() >= config.queue.qreturn)
        notices.push_back(fmt::format("qreturn={} returns mail before the first retry after {}",
                                      duration_text(config.queue.qreturn),
                                      duration_text(config.queue.retry.front())));
}

}  // namespace

void complete_config(LoadedConfig& loaded) {
    auto& config = loaded.config;
    complete_listeners(config);
    complete_places(config);
    complete_hostname(config);
    sort_unique(config.identity.local_domains);
    sort_unique(config.access.trusted.names);
    sort_unique(config.access.trusted.networks);
    sort_unique(config.submission.trusted_users);

    std::vector<std::string> wrong;
    check_listeners(config, wrong);
    check_tls(config, wrong);
    check_forwarding(config, wrong);
    check_places(config, wrong);
    const auto prefix = config.file.empty() ? std::string("configuration") : config.file;
    for (const auto& text : wrong) loaded.problems.push_back({78, fmt::format("{}: {}", prefix, text)});
    notice_limits(config, loaded.notices);
}

}  // namespace postoffice
