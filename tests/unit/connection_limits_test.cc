// Which clients the listener refuses at the door: by the load of the machine, and by the number of
// connections. The load average is what this file says, for the whole program of unit tests.
#include "postoffice/daemon/connection_limits.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <thread>

namespace {

std::optional<double> load_average;  // nullopt: the machine's own

}  // namespace

// Takes the place of the function of the C library.
extern "C" int sysinfo(struct sysinfo* host) noexcept {
    const auto outcome = static_cast<int>(::syscall(SYS_sysinfo, host));
    if (load_average) host->loads[0] = static_cast<unsigned long>(*load_average * (1 << SI_LOAD_SHIFT));
    return outcome;
}

namespace postoffice {
namespace {

class ConnectionLimitsTest : public testing::Test {
  protected:
    ~ConnectionLimitsTest() override { load_average.reset(); }

    /// What a new listener says to this client.
    std::optional<Reply> admit(const char* client) {
        return ConnectionLimits(config_, nullptr, misconduct_).admit(*IpAddress::parse(client));
    }

    Config config_;
    Misconduct misconduct_{config_, nullptr, {}};
};

TEST_F(ConnectionLimitsTest, RefuseEveryClientAboveTheLoadOfTheOption) {
    config_.limits.load = 3;
    load_average = 3.01;
    for (const char* client : {"192.0.2.1", "2001:db8::1", "127.0.0.1"}) {
        const auto refusal = admit(client);
        ASSERT_TRUE(refusal) << client;
        EXPECT_EQ(refusal->line(), "421 4.3.2 This host is too busy now; try again later");
    }
    load_average = 3.0;
    EXPECT_FALSE(admit("192.0.2.1"));
}

TEST_F(ConnectionLimitsTest, AllowALoadOfFourAProcessorUnlessTheOptionSaysMore) {
    const double limit = 4.0 * std::max(1U, std::thread::hardware_concurrency());
    load_average = limit;
    EXPECT_FALSE(admit("192.0.2.1"));
    load_average = limit + 1;
    EXPECT_TRUE(admit("192.0.2.1"));
    config_.limits.load = static_cast<unsigned>(limit) + 2;
    EXPECT_FALSE(admit("192.0.2.1"));
}

TEST_F(ConnectionLimitsTest, CountAConnectionUntilItIsReleased) {
    load_average = 0;
    config_.limits.client_connections = 1;
    ConnectionLimits limits(config_, nullptr, misconduct_);
    const IpAddress first = *IpAddress::parse("192.0.2.1");
    EXPECT_FALSE(limits.admit(first));
    EXPECT_EQ(limits.admit(first)->code, 421);
    EXPECT_FALSE(limits.admit(*IpAddress::parse("192.0.2.2")));
    limits.release(first);
    EXPECT_FALSE(limits.admit(first));
}

}  // namespace
}  // namespace postoffice
