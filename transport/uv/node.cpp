#include <plumvine/node.hpp>

#include <plumvine/uv.hpp>

#include "keys.hpp"
#include "node_impl.hpp"

namespace plumvine {
namespace {

std::vector<std::string> neighbours(const Snapshot& snapshot, auto wanted) {
  std::vector<std::string> names;
  for (const LinkInfo& link : snapshot.links)
    if (link.state == LinkState::up && wanted(link)) names.push_back(link.peer);
  return names;
}

}  // namespace

Node::Node(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(Node&& other) noexcept {
  if (this != &other) {
    if (impl_) impl_->abandon();
    impl_ = std::move(other.impl_);
  }
  return *this;
}
Node::~Node() {
  if (impl_) impl_->abandon();
}

Result<Node> Node::start(Config config, Handlers handlers) {
  auto impl = Impl::create(nullptr, std::move(config), std::move(handlers));
  if (!impl) return impl.error();
  return Node{std::move(*impl)};
}

Result<Node> attach(uv_loop_s* loop, Config config, Handlers handlers) {
  if (loop == nullptr) return Error{Errc::invalid_argument, "attach needs a loop; Node::start brings its own"};
  auto impl = Node::Impl::create(loop, std::move(config), std::move(handlers));
  if (!impl) return impl.error();
  return Node{std::move(*impl)};
}

Result<MessageId> Node::broadcast(Bytes payload) { return broadcast("default", std::move(payload)); }
Result<MessageId> Node::broadcast(std::string_view text) { return broadcast("default", Bytes::copy_of(text)); }
Result<MessageId> Node::broadcast(std::string_view topic, Bytes payload, BroadcastOptions options) {
  return impl_->broadcast(topic, std::move(payload), options);
}
Result<Receipt> Node::broadcast_and_wait(std::string_view topic, Bytes payload, BroadcastOptions options) {
  return impl_->broadcast_and_wait(topic, std::move(payload), options);
}
Status Node::send(std::string_view member, Bytes payload, Duration wait) { return impl_->send(member, std::move(payload), wait); }

Status Node::join(std::vector<std::string> seeds) { return impl_->join_seeds(seeds); }
Status Node::leave(Duration deadline) { return impl_->leave_cluster(deadline); }
Status Node::rejoin() { return impl_->rejoin_cluster(); }
Result<Cursor> Node::cursor() { return impl_->cursor(); }
Status Node::forget(std::string_view name) { return impl_->forget_member(name); }
Status Node::promote(std::string_view peer) { return impl_->promote_peer(peer); }
Result<TrimReport> Node::trim() { return impl_->trim_caches(); }
void Node::stop() { impl_->stop(); }

Status Node::set_meta(Bytes meta) {
  return impl_->change([meta = std::move(meta)](Driver& driver) { return driver.set_meta(meta); });
}
Status Node::set_tags(Tags tags) {
  return impl_->change([tags = std::move(tags)](Driver& driver) { return driver.set_tags(tags); });
}
Result<Config::Changes> Node::reload(const Config& fresh) { return impl_->reload(fresh); }
Result<KeyReport> Node::order_keys(KeyOrder order) { return impl_->keys_and_wait(std::move(order)); }
void Node::pause_delivery(bool paused) {
  // A stopped node delivers nothing anyway.
  (void)impl_->post([paused](Driver& driver) { driver.pause_delivery(paused); });
}

std::shared_ptr<const Snapshot> Node::snapshot() const { return impl_->snapshot(); }

std::vector<Member> Node::members() const {
  std::vector<Member> out;
  const auto seen = snapshot();  // kept while it is read
  for (const MemberInfo& info : seen->members) out.push_back(info.member);
  return out;
}
std::vector<std::string> Node::eager_peers() const {
  return neighbours(*snapshot(), [](const LinkInfo& link) { return link.role == PeerRole::eager; });
}
std::vector<std::string> Node::lazy_peers() const {
  return neighbours(*snapshot(), [](const LinkInfo& link) { return link.role == PeerRole::lazy; });
}
std::vector<std::string> Node::protected_neighbors() const {
  return neighbours(*snapshot(), [](const LinkInfo& link) { return link.is_protected; });
}
std::size_t Node::peer_count() const {
  return neighbours(*snapshot(), [](const LinkInfo&) { return true; }).size();
}
HealthReport Node::health() const { return impl_->judge(*snapshot()); }
std::function<Observation()> Node::observer() const {
  return [impl = impl_] {
    auto snapshot = impl->snapshot();
    HealthReport health = impl->judge(*snapshot);
    return Observation{std::move(snapshot), std::move(health)};
  };
}

const std::string& Node::name() const { return impl_->name(); }
InstanceId Node::instance() const { return impl_->instance(); }
Endpoint Node::address() const { return impl_->address(); }
Endpoint Node::bind_address() const { return impl_->bind_address(); }
Endpoint Node::http_address() const { return impl_->http_address(); }

}  // namespace plumvine
