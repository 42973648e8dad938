// How an event looks in the log.
#include "postoffice/base/log_line.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "log_lines.h"
#include "postoffice/base/log.h"
#include "postoffice/base/utf8.h"
#include "spool_folder.h"

namespace postoffice {
namespace {

constexpr LogStamp noon = {1795953600, "postoffice", 12};  // 2026-11-29T12:00:00Z

std::string value_text(std::string_view value) {
    std::string line;
    append_text(line, {"", "refused", {{"reason", value}}});
    return line.substr(std::string_view("refused reason=").size());
}

nlohmann::json object_of(const LogRecord& record) {
    std::string line;
    append_json(line, noon, record);
    EXPECT_TRUE(is_utf8(line)) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos);
    return nlohmann::json::parse(line);
}

std::string json_value(std::string_view value) {
    return object_of({"", "refused", {{"reason", value}}})["reason"];
}

TEST(LogText, NamesTheMessageTheEventAndWhatHasAValue) {
    std::string line;
    append_stamp(line, noon);
    append_text(line, {"4F2A", "delivered", {{"to", "<bob@b.test>"}, {"mark", ""}, {"user", "bob"}}});
    EXPECT_EQ(line, "2026-11-29T12:00:00Z postoffice[12]: 4F2A: delivered to=<bob@b.test> user=bob");
}

TEST(LogText, AValueCannotForgeALineNorAField) {
    EXPECT_EQ(value_text("plain"), "plain");
    EXPECT_EQ(value_text("two words"), "\"two words\"");
    EXPECT_EQ(value_text("x user=root"), "\"x user=root\"");
    EXPECT_EQ(value_text("a=b"), "\"a=b\"");
    EXPECT_EQ(value_text("say \"no\""), "\"say 'no'\"");
    EXPECT_EQ(value_text("one\nReceived: two"), "\"one?Received: two\"");
    EXPECT_EQ(value_text("\x1b[2J\xff"), "?[2J?");
    EXPECT_EQ(value_text("caf\xc3\xa9"), "caf\xc3\xa9");
}

TEST(LogJson, HasTheFixedKeysAndTheFields) {
    const auto object = object_of({"4F2A", "delivered", {{"to", "<bob@b.test>"}, {"mark", ""}}});
    EXPECT_EQ(object, nlohmann::json({{"time", "2026-11-29T12:00:00Z"},
                                      {"tag", "postoffice"},
                                      {"pid", 12},
                                      {"level", "info"},
                                      {"id", "4F2A"},
                                      {"event", "delivered"},
                                      {"to", "<bob@b.test>"}}));
    EXPECT_FALSE(object_of({"", "started", {}}).contains("id"));
    EXPECT_EQ(object_of({"", "crash", {}})["level"], "crit");
    EXPECT_EQ(object_of({"", "audit", {}})["level"], "debug");
}

TEST(LogJson, IsValidWhateverAValueHolds) {
    EXPECT_EQ(json_value("say \"no\" \\ = yes"), "say \"no\" \\ = yes");
    EXPECT_EQ(json_value("one\r\ntwo\t\x1b[2J\x7f"), "one\r\ntwo\t\x1b[2J\x7f");
    EXPECT_EQ(json_value("caf\xc3\xa9 \xe2\x80\xae"), "caf\xc3\xa9 \xe2\x80\xae");
    EXPECT_EQ(json_value("caf\xe9 \xc3"), "caf\xef\xbf\xbd \xef\xbf\xbd");
    EXPECT_EQ(json_value("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");  // a surrogate
    EXPECT_EQ(json_value(std::string(1, '\0') + "x"), std::string(1, '\0') + "x");
    std::string all;
    for (int octet = 1; octet < 256; ++octet) all += static_cast<char>(octet);
    EXPECT_EQ(json_value(all).substr(0, 0x7f), all.substr(0, 0x7f));
}

TEST(LogJson, HasNumbersWhereTheKeySaysSo) {
    const auto object = object_of({"4F2A", "received", {{"size", "814"}, {"nrcpt", "0"}, {"helo", "12"}}});
    EXPECT_EQ(object["size"], 814);
    EXPECT_EQ(object["nrcpt"], 0);
    EXPECT_EQ(object["helo"], "12");
    EXPECT_EQ(object_of({"", "crash", {{"child", "007"}}})["child"], "007");
    EXPECT_EQ(object_of({"", "crash", {{"child", "-1"}}})["child"], "-1");
}

// What must not stand raw in a file that a person may look at.
TEST(LogJson, HasNoControlCharacter) {
    std::string line;
    append_json(line, noon, {"", "refused", {{"reason", "\x1b[2J\x7f\xc2\x9b\xe2\x80\xae"}}});
    EXPECT_NE(line.find("\\u001b[2J\\u007f\\u009b\\u202e"), std::string::npos) << line;
}

// All that goes to the file has the form, audit records and what is counted, too.
TEST(LogJson, IsTheFormOfEachLineOfAFile) {
    const test::TemporaryFolder folder;
    const test::LogLines log(folder.path(), LogFormat::json);
    log_event("4F2A", "not-stored", {{"reason", "no space"}});
    log_audit("AUDIT:1163894400:192.0.2.7:EHLO:250:mail.example.org");
    const auto lines = log.with("");
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(nlohmann::json::parse(lines[0])["reason"], "no space");
    EXPECT_EQ(nlohmann::json::parse(lines[0])["level"], "err");
    EXPECT_EQ(nlohmann::json::parse(lines[1])["record"],
              "AUDIT:1163894400:192.0.2.7:EHLO:250:mail.example.org");
}

TEST(LogJson, BeginsAndEndsWithTheConfigurationThatSaysSo) {
    const test::TemporaryFolder folder;
    const std::string path = folder.path() + "/log";
    const test::LogLines log(folder.path());
    reopen_log(path, LogFormat::json);
    log_event("", "started");
    reopen_log(path, LogFormat::text);
    log_event("", "started");
    const auto lines = log.with("started");
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(lines[0].front(), '{');
    EXPECT_NE(lines[1].find("test["), std::string::npos);
}

}  // namespace
}  // namespace postoffice
