// One function for each type of a variant, for std::visit.
#pragma once

namespace postoffice {

template <class... Functions>
struct Overloaded : Functions... {
    using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

}  // namespace postoffice
