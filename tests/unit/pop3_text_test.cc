// What RETR and TOP send of a stored message.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "../../src/maildrop/top_of_message.h"
#include "../../src/pop3/text_encoder.h"
#include "postoffice/maildrop/maildrop_protocol.h"

namespace postoffice {
namespace {

using namespace std::string_literals;

std::string encoded(std::string_view text, std::size_t piece) {
    TextEncoder encoder;
    std::string out;
    for (; !text.empty(); text.remove_prefix(std::min(piece, text.size())))
        encoder.encode(text.substr(0, piece), out);
    encoder.finish(out);
    return out;
}

std::string top(std::string_view text, std::uint64_t lines, std::size_t piece) {
    TopOfMessage top(lines);
    std::string out;
    for (; !text.empty() && !top.is_done(); text.remove_prefix(std::min(piece, text.size())))
        out += top.wanted(text.substr(0, piece));
    return out;
}

TEST(Pop3Text, HasCrlfAndStuffedDots) {
    const std::pair<std::string, std::string> cases[] = {
        {"", ".\r\n"},
        {"a\n", "a\r\n.\r\n"},
        {"a", "a\r\n.\r\n"},
        {"a\r", "a\r\n.\r\n"},
        {"a\r\nb\n", "a\r\nb\r\n.\r\n"},
        {".", "..\r\n.\r\n"},
        {".\n..\n.x\nx.\n", "..\r\n...\r\n..x\r\nx.\r\n.\r\n"},
        {"\n\n.\n", "\r\n\r\n..\r\n.\r\n"},
        {"a\rb\n", "a\rb\r\n.\r\n"},
        {"\r\n.\r\n", "\r\n..\r\n.\r\n"},
        {"nul\0octet\n"s, "nul\0octet\r\n.\r\n"s},
    };
    for (const auto& [stored, sent] : cases)
        for (const std::size_t piece : {1, 2, 3, 1000}) EXPECT_EQ(encoded(stored, piece), sent) << stored;
}

TEST(Pop3Text, TopIsTheHeaderAndSoManyLines) {
    const std::string lf = "A: 1\nB: 2\n\none\n\nthree\nfour", crlf = "A: 1\r\n\r\none\r\ntwo\r\n";
    for (const std::size_t piece : {1, 2, 5, 1000}) {
        EXPECT_EQ(top(lf, 0, piece), "A: 1\nB: 2\n\n");
        EXPECT_EQ(top(lf, 1, piece), "A: 1\nB: 2\n\none\n");
        EXPECT_EQ(top(lf, 2, piece), "A: 1\nB: 2\n\none\n\n");
        EXPECT_EQ(top(lf, 99, piece), lf);
        EXPECT_EQ(top(lf, MaildropRead::whole, piece), lf);
        EXPECT_EQ(top(crlf, 0, piece), "A: 1\r\n\r\n");
        EXPECT_EQ(top(crlf, 1, piece), "A: 1\r\n\r\none\r\n");
        EXPECT_EQ(top("\nbody\n", 0, piece), "\n");
        EXPECT_EQ(top("no body\n", 0, piece), "no body\n");
    }
}

}  // namespace
}  // namespace postoffice
