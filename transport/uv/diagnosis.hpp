#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/handlers.hpp>
#include <plumvine/result.hpp>
#include <plumvine/types.hpp>

#include "transport/driver.hpp"

namespace plumvine::uv {

/// What members are asked for operators (`Driver::ask`). An answer is JSON; an empty one says that the member does not know the kind.
enum class Asking : std::uint8_t {
  paths = 1,  ///< message ids, parted by blanks: the way of each, as far as it is known there
  findings = 2,  ///< without text: what is wrong at a member (`doctor.hpp`)
  links = 3,  ///< nothing: its links and its place in each tree (`links_inquiry.hpp`)
  views = 4,  ///< who believes what of whom: views_inquiry.hpp
  reachability = 5,  ///< which ways lead from member to member: reachability.hpp
  events = 6,  ///< what happened there in a span of time: events_inquiry.hpp
  certificate = 7,  ///< would it take this certificate: tls_inquiry.hpp
};
/// Ids in one question.
inline constexpr std::size_t kPathsMax = 16;

/// The question about these ids.
std::string paths_question(const std::vector<MessageId>& ids);
/// The answer, in the order of the ids: of what is too long the lists of neighbours are left out.
std::string paths_answer(const Driver& driver, std::string_view question);

/// The way of one message across the members: those on it by hops, then who lacks it, then who did not answer.
struct Trace {
  bool found = false;  ///< some member knows the message
  std::string json;
};
Trace trace(const MessageId& id, const std::string& self, const std::string& own, const Answered& answered);

/// Probes that were sent to see who gets them.
struct Probes {
  std::size_t size = 0;
  std::vector<MessageId> ids;
  std::vector<Receipt> receipts;
  /// True: every member has every probe.
  [[nodiscard]] bool complete() const;
  /// With what members said of their ways.
  [[nodiscard]] std::string json(const Answered& answered) const;
};

}  // namespace plumvine::uv
