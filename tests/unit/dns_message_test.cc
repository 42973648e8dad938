#include "postoffice/net/dns_message.h"

#include <gtest/gtest.h>

#include "dns_servers.h"

namespace postoffice {
namespace {

FakeQuery query_for(const std::string& name, DnsType type) {
    FakeQuery query;
    query.question = {name, type};
    query.id = 0x1234;
    return query;
}

// A header with one answer and no question, so that the answer starts at offset 12.
std::string message_with(const std::string& record) {
    return wire_u16(1) + wire_u16(response_flags) + wire_u16(0) + wire_u16(1) + wire_u16(0) + wire_u16(0) +
           record;
}

TEST(DnsMessage, QuestionHasItsWireForm) {
    const auto query = encode_query(0xabcd, {"mx.a.test", DnsType::mx}, false);
    ASSERT_TRUE(query);
    EXPECT_EQ(*query, std::string("\xab\xcd\x01\x20\x00\x01\x00\x00\x00\x00\x00\x00"
                                  "\x02mx\x01"
                                  "a\x04test\x00\x00\x0f\x00\x01",
                                  27));
}

TEST(DnsMessage, EdnsAddsOneEmptyOptRecord) {
    const auto plain = encode_query(1, {"a.test", DnsType::a}, false);
    const auto with_edns = encode_query(1, {"a.test", DnsType::a}, true);
    EXPECT_EQ((*with_edns)[11], 1);
    EXPECT_EQ(with_edns->substr(plain->size()), std::string("\0\0\x29\x04\xd0\0\0\0\0\0\0", 11));
}

TEST(DnsMessage, NamesThatAreNoneAreNotAsked) {
    for (const std::string& name :
         {std::string(""), std::string("."), std::string("a..test"), std::string(".a"), std::string("a."),
          std::string("a b.test"), std::string("a\0b.test", 8), std::string("a\\.test"),
          std::string("\xc3\xa4.test"), std::string(64, 'x') + ".test", std::string(254, 'x')})
        EXPECT_FALSE(encode_query(1, {name, DnsType::a}, true)) << name;
    const std::string label(63, 'x');
    const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'y');
    EXPECT_EQ(longest.size(), 253U);
    EXPECT_TRUE(encode_query(1, {longest, DnsType::a}, true));
    EXPECT_FALSE(encode_query(1, {longest + "y", DnsType::a}, true));
}

TEST(DnsMessage, OddOctetsInNamesAreAskedByTheirNumbers) {
    const auto query = encode_query(1, {"a\\032b\\046c.test", DnsType::a}, false);
    ASSERT_TRUE(query);
    EXPECT_NE(query->find(std::string("\x05"
                                      "a b.c\x04test\0",
                                      12)),
              std::string::npos);
    EXPECT_EQ(decode_message(*query)->question->name, "a\\032b\\046c.test");
    for (const char* name : {"a\\03", "a\\", "a\\300.test", "a\\0x1.test", "a\\b.test"})
        EXPECT_FALSE(encode_query(1, {name, DnsType::a}, false)) << name;
}

TEST(DnsMessage, AnswersAreRead) {
    const auto query = query_for("a.test", DnsType::mx);
    const auto message = decode_message(wire_response(
        query, response_flags | authoritative_flag,
        {wire_record("a.test", DnsType::mx, wire_u16(10) + wire_name("Mail.A.Test")),
         a_record("mail.a.test", "192.0.2.1"),
         wire_record("mail.a.test", DnsType::aaaa, std::string(15, '\0') + '\x09'),
         cname_record("www.a.test", "mail.a.test"), wire_record("a.test", DnsType{257}, "\x03txt"),
         wire_record("a.test", DnsType::txt, std::string("\x03one\x00\x04 two", 10))},
        {wire_record("a.test", DnsType::ns, wire_name("ns.a.test"))}));
    ASSERT_TRUE(message);
    EXPECT_EQ(message->id, 0x1234);
    EXPECT_TRUE(message->is_response);
    EXPECT_TRUE(message->is_authoritative);
    EXPECT_FALSE(message->is_truncated);
    EXPECT_EQ(message->question, query.question);
    ASSERT_EQ(message->answers.size(), 5U);
    EXPECT_EQ(message->answers[0].preference, 10);
    EXPECT_EQ(message->answers[0].target, "mail.a.test");
    EXPECT_EQ(message->answers[1].address.to_string(), "192.0.2.1");
    EXPECT_EQ(message->answers[2].address.to_string(), "::9");
    EXPECT_EQ(message->answers[3].target, "mail.a.test");
    EXPECT_EQ(message->answers[4].text, "one two");
    EXPECT_TRUE(message->has_ns);
    EXPECT_FALSE(message->has_soa);
}

TEST(DnsMessage, EveryCutOfAnAnswerIsRefusedOrHarmless) {
    const std::string whole =
        wire_response(query_for("a.test", DnsType::mx), response_flags,
                      {wire_record("a.test", DnsType::mx, wire_u16(10) + wire_name("mail.a.test"))},
                      {wire_record("a.test", DnsType::soa, std::string(22, 'x'))});
    ASSERT_TRUE(decode_message(whole));
    EXPECT_TRUE(decode_message(whole + "trailing octets"));
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_FALSE(decode_message(std::string(whole, 0, size))) << size;
}

TEST(DnsMessage, ShortestAnswersAreWholeAnswers) {
    const auto bare = decode_message(wire_u16(7) + wire_u16(0x8002) + std::string(8, '\0'));
    ASSERT_TRUE(bare);
    EXPECT_EQ(bare->code, DnsCode::server_failure);
    EXPECT_FALSE(bare->question);
    const auto negative = decode_message(wire_response(query_for("a", DnsType::a), response_flags | 3, {}));
    ASSERT_TRUE(negative);
    EXPECT_EQ(negative->code, DnsCode::no_such_name);
    EXPECT_EQ(negative->question->name, "a");
}

TEST(DnsMessage, TruncatedMessagesAreReadUpToTheQuestion) {
    std::string wire = wire_response(query_for("a.test", DnsType::a), response_flags | truncated_flag,
                                     {a_record("a.test", "192.0.2.1")});
    wire.resize(wire.size() - 3);
    const auto message = decode_message(wire);
    ASSERT_TRUE(message);
    EXPECT_TRUE(message->is_truncated);
    EXPECT_TRUE(message->answers.empty());
    EXPECT_EQ(message->question->name, "a.test");
}

TEST(DnsMessage, CompressedNamesAreFollowedBackwards) {
    std::string wire = wire_response(query_for("a.test", DnsType::cname), response_flags, {});
    wire[7] = 1;
    wire += std::string(
        "\xc0\x0c\0\x05\0\x01\0\0\0\0\0\x04\x01"
        "b\xc0\x0e",
        16);
    const auto message = decode_message(wire);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->answers.at(0).owner, "a.test");
    EXPECT_EQ(message->answers.at(0).target, "b.test");
}

TEST(DnsMessage, CompressionThatDoesNotEndIsRefused) {
    const std::string rest = std::string("\0\x01\0\x01\0\0\0\0\0\x04\x01\x02\x03\x04", 14);
    EXPECT_TRUE(decode_message(message_with(std::string("\0", 1) + rest)));
    EXPECT_FALSE(decode_message(message_with("\xc0\x0c" + rest)));       // to itself
    EXPECT_FALSE(decode_message(message_with("\x01x\xc0\x0c" + rest)));  // round in a loop
    EXPECT_FALSE(decode_message(message_with("\xff\xff" + rest)));       // beyond the end
    EXPECT_FALSE(decode_message(message_with("\x40" + rest)));           // an unused label type
    EXPECT_FALSE(decode_message(message_with("\x80" + rest)));
}

TEST(DnsMessage, RecordsThatReachBeyondTheMessageAreRefused) {
    std::string record = a_record("a.test", "192.0.2.1");
    record[record.size() - 5] = 5;  // length of the data
    EXPECT_FALSE(decode_message(message_with(record)));
    record[record.size() - 6] = '\xff';
    EXPECT_FALSE(decode_message(message_with(record)));
}

TEST(DnsMessage, DataOfTheWrongSizeIsRefused) {
    EXPECT_FALSE(decode_message(message_with(wire_record("a", DnsType::a, "123"))));
    EXPECT_FALSE(decode_message(message_with(wire_record("a", DnsType::a, "12345"))));
    EXPECT_FALSE(decode_message(message_with(wire_record("a", DnsType::aaaa, "1234"))));
    EXPECT_FALSE(decode_message(message_with(wire_record("a", DnsType::mx, "1"))));
    EXPECT_FALSE(decode_message(message_with(wire_record("a", DnsType::mx, wire_u16(1)))));
    EXPECT_FALSE(decode_message(message_with(wire_record("a", DnsType::cname, wire_name("b.test") + "x"))));
    // A name may not run out of its record into the next one.
    EXPECT_FALSE(decode_message(message_with(wire_record("a", DnsType::cname,
                                                         "\x05"
                                                         "abc") +
                                             "de" + '\0')));
}

TEST(DnsMessage, NamesLongerThanTheLimitAreRefused) {
    const std::string label = std::string(1, '\x3f') + std::string(63, 'x');
    const std::string longest = label + label + label + std::string(1, '\x3d') + std::string(61, 'y') + '\0';
    const std::string rest = wire_u16(1) + wire_u16(1) + std::string(4, '\0') + wire_u16(4) + "1234";
    ASSERT_EQ(longest.size(), 255U);
    EXPECT_TRUE(decode_message(message_with(longest + rest)));
    EXPECT_FALSE(decode_message(message_with(label + label + label + label + '\0' + rest)));
}

TEST(DnsMessage, OddOctetsInNamesAreEscaped) {
    std::string name("\x04", 1);
    name += std::string("a.\0\xff", 4) + "\x02\\ " + '\0';
    const auto message = decode_message(message_with(wire_record("a", DnsType::ptr, name)));
    ASSERT_TRUE(message);
    EXPECT_EQ(message->answers.at(0).target, "a\\046\\000\\255.\\092\\032");
}

TEST(DnsMessage, OtherClassesAreLeftOutAndSeveralQuestionsRefused) {
    std::string chaos = a_record("a", "192.0.2.1");
    chaos[6] = 3;  // "\1a\0" type class
    EXPECT_TRUE(decode_message(message_with(chaos))->answers.empty());
    std::string two = wire_response(query_for("a", DnsType::a), response_flags, {});
    two[5] = 2;
    two += wire_name("a") + wire_u16(1) + wire_u16(1);
    EXPECT_FALSE(decode_message(two));
}

TEST(DnsMessage, OptRecordHoldsTheUpperBitsOfTheCode) {
    std::string wire = wire_response(query_for("a", DnsType::a), response_flags, {});
    wire[11] = 1;
    wire += std::string("\0\0\x29\x04\xd0\x01\0\0\0\0\0", 11);
    EXPECT_EQ(decode_message(wire)->code, DnsCode::bad_version);
}

TEST(DnsMessage, TypesAndCodesAreShownByName) {
    EXPECT_EQ(to_string(DnsType::aaaa), "AAAA");
    EXPECT_EQ(to_string(DnsType{257}), "TYPE257");
    EXPECT_EQ(to_string(DnsCode::refused), "REFUSED");
    EXPECT_EQ(to_string(DnsCode{9}), "RCODE9");
}

}  // namespace
}  // namespace postoffice
