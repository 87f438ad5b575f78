#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace plumvine {

/// What went wrong. Each value says whether state changed and what the caller does next.
enum class Errc : std::uint16_t {
  /// An argument or configuration value is outside its range. Nothing changed; mend the call.
  invalid_argument = 1,
  /// The configuration breaks one or more rules; the message lists all of them. Nothing was started.
  invalid_config,
  /// The address is taken or may not be bound. Nothing was started; choose another or free it.
  address_in_use,
  /// A name could not be resolved. Nothing changed; seeds are tried again for ever.
  not_resolved,
  /// The publisher is ahead of the members that keep up. Nothing was sent, no sequence number was
  /// used; wait for `Handlers::on_writable`, or pass `BroadcastOptions::wait`.
  overloaded,
  /// The payload is larger than `max_message_size`. Nothing was sent; split it.
  too_large,
  /// The node has left or was stopped. Nothing happened; `rejoin` or start a new one.
  stopped,
  /// Waiting is not possible on the loop thread, it could never end. Nothing changed.
  would_deadlock,
  /// The bytes break the wire format. They were dropped and counted.
  malformed,
  /// A bound was reached. The message names it; nothing changed.
  limit_reached,
  /// No such member, peer, message or key. Nothing changed.
  not_found,
  /// The time given ran out. What had been started goes on.
  timed_out,
  /// The operating system refused; the message holds its words. Nothing changed.
  system,
};

/// Name of `code` as it is written in messages, for example `overloaded`.
std::string_view to_string(Errc code) noexcept;

/// An error with the culprit's name and, where there is one, the next step.
struct Error {
  Errc code = Errc::system;
  std::string message;

  /// The same error with `where` (a field, file or address) in front of the message.
  [[nodiscard]] Error with(std::string_view where) const {
    return {code, std::string(where) + ": " + message};
  }
};

/// A value or an `Error`. `value()` on an error is a programming mistake and ends the process.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  Result(Errc code, std::string message) : Result(Error{code, std::move(message)}) {}

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  [[nodiscard]] const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value, or an `Error`.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  Result(Errc code, std::string message) : error_(Error{code, std::move(message)}) {}

  [[nodiscard]] bool has_value() const noexcept { return !error_; }
  explicit operator bool() const noexcept { return has_value(); }
  [[nodiscard]] const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace plumvine
