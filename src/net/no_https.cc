// Of a build without libcurl.
#include "postoffice/net/https.h"

namespace postoffice {

bool https_is_built_in() {
    return false;
}

Result<std::string> https_get(const HttpsGet& /*get*/) {
    return Problem{"this program was built without libcurl"};
}

}  // namespace postoffice
