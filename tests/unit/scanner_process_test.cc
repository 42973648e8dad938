// The program of av=: what its exit status means.
#include "postoffice/daemon/scanner_process.h"

#include <gtest/gtest.h>

namespace postoffice {
namespace {

using ScanKind = ScanVerdict::Kind;

ProgramEnd exited(int status, std::string output = "") {
    ProgramEnd end;
    end.status = status << 8;
    end.output = std::move(output);
    return end;
}

TEST(ScanVerdict, TellsARefusalFromAFailure) {
    EXPECT_EQ(verdict_of(exited(0, "OK\n"), false).kind, ScanKind::clean);
    for (const int status : {1, 3, 4, 13, 64, 77, 100, 125})
        EXPECT_EQ(verdict_of(exited(status), false).kind, ScanKind::unwanted) << status;
    for (const int status : {2, 71, 74, 75, 111, 126, 127, 128 + 9, 128 + 11, 255})
        EXPECT_EQ(verdict_of(exited(status), false).kind, ScanKind::undecided) << status;
    ProgramEnd killed;
    killed.status = 9;
    EXPECT_EQ(verdict_of(killed, false).text, "it was ended by signal 9");
    ProgramEnd slow = exited(1);
    slow.timed_out = true;
    EXPECT_EQ(verdict_of(slow, false).kind, ScanKind::undecided);
}

TEST(ScanVerdict, IsNoneWhereTheProgramHadNoRoom) {
    EXPECT_EQ(verdict_of(exited(1, "cannot write"), true).text, "there is no room in /tmp: cannot write");
    EXPECT_EQ(verdict_of(exited(1), true).kind, ScanKind::undecided);
    EXPECT_EQ(verdict_of(exited(0), true).kind, ScanKind::clean);
}

TEST(ScanVerdict, HasTheFirstLineOfTheProgramWithoutControlCharacters) {
    EXPECT_EQ(verdict_of(exited(1, "\n  \nfound \x1b[1mit\r\nmore\n"), false).text, "found ?[1mit");
    EXPECT_EQ(verdict_of(exited(1), false).text, "status 1");
    EXPECT_LE(verdict_of(exited(1, std::string(5000, 'x')), false).text.size(), 300u);
}

}  // namespace
}  // namespace postoffice
