// A submitted message: where it ends, what its header becomes, and its recipients.
#include "../../src/commands/submit/submission.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "../../src/commands/submit/recipients.h"
#include "postoffice/base/disk.h"

namespace postoffice {
namespace {

std::string text_of(Message& message) {
    const Fd file = message.open_for_reading();
    return disk::read_all(file.get(), 100 << 20);
}

/// Settings that add nothing, so that a test sees what it gave.
Submission::Settings plain() {
    Submission::Settings settings;
    settings.header = {"host.test", "me@host.test", "", false};
    return settings;
}

Submission::Settings completing(std::string full_name = "") {
    Submission::Settings settings;
    settings.header = {"host.test", "me@host.test", std::move(full_name), true};
    return settings;
}

struct Taken {
    std::string text;
    CompletedHeader header;
    bool eight_bit = false;
};

Taken take(std::string_view input, const Submission::Settings& settings, std::size_t piece = 1 << 16) {
    Message message(::testing::TempDir());
    Submission submission(message, settings);
    for (; !input.empty(); input.remove_prefix(std::min(piece, input.size())))
        if (!submission.feed(input.substr(0, piece))) break;
    submission.finish();
    return {text_of(message), submission.header(), submission.has_eight_bit()};
}

TEST(SubmissionTest, input_becomes_a_message) {
    const std::vector<std::pair<std::string_view, std::string_view>> cases = {
        {"Subject: x\n\nbody\n", "Subject: x\n\nbody\n"},
        {"Subject: x\r\n\r\nbody\r\n", "Subject: x\n\nbody\n"},
        {"Subject: x\n\nbo\rdy\n", "Subject: x\n\nbody\n"},
        {"Subject: x\n\nbody", "Subject: x\n\nbody\n"},
        {"Subject: x", "Subject: x\n\n"},
        {"Subject: x\n", "Subject: x\n\n"},
        {"", "\n"},
        {"just text\nmore\n", "\njust text\nmore\n"},
        {"\nbody\n", "\nbody\n"},
        {"\n\nbody\n", "\n\nbody\n"},
        {" indented\n", "\n indented\n"},
        {"Subject: x\nno header line\nmore\n", "Subject: x\n\nno header line\nmore\n"},
        {"Subject: x\n folded\n\nbody\n", "Subject: x\n folded\n\nbody\n"},
        {"Subject : x\n\nbody\n", "Subject : x\n\nbody\n"},
        {"From bob Sat Nov 21 10:00:00 2026\nSubject: x\n\nbody\n", "Subject: x\n\nbody\n"},
        {">From bob\nSubject: x\n\nbody\n", "Subject: x\n\nbody\n"},
        {"From bob\nFrom eve\n\nbody\n", "\nFrom eve\n\nbody\n"},
        {"From bob", "\n"},
        {"Subject: x\nFrom bob\n\nbody\n", "Subject: x\n\nFrom bob\n\nbody\n"},
        {"Subject: x\n\nFrom bob\n", "Subject: x\n\nFrom bob\n"},
        {"Subject: x\n\n.\nlost\n", "Subject: x\n\n"},
        {"Subject: x\n\na\n.\nlost\n", "Subject: x\n\na\n"},
        {"Subject: x\n\na\r\n.\r\nlost\r\n", "Subject: x\n\na\n"},
        {"Subject: x\n\na\n.", "Subject: x\n\na\n"},
        {".\n", "\n"},
        {".", "\n"},
        {"Subject: x\n.\nlost\n", "Subject: x\n\n"},
        {"a\n..\n.b\n. \nc.\n", "\na\n..\n.b\n. \nc.\n"},
        {"Subject: x\n\na\n\n.", "Subject: x\n\na\n\n"},
    };
    for (const auto& [input, expected] : cases)
        for (const std::size_t piece : {1UL, 2UL, 3UL, 1UL << 16})
            EXPECT_EQ(take(input, plain(), piece).text, expected)
                << "of <" << input << "> in pieces of " << piece;
}

TEST(SubmissionTest, a_dot_is_text_with_minus_i) {
    Submission::Settings settings = plain();
    settings.dot_ends = false;
    for (const std::size_t piece : {1UL, 2UL, 1UL << 16}) {
        EXPECT_EQ(take("S: x\n\na\n.\nb\n", settings, piece).text, "S: x\n\na\n.\nb\n");
        EXPECT_EQ(take("S: x\n\n.", settings, piece).text, "S: x\n\n.\n");
    }
}

TEST(SubmissionTest, refused_messages) {
    Submission::Settings small = plain();
    small.size = 20;
    EXPECT_NO_THROW(take("S: x\n\n6789012345678\n", small));
    EXPECT_THROW(take("S: x\n\n67890123456789\n", small), BadMessage);
    Submission::Settings near = plain();
    near.hops = 1;
    EXPECT_NO_THROW(take("Received: a\n\n", near));
    EXPECT_THROW(take("Received: a\nReceived: b\n\n", near), BadMessage);
}

TEST(SubmissionTest, a_nul_is_kept) {
    for (const std::string_view text :
         {std::string_view("S: x\n\na\0b\n\0\n", 12), std::string_view("S: \0x\n\na\n", 9)})
        for (const std::size_t piece : {1UL, 1UL << 16}) EXPECT_EQ(take(text, plain(), piece).text, text);
    const std::string_view output("\0out\n\n", 6);
    EXPECT_EQ(take(output, plain()).text, "\n" + std::string(output)) << "without any header";
}

TEST(SubmissionTest, a_header_that_never_ends_becomes_text) {
    const std::string line = "S: " + std::string(Submission::longest_header, 'x');
    EXPECT_EQ(take(line, plain(), 65536).text, "\n" + line + "\n");
    std::string fields;
    while (fields.size() <= 2 * Submission::longest_header) fields += "X-Field: text\n";
    std::string text = take("To: a@x\n" + fields + "Bcc: b@x\n\nbody\n", plain(), 65536).text;
    EXPECT_TRUE(text.starts_with("To: a@x\nX-Field")) << text.substr(0, 40);
    EXPECT_TRUE(text.ends_with("X-Field: text\nBcc: b@x\n\nbody\n"));
    Submission::Settings with_t = plain();
    with_t.names_recipients = true;
    EXPECT_THROW(take(fields, with_t, 65536), BadMessage);
    ASSERT_EQ(text.find("\n\n"), text.find("\n\nX-Field")) << "cut between two fields";
    text.erase(text.find("\n\n"), 1);
    EXPECT_EQ(text, "To: a@x\n" + fields + "Bcc: b@x\n\nbody\n");
}

TEST(SubmissionTest, a_field_from_with_blanks_before_its_colon_is_no_mailbox_line) {
    for (const std::size_t piece : {1UL, 3UL, 1UL << 16}) {
        const std::string text = take("From  : John <jdoe@example.org>\nDate :d\nMessage-ID\t: <i>\n\nx\n",
                                      completing("Bob"), piece)
                                     .text;
        EXPECT_EQ(text, "From  : John <jdoe@example.org>\nDate :d\nMessage-ID\t: <i>\n\nx\n");
        EXPECT_EQ(take("From : bob\nTo : ann\nBcc  : eve\n\n", plain(), piece).text,
                  "From : bob\nTo : ann\n\n");
        EXPECT_EQ(take("From a@b Sat Jan  1 00:00:00 2000\nS: x\n\n", plain(), piece).text, "S: x\n\n");
    }
}

TEST(SubmissionTest, all_recipients_of_the_newest_resending_are_served) {
    const auto recipients = [](const std::string& header) {
        std::string list;
        for (const Address& address : take(header + "\n", plain()).header.recipients)
            list += address.to_string() + " ";
        return list;
    };
    EXPECT_EQ(recipients("Resent-To: a@x\nResent-To: b@x\nTo: c@x\n"), "a@x b@x ");
    EXPECT_EQ(recipients("Resent-From: me\nResent-Date: d\nResent-To: a@x\nResent-To : b@x\nResent-Cc: c@x\n"
                         "Resent-Bcc: d@x\nResent-Bcc: e@x\nTo: f@x\n"),
              "a@x b@x c@x d@x e@x ");
    const std::string older = "Resent-Date: d\nResent-From: me\nResent-To: old@x\n";
    EXPECT_EQ(recipients("Resent-Date: d\nResent-From: me\nResent-To: a@x\nResent-To: b@x\n" + older),
              "a@x b@x ");
    EXPECT_EQ(recipients("Resent-Date: d\nResent-To: a@x\nReceived: x\n" + older), "a@x ");
    EXPECT_EQ(recipients("Resent-To: a@x\nResent-To: b@x\nResent-From: me\nResent-Date: d\n"
                         "Resent-To: old@x\nResent-From: me\nResent-Date: d\n"),
              "a@x b@x ");
}

TEST(SubmissionTest, long_lines_of_text_are_kept) {
    const std::string line(3 << 20, 'x');
    EXPECT_EQ(take(line, plain(), 65536).text, "\n" + line + "\n");
    EXPECT_EQ(take("S: x\n\n" + line + "\n", plain(), 65536).text, "S: x\n\n" + line + "\n");
}

TEST(SubmissionTest, a_name_that_never_ends_is_text_however_it_arrives) {
    const std::string line = std::string(998, 'x') + ": y\n\nbody\n";
    EXPECT_EQ(take(line, plain()).text, "\n" + line);
    EXPECT_EQ(take(line, plain(), 1).text, "\n" + line);
    EXPECT_EQ(take(line.substr(1), plain()).text, line.substr(1));
    EXPECT_EQ(take(line.substr(1), plain(), 1).text, line.substr(1));
}

TEST(SubmissionTest, eight_bit_is_noticed) {
    EXPECT_FALSE(take("S: x\n\nbody\n", plain()).eight_bit);
    EXPECT_TRUE(take("S: x\n\nb\xc3\xb6\n", plain()).eight_bit);
    EXPECT_TRUE(take("S: \xc3\xb6\n\nbody\n", plain()).eight_bit);
}

TEST(SubmissionTest, missing_fields_are_added) {
    const std::string text = take("Subject: x\n\nbody\n", completing("Bob")).text;
    EXPECT_NE(text.find("\nDate: "), std::string::npos);
    EXPECT_NE(text.find("\nFrom: Bob <me@host.test>\n"), std::string::npos);
    EXPECT_NE(text.find("\nMessage-ID: <"), std::string::npos);
    EXPECT_NE(text.find("@host.test>\n\nbody\n"), std::string::npos);
    EXPECT_EQ(take("Date: d\nfrom: a@b\nmessage-id: <i>\n\nbody\n", completing("Bob")).text,
              "Date: d\nfrom: a@b\nmessage-id: <i>\n\nbody\n");
    EXPECT_NE(take("", completing()).text.find("From: me@host.test\n"), std::string::npos);
    EXPECT_EQ(take("Subject: x\n\nbody\n", plain()).text, "Subject: x\n\nbody\n") << "-G adds nothing";
}

TEST(SubmissionTest, fields_that_must_not_travel_are_removed) {
    EXPECT_EQ(
        take("Bcc: a,\n b\nSubject: x\nRESENT-BCC: c\nReturn-Path: <d>\nContent-Length: 5\n\nbody\n", plain())
            .text,
        "Subject: x\n\nbody\n");
    EXPECT_EQ(take("X-Bcc: a\nErrors-To: b\n\n", plain()).text, "X-Bcc: a\nErrors-To: b\n\n");
}

TEST(SubmissionTest, names_get_our_domain) {
    const auto header = [](std::string_view text) {
        return take("Date: d\nMessage-ID: <i>\n" + std::string(text) + "\n", completing()).text.substr(24);
    };
    EXPECT_EQ(header("From: root (Cron Daemon)\n"), "From: root@host.test (Cron Daemon)\n\n");
    EXPECT_EQ(header("From: a@b\nTo: bob, eve@x\nCc: <ann>\nReply-To: x\nSender: y\n"),
              "From: a@b\nTo: bob@host.test, eve@x\nCc: <ann@host.test>\nReply-To: x@host.test\nSender: "
              "y@host.test\n\n");
    EXPECT_EQ(header("From: a@b\nTo: bob,\n eve\n"), "From: a@b\nTo: bob@host.test,\n eve@host.test\n\n");
    EXPECT_EQ(header("From: a@b\nSubject: bob\n"), "From: a@b\nSubject: bob\n\n");
}

TEST(SubmissionTest, recipients_of_the_header) {
    const auto recipients = [](std::string_view text) {
        std::string list;
        for (const Address& address : take(text, plain()).header.recipients)
            list += address.to_string() + " ";
        return list;
    };
    EXPECT_EQ(recipients("To: a@x, B <b@x>\nCc: c\nBcc: d@x\nFrom: e@x\nReply-To: f@x\n\nTo: g@x\n"),
              "a@x b@x c d@x ");
    EXPECT_EQ(recipients("To: undisclosed-recipients:;\nBcc: d@x\n\n"), "d@x ");
    EXPECT_EQ(recipients("To: friends: a@x, b@x;, c@x\n\n"), "a@x b@x c@x ");
    EXPECT_EQ(recipients("to: a@x,\n b@x\nTO: c@x\n\n"), "a@x b@x c@x ");
    EXPECT_EQ(recipients("Subject: none\n\n"), "");
    EXPECT_EQ(recipients("Resent-To: r@x\nResent-Bcc: s@x\nTo: a@x\nBcc: b@x\n\n"), "r@x s@x ");
    EXPECT_EQ(
        recipients("Resent-From: a@x\nResent-To: new@x\nResent-From: b@x\nResent-To: old@x\nTo: a@x\n\n"),
        "new@x ");
    EXPECT_EQ(recipients("Resent-To: new@x\nReceived: y\nResent-Cc: old@x\nTo: a@x\n\n"), "new@x ");
    EXPECT_EQ(recipients("Resent-From: r@x\nTo: a@x\n\n"), "a@x ") << "a resending without recipients";
    const Taken bad = take("To: good@x, a b c, also@x\n\n", plain());
    EXPECT_EQ(bad.header.recipients.size(), 2U);
    ASSERT_EQ(bad.header.bad_recipients.size(), 1U);
    EXPECT_EQ(bad.header.bad_recipients[0], "a b c");
}

struct DocumentedHeader {
    const char* where;       ///< it is shown
    const char* header;      ///< as it is shown
    const char* recipients;  ///< what sendmail -t reads from it
};

/// RFC 5322 appendix A, and what manuals of programs that call sendmail -t show.
const DocumentedHeader documented_headers[] = {
    {"A.1.1",
     "From: John Doe <jdoe@machine.example>\nTo: Mary Smith <mary@example.net>\nSubject: Saying Hello\n",
     "mary@example.net "},
    {"A.1.1, with a sender",
     "From: John Doe <jdoe@machine.example>\nSender: Michael Jones <mjones@machine.example>\n"
     "To: Mary Smith <mary@example.net>\n",
     "mary@example.net "},
    {"A.1.2",
     "From: \"Joe Q. Public\" <john.q.public@example.com>\n"
     "To: Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>\n"
     "Cc: <boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>\n",
     "mary@x.test jdoe@example.org one@y.test boss@nil.test sysservices@example.net "},
    {"A.1.3",
     "From: Pete <pete@silly.example>\n"
     "To: A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;\n"
     "Cc: Undisclosed recipients:;\n",
     "c@a.test joe@where.test jdoe@one.test "},
    {"A.2, a reply",
     "From: Mary Smith <mary@example.net>\nTo: John Doe <jdoe@machine.example>\n"
     "Reply-To: \"Mary Smith: Personal Account\" <smith@home.example>\nReferences: "
     "<1234@local.machine.example>\n",
     "jdoe@machine.example "},
    {"A.3, resent",
     "Resent-From: Mary Smith <mary@example.net>\nResent-To: Jane Brown <j-brown@other.example>\n"
     "Resent-Date: Mon, 24 Nov 1997 14:22:01 -0800\nResent-Message-ID: <78910@example.net>\n"
     "From: John Doe <jdoe@machine.example>\nTo: Mary Smith <mary@example.net>\n",
     "j-brown@other.example "},
    {"A.4, traced",
     "Received: from x.y.test by example.net via TCP with ESMTP id ABC12345 for <mary@example.net>; "
     "21 Nov 1997 10:05:43 -0600\nFrom: John Doe <jdoe@node.example>\nTo: Mary Smith <mary@example.net>\n",
     "mary@example.net "},
    {"A.5, comments and white space",
     "From: Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>\n"
     "To:A Group(Some people)\n     :Chris Jones <c@(Chris's host.)public.example>,\n"
     "         joe@example.org,\n  John <jdoe@one.test> (my dear friend); (the end of the group)\n"
     "Cc:(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;\n",
     "c@public.example joe@example.org jdoe@one.test "},
    {"A.6.1, obsolete addressing",
     "From: Joe Q. Public <john.q.public@example.com>\n"
     "To: Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example\n",
     "mary@example.net jdoe@test.example "},
    {"A.6.3, obsolete white space",
     "From  : John Doe <jdoe@machine(comment).  example>\nTo    : Mary Smith\n  \n          "
     "<mary@example.net>\n",
     "mary@example.net "},
    {"PHP: mail()",
     "To: nobody@example.com\nSubject: the subject\nFrom: webmaster@example.com\n"
     "Reply-To: webmaster@example.com\nX-Mailer: PHP/8.2\n",
     "nobody@example.com "},
    {"PHP: mail(), several with names",
     "To: User <user@example.com>, Another User <anotheruser@example.com>\n",
     "user@example.com anotheruser@example.com "},
    {"git send-email",
     "From: A U Thor <author@example.com>\nTo: list@example.org\n"
     "Cc: \"R. E. Viewer\" <reviewer@example.com>,\n\tanother@example.com\n",
     "list@example.org reviewer@example.com another@example.com "},
    {"cron", "From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> run-parts\n", "root "},
    {"Perl: Mail::Sendmail", "To: Foobar <foobar@example.org>; second@example.org\n",
     "foobar@example.org second@example.org "},
};

TEST(SubmissionTest, documented_headers_lead_where_they_say) {
    for (const auto& [where, header, recipients] : documented_headers) {
        const Taken taken = take(std::string(header) + "\nThis is a message.\n", plain());
        std::string list;
        for (const Address& address : taken.header.recipients) list += address.to_string() + " ";
        EXPECT_EQ(list, recipients) << where;
        EXPECT_TRUE(taken.header.bad_recipients.empty()) << where;
    }
}

TEST(SubmissionTest, a_resending_is_completed_on_top) {
    const std::string text =
        take("Resent-To: r@x\nDate: d\nFrom: f@x\nMessage-ID: <i>\n\n", completing("Bob")).text;
    EXPECT_TRUE(text.starts_with("Resent-Date: ")) << text;
    EXPECT_NE(text.find("Resent-From: Bob <me@host.test>\n"), std::string::npos);
    EXPECT_NE(text.find("Resent-Message-ID: <"), std::string::npos);
    EXPECT_TRUE(text.ends_with("Resent-To: r@x\nDate: d\nFrom: f@x\nMessage-ID: <i>\n\n")) << text;
}

TEST(SubmissionTest, descriptors_that_cannot_be_read) {
    Message message(::testing::TempDir());
    Submission submission(message, plain());
    const Fd folder = disk::open(::testing::TempDir(), O_RDONLY);
    EXPECT_THROW(read_submission(folder.get(), submission), ReadError);
}

}  // namespace
}  // namespace postoffice
