// Argument vectors: each line of the input is a word. Whatever a caller writes, no value that is accepted
// holds a control character, and a refusal has a status and one line of text.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "postoffice/base/text.h"
#include "postoffice/commands/line/command_line.h"

namespace {

void must_be_printable(const std::string& text) {
    if (postoffice::printable(text) != text) std::abort();
}

/// Octets of other encodings than UTF-8 are the caller's own.
void must_have_no_control(const std::string& text) {
    if (postoffice::has_control(text)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<std::string> words;
    for (const std::string_view word : postoffice::split({reinterpret_cast<const char*>(data), size}, '\n'))
        words.emplace_back(word);
    const auto parsed =
        postoffice::parse_command_line(words, [](std::string_view name) { return name.size() > 4; });
    if (parsed.error) {
        if (parsed.error->exit_code != 64 && parsed.error->exit_code != 65) std::abort();
        must_be_printable(parsed.error->text);
        return 0;
    }
    const postoffice::CommandLine& line = parsed.line;
    for (const std::string& word : line.words) must_have_no_control(word);
    for (const auto& [name, value] : line.settings)
        for (const std::string& one : {name, value}) must_have_no_control(one);
    for (const postoffice::QueueFilter& filter : line.queue.filters) must_have_no_control(filter.text);
    for (const std::string& one :
         {line.submission.sender.value_or(""), line.submission.full_name.value_or(""), line.log_tag,
          line.config_file.value_or("")})
        must_have_no_control(one);
    return 0;
}
