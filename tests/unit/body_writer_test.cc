#include "../../src/smtp/client/body_writer.h"

#include <gtest/gtest.h>

#include <random>

#include "../support/body_model.h"

namespace postoffice {
namespace {

using test::normalised;
using test::receive;

std::string encoded(std::string_view message, std::size_t piece = 65536) {
    BodyEncoder encoder;
    std::string out;
    while (!message.empty()) {
        encoder.encode(message.substr(0, piece), out);
        message.remove_prefix(std::min(piece, message.size()));
    }
    encoder.finish(out);
    return out;
}

TEST(BodyEncoder, LinesEndWithCrlf) {
    EXPECT_EQ(encoded("Subject: x\n\nhello\n"), "Subject: x\r\n\r\nhello\r\n.\r\n");
}

TEST(BodyEncoder, NothingAtAllIsOnlyTheDot) {
    EXPECT_EQ(encoded(""), ".\r\n");
}

TEST(BodyEncoder, TheLastLineGetsItsEnd) {
    EXPECT_EQ(encoded("a\nb"), "a\r\nb\r\n.\r\n");
}

TEST(BodyEncoder, DotsAtTheStartOfALineAreDoubled) {
    EXPECT_EQ(encoded(".\n..\n.x\nx.\n"), "..\r\n...\r\n..x\r\nx.\r\n.\r\n");
    EXPECT_EQ(encoded("."), "..\r\n.\r\n");
}

TEST(BodyEncoder, NoCrSurvives) {
    EXPECT_EQ(encoded("a\r\nb\rc\r\r\n\r"), "a\r\nbc\r\n.\r\n");
}

TEST(BodyEncoder, WhatOthersMightTakeForTheEndIsNotOne) {
    for (const std::string_view end :
         {"\n.\n", "\r.\r", "\r\n.\r", "\n.\r\n", "\r\n.\n", "\n\r.\r\n", "\n.\r\r\n"}) {
        const std::string message = "head\n" + std::string(end) + "MAIL FROM:<evil@x>\n";
        const auto received = receive(encoded(message));
        EXPECT_TRUE(received.ended);
        EXPECT_EQ(received.rest, "");
        EXPECT_FALSE(received.has_lone_cr_or_lf);
        EXPECT_EQ(received.stored, normalised(message));
    }
}

TEST(BodyEncoder, NulAndEightBitPass) {
    const std::string message("a\0b\n\0.\n.\0\n\xff\xfe\n", 13);
    EXPECT_EQ(receive(encoded(message)).stored, message);
}

TEST(BodyEncoder, ALineOf998OctetsStays) {
    const std::string line(998, 'x');
    EXPECT_EQ(encoded(line + "\n"), line + "\r\n.\r\n");
}

TEST(BodyEncoder, TheStuffedDotDoesNotCount) {
    const std::string line = "." + std::string(997, 'x');
    EXPECT_EQ(encoded(line + "\n"), "." + line + "\r\n.\r\n");
}

TEST(BodyEncoder, ALongLineIsFoldedBeforeABlank) {
    const std::string line = std::string(900, 'x') + " " + std::string(200, 'y');
    EXPECT_EQ(encoded(line), std::string(900, 'x') + "\r\n " + std::string(200, 'y') + "\r\n.\r\n");
}

TEST(BodyEncoder, ABlankRightBehindTheLimitWillDo) {
    const std::string line = std::string(998, 'x') + " y";
    EXPECT_EQ(encoded(line), std::string(998, 'x') + "\r\n y\r\n.\r\n");
}

TEST(BodyEncoder, ALongWordIsCut) {
    EXPECT_EQ(encoded(std::string(999, 'x')), std::string(998, 'x') + "\r\n x\r\n.\r\n");
    EXPECT_EQ(encoded(std::string(998 + 997 + 1, 'x')),
              std::string(998, 'x') + "\r\n " + std::string(997, 'x') + "\r\n x\r\n.\r\n");
}

TEST(BodyEncoder, NoFoldBehindTheColonWhereItGainsNothing) {
    const std::string field = "Subject: " + std::string(3000, 'x') + " y\n";
    for (const std::size_t piece : {1U, 100U, 65536U}) {
        const std::string sent = encoded(field, piece);
        EXPECT_TRUE(sent.starts_with("Subject: x")) << piece;
        EXPECT_EQ(receive(sent).stored, normalised(field));
    }
    const std::string fits = "Subject: " + std::string(997, 'x');
    EXPECT_EQ(encoded(fits), "Subject:\r\n " + std::string(997, 'x') + "\r\n.\r\n") << "the word stays whole";
}

TEST(BodyEncoder, ARunOfBlanksInTheHeaderMakesNoLineOfBlanks) {
    const std::string blanks(2500, ' ');
    for (const std::string& text : {"Subject: a" + blanks + "b", "Subject: a" + blanks,
                                    "To: a,\n" + blanks + "b", "X:" + blanks + "b"}) {
        for (const std::size_t piece : {1U, 7U, 1000U, 65536U}) {
            const auto received = receive(encoded(text + "\n\nbody\n", piece));
            EXPECT_EQ(received.stored, normalised(text + "\n\nbody\n"));
            std::string_view rest = received.stored;
            std::string letters;
            while (!rest.empty()) {
                const auto line = rest.substr(0, rest.find('\n'));
                rest.remove_prefix(line.size() + 1);
                EXPECT_TRUE(line.empty() || line.find_first_not_of(' ') != line.npos) << text.substr(0, 12);
            }
            EXPECT_LE(received.longest_line, BodyEncoder::longest_line);
        }
    }
    EXPECT_EQ(receive(encoded("Subject: x\n\n" + blanks + "b\n")).stored.size(), 2500U + 12 + 2 + 2)
        << "in the body nothing is left out";
}

TEST(BodyEncoder, ALineOfBlanksInTheHeaderDoesNotEndIt) {
    const auto received = receive(encoded("To: a,\n" + std::string(2500, ' ') + "\n b\n"));
    EXPECT_EQ(received.stored.find("\n\n"), std::string::npos);
}

TEST(BodyEncoder, ADotAfterACutStartsNoLine) {
    EXPECT_EQ(encoded(std::string(998, 'x') + ".\n"), std::string(998, 'x') + "\r\n .\r\n.\r\n");
}

TEST(BodyEncoder, ACutTearsNoUtf8Apart) {
    EXPECT_EQ(encoded(std::string(997, 'x') + "\u00e4"), std::string(997, 'x') + "\r\n \u00e4\r\n.\r\n");
    EXPECT_EQ(encoded(std::string(1000, '\x80')), std::string(998, '\x80') + "\r\n \x80\x80\r\n.\r\n");
}

TEST(BodyEncoder, ALongHeaderFieldKeepsItsAddresses) {
    std::string field = "To: a@example.org";
    while (field.size() < 5000) field += ", someone-" + std::to_string(field.size()) + "@example.org";
    std::string unfolded = receive(encoded(field)).stored;
    EXPECT_LE(receive(encoded(field)).longest_line, BodyEncoder::longest_line);
    std::erase(unfolded, '\n');
    EXPECT_EQ(unfolded, field);
}

TEST(BodyEncoder, PiecesDoNotMatter) {
    std::mt19937 random(7);
    const std::string alphabet = "..\r\n\n \tx\xc3\xa4";
    for (int round = 0; round < 200; ++round) {
        std::string message;
        while (message.size() < 4000) {
            const std::size_t count = random() % 20 == 0 ? random() % 1500 : 1;
            message.append(count, alphabet[random() % alphabet.size()]);
        }
        const std::string whole = encoded(message);
        EXPECT_EQ(encoded(message, 1 + random() % 100), whole);
        const auto received = receive(whole);
        EXPECT_TRUE(received.ended);
        EXPECT_EQ(received.rest, "");
        EXPECT_LE(received.longest_line, BodyEncoder::longest_line);
        EXPECT_EQ(received.stored, normalised(message));
    }
}

}  // namespace
}  // namespace postoffice
