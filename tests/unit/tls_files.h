// A certificate that has signed itself, and its key, made with openssl(1).
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "local_delivery.h"

namespace postoffice::testing_tls {

struct Files {
    explicit Files(const std::string& name) {
        run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=" + name +
            " -addext subjectAltName=DNS:" + name + " -keyout " + key + " -out " + certificate +
            " 2>/dev/null");
    }
    /// SHA-256 of the certificate, and of its public key, in hexadecimal.
    std::array<std::string, 2> fingerprints() const {
        const std::string of_certificate = "openssl x509 -in " + certificate + " -outform DER";
        const std::string of_key =
            "openssl x509 -in " + certificate + " -noout -pubkey | openssl pkey -pubin -outform DER";
        const std::string digest = " | sha256sum | cut -c 1-64";
        return {run(of_certificate + digest), run(of_key + digest)};
    }

    testing_local::Folder folder;
    std::string certificate = folder / "certificate.pem";
    std::string key = folder / "key.pem";

  private:
    /// The first line of its output.
    static std::string run(const std::string& command) {
        const std::unique_ptr<FILE, int (*)(FILE*)> output(::popen(command.c_str(), "r"), ::pclose);
        std::array<char, 200> line{};
        if (std::fgets(line.data(), line.size(), output.get()) == nullptr) return "";
        const std::string text(line.data());
        return text.substr(0, text.find('\n'));
    }
};

}  // namespace postoffice::testing_tls
