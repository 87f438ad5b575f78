#include "wire.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include <plumvine/detail/check.hpp>

#include "wire/reader.hpp"
#include "wire/signature.hpp"
#include "wire/writer.hpp"

namespace plumvine::wire {

namespace {

using namespace frame;

/// First element of every frame: the position of its type in `Frame`, from 1, one more behind `described`. `WIRE.md` lists them.
enum class Type : std::uint8_t {
  hello = 1, gossip, ihave, graft, prune, beacon, digest, pull, gone, progress, ping, pong, bye, forget, ack_request, acks,
  visit, direct, direct_ack,
  described,  ///< a gossip that says what its payload is
  ask, answers,
  run,        ///< a gossip with the payloads of several messages
  signed_,  ///< one of these three, and its origin's signature
};
constexpr std::uint64_t kFrames = std::variant_size_v<Frame>;
constexpr std::uint64_t kLastType = kFrames + 3;
static_assert(kLastType == static_cast<std::uint64_t>(Type::signed_));

constexpr bool is_gossip(std::uint64_t type) noexcept {
  return type == static_cast<std::uint64_t>(Type::gossip) || type == static_cast<std::uint64_t>(Type::described) ||
         type == static_cast<std::uint64_t>(Type::run);
}
constexpr bool may_be_gossip(std::uint64_t type) noexcept {
  return is_gossip(type) || type == static_cast<std::uint64_t>(Type::signed_);
}

template <class F>
constexpr Type type_of() noexcept {
  return []<std::size_t... I>(std::index_sequence<I...>) {
    std::size_t index = 0;
    ((std::is_same_v<F, std::variant_alternative_t<I, Frame>> ? void(index = I) : void()), ...);
    return static_cast<Type>(index + (index + 1 < static_cast<std::size_t>(Type::described) ? 1 : 2));
  }(std::make_index_sequence<std::variant_size_v<Frame>>{});
}
static_assert(type_of<DirectAck>() == Type::direct_ack && type_of<Ask>() == Type::ask);
static_assert(type_of<Gossip>() == Type::gossip && type_of<Digest>() == Type::digest);

// ---- Writing. Each `put` runs twice: once over a Counter, for the size of the block, once over a Memory.

template <class Sink>
void put(Sink& sink, const std::vector<SequenceRange>& ranges) {
  sink.array(2 * ranges.size());
  Sequence previous = 0;
  for (const auto& range : ranges) {
    PLUMVINE_CHECK(range.first > previous && range.last >= range.first, "ranges ascend and are disjoint");
    sink.uint(range.first - previous);
    sink.uint(range.last - range.first);
    previous = range.last;
  }
}

template <class Sink>
void put(Sink& sink, const std::vector<OriginRanges>& ids) {
  PLUMVINE_CHECK(ids.size() <= kEntriesMax, "a frame has too many origins");
  sink.array(ids.size());
  std::size_t ranges = 0;
  for (const auto& entry : ids) {
    ranges += entry.ranges.size();
    sink.array(2);
    sink.id(entry.origin);
    put(sink, entry.ranges);
  }
  PLUMVINE_CHECK(ranges <= kRangesMax, "a frame has too many ranges");
}

template <class Sink>
void put(Sink& sink, const std::vector<DigestEntry>& entries) {
  PLUMVINE_CHECK(entries.size() <= kEntriesMax, "a digest frame has too many entries");
  sink.array(entries.size());
  std::size_t ranges = 0;
  for (const auto& entry : entries) {
    ranges += entry.above.size();
    sink.array(5);
    sink.id(entry.origin);
    sink.str(entry.name, kNameMax);
    sink.uint(entry.watermark);
    sink.uint(entry.floor);
    put(sink, entry.above);
  }
  PLUMVINE_CHECK(ranges <= kRangesMax, "a digest frame has too many ranges");
}

template <class Sink>
void put(Sink& sink, const std::vector<Progress::Entry>& entries) {
  PLUMVINE_CHECK(entries.size() <= kEntriesMax, "a progress frame has too many entries");
  sink.array(entries.size());
  for (const auto& entry : entries) {
    sink.array(2);
    sink.id(entry.origin);
    sink.uint(entry.watermark);
  }
}

template <class Sink>
void put(Sink& sink, const std::vector<Forget::Order>& orders) {
  PLUMVINE_CHECK(orders.size() <= kForgetsMax, "a forget frame has too many orders");
  sink.array(orders.size());
  for (const auto& order : orders) {
    sink.array(4);
    sink.str(order.name, kForgetNameMax);
    sink.uint(order.incarnation);
    sink.uint(order.age_ms);
    sink.str(order.by, kNameMax);
  }
}

/// Fields of each frame after its type; `kFields` counts them.
template <class F>
constexpr std::size_t kFields = 0;
template <> inline constexpr std::size_t kFields<Hello> = 4;
template <> inline constexpr std::size_t kFields<Gossip> = 9;
template <> inline constexpr std::size_t kFields<About> = 5;  ///< more in a gossip of type `described`
template <> inline constexpr std::size_t kFields<Run> = 2;    ///< more in one of type `run`
template <> inline constexpr std::size_t kFields<Signature> = kSignatureFields;  ///< more in one of type `signed_`, the type that it would be else among them
template <> inline constexpr std::size_t kFields<IHave> = 3;
template <> inline constexpr std::size_t kFields<Graft> = 3;
template <> inline constexpr std::size_t kFields<Prune> = 1;
template <> inline constexpr std::size_t kFields<Beacon> = 3;
template <> inline constexpr std::size_t kFields<Digest> = 5;
template <> inline constexpr std::size_t kFields<Pull> = 1;
template <> inline constexpr std::size_t kFields<Gone> = 1;
template <> inline constexpr std::size_t kFields<Progress> = 1;
template <> inline constexpr std::size_t kFields<Ping> = 3;
template <> inline constexpr std::size_t kFields<Pong> = 4;
template <> inline constexpr std::size_t kFields<Bye> = 1;
template <> inline constexpr std::size_t kFields<Forget> = 1;
template <> inline constexpr std::size_t kFields<AckRequest> = 3;
template <> inline constexpr std::size_t kFields<Acks> = 2;
template <> inline constexpr std::size_t kFields<Visit> = 4;
template <> inline constexpr std::size_t kFields<Direct> = 2;
template <> inline constexpr std::size_t kFields<DirectAck> = 1;
template <> inline constexpr std::size_t kFields<Ask> = 5;
template <> inline constexpr std::size_t kFields<Answers> = 3;

template <class Sink>
struct FieldWriter {
  Sink& sink;

  void operator()(const Hello& f) {
    sink.uint(f.version);
    sink.str(f.cluster, kClusterMax);
    sink.str(f.name, kNameMax);
    sink.id(f.instance);
  }
  void operator()(const Gossip& f) {
    PLUMVINE_CHECK(f.id.sequence != 0, "sequences start at 1");
    PLUMVINE_CHECK(f.payload.size() <= kPartSize, "a payload does not fit a frame");
    sink.id(f.tree);
    sink.id(f.id.origin);
    sink.uint(f.id.sequence);
    sink.uint(f.round);
    sink.sint(f.published_us);
    sink.boolean(f.pulled);
    sink.str(f.topic, kTopicMax);
    sink.str(f.origin, kNameMax);
    if (f.about) (*this)(*f.about);
    if (f.run.count > 1) (*this)(f.run);
    sink.bin_header(f.payload.size());
  }
  void operator()(const Run& f) {
    sink.uint(f.count);
    sink.boolean(f.alike);
  }
  void operator()(const About& f) {
    sink.uint(static_cast<std::uint64_t>(f.encoding));
    sink.uint(f.size);
    sink.uint(f.encoded_size);
    sink.uint(f.first);
    sink.bin_header(f.checksum.size());
    sink.raw(f.checksum.data(), f.checksum.size());
  }
  void operator()(const IHave& f) {
    sink.id(f.tree);
    put(sink, f.ids);
    sink.uint(f.round);
  }
  void operator()(const Graft& f) {
    sink.id(f.tree);
    sink.boolean(f.attach);
    put(sink, f.ids);
  }
  void operator()(const Prune& f) { sink.id(f.tree); }
  void operator()(const Beacon& f) {
    sink.id(f.tree);
    sink.uint(f.epoch);
    sink.uint(f.distance_us);
  }
  void operator()(const Digest& f) {
    sink.boolean(f.reply_wanted);
    sink.boolean(f.synced);
    sink.boolean(f.first);
    sink.boolean(f.last);
    put(sink, f.entries);
  }
  void operator()(const Pull& f) { put(sink, f.ids); }
  void operator()(const Gone& f) { put(sink, f.ids); }
  void operator()(const Progress& f) { put(sink, f.entries); }
  void operator()(const Ping& f) {
    sink.uint(f.nonce);
    sink.sint(f.sent_us);
    sink.sint(f.wall_us);
  }
  void operator()(const Pong& f) {
    sink.uint(f.nonce);
    sink.sint(f.sent_us);
    sink.sint(f.at_us);
    sink.sint(f.wall_us);
  }
  void operator()(const Bye& f) { sink.uint(static_cast<std::uint64_t>(f.why)); }
  void operator()(const Forget& f) { put(sink, f.orders); }
  void operator()(const AckRequest& f) {
    PLUMVINE_CHECK(f.ranges.size() <= kRangesMax, "a request for acknowledgements has too many ranges");
    sink.id(f.origin);
    sink.uint(f.round);
    put(sink, f.ranges);
  }
  void operator()(const Acks& f) {
    sink.id(f.origin);
    put(sink, f.members);
  }
  void operator()(const Visit& f) { (*this)(f.who); }
  void operator()(const Direct& f) {
    sink.uint(f.number);
    bin(f.payload, kDirectMax);
  }
  void operator()(const DirectAck& f) { sink.uint(f.number); }
  void operator()(const Ask& f) {
    sink.id(f.origin);
    sink.uint(f.number);
    sink.uint(f.round);
    sink.uint(f.kind);
    bin(f.question, kQuestionMax);
  }
  void operator()(const Answers& f) {
    PLUMVINE_CHECK(f.answers.size() <= kEntriesMax, "a frame has too many answers");
    sink.id(f.origin);
    sink.uint(f.number);
    sink.array(f.answers.size());
    for (const auto& answer : f.answers) {
      sink.array(2);
      sink.id(answer.member);
      bin(answer.text, kAnswerMax);
    }
  }

 private:
  void bin(const Bytes& bytes, std::size_t max) {
    PLUMVINE_CHECK(bytes.size() <= max, "bytes of a frame exceed their bound");
    sink.bin_header(bytes.size());
    sink.raw(bytes.data(), bytes.size());
  }
};

template <class Sink>
void put_frame(Sink& sink, const Frame& frame) {
  std::visit(
      [&sink]<class F>(const F& f) {
        Type type = type_of<F>();
        std::size_t fields = kFields<F>;
        if constexpr (std::is_same_v<F, Gossip>) {
          if (f.about) {
            type = Type::described;
            fields += kFields<About>;
          } else if (f.run.count > 1) {
            type = Type::run;
            fields += kFields<Run>;
          }
        }
        if constexpr (std::is_same_v<F, Gossip>) {
          if (f.signature) {
            sink.array(1 + fields + kFields<Signature>);
            sink.uint(static_cast<std::uint64_t>(Type::signed_));
            sink.uint(static_cast<std::uint64_t>(type));
            put_signature(sink, *f.signature, f.run.count > 1 || f.signature->cut);
            return FieldWriter<Sink>{sink}(f);
          }
        }
        sink.array(1 + fields);
        sink.uint(static_cast<std::uint64_t>(type));
        FieldWriter<Sink>{sink}(f);
      },
      frame);
}

// ---- Reading. A Reader that failed keeps its first fault and gives zeros; so no step needs a check of its own
// unless a value just read decides what is read or allocated next.

/// Reads ranges; `budget` is what the frame may still hold of them.
std::vector<SequenceRange> get_ranges(Reader& in, Sequence above, std::size_t& budget) {
  std::vector<SequenceRange> ranges;
  const std::size_t count = in.array();
  if (count % 2 != 0) in.fail("ranges come in pairs");
  if (count / 2 > budget) in.fail("too many ranges");
  if (!in.enough_for(count)) return ranges;
  budget -= count / 2;
  ranges.reserve(count / 2);
  Sequence previous = 0;
  for (std::size_t i = 0; i < count / 2; ++i) {
    const std::uint64_t gap = in.uint();
    const std::uint64_t extra = in.uint();
    if (!in.good()) return ranges;
    const Sequence first = previous + gap;
    const Sequence last = first + extra;
    if (gap == 0 || first < previous || last < first || first <= above) {
      in.fail("ranges must ascend, be disjoint and start above 0");
      return ranges;
    }
    ranges.push_back({first, last});
    previous = last;
  }
  return ranges;
}

/// Reads the header of a list of entries of `fields` elements each; 0 when it breaks a bound.
std::size_t get_entry_count(Reader& in, std::size_t fields) {
  const std::size_t count = in.array();
  if (count > kEntriesMax) in.fail("too many entries");
  return in.enough_for(count, 1 + fields) ? count : 0;
}

InstanceId get_origin(Reader& in) {
  const InstanceId origin{in.uint()};
  if (publisher_of(origin) == InstanceId{}) in.fail("an origin is 0");
  return origin;
}

InstanceId get_instance(Reader& in) {
  const InstanceId instance = get_origin(in);
  if (is_parts(instance)) in.fail("an instance with the bit of parts");
  return instance;
}

std::vector<OriginRanges> get_ids(Reader& in) {
  std::size_t budget = kRangesMax;
  std::vector<OriginRanges> ids(get_entry_count(in, 2));
  for (auto& entry : ids) {
    in.array_of(2);
    entry.origin = get_origin(in);
    entry.ranges = get_ranges(in, 0, budget);
    if (!in.good()) break;
  }
  return ids;
}

/// A Gossip before its payload; texts still lie in the received bytes.
struct GossipHead {
  TreeId tree{};
  MessageId id;
  Round round = 0;
  std::int64_t published_us = 0;
  bool pulled = false;
  std::string_view topic;
  std::string_view origin;
  std::optional<About> about;
  std::uint64_t encoding = 0;  ///< of the payload, known or not
  std::optional<Run> run;
  std::optional<Signature> signature;
  BytesView path;  ///< of its cut; lies in the received bytes
  std::size_t payload_size = 0;
};

About get_about(Reader& in) {
  About about;
  about.size = in.uint();
  about.encoded_size = in.uint();
  about.first = in.uint();
  if (in.bin_header() != about.checksum.size()) in.fail("a checksum of another length");
  const BytesView checksum = in.take(about.checksum.size());
  std::copy(checksum.begin(), checksum.end(), about.checksum.begin());
  return about;
}

Run get_run(Reader& in, const MessageId& first) {
  Run run;
  run.count = static_cast<std::uint32_t>(in.uint(kRunMessagesMax));
  run.alike = in.boolean();
  if (run.count < 2) in.fail("a run of fewer than two");
  if (is_parts(first.origin)) in.fail("a run of parts");
  if (first.sequence > UINT64_MAX - kRunMessagesMax) in.fail("sequences beyond the last one");
  return run;
}

/// Reads `[type, fields…` up to the payload. What cannot be a gossip is a fault.
GossipHead get_gossip_head(Reader& in) {
  GossipHead head;
  std::size_t elements = in.array();
  std::uint64_t type = in.uint();
  if (in.good() && type == static_cast<std::uint64_t>(Type::signed_)) {
    if (elements <= kFields<Signature>) in.fail("wrong number of fields");
    elements -= std::min(elements, kFields<Signature>);
    type = in.uint();
    if (in.good() && !is_gossip(type)) in.fail("signed, and not a gossip");
    if (in.good()) get_signature(in, head.signature.emplace(), head.path, type == static_cast<std::uint64_t>(Type::run));
  }
  const bool has_about = type == static_cast<std::uint64_t>(Type::described);
  const bool has_run = type == static_cast<std::uint64_t>(Type::run);
  if (in.good() && !is_gossip(type)) in.fail("not a gossip");
  const std::size_t more = has_about ? kFields<About> : has_run ? kFields<Run> : 0;
  if (in.good() && elements != 1 + kFields<Gossip> + more) in.fail("wrong number of fields");
  head.tree = TreeId{in.uint()};
  head.id.origin = get_origin(in);
  head.id.sequence = in.uint();
  if (head.id.sequence == 0) in.fail("a sequence is 0");
  head.round = static_cast<Round>(in.uint(UINT16_MAX));
  head.published_us = in.sint();
  head.pulled = in.boolean();
  head.topic = in.str(kTopicMax);
  head.origin = in.str(kNameMax);
  if (in.good() && has_about) {
    head.encoding = in.uint();
    head.about = get_about(in);
  }
  if (in.good() && has_run) head.run = get_run(in, head.id);
  if (in.good() && head.signature && head.signature->cut) {
    const Cut& cut = *head.signature->cut;
    if (has_about || is_parts(head.id.origin) || cut.first == 0 || cut.run.count < 2 || cut.first > head.id.sequence ||
        head.id.sequence - cut.first >= cut.run.count)
      in.fail("a message that cannot be of its run");
  }
  head.payload_size = in.bin_header();
  return head;
}

/// What a head that was read must keep; `why` says which of it is broken.
bool keeps_bounds(GossipHead& head, std::size_t max_message_size, FrameReject& reason, const char*& why) {
  const auto broken = [&](FrameReject what, const char* text) {
    reason = what;
    why = text;
    return false;
  };
  // A run's messages are looked at when they are here.
  const std::uint64_t whole = head.run     ? 0
                              : head.about ? std::max(head.about->size, head.about->encoded_size)
                                           : head.payload_size;
  if (whole > max_message_size || head.payload_size > kPartSize) return broken(FrameReject::too_large, "payload too large");
  if (!head.about) return true;
  if (is_parts(head.id.origin)) return broken(FrameReject::malformed, "a part that is in parts itself");
  if (head.encoding >= static_cast<std::uint64_t>(Encoding::count_)) return broken(FrameReject::unknown_type, "unknown encoding");
  About& about = *head.about;
  about.encoding = static_cast<Encoding>(head.encoding);
  const bool plain = about.encoding == Encoding::plain;
  if (plain ? about.size != about.encoded_size || !about.in_parts() : about.size <= about.encoded_size) {
    return broken(FrameReject::malformed, "sizes that do not fit the encoding");
  }
  if (about.in_parts() != (about.parts() > 1)) return broken(FrameReject::malformed, "parts of a payload that fits a frame");
  if (head.payload_size != (about.in_parts() ? 0 : about.encoded_size)) return broken(FrameReject::malformed, "a payload of another size");
  return true;
}

Frame to_frame(const GossipHead& head, Bytes payload) {
  Frame frame{std::in_place_type<Gossip>};
  Gossip& gossip = std::get<Gossip>(frame);
  gossip.tree = head.tree;
  gossip.id = head.id;
  gossip.round = head.round;
  gossip.published_us = head.published_us;
  gossip.pulled = head.pulled;
  gossip.topic = head.topic;
  gossip.origin = head.origin;
  gossip.about = head.about;
  gossip.run = head.run.value_or(Run{});
  if (head.signature) {
    Signature signature = *head.signature;
    for (std::size_t at = 0; at < head.path.size(); at += kHashSize)
      std::copy_n(head.path.begin() + static_cast<std::ptrdiff_t>(at), kHashSize,
                  signature.cut->path.emplace_back().begin());
    gossip.signature = std::move(signature);
  }
  gossip.payload = std::move(payload);
  return frame;
}

template <class F>
F get(Reader& in);

template <>
Hello get(Reader& in) {
  Hello f;
  f.version = static_cast<std::uint8_t>(in.uint(UINT8_MAX));
  f.cluster = in.str(kClusterMax);
  f.name = in.str(kNameMax);
  f.instance = get_instance(in);
  return f;
}
template <>
IHave get(Reader& in) {
  IHave f;
  f.tree = TreeId{in.uint()};
  f.ids = get_ids(in);
  f.round = static_cast<Round>(in.uint(UINT16_MAX));
  return f;
}
template <>
Graft get(Reader& in) {
  Graft f;
  f.tree = TreeId{in.uint()};
  f.attach = in.boolean();
  f.ids = get_ids(in);
  return f;
}
template <>
Prune get(Reader& in) {
  return Prune{TreeId{in.uint()}};
}
template <>
Beacon get(Reader& in) {
  Beacon f;
  f.tree = TreeId{in.uint()};
  f.epoch = in.uint();
  f.distance_us = in.uint();
  return f;
}
template <>
Digest get(Reader& in) {
  Digest f;
  f.reply_wanted = in.boolean();
  f.synced = in.boolean();
  f.first = in.boolean();
  f.last = in.boolean();
  std::size_t budget = kRangesMax;
  f.entries.resize(get_entry_count(in, 5));
  for (auto& entry : f.entries) {
    in.array_of(5);
    entry.origin = get_origin(in);
    entry.name = in.str(kNameMax);
    entry.watermark = in.uint();
    entry.floor = in.uint();
    entry.above = get_ranges(in, entry.watermark, budget);
    if (!in.good()) break;
  }
  return f;
}
template <>
Pull get(Reader& in) {
  return Pull{get_ids(in)};
}
template <>
Gone get(Reader& in) {
  return Gone{get_ids(in)};
}
template <>
Progress get(Reader& in) {
  Progress f;
  f.entries.resize(get_entry_count(in, 2));
  for (auto& entry : f.entries) {
    in.array_of(2);
    entry.origin = get_origin(in);
    entry.watermark = in.uint();
    if (!in.good()) break;
  }
  return f;
}
template <>
Ping get(Reader& in) {
  Ping f;
  f.nonce = in.uint();
  f.sent_us = in.sint();
  f.wall_us = in.sint();
  return f;
}
template <>
Pong get(Reader& in) {
  Pong f;
  f.nonce = in.uint();
  f.sent_us = in.sint();
  f.at_us = in.sint();
  f.wall_us = in.sint();
  return f;
}
template <>
Bye get(Reader& in) {
  return Bye{static_cast<Bye::Why>(in.uint(static_cast<std::uint64_t>(Bye::Why::misbehaved)))};
}

template <>
Forget get(Reader& in) {
  Forget f;
  const std::size_t count = in.array();
  if (count > kForgetsMax) in.fail("too many orders");
  if (!in.enough_for(count, 5)) return f;
  f.orders.resize(count);
  for (auto& order : f.orders) {
    in.array_of(4);
    order.name = in.str(kForgetNameMax);
    order.incarnation = static_cast<std::uint32_t>(in.uint(UINT32_MAX));
    order.age_ms = in.uint();
    order.by = in.str(kNameMax);
    if (in.good() && order.name.empty()) in.fail("a name is empty");
    if (!in.good()) break;
  }
  return f;
}

template <>
AckRequest get(Reader& in) {
  AckRequest f;
  f.origin = get_origin(in);
  f.round = in.uint();
  std::size_t budget = kRangesMax;
  f.ranges = get_ranges(in, 0, budget);
  return f;
}
template <>
Acks get(Reader& in) {
  Acks f;
  f.origin = get_origin(in);
  f.members = get_ids(in);
  return f;
}
template <>
Visit get(Reader& in) {
  return Visit{get<Hello>(in)};
}
Bytes get_bin(Reader& in, std::size_t max, const char* too_large) {
  const std::size_t size = in.bin_header();
  if (size > max) in.fail(too_large);
  if (in.good() && size > in.left()) in.fail("bytes are missing");
  return in.good() ? Bytes::copy_of(in.take(size)) : Bytes{};
}
template <>
Direct get(Reader& in) {
  Direct f;
  f.number = in.uint();
  f.payload = get_bin(in, kDirectMax, "a direct message is too large");
  return f;
}
template <>
DirectAck get(Reader& in) {
  return DirectAck{in.uint()};
}
template <>
Ask get(Reader& in) {
  Ask f;
  f.origin = get_origin(in);
  f.number = in.uint();
  f.round = in.uint();
  f.kind = static_cast<std::uint8_t>(in.uint(UINT8_MAX));
  f.question = get_bin(in, kQuestionMax, "a question is too large");
  return f;
}
template <>
Answers get(Reader& in) {
  Answers f;
  f.origin = get_origin(in);
  f.number = in.uint();
  f.answers.resize(get_entry_count(in, 2));
  for (auto& answer : f.answers) {
    in.array_of(2);
    answer.member = get_origin(in);
    answer.text = get_bin(in, kAnswerMax, "an answer is too large");
    if (!in.good()) break;
  }
  return f;
}

Result<Frame> refuse(FrameReject* reason, FrameReject why, const char* what) {
  if (reason != nullptr) *reason = why;
  return {Errc::malformed, std::string("frame: ") + what};
}

/// A gossip whose payload is here, too.
Result<Frame> finish_gossip(GossipHead& head, Bytes payload, std::size_t max_message_size, FrameReject* reason) {
  FrameReject broken{};
  const char* why = nullptr;
  if (!keeps_bounds(head, max_message_size, broken, why)) return refuse(reason, broken, why);
  if (head.payload_size != payload.size()) return refuse(reason, FrameReject::malformed, "payload of another length");
  if (head.run) {
    const auto largest = largest_in(*head.run, payload.view());
    if (!largest) return refuse(reason, FrameReject::malformed, "sizes that do not fit a run");
    if (*largest > max_message_size) return refuse(reason, FrameReject::too_large, "payload too large");
  }
  return to_frame(head, std::move(payload));
}

/// Reads `[type, fields…]`; nothing but a Gossip comes here without its fields being read to the end.
template <class F>
Result<Frame> decode_as(Reader& in, std::size_t elements, FrameReject* reason) {
  if (elements != 1 + kFields<F>) return refuse(reason, FrameReject::malformed, "wrong number of fields");
  F fields = get<F>(in);
  if (in.good() && in.left() != 0) in.fail("bytes after the last field");
  if (!in.good()) return refuse(reason, FrameReject::malformed, in.fault());
  return Frame{std::move(fields)};
}

using DecodeAs = Result<Frame> (*)(Reader&, std::size_t, FrameReject*);
constexpr std::array<DecodeAs, kLastType + 1> kDecoders{
    nullptr,           decode_as<Hello>,  nullptr,        decode_as<IHave>, decode_as<Graft>,
    decode_as<Prune>,  decode_as<Beacon>, decode_as<Digest>, decode_as<Pull>,  decode_as<Gone>,
    decode_as<Progress>, decode_as<Ping>, decode_as<Pong>, decode_as<Bye>, decode_as<Forget>,
    decode_as<AckRequest>, decode_as<Acks>, decode_as<Visit>, decode_as<Direct>, decode_as<DirectAck>,
    nullptr,           decode_as<Ask>,    decode_as<Answers>, nullptr,
    nullptr,
};

}  // namespace

Bytes preface() {
  static constexpr std::array<std::byte, kPrefaceSize> kPreface{kLinkMagic, std::byte{'p'}, std::byte{'v'},
                                                                std::byte{kVersion}};
  return Bytes::copy_of(BytesView{kPreface});
}

std::size_t head_size(const Frame& frame) noexcept {
  Counter counter;
  put_frame(counter, frame);
  return counter.size();
}

Encoded encode(const Frame& frame) {
  const std::size_t head = head_size(frame);
  PLUMVINE_CHECK(head <= kHeadMax, "the head of a frame is too large");
  Encoded out;
  if (const auto* gossip = std::get_if<Gossip>(&frame)) out.payload = gossip->payload;
  std::shared_ptr<std::byte[]> block = std::make_shared_for_overwrite<std::byte[]>(kLengthSize + head);
  Memory memory{block.get()};
  memory.big_endian(static_cast<std::uint32_t>(head + out.payload.size()));
  put_frame(memory, frame);
  PLUMVINE_CHECK(memory.end() == block.get() + kLengthSize + head, "counted and written size differ");
  out.head = Bytes::adopt(std::move(block), 0, kLengthSize + head);
  return out;
}

Result<Frame> decode(const Bytes& body, std::size_t max_message_size, FrameReject* reason) {
  Reader in{body.view()};
  const std::size_t elements = in.array();
  const std::uint64_t type = in.uint();
  if (!in.good()) return refuse(reason, FrameReject::malformed, in.fault());
  if (type == 0 || type > kLastType) return refuse(reason, FrameReject::unknown_type, "unknown type");
  if (may_be_gossip(type)) {
    in = Reader{body.view()};
    GossipHead head = get_gossip_head(in);
    return in.good() ? finish_gossip(head, body.slice(in.position()), max_message_size, reason)
                     : refuse(reason, FrameReject::malformed, in.fault());
  }
  if (body.size() > kHeadMax) return refuse(reason, FrameReject::too_large, "longer than 64 KiB");
  return kDecoders[type](in, elements, reason);
}

GossipPeek peek_gossip(BytesView prefix) noexcept {
  Reader in{prefix};
  const GossipHead head = get_gossip_head(in);
  if (in.truncated()) return {GossipPeek::State::need_more, 0, 0};
  if (!in.good()) return {};
  return {GossipPeek::State::gossip, in.position(), head.payload_size, head.run.has_value()};
}

std::string_view name_of(const Frame& frame) noexcept {
  static constexpr std::array<std::string_view, kFrames> kNames{"hello", "gossip", "ihave",    "graft", "prune", "beacon", "digest",
                                                                  "pull",  "gone",   "progress", "ping",  "pong",  "bye", "forget",
                                                                  "ack_request", "acks", "visit", "direct", "direct_ack", "ask", "answers"};
  return kNames[frame.index()];
}

}  // namespace plumvine::wire
