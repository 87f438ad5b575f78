#include <sys/wait.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include <plumvine/metrics.hpp>

#include "metrics/catalog.hpp"
#include "support/pch.hpp"
#include "support/snapshots.hpp"

using namespace plumvine;
using test::cluster;

namespace {

std::string exposition(const Snapshot& s) {
  return metrics::render_text(s, assess(s, {}));
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

std::string slurp(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("every family is there from the start, at zero", "[metrics]") {
  const auto text = metrics::render_text(Snapshot{}, HealthReport{});
  for (const auto& row : metrics::catalog()) {
    CAPTURE(row.name);
    const auto name = std::string(row.name);
    CHECK(text.find("# HELP " + name + " ") != std::string::npos);
    CHECK(text.find("# TYPE " + name + " " + std::string(to_string(row.type)) + "\n") != std::string::npos);
    if (row.labels.empty()) CHECK(has_line(text, name + (row.type == metrics::Type::histogram ? "_count 0" : " 0")));
  }
  CHECK(has_line(text, "plumtree_messages_lost_total{reason=\"slow_consumer\"} 0"));
  CHECK(has_line(text, "swim_push_pull_total{direction=\"in\",result=\"failed\"} 0"));
  CHECK(has_line(text, "plumvine_bytes_sent_total{transport=\"udp\"} 0"));
}

TEST_CASE("labels that the table names are the labels that exist", "[metrics]") {
  const auto text = exposition(Snapshot{});
  for (const auto& row : metrics::catalog()) {
    if (row.labels.find(';') != std::string_view::npos || row.labels.find(": ") == std::string_view::npos) continue;
    const auto colon = row.labels.find(": ");
    const auto label = std::string(row.labels.substr(0, colon));
    std::string rest(row.labels.substr(colon + 2));
    std::stringstream values(rest);
    // Of a histogram one series of each that it consists of.
    const std::string series = std::string(row.name) + (row.type == metrics::Type::histogram ? "_count{" : "{");
    std::size_t named = 0;
    for (std::string value; std::getline(values >> std::ws, value, ',');) {
      ++named;
      CHECK(has_line(text, series + label + "=\"" + value + "\"} 0"));
    }
    std::size_t there = 0;
    for (auto at = text.find(series); at != std::string::npos; at = text.find(series, at + 1)) ++there;
    CAPTURE(row.name);
    CHECK(there == named);
  }
}

TEST_CASE("gauges follow the snapshot, eager and lazy sum up to the links", "[metrics]") {
  auto s = cluster();
  s.links.push_back(test::link("d", PeerRole::eager, LinkState::dialling));
  s.links[1].congested = true;
  s.members[3].member.state = MemberState::dead;
  s.tree.lost.add(Loss::expired, 4);
  s.tree.missing_messages = 3;
  s.tree.large_partial = 2;
  s.tree.large_partial_bytes = 300;
  s.tree.large_hints = 5;
  s.transport.queues.recalled = 6;
  s.members[1].packets = PacketPath::out_blocked;
  s.members[3].packets = PacketPath::in_blocked;
  s.swim.accusations.add(Accusation::probe, 2);
  s.http_requests.push_back({"/metrics", 200, 3});
  const auto text = exposition(s);
  CHECK(has_line(text, "swim_packets_blocked{direction=\"out\"} 1"));
  CHECK(has_line(text, "swim_packets_blocked{direction=\"in\"} 0"));  // of the living
  CHECK(has_line(text, "swim_accusations_total{source=\"probe\"} 2"));
  CHECK(has_line(text, "plumtree_eager_peers 1"));
  CHECK(has_line(text, "plumtree_lazy_peers 1"));
  CHECK(has_line(text, "plumtree_total_peers 2"));
  CHECK(has_line(text, "plumtree_peers_healthy 1"));
  CHECK(has_line(text, "plumtree_peers_degraded 1"));
  CHECK(has_line(text, "plumvine_links{state=\"dialling\"} 1"));
  CHECK(has_line(text, "swim_members{state=\"alive\"} 3"));
  CHECK(has_line(text, "swim_members{state=\"dead\"} 1"));
  CHECK(has_line(text, "plumtree_messages_lost_total{reason=\"expired\"} 4"));
  CHECK(has_line(text, "plumtree_missing_messages 3"));
  CHECK(has_line(text, "plumvine_large_partial 2"));
  CHECK(has_line(text, "plumvine_large_partial_bytes 300"));
  CHECK(has_line(text, "plumvine_large_hints_total 5"));
  CHECK(has_line(text, "plumvine_large_recalled_total 6"));
  CHECK(has_line(text, "plumvine_http_requests_total{path=\"/metrics\",code=\"200\"} 3"));
  CHECK(has_line(text, "plumvine_build_info{version=\"1.2.3\"} 1"));
}

TEST_CASE("histogram buckets are cumulative", "[metrics]") {
  Snapshot s;
  for (double hops : {1.0, 1.0, 2.0, 40.0}) s.tree.message_hops.observe(hops);
  const auto text = exposition(s);
  CHECK(has_line(text, "plumtree_message_hops_bucket{le=\"1\"} 2"));
  CHECK(has_line(text, "plumtree_message_hops_bucket{le=\"2\"} 3"));
  CHECK(has_line(text, "plumtree_message_hops_bucket{le=\"32\"} 3"));
  CHECK(has_line(text, "plumtree_message_hops_bucket{le=\"+Inf\"} 4"));
  CHECK(has_line(text, "plumtree_message_hops_sum 44"));
}

TEST_CASE("the page of the folder is made from the table", "[metrics]") {
  const auto made = metrics::readme();
  std::ofstream("metrics_README.md") << made;  // what to copy when this fails
  CHECK(slurp(PLUMVINE_SOURCE_DIR "/metrics/README.md") == made);
}

TEST_CASE("promtool finds nothing to say", "[metrics]") {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) {
    WARN("promtool is not installed, its check is left out");
    return;
  }
  auto s = cluster();
  s.http_requests.push_back({"/metrics", 200, 3});
  s.tree.message_hops.observe(3);
  std::FILE* pipe = popen("promtool check metrics >metrics_promtool.txt 2>&1", "w");
  REQUIRE(pipe != nullptr);
  const auto text = exposition(s);
  std::fwrite(text.data(), 1, text.size(), pipe);
  const int status = pclose(pipe);
  CAPTURE(slurp("metrics_promtool.txt"));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(slurp("metrics_promtool.txt").empty());
}
