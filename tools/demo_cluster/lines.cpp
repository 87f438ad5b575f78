#include "lines.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <plumvine/detail/base64.hpp>

namespace demo {
bool LineFile::load(const std::string& path, std::string& error) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    error = "cannot read '" + path + "': " + std::strerror(errno);
    return false;
  }
  struct stat status {};
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) bytes_.reserve(static_cast<std::size_t>(status.st_size));
  std::array<char, 65536> block{};
  ssize_t length = 0;
  while ((length = ::read(fd, block.data(), block.size())) != 0) {
    if (length > 0) {
      bytes_.append(block.data(), static_cast<std::size_t>(length));
    } else if (errno != EINTR) {
      error = "cannot read '" + path + "': " + std::strerror(errno);
      ::close(fd);
      return false;
    }
  }
  ::close(fd);
  for (std::size_t start = 0; start < bytes_.size();) {
    starts_.push_back(start);
    const std::size_t feed = bytes_.find('\n', start);
    start = feed == std::string::npos ? bytes_.size() : feed + 1;
  }
  return true;
}

std::string_view LineFile::line(std::uint64_t number) const {
  const std::size_t start = starts_[number - 1];
  std::string_view text = std::string_view(bytes_).substr(start, end_of(number) - start);
  if (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

std::size_t LineFile::end_of(std::uint64_t count) const {
  return count < starts_.size() ? starts_[count] : bytes_.size();
}

std::uint64_t LineFile::lines_before(std::size_t offset) const {
  if (offset >= bytes_.size()) return starts_.size();
  const auto next = std::upper_bound(starts_.begin(), starts_.end(), offset);
  return static_cast<std::uint64_t>(next - starts_.begin()) - 1;
}

std::uint64_t LineFile::longest() const {
  std::uint64_t best = 0;
  for (std::uint64_t number = 1; number <= count(); ++number) {
    if (best == 0 || line(number).size() > line(best).size()) best = number;
  }
  return best;
}

void Receipt::feed(std::string_view output) {
  while (true) {
    const std::size_t end = output.find('\n');
    if (end == std::string_view::npos) break;
    if (pending_.empty()) {
      take(output.substr(0, end));
    } else {
      pending_.append(output.substr(0, end));
      take(pending_);
      pending_.clear();
    }
    output.remove_prefix(end + 1);
  }
  pending_.append(output);
}

std::uint64_t Receipt::first_missing() const {
  for (std::uint64_t number = 1; number <= file_.count(); ++number) {
    if (!seen_[number]) return number;
  }
  return 0;
}

void Receipt::take(std::string_view printed) {
  const auto message = nlohmann::json::parse(printed, nullptr, false);
  if (!message.is_object() || !message.contains("seq") || !message["seq"].is_number_unsigned()) {
    return reject("printed no message: " + std::string(printed.substr(0, 200)));
  }
  const auto number = message["seq"].get<std::uint64_t>();
  if (number == 0 || number > file_.count()) return reject("message " + std::to_string(number) + " was never sent");
  std::optional<std::string> decoded;
  std::string_view payload;
  if (const auto text = message.find("payload"); text != message.end() && text->is_string()) {
    payload = text->get_ref<const std::string&>();
  } else if (const auto code = message.find("payload_base64"); code != message.end() && code->is_string()) {
    decoded = plumvine::decode_base64(code->get_ref<const std::string&>());
    if (!decoded) return reject("message " + std::to_string(number) + " has no valid base64");
    payload = *decoded;
  } else {
    return reject("message " + std::to_string(number) + " has no payload");
  }
  if (payload != file_.line(number)) return reject("line " + std::to_string(number) + " has other bytes");
  if (seen_[number]) {
    ++duplicates_;
    if (first_problem_.empty()) first_problem_ = "line " + std::to_string(number) + " came twice";
    return;
  }
  seen_[number] = true;
  ++received_;
}

void Receipt::reject(std::string why) {
  ++wrong_;
  if (first_problem_.empty()) first_problem_ = std::move(why);
}

}  // namespace demo
