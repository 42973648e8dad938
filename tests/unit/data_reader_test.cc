#include "../../src/smtp/data_reader.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "../../src/smtp/client/body_writer.h"

namespace postoffice {
namespace {

using LineEnds = DataDecoder::LineEnds;

struct Decoded {
    std::string text;
    std::size_t used = 0;
    bool at_end = false;
    bool operator==(const Decoded&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Decoded& d) {
    return out << testing::PrintToString(d.text) << " used " << d.used << (d.at_end ? " ended" : " goes on");
}

Decoded decode_in_pieces(std::string_view wire, const std::vector<std::size_t>& cuts,
                         LineEnds ends = LineEnds::crlf) {
    DataDecoder decoder(ends);
    Decoded result;
    std::size_t start = 0;
    for (std::size_t i = 0; i <= cuts.size() && !decoder.at_end(); ++i) {
        const auto end = i < cuts.size() ? cuts[i] : wire.size();
        const auto used = decoder.decode(wire.substr(start, end - start), result.text);
        result.used += used;
        EXPECT_TRUE(decoder.at_end() || used == end - start);
        start = end;
    }
    result.at_end = decoder.at_end();
    return result;
}

struct ReadCase {
    std::string wire;
    std::string text;
    bool ends;
};

// What a client sends, what is stored, and whether it ended the message (always by its last octets).
const std::vector<ReadCase> read_cases = {
    // As it should be.
    {".\r\n", "", true},
    {"\r\n.\r\n", "\n", true},
    {"a\r\n.\r\n", "a\n", true},
    {"a\r\nb\r\n.\r\n", "a\nb\n", true},
    {"a\r\n", "a\n", false},
    // Transparency (RFC 5321 section 4.5.2).
    {"..\r\n", ".\n", false},
    {"...\r\n", "..\n", false},
    {".a\r\n", "a\n", false},
    {"a.\r\n", "a.\n", false},
    {"a\r\n..b\r\n.\r\n", "a\n.b\n", true},
    {"a..\r\n.\r\n", "a..\n", true},
    {". \r\n", " \n", false},
    // A bare LF is a line end of the text, and never part of an end of data.
    {"a\n.\n", "a\n.\n", false},
    {"a\n.\r\n", "a\n.\n", false},
    {"a\r\n.\n", "a\n\n", false},
    {"a\n..\r\n", "a\n..\n", false},
    {"a\n.\r", "a\n.", false},
    {"\n.\n", "\n.\n", false},
    {".\n", "\n", false},
    {".\n.\r\n", "\n.\n", false},
    {"a\n\r\n.\r\n", "a\n\n", true},
    {"a\r\n\n.\r\n", "a\n\n.\n", false},
    {"a\n.\n\r\n.\r\n", "a\n.\n\n", true},
    // A bare CR is nothing.
    {"a\rb\r\n", "ab\n", false},
    {"a\r.\r", "a.", false},
    {"a\r.\r\n", "a.\n", false},
    {"a\r.\n", "a.\n", false},
    {"a\r\r.\r\r", "a.", false},
    {"a\r\n.\r", "a\n", false},
    {"a\r\n.\rb\r\n", "a\nb\n", false},
    {"a\r\n.\r\r\n", "a\n\n", false},
    {"a\r\n\r.\r\n", "a\n.\n", false},
    {"a\r\n\r..\r\n", "a\n..\n", false},
    {"a\n\r.\r\n", "a\n.\n", false},
    {"a\r\n.\r.\r\n", "a\n.\n", false},
    {"a\r\r\n.\r\n", "a\n", true},
    {"a\r\n.\r\r\n.\r\n", "a\n\n", true},
    {"\r.\r\n", ".\n", false},
    {"\r\r\r", "", false},
    // NUL and 8-bit octets are text, and part of no end.
    {std::string("a\0b\r\n", 5), std::string("a\0b\n", 4), false},
    {std::string("a\r\0\n.\r\n", 7), std::string("a\0\n.\n", 5), false},
    {std::string("a\r\n.\0\r\n", 7), std::string("a\n\0\n", 4), false},
    {std::string("a\r\n\0.\r\n", 7), std::string("a\n\0.\n", 5), false},
    {"\xff\x8d\x8a.\x8d\x8a\r\n", "\xff\x8d\x8a.\x8d\x8a\n", false},
};

TEST(DataDecoder, EndsOnlyAtCrLfDotCrLf) {
    for (const auto& c : read_cases) {
        const Decoded expected{c.text, c.wire.size(), c.ends};
        EXPECT_EQ(decode_in_pieces(c.wire, {}), expected) << testing::PrintToString(c.wire);
    }
}

TEST(DataDecoder, ChunksMayBeCutAnywhere) {
    for (const auto& c : read_cases) {
        const Decoded expected{c.text, c.wire.size(), c.ends};
        for (std::size_t i = 0; i <= c.wire.size(); ++i)
            for (std::size_t j = i; j <= c.wire.size(); ++j)
                ASSERT_EQ(decode_in_pieces(c.wire, {i, j}), expected)
                    << testing::PrintToString(c.wire) << " cut at " << i << " and " << j;
    }
}

TEST(DataDecoder, LeavesWhatFollowsTheEnd) {
    for (const auto& c : read_cases) {
        if (!c.ends) continue;
        EXPECT_EQ(decode_in_pieces(c.wire + "MAIL FROM:<>\r\n", {}), (Decoded{c.text, c.wire.size(), true}));
    }
}

// The octets that matter, in every order, up to eight of them.
template <class Visit>
void for_every_sequence(const Visit& visit) {
    constexpr std::string_view alphabet = "\r\n.a";
    for (std::size_t length = 0, count = 1; length <= 8; ++length, count *= alphabet.size()) {
        for (std::size_t n = 0; n < count; ++n) {
            std::string wire;
            for (std::size_t i = 0, rest = n; i < length; ++i, rest /= alphabet.size())
                wire += alphabet[rest % alphabet.size()];
            visit(wire);
        }
    }
}

// The message ends exactly where the first CRLF.CRLF is, and what is stored, sent on with dots doubled, is
// decoded to itself.
TEST(DataDecoder, EverySequence) {
    for_every_sequence([](const std::string& wire) {
        const Decoded decoded = decode_in_pieces(wire, {});
        const auto end = ("\r\n" + wire).find("\r\n.\r\n");  // DATA's own CRLF counts
        ASSERT_EQ(decoded.at_end, end != std::string::npos) << testing::PrintToString(wire);
        ASSERT_EQ(decoded.used, decoded.at_end ? end + 3 : wire.size()) << testing::PrintToString(wire);

        std::string again;
        bool at_start = true;
        for (const char octet : decoded.text) {
            ASSERT_NE(octet, '\r');
            if (at_start && octet == '.') again += '.';
            again += octet == '\n' ? "\r\n" : std::string(1, octet);
            at_start = octet == '\n';
        }
        ASSERT_EQ(decode_in_pieces(again, {}), (Decoded{decoded.text, again.size(), false}));
    });
}

bool has_lone_cr_or_lf(std::string_view wire) {
    for (std::size_t i = 0; i < wire.size(); ++i) {
        if (wire[i] == '\r' && wire.substr(i, 2) != "\r\n") return true;
        if (wire[i] == '\n' && (i == 0 || wire[i - 1] != '\r')) return true;
    }
    return false;
}

// What we send of what we stored: no lone CR or LF, and an end only at its end.
void expect_sent_on_safely(const std::string& stored, const std::string& wire) {
    BodyEncoder encoder;
    std::string sent;
    encoder.encode(stored, sent);
    encoder.finish(sent);
    ASSERT_FALSE(has_lone_cr_or_lf(sent)) << testing::PrintToString(wire);
    ASSERT_EQ(("\r\n" + sent).find("\r\n.\r\n"), sent.size() - 3) << testing::PrintToString(wire);
}

// In every mode of bare-newline=: what a mode changes is who is refused, and for whom LF is a line end.
TEST(DataDecoder, EverySequenceInEveryMode) {
    for_every_sequence([](const std::string& wire) {
        Decoded strict;
        for (const auto ends : {LineEnds::crlf, LineEnds::crlf_or_refuse, LineEnds::lf_as_well}) {
            DataDecoder decoder(ends);
            Decoded result;
            result.used = decoder.decode(wire, result.text);
            result.at_end = decoder.at_end();
            if (ends == LineEnds::crlf) strict = result;
            expect_sent_on_safely(result.text, wire);
            if (ends == LineEnds::lf_as_well) continue;
            ASSERT_EQ(result, strict) << testing::PrintToString(wire);
            // The end of a message that goes on is not seen: what stands there may be half of a CRLF.
            const std::string seen = wire.substr(0, result.used);
            if (result.at_end) {
                ASSERT_EQ(decoder.has_lone(), has_lone_cr_or_lf(seen)) << testing::PrintToString(wire);
            }
        }
    });
}

// As for_every_sequence(), in chunks: nothing ends the message, a dot is a dot, lines are the same, wherever
// it is cut.
TEST(DataDecoder, EverySequenceInChunks) {
    for_every_sequence([](const std::string& wire) {
        std::string expected;
        for (const char octet : wire)
            if (octet != '\r') expected += octet;
        for (std::size_t cut = 0; cut <= wire.size(); cut += 3) {
            DataDecoder decoder = DataDecoder::for_chunks(LineEnds::crlf);
            std::string text;
            decoder.expect(cut);
            ASSERT_EQ(decoder.decode(wire, text), cut);
            ASSERT_TRUE(decoder.at_end());
            decoder.expect(wire.size() - cut);
            ASSERT_EQ(decoder.decode(wire.substr(cut) + ".\r\nQUIT\r\n", text), wire.size() - cut);
            ASSERT_TRUE(decoder.at_end());
            ASSERT_EQ(text, expected) << testing::PrintToString(wire);
            ASSERT_EQ(decoder.has_lone(), has_lone_cr_or_lf(wire)) << testing::PrintToString(wire);
        }
        expect_sent_on_safely(expected, wire);
    });
}

TEST(DataDecoder, LfIsEnoughForALocalProgramThatUsesIt) {
    EXPECT_EQ(decode_in_pieces("a\n..b\n.\nQUIT\n", {}, LineEnds::lf_as_well), (Decoded{"a\n.b\n", 8, true}));
    EXPECT_EQ(decode_in_pieces("a\r\n.\r\n", {}, LineEnds::lf_as_well), (Decoded{"a\n", 6, true}));
    EXPECT_EQ(decode_in_pieces(".\n", {1}, LineEnds::lf_as_well), (Decoded{"", 2, true}));
    EXPECT_EQ(decode_in_pieces("a\r.\n", {}, LineEnds::lf_as_well), (Decoded{"a.\n", 4, false}));
}

TEST(DataDecoder, ManyLoneCarriageReturns) {
    std::string wire, text;
    for (int i = 0; i < 30000; ++i) wire += "a\r", text += 'a';
    EXPECT_EQ(decode_in_pieces(wire, {}).text, text);
}

class ReadData : public testing::Test {
  protected:
    ReadData() {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        client_ = Fd(ends[0]);
        connection_ = std::make_unique<Connection>(Fd(ends[1]));
    }
    void send(std::string_view text) {
        ASSERT_EQ(::write(client_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    DataEnd read() {
        DataDecoder decoder;
        return read_data(
            *connection_, decoder, [] { return Deadline::after(Seconds(20)); },
            [&](std::string_view text) { text_ += text; });
    }
    Fd client_;
    std::unique_ptr<Connection> connection_;
    std::string text_;
};

TEST_F(ReadData, StopsAtTheEndAndLeavesTheNextCommand) {
    send("Subject: x\r\n\r\n..\r\n.\r\nQUIT\r\n");
    EXPECT_EQ(read(), DataEnd::complete);
    EXPECT_EQ(text_, "Subject: x\n\n.\n");
    EXPECT_EQ(connection_->peek(Deadline::after(Seconds(20))), "QUIT\r\n");
}

TEST_F(ReadData, TellsThatTheClientLeft) {
    send("half\r\n.\r");
    client_.reset();
    EXPECT_EQ(read(), DataEnd::closed);
}

}  // namespace
}  // namespace postoffice
