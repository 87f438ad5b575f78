#pragma once

#include <string>
#include <string_view>

#include <plumvine/config.hpp>
#include <plumvine/health.hpp>

#include "transport/driver.hpp"

namespace plumvine::uv {

/// What a member says when the doctor asks (`Asking::findings`): the reasons of its own health report, its version, and the settings
/// that are to be alike everywhere. JSON.
std::string findings_answer(const HealthReport& report, const Config& config, const std::vector<KeyInfo>& keys = {});

/// What all members said, put together: one finding for each code that anybody reports, causes before what follows from them, each with the
/// evidence of every member that sees it; and advice.
struct Diagnosis {
  bool well = false;  ///< no finding
  std::string json;
};
Diagnosis diagnose(const std::string& self, std::string_view own, const Answered& answered);

/// The place of a code in that order; codes that are not known go last.
std::size_t rank_of(std::string_view code) noexcept;

}  // namespace plumvine::uv
