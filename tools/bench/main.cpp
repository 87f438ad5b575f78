// plumvine-bench: see usage.cpp.

#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "options.hpp"
#include "plot.hpp"
#include "report.hpp"
#include "run.hpp"
#include "usage.hpp"

namespace {

using namespace plumvine;

constexpr int kFailed = 1;
constexpr int kUsage = 2;

int refuse(const Error& error, int code) {
  std::cerr << "plumvine-bench: " << error.message << '\n';
  return code;
}

int report(const std::vector<std::string>& arguments) {
  const auto options = bench::parse_report(arguments);
  if (!options) return refuse(options.error(), kUsage);
  const auto points = bench::read_points(options->files, std::cerr);
  if (!points) return refuse(points.error(), kFailed);
  if (!options->svg.empty()) {
    std::ofstream svg{options->svg, std::ios::binary};
    svg << bench::plot(*points, options->over_members ? bench::Over::members : bench::Over::size);
    svg.close();
    if (!svg) return refuse({Errc::system, "cannot write '" + options->svg + "'"}, kFailed);
  }
  std::cout << bench::markdown(*points);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      std::cout << bench::usage();
      return 0;
    }
    if (argument == "--version") {
      std::cout << "plumvine-bench " << PLUMVINE_VERSION << '\n';
      return 0;
    }
  }
  if (!arguments.empty() && arguments.front() == "report") {
    arguments.erase(arguments.begin());
    return report(arguments);
  }
  const auto options = bench::parse_options(arguments);
  if (!options) return refuse(options.error(), kUsage);
  return bench::run(*options);
}
