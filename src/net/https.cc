#include "postoffice/net/https.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <memory>

namespace postoffice {
namespace {

// Loaded by the process that needs it, not linked: libcurl brings two dozen libraries, and sendmail starts
// often.
struct Library {
    decltype(&::curl_global_init) global_init = nullptr;
    decltype(&::curl_easy_init) init = nullptr;
    decltype(&::curl_easy_setopt) set = nullptr;
    decltype(&::curl_easy_perform) perform = nullptr;
    decltype(&::curl_easy_getinfo) info = nullptr;
    decltype(&::curl_easy_strerror) error_text = nullptr;
    decltype(&::curl_easy_cleanup) cleanup = nullptr;
    decltype(&::curl_slist_append) append = nullptr;
    decltype(&::curl_slist_free_all) free_list = nullptr;
    bool is_complete = false;
};

template <class Function>
bool find(void* handle, const char* name, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(handle, name));
    return function != nullptr;
}

// Never closed: it lives as long as the process.
Library load() {
    Library curl;
    void* const handle = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    curl.is_complete =
        handle != nullptr && find(handle, "curl_global_init", curl.global_init) &&
        find(handle, "curl_easy_init", curl.init) && find(handle, "curl_easy_setopt", curl.set) &&
        find(handle, "curl_easy_perform", curl.perform) && find(handle, "curl_easy_getinfo", curl.info) &&
        find(handle, "curl_easy_strerror", curl.error_text) &&
        find(handle, "curl_easy_cleanup", curl.cleanup) && find(handle, "curl_slist_append", curl.append) &&
        find(handle, "curl_slist_free_all", curl.free_list) &&
        curl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    return curl;
}

const Library& library() {
    static const Library loaded = load();
    return loaded;
}

struct Free {
    void operator()(CURL* transfer) const { library().cleanup(transfer); }
    void operator()(curl_slist* list) const { library().free_list(list); }
};

struct Body {
    std::string text;
    std::size_t most;
    bool is_too_long = false;
};

std::size_t receive(const char* octets, std::size_t size, std::size_t count, void* to) {
    Body& body = *static_cast<Body*>(to);
    body.is_too_long = size * count > body.most - body.text.size();
    if (body.is_too_long) return 0;  // ends the transfer
    body.text.append(octets, size * count);
    return size * count;
}

/// "host:443:192.0.2.1,[2001:db8::1]": libcurl asks no name server.
std::string resolved(const HttpsGet& get) {
    std::string text = get.host + ":443:";
    for (const IpAddress& address : get.addresses) {
        if (text.back() != ':') text += ',';
        text += address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
    }
    return text;
}

}  // namespace

bool https_is_built_in() {
    return true;
}

Result<std::string> https_get(const HttpsGet& get) {
    const Library& curl = library();
    if (!curl.is_complete) return Problem{"libcurl is missing here"};
    const std::unique_ptr<CURL, Free> transfer(curl.init());
    const std::unique_ptr<curl_slist, Free> addresses(curl.append(nullptr, resolved(get).c_str()));
    if (!transfer || !addresses) return Problem{"no memory for libcurl"};
    Body body{{}, get.most};
    const std::string url = "https://" + get.host + get.path;
    bool is_set = true;
    const auto set = [&](CURLoption option, auto value) {
        is_set = curl.set(transfer.get(), option, value) == CURLE_OK && is_set;
    };
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "https");
    set(CURLOPT_RESOLVE, addresses.get());
    set(CURLOPT_PROXY, "");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(Milliseconds(get.patience).count()));
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_WRITEFUNCTION, &receive);
    set(CURLOPT_WRITEDATA, &body);
    if (!get.authorities.empty()) set(CURLOPT_CAINFO, get.authorities.c_str());
    if (!is_set) return Problem{"libcurl is too old here"};
    const CURLcode outcome = curl.perform(transfer.get());
    if (body.is_too_long) return Problem{fmt::format("the file is larger than {} octets", get.most)};
    if (outcome != CURLE_OK) return Problem{curl.error_text(outcome)};
    long code = 0;
    curl.info(transfer.get(), CURLINFO_RESPONSE_CODE, &code);
    if (code != 200) return Problem{fmt::format("the web server answers {}", code)};
    return std::move(body.text);
}

}  // namespace postoffice
