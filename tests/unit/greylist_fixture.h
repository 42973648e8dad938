// Facts about clients, and a folder with greylist databases.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "postoffice/policy/correspondents.h"
#include "postoffice/policy/greylist_expiry.h"
#include "postoffice/policy/greylist_store.h"
#include "postoffice/policy/greylisting.h"

namespace postoffice::testing_greylist {

using Kind = GreylistVerdict::Kind;

inline constexpr UnixTime noon = 1'795'000'000;

inline GreylistFacts from(const std::string& sender, const std::string& address = "192.0.2.7",
                          bool named = true) {
    return {sender.empty() ? Address() : *parse_addr_spec(sender), *IpAddress::parse(address), named};
}

class GreylistFiles : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = testing::TempDir() + "greylist.XXXXXX";
        ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
        config_.greylist.db_dir = folder_;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::size_t count() const {
        std::size_t entries = 0;
        GreylistStore(folder_).visit(
            [&](const auto&, const auto& e) {
                ++entries;
                return std::optional(e);
            },
            false);
        return entries;
    }
    std::string folder_;
    Config config_;
};

}  // namespace postoffice::testing_greylist
