// What depends on several options: values filled in last, and options that do not fit together.
#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>

#include "postoffice/config/build.h"
#include "postoffice/config/hostname.h"
#include "postoffice/config/options.h"

namespace postoffice {

namespace {

std::string text_of(const ListenAddress& listen) {
    const bool ipv6 = listen.address.find(':') != std::string::npos;
    return fmt::format(fmt::runtime(ipv6 ? "[{}]:{}" : "{}:{}"), listen.address, listen.port);
}

void complete_listeners(Config& config) {
    if (config.listen.empty()) config.listen.push_back({});
    if (config.submission_port == 0) return;
    ListenAddress submission;
    submission.port = config.submission_port;
    const auto is_there = [&](const ListenAddress& l) {
        return l.address.empty() && l.port == submission.port;
    };
    if (std::none_of(config.listen.begin(), config.listen.end(), is_there))
        config.listen.push_back(submission);
}

void complete_places(Config& config) {
    if (config.queue_dir.empty()) config.queue_dir = default_queue_dir();
    if (config.vhost_dir.empty()) config.vhost_dir = default_vhost_dir();
    if (config.vhost_spool.empty()) config.vhost_spool = default_vhost_spool();
    if (config.vhost_user.empty()) config.vhost_user = default_vhost_user();
    if (config.tls_key.empty()) config.tls_key = config.tls_certificate;
    if (config.control.empty()) config.control = config.queue_dir + "/control";
}

void complete_hostname(Config& config) {
    if (!config.hostname.empty()) return;
    const std::string literal = literal_host_name();
    config.hostname = config.hostname_from == HostnameFrom::uname ? literal : canonical_host_name();
    // What people and programs here call it; and at a time when the resolver was silent, we did, too.
    if (!config.is_local_domain(literal)) config.local_domains.push_back(literal);
}

void sort_unique(std::vector<std::string>& list) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
}

/// The host of "HOST" or "HOST:PORT"; brackets stay.
std::string_view host_of(std::string_view relay_host) {
    if (relay_host.starts_with('[')) return relay_host.substr(0, relay_host.find(']') + 1);
    return relay_host.substr(0, relay_host.find(':'));
}

void check_tls(const Config& config, std::vector<std::string>& wrong) {
    if (!config.tls_certificate.empty()) return;
    if (!config.tls_key.empty()) wrong.push_back("tls-key: there is no tls-certificate for it");
    for (const ListenAddress& listen : config.listen)
        if (listen.tls || listen.submission)
            wrong.push_back(fmt::format("listen={},{}: there is no tls-certificate", text_of(listen),
                                        listen.tls ? "tls" : "submission"));
}

void check_listeners(const Config& config, std::vector<std::string>& wrong) {
    const auto& listen = config.listen;
    for (auto one = listen.begin(); one != listen.end(); ++one)
        for (auto other = one + 1; other != listen.end(); ++other) {
            if (one->port != other->port || one->port == 0) continue;
            if (one->address == other->address)
                wrong.push_back(fmt::format("listen: {} is given twice", text_of(*one)));
            else if (one->address.empty() || other->address.empty())
                wrong.push_back(fmt::format("listen: {} and {} are the same port of all addresses and of one",
                                            text_of(*one), text_of(*other)));
        }
}

void check_forwarding(const Config& config, std::vector<std::string>& wrong) {
    if (config.relay_host.empty()) {
        if (config.forward_all) wrong.push_back("forward-all needs relay-host=HOST to forward to");
        return;
    }
    const auto host = std::string(host_of(config.relay_host));
    const bool same_port = config.relay_host == host;
    if (same_port && config.is_local_domain(host))
        wrong.push_back(fmt::format("relay-host: {} is this host, mail would go round in circles", host));
}

void check_places(const Config& config, std::vector<std::string>& wrong) {
    constexpr auto longest = sizeof(sockaddr_un::sun_path) - 1;
    if (config.control.size() > longest)
        wrong.push_back(fmt::format("control: {} has {} octets, the path of a socket can have {}",
                                    config.control, config.control.size(), longest));
    if (config.queue_dir == config.mail_dir)
        wrong.push_back(fmt::format("queue-dir and mail-dir are both {}", config.queue_dir));
}

void notice_limits(const Config& config, std::vector<std::string>& notices) {
    for (const auto& host : config.trusted)
        if (host.ends_with("/0]"))
            notices.push_back(
                fmt::format("trusted={}: everybody may send mail through this host to anywhere", host));
    if (config.relay) notices.push_back("relay: everybody may send mail through this host to anywhere");
    if (config.client_connections > config.clients)
        notices.push_back(fmt::format("client-connections={} never takes effect with clients={}",
                                      config.client_connections, config.clients));
    if (config.destination_agents > config.agents)
        notices.push_back(fmt::format("destination-agents={} never takes effect with agents={}",
                                      config.destination_agents, config.agents));
    if (!config.local_transport.empty() && config.mailbox_size != 0)
        notices.push_back(
            "mailbox-size never takes effect with local-transport: quotas are its server's business");
    if (config.retry.front() >= config.qreturn)
        notices.push_back(fmt::format("qreturn={} returns mail before the first retry after {}",
                                      duration_text(config.qreturn), duration_text(config.retry.front())));
}

}  // namespace

void complete_config(LoadedConfig& loaded) {
    auto& config = loaded.config;
    complete_listeners(config);
    complete_places(config);
    complete_hostname(config);
    sort_unique(config.local_domains);
    sort_unique(config.trusted);
    sort_unique(config.trusted_users);

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
