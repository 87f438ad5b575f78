// What keeps others out of a node: blocks that outlive it, and the token for HTTP.
#include <chrono>
#include <utility>

#include "blocks_file.hpp"
#include "node_impl.hpp"
#include "transport/codes.hpp"

namespace plumvine {
namespace {

std::int64_t wall_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

Status Node::Impl::prepare_token() {
  if (config_.http_token_file.empty()) return {};
  auto token = uv::Token::read(config_.http_token_file);
  if (!token) return token.error();
  token_ = std::move(*token);
  if (auto problem = uv::rights_problem(config_.http_token_file, "a token"); !problem.empty())
    notes_.push_back({LogLevel::warn, "http", code::kTokenRead, std::move(problem)});
  return {};
}

void Node::Impl::take_token(uv::Token token) {
  const bool same = token == token_;
  token_ = std::move(token);
  if (!config_.http_token_file.empty()) {
    if (auto problem = uv::rights_problem(config_.http_token_file, "a token"); !problem.empty()) log(LogLevel::warn, code::kTokenRead, std::move(problem));
  }
  if (!same) log(LogLevel::info, code::kTokenRead, token_.empty() ? "There is no token for HTTP any more" : "Another token for HTTP is in force");
}

void Node::Impl::recall_blocks() {
  constexpr std::size_t kFileMax = std::size_t{2} << 20;
  const std::string path = data_dir_->file(std::string(uv::kBlocksFile));
  const auto text = uv::read_file(path, kFileMax);
  if (!text && text.error().code == Errc::not_found) return;
  auto blocks = text ? uv::parse_blocks(*text, wall_s()) : Result<std::vector<BlockOrder>>{text.error()};
  if (blocks) {
    identity_.block_orders = std::move(*blocks);
    return;
  }
  notes_.push_back({LogLevel::warn, "node", code::kDataBroken, "'" + path + "' cannot be understood: " + blocks.error().message +
                                                             "; nobody is blocked; " + data_dir_->set_aside(std::string(uv::kBlocksFile))});
}

void Node::Impl::save_blocks() {
  if (!core_->blocks_file) return;
  core_->blocks_file->save(uv::format_blocks(core_->driver.blocks(), wall_s()), [this](const Status& status) {
    if (!status) log(LogLevel::warn, code::kDataNotKept, "Blocks are not kept over a restart: " + status.error().message);
  });
}

Status Node::Impl::block(std::string_view what, std::optional<Duration> left) {
  return change([this, what = std::string(what), left](Driver& driver) {
    auto done = driver.block(what, left);
    if (done) save_blocks();
    return done;
  });
}

Status Node::Impl::unblock(std::string_view what) {
  return change([this, what = std::string(what)](Driver& driver) {
    auto done = driver.unblock(what);
    if (done) save_blocks();
    return done;
  });
}

}  // namespace plumvine
