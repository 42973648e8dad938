// The option table, in the order of postoffice.cf(5): this host, its files, what is served, local delivery,
// remote delivery, local submission.
#include "postoffice/config/options.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "postoffice/base/text.h"
#include "postoffice/config/build.h"
#include "postoffice/config/values.h"

namespace postoffice {

namespace {

/// Puts a parsed value into its field, or returns the problem: the end of every setter.
template <class Parsed, class Field>
std::string store(Parsed&& parsed, Field& field) {
    if (!parsed) return parsed.problem();
    field = static_cast<Field>(std::move(*parsed));
    return "";
}

template <class Parsed, class Field>
std::string append(Parsed&& parsed, std::vector<Field>& list) {
    if (!parsed) return parsed.problem();
    list.push_back(std::move(*parsed));
    return "";
}

/// The group of this type.
template <class Group>
Group& group(Config& config) {
    const auto all = std::tie(config.identity, config.log, config.network, config.tls, config.auth,
                              config.limits, config.smtp, config.access, config.greylist, config.routing,
                              config.vhost, config.local, config.remote, config.queue, config.submission);
    return std::get<Group&>(all);
}

/// The field of a group that `member` points to.
template <class Group, class Value>
Value& field(Config& config, Value Group::*member) {
    return group<Group>(config).*member;
}

template <auto Member>
std::string set_flag(Config& config, std::string_view value) {
    return store(parse_flag(value), field(config, Member));
}

template <auto Member, std::uint64_t Least, std::uint64_t Most>
std::string set_number(Config& config, std::string_view value) {
    return store(parse_count(value, Least, Most), field(config, Member));
}

template <auto Member, std::uint64_t Unit>
std::string set_size(Config& config, std::string_view value) {
    return store(parse_size(value, Unit), field(config, Member));
}

template <auto Member, std::int64_t Least>
std::string set_time(Config& config, std::string_view value) {
    auto time = parse_duration(value);
    if (time && time->count() < Least) return "a time of 0 leaves no time for anything";
    return store(std::move(time), field(config, Member));
}

template <auto Member>
std::string set_rate(Config& config, std::string_view value) {
    return store(parse_rate(value), field(config, Member));
}

std::string set_coal(Config& config, std::string_view value) {
    if (trim(value) == "0") return "without coal-command= nothing is done anyhow";
    return store(parse_rate(value), config.limits.coal);
}

template <auto Member>
std::string set_path(Config& config, std::string_view value) {
    return store(parse_absolute_path(value), field(config, Member));
}

template <auto Member>
std::string add_domain(Config& config, std::string_view value) {
    return append(parse_domain(value), field(config, Member));
}

template <auto Member>
void clear(Config& config) {
    field(config, Member) = {};
}

std::string set_hostname(Config& config, std::string_view value) {
    const bool uname = equals_ignoring_case(value, "literal");
    if (!uname && !equals_ignoring_case(value, "auto"))
        return store(parse_domain(value), config.identity.hostname);
    config.identity.hostname.clear();
    config.identity.hostname_from = uname ? HostnameFrom::uname : HostnameFrom::resolver;
    return "";
}

std::string set_user(Config& config, std::string_view value) {
    if (value == "root")
        return "what faces the network never runs as root: postoffice needs an account of its own";
    return store(parse_login(value), config.identity.user);
}

std::string add_trusted_users(Config& config, std::string_view value) {
    for (const auto part : split(value, ','))
        if (auto problem = append(parse_login(trim(part)), config.submission.trusted_users); !problem.empty())
            return problem;
    return "";
}

template <auto Member>
std::string add_host_to(Config& config, std::string_view value) {
    return add_host(field(config, Member), value);
}

std::string add_proxy(Config& config, std::string_view value) {
    return append(parse_network(value), config.network.proxies);
}

std::string set_bare_newline(Config& config, std::string_view value) {
    if (equals_ignoring_case(value, "normalise") || equals_ignoring_case(value, "normalize"))
        config.smtp.bare_newline = BareNewline::normalise;
    else if (equals_ignoring_case(value, "reject"))
        config.smtp.bare_newline = BareNewline::reject;
    else if (equals_ignoring_case(value, "accept"))
        config.smtp.bare_newline = BareNewline::accept;
    else
        return "\"" + printable(value) + "\" is none of normalise, reject and accept";
    return "";
}

std::string add_listen(Config& config, std::string_view value) {
    return append(parse_listen(value), config.network.listen);
}

std::string add_nameserver(Config& config, std::string_view value) {
    return append(parse_endpoint(value, dns_port), config.network.nameservers);
}

std::string set_local_transport(Config& config, std::string_view value) {
    return store(parse_local_transport(value), config.local.transport);
}

std::string set_home_mailbox(Config& config, std::string_view value) {
    if (value.starts_with('/') || value.starts_with('~'))
        return "it is a path below the home: write Maildir/, not ~/Maildir/";
    const auto path = parse_absolute_path("/" + std::string(value));
    if (!path) return path.problem();
    if (*path == "/") return "it names no file";
    config.local.home_mailbox = path->substr(1);
    if (value.ends_with('/')) config.local.home_mailbox += '/';
    return "";
}

std::string set_forbidden(Config& config, std::string_view value) {
    return store(parse_unwanted_mail(value), config.access.forbidden);
}

std::string set_spam(Config& config, std::string_view value) {
    return store(parse_spam(value), config.access.spam);
}

template <auto Member>
std::string add_dns_list(Config& config, std::string_view value) {
    return append(parse_dns_list(value), field(config, Member));
}

std::string set_no_soliciting(Config& config, std::string_view value) {
    return store(parse_solicitation_keywords(value), config.access.no_soliciting);
}

std::string add_usermap(Config& config, std::string_view value) {
    return append(parse_usermap(value), config.routing.usermaps);
}

/// The dialect of a delivery file is known by its name.
std::string set_delivery_files(Config& config, std::string_view value) {
    std::vector<std::string> names;
    for (const auto part : split(value, ',')) {
        const auto name = trim(part);
        if (name.empty() && value.empty()) break;
        if (name != ".forward" && name != ".qmail")
            return "\"" + printable(name) + "\" is neither .forward nor .qmail";
        names.emplace_back(name);
    }
    config.routing.delivery_files = std::move(names);
    return "";
}

std::string set_recipient_delimiter(Config& config, std::string_view value) {
    constexpr std::string_view possible = "+-_=#%.";
    if (value.find_first_not_of(possible) != value.npos)
        return "an extension can begin with one of " + std::string(possible);
    config.routing.recipient_delimiter = value;
    return "";
}

std::string set_alias_user(Config& config, std::string_view value) {
    if (value == "root") return "programs of aliases never run as root";
    return store(parse_login(value), config.routing.alias_user);
}

std::string set_vhost_user(Config& config, std::string_view value) {
    return store(parse_account_name(value), config.vhost.user);
}

std::string set_log(Config& config, std::string_view value) {
    const auto path = parse_absolute_path(value);
    if (!path && value != "syslog" && value != "stderr") return path.problem() + ", nor syslog or stderr";
    config.log.destination = path ? *path : value;
    return "";
}

std::string set_log_format(Config& config, std::string_view value) {
    const bool is_json = equals_ignoring_case(value, "json");
    if (!is_json && !equals_ignoring_case(value, "text"))
        return "\"" + printable(value) + "\" is neither text nor json";
    config.log.format = is_json ? LogFormat::json : LogFormat::text;
    return "";
}

/// A flag that may also name the port.
std::string set_msp(Config& config, std::string_view value) {
    if (const auto flag = parse_flag(value)) {
        config.network.submission_port = *flag ? 587 : 0;
        return "";
    }
    return store(parse_count(value, 1, 65535), config.network.submission_port);
}

std::string set_relay_host(Config& config, std::string_view value) {
    return store(parse_relay_host(value), config.remote.relay_host);
}

std::string set_retry(Config& config, std::string_view value) {
    return store(parse_durations(value), config.queue.retry);
}

constexpr std::uint64_t many = 1'000'000;

std::span<const Option> table() {
    constexpr auto repeats = true;
    static const auto options = std::to_array<Option>({
        {"hostname", "text", "auto", "name of this host: auto, literal or the name itself", SetBy::file,
         false, set_hostname},
        {"user", "text", "postoffice", "account of the processes that face the network", SetBy::file, false,
         set_user},
        {"local-domain", "list of domains", "", "domain delivered like the host's own", SetBy::file, repeats,
         add_domain<&IdentityConfig::local_domains>, clear<&IdentityConfig::local_domains>},
        {"trusted", "list of hosts", "", "host treated like this one: name, address or network", SetBy::root,
         repeats, add_host_to<&AccessConfig::trusted>, clear<&AccessConfig::trusted>},

        {"queue-dir", "path", default_queue_dir(), "the spool", SetBy::file, false,
         set_path<&QueueConfig::dir>},
        {"mail-dir", "path", "/var/mail", "mailboxes, one file a user", SetBy::file, false,
         set_path<&LocalConfig::mail_dir>},
        {"home-mailbox", "text", "", "mailbox below the home instead; ends with / = maildir", SetBy::file,
         false, set_home_mailbox, clear<&LocalConfig::home_mailbox>},
        {"local-transport", "text", "mailbox",
         "what takes local mail: mailbox, or lmtp:/SOCKET, lmtp:ADDRESS:PORT", SetBy::file, false,
         set_local_transport},
        {"aliases", "path", "/etc/aliases", "source of the aliases", SetBy::file, false,
         set_path<&RoutingConfig::aliases>},
        {"control", "path", "", "socket of the daemon; unset = queue-dir/control", SetBy::file, false,
         set_path<&QueueConfig::control>, clear<&QueueConfig::control>},
        {"log", "text", "syslog", "syslog, stderr or a file", SetBy::file, false, set_log},
        {"log-format", "text", "text", "lines of the log: text, or json for programs", SetBy::file, false,
         set_log_format},

        {"listen", "list of addresses", ":25", "[ADDRESS]:PORT to serve SMTP on", SetBy::file, repeats,
         add_listen, clear<&NetworkConfig::listen>},
        {"msp", "flag or number", "0", "serve SMTP on port 587, or on this port, too", SetBy::file, false,
         set_msp},
        {"clients", "number", "100", "connections at a time", SetBy::file, false,
         set_number<&LimitsConfig::clients, 1, many>},
        {"client-connections", "number", "10", "connections at a time from one address", SetBy::file, false,
         set_number<&LimitsConfig::client_connections, 1, many>},
        {"load", "number", "0", "load average that refuses clients; 0 = 4 a processor", SetBy::file, false,
         set_number<&LimitsConfig::load, 0, many>},
        {"hops", "number", "100", "hosts a message may have passed", SetBy::file, false,
         set_number<&LimitsConfig::hops, 1, many>},
        {"recipients", "number", "1000", "recipients of one message", SetBy::file, false,
         set_number<&LimitsConfig::recipients, 100, many>},
        {"size", "size", "50m", "octets of one message; 0 = no limit", SetBy::file, false,
         set_size<&LimitsConfig::size, 1>},
        {"header-size", "size", "256k", "octets of its header; 0 = no limit", SetBy::file, false,
         set_size<&LimitsConfig::header_size, 1>},
        {"minfree", "size", "10m", "space that must stay free in the spool", SetBy::file, false,
         set_size<&QueueConfig::minfree, 1024>},
        {"timeout", "time", "5m", "patience with a silent client", SetBy::file, false,
         set_time<&LimitsConfig::timeout, 1>},
        {"tls-certificate", "path", "", "certificate for TLS, with its chain; unset = no TLS", SetBy::file,
         false, set_path<&TlsConfig::certificate>, clear<&TlsConfig::certificate>},
        {"tls-key", "path", "", "its private key; unset = in the same file", SetBy::file, false,
         set_path<&TlsConfig::key>, clear<&TlsConfig::key>},
        {"auth-plaintext", "flag", "0", "passwords are taken without TLS, too", SetBy::file, false,
         set_flag<&AuthConfig::plaintext>},
        {"auth-scram", "flag", "0", "users of virtual domains may log in by SCRAM", SetBy::file, false,
         set_flag<&AuthConfig::scram>},
        {"auth-failures", "number", "10", "failed logins in an hour before an address has to wait",
         SetBy::file, false, set_number<&AuthConfig::failures, 1, many>},
        {"vhost-dir", "path", default_vhost_dir(), "virtual domains, a folder each; unset = none",
         SetBy::file, false, set_path<&VhostConfig::dir>, clear<&VhostConfig::dir>},
        {"vhost-spool", "path", default_vhost_spool(), "mailboxes of virtual users, DOMAIN/USER", SetBy::file,
         false, set_path<&VhostConfig::spool>},
        {"vhost-user", "text", default_vhost_user(), "account that these mailboxes belong to", SetBy::file,
         false, set_vhost_user},
        {"vhost-form", "flag", "0", "owners of virtual domains change users by mail", SetBy::file, false,
         set_flag<&VhostConfig::form>},
        {"vhost-maildir", "flag", "0", "virtual users have maildirs", SetBy::file, false,
         set_flag<&VhostConfig::maildir>},
        {"hide-recipients", "flag", "0", "names that do not exist are refused with the message", SetBy::file,
         false, set_flag<&SmtpConfig::hide_recipients>},
        {"audit", "flag", "0", "log each command of each client", SetBy::file, false,
         set_flag<&SmtpConfig::audit>},
        {"debug", "flag", "0", "answer DEBUG to trusted hosts", SetBy::file, false,
         set_flag<&SmtpConfig::debug>},
        {"relay", "flag", "0", "relay for all clients", SetBy::file, false, set_flag<&AccessConfig::relay>},
        {"bare-newline", "text", "normalise", "a lone CR or LF in a message: normalise, reject or accept",
         SetBy::file, false, set_bare_newline},
        {"relaxed-order", "flag", "0", "RCPT may come before MAIL", SetBy::file, false,
         set_flag<&SmtpConfig::relaxed_order>},
        {"notify-success", "flag", "0", "strangers, too, may ask to hear of success (RFC 3461)", SetBy::file,
         false, set_flag<&SmtpConfig::notify_success>},
        {"strict-addresses", "flag", "0", "strangers must write addresses as RFC 5321 has them", SetBy::file,
         false, set_flag<&SmtpConfig::strict_addresses>},
        {"etrn", "list of hosts", "", "host that may ask for its queued mail", SetBy::file, repeats,
         add_host_to<&SmtpConfig::etrn>, clear<&SmtpConfig::etrn>},

        {"localmx", "flag", "0", "relay for hosts that have this one as their MX", SetBy::file, false,
         set_flag<&AccessConfig::localmx>},
        {"forbidden", "text", "bounce", "hosts in hosts.deny: bounce, accept or folder:PATH", SetBy::root,
         false, set_forbidden},
        {"spam", "text", "bounce", "mail that a DNS list calls spam: bounce[:WHY], accept or folder:PATH",
         SetBy::root, false, set_spam},
        {"paranoid", "flag", "0", "no mail from addresses without a name", SetBy::file, false,
         set_flag<&AccessConfig::paranoid>},
        {"dnscheck", "flag", "0", "nor from those with a name that does not lead back", SetBy::file, false,
         set_flag<&AccessConfig::dnscheck>},
        {"dnsbl", "list of zones", "", "no mail from addresses on this DNS list: ZONE[=ANSWER,...]",
         SetBy::file, repeats, add_dns_list<&AccessConfig::dnsbl>, clear<&AccessConfig::dnsbl>},
        {"dnswl", "list of zones", "", "unless they are on this one", SetBy::file, repeats,
         add_dns_list<&AccessConfig::dnswl>, clear<&AccessConfig::dnswl>},
        {"checkhelo", "flag", "0", "no client may call itself by the name of this host", SetBy::file, false,
         set_flag<&AccessConfig::checkhelo>},
        {"verify-from", "flag", "1", "senders must exist, and ours must be here", SetBy::file, false,
         set_flag<&AccessConfig::verify_from>},
        {"nodaemon", "flag", "0", "no mail from <>", SetBy::file, false, set_flag<&AccessConfig::nodaemon>},
        {"no-soliciting", "text", "", "keywords of mail that is refused (RFC 3865)", SetBy::file, false,
         set_no_soliciting, clear<&AccessConfig::no_soliciting>},

        {"greylist", "flag", "0", "unknown senders are asked to come back later", SetBy::file, false,
         set_flag<&GreylistConfig::enabled>},
        {"greylist-from", "flag", "0", "a known sender may come from anywhere", SetBy::file, false,
         set_flag<&GreylistConfig::from>},
        {"delay", "time", "1h", "how much later", SetBy::file, false, set_time<&GreylistConfig::delay, 1>},
        {"greylist-unnamed", "number", "2", "the wait is so much longer for clients without a name",
         SetBy::file, false, set_number<&GreylistConfig::unnamed, 1, 100>},
        {"greylist-null", "number", "4", "the same for mail from <>", SetBy::file, false,
         set_number<&GreylistConfig::null, 1, 100>},
        {"greylist-null-unnamed", "number", "5", "the same for both", SetBy::file, false,
         set_number<&GreylistConfig::null_unnamed, 1, 100>},
        {"greylist-spf", "flag", "1", "the hosts that a sender's domain names in SPF count as one",
         SetBy::file, false, set_flag<&GreylistConfig::spf>},
        {"greylist-written", "time", "14d",
         "addresses that users wrote to need not wait for so long; 0 = must", SetBy::file, false,
         set_time<&GreylistConfig::written, 0>},
        {"greylist-bounces", "time", "7d",
         "bounces of mail that was sent need not wait for so long; 0 = must", SetBy::file, false,
         set_time<&GreylistConfig::bounces, 0>},
        {"greylist-keep", "time", "14d", "what was not used for so long is forgotten; 0 = never", SetBy::file,
         false, set_time<&GreylistConfig::keep, 0>},
        {"db-dir", "path", "/var/lib/postoffice", "folder of the greylist's databases", SetBy::file, false,
         set_path<&GreylistConfig::db_dir>},

        {"rate-connections", "rate", "120/1m", "connections of one address", SetBy::file, false,
         set_rate<&LimitsConfig::rate_connections>},
        {"rate-messages", "rate", "3000/1h", "messages of one address or user", SetBy::file, false,
         set_rate<&LimitsConfig::rate_messages>},
        {"rate-recipients", "rate", "10000/1h", "recipients of one address or user", SetBy::file, false,
         set_rate<&LimitsConfig::rate_recipients>},
        {"errors", "number", "20", "mistakes that end a session", SetBy::file, false,
         set_number<&LimitsConfig::errors, 1, 1000>},
        {"tarpit", "time", "5s", "longest pause before a refusal; 0 = none", SetBy::file, false,
         set_time<&LimitsConfig::tarpit, 0>},
        {"data-rate", "size", "100", "octets a second that a message must come with; 0 = any", SetBy::file,
         false, set_size<&LimitsConfig::data_rate, 1>},
        {"data-time", "time", "2h", "time in which a message must have come", SetBy::file, false,
         set_time<&LimitsConfig::data_time, 1>},
        {"coal-command", "path", "", "program that gets the addresses of clients that misbehave", SetBy::root,
         false, set_path<&LimitsConfig::coal_command>, clear<&LimitsConfig::coal_command>},
        {"coal", "rate", "100/1h", "bad points for which coal-command is run", SetBy::file, false, set_coal},
        {"proxy", "list of addresses", "", "front end that speaks the PROXY protocol: address or network",
         SetBy::file, repeats, add_proxy, clear<&NetworkConfig::proxies>},

        {"usermap", "list of maps", "", "PATTERN:TARGET,...: addresses that users make up", SetBy::root,
         repeats, add_usermap, clear<&RoutingConfig::usermaps>},
        {"delivery-files", "names", ".forward", "files in homes that say where mail goes", SetBy::file, false,
         set_delivery_files},
        {"recipient-delimiter", "text", "+", "begins the extension in user+extension; empty = none",
         SetBy::file, false, set_recipient_delimiter},
        {"alias-user", "text", "nobody", "account for programs and files of aliases", SetBy::file, false,
         set_alias_user},
        {"command-timeout", "time", "10m", "patience with a program that takes a message", SetBy::file, false,
         set_time<&LocalConfig::command_timeout, 1>},
        {"mailbox-size", "size", "0", "most octets in a mailbox that is a file; 0 = no limit", SetBy::file,
         false, set_size<&LocalConfig::mailbox_size, 1>},
        {"escape-from", "flag", "1", "write > before From at the start of a line in mailboxes", SetBy::file,
         false, set_flag<&LocalConfig::escape_from>},
        {"dot-lock", "flag", "1", "lock a mailbox that is a file with MAILBOX.lock, too", SetBy::file, false,
         set_flag<&LocalConfig::dot_lock>},

        {"nameserver", "list of addresses", "", "name server; unset = /etc/resolv.conf", SetBy::file, repeats,
         add_nameserver, clear<&NetworkConfig::nameservers>},
        {"remote-port", "number", "25", "port of other mail hosts", SetBy::file, false,
         set_number<&RemoteConfig::port, 1, 65535>},
        {"relay-host", "host", "", "HOST[:PORT] or [HOST]:PORT that takes all remote mail", SetBy::root,
         false, set_relay_host, clear<&RemoteConfig::relay_host>},
        {"forward-all", "flag", "0", "understood; relay-host takes all mail anyway", SetBy::root, false,
         set_flag<&RemoteConfig::forward_all>},
        {"immediate", "flag", "1", "first attempt at once, not in the next queue run", SetBy::anybody, false,
         set_flag<&QueueConfig::immediate>},
        {"retry", "list of times", "5m,10m,20m,40m,1h,2h,4h", "waits between attempts; the last repeats",
         SetBy::file, false, set_retry, clear<&QueueConfig::retry>},
        {"qreturn", "time", "3d", "when to give up and return a message", SetBy::file, false,
         set_time<&QueueConfig::qreturn, 1>},
        {"delay-warning", "time", "0", "report a delay to the sender; 0 = if asked for, after 4h",
         SetBy::file, false, set_time<&QueueConfig::delay_warning, 0>},
        {"agents", "number", "100", "deliveries to other hosts at a time", SetBy::file, false,
         set_number<&RemoteConfig::agents, 1, many>},
        {"destination-agents", "number", "10", "of these, to one host", SetBy::file, false,
         set_number<&RemoteConfig::destination_agents, 1, many>},
        {"owner-programs", "number", "10", "programs and files of one account, at a time", SetBy::file, false,
         set_number<&LocalConfig::owner_programs, 1, many>},
        {"lookup-timeout", "time", "30s", "patience with DNS in one attempt at another host", SetBy::file,
         false, set_time<&RemoteConfig::lookup_timeout, 1>},

        {"untrusted-set-sender", "flag", "1", "every user may choose the envelope sender", SetBy::file, false,
         set_flag<&SubmissionConfig::untrusted_set_sender>},
        {"trusted-users", "list of users", "", "users that may choose the sender without a warning",
         SetBy::file, repeats, add_trusted_users, clear<&SubmissionConfig::trusted_users>},
        {"delivery-wait", "time", "1m", "how long sendmail -odi and -v wait for deliveries; 0 = not at all",
         SetBy::anybody, false, set_time<&SubmissionConfig::delivery_wait, 0>},
    });
    return options;
}

}  // namespace

void Option::reset(Config& config) const {
    if (clear != nullptr) clear(config);
    if (!repeatable && !fallback.empty()) (void)set(config, fallback);
}

std::span<const Option> option_table() {
    return table();
}

}  // namespace postoffice
