// Whether a broadcast comes from the member that it names: signatures, keys, and what waits for one.
#include <utility>

#include "impl.hpp"

namespace plumvine {

namespace {
/// A neighbour that does not say that it looks at signatures gets a mark for so many wrong ones: they cost us time.
constexpr std::uint64_t kUnlookedMark = 32;

std::string_view say(OriginRefused why) {
  switch (why) {
    case OriginRefused::unsigned_:
      return "it is not signed";
    case OriginRefused::bad_signature:
      return "its signature is wrong: it was changed or forged on the way, or is of another cluster";
    case OriginRefused::other_key:
      return "it is signed with another key than that member's";
    case OriginRefused::unknown_key:
      return "that member's key is not known";
    case OriginRefused::too_old:
      return "it was published longer than signed_max_age ago";
    case OriginRefused::from_future:
      return "it was published further ahead than signed_max_age, so a clock is wrong";
    case OriginRefused::old_instance:
      return "it is of an earlier run of that member, and older than repair can be";
    case OriginRefused::count_:
      break;
  }
  return "";
}
}  // namespace

bool Tree::Impl::authentic(Slot from, frame::Gossip& gossip, Timestamp now) {
  if (!signing_.judges()) return true;
  // What was seen is not looked at again.
  const SequenceRange range = gossip.range();
  const auto known = core.seen.find(gossip.id.origin);
  if (known) {
    const bool seen = gossip.run.count == 1
                          ? core.seen.contains(*known, range.first)
                          : !core.seen.is_missing(*known, range) && core.seen.missing_in(*known, range, 1).empty();
    if (seen) return true;
  }
  const auto why = signing_.judge(gossip, now);
  if (!why) {
    if (!gossip.signature) return true;
    ++core.stats.verified_frames;
    // Somebody's digest may have told another name, and we pass on what the signature says.
    if (known && core.seen[*known].name != gossip.origin) core.seen.set_name(*known, gossip.origin);
    return true;
  }
  if (*why != OriginRefused::unknown_key || !signing_.wait(from, gossip, now)) refuse_origin(from, gossip, *why, now);
  return false;
}

void Tree::Impl::refuse_origin(Slot from, const frame::Gossip& gossip, OriginRefused why, Timestamp now, Fault whose) {
  core.stats.origins_refused.add(why);
  Link& link = core.links[from];
  if (auto* asked_for = missing_.find(gossip.id)) asked_for->target = tree::kNoSlot;
  const auto known = core.seen.find(gossip.id.origin);
  // Right but late: it need not be asked for any more. Whatever may be forged says nothing about what there is.
  if (known && (why == OriginRefused::too_old || why == OriginRefused::old_instance)) {
    const SequenceRange range{gossip.range().first, std::min(gossip.range().last, core.seen[*known].highest)};
    if (range.first <= range.last) lose(*known, range, LossReason::expired, now);
  }
  const std::string neighbour = link.traits.name;
  signing_.note_refused(gossip.origin, to_string(why), neighbour, now);
  core.log(LogLevel::warn, "PV1310",
           "Refusing broadcast " + to_string(gossip.id) + " of " + gossip.origin + " on topic " + gossip.topic +
               ", which neighbour " + neighbour + " passed on: " + std::string(say(why)),
           {{"message", to_string(gossip.id)},
            {"origin", gossip.origin},
            {"peer", neighbour},
            {"reason", std::string(to_string(why))}});
  if (why != OriginRefused::bad_signature || whose == Fault::origin) return;
  // Proven: its own, or what it should have refused. Everybody who looks finds the same, whatever keys it knows.
  const bool own = link.traits.instance == frame::publisher_of(gossip.id.origin);
  if (own || link.traits.verifies || ++link.unlooked % kUnlookedMark == 0)
    core.reject(from, FrameReject::bad_signature);
}

void Tree::Impl::origin_key(std::string_view member, const frame::OriginKey& key, bool proven, Timestamp now) {
  enter(now);
  const std::string name(member);
  const frame::OriginKey* before = signing_.key_of(member);
  const std::string old = before != nullptr ? frame::name_of(before->key) : std::string{};
  const tree::KeyTold told = signing_.tell_key(member, key, proven);
  if (told == tree::KeyTold::refused) {
    ++core.stats.keys_refused;
    signing_.note_refused(name, tree::Signing::kKeyChanged, {}, now);
    core.log(LogLevel::warn, "PV1311",
             "Member " + name + " shows the key " + frame::name_of(key.key) + " for its broadcasts, and is known by " +
                 old + ": what the new key signs is refused. If it was set up anew: stop it, plumvine forget " + name +
                 ", start it",
             {{"member", name}, {"key", frame::name_of(key.key)}, {"known", old}});
  }
  if (told == tree::KeyTold::no_room) {
    core.log(LogLevel::warn, "PV1311",
             "No room for the key of member " + name + ": what it signs is refused where signatures are required",
             {{"member", name}});
  }
  if (told == tree::KeyTold::replaced) {
    core.log(LogLevel::info, "PV1312",
             "Member " + name + " signs with the key " + frame::name_of(key.key) +
                 " now, as its certificate proves; before it was " + old,
             {{"member", name}, {"key", frame::name_of(key.key)}, {"known", old}});
  }
  if (told != tree::KeyTold::fresh && told != tree::KeyTold::replaced) return;
  for (auto& waiting : signing_.take_waiting(member)) on_gossip(waiting.from, std::move(waiting.gossip), now);
}

bool Tree::Impl::forget_recalled_key(std::string_view member, Timestamp given) {
  if (!signing_.forget_recalled(member, given)) return false;
  core.log(LogLevel::info, "PV1312",
           "The key that member " + std::string(member) + " had before is forgotten: it was forgotten while this member was away",
           {{"member", std::string(member)}});
  return true;
}

void Tree::Impl::keys_overdue(Timestamp now) {
  for (const auto& waiting : signing_.take_expired(now))
    refuse_origin(waiting.from, waiting.gossip, OriginRefused::unknown_key, now);
}

}  // namespace plumvine
