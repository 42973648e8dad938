// One session of a maildrop, for tests that end it anywhere: shows "UID TEXT", the text in hexadecimal
// digits, for each message, and then deletes those that a 1 in the second argument stands for, or marks all
// others that an r stands for. The exit status is 0 if that was done, 1 if it failed.
#include <cstdio>
#include <exception>
#include <string>

#include "postoffice/maildrop/maildrop.h"

namespace {

std::string text_of(postoffice::Maildrop& drop, std::size_t index) {
    std::string digits;
    drop.read(index, [&digits](std::string_view piece) {
        for (const char c : piece) {
            char two[3];
            std::snprintf(two, sizeof two, "%02x", static_cast<unsigned char>(c));
            digits += two;
        }
        return true;
    });
    return digits;
}

}  // namespace

int main(int count, char** words) try {
    if (count != 3) return 2;
    const auto drop = postoffice::open_maildrop(words[1], {});
    const auto& entries = drop->entries();
    for (std::size_t i = 0; i < entries.size(); ++i)
        std::printf("%s %s\n", entries[i].uid.c_str(), text_of(*drop, i).c_str());
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
