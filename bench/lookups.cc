// make bench-lookups: how long newaliases takes for 100,000 aliases, and the router for one of them; then for
// an address of a virtual domain: one domain with 10,000 users, and 1,000 domains with ten users and aliases
// each. Once with files that this process may read itself, once asking the agent of the domain. Prints means;
// asserts nothing. As root, or as an ordinary user on a private host.
#include <fmt/format.h>
#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>

#include "postoffice/base/process.h"
#include "postoffice/base/request_socket.h"
#include "postoffice/daemon/spawner.h"
#include "postoffice/delivery/agent_channel.h"
#include "postoffice/routing/aliases.h"
#include "postoffice/routing/router.h"
#include "postoffice/routing/users.h"

namespace {

using namespace postoffice;

constexpr int alias_count = 100'000;
constexpr int domain_count = 1000, users_of_each = 10, users_of_large = 10'000;

void write_domain(const std::string& folder, int users) {
    std::filesystem::create_directory(folder);
    std::ofstream passwd(folder + "/passwd"), aliases(folder + "/aliases");
    for (int i = 0; i < users; ++i) {
        passwd << "user" << i
               << ":$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7\n";
        aliases << "alias" << i << ": user" << i << "\n";
    }
    aliases << "*: user0\n";
}

void write_aliases(const std::string& path) {
    std::ofstream aliases(path);
    for (int i = 0; i < alias_count; ++i) aliases << "name" << i << ": person" << i << "@far.example\n";
}

void make_domains(const std::string& folder) {
    std::ofstream table(folder + "/domains.cf");
    table << ::getuid() << ":large.example:1:\n";
    write_domain(folder + "/large.example", users_of_large);
    for (int i = 0; i < domain_count; ++i) {
        table << ::getuid() << ":d" << i << ".example:1:\n";
        write_domain(fmt::format("{}/d{}.example", folder, i), users_of_each);
    }
}

template <class Body>
void measure(const char* what, int count, const Body& body) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) body();
    const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - start;
    fmt::print("{:<58} {:>8.1f} us\n", what, taken.count() / count);
}

}  // namespace

int main() {
    std::string folder = std::filesystem::temp_directory_path() / "postoffice-bench-XXXXXX";
    if (::mkdtemp(folder.data()) == nullptr || ::chmod(folder.c_str(), 0755) != 0) return 1;
    make_domains(folder);
    Config config;
    config.identity.hostname = "host.example";
    config.vhost.dir = folder;
    config.log.destination = "stderr";
    if (const passwd* self = ::getpwuid(::getuid()); self != nullptr && self->pw_uid != 0)
        config.identity.only_user = self->pw_name;

    const std::string source = folder + "/aliases";
    write_aliases(source);
    AliasTable aliases(source);
    UserDirectory users(config.identity.only_user);
    DirectUserFiles files(config);
    Router router(config, aliases, users, files);
    std::mt19937 random(1);
    const auto up_to = [&](int most) { return std::uniform_int_distribution(0, most - 1)(random); };
    const auto go = [&](const std::string& name, const std::string& domain) {
        if (router.route(Address(name, domain)).status != Route::Status::accepted) std::abort();
    };
    measure("newaliases, 100,000 aliases", 1,
            [&] { build_alias_database(source, parse_alias_file(read_alias_file(source))); });
    measure("an alias of 100,000", 100'000,
            [&] { go(fmt::format("name{}", up_to(alias_count)), "host.example"); });
    const auto small = [&] { return fmt::format("d{}.example", up_to(domain_count)); };
    measure("first look into 10,000 users and 10,000 aliases", 1, [&] { go("user1", "large.example"); });
    measure("a user of 10,000", 100'000,
            [&] { go(fmt::format("user{}", up_to(users_of_large)), "large.example"); });
    measure("an alias of 10,000, and its user", 100'000,
            [&] { go(fmt::format("alias{}", up_to(users_of_large)), "large.example"); });
    measure("nobody, caught by *", 100'000, [&] { go("nobody", "large.example"); });
    int next = 0;
    measure("first looks into 1,000 domains", domain_count,
            [&] { go("user1", fmt::format("d{}.example", next++)); });
    measure("a user of one of 1,000 domains", 100'000,
            [&] { go(fmt::format("user{}", up_to(users_of_each)), small()); });

    RequestSocket box = make_request_socket();
    const pid_t spawner =
        spawn_process("spawner", [&] { return run_spawner(config, std::move(box.reader)); });
    AgentChannels channels(box.slot.get(), std::chrono::seconds(10));
    const auto ask = [&](const std::string& domain, const std::string& name) {
        const DomainEntry entry = channels.domain_entry(domain, name);
        if (!entry.user) std::abort();
    };
    measure("first question to an agent, which starts and reads 10,000", 1,
            [&] { ask("large.example", "user1"); });
    measure("a question to the agent of a domain", 100'000,
            [&] { ask("large.example", fmt::format("user{}", up_to(users_of_large))); });
    ::kill(spawner, SIGTERM);
    ::waitpid(spawner, nullptr, 0);
    std::filesystem::remove_all(folder);
    return 0;
}
