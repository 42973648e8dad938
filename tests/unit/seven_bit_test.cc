// A message with octets above 127 becomes one of seven bits that says the same, where its structure allows.
#include "postoffice/mail/seven_bit.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace postoffice {
namespace {

SevenBitPlan plan_of(std::string_view message) {
    SevenBitPlanner planner;
    planner.read(message);
    return planner.finish();
}

std::string converted(std::string_view message) {
    const SevenBitPlan plan = plan_of(message);
    EXPECT_EQ(plan.obstacle, "");
    SevenBitConverter converter(plan);
    std::string out;
    converter.convert(message, out);
    converter.finish(out);
    return out;
}

const std::string text_header =
    "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
    "Content-Transfer-Encoding: 8bit\n\n";
const std::string quoted_header =
    "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
    "Content-Transfer-Encoding: quoted-printable\n\n";

TEST(SevenBit, ATextBecomesQuotedPrintable) {
    EXPECT_EQ(converted(text_header + "Gr\xc3\xbc\xc3\x9f"
                                      "e, a=b and more text\nend \n.\nFrom here\n"),
              quoted_header + "Gr=C3=BC=C3=9Fe, a=3Db and more text\nend=20\n=2E\n=46rom here\n");
}

TEST(SevenBit, ALongLineIsBrokenSoftlyAndMakesNoDelimiter) {
    const std::string line = std::string(75, 'x') + "--b\xc3\xa4" + std::string(80, 'y');
    EXPECT_EQ(converted(text_header + line), quoted_header + std::string(75, 'x') + "=\n=2D-b=C3=A4" +
                                                 std::string(64, 'y') + "=\n" + std::string(16, 'y'));
}

TEST(SevenBit, AnotherScriptBecomesBase64WithCanonicalLineEnds) {
    const std::string body = "\xd0\x9f\xd1\x80\xd0\xb8\n";
    EXPECT_EQ(converted(text_header + body),
              "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
              "Content-Transfer-Encoding: base64\n\n0J/RgNC4DQo=\n");
}

TEST(SevenBit, AMessageWithoutMimeIsDeclared) {
    EXPECT_EQ(converted("Subject: cron\n\nA text with one \xc3\xa4 in it\n"),
              "Subject: cron\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
              "Content-Transfer-Encoding: quoted-printable\n\nA text with one =C3=A4 in it\n");
    EXPECT_NE(converted("Subject: cron\n\nA text with one \xe4 in it\n").find("charset=unknown-8bit\n"),
              std::string::npos);
}

TEST(SevenBit, PartsAreConvertedAndMultipartsAreNotEncoded) {
    EXPECT_EQ(converted("Content-Type: multipart/mixed; boundary=\"o o\" (comment; boundary=no)\n"
                        "MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n\n"
                        "pre\xc3\xa4mble\n--o o \nContent-Type: text/plain\n\nascii\n"
                        "--o o\n\nwithout a type: \xc3\xa4\n"
                        "--o o\nContent-Type: application/x\ncontent-transfer-encoding: BINARY\n\n"
                        "\xff\xfe\xfd\n--o o--\nepilogue\n"),
              "Content-Type: multipart/mixed; boundary=\"o o\" (comment; boundary=no)\n"
              "MIME-Version: 1.0\nContent-Transfer-Encoding: 7bit\n\n"
              "pre??mble\n--o o \nContent-Type: text/plain\n\nascii\n"
              "--o o\nContent-Type: text/plain; charset=utf-8\n"
              "Content-Transfer-Encoding: quoted-printable\n\nwithout a type: =C3=A4\n"
              "--o o\nContent-Type: application/x\nContent-Transfer-Encoding: base64\n\n"
              "//79\n--o o--\nepilogue\n");
}

TEST(SevenBit, AnEmbeddedMessageIsConvertedInside) {
    EXPECT_EQ(converted("MIME-Version: 1.0\nContent-Type: multipart/digest; boundary=b\n\n"
                        "--b\n\nSubject: inner\n\nThe inner text has \xc3\xa4\n--b--\n"),
              "MIME-Version: 1.0\nContent-Type: multipart/digest; boundary=b\n\n"
              "--b\n\nSubject: inner\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
              "Content-Transfer-Encoding: quoted-printable\n\nThe inner text has =C3=A4\n--b--\n");
}

TEST(SevenBit, TheDelimiterOfAnOuterMultipartEndsTheInnerOne) {
    const std::string out = converted(
        "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n"
        "--b\n\nnever ended\n--a\n\nwith \xc3\xa4 in the outer one\n--a--\n");
    EXPECT_NE(out.find("\n--a\nContent-Type: text/plain; charset=utf-8\n"), std::string::npos);
}

TEST(SevenBit, WhatNeedsNoConversionStaysAsItIs) {
    const std::string message = "Content-Type: multipart/mixed; boundary=a\nX: y\n\n--a\n\n=20 \n.\n--a--";
    EXPECT_EQ(converted(message), message);
}

struct Hopeless {
    std::string message;
    std::string status = "5.6.3";
};

TEST(SevenBit, WhatCannotBeConvertedIsTold) {
    const std::string mixed = "Content-Type: multipart/mixed; boundary=a\n\n--a\n";
    for (const Hopeless& one : {
             Hopeless{"Subject: \xc3\xa4\n\ntext\n", "5.6.7"},
             Hopeless{mixed + "X: \xe4\n\ntext\n", "5.6.7"},
             Hopeless{"Content-Type: multipart/signed; boundary=a\n\n--a\n\n\xe4\n--a--\n"},
             Hopeless{"Content-Type: multipart/signed; boundary=a\n\n--a\n"
                      "Content-Type: multipart/mixed; boundary=b\n\n\xe4\n--b--\n--a--\n"},
             Hopeless{"Content-Transfer-Encoding: base64\n\n\xe4\n"},
             Hopeless{"Content-Transfer-Encoding: x-uuencode\n\n\xe4\n"},
             Hopeless{"Content-Type: multipart/mixed\n\n--a\n\n\xe4\n"},
             Hopeless{"Content-Type: message/partial; id=x\n\n\xe4\n"},
         })
        EXPECT_EQ(plan_of(one.message).status, one.status) << one.message;
}

TEST(SevenBit, AnEndlessStructureIsRefused) {
    std::string nested;
    for (std::size_t i = 0; i <= MimeReader::most_levels; ++i)
        nested += "Content-Type: multipart/mixed; boundary=b" + std::to_string(i) + "\n\n--b" +
                  std::to_string(i) + "\n";
    EXPECT_EQ(plan_of(nested).status, "5.6.3");
    std::string many = "Content-Type: multipart/mixed; boundary=b\n\n";
    for (std::size_t i = 0; i <= MimeReader::most_entities; ++i) many += "--b\n\n\n";
    EXPECT_EQ(plan_of(many).status, "5.6.3");
    EXPECT_EQ(plan_of("X: " + std::string(MimeReader::most_header_octets, 'x') + "\n\n").status, "5.6.3");
}

}  // namespace
}  // namespace postoffice
