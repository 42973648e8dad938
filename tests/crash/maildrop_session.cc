// One session of a maildrop, for tests that end it anywhere: shows a line "UID OCTETS" and the text
// of each message, and then deletes those that a 1 in the second argument stands for, or marks all
// others that an r stands for. The exit status is 0 if that was done, 1 if it failed.
#include <cstdio>
#include <exception>
#include <string>

#include "postoffice/maildrop/maildrop.h"

namespace {

std::string text_of(postoffice::Maildrop& drop, std::size_t index) {
    std::string text;
    drop.read(index, [&text](std::string_view piece) {
        text += piece;
        return true;
    });
    return text;
}

}  // namespace

int main(int count, char** words) try {
    if (count != 3) return 2;
    const auto drop = postoffice::open_maildrop(words[1], {});
    const auto& entries = drop->entries();
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const std::string text = text_of(*drop, i);
        std::printf("%s %zu\n", entries[i].uid.c_str(), text.size());
        std::fwrite(text.data(), 1, text.size(), stdout);
    }
    const std::string what = words[2];
    postoffice::MaildropChanges changes;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        changes.deleted.push_back(i < what.size() && what[i] == '1');
        changes.read.push_back(i < what.size() && what[i] == 'r');
        changes.marks_read |= changes.read.back();
    }
    drop->update(changes);
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
