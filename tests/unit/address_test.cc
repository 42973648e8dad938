// Addresses of RFC 5321 and RFC 5322: what is accepted, what it means, how it is written again.
#include "postoffice/mail/address.h"

#include <gtest/gtest.h>

#include "postoffice/base/idn.h"

namespace postoffice {
namespace {

std::string path_of(std::string_view text, bool allow_null = true, bool allow_unqualified = false) {
    const auto path = parse_path(text, {allow_null, allow_unqualified, false});
    return path ? "<" + path->address.to_string() + ">" : "error: " + path.problem();
}

bool refuses_path(std::string_view text, bool allow_null = true, bool allow_unqualified = false) {
    const auto path = parse_path(text, {allow_null, allow_unqualified, false});
    return !path && !path.problem().empty();
}

std::string mailbox_of(std::string_view text) {
    const auto address = parse_mailbox(text);
    return address ? "<" + address->to_string() + ">" : "error: " + address.problem();
}

bool refuses_mailbox(std::string_view text) {
    return !parse_mailbox(text);
}

/// The addresses with a blank between them.
std::string list_of(std::string_view text) {
    const auto list = parse_address_list(text);
    if (!list) return "error: " + list.problem();
    std::string joined;
    for (const Address& address : *list) joined += (joined.empty() ? "" : " ") + address.to_string();
    return joined;
}

bool refuses_list(std::string_view text) {
    return !parse_address_list(text);
}

std::string domain_of_length(std::size_t length) {
    std::string domain;
    while (domain.size() + 2 < length) domain += domain.size() % 32 == 31 ? "." : "d";
    while (domain.size() < length) domain += "e";
    return domain;
}

TEST(AddressPath, ReadsExamplesOfTheStandard) {
    EXPECT_EQ(path_of("<Smith@bar.com>"), "<Smith@bar.com>");
    EXPECT_EQ(path_of("<userx@y.foo.org>"), "<userx@y.foo.org>");
    EXPECT_EQ(path_of("<@hosta.int,@jkl.org:userc@d.bar.org>"), "<userc@d.bar.org>");
    EXPECT_EQ(path_of("<@ONE,@TWO:JOE@THREE>"), "<JOE@three>");
    EXPECT_EQ(path_of("<Postmaster>"), "<Postmaster>");
    EXPECT_EQ(path_of("<>"), "<>");
}

TEST(AddressPath, FoldsTheDomainAndKeepsTheName) {
    const auto path = parse_path("<Joe.User@EXAMPLE.Org>", {.allow_null = true});
    ASSERT_TRUE(path) << path.problem();
    EXPECT_EQ(path->address.local_part(), "Joe.User");
    EXPECT_EQ(path->address.domain(), "example.org");
}

TEST(AddressPath, GivesParametersBehindIt) {
    const auto path = parse_path(" <a@b.example>  SIZE=100 BODY=8BITMIME ", {.allow_null = true});
    ASSERT_TRUE(path) << path.problem();
    EXPECT_EQ(path->parameters, "SIZE=100 BODY=8BITMIME");
    EXPECT_TRUE(parse_path("<>", {.allow_null = true})->parameters.empty());
}

TEST(AddressPath, NeedsBrackets) {
    EXPECT_TRUE(refuses_path("a@b.example"));
    EXPECT_TRUE(refuses_path(""));
    EXPECT_TRUE(refuses_path("   "));
    EXPECT_TRUE(refuses_path("a@b.example>"));
    EXPECT_TRUE(refuses_path("<"));
    EXPECT_TRUE(refuses_path("<a@b.example"));
    EXPECT_TRUE(refuses_path("<a@b.example SIZE=1"));
    EXPECT_TRUE(refuses_path("<a@b.example>SIZE=1"));
    EXPECT_TRUE(refuses_path("<<a@b.example>>"));
    EXPECT_TRUE(refuses_path("Joe <a@b.example>"));
}

TEST(AddressPath, NullPathOnlyWhereAllowed) {
    EXPECT_TRUE(refuses_path("<>", false));
    EXPECT_TRUE(parse_path("<>", {.allow_null = true})->address.is_null());
}

TEST(AddressPath, UnqualifiedOnlyWhereAllowedExceptPostmaster) {
    EXPECT_TRUE(refuses_path("<bob>"));
    EXPECT_EQ(path_of("<bob>", true, true), "<bob>");
    EXPECT_EQ(path_of("<postMASTER>"), "<postMASTER>");
}

TEST(AddressPath, QuotedNames) {
    EXPECT_EQ(path_of(R"(<"Joe Q"@b.example>)"), R"(<"Joe Q"@b.example>)");
    EXPECT_EQ(path_of(R"(<"joe"@b.example>)"), "<joe@b.example>");
    EXPECT_EQ(path_of(R"(<"j\o\e"@b.example>)"), "<joe@b.example>");
    EXPECT_EQ(path_of(R"(<"a@b>c"@b.example> SIZE=1)"), R"(<"a@b>c"@b.example>)");
    const auto path = parse_path(R"(<"a\"b\\c"@b.example>)", {.allow_null = true});
    ASSERT_TRUE(path) << path.problem();
    EXPECT_EQ(path->address.local_part(), R"(a"b\c)");
    EXPECT_EQ(path->address.to_string(), R"("a\"b\\c"@b.example)");
    EXPECT_TRUE(refuses_path(R"(<"joe@b.example>)"));
    EXPECT_TRUE(refuses_path(R"(<"joe\)"));
    EXPECT_TRUE(refuses_path(R"(<""@b.example>)"));
    EXPECT_TRUE(refuses_path(R"(<"a"b@c.example>)"));
}

TEST(AddressPath, DotsOnlyBetweenAtoms) {
    EXPECT_EQ(path_of("<a.b.c@d.example>"), "<a.b.c@d.example>");
    EXPECT_TRUE(refuses_path("<.a@d.example>"));
    EXPECT_TRUE(refuses_path("<a.@d.example>"));
    EXPECT_TRUE(refuses_path("<a..b@d.example>"));
    EXPECT_EQ(path_of(R"(<"a..b"@d.example>)"), R"(<"a..b"@d.example>)");
}

TEST(AddressPath, PercentAndBangAreText) {
    const auto percent = parse_path("<user%inner.example@outer.example>", {.allow_null = true});
    ASSERT_TRUE(percent);
    EXPECT_EQ(percent->address.local_part(), "user%inner.example");
    const auto bang = parse_path("<host!user@outer.example>", {.allow_null = true});
    ASSERT_TRUE(bang);
    EXPECT_EQ(bang->address.local_part(), "host!user");
    EXPECT_EQ(path_of("<!#$%&'*+-/=?^_`{|}~@b.example>"), "<!#$%&'*+-/=?^_`{|}~@b.example>");
}

TEST(AddressPath, Literals) {
    EXPECT_EQ(path_of("<a@[192.0.2.1]>"), "<a@[192.0.2.1]>");
    EXPECT_EQ(path_of("<a@[IPv6:2001:DB8::1]>"), "<a@[IPv6:2001:db8::1]>");
    EXPECT_EQ(path_of("<@[192.0.2.1]:a@b.example>"), "<a@b.example>");
    EXPECT_TRUE(refuses_path("<a@[192.0.2]>"));
    EXPECT_TRUE(refuses_path("<a@[192.0.2.256]>"));
    EXPECT_TRUE(refuses_path("<a@[2001:db8::1]>"));
    EXPECT_TRUE(refuses_path("<a@[IPv6:192.0.2.1]>"));
    EXPECT_TRUE(refuses_path("<a@[IPv6:2001:db8::1>"));
    EXPECT_TRUE(refuses_path("<a@[tag:content]>"));
    EXPECT_TRUE(refuses_path("<a@[]>"));
    EXPECT_TRUE(refuses_path("<a@[192.0.2.1]x>"));
}

TEST(AddressPath, BrokenSourceRoutes) {
    EXPECT_TRUE(refuses_path("<@a.example>"));
    EXPECT_TRUE(refuses_path("<@a.example:>"));
    EXPECT_TRUE(refuses_path("<@a.example,b.example:c@d.example>"));
    EXPECT_TRUE(refuses_path("<@a.example,:c@d.example>"));
    EXPECT_TRUE(refuses_path("<@:c@d.example>"));
    EXPECT_TRUE(refuses_path("<@a.example c@d.example>"));
}

TEST(AddressPath, ADotAtTheEndOfTheDomainIsDropped) {
    EXPECT_EQ(path_of("<a@Example.ORG.>"), "<a@example.org>");
    EXPECT_EQ(mailbox_of("Name <a@example.org.>"), "<a@example.org>");
    EXPECT_EQ(mailbox_of("a@example.org."), "<a@example.org>");
    EXPECT_EQ(list_of("a@example.org., b@example.org"), "a@example.org b@example.org");
}

std::string lenient_path_of(std::string_view text) {
    const auto path = parse_path(text, {.allow_null = true, .lenient = true});
    if (!path) return "error";
    return "<" + path->address.to_string() + ">" + std::string(path->parameters);
}

TEST(AddressPath, TheLenientReadingTakesOneAddressAndNoMore) {
    EXPECT_EQ(lenient_path_of("a@b.example"), "<a@b.example>");
    EXPECT_EQ(lenient_path_of(" a@b.example SIZE=1"), "<a@b.example>SIZE=1");
    EXPECT_EQ(lenient_path_of("< a@b.example > SIZE=1"), "<a@b.example>SIZE=1");
    EXPECT_EQ(lenient_path_of("<a..b@b.example>"), "<\"a..b\"@b.example>");
    EXPECT_EQ(lenient_path_of("<.a.@b.example>"), "<\".a.\"@b.example>");
    EXPECT_EQ(lenient_path_of("\"a b\"@b.example"), "<\"a b\"@b.example>");
    EXPECT_EQ(lenient_path_of("<>"), "<>");
    for (const char* text :
         {"", " ", "a@b.example,c@d.example", "a@b.example>", "<a@b.example", "a@b.example<", "a@b@c.example",
          "@r.example:a@b.example", "a b@c.example", "<a@b.example><c@d.example>", "<a@b.example>c",
          "<@b.example>", "@b.example", "a@b..example", "a@b.example;", "<a @b.example>", "<a@ b.example>"})
        EXPECT_EQ(lenient_path_of(text).find('@'), std::string::npos) << text;
}

TEST(AddressPath, RefusesWhatIsNotAnAddress) {
    using namespace std::string_view_literals;
    EXPECT_TRUE(refuses_path("<a@>"));
    EXPECT_TRUE(refuses_path("<@>"));
    EXPECT_TRUE(refuses_path("<a@b@c.example>"));
    EXPECT_TRUE(refuses_path("<a b@c.example>"));
    EXPECT_TRUE(refuses_path("<a@b c.example>"));
    EXPECT_TRUE(refuses_path("< a@c.example>"));
    EXPECT_TRUE(refuses_path("<a@c.example >"));
    EXPECT_TRUE(refuses_path("<a@c.example..>"));
    EXPECT_TRUE(refuses_path("<a@.>"));
    EXPECT_TRUE(refuses_path("<a@.c.example>"));
    EXPECT_TRUE(refuses_path("<a@c..example>"));
    EXPECT_TRUE(refuses_path("<a@-c.example>"));
    EXPECT_TRUE(refuses_path("<a@c-.example>"));
    EXPECT_TRUE(refuses_path("<a\0b@c.example>"sv));
    EXPECT_TRUE(refuses_path("<a@c\0.example>"sv));
    EXPECT_TRUE(refuses_path("<\"a\0b\"@c.example>"sv));
    EXPECT_TRUE(refuses_path("<a@c.example\0>"sv));
    EXPECT_TRUE(refuses_path("<a\tb@c.example>"));
    EXPECT_TRUE(refuses_path("<\"a\tb\"@c.example>"));
    EXPECT_TRUE(refuses_path("<\"a\r\nb\"@c.example>"));
    EXPECT_TRUE(refuses_path("<j\xf6rg@c.example>"));  // Latin 1
    EXPECT_TRUE(refuses_path("<\"j\xf6rg\"@c.example>"));
    EXPECT_TRUE(refuses_path("<j\xc3@c.example>"));          // cut
    EXPECT_TRUE(refuses_path("<j\xc0\xae@c.example>"));      // a dot, overlong
    EXPECT_TRUE(refuses_path("<j\xed\xa0\x80@c.example>"));  // half a surrogate pair
    EXPECT_TRUE(refuses_path("<j\xc2\x85@c.example>"));      // a control character
    EXPECT_TRUE(refuses_path("<joerg@k\xf6ln.example>"));
    EXPECT_TRUE(refuses_path("<joerg@\xef\xbc\xa0.example>"));  // becomes "@"
    EXPECT_TRUE(refuses_path("<joerg@\xe2\x80\x8b.example>"));  // nothing is left
    EXPECT_TRUE(refuses_path("<a,b@c.example>"));
    EXPECT_TRUE(refuses_path("<a(comment)@c.example>"));
}

TEST(AddressPath, NamesBeyondAscii) {
    EXPECT_EQ(path_of("<j\xc3\xb6rg@c.example>"), "<j\xc3\xb6rg@c.example>");
    EXPECT_EQ(path_of("<\"j\xc3\xb6 rg\"@c.example>"), "<\"j\xc3\xb6 rg\"@c.example>");
    EXPECT_TRUE(Address("j\xc3\xb6rg", "c.example").needs_utf8());
    EXPECT_FALSE(Address("joerg", "xn--kln-sna.example").needs_utf8());
    EXPECT_TRUE(
        refuses_path("<" + std::string(64, 'n') + "\xc3\xb6@c.example>"));  // 64 octets, not characters
}

TEST(AddressPath, DomainsBeyondAsciiAreThoseOfDns) {
    if (!idn_is_available()) GTEST_SKIP() << "NEEDS libidn2";
    EXPECT_EQ(path_of("<joerg@K\xc3\xb6ln.Example>"), "<joerg@xn--kln-sna.example>");
    EXPECT_EQ(path_of("<@\xc3\xb6.example:a@stra\xc3\x9f"
                      "e.example>"),
              "<a@xn--strae-oqa.example>");
    const Address address("joerg", "K\xc3\x96LN.example");
    EXPECT_EQ(address, Address("joerg", "xn--kln-sna.example"));
    EXPECT_EQ(address.display_text(), "joerg@k\xc3\xb6ln.example");
    EXPECT_EQ(Address("a", "xn--a.example").display_text(), "a@xn--a.example");  // no such label
}

TEST(AddressPath, LimitsOfTheStandard) {
    const std::string longest(64, 'n');
    EXPECT_EQ(path_of("<" + longest + "@c.example>"), "<" + longest + "@c.example>");
    EXPECT_TRUE(refuses_path("<n" + longest + "@c.example>"));
    // Needless quotes do not count; those that we would have to send do.
    EXPECT_EQ(path_of("<\"" + longest + "\"@c.example>"), "<" + longest + "@c.example>");
    EXPECT_TRUE(refuses_path("<\"" + std::string(62, 'n') + " \"@c.example>"));

    EXPECT_TRUE(is_valid_domain(domain_of_length(255)));
    EXPECT_FALSE(is_valid_domain(domain_of_length(256)));
    const std::string path254 = "n@" + domain_of_length(252);
    EXPECT_EQ(path_of("<" + path254 + ">"), "<" + path254 + ">");
    EXPECT_TRUE(refuses_path("<n" + path254 + ">"));
    EXPECT_TRUE(refuses_path("<" + std::string(1'000'000, 'n') + "@c.example>"));
    EXPECT_TRUE(refuses_path("<n@" + std::string(1'000'000, 'd') + ">"));
}

TEST(AddressDomain, Labels) {
    EXPECT_TRUE(is_valid_domain("localhost"));
    EXPECT_TRUE(is_valid_domain("mx_1.example.org"));
    EXPECT_TRUE(is_valid_domain("3com.example"));
    EXPECT_TRUE(is_valid_domain(std::string(63, 'a') + ".example"));
    EXPECT_FALSE(is_valid_domain(std::string(64, 'a') + ".example"));
    EXPECT_FALSE(is_valid_domain(""));
    EXPECT_FALSE(is_valid_domain("."));
    EXPECT_FALSE(is_valid_domain("a b"));
    EXPECT_FALSE(is_valid_domain("a\n.example"));
}

TEST(AddressValue, WritesWhatParsesBackToItself) {
    for (const char* name : {"a", "a.b", "a..b", ".", "a b", "\"", "\\", "a@b", "<>", "(x)", "a,b;c:d"}) {
        const Address address(name, "Example.ORG");
        const auto again = parse_addr_spec(address.to_string());
        ASSERT_TRUE(again) << address.to_string() << ": " << again.problem();
        EXPECT_EQ(*again, address);
    }
}

TEST(AddressValue, QualifiesOnlyWhatIsNot) {
    EXPECT_EQ(Address("bob", "").qualified("host.example").to_string(), "bob@host.example");
    EXPECT_EQ(Address("bob", "a.example").qualified("host.example").to_string(), "bob@a.example");
    EXPECT_TRUE(Address().qualified("host.example").is_null());
}

TEST(AddressMailbox, AsPeopleWriteIt) {
    EXPECT_EQ(mailbox_of("bob"), "<bob>");
    EXPECT_EQ(mailbox_of("  bob@Host.Example "), "<bob@host.example>");
    EXPECT_EQ(mailbox_of("<bob@host.example>"), "<bob@host.example>");
    EXPECT_EQ(mailbox_of("Bob Q. Public <bob@host.example>"), "<bob@host.example>");
    EXPECT_EQ(mailbox_of("\"Public, Bob\" <bob@host.example>"), "<bob@host.example>");
    EXPECT_EQ(mailbox_of("bob@host.example (Bob (the one) Public)"), "<bob@host.example>");
    EXPECT_EQ(mailbox_of("bob@host.example <bob@host.example>"), "<bob@host.example>");
    EXPECT_EQ(mailbox_of("J\xc3\xb6rg <joerg@host.example>"), "<joerg@host.example>");
    EXPECT_EQ(mailbox_of("\"a b\"@host.example"), "<\"a b\"@host.example>");
    EXPECT_EQ(mailbox_of("Bob <bob>"), "<bob>");
    EXPECT_EQ(mailbox_of("a@[IPv6:2001:db8::1]"), "<a@[IPv6:2001:db8::1]>");
    EXPECT_EQ(mailbox_of("<>"), "<>");
}

TEST(AddressMailbox, RefusesOthers) {
    for (const char* text : {"", " ", "a, b", "Bob Public", "group: a, b;", "<a", "a>", "(only a comment)",
                             "\"a", "a (b", "<a> b", "j\xf6rg", "a@", "@b", "a@b@c", "\\bob", "a;"})
        EXPECT_TRUE(refuses_mailbox(text)) << text;
}

TEST(AddressList, OfTheStandard) {
    EXPECT_EQ(list_of("John Doe <jdoe@machine.example>"), "jdoe@machine.example");
    EXPECT_EQ(list_of("Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>"),
              "mary@x.test jdoe@example.org one@y.test");
    EXPECT_EQ(list_of("<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>"),
              "boss@nil.test sysservices@example.net");
    EXPECT_EQ(list_of("A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;"),
              "c@a.test joe@where.test jdoe@one.test");
    EXPECT_EQ(list_of("Undisclosed recipients:;"), "");
    EXPECT_EQ(list_of("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>"), "pete@silly.test");
    EXPECT_EQ(
        list_of(
            "A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
            "         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)"),
        "c@public.example joe@example.org jdoe@one.test");
    EXPECT_EQ(list_of("(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;"), "");
    EXPECT_EQ(list_of("Joe Q. Public <john.q.public@example.com>"), "john.q.public@example.com");
    EXPECT_EQ(list_of("Mary Smith <@node.test:mary@example.net>, , jdoe@test . example"),
              "mary@example.net jdoe@test.example");
    EXPECT_EQ(list_of("<@a.test,,@b.test : joe@c.test>"), "joe@c.test");
}

TEST(AddressList, FoldedLinesAndEncodedWords) {
    EXPECT_EQ(list_of("=?UTF-8?Q?J=C3=B6rg?= <joerg@a.example>,\r\n\t=?utf-8?B?w7Y=?=\r\n <o@b.example>,\n "
                      "c@d.example"),
              "joerg@a.example o@b.example c@d.example");
    EXPECT_EQ(list_of("\"Doe,\r\n John\" <j@a.example>"), "j@a.example");
    EXPECT_EQ(list_of("  a@b.example\r\n"), "a@b.example");
}

TEST(AddressList, BetweenAndAfterGroups) {
    EXPECT_EQ(list_of("a@x.example, g: b@x.example, c; d@x.example, h:;"),
              "a@x.example b@x.example c d@x.example");
    EXPECT_EQ(list_of("undisclosed-recipients:"), "");
    EXPECT_TRUE(refuses_list("g: h: a@x.example;;"));
    EXPECT_TRUE(refuses_list("a@x.example;"));
    EXPECT_TRUE(refuses_list(": a@x.example;"));
    EXPECT_TRUE(refuses_list("a@x.example: b@x.example;"));
}

TEST(AddressList, OddsAndEnds) {
    EXPECT_EQ(list_of(""), "");
    EXPECT_EQ(list_of(" , ,\t,"), "");
    EXPECT_EQ(list_of("bob, alice"), "bob alice");
    EXPECT_EQ(list_of("a@b.example,c@d.example,"), "a@b.example c@d.example");
    EXPECT_EQ(list_of("\"a b\" . c @ d.example"), "\"a b.c\"@d.example");
    EXPECT_EQ(list_of("[Sales] <s@d.example>"), "s@d.example");
}

TEST(AddressList, OneBadAddressSpoilsIt) {
    for (const char* text :
         {"a@b.example, c@", "a@b.example, <c@d.example", "a@b.example, \"c", "a@b.example (c",
          "a b, c@d.example", "a@b.example c@d.example", "<a@b.example> <c@d.example>", "<>", "a@[1.2.3.4",
          "j\xf6rg@b.example", "a@b.example, d..e@f.example"})
        EXPECT_TRUE(refuses_list(text)) << text;
    EXPECT_TRUE(refuses_list(std::string_view("a\0b@c.example", 13)));
}

TEST(AddressList, DeepNestingIsNoRecursion) {
    EXPECT_TRUE(refuses_list(std::string(2'000'000, '(')));
    EXPECT_EQ(list_of(std::string(500'000, '(') + std::string(500'000, ')') + "a@b.example"), "a@b.example");
}

}  // namespace
}  // namespace postoffice
