// Gossip keys that change while the node runs: orders of this node's operator to all members, orders of others to this
// node, and members that were away meanwhile. The keyring is shared with membership and links.
#include <algorithm>
#include <iterator>
#include <utility>

#include <plumvine/detail/key_text.hpp>

#include "codes.hpp"
#include "engine_impl.hpp"

namespace plumvine {

namespace {
using Outcome = KeyReport::Outcome;

/// Answers to others that wait for the keyring file, at most.
constexpr std::size_t kSavesMax = 64;
/// After a change everybody else has so long to make it too before it counts as one that was away.
constexpr Duration kSpreadTime = std::chrono::seconds{3};
/// One member is told again after this time.
constexpr Duration kTeachPause = std::chrono::seconds{5};
constexpr std::size_t kTaughtMax = 1024;
/// Between links that are made anew, give or take half of it: neighbours that do the same at the same time shall not stay in step.
constexpr Duration kRenewPause = std::chrono::seconds{1};

constexpr std::string_view kNotKept =
    "kept in memory only: set keyring or data_dir, or the old keys are back after a restart";

bool has(const std::vector<std::string>& keys, const std::string& key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

bool by_name(const KeyReport::Member& a, const KeyReport::Member& b) { return a.name < b.name; }

void add_part(std::string& text, std::string_view what, const std::vector<std::string>& names) {
  if (!names.empty()) text += (text.empty() ? "" : "; ") + std::string(what) + list_names(names);
}
}  // namespace

// ---- orders of ours ----

void Engine::Impl::order_keys(std::uint64_t ticket, KeyOrder order) {
  touch();
  const auto refuse = [&](Errc code, std::string text) { events_.push(engine::KeysDone{ticket, Error{code, std::move(text)}}); };
  if (key_job_) return refuse(Errc::overloaded, "another order about keys is under way here");
  if (!has_key()) return refuse(Errc::invalid_argument, "this member has no key; start it with encrypt or keyring");
  if (!swim_->seals())
    return refuse(Errc::invalid_argument, "the keys would be sent in clear: gossip_verify_outgoing is false here");
  if (left_ || leaving_) return refuse(Errc::stopped, "this member has left the cluster");
  KeyJob job{.ticket = ticket, .order = std::move(order)};
  job.report.command = job.order.command;
  if (job.order.command != KeyCommand::list) {
    auto key = parse_key(job.order.key);
    if (!key) return refuse(key.error().code, key.error().message);
    job.key = std::move(*key);
  }
  if (job.order.command == KeyCommand::remove && identity_.keyring->is_primary(job.key))
    return refuse(Errc::invalid_argument, "this is the primary key; make another one primary first (keys use)");
  if (job.order.command == KeyCommand::install && !identity_.keyring->contains(job.key) && identity_.keyring->size() >= kKeysMax)
    return refuse(Errc::limit_reached, "a keyring has at most " + std::to_string(kKeysMax) + " keys; remove one first");
  job.checking = job.order.command == KeyCommand::use || job.order.command == KeyCommand::remove;
  for (const Member* member : swim_->members()) {
    if (member->name == config_.name || member->state == MemberState::left) continue;
    if (member->state == MemberState::dead) {
      job.report.members.push_back({member->name, Outcome::absent});
    } else if (!serf_ && !known_.contains(member->name)) {
      job.report.members.push_back({member->name, Outcome::unable, "not one of ours, and Serf is not spoken here"});
    } else {
      job.asked.push_back(member->name);
    }
  }
  key_job_ = std::move(job);
  ask_members(key_job_->checking ? KeyCommand::list : key_job_->order.command);
}

void Engine::Impl::ask_members(KeyCommand command) {
  key_queries_->ask(command, key_job_->key, key_time(), key_job_->asked, now_);
}

std::uint64_t Engine::Impl::key_time() { return serf_ ? serf_->query_time() : ++key_time_; }

/// Goes on with the order under way once the members have answered, or had their time.
bool Engine::Impl::settle_keys() {
  if (!key_job_ || !key_queries_->done()) return false;
  KeyJob& job = *key_job_;
  std::vector<KeyReport::Member> rows;
  for (auto& answer : key_queries_->take_answers()) {
    const Outcome outcome = !answer.came ? Outcome::silent : answer.response.result ? Outcome::confirmed : Outcome::failed;
    rows.push_back({std::move(answer.name), outcome, std::move(answer.response.message), std::move(answer.response.keys),
                    std::move(answer.response.primary)});
  }
  if (std::exchange(job.checking, false)) {
    rows.push_back(own_keys());
    std::sort(rows.begin(), rows.end(), by_name);
    job.report.refused = objections(job, rows);
    if (job.report.refused.empty() || job.order.force) {
      job.report.refused.clear();
      ask_members(job.order.command);
      return true;
    }
    for (KeyReport::Member& row : rows)
      if (row.outcome == Outcome::confirmed) row.outcome = Outcome::spared;
    end_order(std::move(rows));
    return true;
  }
  for (KeyReport::Member& row : rows) job.report.members.push_back(std::move(row));
  if (job.order.command == KeyCommand::list) {
    end_order({own_keys()});
  } else {
    change_keys({.command = job.order.command, .key = job.key, .by = config_.name}, true);
  }
  return true;
}

KeyReport::Member Engine::Impl::own_keys() const {
  KeyReport::Member row{config_.name, Outcome::confirmed};
  for (const Bytes& key : identity_.keyring->secrets()) row.keys.push_back(format_key(key.view()));
  row.primary = row.keys.front();
  return row;
}

/// Who would be cut off by the order, in words; empty: nobody.
std::string Engine::Impl::objections(const KeyJob& job, const std::vector<KeyReport::Member>& rows) const {
  const bool removes = job.order.command == KeyCommand::remove;
  const std::string key = format_key(job.key.view());
  std::vector<std::string> lacking, primary, silent, unable, absent;
  for (const KeyReport::Member& row : rows) {
    if (row.outcome != Outcome::confirmed) silent.push_back(row.name);
    else if (removes && row.primary == key) primary.push_back(row.name);
    else if (!removes && !has(row.keys, key)) lacking.push_back(row.name);
  }
  for (const KeyReport::Member& row : job.report.members)
    (row.outcome == Outcome::unable ? unable : absent).push_back(row.name);
  std::string text;
  add_part(text, "the key is not installed at ", lacking);
  add_part(text, "the key is still primary at ", primary);
  add_part(text, "no answer from ", silent);
  add_part(text, "no such orders are known to ", unable);
  // Who is away when another key becomes primary is told later, as long as the old one is there.
  if (removes) add_part(text, "away, and may know no other key: ", absent);
  return text;
}

void Engine::Impl::end_order(std::vector<KeyReport::Member> rows) {
  KeyJob job = std::move(*key_job_);
  key_job_.reset();
  KeyReport& report = job.report;
  for (KeyReport::Member& row : rows) report.members.push_back(std::move(row));
  std::sort(report.members.begin(), report.members.end(), by_name);
  std::size_t confirmed = 0;
  std::vector<std::string> others;
  for (const KeyReport::Member& row : report.members) {
    if (row.outcome == Outcome::confirmed) ++confirmed;
    else if (row.outcome != Outcome::absent) others.push_back(row.name);
  }
  report.ok = others.empty() && report.refused.empty();
  if (job.order.command != KeyCommand::list) {
    std::string text = "Order keys " + std::string(to_string(job.order.command)) + " " + identity_.keyring->name_of(job.key) + ": ";
    text += report.refused.empty() ? std::to_string(confirmed) + " members confirmed" : "refused, " + report.refused;
    if (report.refused.empty()) add_part(text, "not confirmed by ", others);
    log(report.ok ? LogLevel::info : LogLevel::warn, "membership", code::kKeyOrder, "", std::move(text));
  }
  events_.push(engine::KeysDone{job.ticket, std::move(report)});
}

// ---- orders of others ----

void Engine::Impl::on_key_query(serf::KeyQuery query) {
  touch();
  const bool lists = query.command == KeyCommand::list;
  const auto answer = [&](serf::KeyResponse response) { key_queries_->answer(query, std::move(response), now_); };
  if (!has_key())
    return answer({.message = lists ? "Keyring is empty (encryption not enabled)" : "No keyring to modify (encryption not enabled)"});
  if (query.sealed_by.empty()) return answer({.message = "the query came in clear"});
  if (!lists) return change_keys(std::move(query), false);
  if (!swim_->seals()) return answer({.message = "this member sends in clear (gossip_verify_outgoing = false)"});
  KeyReport::Member own = own_keys();
  answer({.result = true, .keys = std::move(own.keys), .primary = std::move(own.primary)});
}

/// Makes the change, has it written down, and then answers: to the member that asks, or to the order of our own.
void Engine::Impl::change_keys(serf::KeyQuery query, bool own) {
  bool changed = false;
  KeySave save{.own = own, .query = std::move(query)};
  const Status made = key_saves_.size() < kSavesMax ? apply_key(save.query, changed)
                                                    : Status{Errc::overloaded, "too many changes of keys at a time"};
  save.response.result = made.has_value();
  if (!made) save.response.message = made.error().message;
  if (changed && !identity_.keeps_keys) {
    save.response.message = kNotKept;
    log(LogLevel::warn, "membership", code::kKeysNotKept, "", "The changed keys are " + std::string(kNotKept));
  }
  if (!changed || !identity_.keeps_keys) return key_changed(save);
  key_saves_.push_back(std::move(save));
  events_.push(engine::SaveKeys{identity_.keyring->secrets()});
}

void Engine::Impl::keys_saved(const Status& status) {
  if (key_saves_.empty()) return;
  touch();
  KeySave save = std::move(key_saves_.front());
  key_saves_.pop_front();
  if (!status) {
    save.response.result = false;
    save.response.message = "changed, but not written down: " + status.error().message;
    log(LogLevel::warn, "membership", code::kKeysNotKept, "",
        "The changed keys could not be written down and are lost with this process: " + status.error().message);
  }
  key_changed(save);
}

void Engine::Impl::key_changed(const KeySave& save) {
  if (!save.own) {
    serf::KeyResponse response = save.response;
    const auto asker = known_.find(save.query.by);
    const bool ours = asker != known_.end() && asker->second.peer;
    if (response.result && !ours) response.message.clear();  // Serf's members log whatever comes with a success as a warning
    return key_queries_->answer(save.query, std::move(response), now_);
  }
  if (!key_job_) return;
  end_order({{config_.name, save.response.result ? Outcome::confirmed : Outcome::failed, save.response.message}});
}

Status Engine::Impl::apply_key(const serf::KeyQuery& query, bool& changed) {
  Keyring& ring = *identity_.keyring;
  if (query.used_at != 0 && query.used_at <= keys_used_at_) return {Errc::invalid_argument, "a later order is known here"};
  std::string_view what;
  Status status;
  switch (query.command) {
    case KeyCommand::list: return {};
    case KeyCommand::install:
      changed = !ring.contains(query.key);
      status = ring.add(query.key);
      what = " is installed";
      break;
    case KeyCommand::use: {
      const Bytes before = ring.secrets().front();
      changed = before != query.key;
      status = ring.use(query.key);
      if (!status) break;
      keys_used_at_ = query.used_at != 0 ? query.used_at : std::max(static_cast<std::uint64_t>(wall_us_), keys_used_at_ + 1);
      std::erase(superseded_, query.key);
      if (changed) superseded_.push_back(before);
      save_key_history();
      what = " is primary";
      break;
    }
    case KeyCommand::remove:
      changed = ring.contains(query.key);
      status = ring.remove(query.key);
      if (!status) break;
      if (std::erase(superseded_, query.key) != 0) save_key_history();
      want_renewal();
      what = " is removed";
      break;
  }
  changed = changed && status;
  if (!changed) return status;
  keys_changed_ = now_;
  note_keys();
  key_queries_->end_lessons();
  if (query.command == KeyCommand::use) {
    links_stale_ = true;
    renew_due_ = now_ + kSpreadTime;
  }
  log(LogLevel::info, "membership", code::kKeyChanged, "",
      "Key " + ring.name_of(query.key) + std::string(what) + ", by order of " + query.by, {{"key", ring.name_of(query.key)}, {"by", query.by}});
  return status;
}

// ---- members that were away ----

/// What the last run knew. If the keys were changed by hand meanwhile, it is worth nothing.
void Engine::Impl::recall_key_history() {
  const KeyHistory& history = identity_.key_history;
  keys_since_ = history.since;
  if (!has_key() || history.primary.empty()) return;
  const std::vector<Bytes> keys = identity_.keyring->secrets();
  if (identity_.keyring->name_of(keys.front()) != history.primary) return;
  keys_used_at_ = history.used_at;
  std::copy_if(keys.begin() + 1, keys.end(), std::back_inserter(superseded_),
               [&](const Bytes& key) { return has(history.superseded, identity_.keyring->name_of(key)); });
}

/// Notes when keys came, for their age, and forgets those that are gone.
void Engine::Impl::note_keys() {
  if (!has_key()) return;
  std::map<std::string, std::uint64_t> since;
  for (const Bytes& key : identity_.keyring->secrets()) {
    const std::string name = identity_.keyring->name_of(key);
    const auto known = keys_since_.find(name);
    since[name] = known != keys_since_.end() ? known->second : static_cast<std::uint64_t>(std::max<std::int64_t>(0, wall_us_));
  }
  if (since == keys_since_) return;
  keys_since_ = std::move(since);
  save_key_history();
}

std::vector<KeyInfo> Engine::Impl::key_infos() const {
  std::vector<KeyInfo> infos;
  if (!has_key()) return infos;
  for (const Bytes& key : identity_.keyring->secrets()) {
    KeyInfo info{.name = identity_.keyring->name_of(key), .primary = infos.empty()};
    if (const auto since = keys_since_.find(info.name); since != keys_since_.end())
      info.age_s = std::max(0.0, static_cast<double>(wall_us_ - static_cast<std::int64_t>(since->second)) / 1e6);
    infos.push_back(std::move(info));
  }
  return infos;
}

void Engine::Impl::save_key_history() {
  KeyHistory history;
  history.since = keys_since_;
  if (keys_used_at_ != 0) {
    history.primary = identity_.keyring->name_of(identity_.keyring->secrets().front());
    history.used_at = keys_used_at_;
    for (const Bytes& key : superseded_) history.superseded.push_back(identity_.keyring->name_of(key));
  }
  events_.push(std::move(history));
}

/// A member seals with a key that was primary here until an order came: it was away then. It is told, sealed with the
/// key that it has; that works for Serf's members too.
void Engine::Impl::on_other_key(const swim::OtherKey& other) {
  if (!is_superseded(other.key)) return;
  if (now_ - keys_changed_ < kSpreadTime || !swim_->seals()) return;
  if (!serf_ && !known_.contains(other.name)) return;
  if (taught_.size() >= kTaughtMax) std::erase_if(taught_, [&](const auto& entry) { return now_ - entry.second >= kTeachPause; });
  const auto [it, fresh] = taught_.try_emplace(other.name, now_);
  if (!fresh && now_ - it->second < kTeachPause) return;
  it->second = now_;
  const Bytes primary = identity_.keyring->secrets().front();
  log(LogLevel::info, "membership", code::kKeyTaught, other.name,
      other.name + " still seals with key " + identity_.keyring->name_of(other.key) + ": it is told to use key " +
          identity_.keyring->name_of(primary),
      {{"member", other.name}});
  key_queries_->teach(other.name, primary, keys_used_at_, other.key, key_time(), now_);
  touch();
}

// ---- keys read again ----

Status Engine::Impl::set_keys(const std::vector<Bytes>& keys, const std::optional<KeyRules>& rules) {
  if (keys.empty() && has_key())
    return {Errc::invalid_argument, "keys can be changed and turned on, but not turned off while the node runs"};
  if (identity_.keyring == nullptr) return {Errc::invalid_argument, "this node was made without a keyring"};
  const Bytes before = has_key() ? identity_.keyring->secrets().front() : Bytes{};
  if (auto replaced = identity_.keyring->replace(keys); !replaced) return replaced;
  key_queries_->end_lessons();
  if (rules) {
    identity_.keeps_keys = rules->kept;
    config_.swim.gossip_verify_incoming = rules->verify_incoming;
    config_.swim.gossip_verify_outgoing = rules->verify_outgoing;
    swim_->set_verify(rules->verify_incoming, rules->verify_outgoing);
  }
  if (has_key() && !identity_.keyring->is_primary(before)) {
    // A file says nothing of its age: if it is an old one, the others tell us.
    superseded_.clear();
    keys_used_at_ = 0;
    save_key_history();
  }
  note_keys();
  want_renewal();
  touch();
  return {};
}

/// It rests on a key that is gone, or is in clear and should not be any more. Or it was made with a replaced key just when the
/// order came: then the next greeting shows whether the other end has heard of that.
bool Engine::Impl::is_stale(const Link& link) const {
  if (!seals_links() || !link.greeted() || link.state() == LinkState::draining) return false;
  if (!in_clear(link)) {
    const Bytes& key = link.seal->secret();
    const bool just_then = now_ - keys_changed_ >= kSpreadTime && link.connected_at() - keys_changed_ < kSpreadTime &&
                           keys_changed_ - link.connected_at() < kSpreadTime;
    return !identity_.keyring->contains(key) || (just_then && is_superseded(key));
  }
  return link.outbound() ? config_.swim.gossip_verify_outgoing : config_.swim.gossip_verify_incoming;
}

void Engine::Impl::want_renewal() {
  if (!std::exchange(links_stale_, true)) renew_due_ = now_ + rng_.jitter(kRenewPause);
}

/// One after another: the others carry the tree meanwhile.
void Engine::Impl::renew_links() {
  if (!links_stale_ || now_ < renew_due_) return;
  std::vector<Connection*> stale;
  for (auto& [id, conn] : conns_)
    if (conn->link && !conn->closed && is_stale(*conn->link)) stale.push_back(conn.get());
  links_stale_ = stale.size() > 1;
  if (stale.empty()) return;
  renew_due_ = now_ + kRenewPause / 2 + rng_.jitter(kRenewPause);
  end_link(*stale.front(), frame::Bye::Why::overlay,
           in_clear(*stale.front()->link) ? "it was made in clear, and links are sealed now" : "its key was removed or replaced");
}

}  // namespace plumvine
