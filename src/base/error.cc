#include "postoffice/base/error.h"

#include <cerrno>
#include <filesystem>
#include <new>
#include <optional>
#include <variant>

namespace postoffice {

void throw_errno(const std::string& what) {
    throw_errno(errno, what);
}

void throw_errno(int error, const std::string& what) {
    throw std::system_error(error, std::generic_category(), what);
}

namespace {

template <class Kind>
bool is_a(const std::exception& error) {
    return dynamic_cast<const Kind*>(&error) != nullptr;
}

/// What went wrong within the program, for a report to its authors.
const char* kind_of_mistake(const std::exception& error) {
    if (is_a<std::bad_optional_access>(error)) return "a value is missing";
    if (is_a<std::bad_variant_access>(error)) return "a value of another kind";
    if (is_a<std::out_of_range>(error)) return "a position out of range";
    if (is_a<std::length_error>(error)) return "a length out of range";
    return "of a kind that is not known";
}

}  // namespace

std::string in_plain_words(const std::exception& error) {
    if (const auto* files = dynamic_cast<const std::filesystem::filesystem_error*>(&error))
        return files->path1().string() + ": " + files->code().message();
    if (is_a<std::runtime_error>(error)) return error.what();
    if (is_a<std::bad_alloc>(error)) return "not enough memory";
    return std::string("an error in this program, ") + kind_of_mistake(error);
}

}  // namespace postoffice
