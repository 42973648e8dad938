// Command lines as text, and what the parser makes of them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/text.h"
#include "postoffice/commands/line/command_line.h"

namespace postoffice::testing_command_line {

using Words = std::vector<std::string>;

inline bool is_test_option(std::string_view name) {
    return name == "delay" || name == "relay-host" || name == "immediate" || name == "listen" ||
           name == "trusted";
}

/// "sendmail -t -i" with blanks between words; "''" is an empty word.
inline Words words_of(std::string_view text) {
    Words words;
    for (const std::string_view word : split(text, ' '))
        if (!word.empty()) words.emplace_back(word == "''" ? "" : word);
    return words;
}

inline ParsedCommandLine parse(std::string_view text) {
    return parse_command_line(words_of(text), is_test_option);
}

inline CommandLine accepted(std::string_view text) {
    const ParsedCommandLine parsed = parse(text);
    EXPECT_FALSE(parsed.error) << text << ": " << (parsed.error ? parsed.error->text : "");
    return parsed.line;
}

inline int refusal(std::string_view text) {
    const ParsedCommandLine parsed = parse(text);
    EXPECT_TRUE(!parsed.error || !parsed.error->text.empty());
    return parsed.error ? parsed.error->exit_code : 0;
}

}  // namespace postoffice::testing_command_line
