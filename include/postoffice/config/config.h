// The whole configuration as one value: read once by main(), const from then on, inherited by every process.
// Each field is one option of postoffice.cf(5), in the group of options that it is used with. A group named
// as the first word of an option has the rest of its name: queue-dir is queue.dir. The option table
// (options.cc) has the default of every option, and says which field it sets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/log_format.h"
#include "postoffice/config/value_types.h"

namespace postoffice {

/// The names of this host and of its accounts.
struct IdentityConfig {
    std::string hostname;                    ///< canonical, lower case; never empty once loaded
    HostnameFrom hostname_from;              ///< used only while loading
    std::vector<std::string> local_domains;  ///< lower case; without `hostname` and "localhost"
    std::string user;                        ///< account of the processes that face the network
    /// The domain that stands for `hostname` in addresses on mail to other hosts; empty: none does.
    std::string masquerade;
    /// Not an option: set at start on a private host, one whose spool belongs to the ordinary user that
    /// runs it. That user is then the only local one.
    std::string only_user;

    /// True for the host's own name, "localhost" and each `local-domain=`.
    bool is_local_domain(const std::string& lower_case_domain) const;
    bool operator==(const IdentityConfig&) const = default;
};

/// Where events are logged.
struct LogConfig {
    std::string destination;  ///< "syslog", "stderr" or a path
    LogFormat format;
    bool operator==(const LogConfig&) const = default;
};

/// What is served where, and which servers are asked.
struct NetworkConfig {
    std::vector<ListenAddress> listen;  ///< of SMTP; never empty once loaded; has the submission port too
    std::vector<ListenAddress> pop3;    ///< of POP3; empty: it is not served
    std::uint16_t submission_port;      ///< `msp`: one more listener on all addresses; 0 = none
    std::vector<IpNetwork> proxies;     ///< front ends that speak the PROXY protocol
    std::vector<Endpoint> nameservers;  ///< with their ports; empty = resolv.conf
    DnssecTrust dnssec;                 ///< which of them are believed to have validated an answer

    /// All of both.
    std::vector<ListenAddress> ports() const;
    bool operator==(const NetworkConfig&) const = default;
};

/// TLS for clients.
struct TlsConfig {
    std::string certificate;  ///< PEM file with the chain; empty: no TLS
    std::string key;          ///< PEM file; empty: in `certificate`
    bool operator==(const TlsConfig&) const = default;
};

/// Passwords.
struct AuthConfig {
    bool plaintext;     ///< they are taken without TLS, too
    bool scram;         ///< SCRAM-SHA-256 is offered, for virtual users
    unsigned failures;  ///< failed logins within an hour after which an address has to wait
    bool operator==(const AuthConfig&) const = default;
};

/// What clients, sessions and messages may cost this host.
struct LimitsConfig {
    unsigned clients;             ///< connections in all
    unsigned client_connections;  ///< from one address; loopback is exempt
    unsigned load;                ///< refuse above this load average; 0 = 4 per processor
    unsigned hops;                ///< Received fields
    unsigned recipients;          ///< of one message (RFC 5321 section 4.5.3.1.8: at least 100)
    std::uint64_t size;           ///< octets of one message; 0 = no limit
    std::uint64_t header_size;    ///< octets of its header; 0 = no limit
    Seconds timeout;              ///< patience with a silent client
    std::uint64_t data_rate;      ///< octets a second of a message; 0 = any
    Seconds data_time;            ///< in which a message must have come
    unsigned errors;              ///< mistakes that end a session
    Seconds tarpit;               ///< longest pause before a refusal; 0 = none
    RateLimit rate_connections;   ///< of one address, or of an IPv6 network of 64 bits
    RateLimit rate_messages;      ///< of the same, or of one user
    RateLimit rate_recipients;    ///< of the same, or of one user
    RateLimit coal;               ///< bad points that make coal_command run
    std::string coal_command;     ///< program that root runs with an address; empty = none
    bool operator==(const LimitsConfig&) const = default;
};

/// Details of the SMTP dialogue.
struct SmtpConfig {
    bool audit;  ///< what clients say goes to the log
    bool debug;  ///< DEBUG is answered, to trusted clients
    BareNewline bare_newline;
    bool hide_recipients;        ///< strangers hear of unknown names with the message alone
    bool relaxed_order;          ///< RCPT may come before MAIL
    bool notify_success;         ///< strangers, too, hear of successful deliveries (NOTIFY=SUCCESS)
    LoginSenders login_senders;  ///< where a login may send with its own addresses only
    bool strict_addresses;       ///< strangers must write addresses as RFC 5321 section 4.1.2 has them
    HostList etrn;               ///< hosts that may ask for their mail
    bool operator==(const SmtpConfig&) const = default;
};

/// Which clients may send what to where.
struct AccessConfig {
    HostList trusted;            ///< hosts treated like localhost
    bool relay;                  ///< every client may relay
    bool localmx;                ///< hosts that have this one as their mail host may relay
    UnwantedMail forbidden;      ///< from hosts that hosts.deny names
    UnwantedMail spam;           ///< from hosts on one of `dnsbl`
    std::vector<DnsList> dnsbl;  ///< clients on these lists are refused,
    std::vector<DnsList> dnswl;  ///< unless they are on one of these
    bool paranoid;               ///< no mail from addresses without a name
    bool dnscheck;               ///< nor from those whose name does not lead back
    bool checkhelo;              ///< no client may call itself by this host's name
    bool verify_from;            ///< senders must exist, as far as DNS knows, and ours must be here
    bool nodaemon;               ///< no mail from <>
    std::string no_soliciting;   ///< keywords of RFC 3865, separated by commas
    std::vector<PolicyService> policy_services;  ///< in the order in which they are asked
    std::string av;                              ///< shell command that looks at each message; empty = none
    Seconds av_timeout;                          ///< that it may take for one
    bool operator==(const AccessConfig&) const = default;
};

struct GreylistConfig {
    bool enabled;           ///< unknown senders are asked to come back later
    bool from;              ///< a sender is known wherever it sends from
    Seconds delay;          ///< how much later
    unsigned unnamed;       ///< the wait is so many times longer for clients without a name,
    unsigned null;          ///< for <>,
    unsigned null_unnamed;  ///< and for both
    bool spf;               ///< the hosts that a sender's domain names in SPF count as one
    Seconds written;        ///< an address that was written to from here is known for so long
    Seconds bounces;        ///< a sender may get mail from <> for so long
    Seconds keep;           ///< an entry that is not used for so long is removed; 0: never
    std::string db_dir;     ///< the databases
    bool operator==(const GreylistConfig&) const = default;
};

/// What mail passes on its way in.
struct FiltersConfig {
    /// A bit of SessionState stands for each.
    static constexpr std::size_t most = 32;
    std::vector<FilterSettings> list;  ///< in order
    bool safe;                         ///< clients that have logged in pass none of them
    bool bounces;                      ///< reports of this host pass them, too
    bool operator==(const FiltersConfig&) const = default;
};

/// Where addresses lead.
struct RoutingConfig {
    std::string aliases;            ///< the source, not the database
    std::string alias_user;         ///< account for programs and files of aliases
    std::vector<UserMap> usermaps;  ///< in order
    /// Files in homes that say where mail goes, the first that exists holds: ".forward", ".qmail".
    std::vector<std::string> delivery_files;
    std::string routes;        ///< table: next hops of domains elsewhere; empty = none
    std::string sender_relay;  ///< table: relay hosts of senders; empty = none
    /// Domains elsewhere for which mail from every client is passed on, with those below them; or, if it
    /// begins with '/', the path of a table of such domains.
    std::vector<std::string> relay_domains;
    std::string
        canonical;  ///< table: addresses that clients of this host write, as they should be; empty = none
    std::string generics;  ///< table: addresses as other hosts see them; empty = none
    std::string srs_key;   ///< file with the secrets for forwarded mail; empty: no SRS
    bool mxpool;           ///< mail for domains here goes to better mail hosts of theirs, if DNS has some
    std::string recipient_delimiter;  ///< each octet of it begins the extension of an address; empty = none

    /// An extension that no delivery file mentions is no mistake: the account gets the mail. Not so where
    /// dot-qmail alone decides which extensions there are.
    bool extension_may_be_unknown() const;
    bool operator==(const RoutingConfig&) const = default;
};

/// Virtual domains.
struct VhostConfig {
    std::string dir;    ///< domains.cf and a folder for each; empty: there are none
    std::string spool;  ///< their mailboxes: DOMAIN/USER
    AccountName user;   ///< account that mailboxes of virtual users belong to; see vhost_account()
    bool form;          ///< their owners may change users by mail
    bool maildir;       ///< each mailbox is a maildir; false: an mbox
    bool operator==(const VhostConfig&) const = default;
};

/// Local delivery.
struct LocalConfig {
    std::optional<LmtpServer> transport;  ///< takes mail for mailboxes; nullopt: local agents do
    std::string mail_dir;
    std::string home_mailbox;    ///< below the home, trailing '/' = maildir; empty = a file below mail_dir
    std::uint64_t mailbox_size;  ///< octets of an mbox; 0 = no limit
    bool escape_from;            ///< "From " at the start of a line gets a '>'
    bool dot_lock;               ///< MAILBOX.lock as well as the locks of the kernel
    Seconds command_timeout;     ///< patience with a program that takes a message
    unsigned owner_programs;     ///< of one account, at a time
    bool operator==(const LocalConfig&) const = default;
};

/// Delivery to other hosts.
struct RemoteConfig {
    std::uint16_t port;
    std::vector<RelayHost> relay_hosts;  ///< in the order to try them; empty = the recipient's mail hosts
    bool forward_all;                    ///< makes no difference: relay_hosts take all that is not local
    unsigned agents;                     ///< at a time
    Transport usual;                     ///< without a name
    std::vector<Transport> transports;   ///< of other names
    Seconds lookup_timeout;              ///< for all questions to DNS of one attempt
    TlsLevel tls;                        ///< where tls_policy says nothing; never TlsLevel::fingerprint
    std::string tls_policy;              ///< table of levels by destination; empty: there is none
    std::string password_file;           ///< table of logins at relay hosts; empty: there are none
    std::string token_command;           ///< program that prints the token of a login; empty: none
    std::string tls_authorities;         ///< PEM file, trusted beside those of the system; empty: none
    bool sts;                            ///< policies of MTA-STS count (RFC 8461)
    bool tls_reports;                    ///< domains hear once a day how TLS to their hosts went (RFC 8460)

    /// The transport of this name: what it leaves open is as in `usual`.
    Transport transport(const std::string& name) const;
    bool operator==(const RemoteConfig&) const = default;
};

/// POP3.
struct Pop3Config {
    Seconds timeout;      ///< patience with a silent client that has logged in (RFC 1939 section 3: 10 min)
    Seconds login_delay;  ///< between two logins of one user (RFC 2449 section 6.5); 0: none
    bool marks_read;      ///< what was retrieved is marked as read in the mailbox
    Seconds pop_before_smtp;  ///< the address of a login may relay for so long; 0: it may not
    bool operator==(const Pop3Config&) const = default;
};

struct QueueConfig {
    std::string dir;             ///< the spool
    std::string control;         ///< socket of the running daemon; dir/control unless set
    std::uint64_t minfree;       ///< octets that must stay free in the spool
    bool immediate;              ///< the first attempt is made at once
    std::vector<Seconds> retry;  ///< waits between attempts, never empty; the last repeats
    Seconds qreturn;             ///< age at which a message is returned
    Seconds future_release;      ///< longest time that known clients may have a message held; 0: none
    unsigned stranger_priority;  ///< highest priority that a stranger may give a message (MT-PRIORITY)
    Seconds delay_warning;       ///< tell the sender of a delay; 0: only senders that asked, after four hours
    bool operator==(const QueueConfig&) const = default;
};

/// sendmail(8) and its callers.
struct SubmissionConfig {
    bool untrusted_set_sender;  ///< every user may choose the envelope sender
    std::vector<std::string> trusted_users;
    Seconds delivery_wait;  ///< of sendmail -odi and -v; 0: they do not wait
    bool operator==(const SubmissionConfig&) const = default;
};

struct Config {
    /// Every option has its default.
    Config();

    std::string file;                 ///< the file this came from; empty if none was read
    bool file_was_asked_for = false;  ///< with -C or in the environment

    IdentityConfig identity{};
    LogConfig log{};
    NetworkConfig network{};
    TlsConfig tls{};
    AuthConfig auth{};
    LimitsConfig limits{};
    SmtpConfig smtp{};
    AccessConfig access{};
    GreylistConfig greylist{};
    FiltersConfig filters{};
    RoutingConfig routing{};
    VhostConfig vhost{};
    LocalConfig local{};
    RemoteConfig remote{};
    QueueConfig queue{};
    Pop3Config pop3{};
    SubmissionConfig submission{};

    bool operator==(const Config&) const = default;
};

}  // namespace postoffice
