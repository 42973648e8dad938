// The whole configuration as one value: read once by main(), const from then on, inherited by every process.
// Each field is one option of postoffice.cf(5); the option table (config/options.h) says which.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "postoffice/base/clock.h"
#include "postoffice/base/log_line.h"

namespace postoffice {

/// One `listen=` line.
struct ListenAddress {
    std::string address;      ///< literal IPv4 or IPv6 address; empty = all addresses of both families
    std::uint16_t port = 25;  ///< 0 = the kernel chooses (tests)
    bool tls = false;         ///< TLS from the first octet
    bool submission = false;  ///< for users: TLS and AUTH before any mail
    bool operator==(const ListenAddress&) const = default;
};

/// At most so many in so much time; see policy/rate_table.h.
struct RateLimit {
    std::uint64_t most = 0;  ///< 0 = no limit
    Seconds window{0};
    bool operator==(const RateLimit&) const = default;
};

/// What becomes of mail from a host that hosts.deny does not want, or of spam.
struct UnwantedMail {
    enum class Action {
        bounce,  ///< it is refused
        accept,  ///< it is mail like other
        folder,  ///< what is for mailboxes here goes to `folder`
    } action = Action::bounce;
    /// "~/PATH" below the user's home (trailing '/' = maildir), or "NAME" for the file USER:NAME below
    /// mail_dir.
    std::string folder;
    std::string why = {};  ///< of a bounce: what the client is told in place of the reason itself
    bool operator==(const UnwantedMail&) const = default;
};

/// A DNS list of addresses (RFC 5782).
struct DnsList {
    std::string zone;                  ///< "list.example"
    std::vector<std::string> answers;  ///< IPv4 addresses that count; empty = any that lists may give
    bool operator==(const DnsList&) const = default;
};

/// Addresses that users make up themselves: usermap(7).
struct UserMap {
    std::string pattern;  ///< as fnmatch(3) has it, lower case; one '~' at most stands for an account
    std::vector<std::string> targets;  ///< "~", "~/FILE" or an address
    bool operator==(const UserMap&) const = default;
};

/// How the host name is found when `hostname=` does not spell it.
enum class HostnameFrom { resolver, uname };

/// What is done with a CR or LF in a message that is no half of a CRLF: see postoffice.cf(5).
enum class BareNewline { normalise, reject, accept };

struct Config {
    std::string file;                 ///< the file this came from; empty if none was read
    bool file_was_asked_for = false;  ///< with -C or in the environment

    // Who we are
    std::string hostname;                                 ///< canonical, lower case; never empty once loaded
    HostnameFrom hostname_from = HostnameFrom::resolver;  ///< used only while loading
    std::string user = "postoffice";
    /// Not an option: set at start on a private host, one whose spool belongs to the ordinary user who runs
    /// it. He is then the only local user.
    std::string only_user;
    std::vector<std::string>
        local_domains;  ///< lower case; `hostname` and "localhost" are local without being listed
    std::vector<std::string>
        trusted;  ///< hosts treated like localhost: "name", "[192.0.2.1]", "[2001:db8::/32]"

    // Where things are
    std::string queue_dir;
    std::string mail_dir = "/var/mail";
    std::string home_mailbox;  ///< below the home, trailing '/' = maildir; empty = a file below mail_dir
    std::string aliases = "/etc/aliases";
    std::string control;  ///< socket of the running daemon; queue_dir/control unless set
    std::string log = "syslog";
    LogFormat log_format = LogFormat::text;

    // What we serve
    std::vector<ListenAddress> listen;      ///< never empty once loaded; has the submission port too
    std::uint16_t submission_port = 0;      ///< `msp`: one more listener on all addresses; 0 = none
    unsigned clients = 100;                 ///< connections in all
    unsigned client_connections = 10;       ///< from one address; loopback is exempt
    unsigned load = 0;                      ///< refuse above this load average; 0 = 4 per processor
    unsigned hops = 100;                    ///< Received fields
    unsigned recipients = 1000;             ///< of one message (RFC 5321 section 4.5.3.1.8: at least 100)
    std::uint64_t size = 50ULL << 20;       ///< octets of one message; 0 = no limit
    std::uint64_t header_size = 256 << 10;  ///< octets of its header; 0 = no limit
    std::uint64_t minfree = 10ULL << 20;    ///< octets that must stay free in the spool
    Seconds timeout{300};                   ///< patience with a silent client
    bool audit = false;                     ///< what clients say goes to the log
    bool debug = false;                     ///< DEBUG is answered, to clients that are ours
    bool relay = false;                     ///< every client may relay
    BareNewline bare_newline = BareNewline::normalise;
    bool hide_recipients = false;   ///< strangers hear of unknown names with the message alone
    bool relaxed_order = false;     ///< RCPT may come before MAIL
    bool notify_success = false;    ///< strangers, too, hear of successful deliveries (NOTIFY=SUCCESS)
    bool strict_addresses = false;  ///< strangers must write addresses as RFC 5321 section 4.1.2 has them
    std::vector<std::string> etrn;  ///< hosts that may ask for their mail; like `trusted`
    std::string tls_certificate;    ///< PEM file with the chain; empty: no TLS
    std::string tls_key;            ///< PEM file; empty: in tls_certificate

    bool auth_plaintext = false;  ///< passwords are taken without TLS, too
    bool auth_scram = false;      ///< SCRAM-SHA-256 is offered, for virtual users
    unsigned auth_failures = 10;  ///< failed logins within an hour after which an address has to wait

    std::string vhost_dir;       ///< virtual domains: domains.cf and a folder for each; empty: there are none
    std::string vhost_spool;     ///< their mailboxes: DOMAIN/USER
    std::string vhost_user;      ///< account that mailboxes of virtual users belong to; see vhost_account()
    bool vhost_form = false;     ///< their owners may change users by a letter
    bool vhost_maildir = false;  ///< each is a maildir; false: an mbox

    // Who may send here
    bool localmx = false;        ///< hosts that have us as their mail host may relay
    UnwantedMail forbidden;      ///< from hosts that hosts.deny names
    UnwantedMail spam;           ///< from hosts on one of `dnsbl`
    bool paranoid = false;       ///< no mail from addresses without a name
    bool dnscheck = false;       ///< nor from those whose name does not lead back
    bool checkhelo = false;      ///< no client may call itself by our name
    bool verify_from = true;     ///< senders must exist, as far as DNS knows, and ours must be here
    bool nodaemon = false;       ///< no mail from <>
    std::vector<DnsList> dnsbl;  ///< clients on these lists are refused,
    std::vector<DnsList> dnswl;  ///< unless they are on one of these
    std::string no_soliciting;   ///< keywords of RFC 3865, separated by commas
    // What one client may cost us
    RateLimit rate_connections{120, Seconds{60}};     ///< of one address, or of an IPv6 network of 64 bits
    RateLimit rate_messages{3000, Seconds{3600}};     ///< of the same, or of one user
    RateLimit rate_recipients{10000, Seconds{3600}};  ///< of the same, or of one user
    unsigned errors = 20;                             ///< mistakes that end a session
    Seconds tarpit{5};                                ///< longest pause before a refusal; 0 = none
    std::uint64_t data_rate = 100;                    ///< octets a second of a message; 0 = any
    Seconds data_time{2 * 3600};                      ///< in which a message must have come
    RateLimit coal{100, Seconds{3600}};               ///< bad points that make coal_command run
    std::string coal_command;  ///< program that root runs with an address; empty = none
    /// Front ends that speak the PROXY protocol: "[192.0.2.1]", "[2001:db8::/32]".
    std::vector<std::string> proxies;

    // Greylist
    bool greylist = false;                 ///< unknown senders are asked to come back later
    bool greylist_from = false;            ///< a sender is known wherever it sends from
    Seconds delay{3600};                   ///< how much later
    unsigned greylist_unnamed = 2;         ///< the wait is so many times longer for clients without a name,
    unsigned greylist_null = 4;            ///< for <>,
    unsigned greylist_null_unnamed = 5;    ///< and for both
    bool greylist_spf = true;              ///< the hosts that a sender's domain names in SPF count as one
    Seconds greylist_written{14 * 86400};  ///< who was written to from here is known for so long
    Seconds greylist_bounces{7 * 86400};   ///< so long mail from <> may come to who sent mail
    Seconds greylist_keep{14 * 86400};     ///< an entry that is not used for so long is removed; 0: never
    std::string db_dir = "/var/lib/postoffice";  ///< the greylist's databases

    // Local delivery
    std::uint64_t mailbox_size = 0;  ///< octets of an mbox; 0 = no limit
    bool escape_from = true;
    bool dot_lock = true;  ///< MAILBOX.lock as well as the locks of the kernel
    /// Files in homes that say where mail goes, the first that exists holds: ".forward", ".qmail".
    std::vector<UserMap> usermaps;  ///< in order
    std::vector<std::string> delivery_files{".forward"};
    std::string recipient_delimiter =
        "+";                            ///< each octet of it begins the extension of an address; empty = none
    std::string alias_user = "nobody";  ///< whose rights programs and files of aliases get
    Seconds command_timeout{600};       ///< patience with a program that takes a message

    // Remote delivery
    std::vector<std::string> nameservers;  ///< "IP" or "IP:PORT" or "[IPv6]:PORT"; empty = resolv.conf
    std::uint16_t remote_port = 25;
    /// Who takes mail for local mailboxes, by LMTP: path of a socket, "ADDRESS:PORT" or "[ADDRESS]:PORT".
    /// Empty: nobody, they are files and maildirs.
    std::string local_transport;
    std::string relay_host;    ///< "HOST" or "HOST:PORT"; empty = MX
    bool forward_all = false;  ///< makes no difference: relay_host takes all that is not local
    bool immediate = true;
    /// Waits between attempts, never empty; the last repeats.
    std::vector<Seconds> retry{Seconds{300},  Seconds{600},  Seconds{1200}, Seconds{2400},
                               Seconds{3600}, Seconds{7200}, Seconds{14400}};
    Seconds qreturn{3 * 86400};
    Seconds delay_warning{0};  ///< tell the sender of a delay; 0: only who asked, after four hours
    unsigned agents = 100;
    unsigned destination_agents = 10;
    unsigned owner_programs = 10;  ///< of one account, at a time
    Seconds lookup_timeout{30};    ///< for all questions to DNS of one attempt

    // Local submission
    bool untrusted_set_sender = true;
    std::vector<std::string> trusted_users;
    Seconds delivery_wait{60};  ///< of sendmail -odi and -v; 0: they do not wait

    /// True for the host's own name, "localhost" and each `local-domain=`.
    bool is_local_domain(const std::string& lower_case_domain) const;
    /// An extension that no delivery file mentions is no mistake: the account gets the mail. Not so where
    /// dot-qmail alone decides which extensions there are.
    bool extension_may_be_unknown() const;

    bool operator==(const Config&) const = default;
};

}  // namespace postoffice
