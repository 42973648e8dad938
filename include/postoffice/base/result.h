// An expected outcome: a value, or the reason why there is none, in words for the author of the input.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace postoffice {

struct Problem {
    std::string text;
};

template <class T>
class [[nodiscard]] Result {
  public:
    Result(T value) : value_(std::move(value)) {}              // NOLINT: conversion is the point
    Result(Problem problem) : problem_(std::move(problem)) {}  // NOLINT

    explicit operator bool() const { return value_.has_value(); }
    T& operator*() { return value_.value(); }
    const T& operator*() const { return value_.value(); }
    T* operator->() { return &value_.value(); }
    const T* operator->() const { return &value_.value(); }
    /// The reason; empty if there is a value.
    const std::string& problem() const { return problem_.text; }

  private:
    std::optional<T> value_;
    Problem problem_;
};

}  // namespace postoffice
