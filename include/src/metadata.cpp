#include <plumvine/detail/metadata.hpp>

#include <fmt/format.h>

namespace plumvine {
namespace {

Tags own_tags(const Config& config, InstanceId instance, std::string_view origin) {
  Tags tags;
  tags.emplace(kTagInstance, to_string(instance));
  tags.emplace(kTagLinks, kLinksVersion);
  tags.emplace(kTagDigest, "1");
  if (config.serf_events) tags.emplace(kTagSerf, "1");
  if (config.transport == LinkTransport::quic) tags.emplace(kTagQuic, fmt::format("{:05}", config.quic_port));
  if (!config.tree.zone.empty()) tags.emplace(kTagZone, config.tree.zone);
  if (!origin.empty()) tags.emplace(kTagOrigin, origin);
  return tags;
}

}  // namespace

Result<Bytes> make_metadata(const Config& config, InstanceId instance, const Tags& user, std::string_view origin) {
  Tags tags = own_tags(config, instance, origin);
  const std::size_t ours = encode_tags(tags).size();
  for (const auto& [key, value] : user) {
    if (key.starts_with("pv") && key != kTagRaw)
      return {Errc::invalid_argument, fmt::format("tag '{}' is reserved: names that start with pv are ours", key)};
    tags.emplace(key, value);
  }
  Bytes meta = encode_tags(tags);
  if (meta.size() <= kMetaMax) return meta;
  const std::size_t left = ours < kMetaMax ? kMetaMax - ours : 0;
  return {Errc::invalid_argument, fmt::format("the metadata takes {} bytes of {}; ours takes {}, so {} are left for names, values and "
                                              "their lengths",
                                              meta.size(), kMetaMax, ours, left)};
}

}  // namespace plumvine
