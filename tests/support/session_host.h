// A mail host around a Session under test: a folder with aliases and hosts, the real router, and an acceptor
// that remembers what it was given instead of delivering it.
#pragma once

#include <pwd.h>
#include <unistd.h>

#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "postoffice/base/disk.h"
#include "postoffice/net/resolver.h"
#include "postoffice/queue/acceptor.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/router.h"
#include "postoffice/routing/user_files.h"
#include "postoffice/routing/users.h"
#include "postoffice/smtp/session.h"
#include "temporary_folder.h"

namespace postoffice::testing_support {

using test::TemporaryFolder;

struct Accepted {
    std::string id;
    Envelope envelope;
    std::string text;
};

/// Thread-safe: the session runs in a thread of its own.
class RememberingAcceptor : public Acceptor {
  public:
    Reply accept(const std::string& id, const Envelope& envelope, Message& message) override {
        const Fd file = message.open_for_reading();
        const std::lock_guard guard(mutex_);
        const Reply reply = next_reply_.value_or(Reply{250, "2.0.0", id + " accepted"});
        next_reply_.reset();
        if (reply.is_positive()) messages_.push_back({id, envelope, disk::read_all(file.get(), 64u << 20)});
        return reply;
    }
    void answer_next(Reply reply) {
        const std::lock_guard guard(mutex_);
        next_reply_ = std::move(reply);
    }
    /// The oldest one not yet taken.
    std::optional<Accepted> take() {
        const std::lock_guard guard(mutex_);
        if (messages_.empty()) return std::nullopt;
        Accepted accepted = std::move(messages_.front());
        messages_.pop_front();
        return accepted;
    }

  private:
    std::mutex mutex_;
    std::deque<Accepted> messages_;
    std::optional<Reply> next_reply_;
};

/// Knows two messages that wait for far.example.
class PretendingFlusher : public QueueFlusher {
  public:
    std::size_t flush(const std::string& domain, bool subdomains) override {
        if (domain == "broken.example") throw std::system_error(EIO, std::generic_category(), "spool");
        if (domain == "example" && subdomains) return 3;
        return domain == "far.example" ? 2 : 0;
    }
};

/// The account that runs the test is the only user; it is called `me` below.
inline std::string my_name() {
    const passwd* entry = ::getpwuid(::geteuid());
    return entry ? entry->pw_name : "root";
}

struct SessionHost {
    TemporaryFolder folder;
    std::string me = my_name();
    Config config = make_config();
    AliasTable aliases{config.routing.aliases};
    UserDirectory users{me};
    DirectUserFiles files{config};
    Router router{config, aliases, users, files};
    RememberingAcceptor acceptor;
    Resolver resolver = make_resolver();
    RateTable rates{1024};
    AccessTables access_tables{folder.path() + "/hosts.allow", folder.path() + "/hosts.deny"};

    PretendingFlusher flusher;

    SessionServices services() {
        return {.config = config,
                .router = router,
                .acceptor = acceptor,
                .resolver = resolver,
                .rates = &rates,
                .access_tables = access_tables,
                .flusher = &flusher};
    }

  private:
    Config make_config() const {
        // The backslash: whatever the account is called, it is none of these aliases.
        const std::string account = "\\" + me;
        folder.write("aliases", "postmaster: " + account + "\nbob: " + account +
                                    "\nalice: alice@far.example\nboth: bob, alice\n" + "list: " + account +
                                    ", carol@far.example\nowner-list: " + account +
                                    "\nloop: pool\npool: loop\n");
        Config made;

        made.identity.hostname = "mail.example";
        made.identity.local_domains = {"example"};
        made.queue.dir = folder.path();
        made.routing.aliases = folder.path() + "/aliases";
        made.queue.minfree = 0;
        made.limits.tarpit = Seconds(0);
        made.access.verify_from = false;  // no server answers questions about senders here
        made.limits.timeout = Seconds(20);
        return made;
    }
    Resolver make_resolver() const {
        folder.write("hosts", "192.0.2.7 client.far.example\n2001:db8::7 six.far.example\n");
        ResolverSettings settings;
        settings.servers = {{*IpAddress::parse("127.0.0.1"), 9}};  // no server listens there
        settings.timeout = Milliseconds(100);
        settings.attempts = 1;
        settings.hosts_file = folder.path() + "/hosts";
        return Resolver(settings);
    }
};

}  // namespace postoffice::testing_support
