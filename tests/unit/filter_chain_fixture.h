// A session with filters, without SMTP around it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "../support/temporary_folder.h"
#include "postoffice/base/disk.h"
#include "postoffice/milter/filter_chain.h"

namespace postoffice::testing_filters {

struct Session {
    explicit Session(std::vector<FilterSettings> filters) {
        config.identity.hostname = "mail.example";
        config.identity.local_domains = {"b.test"};
        config.queue.dir = folder.path();
        config.queue.minfree = 0;
        config.filters.list = std::move(filters);
        chain = std::make_unique<FilterChain>(config, resolver);
        for (const char* name : {"j", "{daemon_name}"}) chain->macros().set(name, "mail.example");
        chain->macros().set("i", "ID1");
        chain->macros().set("{client_addr}", "192.0.2.1");
    }

    FilterVerdict mail() {
        return chain->mail(client, Address("ann", "a.test"), "SIZE=10",
                           [this](const FilterSettings&) { return is_skipped; });
    }
    FilterVerdict recipient() { return chain->recipient(Address("bob", "b.test"), "", true); }
    FilteredMessage examine() {
        message = std::make_unique<Message>(folder.path());
        message->append(text);
        return chain->examine(*message);
    }
    /// A whole message; the first verdict that does not go on.
    FilteredMessage send() {
        FilteredMessage result;
        for (const auto step : {&Session::mail, &Session::recipient, &Session::data})
            if (result.verdict.goes_on()) result.verdict = (this->*step)();
        if (result.verdict.goes_on()) result = examine();
        chain->end_message();
        return result;
    }
    FilterVerdict data() { return chain->data(); }
    /// What is stored in the end.
    std::string text_of(const FilteredMessage& result) {
        const Fd file = (result.message ? *result.message : *message).open_for_reading();
        return disk::read_all(file.get(), 1u << 24);
    }
    std::string filtered_text() { return text_of(send()); }
    /// Says goodbye to all filters.
    void end() { chain.reset(); }

    test::TemporaryFolder folder;
    Config config;
    Resolver resolver{ResolverSettings{
        .servers = {{*IpAddress::parse("127.0.0.1"), 9}}, .timeout = Milliseconds(100), .attempts = 1}};
    FilterClient client{"client.example", IpAddress::parse("192.0.2.1"), 1234, "client.example", ""};
    std::string text = "Received: by us\nSubject: hello\n world\nX-Two: 2\n\none\ntwo\n";
    bool is_skipped = false;
    std::unique_ptr<Message> message;
    std::unique_ptr<FilterChain> chain;
};

}  // namespace postoffice::testing_filters
