#pragma once

#include <string>
#include <string_view>

#include <plumvine/config.hpp>
#include <plumvine/handlers.hpp>
#include <plumvine/health.hpp>
#include <plumvine/keys.hpp>
#include <plumvine/snapshot.hpp>

/// JSON texts of the HTTP paths and of printed messages, as pure functions. Invalid UTF-8 is replaced, never refused.
namespace plumvine::dump {

std::string members_json(const Snapshot& snapshot);
std::string peers_json(const Snapshot& snapshot);
std::string tree_json(const Snapshot& snapshot);
std::string lag_json(const Snapshot& snapshot);
std::string health_json(const HealthReport& report, std::string_view component = {});
/// What became of an order about keys. After `list` it holds the keys themselves: secrets.
std::string keys_json(const KeyReport& report);
/// The effective configuration, every key as `Config::set` reads it. Holds no secrets.
std::string config_json(const Config& config);
/// The same with where each value comes from: `{"KEY":{"value":…,"origin":"preset lan"}}`. Values are those of `in_force`, in which this
/// machine has filled in what `config` leaves to it.
std::string config_origins_json(const Config& config, const Config& in_force);
/// What was trimmed.
std::string trim_json(std::uint64_t messages, std::uint64_t bytes, std::uint64_t returned_bytes);
/// Everything above in one object, for a state dump.
std::string state_json(const Snapshot& snapshot, const HealthReport& report, const Config& config);
/// One printed line without line feed; `cursor` is added where not empty.
std::string message_json(const Message& message, std::string_view cursor = {});
/// The line of a subscriber that will not get some messages: `{"history_gap":{…},"cursor":"…"}`.
std::string gap_json(const LostEvent& lost, std::string_view cursor);
/// Who has acknowledged a broadcast, and who has not.
std::string receipt_json(const Receipt& receipt);
/// One event of `GET /events`, without line feed. `wall_ms`: since 1970.
std::string event_json(std::string_view id, std::int64_t wall_ms, EventKind kind, const LogRecord& record);
std::string error_json(std::string_view code, std::string_view message, std::string_view hint);

}  // namespace plumvine::dump
