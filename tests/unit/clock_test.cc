// Dates of journals and logs: RFC 3339 section 5.6, in UTC.
#include "postoffice/base/clock.h"

#include <gtest/gtest.h>

namespace postoffice {
namespace {

TEST(Rfc3339, ATimeIsReadAsItIsWritten) {
    EXPECT_EQ(parse_rfc3339_utc("1970-01-01T00:00:00Z"), 0);
    EXPECT_EQ(parse_rfc3339_utc("2026-11-21T10:00:05Z"), 1795255205);
    for (const UnixTime when : {-1L, 951782400L, 1709164800L, 4102444799L})
        EXPECT_EQ(parse_rfc3339_utc(rfc3339_utc(when)), when) << rfc3339_utc(when);
}

TEST(Rfc3339, WhatIsNoTimeIsRefused) {
    for (const char* text :
         {"", "2026-11-21T10:00:05", "2026-11-21 10:00:05Z", "2026-11-21T10:00:05z", "2026-11-21T10:00:05ZZ",
          "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-01-00T00:00:00Z",
          "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "2026-1 -01T00:00:00Z",
          "+026-01-01T00:00:00Z", "2026-01-01T 1:00:00Z", "2026-01-01T-1:00:00Z"})
        EXPECT_FALSE(parse_rfc3339_utc(text)) << text;
}

}  // namespace
}  // namespace postoffice
