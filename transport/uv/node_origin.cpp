// Signed origins of a node: the key that signs, and those of others, which outlive the process.
#include <chrono>
#include <utility>

#include "node_impl.hpp"
#include "origin_key.hpp"
#include "transport/codes.hpp"
#include "transport/crypto/ed25519.hpp"

namespace plumvine {

/// The key that our broadcasts are signed with, and our instance, which follows from it.
Status Node::Impl::prepare_origin(std::uint64_t random) {
  identity_.instance = frame::publisher_of(InstanceId{random});
  // Who signs nothing still passes on what others have signed, also where it takes a run of messages apart.
  identity_.sign = make_judging_tools(config_.cluster);
  if (config_.tree.sign_origins == SignOrigins::off) return {};
  const std::string path = data_dir_->file(uv::kOriginKeyFile);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  auto tools = uv::load_origin_key(path, config_.cluster,
                                   std::chrono::duration_cast<std::chrono::milliseconds>(now).count(), random);
  if (!tools) return tools.error().with("sign_origins");
  identity_.sign = std::move(*tools);
  identity_.instance = frame::instance_of(identity_.sign, config_.name, identity_.sign.own);
  if (auto problem = uv::rights_problem(path, "the key that signs our broadcasts"); !problem.empty())
    notes_.push_back({LogLevel::warn, "node", code::kKeysReadable, std::move(problem)});
  notes_.push_back(
      {LogLevel::info, "node", code::kOriginKey,
       "Signing broadcasts with the key " + frame::name_of(identity_.sign.own.key) + " in '" + path + "'"});
  recall_origin_keys();
  return {};
}

/// Keys of the last run. Nothing here stops a start.
void Node::Impl::recall_origin_keys() {
  const std::string path = data_dir_->file(uv::kOriginKeysFile);
  const auto text = uv::read_file(path, uv::kOriginKeysFileMax);
  if (!text && text.error().code == Errc::not_found) return;
  auto keys = text ? uv::parse_origin_keys(*text, config_.cluster) : Result<std::vector<frame::KeptKey>>{text.error()};
  if (keys) {
    identity_.origin_keys = std::move(*keys);
    if (!identity_.origin_keys.empty())
      notes_.push_back(
          {LogLevel::info, "node", code::kRecalled,
           "Keys of " + std::to_string(identity_.origin_keys.size()) + " members are known from '" + path + "'"});
  } else if (keys.error().code == Errc::not_found) {
    notes_.push_back({LogLevel::info, "node", code::kRecalled, "Not using '" + path + "': " + keys.error().message});
  } else {
    notes_.push_back({LogLevel::warn, "node", code::kDataBroken,
                      "'" + path + "' cannot be understood: " + keys.error().message +
                          "; the first key that is heard of a member is believed; " +
                          data_dir_->set_aside(uv::kOriginKeysFile)});
  }
}

}  // namespace plumvine
