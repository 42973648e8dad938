// What people read of an exception.
#include "postoffice/base/error.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <new>
#include <optional>
#include <string>

namespace postoffice {
namespace {

std::string words_for(const std::function<void()>& thrower) {
    try {
        thrower();
    } catch (const std::exception& error) {
        return in_plain_words(error);
    }
    return "nothing was thrown";
}

TEST(PlainWords, OwnExceptionsAndTheSystemSpeakForThemselves) {
    EXPECT_EQ(words_for([] { throw FormatError("no colon"); }), "no colon");
    EXPECT_EQ(words_for([] { throw Timeout("it took long"); }), "it took long");
    EXPECT_EQ(words_for([] { throw_errno(ENOENT, "/a/b"); }), "/a/b: No such file or directory");
    EXPECT_EQ(words_for([] { (void)std::filesystem::file_size("/nonexistent/a"); }),
              "/nonexistent/a: No such file or directory");
}

TEST(PlainWords, MistakesOfTheProgramAreNamed) {
    EXPECT_EQ(words_for([] { (void)std::optional<int>().value(); }),
              "an error in this program, a value is missing");
    EXPECT_EQ(words_for([] { (void)std::string("a").substr(2); }),
              "an error in this program, a position out of range");
    EXPECT_EQ(words_for([] { throw std::bad_alloc(); }), "not enough memory");
}

}  // namespace
}  // namespace postoffice
