#include "quic_tickets_file.hpp"

#include <chrono>
#include <utility>

#include "keys.hpp"

namespace plumvine::uv {

constexpr std::uint64_t kTicketsSoonMs = 3000;

Result<std::vector<quic::KnownEnd>> load_tickets(const std::string& path, const std::string& secret) {
  auto text = read_file(path, quic::kTicketsFileMax);
  if (!text) return text.error();
  if (auto problem = rights_problem(path, "tickets of links"); !problem.empty())
    return {Errc::invalid_argument, std::move(problem)};
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  auto ends = quic::open_tickets(*text, secret, std::chrono::duration_cast<std::chrono::seconds>(now).count());
  if (!ends) return {ends.error().code, "'" + path + "': " + ends.error().message};
  return ends;
}

TicketsFile::TicketsFile(uv_loop_t* loop, std::string path, Text text, Log log)
    : file_(loop, std::move(path)), text_(std::move(text)), log_(std::move(log)) {
  (void)timer_.init(this, [&](uv_timer_t* h) { return uv_timer_init(loop, h); });
}

void TicketsFile::changed() {
  if (std::exchange(due_, true)) return;
  uv_timer_start(
      timer_.get(), [](uv_timer_t* h) { self<TicketsFile>(h)->save(); }, kTicketsSoonMs, 0);
}

void TicketsFile::save() {
  due_ = false;
  file_.save(text_(), [this](const Status& status) {
    if (!status && !failed_) log_(status.error().message);
    failed_ = !status;
  });
}

void TicketsFile::finish() {
  uv_timer_stop(timer_.get());
  file_.save(text_(), {});
}

}  // namespace plumvine::uv
