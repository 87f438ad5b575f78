#include "transport/uv/live.hpp"

#include "support/pch.hpp"
#include "support/snapshots.hpp"
#include "support/stream_client.hpp"

using namespace plumvine;
using test::StreamClient;
using uv::Events;
using uv::Live;

namespace {

struct Fixture {
  Events events{InstanceId{1}};
  Live live{events};
  Snapshot state = test::cluster();

  std::shared_ptr<StreamClient> view(std::string_view after = {}) {
    auto viewer = std::make_shared<StreamClient>();
    live.add(viewer, after, state, assess(state, {}));
    return viewer;
  }
  void tell() { live.tell(state, assess(state, {})); }
  void happen() { events.add(EventKind::member, {LogLevel::info, "membership", "PV1105", "Member b left"}, 0); }
};

}  // namespace

TEST_CASE("a viewer gets the last events, all members and the state, then what changes", "[live]") {
  Fixture f;
  for (std::size_t i = 0; i < Live::kEventsFirst + 5; ++i) f.happen();
  CHECK_FALSE(f.live.watched());
  const auto viewer = f.view();
  CHECK(f.live.watched());
  CHECK(viewer->count("\"text\":\"Member b left\"") == Live::kEventsFirst);
  CHECK(viewer->count("event: members\ndata: {\"whole\":true") == 1);
  CHECK(viewer->count("event: state\ndata: {") == 1);
  CHECK(viewer->text.find("retry: 1000\n\n") != std::string::npos);

  viewer->text.clear();
  f.tell();  // nobody's state is another
  CHECK(viewer->count("event: members") == 0);
  CHECK(viewer->count("event: state") == 1);
  f.state.members[1].member.state = MemberState::dead;
  f.tell();
  CHECK(viewer->count("event: members\ndata: {\"whole\":false,\"rows\":[{\"name\":\"b\"") == 1);
  f.happen();
  CHECK(viewer->count("Member b left") == 1);
}

TEST_CASE("a viewer whose stream broke goes on behind the last event that it had", "[live]") {
  Fixture f;
  for (int i = 0; i < 3; ++i) f.happen();
  const auto viewer = f.view("0000000000000001-2");
  CHECK(viewer->count("Member b left") == 1);
  CHECK(viewer->text.find("id: 0000000000000001-3\n") == 0);
}

TEST_CASE("a second viewer takes nothing from the first one", "[live]") {
  Fixture f;
  const auto first = f.view();
  f.state.members[1].member.state = MemberState::dead;
  const auto second = f.view();
  first->text.clear();
  f.tell();
  for (const auto& viewer : {first, second}) CHECK(viewer->count("\"rows\":[{\"name\":\"b\"") == 1);
}

TEST_CASE("viewers are bounded in number, and those that read too slowly are cut off and counted", "[live]") {
  Fixture f;
  std::vector<std::shared_ptr<StreamClient>> viewers;
  for (std::size_t i = 0; i < Events::kFollowersMax; ++i) viewers.push_back(f.view());
  CHECK(f.events.stats().followers == Events::kFollowersMax);
  CHECK_FALSE(f.view()->open());
  viewers[0]->unread = Events::kBehindMax + 1;
  viewers[1]->close();
  f.tell();
  CHECK_FALSE(viewers[0]->open());
  CHECK(viewers[2]->open());
  CHECK(f.events.stats().followers_cut == 1);
  CHECK(f.events.stats().followers == Events::kFollowersMax - 2);
  CHECK(f.view()->open());
  for (const auto& viewer : viewers) viewer->close();
}

TEST_CASE("while nobody looks nothing is made", "[live]") {
  Fixture f;
  f.tell();
  const auto viewer = f.view();
  viewer->close();
  viewer->text.clear();
  f.tell();
  CHECK(viewer->text.empty());
  CHECK_FALSE(f.live.watched());
}
