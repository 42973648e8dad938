// A generation: the helpers of the master that share a configuration, and what they were given.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <vector>

#include "ports.h"
#include "postoffice/base/fd.h"
#include "postoffice/base/log.h"
#include "postoffice/base/request_socket.h"
#include "postoffice/config/config.h"
#include "postoffice/daemon/key_keeper.h"
#include "postoffice/daemon/login_keeper.h"
#include "postoffice/daemon/sts_fetcher.h"
#include "postoffice/net/tls.h"
#include "postoffice/net/tls_key.h"
#include "postoffice/policy/mailbox_ticket.h"
#include "postoffice/policy/session_pass.h"

namespace postoffice {

// One set of helpers that share a configuration. After a reload the old generation drains beside the new one.
struct Generation {
    /// Throws FormatError if the certificate cannot be used.
    explicit Generation(Config c) : config(std::move(c)) {
        if (!config.tls.certificate.empty()) prepare_tls();
        if (const auto exposure = exposure_of_key(config.tls))
            log_event("", "tls-key-exposed", {{"reason", *exposure}});
        if (!config.limits.coal_command.empty()) coal_requests = make_request_socket();
        if (needs_sts_fetcher(config)) sts_requests = make_request_socket();
        if (needs_login_keeper(config)) relay_logins = make_request_socket();
        if (!config.access.av.empty()) scans = make_request_socket();
    }

    enum Role {
        spawner,
        authenticator,
        runner,
        listener,
        coal,
        key_keeper,
        sts_fetcher,
        login_keeper,
        scanner,
        role_count
    };
    struct Helper {
        pid_t pid = 0;
        std::chrono::steady_clock::time_point may_start_at{};
    };

    const Config config;
    /// Inherited by the listener and its sessions. It has the key only if that is of a kind which must be
    /// where it is used; else the key keeper has it.
    std::optional<TlsServer> tls;
    Fd key_file;              ///< a copy of the key in memory without a name, for the key keeper; or empty
    SocketPair key_channels;  ///< by which the listener tells the key keeper of new sessions; with key_file
    std::vector<Port> ports;
    /// For the spawner. The master holds it, too, so that a spawner may die and its successor finds what
    /// waits.
    RequestSocket requests = make_request_socket();
    RequestSocket logins = make_request_socket();  ///< the same for the authenticator
    PassKey passes;                                ///< by which it knows session processes
    TicketKey tickets;  ///< by which the spawner knows that the authenticator lets a mailbox be opened
    std::optional<RequestSocket> coal_requests;  ///< the same for the coal runner; only with coal-command
    std::optional<RequestSocket> sts_requests;   ///< the same for the STS fetcher; only with mta-sts
    std::optional<RequestSocket> relay_logins;   ///< for the login keeper; only with relay-password-file
    std::optional<RequestSocket> scans;          ///< for the scanner; only with av
    Helper helpers[role_count];

    void prepare_tls() {
        check_key_pair(config.tls.certificate, config.tls.key);
        tls = TlsServer::without_key(config.tls.certificate);
        if (!tls) {
            tls.emplace(config.tls.certificate, config.tls.key);
            return;
        }
        key_file = copy_of_key_file(config.tls.key);
        key_channels = packet_socket_pair();
    }

    bool is_gone() const {
        return std::all_of(std::begin(helpers), std::end(helpers),
                           [](const Helper& h) { return h.pid == 0; });
    }
};

inline const char* name_of(Generation::Role role) {
    constexpr const char* names[] = {"spawner",    "authenticator", "queue runner", "listener", "coal runner",
                                     "key keeper", "STS fetcher",   "login keeper", "scanner"};
    return names[role];
}

}  // namespace postoffice
