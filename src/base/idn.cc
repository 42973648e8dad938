#include "postoffice/base/idn.h"

#include "postoffice/base/text.h"
#include "postoffice/base/utf8.h"

#ifdef POSTOFFICE_IDN
#include <dlfcn.h>
#include <idn2.h>

#include <cstdlib>
#include <memory>
#endif

namespace postoffice {

#ifdef POSTOFFICE_IDN

namespace {

struct Library {
    decltype(&::idn2_lookup_u8) lookup = nullptr;
    decltype(&::idn2_to_unicode_8z8z) to_unicode = nullptr;
    explicit operator bool() const { return lookup != nullptr && to_unicode != nullptr; }
};

// Never closed: it lives as long as the process.
Library load() {
    void* const handle = ::dlopen("libidn2.so.0", RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) return {};
    return {reinterpret_cast<decltype(Library::lookup)>(::dlsym(handle, "idn2_lookup_u8")),
            reinterpret_cast<decltype(Library::to_unicode)>(::dlsym(handle, "idn2_to_unicode_8z8z"))};
}

const Library& library() {
    static const Library loaded = load();
    return loaded;
}

using Allocated = std::unique_ptr<char, decltype(&std::free)>;  // what idn2_free() does to it

// What the library may take long for: it looks at each character of a name in many tables.
constexpr std::size_t longest_domain = 1024;

}  // namespace

bool idn_is_available() {
    return static_cast<bool>(library());
}

std::optional<std::string> domain_to_ascii(std::string_view domain) {
    if (is_ascii(domain)) return to_lower(domain);
    if (!is_utf8(domain) || domain.size() > longest_domain || !library()) return std::nullopt;
    const std::string text(domain);
    unsigned char* result = nullptr;
    const int status = library().lookup(reinterpret_cast<const unsigned char*>(text.c_str()), &result,
                                        IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    const Allocated owner(reinterpret_cast<char*>(result), &std::free);
    if (status != IDN2_OK || !owner) return std::nullopt;
    return to_lower(owner.get());
}

std::string domain_to_unicode(std::string_view domain) {
    std::string text(domain);
    if (text.find("xn--") == std::string::npos || !library()) return text;
    char* result = nullptr;
    const int status = library().to_unicode(text.c_str(), &result, 0);
    const Allocated owner(result, &std::free);
    // Shown only if it leads back to the same name.
    if (status != IDN2_OK || !owner || domain_to_ascii(owner.get()) != text) return text;
    return owner.get();
}

#else

bool idn_is_available() {
    return false;
}

std::optional<std::string> domain_to_ascii(std::string_view domain) {
    return is_ascii(domain) ? std::optional(to_lower(domain)) : std::nullopt;
}

std::string domain_to_unicode(std::string_view domain) {
    return std::string(domain);
}

#endif

}  // namespace postoffice
