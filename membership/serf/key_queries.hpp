#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <plumvine/detail/counted_reasons.hpp>
#include <plumvine/detail/rng.hpp>
#include <plumvine/keys.hpp>
#include <plumvine/stats.hpp>

#include "membership/swim.hpp"
#include "messages.hpp"

namespace plumvine::serf {

/// Somebody tells this member to change or show its keys; `KeyQueries::answer` answers.
struct KeyQuery {
  KeyCommand command{};
  Bytes key;
  std::uint64_t used_at = 0;  ///< see `KeyRequest`
  std::string by;             ///< the member that asks
  LTime time = 0;
  std::uint32_t id = 0;
  Endpoint to;
  Bytes sealed_by;            ///< empty: it came in clear
  bool stream = false;        ///< it came over a stream, and so does the answer
};

/// Reads one of Serf's four queries about keys; nullopt: it is another query, or malformed.
std::optional<KeyQuery> read_key_query(const Query& query, const Endpoint& to, const Bytes& sealed_by, bool stream);

/// Serf's queries about keys, both ends. Answers those of others, and puts one question of ours to many members.
///
/// Serf gossips a query and waits; we send each member a query of its own, again while no answer comes. So it is
/// known who did not answer, a lost packet is no failure, and it works the same where nothing of Serf's is gossiped.
/// Every other try goes over a stream, the first one where packets are known to be blocked; ours answer the same way.
/// Bounds: `kLessonsMax` members being taught, `kLessonTries` times each, one
/// question at a time, `kAtOnce` members asked at once, `kTries` times each, `kRoundTime` for all.
class KeyQueries {
 public:
  static constexpr std::size_t kAtOnce = 32;
  static constexpr int kTries = 4;
  static constexpr Duration kTryTime = std::chrono::milliseconds{1250};
  static constexpr Duration kRoundTime = std::chrono::seconds{10};
  static constexpr Duration kLessonTime = std::chrono::milliseconds{300};
  /// So long a member that was taught has for its answer; then it is taught again.
  static constexpr Duration kLessonPause = std::chrono::seconds{2};
  static constexpr int kLessonTries = 5;
  static constexpr std::size_t kLessonsMax = 256;

  struct Answer {
    std::string name;
    bool came = false;
    KeyResponse response = {};
  };

  KeyQueries(swim::Swim& swim, std::string name, Rng rng) : swim_(swim), name_(std::move(name)), rng_(rng) {}

  /// Asks these members. `take_answers` has all answers once `done()`. Only while nothing is asked.
  void ask(KeyCommand command, Bytes key, LTime time, std::vector<std::string> members, Timestamp now);
  [[nodiscard]] bool done() const noexcept { return asked_ && waiting_.empty() && pending_.empty(); }
  /// The answers in the order of the members asked.
  std::vector<Answer> take_answers();
  /// Tells one member, over streams sealed with `with`, to install `key` and a moment later to use it: Serf reads what
  /// comes together backwards. Both are told again while no answer to the second comes.
  void teach(std::string_view member, const Bytes& key, std::uint64_t used_at, const Bytes& with, LTime time, Timestamp now);
  /// The keys have changed: what is being taught is no longer right.
  void end_lessons();

  void on_response(const Response& response, Timestamp now);
  /// A user message in a cluster that does not speak Serf's protocol: only queries about keys and their answers are read.
  std::optional<KeyQuery> on_message(const swim::UserMessage& message, Timestamp now);
  void answer(const KeyQuery& query, KeyResponse response, Timestamp now);

  void handle_timeout(Timestamp now);
  [[nodiscard]] Timestamp next_timeout() const noexcept { return due_; }
  [[nodiscard]] const CountedReasons<SerfMessage>& messages() const noexcept { return counts_; }

 private:
  struct Pending {
    std::size_t index;  ///< into `answers_`
    int tries = 0;
    Timestamp due;
    std::vector<std::uint32_t> ids;
  };

  /// What a member is taught, in two steps.
  struct Lesson {
    std::string member;
    Bytes key;
    std::uint64_t used_at;
    Bytes with;
    LTime time;
    int tries = 0;  ///< begun
    bool installed = false;  ///< the first step of this try was sent
    Timestamp due;
    std::vector<std::uint32_t> ids;  ///< of the second step
  };

  void go_on(Lesson& lesson, Timestamp now);
  bool learned(const Response& response);
  void fill(Timestamp now);
  void send(Pending& pending, Timestamp now);
  std::uint32_t send(const Endpoint& to, KeyCommand command, const Bytes& key, std::uint64_t used_at, LTime time,
                     const Bytes& with, bool stream, Timestamp now);
  void send(const Endpoint& to, BytesView message, const Bytes& key, bool stream, Timestamp now);
  void arm();

  swim::Swim& swim_;
  std::string name_;
  Rng rng_;
  bool asked_ = false;
  KeyCommand command_{};
  Bytes key_;
  LTime time_ = 0;
  Timestamp round_end_;
  std::vector<Answer> answers_;
  std::deque<std::size_t> waiting_;
  std::vector<Pending> pending_;
  std::vector<Lesson> lessons_;  ///< one a member
  Timestamp due_ = kNever;
  CountedReasons<SerfMessage> counts_;
};

}  // namespace plumvine::serf
